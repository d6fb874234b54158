"""How the numbers of a record travel in messages: as JSON's own, or as the base64 of their bytes."""

import base64
import math

import numpy as np

from elastic.record.trace import Trace


def base64_of(values: np.ndarray) -> str:
    """The bytes of an array."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def numbers_of(values: np.ndarray) -> list[float | None]:
    """Numbers of an array, None where there is none."""
    return [number_of(value) for value in values]


def number_of(value: float) -> float | None:
    """JSON has no NaN; five digits are more than anyone reads."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def given_up(steps: np.ndarray) -> list[list[int] | None]:
    """Per step the L x H tokens, None where there are none: in most steps most policies give nothing up."""
    return [tokens.ravel().tolist() if (tokens >= 0).any() else None for tokens in steps]


def looked_of(side: Trace, since: int, layer: int | None = None) -> list[str]:
    """Per step the attention on every token before it, of a layer or the mean of all.

    The root gives small weights, which are most of them, the finer steps.
    """
    rows = side.looked[since:].astype(np.float32)
    rows = rows.mean(1) if layer is None else rows[:, layer]
    return _by_step(side, since, np.sqrt(rows.clip(0, 1) * 255**2))


def read_of(side: Trace, since: int, layer: int | None = None) -> list[str]:
    """Per step in which share of heads each token before it was read, of a layer or the mean of all; in 255ths.

    Empty where all that is held is read.
    """
    if side.part_read is None:
        return []
    rows = side.part_read.read_tokens[since:]
    return _by_step(side, since, rows.mean(1, dtype=np.float32) if layer is None else rows[:, layer])


def _by_step(side: Trace, since: int, rows: np.ndarray) -> list[str]:
    """Rows of numbers up to 255, each as far as there were tokens."""
    coded = rows.round().astype(np.uint8)
    return [base64_of(row[: len(side.pieces) + since + step]) for step, row in enumerate(coded)]
