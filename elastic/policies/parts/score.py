"""What makes a slot worth keeping: a number for every slot, the larger the better."""

from dataclasses import dataclass

import torch
from torch import Tensor

from elastic.policies.base import LayerView
from elastic.statistics import Statistic


@dataclass(frozen=True)
class Score:
    """A score, and the statistic that must be known for it, None where it is of no attention."""

    @property
    def statistic(self) -> Statistic | None:
        """What `score` in the layers' views must be."""
        return None

    @property
    def needs(self) -> frozenset[Statistic]:
        """Statistics that it goes by, besides that."""
        return frozenset()

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """Per layer the score of every slot, (1 or H, S)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Received(Score):
    """The attention that a token received.

    Args:
        from_queries: which attention.
        visible: divide sums by the number of queries that could see the token, which first tokens have more of.
    """

    from_queries: Statistic
    visible: bool = False

    @property
    def statistic(self) -> Statistic:
        return self.from_queries

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """What the view has, or that divided."""
        return [layer.score / layer.queries.clamp(min=1) if self.visible else layer.score for layer in layers]


@dataclass(frozen=True)
class KeyNorm(Score):
    """Minus the L2 norm of a head's key: keys of low norm tend to be those that receive attention."""

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """Per head, (H, S)."""
        return [-layer.keys.float().norm(dim=-1) for layer in layers]


@dataclass(frozen=True)
class Noise(Score):
    """Numbers drawn at random in every layer and head; the same seed draws the same."""

    seed: int = 0

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """Per head, (H, S), between 0 and 1."""
        # On the CPU: a seed draws other numbers on other devices.
        generator = torch.Generator().manual_seed(self.seed)
        return [
            torch.rand(len(layer.keys), layer.slots, generator=generator).to(layer.position.device) for layer in layers
        ]


@dataclass(frozen=True)
class Unscored(Score):
    """No score: for a selection that goes by something else."""

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """The same for all slots, (1, S)."""
        return [torch.zeros_like(layer.position, dtype=torch.float32) for layer in layers]
