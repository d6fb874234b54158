"""An index of a layer's keys, which tells a query which slots to read; see `elastic.cache.indexed`.

Nothing here knows why a token was kept, or which share of the slots is to be read.
"""

from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor


class KeyIndex(ABC):
    """Of keys (B, H, S, D), to which further ones are added behind the last; what is read is asked for S of them."""

    names: tuple[str, ...]  # of its tensors

    @abstractmethod
    def add(self, keys: Tensor) -> None:
        """Take in the keys (B, H, n, D) of new slots, behind the last."""

    @abstractmethod
    def reads(self, query: Tensor, scaling: float, slots: int) -> Tensor | None:
        """Which of so many slots a query (B, H', 1, D) reads, H' a multiple of H: (B x H, S) bool; None where all."""

    @abstractmethod
    def promise(self, query: Tensor, scaling: float, slots: int) -> Tensor:
        """How much each of those that are not read in any case may matter to a query, (B x H, n)."""

    @abstractmethod
    def count(self, slots: int) -> int:
        """How many of so many slots a query reads, the same number in every head."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of what is in use."""

    @abstractmethod
    def bytes_read(self, slots: int) -> int:
        """Bytes of it that must be read to find those of so many slots; 0 where all of them are read."""

    @abstractmethod
    def reserve(self, slots: int) -> None:
        """Room for the keys of that many slots at least."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that takes memory."""
        return tuple(getattr(self, name) for name in self.names)

    def to(self, device: torch.device) -> Self:
        """Itself, with all it holds on a device."""
        for name in self.names:
            setattr(self, name, getattr(self, name).to(device))
        return self


def grown(held: Tensor, used: int, wanted: int, fill: float = 0) -> Tensor:
    """A table (B, H, room, ...) of which `used` are in use, with room for `wanted`, or twice what it had."""
    room = held.shape[2]
    if room >= wanted:
        return held
    new = held.new_full((*held.shape[:2], max(wanted, 2 * room if used else 0), *held.shape[3:]), fill)
    new[:, :, :used] = held[:, :, :used]
    return new


def grouped(query: Tensor, rows: int) -> Tensor:
    """A query (B, H', 1, D) by the key heads, `rows` of all sequences, that they look at: (rows, H' / H, D) float32."""
    return query.reshape(rows, -1, query.shape[-1]).float()


def highest(worth: Tensor, count: int) -> Tensor:
    """Which of a row (R, n) are the `count` highest, (R, n) bool; of those that are equal the first."""
    if count <= 0:
        return torch.zeros_like(worth, dtype=torch.bool)
    least = worth.topk(count).values[:, -1:]
    above, at = worth > least, worth == least
    return above | (at & (at.cumsum(1) <= count - above.sum(1, keepdim=True)))
