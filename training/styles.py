"""Scenes drawn as they are not on the page: other emoji fonts, scales, positions, backgrounds, crops, blur, JPEG.

Used in training and in tests only, so that a visitor's own picture of emoji is more than a stranger to the model.
"""

import io
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from scenes.scene import IMAGE_SIZE, MATERIALS, SPRITES, Plate, Scene, corner, lay, sprite


@cache
def fonts(materials: Path = MATERIALS, held_out: tuple[str, ...] = ("openmoji",)) -> tuple[Path, ...]:
    """Folders of sprites of other emoji fonts, as far as they were collected; fonts held out for tests are left out."""
    folders = sorted((materials / "emoji").glob("*")) if (materials / "emoji").exists() else []
    return tuple(f for f in folders if f.name not in held_out and (f / "dog.png").exists() and (f / "9.png").exists())


def draw_styled(
    scene: Scene, rng: random.Random, plates: Sequence[Plate] | None = None
) -> tuple[Image.Image, np.ndarray]:
    """A scene as `scenes.render` gives it, drawn otherwise: picture and what covers each pixel.

    `plates` are drawn in place of the scene's own number.
    """
    if plates is None:
        plates = [scene.plate] if scene.plate else []
    folder = rng.choice((SPRITES, *fonts()))
    scale = rng.uniform(0.82, 1.2)
    canvas = _background(scene.color, rng)
    covered = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    astray = rng.choice((0, 0, 9))  # pixels by which things may leave their place in the grid
    for number, thing in enumerate(scene.things, start=1):
        picture = sprite(thing.name, round(thing.pixels * scale), folder)
        x, y = corner(thing, picture.shape[1], picture.shape[0])
        x, y = x + rng.randint(-astray, astray), y + rng.randint(-astray, astray)
        if rng.random() < 0.1:
            picture = picture[:, ::-1]
        lay(canvas, covered, picture, (x, y), number)
    number = len(scene.things)
    for plate in plates:
        for place, digit in enumerate(plate.digits):
            at = plate.corner[0] + place * plate.pixels, plate.corner[1]
            number += 1
            lay(canvas, covered, sprite(digit, plate.pixels, folder), at, number)
    picture = Image.fromarray(canvas.clip(0, 255).round().astype(np.uint8))
    return _as_received(picture, covered, rng)


def _background(color: tuple[int, int, int], rng: random.Random) -> np.ndarray:
    """Plain, a gradient or a pattern, in shades of one colour: (IMAGE_SIZE, IMAGE_SIZE, 3) float32."""
    across, down = np.meshgrid(np.linspace(0, 1, IMAGE_SIZE), np.linspace(0, 1, IMAGE_SIZE))
    angle = rng.uniform(0, 2 * np.pi)
    along = across * np.cos(angle) + down * np.sin(angle)
    period = rng.uniform(4, 14)
    shape = {
        "plain": lambda: np.zeros_like(along),
        "gradient": lambda: along - along.mean(),
        "stripes": lambda: (np.sin(along * period * 2 * np.pi) > 0) - 0.5,
        "checks": lambda: ((across * period).astype(int) + (down * period).astype(int)) % 2 - 0.5,
        "dots": lambda: ((across * period % 1 - 0.5) ** 2 + (down * period % 1 - 0.5) ** 2 < 0.06) - 0.5,
        "grain": lambda: np.random.default_rng(rng.getrandbits(32)).normal(size=along.shape) / 3,
    }[rng.choice(("plain", "plain", "gradient", "gradient", "stripes", "checks", "dots", "grain"))]()
    shade = rng.uniform(8, 30)
    return (np.asarray(color, np.float32) + shade * shape[..., None]).astype(np.float32)


def _as_received(picture: Image.Image, covered: np.ndarray, rng: random.Random) -> tuple[Image.Image, np.ndarray]:
    """The picture after what pictures go through: a crop, another size, blur, other light, JPEG."""
    if rng.random() < 0.4:
        side = rng.uniform(0.92, 1.0) * IMAGE_SIZE
        left, top = rng.uniform(0, IMAGE_SIZE - side), rng.uniform(0, IMAGE_SIZE - side)
        box, size = (left, top, left + side, top + side), (IMAGE_SIZE, IMAGE_SIZE)
        picture = picture.resize(size, Image.Resampling.BICUBIC, box=box)
        covered = np.asarray(Image.fromarray(covered).resize(size, Image.Resampling.NEAREST, box=box))
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    if rng.random() < 0.4:
        light = np.asarray(picture, np.float32) * rng.uniform(0.88, 1.08) + rng.uniform(-8, 8)
        picture = Image.fromarray(light.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=rng.randint(40, 92))
        picture = Image.open(file).convert("RGB")
    return picture, covered
