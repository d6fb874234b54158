"""SnapKV: what the end of the prompt looks at."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import Drop, Received, Voted
from elastic.statistics import Attention, Queries


@dataclass(frozen=True)
class SnapKV(RecipeInBits):
    """SnapKV (Li et al., NeurIPS 2024, arXiv 2404.14469).

    Kept: in every head the last `window` tokens of the prompt and the others that these attend to most; scores are
    averaged over neighbouring tokens, so that what is kept has its surroundings. While decoding every token is kept.

    Departs from the source at small budgets: the window takes no more than half of what may be held. With a window
    larger than the budget the method keeps nothing else, and fails. And where query heads share a key: their votes
    count as their mean, and they keep the same tokens. The authors' code repeats keys and values for every query head,
    each of which keeps tokens of its own: so many times more bytes than the budget says.
    """

    window: int = option(16, "Queries at the end of the prompt that vote; they are kept themselves.", 1, 128)
    kernel: int = option(5, "Neighbouring tokens over which votes are averaged; of an even number, one more.", 1, 31)

    title: ClassVar[str] = "SnapKV"
    about: ClassVar[str] = (
        "The last tokens of the question vote: every head keeps what they look at, and its surroundings. "
        "While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2404.14469"
    unseen: ClassVar[str] = (
        "The heat is of all queries together, or of a word; here the last words of the prompt vote, head by head."
    )

    @property
    def recipe(self) -> Method:
        """An observation window votes."""
        return Method(
            keep=self.keep,
            score=Received(Attention(rows=Queries.LAST, n=self.window, per_head=True)),
            select=Voted(window=self.window, kernel=self.kernel),
            merge=Drop(),
        )
