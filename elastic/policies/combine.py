"""A method of one's own: every part is a choice."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from elastic.policies.base import Growth, Merged, Positions, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import (
    Anchors,
    Assign,
    Budget,
    BySparsity,
    Cover,
    Decoding,
    Drop,
    Equal,
    EvictNothing,
    FixedPoint,
    KeyNorm,
    LowestScore,
    MostAlike,
    NearestPosition,
    Noise,
    Oldest,
    Protect,
    Pyramid,
    Received,
    Score,
    Select,
    SimilarKey,
    SinksAndNewest,
    Threshold,
)
from elastic.policies.parts.protect import protecting
from elastic.statistics import Attention, Queries

WINDOW = 16  # queries of the observation window
PER_HEAD, MOST_ALIKE = "similar key per head", "most alike"
DROPPED, MERGED = "dropped", "merged"

# The part that each choice is, given the other options. The words are those of pages and links.
SCORES: dict[str, Callable[["Combine"], Score]] = {
    "frequency": lambda of: Received(Attention(per_head=of.per_head)),
    "visible frequency": lambda of: Received(Attention(per_head=of.per_head), visible=True),
    "after image": lambda of: Received(Attention(rows=Queries.AFTER_IMAGE, per_head=of.per_head)),
    "window": lambda of: Received(Attention(rows=Queries.LAST, n=WINDOW, per_head=of.per_head)),
    "key norm": lambda of: KeyNorm(),
    "random": lambda of: Noise(),
}
BUDGETS: dict[str, Callable[["Combine"], Budget]] = {
    "equal": lambda of: Equal(),
    "pyramid": lambda of: Pyramid(of.protect, window=WINDOW),
    "sparsity": lambda of: BySparsity(of.protect),
    "threshold": lambda of: Threshold(of.protect),
}
SELECTIONS: dict[str, Callable[["Combine"], Select]] = {
    "top": lambda of: Anchors(of.protect),
    "sinks and newest": lambda of: SinksAndNewest(of.protect),
    "cover": lambda of: Cover(of.protect, heads_apart=of.assign == PER_HEAD),
}
ASSIGNMENTS: dict[str, Callable[["Combine"], Assign]] = {
    "nearest position": lambda of: NearestPosition(of.merge, of.align, of.count_bias),
    "similar key": lambda of: SimilarKey(of.merge, of.align, of.count_bias, rounds=of.rounds),
    PER_HEAD: lambda of: SimilarKey(of.merge, of.align, of.count_bias, heads_apart=True, rounds=of.rounds),
}
DECODINGS: dict[str, Callable[["Combine", dict[str, Any]], Decoding]] = {
    "fixed point": lambda of, how: FixedPoint(**how, distance=of.distance),
    "from the end": lambda of, how: FixedPoint(**how, distance=of.distance, moving=True),
    "oldest": lambda of, how: Oldest(**how),
    "lowest score": lambda of, how: LowestScore(**how, live=False, by=Attention(per_head=of.per_head)),
    "re-score": lambda of, how: LowestScore(**how, by=Attention(per_head=of.per_head)),
    MOST_ALIKE: lambda of, how: MostAlike(**how),
    "none": lambda of, how: EvictNothing(),
}


@dataclass(frozen=True)
class Combine(Recipe):
    """Combine your own: a score, a budget, a selection, an assignment and a rule while decoding, one of each.

    Kept: what the chosen parts keep. The defaults are those of Elastic Cache (arXiv 2407.18121), from which one can be
    changed at a time. Where layers hold different numbers of slots, each evicts by its own share while decoding.
    "re-score" lets sums of attention go on while decoding; with a score that is of no attention, the lowest score is
    that of the attention received, and of visible frequency it is the sum, undivided.
    """

    score: str = option("frequency", "What makes an anchor: attention of which queries, or none.", choices=(*SCORES,))
    per_head: bool = option(False, "Every head goes by the attention that it gives itself, as by its own norms.")
    budget: str = option("equal", "How layers share the slots.", choices=(*BUDGETS,))
    select: str = option(
        "top", "Anchors: the best, the first and newest, or far apart in keys.", choices=(*SELECTIONS,)
    )
    protect_text: bool = option(True, "Keep every word of the prompt; spend the budget on image patches.")
    protect_ends: bool = option(True, "Keep the first token and the prompt's last one, with nothing merged into them.")
    assign: str = option("nearest position", "The anchor that every other token joins.", choices=(*ASSIGNMENTS,))
    rounds: int = option(0, "Rounds of k-means on the keys, from the anchors; for merged similar keys only.", 0, 10)
    merge: Merged = option(Merged.KEYS_AND_VALUES, "What is averaged in a group; none is eviction.")
    align: bool = option(False, "Turn members' keys to their anchor's position before averaging.")
    count_bias: bool = option(False, "Add log(tokens it stands for) to a slot's attention logit.")
    decoding: str = option("fixed point", "The slot to evict while decoding.", choices=(*DECODINGS,))
    evicted: str = option(
        DROPPED, "What becomes of it; merged, key and value join a similar slot's.", choices=(DROPPED, MERGED)
    )
    distance: int = option(25, "Of a fixed point, or from the end: slots before it.", 1, 500)
    growth: Growth = option(
        Growth.PROPORTIONAL, "The budget while decoding: a share of all tokens, constant, or that and all new ones."
    )
    positions: Positions = option(Positions.TRUE, "Where tokens stand for RoPE after compression.")

    title: ClassVar[str] = "Combine your own"
    about: ClassVar[str] = (
        "Put a method together from the parts of others: what makes a token worth keeping, how layers share the "
        "budget, what becomes of the rest, and what is evicted while answering."
    )
    unseen: ClassVar[str] = (
        "The heat is of all queries together, or of a word; anchors may go by something else, as chosen."
    )

    @property
    def protect(self) -> Protect | None:
        """What is kept whatever it scores."""
        return protecting(self.protect_text, self.decoding == MOST_ALIKE, self.protect_ends)

    @property
    def recipe(self) -> Method:
        """The chosen parts."""
        budget = BUDGETS[self.budget](self)
        drop = Drop(count_bias=self.count_bias, heads_apart=self.assign == PER_HEAD)
        how = {
            "protect": self.protect,
            "own_share": not isinstance(budget, Equal),
            "merge": self.evicted == MERGED,
        }
        return Method(
            keep=self.keep,
            score=SCORES[self.score](self),
            budget=budget,
            select=SELECTIONS[self.select](self),
            merge=drop if self.merge is Merged.NOTHING else ASSIGNMENTS[self.assign](self),
            decoding=DECODINGS[self.decoding](self, how),
            growth=self.growth,
            positions=self.positions,
        )
