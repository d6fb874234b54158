"""Grey pictures of more than 8 bits as what they show: X-rays, microscopes, depth maps. Knows no files."""

import numpy as np
from PIL import Image

DEPTHS = (8, 10, 12, 14, 15, 16, 20, 24, 31)  # bits that instruments write, mostly into the low end of 16 or 32
LARGEST = 3.39e38  # fractions of 32 bits beyond it are their largest, or nearly, written where nothing was measured
LEAST_SPAN = 1 / 8  # of the range: what takes less of it is spread over the whole, or it would be one grey


def is_deep(picture: Image.Image) -> bool:
    """Whether pixels are whole numbers of more than 8 bits, or fractions."""
    return picture.mode.startswith("I") or picture.mode == "F"


def shown_grey(picture: Image.Image, inverted: bool = False, numbers: np.ndarray | None = None) -> Image.Image:
    """The picture in 256 greys, from its own black to its own white; no number is black, transparent is white.

    `numbers` (height, width) are its pixels where those that Pillow read are not what the file holds.
    """
    numbers = np.asarray(picture) if numbers is None else numbers
    values = numbers.astype(np.float64)  # in fewer bits, neighbours among large numbers are one
    values[np.abs(values) >= LARGEST] *= np.inf
    is_clear = values == picture.info.get("transparency", np.nan)  # in a PNG file one value can stand for nothing
    known = np.isfinite(values) & ~is_clear
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 0.0)
    black, white = _range(low, high, whole=picture.mode != "F")
    # What is infinite is as bright or as dark as anything else gets.
    values = np.nan_to_num(values, nan=black, posinf=high, neginf=low)
    grey = ((values - black) / (white - black)).clip(0, 1)
    if inverted:
        grey = 1 - grey
    grey[is_clear] = 1
    return Image.fromarray((grey * 255).round().astype(np.uint8))


def _range(low: float, high: float, whole: bool) -> tuple[float, float]:
    """The values that are black and white in a picture of values from `low` to `high`."""
    tops = [2.0**bits - 1 for bits in DEPTHS]
    # A picture may be dark, as one of 8 bits or of fractions up to 1 may be; but it uses the highest bit it has.
    sure = 255.0 if whole else 1.0
    top = sure if high <= sure else next((top for top in tops if top / 2 < high <= top), high)
    if low == high:
        # Nothing to compare with: neither black nor white, but a grey of as many bits as it takes.
        return 0.0, max(top, 2.0 ** int(high).bit_length() - whole if high > sure else sure)
    return (0.0, top) if low >= 0 and high - low >= LEAST_SPAN * top else (low, high)
