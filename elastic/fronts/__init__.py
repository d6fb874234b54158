"""Every front by its name: add a file beside this one and a line here."""

from elastic.fronts.base import Front
from elastic.fronts.divprune import DivPrune
from elastic.fronts.visionzip import VisionZip

FRONTS: dict[str, type[Front]] = {"visionzip": VisionZip, "divprune": DivPrune}

__all__ = ["FRONTS", "Front", "front_of"]


def front_of(name: str, keep: float, is_alone: bool) -> Front:
    """The front of that name for a side that holds a share of the cache.

    Where a policy compresses behind it, both leave the same share of what they are given: of a quarter each leaves a
    half.

    Raises:
        ValueError: if there is none of that name, or the share is none.
    """
    if name not in FRONTS:
        raise ValueError(f"There is no front {name[:40]!r}. Choose from: {', '.join(FRONTS)}.")
    return FRONTS[name](keep=keep if is_alone else keep**0.5)
