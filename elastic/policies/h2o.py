"""H2O: heavy hitters and the newest tokens."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Growth, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Drop, LowestScore, Received, Top
from elastic.statistics import Attention


@dataclass(frozen=True)
class H2O(Recipe):
    """H2O, the Heavy-Hitter Oracle (Zhang et al., NeurIPS 2023, arXiv 2306.14048).

    Kept: in every head the newest tokens and those that received most attention, summed over all queries since they
    came. While decoding the sums go on, and for every new token the one with the smallest sum among the others goes, so
    the cache stays as large as it was after the prompt.

    Departs from the source where query heads share a key: they count as their mean.
    """

    recent: float = option(0.5, "Share of the budget for the newest tokens; heavy hitters get the rest.", 0.0, 1.0)

    title: ClassVar[str] = "H2O"
    about: ClassVar[str] = (
        "Every head keeps its heavy hitters, the tokens that received most attention so far, and the newest tokens. "
        "While answering, the weakest of the others goes for each new word."
    )
    paper: ClassVar[str] = "arXiv 2306.14048"
    unseen: ClassVar[str] = (
        "The heat is the mean of all heads; each head goes by its own sums, which go on in the answer."
    )

    @property
    def recipe(self) -> Method:
        """Sums of attention choose, and go on while decoding."""
        heavy = Attention(per_head=True)
        return Method(
            keep=self.keep,
            score=Received(heavy),
            select=Top(newest=self.recent),
            merge=Drop(),
            decoding=LowestScore(newest=self.recent, by=heavy),
            growth=Growth.CONSTANT,
        )
