"""CORM: whatever a recent query found major."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import Choice, Eviction, LayerView, Policy, StepView, option
from elastic.policies.selection import least, newest, strongest


@dataclass(frozen=True)
class CORM(Policy):
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
        "The heat sums up the attention of all queries; here one recent query that finds a token important is enough."
    )
    score: ClassVar[str] = "major, per head"
    live: ClassVar[bool] = True
    batches: ClassVar[bool] = False

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Per layer as many tokens as its heads found major on average, at most the cap."""
        chosen = []
        for layer in layers:
            fresh = (layer.score < self.queries) | newest(layer.score, self.recent)
            count = min(self.limit(seen, seen), -(-int(fresh.sum()) // len(fresh)))
            chosen.append(strongest(-layer.score, count, newest(layer.score, min(self.recent, -(-count // 2)))))
        return chosen

    def collect(self, score: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """Queries since a token was last major."""
        return torch.where(received * held >= 1, 0.0, score + 1)

    def evict(self, slots: StepView, seen: int, prompt: int) -> Eviction | None:
        """Per head the token longest out of favour, where heads have one stale token or more on average."""
        limit = self.limit(seen, prompt)
        older = slots.position < seen - min(self.recent, -(-limit // 2))
        stale = ((slots.score >= self.queries) & older).sum(-1, dtype=torch.float32).mean(-1)[:, None, None] >= 1
        over = (stale | (slots.held > limit)) & older.any(-1, keepdim=True).all(1, keepdim=True)
        return Eviction(least(-slots.score, older, over)) if over.any() else None
