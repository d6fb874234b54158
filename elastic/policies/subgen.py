"""SubGen: centres of clusters of keys, and the newest tokens."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from elastic.policies.base import Merged, option, within
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import Assign, Cover, Drop, Selection, Stack, Unscored
from elastic.policies.parts.groups import join_closest
from elastic.policies.parts.select import keys_of


@dataclass(frozen=True)
class SubGen(RecipeInBits):
    """SubGen (Zandieh et al., 2024, arXiv 2402.06082), as it was evaluated.

    Kept: in every head the newest tokens, and of the others greedy k-centres of their keys: beginning with the oldest,
    always the key farthest from all centres so far. No query is looked at. While decoding every token is kept.

    Departs from the paper's algorithm, and follows its experiments, as a public review of its workshop version
    (ClusterGen, 2025) tells of them; no code is public. The algorithm clusters keys one by one as they come, with a
    radius in place of a number, and draws values at random by their norms: an output's numerator is a sum over the
    drawn values, its denominator one over clusters, times their sizes. Here numerator and denominator are of the same
    slots, and nothing is drawn. `counted` is as near to the algorithm as that allows. A centre then stands for all
    tokens that are closest to it: log(tokens) on its logit is the algorithm's denominator with one sample of each
    cluster, the centre itself, and the mean of its tokens' values what the drawn values come to on average, where keys
    of a cluster are alike. Which share the newest tokens had is not known: `recent`.
    """

    recent: float = option(0.5, "Share of the budget for the newest tokens; centres get the rest.", 0.0, 1.0)
    counted: bool = option(False, "A centre stands for all tokens closest to it, with the mean of their values.")

    title: ClassVar[str] = "SubGen"
    about: ClassVar[str] = (
        "Every head keeps the newest tokens and keys that lie far from one another, so that each dropped key is near a "
        "kept one. No attention is looked at. While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2402.06082"
    unseen: ClassVar[str] = (
        "Distances between keys, which it goes by, are not drawn: the heat is attention, which it does not look at."
    )

    @property
    def recipe(self) -> Method:
        """Distances between keys alone decide."""
        return Method(
            keep=self.keep,
            score=Unscored(),
            select=CentresAndNewest(newest=self.recent, heads_apart=True),
            merge=ClosestCentre() if self.counted else Drop(),
        )


@dataclass(frozen=True)
class CentresAndNewest(Cover):
    """The newest slots, which take nothing in, and among the others keys that lie far from one another.

    Args:
        newest: share of the budget for the newest.
    """

    newest: float = within(0.5, 0.0, 1.0)

    def choose(self, stack: Stack, count: int) -> Selection:
        """As many as the budget in all."""
        recent = min(int(self.newest * count), stack.slots)
        older = stack.every_slot()[:, : stack.slots - recent]
        return Selection(older, self.best(stack, older, min(count - recent, older.shape[1])))


@dataclass(frozen=True)
class ClosestCentre(Assign):
    """Each joins the centre that is closest in Euclidean distance of keys; values are averaged, and centres counted."""

    merged: Merged = Merged.VALUES
    count_bias: bool = True

    def joined(self, stack: Stack, selection: Selection) -> Tensor:
        """By every head's own keys, as the centres were chosen."""
        keys, every = keys_of(stack, selection.free, per_head=True)
        return join_closest(keys, selection.best[::every]).repeat_interleave(every, 0)
