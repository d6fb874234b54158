"""VL-Cache: what the question looks at, with layer budgets by sparsity."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import BySparsity, Drop, Received, Top
from elastic.statistics import Attention, Queries


@dataclass(frozen=True)
class VLCache(RecipeInBits):
    """VL-Cache (Tu et al., ICLR 2025, arXiv 2410.23317).

    Kept: in every head the newest tokens and those to which the queries after the image attend most, text and image
    alike. Layers share the budget by their density: one minus the share of weights, in the rows after the image, below
    1 % of their row's strongest. While decoding every token is kept.

    Departs from the source in three ways. It has no published code; heads that share a key decide together. A share
    above all of a layer's tokens goes to the other layers, and shares are rounded so that their sum is the budget: the
    source clips and lets the sum drift. And its recent window may have been meant for its baselines only.

    Without a picture, of which the paper says nothing, the end of the prompt stands for the queries after the image.
    """

    recent: float = option(0.1, "Share of a layer's budget for the newest tokens.", 0.0, 1.0)

    title: ClassVar[str] = "VL-Cache"
    about: ClassVar[str] = (
        "Keeps what the words after the image look at, per head; layers whose attention is spread widely get more room "
        "than those that look at few tokens."
    )
    paper: ClassVar[str] = "arXiv 2410.23317"
    unseen: ClassVar[str] = (
        "The heat is of all queries together, or of a word; here those after the picture vote, head by head."
    )

    @property
    def recipe(self) -> Method:
        """The attention of the words after the image chooses, and its sparsity shares the budget."""
        return Method(
            keep=self.keep,
            score=Received(Attention(rows=Queries.AFTER_IMAGE, per_head=True)),
            budget=BySparsity(),
            select=Top(newest=self.recent),
            merge=Drop(),
        )
