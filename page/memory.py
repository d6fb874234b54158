"""How much memory there is, and how it is said: `2GB`, `500MB`."""

import math
import re
import sys

from elastic.memory import free_bytes

SHARE = 4  # of what is free one part in so many is for what is remembered of visitors
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
LEAST = 50_000_000


def read_bytes(text: str) -> int:
    """Bytes from a number with a unit.

    Raises:
        ValueError: if it is none, or less than LEAST.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?b)\s*", text, re.IGNORECASE)
    size = float(found[1]) * UNITS[found[2].upper()] if found else 0.0
    if not LEAST <= size < math.inf:
        raise ValueError(f"{text[:20]!r} is no memory to work with. Give {LEAST // 10**6}MB or more, such as 2GB.")
    return int(size)


def free_gpu_bytes() -> int | None:
    """Bytes that can still be allocated on the GPU in use, None where there is none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return torch.cuda.mem_get_info()[0]


def default_budget() -> int:
    """Bytes for what is remembered of visitors where nobody says."""
    return max(LEAST, free_bytes() // SHARE)
