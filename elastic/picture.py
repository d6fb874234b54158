"""Open whatever a person drops on the page as one upright RGB picture, or say why not; and make it small to send."""

import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 50_000_000
MAX_ASPECT = 20  # the processor enlarges the short side to the model's size: a strip would become enormous
SENT_BYTES = 30_000  # a picture travels in two messages of every run
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


def small_jpeg(picture: Image.Image) -> bytes:
    """A picture as a JPEG file small enough to travel with a run: SENT_BYTES at most, the best that fits."""
    for side in (448, 336, 224, 112):
        small = picture.convert("RGB")
        small.thumbnail((side, side))
        for quality in (90, 75, 60):
            file = io.BytesIO()
            small.save(file, "JPEG", quality=quality)
            if len(file.getvalue()) <= SENT_BYTES:
                return file.getvalue()
    return file.getvalue()
