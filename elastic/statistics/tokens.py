"""Statistics of tokens: how much attention each received, and from whom."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from elastic.statistics.base import OfAttention, Statistic, Tile


class Queries(StrEnum):
    """The queries of a prompt that a sum of attention is about."""

    ALL = "all"
    AFTER_IMAGE = "after image"  # where no picture stands before them: those that ask, and at least the last 32
    ASKING = "asking"  # those that ask and no others, where that is known; else those after the image
    LAST = "last"


@dataclass(frozen=True)
class OfTokens(OfAttention):
    """The attention each token received, a table (B, 1, K), or (B, H_kv, K) per head.

    Query heads that share a key count as their mean; so do all heads, unless it is `per_head`. Weights have no unit:
    those of a query add up to 1.
    """

    per_head: bool = False

    def empty(self, batch: int, heads: int, keys: int, device: torch.device) -> Tensor:
        """Zeros, (B, 1 or H_kv, K)."""
        return torch.zeros(batch, heads if self.per_head else 1, keys, device=device)

    def add(self, total: Tensor, tile: Tile, wanted: Tensor) -> None:
        """Add the weights to sums (B, 1 or H_kv, k), as much of each query as is wanted."""
        weights = tile.weights
        every = wanted.dtype == torch.bool and wanted.all()
        summed = weights.sum((2, 3)) if every else torch.einsum("bhgqk,bq->bhk", weights, wanted.to(weights.dtype))
        total += (summed if total.shape[1] > 1 else summed.mean(1, keepdim=True)) / weights.shape[2]


@dataclass(frozen=True)
class OfRows(OfTokens):
    """A statistic of the attention that some queries gave.

    Args:
        rows: all queries, those after the image, those that ask, or the last ones: an observation window.
        n: how many the last ones are; of those after the image and those that ask the last n at most, or 0 for all.

    Raises:
        ValueError: if there are no such rows, or `n` does not fit them.
    """

    rows: Queries = Queries.ALL
    n: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", Queries(self.rows))
        legal = {Queries.ALL: self.n == 0, Queries.LAST: self.n > 0}
        if not legal.get(self.rows, self.n >= 0):
            raise ValueError(
                f"n says how many the last queries are, and rows are {str(self.rows)!r} with n={self.n}: "
                "give both, or neither."
            )

    @property
    def only_asking(self) -> bool:
        """Whether nothing but what asks counts."""
        return self.rows is Queries.ASKING

    def queries(self, after_image: Tensor, known: Mapping[Statistic, Tensor]) -> Tensor:
        """Those that count, (B, Q) bool."""
        if self.rows is Queries.ALL:
            return torch.ones_like(after_image)
        last = since_last(after_image) < self.n if self.n else torch.ones_like(after_image)
        return last.expand_as(after_image) if self.rows is Queries.LAST else after_image & last


@dataclass(frozen=True)
class Attention(OfRows):
    """The sum of the attention that a token received from some queries."""

    def carried_on(self, old: Tensor, new: Tensor, queries: int) -> Tensor:
        """Sums go on over prompts; the last queries are those of the last prompt."""
        return new if self.n else old + new

    def after_step(self, old: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """Sums go on; the last query, where it alone is meant, is always the newest."""
        return received if (self.rows, self.n) == (Queries.LAST, 1) else old + received


@dataclass(frozen=True)
class Peak(OfRows):
    """The strongest attention that any of some queries gave to a token, in any of the heads it is of."""

    def add(self, total: Tensor, tile: Tile, wanted: Tensor) -> None:
        """Keep the larger of what is known (B, 1 or H_kv, k) and what a tile has."""
        strongest = tile.weights.masked_fill(~wanted[:, None, None, :, None], 0).amax((2, 3))
        total.copy_(total.maximum(strongest if total.shape[1] > 1 else strongest.amax(1, keepdim=True)))

    def carried_on(self, old: Tensor, new: Tensor, queries: int) -> Tensor:
        """The strongest of all prompts, or of the last one where the last queries are meant."""
        return new if self.n else old.maximum(new)

    def after_step(self, old: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """The strongest so far."""
        return old.maximum(received)


@dataclass(frozen=True)
class Fading(OfTokens):
    """The sum of the attention that a token received, each query counting a hundredth after `n` more of them."""

    n: int = 64

    def queries(self, after_image: Tensor, known: Mapping[Statistic, Tensor]) -> Tensor:
        """How much each query counts, (B, Q)."""
        return self.weight(since_last(after_image).float()).expand_as(after_image)

    def weight(self, since: Tensor) -> Tensor:
        """How much queries count when so many have come `since`."""
        return torch.exp(-math.log(100) / self.n * since)

    def carried_on(self, old: Tensor, new: Tensor, queries: int) -> Tensor:
        """What was there fades by all queries of the prompt."""
        return new + old * self.weight(torch.tensor(float(queries)))

    def after_step(self, old: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """What was there fades by one query."""
        return old * math.exp(-math.log(100) / self.n) + received


@dataclass(frozen=True)
class Guided(OfTokens):
    """The sum of the attention from the words after the image, each as heavy as it is itself to the words after it.

    Weights of words add up to 1; of the last prompt only. While an answer is written it is the attention of the newest
    token alone.
    """

    @property
    def known_first(self) -> OfAttention:
        """The attention of the words after the image, on themselves among others."""
        return Attention(rows=Queries.AFTER_IMAGE)

    def queries(self, after_image: Tensor, known: Mapping[Statistic, Tensor]) -> Tensor:
        """How much each query counts, (B, Q): its mean share of the attention of those that see it."""
        behind = after_image.flip(1).cumsum(1).flip(1).clamp(min=1)
        mean = known[self.known_first][:, 0, -behind.shape[1] :] / behind * after_image
        return mean / mean.sum(1, keepdim=True).clamp(min=1e-9)

    def carried_on(self, old: Tensor, new: Tensor, queries: int) -> Tensor:
        """It is about the last prompt."""
        return new

    def after_step(self, old: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """What the last query gave."""
        return received


@dataclass(frozen=True)
class SinceMajor(OfTokens):
    """How many queries have come since one gave the token at least an even share of its attention: 0 for the last.

    A token that was never major counts from when its prompt began.
    """

    def add(self, total: Tensor, tile: Tile, wanted: Tensor) -> None:
        """Note in (B, 1 or H_kv, k) the last query, from 1, that gave a token an even share or more."""
        mean = tile.weights.mean(2) if total.shape[1] > 1 else tile.weights.mean((1, 2))[:, None]
        number = torch.arange(tile.first + 1, tile.first + 1 + mean.shape[2], device=mean.device, dtype=mean.dtype)
        number = number[:, None]
        torch.maximum(total, ((mean * tile.visible[:, None] >= 1) * number).amax(2), out=total)

    def result(self, total: Tensor, queries: int) -> Tensor:
        """Queries since then."""
        return queries - total

    def carried_on(self, old: Tensor, new: Tensor, queries: int) -> Tensor:
        """A token that no query of the prompt found major has waited for all of them, too."""
        return torch.where(new < queries, new, old + queries)

    def after_step(self, old: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """One more, or 0 where the query found the token major."""
        return torch.where(received * held >= 1, 0.0, old + 1)


def since_last(after_image: Tensor) -> Tensor:
    """How many queries come after each, (Q,), of as many as there are in (B, Q)."""
    return torch.arange(after_image.shape[1] - 1, -1, -1, device=after_image.device)
