"""TOVA: what the newest token looks at."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Growth
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Drop, LowestScore, Received, Top
from elastic.statistics import Attention, Queries


@dataclass(frozen=True)
class TOVA(Recipe):
    """TOVA, Token Omission Via Attention (Oren et al., EMNLP 2024, arXiv 2401.06104).

    Kept: per layer, the same in all heads, the tokens that the newest token attends to most, on average over heads. At
    the prompt's end that is its last token. While decoding every token written is the newest once, and for each the
    one that it attends to least goes, be it the newest itself, so the cache stays as large as it was after the prompt.

    Departs from the source in the size: `keep` of the prompt in place of a fixed number of tokens. Compressed before
    a question, the last token is the picture's last patch, and what it looks at is all that the method knows.
    """

    title: ClassVar[str] = "TOVA"
    about: ClassVar[str] = (
        "Each layer keeps what the newest token looks at, nothing else. While answering, what the newest word looks "
        "at least goes, in all heads of the layer alike."
    )
    paper: ClassVar[str] = "arXiv 2401.06104"
    unseen: ClassVar[str] = (
        "The heat is of all queries together, or of a word; here only the newest token counts, another one at every "
        "word."
    )

    @property
    def recipe(self) -> Method:
        """One query chooses, and then the next one."""
        newest = Attention(rows=Queries.LAST, n=1)
        return Method(
            keep=self.keep,
            score=Received(newest),
            select=Top(),
            merge=Drop(),
            decoding=LowestScore(newest=0.0, by=newest),
            growth=Growth.CONSTANT,
        )
