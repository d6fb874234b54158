"""One group of tokens becomes one key and one value. Nothing here knows who chose the groups."""

import torch
import torch.nn.functional as F
from torch import Tensor


def anchors(owner: Tensor) -> Tensor:
    """Which tokens own themselves, and so keep a slot: owner (..., T) -> bool (..., T)."""
    return owner == torch.arange(owner.shape[-1], device=owner.device)


def merge(x: Tensor, owner: Tensor, count: Tensor | None = None, members: Tensor | None = None) -> Tensor:
    """Average each group into its anchor, in float32: x (B, H, T, D), owner (R, T) -> (B, H, S, D).

    R rows are B sequences, or B x H where heads decide for themselves; a token with owner -1 is dropped. `count` (R, T)
    says how many tokens each entry already stands for, so that merging twice gives the mean over all of them. Elastic
    Cache, arXiv 2407.18121, Eq. 3. `members` (R, M) names the entry behind each of the M columns of `owner` and `count`
    where that is not the column itself.
    """
    batch, heads, tokens, dim = x.shape
    rows = batch * heads
    owner = _rows(owner, rows, x.device)
    kept = owner >= 0
    first = torch.arange(rows, device=x.device)[:, None] * tokens  # of each row, in one long list of all entries
    group, order = (owner + first)[kept].sort(stable=True)
    # Every kept slot has a member, itself at least, so groups in ascending order are the slots in order.
    sizes = group.unique_consecutive(return_counts=True)[1]
    column = torch.arange(owner.shape[1], device=x.device) if members is None else _rows(members, rows, x.device)
    entry = (column.expand_as(owner) + first)[kept][order]
    weight = None if count is None else _rows(count, rows, x.device).float()[kept][order]
    table = x.reshape(rows * tokens, dim).float()
    total = F.embedding_bag(entry, table, sizes.cumsum(0) - sizes, mode="sum", per_sample_weights=weight)
    weights = sizes.float()
    if weight is not None:
        weights = torch.zeros_like(weights).index_add_(
            0, torch.arange(len(sizes), device=x.device).repeat_interleave(sizes), weight
        )
    return (total / weights[:, None]).view(batch, heads, -1, dim).to(x.dtype)


def pick(x: Tensor, owner: Tensor) -> Tensor:
    """The anchors' own entries: x (B, H, T, D), owner (R, T) -> (B, H, S, D), a copy."""
    batch, heads, tokens, dim = x.shape
    kept = anchors(_rows(owner, batch * heads, x.device))
    return x.reshape(batch * heads, tokens, dim)[kept].view(batch, heads, -1, dim)


def _rows(table: Tensor, rows: int, device: torch.device) -> Tensor:
    """A table (R, T) with that many rows, those of a sequence repeated for its heads."""
    return table.to(device).repeat_interleave(rows // len(table), 0)
