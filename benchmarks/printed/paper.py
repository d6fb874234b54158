"""A white page for print: texts, pictures with a veil over them, bars, and tables of colours."""

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK, FAINT, PAGE = (39, 39, 42), (205, 205, 212), (255, 255, 255)
BLUE, ORANGE, GREEN, RED = (31, 95, 191), (200, 98, 16), (0, 122, 87), (176, 42, 55)
VEIL = "A patch is as clear as the share of layers and heads that hold it, and half as clear where it was merged."
Colour = tuple[int, int, int]
Place = tuple[float, float]


class Paper:
    """A page of so many pixels; all places are of the upper left corner of what is put there."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), PAGE)
        self.draw = ImageDraw.Draw(self.image)

    def text(self, at: Place, words: str, size: int = 26, colour: Colour = INK, width: int = 0) -> int:
        """Write words, in lines of `width` pixels if there is one; returns where the next line begins."""
        font = ImageFont.load_default(size)
        letters = int(width / max(1.0, self.draw.textlength("n", font=font)) * 1.08) if width else 0
        top = at[1]
        for line in textwrap.wrap(words, letters) if letters else words.split("\n"):
            self.draw.text((at[0], top), line, fill=colour, font=font)
            top += round(1.3 * size)
        return int(top)

    def picture(self, at: tuple[int, int], picture: Image.Image, side: int, lost: np.ndarray) -> None:
        """A picture of `side` pixels, faded in its cells by how much of each was `lost` (rows, columns), 0 to 1."""
        cells = Image.fromarray((255 * lost).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
        pixels = np.asarray(picture.convert("RGB").resize((side, side)), np.float32)
        pixels = pixels + (255 - pixels) * 0.93 * (np.asarray(cells, np.float32) / 255)[..., None]
        self.image.paste(Image.fromarray(pixels.astype(np.uint8)), at)
        self.draw.rectangle((*at, at[0] + side, at[1] + side), outline=FAINT)

    def table(self, at: tuple[int, int], values: np.ndarray, cell: tuple[int, int], colour: Colour) -> None:
        """Numbers from 0 to 1 (rows, columns) as cells of a colour: white for 0."""
        shade = PAGE + (np.array(colour, np.float32) - PAGE) * values[..., None]
        wide, high = cell
        image = Image.fromarray(shade.astype(np.uint8)).resize(
            (values.shape[1] * wide, values.shape[0] * high), Image.Resampling.NEAREST
        )
        self.image.paste(image, at)
        self.draw.rectangle((*at, at[0] + image.width, at[1] + image.height), outline=FAINT)

    def bar(self, at: Place, parts: Sequence[tuple[float, Colour]], height: int) -> float:
        """Parts of a bar side by side, each so many pixels long; returns where it ends."""
        left = at[0]
        for length, colour in parts:
            self.draw.rectangle((left, at[1], left + length, at[1] + height), fill=colour)
            left += length
        return left

    def line(self, points: Sequence[Place], colour: Colour, width: int = 3) -> None:
        """A line through points."""
        self.draw.line(list(points), fill=colour, width=width)
