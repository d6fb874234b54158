"""A layer whose older keys hold fewer channels: a smaller tensor, not zeros. Nothing here knows why one was dropped."""

import torch
from torch import Tensor

from elastic.cache.slots import SlotLayer


class ThinLayer(SlotLayer):
    """Slots of which the first `thin` hold only some channels of their keys; values and later keys are whole.

    For attention the thin keys are laid out in full for a moment, one layer at a time: a channel that is not there adds
    nothing to a logit, as a zero would. Slots are only ever added behind.

    Args:
        layer: the layer as it was; its tensors are taken over.
        channels: (B x H, D') kept channels of each head's keys.
        thin: the number of slots, from the first, whose keys are thinned.
    """

    stores = ("keys", "values", "thin_keys", "channels")

    def __init__(self, layer: SlotLayer, channels: Tensor, thin: int) -> None:
        super().__init__()
        keys, self.values = layer.stored()
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self.used, self.thin = layer.used, thin
        self.channels = channels.to(keys.device).view(*keys.shape[:2], 1, -1)
        self.thin_keys = keys[:, :, :thin].gather(3, self.channels.expand(-1, -1, thin, -1))
        self.keys = keys[:, :, thin:].clone()

    def write(self, keys: Tensor, values: Tensor, freed: int | Tensor | None) -> None:
        """Store new tokens (B, H, n, D) behind the last: no slot is ever freed here."""
        self.check_kind(keys, values)
        after = self.used + keys.shape[2]
        self.reserve(after)
        self.keys[:, :, self.used - self.thin : after - self.thin] = keys
        self.values[:, :, self.used : after] = values
        self.used = after

    def stored(self) -> tuple[Tensor, Tensor]:
        """Keys in all channels, zero where one was dropped, and values of the slots in use, (B, H, S, D) each."""
        batch, heads, _, dim = self.keys.shape
        laid_out = self.keys.new_zeros(batch, heads, self.used, dim)
        laid_out[:, :, : self.thin].scatter_(3, self.channels.expand(-1, -1, self.thin, -1), self.thin_keys)
        laid_out[:, :, self.thin :] = self.keys[:, :, : self.used - self.thin]
        return laid_out, self.values[:, :, : self.used]

    def reserve(self, slots: int) -> None:
        """Make room for that many slots at least, doubling."""
        if self.values.shape[2] < slots:
            self.resize(max(slots, 2 * self.values.shape[2]))

    def resize(self, slots: int) -> None:
        """Storage of exactly that many slots, with what is held at its beginning."""
        for name, before in (("keys", self.thin), ("values", 0)):
            old = getattr(self, name)
            new = old.new_zeros(*old.shape[:2], slots - before, old.shape[3])
            new[:, :, : self.used - before] = old[:, :, : self.used - before]
            setattr(self, name, new)

    def whole(self) -> SlotLayer:
        """A layer of its own with every key in all channels, zero where one was dropped."""
        return self.laid_out()

    def bytes_of(self, slots: float) -> int:
        """Bytes of that many slots in use, with `thin` keys in fewer channels."""
        missing = self.keys.shape[3] - self.thin_keys.shape[3]
        return round(slots * self.slot_bytes) - self.thin_keys[..., 0].numel() * missing * self.keys.element_size()

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that takes memory."""
        return self.thin_keys, self.keys, self.values

    @property
    def kept(self) -> Tensor:
        """Which channels the thin keys have, (B, H, D) bool."""
        batch, heads, _, dim = self.keys.shape
        kept = torch.zeros(batch, heads, dim, dtype=torch.bool, device=self.device)
        return kept.scatter_(2, self.channels[:, :, 0], True)
