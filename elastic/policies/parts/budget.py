"""How many slots each layer gets of a budget that all layers share.

How the heads of a layer share its slots is said in `heads.py`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from elastic.policies.base import LayerView, within
from elastic.policies.parts.protect import Protect
from elastic.policies.parts.stack import Stack, ends_in_picture
from elastic.statistics import Attention, Queries, Sparsity, Statistic


@dataclass(frozen=True)
class Budget:
    """A way to share slots out.

    Args:
        protect: what every layer must have room for.
    """

    protect: Protect | None = None

    @property
    def needs(self) -> frozenset[Statistic]:
        """Statistics that it goes by, besides the score."""
        return frozenset()

    @property
    def batches(self) -> bool:
        """Whether prompts of equal length get equal numbers whatever they say, so that they can share a batch."""
        return False

    def counts(self, layers: list[LayerView], limit: int, seen: int) -> list[int]:
        """Slots of each layer, `limit` of them on average, after `seen` tokens."""
        raise NotImplementedError

    def least(self, layers: list[LayerView]) -> int:
        """Slots that every layer needs for what is protected."""
        if self.protect is None:
            return 1
        protected = [self.protect.in_prompt(Stack.of([layer], [layer.score], False)) for layer in layers]
        return max(int(rows.sum(-1).max()) for rows in protected) + (self.protect.spare or 0)


@dataclass(frozen=True)
class Equal(Budget):
    """As many in every layer.

    Args:
        spare: slots that stay free for the first words of an answer, an eighth of the budget at most. None where a
            picture has not been asked about yet: the question comes before them, on top of the budget.
    """

    spare: int = within(0, 0, 1_000)

    @property
    def batches(self) -> bool:
        return True

    def counts(self, layers: list[LayerView], limit: int, seen: int) -> list[int]:
        """The limit, or less where slots are spared; everything where all may stay."""
        keeps_all = limit >= layers[0].slots
        spare = 0 if keeps_all or ends_in_picture(layers[0]) else min(self.spare, limit // 8)
        return [limit - spare] * len(layers)


@dataclass(frozen=True)
class Pyramid(Budget):
    """Linearly fewer from the first layer to the last (PyramidKV, arXiv 2406.02069).

    Args:
        window: slots that every layer gets first, half of the mean budget at most.
        beta: the last layer gets the mean budget beyond the window divided by this.
    """

    window: int = within(16, 0, 10_000)
    beta: int = within(20, 1, 1_000)

    @property
    def batches(self) -> bool:
        return True

    def counts(self, layers: list[LayerView], limit: int, seen: int) -> list[int]:
        """By the number of the layer alone."""
        return self.slopes(limit, torch.tensor([layer.slots for layer in layers]), self.least(layers))

    def slopes(self, mean: int, most: Tensor, at_least: int = 1) -> list[int]:
        """Slots of each layer, at least and `most` (L,) so many, `mean` of them on average."""
        window = min(self.window, mean // 2)
        last = (mean - window) / self.beta
        first = 2 * (mean - window) - last
        sloped = window + torch.linspace(first, last, len(most), dtype=torch.float64)
        return share_out(mean * len(most), sloped, most, at_least)


@dataclass(frozen=True)
class BySparsity(Budget):
    """In proportion to a layer's density: one minus the share of faint weights after the image (arXiv 2410.23317).

    Args:
        least_share: share of its tokens that a layer always gets.
    """

    least_share: float = within(0.01, 0.0, 1.0)

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset({Sparsity(rows=Queries.AFTER_IMAGE)})

    def counts(self, layers: list[LayerView], limit: int, seen: int) -> list[int]:
        """As many as a layer's density says."""
        (sparsity,) = self.needs
        density = 1 - torch.stack([layer.statistics[sparsity].cpu() for layer in layers])
        return self.in_proportion(limit, density, torch.tensor([layer.slots for layer in layers]), self.least(layers))

    def in_proportion(self, mean: int, density: Tensor, most: Tensor, at_least: int = 1) -> list[int]:
        """Slots of each layer by its density (L,), at least and `most` (L,) so many, `mean` of them on average."""
        return share_out(mean * len(most), density, most, max(at_least, int(self.least_share * int(most.max()))))


@dataclass(frozen=True)
class Threshold(Budget):
    """As many of each layer's best as together have one share p of its attention (PrefixKV, arXiv 2412.03409).

    The one p for all layers is found by binary search, so that the layers' sizes add up to the budget.
    """

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset({Attention()})

    def counts(self, layers: list[LayerView], limit: int, seen: int) -> list[int]:
        """By the attention that the layers' tokens received."""
        # Where the method's score is of the same attention, that is what the view's score is.
        received = [layer.statistics.get(Attention(), layer.score) for layer in layers]
        least = min(self.least(layers), max(layer.slots for layer in layers))
        return self.sizes([score.double().mean(0) for score in received], max(limit, least) * len(layers), least)

    def sizes(self, scores: list[Tensor], total: int, at_least: int = 1) -> list[int]:
        """Tokens of each layer, whose scores are (S,): as many as reach one share of the attention, `total` in all."""
        # Of each token the share of attention that better ones have: with a share p to be reached it is needed if
        # they have less.
        ranked = [score.double().sort(descending=True).values for score in scores]
        better = [(row.cumsum(0) - row) / row.sum().clamp(min=1e-30) for row in ranked]
        low, high = 0.0, 1.0
        for _ in range(60):
            p = (low + high) / 2
            low, high = (p, high) if sum(int((row < p).sum()) for row in better) <= total else (low, p)
        fewest = min(max(2, at_least), total // len(scores))  # the prompt's first and last token
        counts = [max(fewest, int((row < low).sum())) for row in better]
        # Tokens with nothing, and layers held above their share, leave a difference: made up where there is most room.
        while (missing := min(total, sum(map(len, scores))) - sum(counts)) != 0:
            room = [len(score) - count for score, count in zip(scores, counts, strict=True)]
            step = 1 if missing > 0 else -1
            at = max(range(len(counts)), key=lambda n: room[n] if step > 0 else counts[n])
            if step < 0 and counts[at] <= fewest:
                break
            counts[at] += step
        return counts


def share_out(total: int, weights: Tensor, most: Tensor, at_least: int = 1) -> list[int]:
    """Split `total` slots over the layers in proportion to `weights` (L,), at least and at most (L,) so many each.

    What a layer cannot take goes to the others, still in proportion; fractions to the largest remainders, ties to the
    first layer.
    """
    weights, most = weights.double().cpu(), most.double().cpu()
    weights = weights.clamp(min=1e-9 * float(weights.max()) or 1.0)
    lowest = most.clamp(max=at_least)
    total = int(max(float(lowest.sum()), min(total, float(most.sum()))))
    low, high = 0.0, float((most / weights).max())
    for _ in range(100):  # the scale at which all that is within the bounds adds up
        scale = (low + high) / 2
        low, high = (scale, high) if (weights * scale).clamp(lowest, most).sum() < total else (low, scale)
    share = (weights * high).clamp(lowest, most)
    whole = (share + 1e-9).floor()
    more = (share - whole).masked_fill(whole >= most, -1).argsort(dim=0, descending=True, stable=True)
    whole[more[: total - int(whole.sum())]] += 1
    return whole.long().tolist()
