"""VL-Cache: what the question looks at, with layer budgets by sparsity."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from elastic.policies.base import Choice, LayerView, Policy, option
from elastic.policies.selection import newest, share_out, strongest

LEAST = 0.01  # share of its tokens that a layer always gets
SPARSITY = "sparsity after image"


@dataclass(frozen=True)
class VLCache(Policy):
    """VL-Cache (Tu et al., ICLR 2025, arXiv 2410.23317).

    Kept: in every head the newest tokens and those to which the queries after the image attend most, text and image
    alike. Layers share the budget by their density: one minus the share of weights, in the rows after the image, below
    1 % of their row's strongest. While decoding every token is kept.

    Departs from the source in three ways. It has no published code; heads that share a key decide together. A share
    above all of a layer's tokens goes to the other layers, and shares are rounded so that their sum is the budget: the
    source clips and lets the sum drift. And its recent window may have been meant for its baselines only.
    """

    recent: float = option(0.1, "Share of a layer's budget for the newest tokens.", 0.0, 1.0)

    title: ClassVar[str] = "VL-Cache"
    about: ClassVar[str] = (
        "Keeps what the words after the image look at, per head; layers whose attention is spread widely get more room "
        "than those that look at few tokens."
    )
    paper: ClassVar[str] = "arXiv 2410.23317"
    unseen: ClassVar[str] = (
        "The heat sums up the attention of all queries; here those after the picture vote, head by head."
    )
    score: ClassVar[str] = "after image, per head"
    growth: ClassVar[str] = "every new token"
    batches: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({score, SPARSITY})

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """As many of each layer as its density says."""
        density = 1 - torch.stack([layer.statistics[SPARSITY].cpu() for layer in layers])
        counts = self.budgets(self.limit(seen, seen), density, torch.tensor([layer.slots for layer in layers]))
        return [
            strongest(layer.score, count, newest(layer.score, int(self.recent * count)))
            for layer, count in zip(layers, counts, strict=True)
        ]

    def budgets(self, mean: int, density: torch.Tensor, most: torch.Tensor) -> list[int]:
        """Slots of each layer in proportion to its density (L,), `most` (L,) at most, `mean` of them on average."""
        return share_out(mean * len(most), density, most, at_least=max(1, int(LEAST * int(most.max()))))
