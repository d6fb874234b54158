"""Slots: the keys and values a layer really holds. Nothing here knows why a token was chosen.

A new token is written into its slot in place; an evicted slot is overwritten by the next token. Attention does not
depend on the order of slots, so nothing is ever shifted, and keys are stored after RoPE, so nothing is turned either.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from elastic.merge import anchors, group_counts, merge


class SlotLayer(CacheLayerMixin):
    """One layer: `used` of its allocated slots hold a key and a value, (1, H, S, D).

    Beside them, per slot and (where heads differ) per head: `source`, the token whose slot it is, `count`, how many
    tokens it stands for, and `score`, the attention that prompts gave to it; each (1 or H, S).
    """

    is_croppable = False

    def __init__(self) -> None:
        super().__init__()
        self.used = 0
        self.seen = 0  # tokens that passed through this layer
        self.hole: Tensor | None = None  # (1 or H,) evicted slot per head, where the next token goes
        self.source = torch.empty(1, 0, dtype=torch.long)
        self.count = torch.empty(1, 0)
        self.score = torch.empty(1, 0)

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take type and device from the first keys."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self.is_initialized = True

    def grow(self, slots: int) -> None:
        """Make room for that many slots at least."""
        if self.keys.shape[2] >= slots:
            return
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_empty(*old.shape[:2], slots, old.shape[3])
            new[:, :, : self.used] = old[:, :, : self.used]
            setattr(self, name, new)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Store new tokens (1, H, n, D) and return all held keys and values, (1, H, S, D) each."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        new = key_states.shape[2]
        source = torch.arange(self.seen, self.seen + new).expand(len(self.source), -1)
        self.seen += new
        if self.hole is not None and new == 1:
            self._overwrite(key_states, value_states)
        else:
            # Several tokens see each other by their order, so they must stand at the end, behind no hole.
            self.settle()
            if self.used + new > self.keys.shape[2]:
                # Doubling, so that a conversation that outgrows its room does not move at every token.
                self.grow(max(self.used + new, 2 * self.keys.shape[2]))
            here = slice(self.used, self.used + new)
            self.keys[:, :, here], self.values[:, :, here] = key_states, value_states
            self.used += new
            self.source = torch.cat([self.source, source], dim=1)
            self.count = torch.cat([self.count, torch.ones(len(self.count), new)], dim=1)
            self.score = torch.cat([self.score, torch.zeros(len(self.score), new)], dim=1)
        return self.held_tensors()

    def _overwrite(self, key: Tensor, value: Tensor) -> None:
        heads = torch.arange(key.shape[1], device=key.device)
        slot = self.hole.to(key.device).expand(len(heads))
        self.keys[:, heads, slot], self.values[:, heads, slot] = key[:, :, 0], value[:, :, 0]
        rows = torch.arange(len(self.source))
        self.source[rows, self.hole], self.count[rows, self.hole], self.score[rows, self.hole] = self.seen - 1, 1.0, 0.0
        self.hole = None

    def settle(self) -> None:
        """Put the slots in the order of their tokens and close the hole; before slots are compared or merged."""
        order = self.source[:, : self.used].clone()
        if self.hole is not None:
            order.scatter_(1, self.hole[:, None], torch.iinfo(torch.long).max)
        held, self.hole = self.held, None
        order = order.argsort(1)[:, :held]
        if held < self.used or (order.diff() != 1).any():
            self._gather(order)

    def _gather(self, order: Tensor) -> None:
        for name in ("source", "count", "score"):
            setattr(self, name, getattr(self, name).gather(1, order))
        index = order.to(self.device)[None, ..., None].expand(1, self.keys.shape[1], -1, self.keys.shape[3])
        for tensor in (self.keys, self.values):
            tensor[:, :, : order.shape[1]] = tensor.gather(2, index)
        self.used = order.shape[1]

    def compress(self, owner: Tensor, room: int) -> None:
        """Keep the anchors of `owner` (1 or H, S), merging their members into them, with `room` slots beyond.

        The slots must be settled. What is kept is copied: a slice would hold on to the full storage.
        """
        heads = max(len(owner), len(self.source))
        owner = owner.expand(heads, -1)
        count, source, score = (table.expand(heads, -1) for table in (self.count, self.source, self.score))
        keep = anchors(owner)
        self.keys, self.values = (merge(held, owner, count) for held in self.held_tensors())
        self.count = group_counts(owner, count)
        self.source, self.score = source[keep].view(heads, -1), score[keep].view(heads, -1)
        self.used = self.keys.shape[2]
        self.grow(self.used + room)

    def held_tensors(self) -> tuple[Tensor, Tensor]:
        """Keys and values of the slots in use, (1, H, S, D) each."""
        return self.keys[:, :, : self.used], self.values[:, :, : self.used]

    def evict(self, slot: Tensor) -> Tensor:
        """Free one slot per row of `source`, (1 or H,); the next token overwrites it. Returns the tokens that go."""
        if self.hole is not None:
            raise ValueError("A slot is already free: write a token before evicting the next one.")
        self.hole = slot
        return self.source.gather(1, slot[:, None])[:, 0]

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot: a key and a value for every head."""
        return 2 * self.keys.shape[1] * self.keys.shape[3] * self.keys.element_size()

    @property
    def held(self) -> int:
        """Slots that hold a token now."""
        return self.used - (self.hole is not None)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.used + query_length, 0

    def get_seq_length(self) -> int:
        # Tokens seen, not slots held: the library counts positions by it.
        return self.seen

    def get_max_length(self) -> int:
        return -1


class SlotCache(Cache):
    """The layers of one side, usable as `past_key_values`."""

    def __init__(self, layers: Sequence[SlotLayer]) -> None:
        super().__init__(layers=list(layers))

    @classmethod
    def empty(cls, layers: int) -> "SlotCache":
        """A cache of that many layers, nothing in them."""
        return cls([SlotLayer() for _ in range(layers)])

    def copy(self) -> "SlotCache":
        """The same contents in storage of their own."""
        twins = []
        for layer in self.layers:
            twin = SlotLayer()
            twin.lazy_initialization(layer.keys, layer.values)
            twin.keys, twin.values = (held.clone() for held in layer.held_tensors())
            twin.used, twin.seen = layer.used, layer.seen
            twin.hole = layer.hole
            twin.source, twin.count, twin.score = layer.source.clone(), layer.count.clone(), layer.score.clone()
            twins.append(twin)
        return SlotCache(twins)

    @property
    def slots(self) -> list[int]:
        """Slots in use, per layer."""
        return [layer.held for layer in self.layers]

    @property
    def bytes_held(self) -> list[int]:
        """Bytes of the keys and values in use, per layer."""
        return [layer.held * layer.slot_bytes for layer in self.layers]

    @property
    def bytes_allocated(self) -> int:
        """Bytes of the tensors that exist, room for coming tokens included."""
        return sum(t.untyped_storage().nbytes() for layer in self.layers for t in (layer.keys, layer.values))
