"""K-norm: keys of low norm."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Drop, KeyNorm, Top


@dataclass(frozen=True)
class KNorm(Recipe):
    """K-norm (Devoto et al., EMNLP 2024, arXiv 2406.11430).

    Kept: in every head the tokens whose keys have the lowest L2 norm, which tend to be those that receive attention;
    no query is looked at. While decoding every token is kept.
    """

    title: ClassVar[str] = "K-norm"
    about: ClassVar[str] = (
        "Keeps the keys with the smallest norm, head by head, without looking at any attention. While answering "
        "nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2406.11430"
    unseen: ClassVar[str] = "The norms it goes by are not drawn: the heat is attention, which it does not look at."

    @property
    def recipe(self) -> Method:
        """Norms alone decide."""
        return Method(keep=self.keep, score=KeyNorm(), select=Top(), merge=Drop())
