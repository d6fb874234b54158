"""Slots: the keys and values a layer really holds. Nothing here knows why a token was chosen.

A new token is written into its slot in place; an evicted slot is overwritten by the next token. Attention does not
depend on the order of slots, so nothing is ever shifted.
"""

import weakref
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers.cache_utils import CacheLayerMixin

from elastic.merge import merge, pick
from elastic.policies.base import Choice
from elastic.rotary import turn

if TYPE_CHECKING:
    from elastic.cache import ElasticCache


class SlotLayer(CacheLayerMixin):
    """One layer: `used` of its allocated slots hold a key and a value, (B, H, S, D).

    The keys it hands to attention carry the layer along as `keys.slots`: the library lets no other word through from
    `generate` to the attention function.
    """

    is_croppable = False

    def __init__(self, cache: "ElasticCache") -> None:
        super().__init__()
        self.cache = cache
        self.used = 0
        # Slot of the next token, for all rows or (B x H,); None: behind the last.
        self.where: int | Tensor | None = None
        self.bias: Tensor | None = None  # (R, S) float32, added to the logits of attention
        self.turns: Tensor | None = None  # (R, S) positions by which keys are turned before they are used

    @property
    def cache(self) -> "ElasticCache":
        """Whose layer this is."""
        return self._cache()

    @cache.setter
    def cache(self, cache: "ElasticCache") -> None:
        """Weak: a cache in a circle with its layers would hold its memory until the collector happens to come by."""
        self._cache = weakref.ref(cache)

    def __getstate__(self) -> dict:
        """Without the cache, which finds its layers and not they it: a copy of the layers is for another one."""
        return {name: value for name, value in self.__dict__.items() if name != "_cache"}

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take type, device and shape from the first keys."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Store new tokens (B, H, n, D) and return all held keys and values, (B, H, S, D) each.

        Raises:
            ValueError: if the cache was not told of them.
        """
        new = self.announced(key_states)
        if not self.used:  # also where the library has guessed their shape before
            self.lazy_initialization(key_states, value_states)
        if self.where is None:
            self.reserve(self.used + new)
            here = slice(self.used, self.used + new)
            self.keys[:, :, here], self.values[:, :, here] = key_states, value_states
            self.used += new
        elif isinstance(self.where, int):
            self.keys[:, :, self.where], self.values[:, :, self.where] = key_states[:, :, 0], value_states[:, :, 0]
        else:
            row = torch.arange(len(self.where), device=self.device)
            for stored, fresh in ((self.keys, key_states), (self.values, value_states)):
                stored.flatten(0, 1)[row, self.where] = fresh.flatten(0, 1)[:, 0]
        keys, values = self.held()
        keys.slots = self
        return keys, values

    def announced(self, key_states: Tensor) -> int:
        """How many tokens (B, H, n, D) come: as many as the cache was told of.

        Raises:
            ValueError: if it was told of none, or of others.
        """
        new = key_states.shape[2]
        if new != self.cache.coming:
            raise ValueError(
                "Keys came to this cache past its model, so it cannot tell which tokens they are of: "
                "call the model that the cache was made for, as a whole."
            )
        return new

    def held(self) -> tuple[Tensor, Tensor]:
        """Keys, turned to where they now belong, and values of the slots in use, (B, H, S, D) each."""
        keys, values = self.stored()
        if self.turns is not None:
            by = self.turns.repeat_interleave(keys.shape[0] * keys.shape[1] // len(self.turns), 0)
            keys = turn(keys.flatten(0, 1), by, self.cache.inverse_frequency).view_as(keys)
        return keys, values

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

    def compress(self, choice: Choice, count: Tensor | None, turns: Tensor | None, how: str) -> None:
        """Keep the anchors of a choice and merge their members into them as far as `how` says.

        `count` (R, S) is what each slot stands for, `turns` (R, S) the positions by which keys are turned before. What
        is kept is copied: a slice would hold on to the full storage.
        """
        keys, values = self.stored()
        members, groups, weight = None, choice.owner, count
        if choice.pairs is not None:
            (members, groups), weight = choice.pairs, None
        if how == "keys and values":
            if turns is not None:
                by = turns.to(self.device).repeat_interleave(keys.shape[0] * keys.shape[1] // len(turns), 0)
                keys = turn(keys.flatten(0, 1), by, self.cache.inverse_frequency).view_as(keys)
            self.keys = merge(keys, groups, weight, members, choice.share)
        else:
            self.keys = pick(keys, choice.owner)
        merges = how != "none"
        self.values = merge(values, groups, weight, members, choice.share) if merges else pick(values, choice.owner)
        self.used = self.keys.shape[2]

    def absorb(self, slot: Tensor, into: Tensor, share: Tensor) -> None:
        """Average one slot per row (R,) into another one, `share` (R,) of the mean being the first one's."""
        rows = self.keys.shape[0] * self.keys.shape[1]
        row = torch.arange(rows, device=self.device)
        slot, into = self.spread(slot), self.spread(into)
        share = share.repeat_interleave(rows // len(share)).to(self.device, self.dtype)[:, None]
        for stored in (self.keys.flatten(0, 1), self.values.flatten(0, 1)):
            stored[row, into] = stored[row, into].lerp(stored[row, slot], share)

    def spread(self, slot: Tensor) -> Tensor:
        """Slots (R,) for every head of every sequence, on the layer's device."""
        heads = self.keys.shape[0] * self.keys.shape[1]
        return slot.repeat_interleave(heads // len(slot)).to(self.device)

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot: a key and a value for every head of every sequence."""
        return 2 * self.keys.shape[0] * self.keys.shape[1] * self.keys.shape[3] * self.keys.element_size()

    def bytes_of(self, slots: int) -> int:
        """Bytes of that many slots in use."""
        return slots * self.slot_bytes

    @property
    def kept(self) -> Tensor:
        """Which channels the keys have, (B, H, D) bool: all of them."""
        batch, heads, _, dim = self.keys.shape
        return torch.ones(batch, heads, dim, dtype=torch.bool)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that takes memory."""
        return self.keys, self.values

    def whole(self) -> "SlotLayer":
        """The layer with every key in all its channels; itself, but for layers that hold fewer."""
        return self

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.used + query_length, 0

    def get_seq_length(self) -> int:
        # Tokens seen, not slots held: the library counts positions by it.
        return self.cache.seen

    def get_max_length(self) -> int:
        return -1

    # What the library may ask of a layer, and what slots cannot do.

    def reset(self) -> None:
        """Refused: a layer without its tokens would still have them in the books.

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

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Refused: slots belong to sequences.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "Beam search exchanges sequences between caches, which a compressed cache cannot: num_beams=1."
        )

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Refused, as is another number of sequences.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "The sequences of a compressed cache cannot be repeated or selected: read the prompt as often as it is "
            "needed, or take a copy.deepcopy of the cache for each answer."
        )

    def batch_select_indices(self, indices: Tensor) -> None:
        """Refused.

        Raises:
            ValueError: always.
        """
        self.batch_repeat_interleave(1)
