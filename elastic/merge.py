"""One group of tokens becomes one key and one value. Nothing here knows who chose the groups."""

import torch
import torch.nn.functional as F
from torch import Tensor


def anchors(owner: Tensor) -> Tensor:
    """Which tokens own themselves, and so keep a slot: owner (..., T) -> bool (..., T)."""
    return owner == torch.arange(owner.shape[-1], device=owner.device)


def merge(
    x: Tensor,
    owner: Tensor,
    count: Tensor | None = None,
    members: Tensor | None = None,
    share: Tensor | None = None,
) -> Tensor:
    """Average each group into its anchor, in float32: x (B, H, T, D), owner (R, T) -> (B, H, S, D).

    R rows are B sequences, or B x H where heads decide for themselves; a token with owner -1 is dropped. `count` (R, T)
    says how many tokens each entry already stands for, so that merging twice gives the mean over all of them. Elastic
    Cache, arXiv 2407.18121, Eq. 3. `members` (R, M) names the entry behind each of the M columns of `owner` and `count`
    where that is not the column itself. With `share` (R, T) a group becomes the sum of its entries times their shares,
    as it is, in place of the mean.
    """
    heads_decide_together = len(owner) == len(x) and x.shape[1] > 1
    if heads_decide_together and len(x) > 1:
        # A row is sorted once for all heads of its sequence, which lie one behind the other: a sequence at a time.
        tables = [[None] * len(x) if table is None else table.split(1) for table in (count, members, share)]
        return torch.cat([merge(*one) for one in zip(x.split(1), owner.split(1), *tables, strict=True)])
    batch, heads, tokens, dim = x.shape
    owner = owner.to(x.device)
    rows, copies = len(owner), batch * heads // len(owner)  # heads that decide together are sorted once
    kept = owner >= 0
    row = torch.arange(rows, device=x.device)[:, None]
    group, order = (owner + row * tokens)[kept].sort(stable=True)
    # Every kept slot has a member, itself at least, so groups in ascending order are the slots in order.
    groups, sizes = group.unique_consecutive(return_counts=True)
    column = torch.arange(owner.shape[1], device=x.device) if members is None else _rows(members, rows, x.device)
    entry = (column.expand_as(owner) + row * tokens)[kept][order]
    count = share if share is not None else count
    weight = None if count is None or (count == 1).all() else _rows(count, rows, x.device).float()[kept][order]
    total_weight = sizes.float() if share is None else torch.ones(len(sizes), device=x.device)
    if weight is not None and share is None:
        slot = torch.arange(len(sizes), device=x.device).repeat_interleave(sizes)
        total_weight = torch.zeros_like(total_weight).index_add_(0, slot, weight)
    copy = torch.arange(copies, device=x.device)[:, None]
    total = F.embedding_bag(
        (entry + copy * tokens).flatten(),
        x.reshape(batch * heads * tokens, dim).float(),
        (sizes.cumsum(0) - sizes + copy * len(entry)).flatten(),
        mode="sum",
        per_sample_weights=None if weight is None else weight.repeat(copies),
    )
    means = total.div_(total_weight.repeat(copies)[:, None]).to(x.dtype)
    of_row = (groups // tokens).bincount(minlength=rows)
    return filled_up(means, of_row.repeat(copies)).view(batch, heads, -1, dim)


def pick(x: Tensor, owner: Tensor) -> Tensor:
    """The anchors' own entries: x (B, H, T, D), owner (R, T) -> (B, H, S, D), a copy.

    S is the most that a row keeps; others are filled up with zeros, here as in `merge`.
    """
    batch, heads, tokens, dim = x.shape
    kept = anchors(_rows(owner, batch * heads, x.device))
    own = x.reshape(batch * heads, tokens, dim)[kept]
    return filled_up(own, kept.sum(1)).view(batch, heads, -1, dim)


def filled_up(entries: Tensor, sizes: Tensor, fill: float = 0) -> Tensor:
    """Entries (N, ...) of R rows of the given `sizes` (R,), one behind the other, as (R, the longest, ...)."""
    longest = int(sizes.max())
    if len(entries) == longest * len(sizes):
        return entries.view(len(sizes), longest, *entries.shape[1:])
    rows = entries.new_full((len(sizes), longest, *entries.shape[1:]), fill)
    rows[torch.arange(longest, device=sizes.device) < sizes[:, None]] = entries
    return rows


def _rows(table: Tensor, rows: int, device: torch.device) -> Tensor:
    """A table (R, T) with that many rows, those of a sequence repeated for its heads."""
    return table.to(device).repeat_interleave(rows // len(table), 0)
