"""H2O: heavy hitters and the newest tokens."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Choice, Eviction, LayerView, Policy, StepView, option
from elastic.policies.selection import least, newest, strongest


@dataclass(frozen=True)
class H2O(Policy):
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
        "The heat is the mean of all heads, over the prompt; each head goes by its own sums, which go on in the answer."
    )
    score: ClassVar[str] = "frequency, per head"
    growth: ClassVar[str] = "constant"
    live: ClassVar[bool] = True

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Per head the newest tokens and the heavy hitters."""
        count = self.limit(seen, seen)
        recent = int(self.recent * count)
        return [strongest(layer.score, count, newest(layer.score, recent)) for layer in layers]

    def evict(self, slots: StepView, seen: int, prompt: int) -> Eviction | None:
        """Per head the token with the smallest sum that is not among the newest."""
        limit = self.limit(seen, prompt)
        over = slots.held > limit
        if not over.any():
            return None
        # The newest are never given up, so they are the last tokens there were.
        older = slots.position < seen - int(self.recent * limit)
        return Eviction(least(slots.score, older, over))
