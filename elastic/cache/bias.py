"""What is added to the logits of slots: log(tokens they stand for), and -inf where there is no token."""

from copy import copy

import torch
from torch import Tensor

from elastic.cache.tables import Tables


class Bias:
    """Per slot a number for the logits of attention, `table` (L, R, C) float32 on the model's device.

    Args:
        tables: which tokens the slots stand for.
        counted: whether a slot's number is the logarithm of its count; 0 otherwise.
    """

    def __init__(self, tables: Tables, counted: bool, device: torch.device) -> None:
        logits = tables.count.log() if counted else torch.zeros_like(tables.count)
        self.table = torch.where(tables.is_used(), logits, -torch.inf).to(device)

    def copy(self) -> "Bias":
        """The same numbers in storage of their own."""
        twin = copy(self)
        twin.table = self.table.clone()
        return twin

    def reserve(self, slots: int) -> None:
        """Room for that many slots, none of them in use yet."""
        missing = slots - self.table.shape[2]
        if missing > 0:
            more = self.table.new_full((*self.table.shape[:2], missing), -torch.inf)
            self.table = torch.cat([self.table, more], 2)

    def enter(self, slot: Tensor) -> None:
        """New tokens stand for themselves, in slots (L, R, n)."""
        self.table.scatter_(2, slot.to(self.table.device), 0.0)

    def sort(self, order: Tensor) -> None:
        """Put the slots into an order (L, R, C)."""
        self.table = self.table[..., : order.shape[2]].gather(2, order.to(self.table.device))

    def absorb(self, into: Tensor, count: Tensor, happens: Tensor) -> None:
        """Slots (L, R) stand for `count` (L, R) tokens now, where that happens at all."""
        at = into.clamp(min=0)[..., None].to(self.table.device)
        grown = torch.where(
            happens[..., None].to(at.device), count.log()[..., None].to(at.device), self.table.gather(2, at)
        )
        self.table.scatter_(2, at, grown)
