"""What was erased of a side's prompt, for its record. Imports numpy only."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Erasure:
    """What was erased of a prompt, and what was answered with all of it: N tokens, and how probable each was and is."""

    tokens: list[int]  # of the prompt, by their numbers: nothing behind them attended to them, and they held no slot
    answer: str
    answer_pieces: list[str]  # N
    before: list[float]  # N natural logarithms, when it was written
    after: list[float]  # N, of the same tokens one by one, without what was erased

    def check(self, owner: np.ndarray) -> None:
        """Raise ValueError unless it fits a trace with those owners (L, H, T)."""
        is_there = all(0 <= token < owner.shape[2] for token in self.tokens)
        if not is_there or (owner[..., self.tokens] >= 0).any():
            raise ValueError("erased tokens hold a slot, or are not there")
        if not len(self.answer_pieces) == len(self.before) == len(self.after):
            raise ValueError("of the answer before something was erased, parts are missing")
