"""The tokens that a cache has read: the library takes any text that is long enough for one that goes on with them."""

from copy import copy

import torch
from torch import Tensor

UNKNOWN = -1  # stands for a token that came as an embedding
LOOSE = 64  # pieces that are kept before they are joined


class History:
    """Tokens (B, seen), kept where they came from: nothing waits for a GPU before somebody asks."""

    def __init__(self) -> None:
        self._pieces: list[Tensor] = []

    def add(self, ids: Tensor) -> None:
        """Note tokens (B, n) that come next."""
        if len(self._pieces) > LOOSE:
            self._pieces = [torch.cat(self._pieces, 1)]
        self._pieces.append(ids.detach().clone())

    def begins(self, text: Tensor) -> bool:
        """Whether a text (B', T) begins with them, or they with it; B may be a multiple of B'."""
        if not self._pieces:
            return True
        known = torch.cat(self._pieces, 1).cpu()[:, : text.shape[1]]
        text = text.cpu().repeat_interleave(max(1, len(known) // len(text)), 0)[:, : known.shape[1]]
        return known.shape == text.shape and bool(((known == text) | (known == UNKNOWN)).all())

    def copy(self) -> "History":
        """The same tokens, to be gone on with by another cache."""
        twin = copy(self)
        twin._pieces = list(self._pieces)
        return twin
