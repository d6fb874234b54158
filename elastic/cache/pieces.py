"""A prompt that comes in pieces: one observer sees them all, and nothing is compressed before the last has come."""

from collections.abc import Iterable

import torch
from torch import Tensor

from elastic.cache.asking import ERASED, after_image, asking, kinds_of
from elastic.statistics import Observer, Statistic


class Pieces:
    """A prompt (B, T) that a cache was told of, and how much of it has come.

    Args:
        ids: its tokens.
        asked: those at its end that ask.
    """

    def __init__(self, ids: Tensor, asked: int = 0) -> None:
        self.ids, self.asked, self.read = ids.cpu(), asked, 0
        self._observer: Observer | None = None

    @property
    def has_begun(self) -> bool:
        """Whether some of it has come."""
        return self.read > 0

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come."""
        return self.read == self.ids.shape[1]

    def take(self, ids: Tensor) -> bool:
        """The next piece (B, n); of a prompt that is answered several times, B times as often.

        Returns whether others came before it.

        Raises:
            ValueError: if it is not what comes next.
        """
        goes_on, after = self.has_begun, self.read + ids.shape[1]
        if not goes_on:
            self.ids = self.ids.repeat_interleave(max(1, len(ids) // len(self.ids)), 0)
        if not torch.equal(self.ids[:, self.read : after], ids.cpu()):
            raise ValueError(
                f"Of a prompt of {self.ids.shape[1]} tokens this cache has read {self.read}, and what comes does not "
                "go on with it: begin with reset() of the cache, or with a new one."
            )
        self.read = after
        return goes_on

    def observer(
        self, needs: Iterable[Statistic], before: Tensor, image_id: int | None, device: torch.device
    ) -> Observer:
        """The one that sees all pieces; `before` (B, t) are the kinds of the tokens before the prompt."""
        if self._observer is None:
            # Which queries are after the image, or among the last, is said of the whole prompt.
            kinds = torch.cat([before, kinds_of(self.ids, image_id, True)], 1)
            self._observer = observer_of(needs, kinds, self.ids.shape[1], self.asked, device)
        return self._observer


def observer_of(needs: Iterable[Statistic], kinds: Tensor, new: int, asked: int, device: torch.device) -> Observer:
    """One for a prompt of `new` tokens, `kinds` (B, seen) being those of all so far; as if none had been erased."""
    left = kinds[0] != ERASED
    kinds, asked = kinds[:, left], int(left[len(left) - asked :].sum())
    new = int(left[-new:].sum())
    rows, asks = after_image(kinds, new, asked), asking(kinds, new, asked)
    return Observer(needs, rows.to(device), asks.to(device))
