"""One group of tokens becomes one key and one value. Nothing here knows who chose the groups."""

import torch
from torch import Tensor


def anchors(owner: Tensor) -> Tensor:
    """Which tokens own themselves, and so keep a slot: owner (1 or H, T) -> bool (1 or H, T)."""
    return owner == torch.arange(owner.shape[-1], device=owner.device)


def merge(x: Tensor, owner: Tensor, count: Tensor | None = None) -> Tensor:
    """Average each group into its anchor, in float32: x (1, H, T, D), owner (1 or H, T) -> (1, H, S, D).

    A token with owner -1 is dropped. `count` (1 or H, T) says how many tokens each entry already stands for, so that
    merging twice gives the mean over all of them. Elastic Cache, arXiv 2407.18121, Eq. 3.
    """
    heads = x.shape[1]
    owner = owner.to(x.device).expand(heads, -1)
    weight = (owner >= 0).float()
    if count is not None:
        weight = weight * count.to(x.device).expand(heads, -1)
    slot = owner.clamp(min=0)
    total = torch.zeros(x.shape[1:], dtype=torch.float32, device=x.device)
    total.scatter_add_(1, slot[..., None].expand_as(total), x[0].float() * weight[..., None])
    weights = torch.zeros_like(weight).scatter_add_(1, slot, weight).clamp(min=1)
    return (total / weights[..., None])[anchors(owner)].view(1, heads, -1, x.shape[3]).to(x.dtype)


def group_counts(owner: Tensor, count: Tensor) -> Tensor:
    """How many tokens each anchor stands for: owner and count (1 or H, T) -> (1 or H, S)."""
    weight = count * (owner >= 0)
    total = torch.zeros_like(count).scatter_add_(1, owner.clamp(min=0), weight)
    return total[anchors(owner)].view(len(owner), -1)
