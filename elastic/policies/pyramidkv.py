"""PyramidKV: SnapKV with more room in the first layers."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import Drop, Pyramid, Received, Voted
from elastic.statistics import Attention, Queries


@dataclass(frozen=True)
class PyramidKV(RecipeInBits):
    """PyramidKV (Cai et al., 2024, arXiv 2406.02069).

    Kept: as SnapKV, with budgets that fall linearly from the first layer to the last, whose share beyond the window is
    a `beta`-th of the mean. While decoding every token is kept.

    Departs from the source where the first layers' budgets exceed the prompt: the other layers get what is left, so
    that all methods hold the same number of bytes. And where query heads share a key: their votes count as their mean,
    and they keep the same tokens; the authors' code, unless told otherwise, repeats keys and values for each of them.
    """

    window: int = option(16, "Queries at the end of the prompt that vote; they are kept themselves.", 1, 128)
    kernel: int = option(5, "Neighbouring tokens over which votes are averaged; of an even number, one more.", 1, 31)
    beta: int = option(20, "The last layer gets the mean budget beyond the window divided by this.", 1, 100)

    title: ClassVar[str] = "PyramidKV"
    about: ClassVar[str] = (
        "SnapKV with a budget that falls from layer to layer: the first layers spread their attention widely, the last "
        "ones look at few tokens."
    )
    paper: ClassVar[str] = "arXiv 2406.02069"
    unseen: ClassVar[str] = (
        "The heat is of all queries together, or of a word; here the last words of the prompt vote, head by head."
    )

    @property
    def recipe(self) -> Method:
        """What SnapKV chooses, with another budget."""
        return Method(
            keep=self.keep,
            score=Received(Attention(rows=Queries.LAST, n=self.window, per_head=True)),
            budget=Pyramid(window=self.window, beta=self.beta),
            select=Voted(window=self.window, kernel=self.kernel),
            merge=Drop(),
        )
