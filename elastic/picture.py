"""Open whatever a person drops on the page as one upright RGB picture, or say in a sentence why not."""

import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 50_000_000
MAX_ASPECT = 20  # the processor enlarges the short side to the model's size: a strip would become enormous
MAX_SIDE = 1344  # larger pictures are reduced: no model here looks at more


def open_picture(path: str | Path) -> Image.Image:
    """The picture in a file: first frame, turned upright, transparency laid on white, at most MAX_SIDE wide and high.

    Raises:
        ValueError: if the file is no picture, is damaged, or has more than MAX_PIXELS pixels.
    """
    try:
        with warnings.catch_warnings():
            # The size is checked below, with words of our own.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise ValueError(
                        f"The picture has {width:,} x {height:,} pixels, more than the {MAX_PIXELS:,} that are read. "
                        "Save a smaller copy and try again."
                    )
                if max(width, height) > MAX_ASPECT * min(width, height):
                    raise ValueError(
                        f"The picture has {width:,} x {height:,} pixels: a strip of which the model would see next to "
                        "nothing. Crop it and try again."
                    )
                # A JPEG can be read smaller at once, which saves memory on phone pictures.
                picture.draft("RGB", (2 * MAX_SIDE, 2 * MAX_SIDE))
                picture.load()
                picture.thumbnail((2 * MAX_SIDE, 2 * MAX_SIDE))
                upright = ImageOps.exif_transpose(picture)
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"The picture is larger than the {MAX_PIXELS:,} pixels that are read. Save a smaller copy and try again."
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError, EOFError) as error:
        raise ValueError(
            "This file cannot be read as a picture: it is damaged or of another type. Try a PNG, JPEG or WebP file."
        ) from error
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    upright = upright.convert("RGB")
    upright.thumbnail((MAX_SIDE, MAX_SIDE))
    return upright
