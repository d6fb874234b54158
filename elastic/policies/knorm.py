"""K-norm: keys of low norm."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from elastic.policies.base import LayerView, option, within
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import Budget, Drop, KeyNorm, Top
from elastic.policies.parts.budget import share_out


@dataclass(frozen=True)
class KNorm(RecipeInBits):
    """K-norm (Devoto et al., EMNLP 2024, arXiv 2406.11430).

    Kept: in every head the tokens whose keys have the lowest L2 norm, which tend to be those that receive attention;
    no query is looked at. While decoding every token is kept.

    The authors' scripts leave the first layer alone, their example the first two. Their share is of the other layers,
    so that they hold more than it says: with one of six layers whole a third of the cache at 0.2. Here `skip_layers`
    are paid for: what whole layers leave of the budget the others share equally, so that `keep` is the share of the
    cache that is held; the authors' 0.2 is 0.33 then. Where the budget does not pay for them, every other layer keeps a
    hundredth of its tokens, and the first ones share the rest. None is skipped unless one asks for it.

    Departs from the source's code elsewhere, too: it rounds up, and leaves caches below a given length as they are.
    """

    skip_layers: int = option(0, "First layers that keep every token; the others pay for it.", 0, 32)

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
        return Method(
            keep=self.keep, score=KeyNorm(), budget=FirstWhole(first=self.skip_layers), select=Top(), merge=Drop()
        )


@dataclass(frozen=True)
class FirstWhole(Budget):
    """Every token of the first layers, and of the others as many as that leaves of the budget, equally.

    Args:
        first: layers that keep every token.
        least_share: share of its tokens that every other layer keeps, where the budget does not pay for the first.
    """

    first: int = within(0, 0, 1_000)
    least_share: float = within(0.01, 0.0, 1.0)

    @property
    def batches(self) -> bool:
        return True

    def counts(self, layers: list[LayerView], limit: int, seen: int) -> list[int]:
        """By the number of the layer alone."""
        most = [layer.slots for layer in layers]
        whole, others = most[: self.first], most[self.first :]
        least = [max(1, int(self.least_share * slots)) for slots in others]
        paid = min(sum(whole), limit * len(layers) - sum(least))
        return [*_equally(paid, whole), *_equally(limit * len(layers) - paid, others)]


def _equally(total: int, most: list[int]) -> list[int]:
    """A total of slots over layers that have at most so many."""
    return share_out(total, torch.ones(len(most)), torch.tensor(most), at_least=1) if most else []
