"""Pictures that are no emoji scene: photographs, text, drawings, noise, plain colour."""

import random
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from scenes.scene import BACKGROUNDS, IMAGE_SIZE, MATERIALS

KINDS = ("photograph", "text", "drawing", "noise", "plain")
WORDS = (
    *("the", "of", "and", "to", "in", "is", "that", "it", "was", "for", "on", "are", "with", "as", "his", "they", "be"),
    *("Invoice", "Total", "Chapter", "Menu", "Login", "Search", "Settings", "Error", "Page", "Home", "Monday", "2024"),
    *("at", "one", "have", "this", "from", "or", "had", "by", "not", "word", "17.50", "www", "Sale", "Open", "Notes"),
)
SIZE = (IMAGE_SIZE, IMAGE_SIZE)


def other_picture(rng: random.Random, photographs: Path = MATERIALS / "photos" / "train") -> tuple[Image.Image, str]:
    """A picture of the model's size without any emoji, and its kind, one of KINDS."""
    kind = rng.choices(KINDS, weights=(3, 2, 2, 1, 1))[0]
    if kind == "photograph" and not photograph_files(photographs):
        kind = "drawing"
    if kind == "photograph":
        return photograph(rng.choice(photograph_files(photographs)), rng), kind
    return {"text": text, "drawing": drawing, "noise": noise, "plain": plain}[kind](rng), kind


@cache
def photograph_files(folder: Path) -> tuple[Path, ...]:
    """The photographs in a folder, none where they were not collected."""
    return tuple(sorted(folder.glob("*.jpg")))


@cache
def _opened(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def photograph(path: Path, rng: random.Random) -> Image.Image:
    """A part of a photograph, mirrored, turned and in another light at times."""
    whole = _opened(path)
    side = int(min(whole.size) * rng.uniform(0.45, 1.0))
    left, top = rng.randint(0, whole.width - side), rng.randint(0, whole.height - side)
    part = whole.resize(SIZE, Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    part = ImageOps.mirror(part) if rng.random() < 0.5 else part
    part = ImageEnhance.Color(part).enhance(rng.uniform(0.0, 1.5)) if rng.random() < 0.3 else part
    part = ImageEnhance.Brightness(part).enhance(rng.uniform(0.6, 1.3))
    return part.rotate(90 * rng.randrange(4)) if rng.random() < 0.15 else part


def text(rng: random.Random) -> Image.Image:
    """Lines of words, dark on light or light on dark, as on a screenshot or a page."""
    light, dark = tuple(rng.randint(215, 255) for _ in range(3)), tuple(rng.randint(0, 90) for _ in range(3))
    paper, ink = (light, dark) if rng.random() < 0.75 else (dark, light)
    picture = Image.new("RGB", SIZE, paper)
    draw = ImageDraw.Draw(picture)
    y = rng.randint(0, 40)
    while y < IMAGE_SIZE:
        size = rng.choice((8, 10, 11, 12, 14, 18, 24, 36))
        words = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 12)))
        draw.text((rng.randint(2, 30), y), words, fill=ink, font=_font(size))
        y += int(size * rng.uniform(1.1, 2.5))
        if rng.random() < 0.1:
            draw.rectangle((rng.randint(0, 100), y, rng.randint(110, 220), y + rng.randint(2, 30)), outline=ink)
    return picture


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def drawing(rng: random.Random) -> Image.Image:
    """Shapes and strokes in any colours: a chart, a sketch, a logo, a rainbow."""
    picture = Image.new("RGB", SIZE, _color(rng) if rng.random() < 0.5 else "white")
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.randint(1, 14)):
        x, y = rng.randint(-30, IMAGE_SIZE), rng.randint(-30, IMAGE_SIZE)
        box = (x, y, x + rng.randint(8, 150), y + rng.randint(8, 150))
        inner, outer = (_color(rng) if rng.random() < 0.6 else None), _color(rng)
        shape = rng.choice(("ellipse", "rectangle", "line", "polygon", "arc"))
        if shape == "line":
            points = [(rng.randint(0, IMAGE_SIZE), rng.randint(0, IMAGE_SIZE)) for _ in range(rng.randint(2, 9))]
            draw.line(points, fill=outer, width=rng.randint(1, 6), joint="curve")
        elif shape == "polygon":
            corners = [(rng.randint(box[0], box[2]), rng.randint(box[1], box[3])) for _ in range(rng.randint(3, 6))]
            draw.polygon(corners, fill=inner, outline=outer)
        elif shape == "arc":
            draw.arc(box, rng.randint(0, 180), rng.randint(181, 360), fill=outer, width=rng.randint(1, 8))
        else:
            getattr(draw, shape)(box, fill=inner, outline=outer, width=rng.randint(1, 5))
    return picture


def noise(rng: random.Random) -> Image.Image:
    """Random pixels, fine to coarse, grey or coloured."""
    side = rng.choice((4, 8, 16, 32, 64, 112, 224))
    pixels = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (side, side, 3), dtype=np.uint8)
    if rng.random() < 0.3:
        pixels[..., 1:] = pixels[..., :1]
    picture = Image.fromarray(pixels).resize(SIZE, rng.choice((Image.Resampling.NEAREST, Image.Resampling.BICUBIC)))
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 3)))


def plain(rng: random.Random) -> Image.Image:
    """One colour, or one that fades into another; at times the very backgrounds of scenes, with nothing on them."""
    first = rng.choice(tuple(BACKGROUNDS.values())) if rng.random() < 0.4 else _color(rng)
    if rng.random() < 0.6:
        return Image.new("RGB", SIZE, first)
    fade = np.linspace(0, 1, IMAGE_SIZE, dtype=np.float32)[:, None, None]
    rows = np.asarray(first, np.float32) * (1 - fade) + np.asarray(_color(rng), np.float32) * fade
    picture = Image.fromarray(np.broadcast_to(rows, (*SIZE, 3)).astype(np.uint8))
    return picture if rng.random() < 0.5 else picture.rotate(90)


def _color(rng: random.Random) -> tuple[int, int, int]:
    return rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255)
