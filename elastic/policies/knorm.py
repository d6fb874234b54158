"""K-norm: keys of low norm."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Choice, LayerView, Policy
from elastic.policies.selection import strongest


@dataclass(frozen=True)
class KNorm(Policy):
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
    growth: ClassVar[str] = "every new token"
    needs: ClassVar[frozenset[str]] = frozenset()

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Per head the smallest keys."""
        return [strongest(-layer.keys.float().norm(dim=-1), self.limit(seen, seen)) for layer in layers]
