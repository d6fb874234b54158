"""How the numbers of the slots that are kept are stored: as the model made them, or in fewer bits.

A budget is one of bytes. Where a number takes fewer, more slots are kept for as many bytes: all of them, if they fit.
"""

from dataclasses import dataclass

import torch

from elastic.policies.base import LayerView, within
from elastic.policies.bits import Bits, along_channels


@dataclass(frozen=True)
class Numbers:
    """As the model made them, which is what most methods do."""

    @property
    def is_plain(self) -> bool:
        """Whether numbers are stored as the model made them."""
        return True

    def bits(self, limit: int, slots: int) -> Bits | None:
        """How `limit` whole slots' bytes are used for as many as there are; None for numbers as they are."""
        return None

    def count(self, limit: int, layer: LayerView) -> int:
        """How many slots of a layer take no more bytes than `limit` whole ones."""
        return limit


@dataclass(frozen=True)
class Float8(Numbers):
    """In floating point of 8 bits, e4m3, with one scale for a layer's keys and one for its values.

    Where all is kept whole, it stays as it is.
    """

    @property
    def is_plain(self) -> bool:
        """They are not."""
        return False

    def bits(self, limit: int, slots: int) -> Bits | None:
        """Floating point, unless all may be kept whole."""
        return None if limit >= slots else Bits(8, 0, 0)

    def count(self, limit: int, layer: LayerView) -> int:
        """As many as fit, a byte a number."""
        if limit >= layer.slots:
            return limit
        heads, _, dim = layer.keys.shape
        whole = 2 * heads * dim * layer.keys.element_size()
        scales = 2 * 4  # bytes
        return max(1, min(layer.slots, (limit * whole - scales) // (2 * heads * dim)))


@dataclass(frozen=True)
class Coded(Numbers):
    """In codes of a few bits, as KIVI has them (arXiv 2402.02750): see `elastic.cache.codes`.

    Keys are grouped along tokens, values along channels. The newest slots stay whole. Where all is kept whole, nothing
    is coded.

    Args:
        width: bits of a number: 2, 4 or 8.
        group: numbers that share a zero and a step.
        newest: slots that stay whole, in whole groups; no more than half of what may be held.

    Raises:
        ValueError: if codes of that width do not fill a byte.
    """

    width: int = within(2, 2, 8)
    group: int = within(32, 8, 256)
    newest: int = within(32, 0, 1024)

    def __post_init__(self) -> None:
        if self.width not in (2, 4, 8):
            raise ValueError(f"A number is coded in 2, 4 or 8 bits, got {self.width!r}: several fill a byte exactly.")

    @property
    def is_plain(self) -> bool:
        """They are not."""
        return False

    def bits(self, limit: int, slots: int) -> Bits | None:
        """Codes, unless all may be kept whole; of the newest no more stay whole than half of what may be held."""
        if limit >= slots:
            return None
        return Bits(self.width, self.group, min(self.newest, limit // 2) // self.group * self.group)

    def count(self, limit: int, layer: LayerView) -> int:
        """As many as fit, with their zeros and steps."""
        bits = self.bits(limit, layer.slots)
        if bits is None:
            return limit
        dim, size = layer.keys.shape[2], layer.keys.element_size()
        slots = torch.arange(layer.slots + 1)
        of_group = max(bits.newest, bits.group)
        keys, values = slots // of_group * of_group, (slots - bits.newest).clamp(min=0)
        scalars = 2 * size * (keys // bits.group * dim + values * (dim // along_channels(bits.group, dim)))
        held = (keys + values) * dim * bits.bits // 8 + scalars + (2 * slots - keys - values) * dim * size
        return int(slots[held <= 2 * dim * size * limit].max())
