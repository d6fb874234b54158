"""How arrays and numbers are written in messages."""

import base64
import math

import numpy as np


def in_base64(values: np.ndarray) -> str:
    """The bytes of an array, as text."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def numbers(values: np.ndarray) -> list[float | None]:
    """An array's numbers, None for what is none."""
    return [number(value) for value in values]


def number(value: float) -> float | None:
    """JSON has no NaN; five digits are more than anyone reads."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
