"""A layer whose older keys and values are codes of few bits. Nothing here knows why a slot was kept."""

import torch
from torch import Tensor

from elastic.cache.codes import Codes, Floats, Stored
from elastic.cache.slots import SlotLayer
from elastic.policies.bits import Bits


class CodedLayer(SlotLayer):
    """Slots of which the older ones are codes, and the newest as the model made them: `keys` and `values`.

    As KIVI does (arXiv 2402.02750): keys become codes so many at once, in groups along tokens, as their channels
    differ; values one by one, in groups along channels. For attention all are laid out as numbers for a moment, one
    layer at a time. Slots are only ever added behind.

    Args:
        layer: the layer as it was; its tensors are taken over.
        bits: how numbers are coded.
    """

    stores = ("keys", "values", "key_codes", "value_codes")

    def __init__(self, layer: SlotLayer, bits: Bits) -> None:
        super().__init__()
        keys, values = layer.stored()
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self.used, self.newest, self.at_once = layer.used, bits.newest, max(1, bits.newest, bits.group)
        self.key_codes: Stored = Codes(bits.bits, bits.group, True, keys) if bits.group else Floats(keys)
        self.value_codes: Stored = Codes(bits.bits, bits.group, False, values) if bits.group else Floats(values)
        self.keys, self.values = keys.clone(), values.clone()
        self.settle()
        self._fit(0)

    def write(self, keys: Tensor, values: Tensor, freed: int | Tensor | None) -> None:
        """Store new tokens (B, H, n, D) behind the last: no slot is ever freed here."""
        self.check_kind(keys, values)
        self.reserve(self.used + keys.shape[2])
        for whole, new, coded in ((self.keys, keys, self.key_codes), (self.values, values, self.value_codes)):
            first = self.used - coded.tokens
            whole[:, :, first : first + new.shape[2]] = new
        self.used += keys.shape[2]

    def settle(self) -> None:
        """Code what is no longer among the newest: keys as many at once, values each."""
        keys = (self.used - self.key_codes.tokens) // self.at_once * self.at_once
        values = max(0, self.used - self.value_codes.tokens - self.newest)
        for whole, coded, count in ((self.keys, self.key_codes, keys), (self.values, self.value_codes, values)):
            if count:
                left = self.used - coded.tokens - count
                coded.add(whole[:, :, :count])
                whole[:, :, :left] = whole[:, :, count : count + left].clone()

    def stored(self) -> tuple[Tensor, Tensor]:
        """Keys and values of the slots in use as numbers, (B, H, S, D) each."""
        keys = self.keys[:, :, : self.used - self.key_codes.tokens]
        values = self.values[:, :, : self.used - self.value_codes.tokens]
        return torch.cat([self.key_codes.read(), keys], 2), torch.cat([self.value_codes.read(), values], 2)

    def reserve(self, slots: int) -> None:
        """Room for that many slots at least."""
        missing = slots - self.used
        if self.keys.shape[2] - (self.used - self.key_codes.tokens) < missing or (
            self.values.shape[2] - (self.used - self.value_codes.tokens) < missing
        ):
            self._fit(missing)

    def resize(self, slots: int) -> None:
        """Room for that many slots: as codes, and for as many whole ones as are ever held while decoding."""
        for coded in (self.key_codes, self.value_codes):
            coded.reserve(slots - self.newest)
        self._fit(min(slots - self.used, self.at_once + 1))

    def _fit(self, more: int) -> None:
        """Storage of whole slots with room for exactly so many more than there are."""
        for name, coded in (("keys", self.key_codes), ("values", self.value_codes)):
            old, held = getattr(self, name), self.used - coded.tokens
            new = old.new_zeros(*old.shape[:2], held + more, old.shape[3])
            new[:, :, :held] = old[:, :, :held]
            setattr(self, name, new)

    def whole(self) -> SlotLayer:
        """A layer of its own with every key and value as numbers again: those that their codes stand for."""
        return self.laid_out()

    def bytes_of(self, slots: float) -> int:
        """Bytes of the slots in use, which are `slots`: codes, their zeros and steps, and the newest as they are."""
        whole = 2 * self.used - self.key_codes.tokens - self.value_codes.tokens
        return self.key_codes.nbytes + self.value_codes.nbytes + whole * self.slot_bytes // 2

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that takes memory."""
        return self.keys, self.values, *self.key_codes.tensors, *self.value_codes.tensors
