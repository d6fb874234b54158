"""KeyDiff: keys that point elsewhere."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from elastic.policies.base import Eviction, Growth, LayerView, StepView
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Decoding, Drop, Room, Score, Top
from elastic.policies.parts.groups import towards_mean


@dataclass(frozen=True)
class KeyDiff(Recipe):
    """KeyDiff (Park et al., NeurIPS 2025, arXiv 2504.15364).

    Kept: in every head the tokens whose keys are least like the mean of all keys' directions (cosine); such keys tend
    to be those that receive attention, and no query is looked at. While decoding the same goes on among the keys that
    are held: for every new token the one most like their mean goes, be it the new one, so the cache stays as large as
    it was after the prompt.

    Departs from the source where a prompt comes in blocks and is cut down after each: here it is read whole and cut
    once, by the mean of all its keys. And its window of newest tokens, a variant, is left out.
    """

    title: ClassVar[str] = "KeyDiff"
    about: ClassVar[str] = (
        "Keeps, head by head, the keys that point elsewhere than most, without looking at any attention. While "
        "answering, the key most like all others goes for each new word."
    )
    paper: ClassVar[str] = "arXiv 2504.15364"
    unseen: ClassVar[str] = (
        "How alike keys are, which it goes by, is not drawn: the heat is attention, which it does not look at."
    )

    @property
    def recipe(self) -> Method:
        """Keys alone decide, and go on while decoding."""
        return Method(
            keep=self.keep,
            score=Apart(),
            select=Top(),
            merge=Drop(),
            decoding=MostOrdinary(),
            growth=Growth.CONSTANT,
        )


@dataclass(frozen=True)
class Apart(Score):
    """How far a head's key points away from where its keys point on average."""

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """Per head, (H, S)."""
        return [-towards_mean(layer.keys) for layer in layers]


@dataclass(frozen=True)
class MostOrdinary(Decoding):
    """Per head the slot whose key points most to where all point on average."""

    def evict(self, slots: StepView, room: Room) -> Eviction | None:
        """One of each layer that holds more than it may."""
        over = (slots.held > room.limit)[:, 0]
        if not over.any():
            return None

        (slot,) = slots.each(over, lambda keys, layer, used: (towards_mean(keys).argmax(-1),))
        return Eviction(slot)
