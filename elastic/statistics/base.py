"""What a statistic is: a value, and what the observer asks of it. B sequences, H_kv heads with a key, K keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elastic.statistics.rope import Rope


@dataclass(frozen=True)
class Tile:
    """Weights of causal attention that some queries of a prompt give to some keys; 0 where a key is not visible."""

    weights: Tensor  # (B, H_kv, G, q, k), G query heads share a key
    first: int  # number of its first query among those of the prompt, from 0
    visible: Tensor  # (q,) how many keys each query sees
    absent: Tensor  # (B, H_kv) how many of these slots have no token, in heads that hold fewer than others


@dataclass(frozen=True)
class Statistic:
    """Something to be known of a prompt's attention. Equal values are the same statistic, computed once.

    Of tokens it is a table (B, 1 or H_kv, K) per layer, which the cache keeps with its slots and hands to the policy as
    `score` or in `statistics`. Of a layer it is a tensor (B, ...) about the last prompt, in `statistics` only.
    """

    is_of_layer: ClassVar[bool] = False
    is_of_rehearsal: ClassVar[bool] = False  # what a prompt tells nothing of, see `Rehearsed`

    def of_head(self, figure: Tensor, head: int, heads: int) -> Tensor:
        """What of a layer's `figure`, that of one sequence, is one head's of `heads` with a key: all of it."""
        return figure

    def carried_on(self, old: Tensor, new: Tensor, queries: int) -> Tensor:
        """What it is of tokens after a further prompt of that many queries, which alone would give `new`."""
        return old + new

    def after_step(self, old: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """What it is of slots (L, R, S) after one more query, whose attention they `received` (L, R, S).

        `held` (L, 1, 1) says how many slots there are; beyond them nothing is received.
        """
        return old + received


@dataclass(frozen=True)
class OfAttention(Statistic):
    """A statistic that is reduced from the weights of attention, tile by tile."""

    needs_whole_rows: ClassVar[bool] = False  # whether a tile must hold all keys that its queries see

    @property
    def known_first(self) -> "OfAttention | None":
        """Another statistic of the same prompt that `queries` asks for."""
        return None

    @property
    def only_asking(self) -> bool:
        """Whether `queries` is given those that are known to ask for those after the image."""
        return False

    def queries(self, after_image: Tensor, known: Mapping[Statistic, Tensor]) -> Tensor:
        """The queries it is about, (B, Q) bool, or how much each counts, (B, Q) float.

        `after_image` (B, Q) are the queries behind the last image token; without one, those at the prompt's end.
        """
        return torch.ones_like(after_image)

    def empty(self, batch: int, heads: int, keys: int, device: torch.device) -> Tensor:
        """What tiles are added to; of tokens its last dimension is K."""
        return torch.zeros(batch, 1, keys, device=device)

    def add(self, total: Tensor, tile: Tile, wanted: Tensor) -> None:
        """Take in a tile, `wanted` (B, q) being what `queries` said of its queries.

        Of tokens `total` is the part of `empty` that belongs to the tile's keys, of a layer it is all of it.
        """
        raise NotImplementedError

    def result(self, total: Tensor, queries: int) -> Tensor:
        """The statistic, of all that was added of a prompt of that many queries."""
        return total


@dataclass(frozen=True)
class OfQueries(Statistic):
    """A statistic of a layer that needs its queries and keys only, so that no weight is computed for it."""

    is_of_layer: ClassVar[bool] = True

    @property
    def reach(self) -> int | None:
        """How many of the last queries it is about; None for all of them."""
        return None

    def measure(self, query: Tensor, key: Tensor) -> Tensor:
        """The statistic (B, ...) of the prompt's queries (B, H, Q, D) and all keys (B, H_kv, K, D)."""
        raise NotImplementedError


@dataclass(frozen=True)
class OfPlainQueries(Statistic):
    """A statistic of a layer that needs all its queries as they were before RoPE, and to know how it turned them."""

    is_of_layer: ClassVar[bool] = True

    def measure(self, query: Tensor, rope: Rope) -> Tensor:
        """The statistic (B, ...) of the prompt's queries (B, H, Q, D), in float32."""
        raise NotImplementedError
