"""Slots: the keys and values a layer really holds. Nothing here knows why a token was chosen.

A new token is written into its slot in place; an evicted slot is overwritten by the next token. Attention does not
depend on the order of slots, so nothing is ever shifted.
"""

from typing import NoReturn

import torch
from torch import Tensor
from transformers.cache_utils import CacheLayerMixin

from elastic.cache.rotary import turn_all
from elastic.merge import merge, pick
from elastic.policies.base import Choice, Merged


class SlotLayer(CacheLayerMixin):
    """One layer: `used` of its allocated slots hold a key and a value, (B, H, S, D)."""

    is_croppable = is_sliding = False
    stores: tuple[str, ...] = ("keys", "values")  # names of the tensors that belong to its slots
    keys: Tensor
    values: Tensor

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library's has no types
        self.used = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take type, device and shape from the first keys."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self.is_initialized = True

    def write(self, keys: Tensor, values: Tensor, freed: int | Tensor | None) -> None:
        """Store new tokens (B, H, n, D): behind the last, or one in a freed slot, of all rows or of each (B x H,)."""
        if not self.used:  # also where the library has guessed their shape before
            self.lazy_initialization(keys, values)
        else:
            self.check_kind(keys, values)
        if freed is None:
            new = keys.shape[2]
            self.reserve(self.used + new)
            here = slice(self.used, self.used + new)
            self.keys[:, :, here], self.values[:, :, here] = keys, values
            self.used += new
        elif isinstance(freed, int):
            self.keys[:, :, freed], self.values[:, :, freed] = keys[:, :, 0], values[:, :, 0]
        else:
            row = torch.arange(len(freed), device=self.device)
            for stored, new_ones in ((self.keys, keys), (self.values, values)):
                stored.flatten(0, 1)[row, freed] = new_ones.flatten(0, 1)[:, 0]

    def hold(self, keys: Tensor, values: Tensor) -> None:
        """Take keys and values (B, H, S, D), as they are, for all the slots of an empty layer."""
        self.lazy_initialization(keys, values)
        self.keys, self.values, self.used = keys, values, keys.shape[2]

    def overwrite(self, keys: Tensor, values: Tensor, slots: Tensor) -> None:
        """Store tokens (B, H, n, D) in slots (n,) that are in use, of all rows alike, in place of what is there."""
        self.check_kind(keys, values)
        self.keys.index_copy_(2, slots, keys.to(self.dtype))
        self.values.index_copy_(2, slots, values.to(self.dtype))

    def check_kind(self, keys: Tensor, values: Tensor) -> None:
        """See that new keys and values are of the type, and on the device, of those that are held.

        Raises:
            ValueError: if they are not, outside of autocast, which makes of both what it needs.
        """
        if _kind(keys) == _kind(self.keys) and _kind(values) == _kind(self.values):
            return
        if keys.device == self.keys.device and torch.is_autocast_enabled(keys.device.type):
            return
        other = (keys, self.keys) if _kind(keys) != _kind(self.keys) else (values, self.values)
        new, held = (f"{one.dtype} on {one.device}".removeprefix("torch.") for one in other)
        raise ValueError(
            f"The model computes in {new} now, and this cache holds {held}: go on as it was begun, or begin with "
            "reset() of the cache."
        )

    def stored(self) -> tuple[Tensor, Tensor]:
        """Keys as they were stored and values of the slots in use, (B, H, S, D) each."""
        return self.keys[:, :, : self.used], self.values[:, :, : self.used]

    def reserve(self, slots: int) -> None:
        """Make room for that many slots at least, doubling, so that growing does not move everything at every token."""
        if self.keys.shape[2] < slots:
            self.resize(max(slots, 2 * self.keys.shape[2]) if self.used else slots)

    def resize(self, slots: int) -> None:
        """Storage of exactly that many slots, with what is held at its beginning."""
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_empty(*old.shape[:2], slots, old.shape[3])
            new[:, :, : self.used] = old[:, :, : self.used]
            # A captured step attends over room that nothing was written to, and 0 x NaN is not 0.
            new[:, :, self.used :] = 0
            setattr(self, name, new)

    def sort(self, order: Tensor) -> None:
        """Put the slots `order` (R, S) first and in that order; the others are gone."""
        batch, heads, _, dim = self.keys.shape
        index = order.to(self.device).repeat_interleave(batch * heads // len(order), 0)
        index = index.view(batch, heads, -1, 1).expand(-1, -1, -1, dim)
        for tensor in (self.keys, self.values):
            tensor[:, :, : order.shape[1]] = tensor.gather(2, index)
        self.used = order.shape[1]

    def compress(
        self, choice: Choice, count: Tensor | None, turns: Tensor | None, how: Merged, inverse_frequency: Tensor
    ) -> None:
        """Keep the anchors of a choice and merge their members into them as far as `how` says.

        `count` (R, S) is what each slot stands for, `turns` (R, S) the positions by which keys are turned before. What
        is kept is copied: a slice would hold on to the full storage. Heads that keep fewer are filled up with zeros.
        """
        keys, values = self.stored()
        members, groups, weight = None, choice.owner, count
        if choice.pairs is not None:
            (members, groups), weight = choice.pairs, None
        if how in (Merged.KEYS_AND_VALUES, Merged.KEYS):
            if turns is not None:
                keys = turn_all(keys, turns, inverse_frequency)
            self.keys = merge(keys, groups, weight, members, choice.share)
        else:
            self.keys = pick(keys, choice.owner)
        merges = how in (Merged.KEYS_AND_VALUES, Merged.VALUES)
        self.values = merge(values, groups, weight, members, choice.share) if merges else pick(values, choice.owner)
        self.used = self.keys.shape[2]

    def absorb(self, slot: Tensor, into: Tensor, share: Tensor) -> None:
        """Average one slot per row (R,) into another one, `share` (R,) of the mean being the first one's."""
        rows, room = self.keys.shape[0] * self.keys.shape[1], self.keys.shape[2]
        # Numbers of slots within all rows, one behind the other: one index is looked up faster than two.
        first = torch.arange(0, rows * room, room, device=self.device)
        slot, into = first + self.spread(slot), first + self.spread(into)
        share = share.repeat_interleave(rows // len(share)).to(self.device, self.dtype)[:, None]
        for stored in (self.keys.view(-1, self.keys.shape[3]), self.values.view(-1, self.values.shape[3])):
            mean = stored.index_select(0, into).lerp_(stored.index_select(0, slot), share)
            stored.index_copy_(0, into, mean)

    def settle(self) -> None:
        """After a token of an answer: nothing, but for layers that hold older slots in another way."""

    def extra(self, query: Tensor) -> tuple[Tensor, Tensor] | None:
        """Beside its slots, one more that depends on the queries (B, H, Q, D): logits (B, H, Q, 1), values; or None."""
        return None

    def reads(self, query: Tensor, scaling: float) -> Tensor | None:
        """Which slots a token's query (B, H', 1, D) reads, (B x H, S) bool; None for all: only with an index fewer."""
        return None

    def spread(self, slot: Tensor) -> Tensor:
        """Slots (R,) for every head of every sequence, on the layer's device."""
        heads = self.keys.shape[0] * self.keys.shape[1]
        return slot.repeat_interleave(heads // len(slot)).to(self.device)

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot: a key and a value for every head of every sequence; 0 until the first ones are known."""
        if not self.is_initialized:
            return 0
        return 2 * self.keys.shape[0] * self.keys.shape[1] * self.keys.shape[3] * self.keys.element_size()

    def bytes_of(self, slots: float) -> int:
        """Bytes of that many slots in use, on average over heads."""
        return round(slots * self.slot_bytes)

    def slots_read(self, slots: float) -> float:
        """How many of so many slots in use a token of an answer reads: all, but for layers with an index."""
        return slots

    def bytes_read(self, slots: float) -> int:
        """Bytes that a token of an answer reads of so many slots in use."""
        return self.bytes_of(slots)

    @property
    def kept(self) -> Tensor:
        """Which channels the keys have, (B, H, D) bool: all of them."""
        batch, heads, _, dim = self.keys.shape
        return torch.ones(batch, heads, dim, dtype=torch.bool)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that takes memory."""
        return (self.keys, self.values) if self.is_initialized else ()

    def whole(self) -> "SlotLayer":
        """The layer with every key in all its channels; itself, but for layers that hold fewer."""
        return self

    def laid_out(self) -> "SlotLayer":
        """A plain layer of its own that holds what is `stored` here."""
        layer = SlotLayer()
        layer.dtype, layer.device, layer.is_initialized = self.dtype, self.device, True
        layer.keys, layer.values = self.stored()
        layer.used = self.used
        return layer

    # What the library asks of a layer.

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.used + query_length, 0

    def get_seq_length(self) -> int:
        return self.used

    def get_max_length(self) -> int:
        return -1

    def offload(self) -> None:
        """Move all it holds to the processor's memory."""
        self._move(torch.device("cpu"))

    def prefetch(self) -> None:
        """Bring back what was moved away."""
        if self.is_initialized:
            self._move(self.device)

    def _move(self, device: torch.device) -> None:
        for name in self.stores if self.is_initialized else ():
            setattr(self, name, getattr(self, name).to(device))

    def update(self, *args: object, **kwargs: object) -> NoReturn:
        """Refused: the cache writes, which knows of which tokens the keys are.

        Raises:
            ValueError: always.
        """
        raise ValueError("The layers of a compressed cache are not written to one by one: call update() of the cache.")

    def reset(self) -> NoReturn:
        """Refused: a layer without its tokens would still have them in the tables.

        Raises:
            ValueError: always.
        """
        raise ValueError("The layers of a compressed cache cannot be reset one by one: call reset() of the cache.")

    def crop(self, tokens_to_remove: int) -> None:
        """Refused: what was merged cannot be taken apart.

        Raises:
            ValueError: always, but for zero tokens.
        """
        if tokens_to_remove:
            raise ValueError(
                "A compressed cache cannot give tokens back, so nothing can be cropped and assisted decoding cannot "
                "use it: keep a copy.deepcopy of the cache as it was."
            )

    def reorder_cache(self, beam_idx: Tensor) -> NoReturn:
        """Refused: slots belong to sequences.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "Beam search exchanges sequences between caches, which a compressed cache cannot: num_beams=1."
        )

    def batch_repeat_interleave(self, repeats: int) -> NoReturn:
        """Refused, as is another number of sequences.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "The sequences of a compressed cache cannot be repeated or selected: read the prompt as often as it is "
            "needed, or take a copy.deepcopy of the cache for each answer."
        )

    def batch_select_indices(self, indices: Tensor) -> NoReturn:
        """Refused.

        Raises:
            ValueError: always.
        """
        self.batch_repeat_interleave(1)


def _kind(tensor: Tensor) -> tuple[torch.dtype, torch.device]:
    return tensor.dtype, tensor.device
