"""TGV-KV: text first, then what the text is guided to."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import PATCH, LayerView
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Budget, Drop, Received, Score, Top
from elastic.policies.parts.budget import share_out
from elastic.statistics import Attention, Guided, Queries, Statistic

AFTER_IMAGE = Attention(rows=Queries.AFTER_IMAGE)


@dataclass(frozen=True)
class TGVKV(Recipe):
    """TGV-KV, text-guided vision (ICML 2026, arXiv 2606.03075).

    Kept: all text, then the patches that the words after the image attend to, each word counting as much as the words
    after it attend to it on average. Layers share the budget by the attention that text pays to the picture in them.
    While decoding every token is kept.

    Departs from the source, whose code could not be had, in two ways. Where text alone exceeds a layer's budget, the
    newest text is kept, so that all methods hold the same number of bytes. And no layer gets less than the text takes,
    where the budget allows it.
    """

    title: ClassVar[str] = "TGV-KV"
    about: ClassVar[str] = (
        "Keeps all text, then the patches the question is guided to: each word votes, with as much weight as later "
        "words give it. Layers that look at the picture more get more room."
    )
    paper: ClassVar[str] = "arXiv 2606.03075"
    unseen: ClassVar[str] = (
        "The heat sums up the attention of all queries; here the words after the picture vote, some more than others."
    )

    @property
    def recipe(self) -> Method:
        """All text, then what it is guided to; the attention to the picture shares the budget."""
        return Method(
            keep=self.keep,
            score=TextFirst(Received(Guided())),
            budget=ByGaze(),
            select=Top(),
            merge=Drop(),
        )


@dataclass(frozen=True)
class TextFirst(Score):
    """A score, with text above every patch, and newer text above older.

    Args:
        score: the score of the patches.
    """

    score: Score

    @property
    def statistic(self) -> Statistic | None:
        return self.score.statistic

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """Per layer, (1 or H, S)."""
        return [
            torch.where(layer.kind != PATCH, score.sum() + 1 + layer.position, score)
            for score, layer in zip(self.score.of(layers), layers, strict=True)
        ]


@dataclass(frozen=True)
class ByGaze(Budget):
    """In proportion to the attention that the words after the image pay to the picture, text being paid first."""

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset({AFTER_IMAGE})

    def counts(self, layers: list[LayerView], limit: int, seen: int) -> list[int]:
        """As many as a layer's attention to the picture allows, and those for the text where the budget does."""
        is_patch = [layer.kind == PATCH for layer in layers]
        gaze = [
            (layer.statistics[AFTER_IMAGE] * patch).sum().cpu() for layer, patch in zip(layers, is_patch, strict=True)
        ]
        words = max(int((~patch).sum()) for patch in is_patch)
        most = torch.tensor([layer.slots for layer in layers])
        return share_out(limit * len(layers), torch.stack(gaze), most, at_least=max(1, min(limit, words)))
