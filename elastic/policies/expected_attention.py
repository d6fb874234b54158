"""Expected Attention: what queries to come will look at, on average."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import LayerView, option, within
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import Drop, Score, TopAndSinks
from elastic.statistics import ExpectedQuery, Statistic


@dataclass(frozen=True)
class ExpectedAttention(RecipeInBits):
    """Expected Attention (Devoto et al., 2025, arXiv 2510.00636).

    Kept: in every head the first `sinks` tokens, and those that queries to come will look at most, times the length of
    their values. Queries to come are taken to be normally distributed, with mean and covariance of the prompt's own
    before RoPE, turned as the next `future` positions turn on average; of such queries the mean of exp(q.k) is known
    in closed form. No question is needed. While decoding every token is kept.

    Departs from the source where a cache is cut down again while decoding, by the queries of the answer: here it is
    cut after a prompt. In a further turn the queries are those of its prompt alone, and a short question has few. The
    authors report it with budgets that differ from head to head (Ada-KV) and an `epsilon` of 0.01; here heads hold
    equally many, and `epsilon` is the 0 that their code has where they do.
    """

    future: int = option(512, "Positions to come, over which RoPE's turning is averaged.", 1, 8192)
    sinks: int = option(4, "Tokens at the beginning that are always kept, and whose queries do not count.", 0, 64)
    covariance: bool = option(True, "Let the spread of the queries count, and not their mean alone.")
    epsilon: float = option(0.0, "Attention that every token is given before values weigh it.", 0.0, 1.0)

    title: ClassVar[str] = "Expected Attention"
    about: ClassVar[str] = (
        "Keeps, head by head, what the queries of the coming words are expected to look at: queries like the prompt's, "
        "at later places. It needs no question. While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2510.00636"
    unseen: ClassVar[str] = (
        "The heat is the attention that was; what it goes by is attention expected of words to come, times the length "
        "of values: not drawn."
    )

    @property
    def recipe(self) -> Method:
        """Queries like those of the prompt choose."""
        query = ExpectedQuery(positions=self.future, skip=self.sinks)
        return Method(
            keep=self.keep,
            score=ToCome(query, self.sinks, self.covariance, self.epsilon),
            select=TopAndSinks(sinks=self.sinks),
            merge=Drop(),
        )


@dataclass(frozen=True)
class ToCome(Score):
    """The share of attention that a token is expected to receive, times the length of its value.

    Args:
        query: what is expected of queries.
        sinks: tokens at the beginning that have no share.
        covariance: whether the spread of queries counts.
        epsilon: share that every token is given besides.
    """

    query: ExpectedQuery = field(default_factory=ExpectedQuery)
    sinks: int = within(4, 0, 10_000)
    covariance: bool = True
    epsilon: float = within(0.0, 0.0, 1.0)

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset({self.query})

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """Per head, (H, S)."""
        return [self._of_layer(layer) for layer in layers]

    def _of_layer(self, layer: LayerView) -> Tensor:
        heads, _, dim = layer.keys.shape
        mean, spread = layer.statistics[self.query].view(heads, -1, dim, dim + 1).split((1, dim), -1)
        keys = (layer.keys.float() * dim**-0.5)[:, None]  # (H, 1, S, D), each for the query heads that share it
        logits = (keys @ mean)[..., 0]
        if self.covariance:
            # The mean of exp(x) for a normal x is exp(mean + variance / 2).
            logits = logits + torch.linalg.vecdot(keys @ spread, keys.expand(-1, spread.shape[1], -1, -1)) / 2
        logits = logits.masked_fill((layer.position < self.sinks)[:, None], -torch.inf)
        score: Tensor = (logits.softmax(-1).mean(1) + self.epsilon) * layer.values.float().norm(dim=-1)
        return score
