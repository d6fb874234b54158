"""Numbers and arrays of a record as JSON can carry them. Numpy only."""

import base64
import math

import numpy as np


def as_base64(values: np.ndarray) -> str:
    """The bytes of an array."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def as_numbers(values: np.ndarray) -> list[float | None]:
    """The values (n,) of an array."""
    return [as_number(value) for value in values]


def as_number(value: float) -> float | None:
    """JSON has no NaN; five digits are more than anyone reads."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
