"""LESS: heavy hitters, and a memory of all that was forgotten."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Growth, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Drop, LowestScore, Received, Remembered, Top
from elastic.statistics import Attention


@dataclass(frozen=True)
class LESS(Recipe):
    """LESS, Low-rank Embedding Sidekick with Sparse policy (Dong et al., ICML 2024, arXiv 2402.09398).

    Kept: what H2O keeps, in every head the newest tokens and those that received most attention, and beside these a
    memory of fixed size of everything else: of 8 features that small trained networks make of a key, phi for queries
    and psi for keys, z, the sum of psi(k) over all that was dropped, and H, that of psi(k) times v. A query q finds one
    slot more there, of logit log(phi(q).z) and value phi(q)H / phi(q).z, in the same softmax as the others. While
    decoding the weakest of the older tokens goes for every new one, as with H2O, into the memory; its sums of attention
    go on with the attention among slots, as if there were no memory.

    Departs from the source in the budget: both together hold no more bytes than `keep` allows, so that there are as
    many slots fewer as the memory takes, rounded up: of pocket-llava, whose numbers have 32 bits as the memory's do,
    five. Where that is more than half of what may be held there is no memory, and it is H2O. Query heads that share a
    key share a memory, each with features of its own; for H2O's sums they count as their mean. The networks are trained
    on emoji scenes in place of C4, where this program compresses, at the end of a picture or a question, and not token
    by token (`training/less.py`); pocket-llava's are smaller. A model has such networks, or the method is refused.
    """

    recent: float = option(0.5, "Share of the slots for the newest tokens; heavy hitters get the rest.", 0.0, 1.0)

    title: ClassVar[str] = "LESS"
    about: ClassVar[str] = (
        "Keeps what H2O keeps, a few slots fewer. All that is dropped goes into a small memory, which every word can "
        "still look at, only not token by token. Needs networks that were trained for the model."
    )
    paper: ClassVar[str] = "arXiv 2402.09398"
    unseen: ClassVar[str] = (
        "What the memory holds is drawn as dropped, as no token can be told apart in it. Heat is attention to slots "
        "alone; how much of each word's attention went to the memory is said and drawn beside the pictures."
    )

    @property
    def recipe(self) -> Method:
        """H2O's parts, and a memory of what they drop."""
        heavy = Attention(per_head=True)
        return Method(
            keep=self.keep,
            score=Received(heavy),
            select=Top(newest=self.recent),
            merge=Drop(),
            decoding=LowestScore(newest=self.recent, by=heavy),
            forgotten=Remembered(),
            growth=Growth.CONSTANT,
        )
