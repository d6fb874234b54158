"""Draw the sprites of assets/sprites from Noto Color Emoji: `python -m training.draw_sprites FONT.ttf`.

Run once by whoever changes the list of objects; nobody else needs the font.
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from scenes.scene import OBJECTS, SPRITES

STRIKE = 109  # the one bitmap size, in pixels, that the font holds
SIDE = 96  # longest side of a stored sprite, pixels

EMOJI = dict(
    zip(
        OBJECTS,
        "🐕🐈🐎🐄🐖🐸🐒🐘🐧🐟🐙🐝🐢🦉🐇🦁"
        "🍕🍎🍌🥕🍔🍩🧀🎂🍋🍐🍪🥚🥨🍓"
        "🚗🚌🚂🚲🚀✈⛵🚜🚁🚚🛵"
        "🌳🌵🌹🌻🍄🌴"
        "🔨🔧🪓🔑✏🧲🧹🪜📷"
        "⚽🎈🪁🧸🤖🧩🪀🪆",
        strict=True,
    )
)


def draw(font: ImageFont.FreeTypeFont, emoji: str) -> Image.Image:
    """One emoji, cropped to what is visible and reduced to SIDE pixels."""
    canvas = Image.new("RGBA", (2 * STRIKE, 2 * STRIKE))
    ImageDraw.Draw(canvas).text((20, 20), emoji, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None:
        raise ValueError(f"The font has no picture for {emoji!r}; use a recent NotoColorEmoji.ttf.")
    picture = canvas.crop(box)
    scale = SIDE / max(picture.size)
    return picture.resize([round(side * scale) for side in picture.size], Image.Resampling.LANCZOS)


def main(font_path: str) -> None:
    """Write one PNG per object."""
    font = ImageFont.truetype(font_path, STRIKE)
    Path(SPRITES).mkdir(parents=True, exist_ok=True)
    for name, emoji in EMOJI.items():
        draw(font, emoji).save(SPRITES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
