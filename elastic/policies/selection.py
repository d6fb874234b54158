"""What to keep: the best of a layer, and how many in which layer. For the policies that drop."""

import torch
from torch import Tensor

from elastic.policies.base import Choice, StepView


def strongest(score: Tensor, count: int, always: Tensor | None = None) -> Choice:
    """Keep `count` of the slots, those in `always` (R, S) first and then the best by score (R, S), ties to the left."""
    ranked = score if always is None else score.masked_fill(always, torch.inf)
    kept = ranked.argsort(dim=-1, descending=True, stable=True)[:, :count]
    return Choice(torch.full_like(kept[:, :1], -1).repeat(1, score.shape[1]).scatter(1, kept, kept))


def newest(score: Tensor, count: int) -> Tensor:
    """The last `count` slots of a prompt, (R, S) bool."""
    return (torch.arange(score.shape[1], device=score.device) >= score.shape[1] - count).expand_as(score)


def least(score: Tensor, allowed: Tensor, over: Tensor) -> Tensor:
    """The allowed slot (L, R, S) of lowest score in layers that are `over` (L, 1, 1), -1 in others: (L, R)."""
    worst = score.expand(allowed.shape).masked_fill(~allowed, torch.inf).argmin(-1)
    return torch.where(over[..., 0], worst, -1)


def by_age(slots: StepView, barred: Tensor) -> Tensor:
    """Slots from the oldest token to the newest, (L, R, S), those that are `barred` (L, R, S) at the end."""
    return torch.where(barred, slots.EMPTY, slots.position).argsort(-1)


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
