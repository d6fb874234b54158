"""Ada-KV: SnapKV with budgets that differ from head to head."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import ByScore, Drop, Received, Voted
from elastic.statistics import Attention, Queries


@dataclass(frozen=True)
class AdaKV(Recipe):
    """Ada-KV (Feng et al., NeurIPS 2025, arXiv 2407.11550), on SnapKV.

    Kept: in every head the last `window` tokens of the prompt; of the others the best of all heads of a layer together,
    by SnapKV's averaged votes, so that a head whose attention is spread out gets more slots than one that looks at
    little. Of the layer's budget every head is sure of a share, `floor`, for its own best. While decoding every token
    is kept.

    A layer's tensors are as long as its fullest head needs, and the others are filled up; the authors store heads one
    behind the other. So what is held is counted by head, and what is allocated is more.

    Departs from the source as SnapKV does here: the window takes no more than half of what may be held, 16 queries vote
    and means are taken over five tokens, in place of 32 and maxima over seven. As in the library kvpress the floor
    is of the whole budget, window included, and the best of all heads are kept themselves; the authors' code takes from
    them only how many each head gets, once every score is weighed by the share of votes that its head's best have.
    """

    window: int = option(16, "Queries at the end of the prompt that vote; they are kept themselves.", 1, 128)
    kernel: int = option(5, "Neighbouring tokens over which votes are averaged; of an even number, one more.", 1, 31)
    floor: float = option(0.2, "Share of the budget that every head is sure of; votes decide on the rest.", 0.0, 1.0)

    title: ClassVar[str] = "Ada-KV"
    about: ClassVar[str] = (
        "SnapKV's votes, but the heads of a layer share one budget: a head that looks at much keeps more than one that "
        "looks at little. While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2407.11550"
    unseen: ClassVar[str] = (
        "Numbers of slots are means: heads keep different numbers, see them one by one. The heat is of all "
        "queries together, or of a word; here the last words of the prompt vote, head by head."
    )

    @property
    def recipe(self) -> Method:
        """What SnapKV votes for, shared out by votes."""
        return Method(
            keep=self.keep,
            score=Received(Attention(rows=Queries.LAST, n=self.window, per_head=True)),
            heads=ByScore(floor=self.floor),
            select=Voted(window=self.window, kernel=self.kernel),
            merge=Drop(),
        )
