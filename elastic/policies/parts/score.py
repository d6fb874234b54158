"""What makes a slot worth keeping: a number for every slot, the larger the better."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from elastic.policies.base import WRITTEN, LayerView, within
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
class Consensus(Received):
    """What heads of all layers look at sharply, and what stands beside it; a token scores the same in every layer.

    Few heads of a deep model look for what is asked, and which ones differs from model to model. But these look at it
    alone: a power mean over all heads and layers lets the sharpest looks count. A word beside one that was looked at is
    looked at next: a question finds the word before a number, and only the answer's own tokens find its digits. So
    words hear an echo of those beside them. A patch does not, for nobody reads a picture in order. What asks, and the
    first token, which is looked at for no reason of content, score nothing.

    Args:
        power: of the mean; the larger, the more the sharpest look alone counts.
        ahead: words behind one that was looked at which score as much as it does.
        back: words before it which do.
    """

    power: float = within(4.0, 1.0, 16.0)
    ahead: int = within(15, 0, 1_000)
    back: int = within(10, 0, 1_000)

    def of(self, layers: list[LayerView]) -> list[Tensor]:
        """Per layer (R, S), from 0 to 1."""
        tokens = 1 + max(int(layer.position.max()) for layer in layers)
        device = layers[0].position.device
        total, is_patch = torch.zeros(tokens, device=device), torch.zeros(tokens, dtype=torch.bool, device=device)
        for layer, received in zip(layers, super().of(layers), strict=True):
            # Heads and layers may hold different tokens, once they were compressed: they meet at the tokens' numbers.
            # The last answer stands right before what asks, with no more prompt tokens behind it than that has.
            of_content = ((layer.queries > layer.asked) | (layer.kind == WRITTEN)) & (layer.position > 0)
            looks = (received * of_content).to(device).pow(self.power)
            position = layer.position.to(device).expand_as(looks)
            total.index_add_(0, position.flatten(), looks.flatten() / (len(layers) * len(looks)))
            is_patch[layer.position[layer.is_image].to(device)] = True
        heard = F.pad(total.masked_fill(is_patch, 0), (self.ahead, self.back))
        echo = F.max_pool1d(heard[None], self.ahead + self.back + 1, 1)[0].masked_fill(is_patch, 0)
        score = total.maximum(echo).pow(1 / self.power)
        return [score.to(layer.position.device)[layer.position] for layer in layers]


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
