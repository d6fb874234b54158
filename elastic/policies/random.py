"""Random: what luck keeps."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from elastic.policies.base import Choice, LayerView, Policy, option
from elastic.policies.selection import strongest


@dataclass(frozen=True)
class Random(Policy):
    """Random eviction, the baseline any method must beat; from no paper.

    Kept: in every head tokens drawn at random, all with the same chance; the same `seed` draws the same tokens. While
    decoding every token is kept.
    """

    seed: int = option(0, "Seed of the draw.", 0, 1_000_000)

    title: ClassVar[str] = "Random"
    about: ClassVar[str] = "Every head keeps tokens drawn at random: what any method must beat."
    unseen: ClassVar[str] = "The heat has no part in what is kept."
    growth: ClassVar[str] = "every new token"
    needs: ClassVar[frozenset[str]] = frozenset()

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Per head a draw."""
        # On the CPU: a seed draws other numbers on other devices.
        generator = torch.Generator().manual_seed(self.seed)
        chosen = []
        for layer in layers:
            noise = torch.rand(len(layer.keys), layer.slots, generator=generator).to(layer.position.device)
            chosen.append(strongest(noise, self.limit(seen, seen)))
        return chosen
