"""TGV-KV: text first, then what the text is guided to."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import PATCH, Eviction, Growth, LayerView, StepView
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Budget, Decoding, Drop, Received, Room, Score, Stack, Top
from elastic.policies.parts.budget import share_out
from elastic.policies.parts.decoding import least
from elastic.policies.parts.select import newest
from elastic.statistics import Attention, Guided, Queries, Statistic

AFTER_IMAGE = Attention(rows=Queries.AFTER_IMAGE)
EVERY_QUERY = Attention()
SINKS = 4  # tokens at the beginning that are always kept; the published code's setting


@dataclass(frozen=True)
class TGVKV(Recipe):
    """TGV-KV, text-guided vision (ICML 2026, arXiv 2606.03075), by its published code.

    Kept: the first four tokens and the prompt's last one; then all text, what received most attention first; then the
    patches that the words after the image attend to, each word counting as much as the words after it attend to it on
    average. Layers share the budget by the attention that text pays to the picture in them. While decoding each layer
    holds its own share of the tokens seen: the token goes that the newest one attends to least. The first four are
    spared, and of the newest as many as there are words behind the picture.

    Departs from the code where layers' shares do not fit. A share above all of a layer's tokens goes to the other
    layers, and shares are rounded so that their sum is the budget: the code lets it drift. A layer deletes as soon as
    it holds more than its share, where the code waits until that is a whole slot. And where a layer has lost words
    behind the picture, the code's newest are as many as are left of them; here as many as the layer may hold.
    """

    needs_image: ClassVar[bool] = True
    title: ClassVar[str] = "TGV-KV"
    about: ClassVar[str] = (
        "Keeps all text, then the patches the question is guided to: each word votes, with as much weight as later "
        "words give it. While answering, the token that is looked at least goes."
    )
    paper: ClassVar[str] = "arXiv 2606.03075"
    unseen: ClassVar[str] = (
        "The heat is of all queries together, or of a word; here the words after the picture vote, some more than "
        "others."
    )

    @property
    def recipe(self) -> Method:
        """All text, then what it is guided to; the attention to the picture shares the budget."""
        return Method(
            keep=self.keep,
            score=TextFirst(Received(Guided())),
            budget=ByGaze(),
            select=TopAndOutermost(),
            merge=Drop(),
            decoding=LeastLookedAt(own_share=True),
            growth=Growth.PROPORTIONAL,
        )


@dataclass(frozen=True)
class TextFirst(Score):
    """A score of patches, and above all of these the text, by the attention that it received from all queries.

    Args:
        score: the score of the patches.
    """

    score: Score

    @property
    def statistic(self) -> Statistic | None:
        return self.score.statistic

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset({EVERY_QUERY})

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """Per layer, (1 or H, S)."""
        return [
            torch.where(layer.kind != PATCH, score.sum() + 1 + layer.statistics[EVERY_QUERY], score)
            for score, layer in zip(self.score.of(layers), layers, strict=True)
        ]


@dataclass(frozen=True)
class TopAndOutermost(Top):
    """The first tokens, the last one of the prompt and the best of the others, as many as the budget in all."""

    def always(self, stack: Stack, count: int) -> Tensor:
        """The outermost, (L x R, S) bool."""
        return (stack.position < SINKS) | newest(stack.score, 1)


@dataclass(frozen=True)
class ByGaze(Budget):
    """In proportion to the attention that the words after the image pay to the picture."""

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset({AFTER_IMAGE})

    def counts(self, layers: list[LayerView], limit: int, seen: int) -> list[int]:
        """As many as a layer's attention to the picture allows, the outermost tokens at least."""
        gaze = [(layer.statistics[AFTER_IMAGE] * (layer.kind == PATCH)).sum().cpu() for layer in layers]
        most = torch.tensor([layer.slots for layer in layers])
        return share_out(limit * len(layers), torch.stack(gaze), most, at_least=min(limit, SINKS + 1))


@dataclass(frozen=True)
class LeastLookedAt(Decoding):
    """The slot to which the newest token attends least, behind the first ones and before the newest."""

    live: bool = field(default=True, kw_only=True)

    def evict(self, slots: StepView, room: Room) -> Eviction | None:
        """One of each layer that holds more than its share."""
        limit = torch.as_tensor(self.limit(slots, room, 0))
        over = slots.held > limit
        if not over.any():
            return None
        sinks = (limit - 1).clamp(max=SINKS)
        behind = (limit - sinks).clamp(max=slots.last_prompt - slots.last_patch)
        place = slots.position.argsort(-1).argsort(-1)
        return Eviction(least(slots.score, (place >= sinks) & (place < slots.held - behind), over))
