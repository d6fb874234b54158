"""What lives while a model reads some tokens, and is dropped when it has read them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from elastic.cache.asking import ERASED
from elastic.cache.rotary import turn_all
from elastic.cache.slots import SlotLayer
from elastic.cache.tables import Tables
from elastic.statistics import Observer


class Attending(Protocol):
    """What attention over one token more must know, and where it leaves what was attended to."""

    bias: list[Tensor | None]
    keeps_attention: bool
    attended: dict[int, Tensor]
    forgotten: dict[int, Tensor]

    def added(self, layer: int, query: Tensor, scaling: float) -> Tensor | None:
        """What is added to the logits of a token's query (B, H, 1, D): (R, S), -inf for what it does not read."""

    def extra(self, layer: int, query: Tensor) -> tuple[Tensor, Tensor] | None:
        """What a layer has for queries (B, H, Q, D) beside its slots."""


@dataclass
class Forward:
    """Made by `ElasticCache.enter`, passed down to every layer's attention, taken in by `ElasticCache.observe`.

    `layers` belong to the cache; everything else is of these tokens alone. n is their number, R the rows of the tables.
    """

    layers: list[SlotLayer]
    kinds: Tensor  # (B, n) WRITTEN, WORD, PATCH or ERASED
    positions: Tensor  # (1, n) or (3, B, n) where the tokens stand for RoPE
    slots: Tensor  # (L, R, n) where their keys and values go; of those alone that are not erased
    freed: list[int | Tensor | None]  # per layer the freed slot that a token takes, (B x H,) or one for all; None: none
    bias: list[Tensor | None]  # per layer (R, S) float32, added to the logits of attention
    turns: list[Tensor | None]  # per layer (R, S) positions by which keys are turned before they are used
    inverse_frequency: Tensor  # (D / 2,) of RoPE
    observer: Observer | None  # sums up the attention of a prompt; None for a token of an answer
    is_whole: bool  # whether a prompt ends with these tokens; pieces of it may have come before
    keeps_attention: bool  # whether `attended` is wanted
    attended: dict[int, Tensor] = field(default_factory=dict)  # per layer the last query's among slots, (B, H, S)
    # Of layers that remember, the share (B, H) of the last query's attention that went to what was forgotten: the
    # slots' part in all of it is `attended` times the rest.
    forgotten: dict[int, Tensor] = field(default_factory=dict)
    read: dict[int, Tensor] = field(default_factory=dict)  # what the query reads of a layer (B x H, S), where not all
    passed: set[int] = field(default_factory=set)  # layers whose attention was handed this Forward
    written: set[int] = field(default_factory=set)  # layers whose keys came through the library's `update`
    plain_mask: Tensor | None = None  # the library's mask that was last looked at; layers share one
    driver: int = 0  # `id` of the module whose hooks entered the tokens; 0 where the engine did
    heed: Callable[[], object] = lambda: None  # called in every layer of a prompt; what it raises ends the forward
    has_failed: bool = False  # whether the model raised an exception before it had read all tokens
    # (n,) slots in use that the tokens are written into, in the order of all tokens; each sees those up to its own.
    into: Tensor | None = None

    @cached_property
    def kept(self) -> Tensor | None:
        """The tokens (n',) that are not erased, where some are."""
        left = self.kinds[0] != ERASED
        return None if left.all() else left.nonzero()[:, 0].to(self.positions.device)

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store the tokens' (B, H, n, D); returns all that the layer holds, (B, H, S, D) each, ready for attention."""
        storage, turns = self.layers[layer], self.turns[layer]
        if self.kept is not None:  # nothing that is read later finds the others
            keys, values = keys[:, :, self.kept], values[:, :, self.kept]
        if self.into is None:
            storage.write(keys, values, self.freed[layer])
        else:
            storage.overwrite(keys, values, self.into)
        keys, values = storage.stored()
        return (keys if turns is None else turn_all(keys, turns, self.inverse_frequency)), values

    def extra(self, layer: int, query: Tensor) -> tuple[Tensor, Tensor] | None:
        """What a layer has for queries beside its slots: see `SlotLayer.extra`."""
        return self.layers[layer].extra(query)

    def added(self, layer: int, query: Tensor, scaling: float) -> Tensor | None:
        """What is added to the logits of a token's query (B, H', 1, D): (R, S), -inf for what it does not read."""
        bias, reads = self.bias[layer], self.layers[layer].reads(query, scaling)
        if reads is None:
            return bias
        self.read[layer] = reads
        if bias is None:
            bias = torch.zeros(1, reads.shape[1], device=reads.device)
        return bias.repeat_interleave(len(reads) // len(bias), 0).masked_fill(~reads, -torch.inf)


def freed_slots(tables: Tables, layers: list[SlotLayer]) -> list[int | Tensor | None]:
    """Per layer the slot that was freed for the next token: of all rows, of each (B x H,), or None."""
    if tables.hole is None:
        return [None] * len(layers)
    freed: list[int | Tensor | None] = []
    for layer, hole, rows in zip(layers, tables.hole, tables.hole.tolist(), strict=True):
        alike = all(one == rows[0] for one in rows)
        freed.append(None if rows[0] < 0 else rows[0] if alike else layer.spread(hole))
    return freed


def by_layer(table: Tensor | None, tables: Tables, layers: list[SlotLayer]) -> list[Tensor | None]:
    """What a table (L, R, C) says of each layer's slots in use, (R, S) on its device; None where there is no table."""
    if table is None:
        return [None] * len(layers)
    used = tables.used.tolist()
    return [table[index, :, : used[index]].to(layer.device) for index, layer in enumerate(layers)]


def check_sight(window: int | None, tokens: int) -> None:
    """See that a token's attention reaches back to the first of so many tokens.

    Raises:
        ValueError: if a sliding window has left it behind.
    """
    if window is not None and tokens > window:
        raise ValueError(
            f"The model sees {window} tokens at a time (a sliding window), and this would be token {tokens}: ask "
            "something shorter. Windows that slide are not supported."
        )
