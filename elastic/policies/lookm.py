"""LOOK-M: text first, and what is dropped is merged into what is alike."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import PATCH, Choice, LayerView, option
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import Assign, Received, Score, Selection, Stack, Top
from elastic.policies.parts.groups import most_alike
from elastic.policies.parts.select import strongest
from elastic.statistics import Attention, Statistic


class Merging(StrEnum):
    """How members enter the mean of their group."""

    PIVOTAL = "pivotal"
    AVERAGED = "averaged"
    WEIGHTED = "weighted"


@dataclass(frozen=True)
class LookM(RecipeInBits):
    """LOOK-M (Wan et al., EMNLP Findings 2024, arXiv 2406.18139).

    Kept: in every head the newest tokens and those that received most attention, summed over all queries, text being
    raised by the largest sum. Every other token is merged into the kept one with the most similar key (cosine), keys
    and values alike. Of c members k_i and a kept k the mean is taken after each member is moved half-way to k
    ("pivotal"), of the members as they are ("averaged"), or of the members times their cosine ("weighted", which
    shrinks vectors: its weights do not add up to one). While decoding every token is kept.

    Departs from the source's code, and follows the paper. The code takes a large constant off the image's scores and
    then keeps whatever is not below zero: all text, also where that is more than the budget. `all_text` does so, too;
    it then holds the newest tokens of the budget and every word besides, 44 slots of 300 tokens with 44 words at `keep`
    0.1, so that it can be compared only where the budget has room for the text. And the code leaves members below the
    mean similarity out of two of the merges.

    Without a picture every score is raised alike, and what is left is H2O's choice, merged. `all_text` is off then: it
    would keep everything.
    """

    recent: float = option(0.5, "Share of the budget for the newest tokens.", 0.0, 1.0)
    merging: Merging = option(Merging.PIVOTAL, "How members enter the mean.")
    text_prior: bool = option(True, "Raise the scores of text by the largest score.")
    all_text: bool = option(False, "Keep every word, beyond the budget if need be, as the published code does.")

    title: ClassVar[str] = "LOOK-M"
    about: ClassVar[str] = (
        "Keeps text before image patches; what is not kept is merged into the kept token with the most similar key, "
        "head by head. While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2406.18139"
    unseen: ClassVar[str] = (
        "The heat is the mean of all heads; each goes by its own. How alike keys are, by which tokens are merged, is "
        "not drawn."
    )

    @property
    def recipe(self) -> Method:
        """Sums of attention choose, text first, and nothing is dropped."""
        heavy = Received(Attention(per_head=True))
        return Method(
            keep=self.keep,
            score=TextRaised(heavy) if self.text_prior else heavy,
            select=(TopAndAllText if self.all_text else Top)(newest=self.recent),
            merge=MostSimilarKept(merging=self.merging),
        )


@dataclass(frozen=True)
class TextRaised(Score):
    """A score, of text raised by a row's largest one.

    Args:
        score: the score.
    """

    score: Score

    @property
    def statistic(self) -> Statistic | None:
        return self.score.statistic

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """Per layer, (1 or H, S)."""
        scores = zip(self.score.of(layers), layers, strict=True)
        return [score + score.amax(1, keepdim=True) * (layer.kind != PATCH) for score, layer in scores]


@dataclass(frozen=True)
class TopAndAllText(Top):
    """The newest slots, all text, and the best of the others where the budget has room for more."""

    def choose(self, stack: Stack, count: int) -> Selection:
        """As many as the budget, or as must be kept; in heads that have lost more words than others, others besides."""
        always = self.always(stack, count)
        return Selection.among_all(stack, strongest(stack.score, max(count, int(always.sum(1).max())), always))

    def always(self, stack: Stack, count: int) -> Tensor:
        """The newest and the words, (L x R, S) bool."""
        return super().always(stack, count) | (stack.kind != PATCH)


@dataclass(frozen=True)
class MostSimilarKept(Assign):
    """Each joins the kept token with the most similar key (cosine), and enters its group's sum with a share.

    Args:
        merging: how members enter it.
    """

    merging: Merging = Merging.PIVOTAL
    heads_apart: bool = field(default=True, kw_only=True)

    def join(self, stack: Stack, selection: Selection, count: int) -> list[Choice]:
        """Per layer owners and shares, a row per head."""
        cosine, owner = most_alike(stack.keys(per_head=True).float(), selection.anchors)
        share = self.shares(owner, cosine)
        layers = len(stack.layers)
        return [Choice(mine, share=of) for mine, of in zip(owner.chunk(layers), share.chunk(layers), strict=True)]

    def shares(self, owner: Tensor, cosine: Tensor) -> Tensor:
        """How much of each token goes into its group's sum (H, S), `cosine` being its similarity to the owner's key."""
        is_kept = owner == torch.arange(owner.shape[1], device=owner.device)
        size = torch.zeros_like(cosine).scatter_add_(1, owner, torch.ones_like(cosine)).gather(1, owner)
        if self.merging == Merging.PIVOTAL:
            # The half-way points hold the kept token size - 1 times by half, and every member by half.
            share = torch.where(is_kept, 1 + (size - 1) / 2, 0.5)
        else:
            share = torch.where(is_kept | (self.merging == Merging.AVERAGED), 1.0, cosine)
        return share / size
