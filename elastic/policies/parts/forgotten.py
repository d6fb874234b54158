"""What becomes of what a method drops: nothing, or a memory of fixed size takes it in.

A budget is one of bytes: what the memory takes is taken off the slots.
"""

from dataclasses import dataclass
from math import ceil

from torch import Tensor

from elastic.policies.base import within

NUMBER = 4  # bytes of each of a memory's numbers, which add up for a long time


@dataclass(frozen=True)
class Forgotten:
    """It is gone, as with most methods."""

    @property
    def features(self) -> int:
        """Features of a key in a memory; 0 where there is none."""
        return 0

    def memory(self, limit: int, seen: int, keys: Tensor) -> int:
        """Features of a key in the memory of a layer that may hold `limit` slots of `seen`; 0 for no memory.

        `keys` (..., D) are some of the layer's.
        """
        return 0

    def count(self, limit: int, seen: int, keys: Tensor) -> int:
        """How many slots a layer may hold beside its memory, so that both take no more than `limit` slots."""
        return limit


@dataclass(frozen=True)
class Remembered(Forgotten):
    """A memory takes it in, by kernels that were trained for the model (LESS, arXiv 2402.09398).

    Where all may be kept, and where the memory would take more than half of what may be held, there is none.

    Args:
        rank: features of a key, of which the memory holds sums.
    """

    rank: int = within(8, 1, 64)

    @property
    def features(self) -> int:
        """As many as were said."""
        return self.rank

    def memory(self, limit: int, seen: int, keys: Tensor) -> int:
        """All of them, where there is room."""
        return 0 if limit >= seen or 2 * self._slots(keys) > limit else self.rank

    def count(self, limit: int, seen: int, keys: Tensor) -> int:
        """Whole slots less than the limit."""
        return limit - self._slots(keys) if self.memory(limit, seen, keys) else limit

    def _slots(self, keys: Tensor) -> int:
        """Slots whose bytes a memory takes: per head a sum of each feature, and one of it times each channel."""
        dim = keys.shape[-1]
        return ceil(self.rank * (dim + 1) * NUMBER / (2 * dim * keys.element_size()))
