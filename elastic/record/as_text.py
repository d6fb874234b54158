"""What the steps of a record travel as in messages."""

import numpy as np

from elastic.record.coding import as_base64
from elastic.record.trace import Trace


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
    return [as_base64(row[: len(side.pieces) + since + step]) for step, row in enumerate(coded)]
