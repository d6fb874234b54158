"""Elastic Cache: merge at the prefill, eliminate at a fixed point while decoding."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Growth, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Anchors, Equal, FixedPoint, NearestPosition, Received
from elastic.policies.parts.protect import protecting
from elastic.statistics import Attention


@dataclass(frozen=True)
class Elastic(Recipe):
    """Elastic Cache (Liu et al., ECCV 2024, arXiv 2407.18121), by the paper's equations.

    Kept: per layer the tokens that received most attention, summed over all queries and averaged over heads; every
    other token is averaged into the nearest of them. While decoding, the slot `distance` before the end of the
    compressed prompt is deleted whenever the cache exceeds `keep` x tokens seen.

    Departs from the source in three ways. Summed causal attention favours early tokens, so the question after the image
    scores lowest and the paper's rule throws it away: `protect_text` keeps every word the model was given and spends
    the budget on image patches. The first token and the last one of the prompt keep slots of their own, into which
    nothing is averaged, as in the authors' code: `protect_ends`. With both switched off every token is an ordinary one,
    and anchors and groups are those of the paper's equations. And the paper's distance is meant for prompts of 600
    tokens and more: in a smaller cache the fixed point is the middle of what may be deleted, or the first anchors would
    all go before the answer is a few words long.

    Without a picture no word is protected: there is nothing else to drop, and everything would be kept.
    """

    protect_text: bool = option(True, "Keep every word of the prompt; spend the budget on image patches.")
    protect_ends: bool = option(True, "Keep the first token and the prompt's last one, with nothing merged into them.")
    distance: int = option(25, "Fixed point of elimination: slots before the end of the compressed prompt.", 1, 500)

    title: ClassVar[str] = "Elastic Cache"
    about: ClassVar[str] = (
        "Tokens that receive most attention become anchors; every other token is averaged into the nearest anchor. "
        "While answering, one slot at a fixed place is deleted whenever the cache is over its budget."
    )
    paper: ClassVar[str] = "arXiv 2407.18121"

    @property
    def recipe(self) -> Method:
        """Sums of attention choose anchors, the nearest anchor takes the others in, and a fixed point is eliminated."""
        protect = protecting(self.protect_text, ends=self.protect_ends)
        return Method(
            keep=self.keep,
            score=Received(Attention()),
            budget=Equal(),
            select=Anchors(protect),
            merge=NearestPosition(),
            decoding=FixedPoint(distance=self.distance, protect=protect),
            growth=Growth.PROPORTIONAL,
        )
