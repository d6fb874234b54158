"""Open whatever a person drops on the page as one upright RGB picture, or say why not; and make it small to send."""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps
from PIL.TiffImagePlugin import TiffImageFile
from pillow_heif import register_heif_opener

from elastic.record.foreign import read_file
from elastic.record.grey import is_deep, shown_grey

MAX_BYTES = 200_000_000  # of a file
MAX_PIXELS = 50_000_000
MAX_ASPECT = 20  # the processor enlarges the short side to the model's size: a strip would become enormous
SENT_BYTES = 30_000  # a picture travels in two messages of every run
SENT_TILES = 150_000  # and all views of it, where there are several
MAX_SIDE = 2048  # larger pictures are reduced: SmolVLM looks at as much, and with Qwen-VL every pixel is paid for
# What is read, by Pillow's names. Not among them: what starts another program (EPS), and what only few can open.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA", "ICO", "FITS", "HEIF")
SCAN = b"\xff\xda"  # begins a scan of a JPEG file, and cannot stand within one
MAX_SCANS = 200  # progressive ones have about ten
BITS, SAMPLE_FORMAT, NO_DATA = 258, 339, 42113  # tags of TIFF files; the last is of maps, a number as text
DOUBLE = "The picture is a FITS file of 64-bit fractions, which cannot be read. Save it with 32 bits and try again."
JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"
# Chunks of a PNG file that say what its pixels are and how it is turned; all others are passed over, however large.
PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")

register_heif_opener()  # photographs of phones (HEIC), which Pillow does not read by itself


def open_picture(source: str | Path | io.BytesIO) -> Image.Image:
    """The picture in a file: first frame, turned upright, transparency laid on white, at most MAX_SIDE wide and high.

    Raises:
        ValueError: if the file is no picture, is damaged, or has more than MAX_PIXELS pixels.
    """
    content = source.getvalue() if isinstance(source, io.BytesIO) else read_file(source, MAX_BYTES)
    if content.startswith(PNG):
        content = _without_metadata(content)
    if content.startswith(JPEG) and content.count(SCAN) > MAX_SCANS:  # in other files these bytes are colours
        raise _PictureRefused(
            f"The picture is a JPEG of more than {MAX_SCANS} scans, which would take minutes to read. Save it anew."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on sizes, which are checked below, and on metadata, which are not used
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                _check_size(*picture.size)
                if picture.format == "FITS" and re.search(rb"BITPIX  = +-64\b", content[:28_800]):
                    raise _PictureRefused(DOUBLE)
                # A JPEG can be read smaller at once, which saves memory on phone pictures.
                picture.draft("RGB", (2 * MAX_SIDE, 2 * MAX_SIDE))
                picture.load()
                return _upright_rgb(picture)
    except _PictureRefused:
        raise
    except Image.DecompressionBombError as error:
        raise _PictureRefused(
            f"The picture is larger than the {MAX_PIXELS:,} pixels that are read. Save a smaller copy and try again."
        ) from error
    except Exception as error:  # a file from outside can break a decoder in more ways than can be listed
        raise _PictureRefused(
            "This file cannot be read as a picture: it is damaged or of another type. Try a PNG, JPEG or WebP file."
        ) from error


class _PictureRefused(ValueError):
    """A sentence that is ready for people."""


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _PictureRefused(
            f"The picture has {width:,} x {height:,} pixels, more than the {MAX_PIXELS:,} that are read. "
            "Save a smaller copy and try again."
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise _PictureRefused(
            f"The picture has {width:,} x {height:,} pixels: a strip of which the model would see next to "
            "nothing. Crop it and try again."
        )


def _without_metadata(content: bytes) -> bytes:
    """A PNG file without its texts and profiles, which Pillow refuses together with the picture when they are large."""
    kept, at, kind_of_pixels = [PNG], len(PNG), b""
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind in PIXELS:
            chunk = content[at : at + 12 + length]
            if kind == b"IHDR":
                kind_of_pixels = chunk[16:18]  # bits, and whether they are greys, colours or places in a palette
            kept.append(_of_8_bits(chunk, kind_of_pixels) if kind == b"tRNS" else chunk)
        at += 12 + length
    return b"".join(kept) + content[at:]


def _of_8_bits(clear: bytes, kind_of_pixels: bytes) -> bytes:
    """The chunk that says which value is transparent, in 8 bits where Pillow makes pixels of 8 bits of others.

    Pillow compares them without that, and nothing is transparent.
    """
    if kind_of_pixels in (b"\2\0", b"\4\0") and len(clear) == 14:
        values = [int.from_bytes(clear[8:10]) * 255 // (2 ** kind_of_pixels[0] - 1)]
    elif kind_of_pixels == b"\x10\2" and len(clear) == 18:
        values = [clear[8], clear[10], clear[12]]
    else:
        return clear
    chunk = b"tRNS" + struct.pack(f">{len(values)}H", *(min(value, 255) for value in values))
    return clear[:4] + chunk + struct.pack(">I", zlib.crc32(chunk))


def _upright_rgb(picture: Image.Image) -> Image.Image:
    if not is_deep(picture):  # whose numbers must first become greys
        picture.thumbnail((2 * MAX_SIDE, 2 * MAX_SIDE))
    try:
        turned = ImageOps.exif_transpose(picture)
    except Exception:  # what a camera wrote beside the picture is no reason to refuse it
        turned = picture.copy()
    if is_deep(turned):
        turned = shown_grey(turned, _is_white_zero(picture), _numbers(turned, picture))
    elif turned.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(turned, *profiles, outputMode="RGB")
        assert converted is not None, "it is None only where a picture is changed in place"
        turned = converted
    if turned.has_transparency_data:
        layer = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    turned = turned.convert("RGB")
    turned.thumbnail((MAX_SIDE, MAX_SIDE))
    return turned


def _numbers(turned: Image.Image, picture: Image.Image) -> np.ndarray:
    """The numbers (height, width) of a deep picture, where Pillow takes them for others than its file says."""
    numbers = np.asarray(turned)
    if picture.format == "FITS":  # the highest byte comes first, and all have signs
        numbers = numbers.byteswap()
        return numbers.view(np.int16) if numbers.dtype == np.uint16 else numbers
    if not isinstance(picture, TiffImageFile):
        return numbers
    tags = picture.tag_v2
    if numbers.dtype == np.int32 and tags.get(BITS) == (32,) and tags.get(SAMPLE_FORMAT, (1,)) == (1,):
        numbers = numbers.view(np.uint32)  # without signs
    try:
        nothing = float(tags.get(NO_DATA, "").strip("\0 "))
    except (AttributeError, ValueError):
        return numbers
    return np.where(numbers == nothing, np.nan, numbers.astype(np.float64))


def _is_white_zero(picture: Image.Image) -> bool:
    """Whether a TIFF file says that its smallest value is white; Pillow sees to that up to 8 bits only."""
    return isinstance(picture, TiffImageFile) and picture.tag_v2.get(262) == 0


def small_jpegs(views: Sequence[np.ndarray]) -> list[bytes]:
    """What a model saw, pixels (h, w, 3) uint8 per view, as JPEG files that travel with a run.

    One has SENT_BYTES at most; several share SENT_TILES, though none gets too little to show anything.
    """
    most = min(SENT_BYTES, max(4_000, SENT_TILES // max(1, len(views))))
    return [small_jpeg(Image.fromarray(pixels), most) for pixels in views]


def small_jpeg(picture: Image.Image, most: int = SENT_BYTES) -> bytes:
    """A picture as a JPEG file small enough to travel with a run: `most` bytes, and the best that fits."""
    for side in (448, 336, 224, 112):
        small = picture.convert("RGB")
        small.thumbnail((side, side))
        for quality in (90, 75, 60):
            file = io.BytesIO()
            small.save(file, "JPEG", quality=quality)
            if len(file.getvalue()) <= most:
                return file.getvalue()
    return file.getvalue()


def is_small_jpeg(content: bytes) -> bool:
    """Whether that is a picture such as `small_jpeg` makes, and can be shown."""
    if content.count(SCAN) > MAX_SCANS:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
                if max(picture.size) > MAX_SIDE:
                    return False
                picture.load()
    except Exception:  # a file from outside can break a decoder in more ways than can be listed
        return False
    return True
