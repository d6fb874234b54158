"""CORM: whatever a recent query found major."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import Eviction, Growth, LayerView, StepView, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Budget, Decoding, Drop, Room, Score, Stack, Top
from elastic.policies.parts.decoding import least
from elastic.policies.parts.select import newest
from elastic.statistics import SinceMajor, Statistic


@dataclass(frozen=True)
class CORM(Recipe):
    """CORM, Cache Optimization with Recent Message (Dai et al., 2024, arXiv 2404.15949).

    Kept: in every head the newest tokens, and every token to which one of the last `queries` queries gave at least an
    even share of its attention. There is no budget: the number follows from the prompt. While decoding the same goes
    on with every query; one token per head goes at a time.

    Departs from the source, whose code could not be had. The heads of a layer hold equally many tokens, their mean;
    those longest out of favour go first, and one never in favour counts from when its prompt began, or it was written.
    `keep` is a cap that the method as published does not have, 1 being none. And the source's windows of 256 are for
    texts of thousands of tokens: they would keep every question about a picture.
    """

    keep: float = option(1.0, "A cap: the largest share of the tokens seen that may hold a slot.", 0.01, 1.0)
    queries: int = option(16, "Recent queries, one of which must have found a token major.", 1, 4096)
    recent: int = option(16, "Newest tokens that are always kept.", 1, 4096)

    title: ClassVar[str] = "CORM"
    about: ClassVar[str] = (
        "Keeps every token that one of the last few queries found important. It has no budget: how much is kept "
        "follows from the prompt, and differs from layer to layer."
    )
    paper: ClassVar[str] = "arXiv 2404.15949"
    unseen: ClassVar[str] = (
        "The heat is of all queries together, or of a word; here one recent query that finds a token important is "
        "enough."
    )

    @property
    def recipe(self) -> Method:
        """Recent favour chooses, sizes the layers, and goes on while decoding."""
        return Method(
            keep=self.keep,
            score=Favour(),
            budget=InFavour(queries=self.queries, recent=self.recent),
            select=TopAndSomeNewest(recent=self.recent),
            merge=Drop(),
            decoding=OutOfFavour(queries=self.queries, recent=self.recent),
            growth=Growth.PROPORTIONAL,
        )


@dataclass(frozen=True)
class Favour(Score):
    """Minus the queries that have come since one found the token major."""

    @property
    def statistic(self) -> Statistic:
        return SinceMajor(per_head=True)

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """Per head, (H, S)."""
        return [-layer.score for layer in layers]


@dataclass(frozen=True)
class InFavour(Budget):
    """As many as a layer's heads found major on average, at most the limit.

    Args:
        queries: recent queries, one of which must have found a token major.
        recent: newest tokens that count as if they were.
    """

    queries: int = 16
    recent: int = 16

    def counts(self, layers: list[LayerView], limit: int, seen: int) -> list[int]:
        """Rounded up."""
        fresh = [(layer.score < self.queries) | newest(layer.score, self.recent) for layer in layers]
        return [min(limit, -(-int(rows.sum()) // len(rows))) for rows in fresh]


@dataclass(frozen=True)
class TopAndSomeNewest(Top):
    """The newest slots, half of the budget at most, and the best of the others.

    Args:
        recent: how many of the newest.
    """

    recent: int = 16

    def always(self, stack: Stack, count: int) -> Tensor:
        """The newest, (L x R, S) bool."""
        return newest(stack.score, min(self.recent, -(-count // 2)))


@dataclass(frozen=True)
class OutOfFavour(Decoding):
    """Per head the token longest out of favour, where heads have one stale token or more on average.

    Args:
        queries: queries after which a token is stale.
        recent: newest tokens that stay, half of the limit at most.
    """

    queries: int = 16
    recent: int = 16

    live: bool = field(default=True, kw_only=True)

    def evict(self, slots: StepView, room: Room) -> Eviction | None:
        """One token of each head, or of none."""
        older = slots.position < room.seen - min(self.recent, -(-room.limit // 2))
        stale = ((slots.score >= self.queries) & older).sum(-1, dtype=torch.float32).mean(-1)[:, None, None] >= 1
        over = (stale | (slots.held > room.limit)) & older.any(-1, keepdim=True).all(1, keepdim=True)
        return Eviction(least(-slots.score, older, over)) if over.any() else None
