"""Elastic Cache as its authors' published code behaves, mistakes included."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from elastic.policies.base import Choice, Eviction, Growth, LayerView, Positions, StepView
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Assign, Budget, Decoding, Everything, Received, Room, Selection, Stack
from elastic.statistics import Attention


@dataclass(frozen=True)
class ElasticReleased(Recipe):
    """Elastic Cache (ECCV 2024, arXiv 2407.18121) as released: the code and its paper differ, and this is the code.

    Kept: the first token, the last one of the prompt, and between them those r with argsort(score)[r] > number to
    forget. Reproduced on purpose: (a) the argsort is used as if it were ranks, so what is kept are not the best-scored
    tokens but, by the inverse permutation, hardly more than a random choice; (b) thrown tokens are counted from one
    place too far left: the first token is averaged into an anchor, some kept tokens are averaged with themselves, and
    tokens meant to be merged are lost; (c) `>` where `>=` was meant leaves one slot less than the budget; (d) while
    decoding, the fixed point lies 25 slots before the end of the *compressed prompt* and never moves, so the first 24
    deletions take the end of the prompt, its last token included, and then the answer from its oldest word; (f) new
    tokens take the length of the compressed cache as their position while old keys stay where they were; (h) where one
    token is to be forgotten at the prefill, it is the first. `keep` is one minus the code's `ratio`.

    Departs from the source: a second turn, which the code cannot have, applies the same rules to the slots that are
    left; a score is not limited to 2,049 columns.
    """

    title: ClassVar[str] = "Elastic Cache, as released"
    about: ClassVar[str] = (
        "The authors' published code, which differs from their paper: a slip in sorting keeps nearly arbitrary tokens, "
        "merges one place off, and places new words at the compressed length."
    )
    paper: ClassVar[str] = "arXiv 2407.18121"
    unseen: ClassVar[str] = "New words take the length of the compressed cache as their place: that is not drawn."

    @property
    def recipe(self) -> Method:
        """Sums of attention choose, through the code's slips."""
        return Method(
            keep=self.keep,
            score=Received(Attention()),
            budget=WhatIsNotForgotten(keep=self.keep),
            select=Everything(),
            merge=OnePlaceOff(),
            decoding=PointThatNeverMoves(keep=self.keep),
            growth=Growth.PROPORTIONAL,
            positions=Positions.CACHE_LENGTH,
        )


START = 1  # tokens at the beginning that are always kept; the published scripts' setting
DISTANCE = 25


def to_forget(held: int, seen: int, keep: float) -> int:
    """Slots to forget of those held after so many tokens."""
    # The code's own order of operations: other orders round differently.
    return int(held - seen * (1 - (1 - keep)))


@dataclass(frozen=True)
class WhatIsNotForgotten(Budget):
    """As many in every layer as the code does not mean to forget.

    Args:
        keep: share of the tokens seen.
    """

    keep: float = field(kw_only=True)

    @property
    def batches(self) -> bool:
        return True

    def counts(self, layers: list[LayerView], limit: int, seen: int) -> list[int]:
        """What is left of each layer."""
        return [layer.slots - to_forget(layer.slots, seen, self.keep) for layer in layers]


@dataclass(frozen=True)
class OnePlaceOff(Assign):
    """Which slots stay, and which of the others join them, as the code computes it."""

    def join(self, stack: Stack, selection: Selection, count: int) -> list[Choice]:
        """Layer by layer."""
        return [self._choice(layer, layer.slots - count) for layer in stack.layers]

    def _choice(self, layer: LayerView, forget: int) -> Choice:
        device, slots = layer.position.device, layer.slots
        token = torch.arange(slots, device=device)
        if forget < 1 or slots < START + 3:
            return Choice(token[None])
        if forget == 1:
            return Choice(torch.where(token == 0, -1, token)[None])
        middle = layer.score[0, START : slots - 1]
        rank = middle.argsort()  # (a) these are not ranks
        is_kept = rank > forget  # (c)
        kept = is_kept.nonzero()[:, 0] + START
        if not len(kept):
            kept = token[START : START + 1]
        thrown = (~is_kept).nonzero()[:, 0]  # (b) START is missing here
        joins = kept[(thrown[:, None] - kept).abs().argmin(1)]
        ends = torch.cat([token[:START], token[-1:]])
        owner = torch.full_like(token, -1)
        owner[thrown] = joins
        owner[kept], owner[ends] = kept, ends
        member, anchor = torch.cat([kept, thrown, ends]), torch.cat([kept, joins, ends])
        return Choice(owner[None], pairs=(member[None], anchor[None]))


@dataclass(frozen=True)
class PointThatNeverMoves(Decoding):
    """The slot at the fixed point, whenever exactly one is to be forgotten; negative places count from the end.

    Args:
        keep: share of the tokens seen.
    """

    keep: float = field(kw_only=True)

    def evict(self, slots: StepView, room: Room) -> Eviction | None:
        """In all layers alike."""
        held = int(slots.held[0])
        if to_forget(held, room.seen, self.keep) != 1:
            return None
        point = room.prompt - to_forget(room.prompt, room.prompt, self.keep) - DISTANCE
        point = point + held if point < 0 else point
        if not 0 <= point < held:
            return None
        return Eviction(slots.position.argsort(-1)[..., point])
