"""PyramidKV: SnapKV with more room in the first layers."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from elastic.policies.base import Choice, LayerView, option
from elastic.policies.selection import share_out
from elastic.policies.snapkv import SnapKV


@dataclass(frozen=True)
class PyramidKV(SnapKV):
    """PyramidKV (Cai et al., 2024, arXiv 2406.02069).

    Kept: as SnapKV, with budgets that fall linearly from the first layer to the last, whose share beyond the window is
    a `beta`-th of the mean. While decoding every token is kept.

    Departs from the source where the first layers' budgets exceed the prompt: the other layers get what is left, so
    that all methods hold the same number of bytes.
    """

    beta: int = option(20, "The last layer gets the mean budget beyond the window divided by this.", 1, 100)

    title: ClassVar[str] = "PyramidKV"
    about: ClassVar[str] = (
        "SnapKV with a budget that falls from layer to layer: the first layers spread their attention widely, the last "
        "ones look at few tokens."
    )
    paper: ClassVar[str] = "arXiv 2406.02069"

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Linearly fewer slots from layer to layer."""
        counts = self.budgets(self.limit(seen, seen), torch.tensor([layer.slots for layer in layers]))
        return [self.choose(layer, count) for layer, count in zip(layers, counts, strict=True)]

    def budgets(self, mean: int, most: torch.Tensor) -> list[int]:
        """Slots of each layer, `most` (L,) at most, `mean` of them on average."""
        window = min(self.window, mean // 2)
        last = (mean - window) / self.beta
        first = 2 * (mean - window) - last
        sloped = window + torch.linspace(first, last, len(most), dtype=torch.float64)
        return share_out(mean * len(most), sloped, most)
