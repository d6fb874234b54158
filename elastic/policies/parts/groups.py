"""Which tokens belong together: by position, by key, by clusters of keys. For the parts that merge."""

import torch
import torch.nn.functional as F
from torch import Tensor


def nearest(position: Tensor, anchor: Tensor) -> Tensor:
    """Index of the nearest anchor of each position, ties to the left: (R, N), sorted (R, M) -> (R, N)."""
    right = torch.searchsorted(anchor.contiguous(), position.contiguous()).clamp(max=anchor.shape[1] - 1)
    left = (right - 1).clamp(min=0)
    to_left = position - anchor.gather(1, left) <= anchor.gather(1, right) - position
    return torch.where(to_left, left, right)


def join_similar(x: Tensor, seeds: Tensor) -> Tensor:
    """The seed (R, S), a column of x (R, F, D), with the largest cosine to each column, (R, F)."""
    return most_alike(x, seeds)[1]


def most_alike(x: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """The largest cosine of each column of x (R, F, D) to one of the seeds (R, S), and that seed; each is its own."""
    x = F.normalize(x, dim=-1)
    cosine, group = (x @ x.gather(1, seeds[..., None].expand(-1, -1, x.shape[2])).mT).max(-1)
    group.scatter_(1, seeds, torch.arange(seeds.shape[1], device=x.device).expand_as(seeds))
    return cosine, seeds.gather(1, group)


def join_closest(x: Tensor, seeds: Tensor) -> Tensor:
    """The seed (R, S), a column of x (R, F, D), that is closest to each column, (R, F)."""
    centre = x.gather(1, seeds[..., None].expand(-1, -1, x.shape[2]))
    group, _ = _closest(F.pad(x, (0, 1), value=1.0), centre)
    group.scatter_(1, seeds, torch.arange(seeds.shape[1], device=x.device).expand_as(seeds))
    return seeds.gather(1, group)


def covering(x: Tensor, first: Tensor, count: int) -> Tensor:
    """Columns of x (R, F, D) that lie far from one another, beginning with `first` (R,), ascending: (R, count).

    Each next one is the farthest from all before it: the greedy cover of k-centre (Gonzalez, 1985).
    """
    row, square = torch.arange(len(x), device=x.device), x.square().sum(-1)
    chosen, distance = [first], torch.full_like(square, torch.inf)
    for _ in range(count - 1):
        at = chosen[-1]
        to_last = (
            torch.baddbmm(square[..., None], x, x[row, at][..., None], alpha=-2)[..., 0] + square[row, at][:, None]
        )
        # What is chosen is never chosen again, even where every other column is the same as one that is.
        distance = torch.minimum(distance, to_last).scatter_(1, at[:, None], -torch.inf)
        chosen.append(distance.argmax(-1))
    return torch.stack(chosen, 1).sort(-1).values


def clusters(x: Tensor, seeds: Tensor, weight: Tensor, rounds: int) -> Tensor:
    """Weighted k-means of x (R, F, D) from its columns `seeds` (R, S): the column that stands for each one's cluster.

    That is the member next to the cluster's centre, (R, F). No cluster stays empty: it gets the column worst off
    elsewhere.
    """
    weight = weight.float().clamp(min=1e-9)
    centre = x.gather(1, seeds[..., None].expand(-1, -1, x.shape[2]))
    longer = F.pad(x, (0, 1), value=1.0)
    for _ in range(rounds):
        centre = _means(x, _closest(longer, centre)[0], weight, centre)
    group, nearness = _closest(longer, centre)
    distance = (torch.linalg.vecdot(x, x) - nearness).clamp(min=0)
    column = torch.arange(x.shape[1], device=x.device).expand_as(group)
    least = torch.full_like(centre[..., 0], torch.inf).scatter_reduce(1, group, distance, "amin")
    near = torch.where(distance == least.gather(1, group), column, x.shape[1])
    head = torch.full_like(seeds, x.shape[1]).scatter_reduce(1, group, near, "amin")
    is_head = torch.zeros(len(x), x.shape[1] + 1, dtype=torch.bool, device=x.device).scatter_(1, head, True)[:, :-1]
    worst = distance.masked_fill(is_head, -1).argsort(-1, descending=True)
    empty = head == x.shape[1]
    head = torch.where(empty, worst.gather(1, (empty.cumsum(1) - 1).clamp(min=0)), head)
    group = group.scatter(1, head, torch.arange(seeds.shape[1], device=x.device).expand_as(seeds))
    return head.gather(1, group)


def _means(x: Tensor, group: Tensor, weight: Tensor, old: Tensor) -> Tensor:
    """Weighted means of the columns of x (R, F, D) by their groups (R, F), (R, S, D); `old` for empty ones."""
    rows, slots, dim = old.shape
    group = (group + torch.arange(rows, device=x.device)[:, None] * slots).flatten()
    order, size = group.argsort(), torch.bincount(group, minlength=rows * slots)
    total = F.embedding_bag(
        order, x.reshape(-1, dim), size.cumsum(0) - size, mode="sum", per_sample_weights=weight.flatten()[order]
    )
    share = torch.zeros(rows * slots, device=x.device).index_add_(0, group, weight.flatten())
    return torch.where(size[:, None] > 0, total / share.clamp(min=1e-9)[:, None], old.flatten(0, 1)).view_as(old)


def _closest(longer: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the centres c (R, S, D) is closest to each x, and by 2xc - cc how close, (R, F) each.

    `longer` are x with a 1 at the end, (R, F, D + 1), so that one product brings both terms.
    """
    near, group = (longer @ torch.cat([2 * centre, -torch.linalg.vecdot(centre, centre)[..., None]], -1).mT).max(-1)
    return group, near


def towards_mean(keys: Tensor) -> Tensor:
    """How much each of the keys (R, S, D) points to where all of a row point on average, (R, S).

    That is the product of its direction with the mean of all directions, whose mean over a row is that mean's square.
    """
    unit = F.normalize(keys.float(), dim=-1)
    return (unit @ unit.mean(1)[..., None])[..., 0]


def most_similar(keys: Tensor, of: Tensor, to: Tensor) -> Tensor:
    """The column of keys (R, S, D) with the largest cosine to column `of` (R,), among those allowed by `to` (R, S)."""
    row = torch.arange(len(keys), device=keys.device)
    alike = F.cosine_similarity(keys[row, of][:, None].float(), keys.float(), dim=-1).masked_fill(~to, -2)
    alike[row, of] = -3
    return alike.argmax(-1)


def closest_pair(keys: Tensor, weight: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """The two allowed columns of keys (R, S, D) whose merging moves least: the lighter and the heavier, (R,) each."""
    cost = _moved(keys, weight, allowed, slice(0, keys.shape[1]))
    cost.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    pair = cost.flatten(1).argmin(1)
    first, second = pair // cost.shape[2], pair % cost.shape[2]
    row = torch.arange(len(keys), device=keys.device)
    heavier = weight[row, first] > weight[row, second]
    return torch.where(heavier, second, first), torch.where(heavier, first, second)


def closest_outside(keys: Tensor, weight: Tensor, allowed: Tensor, block: slice, count: int) -> tuple[Tensor, Tensor]:
    """That many columns of a block whose merging into one outside moves least, and those, (R, count) each.

    Keys are (R, S, D), `weight` and `allowed` (R, S). Where fewer are allowed the last are -1.
    """
    cost = _moved(keys, weight, allowed, block)
    cost[:, :, block] = torch.inf
    least, into = cost.min(-1)
    least, first = least.topk(min(count, least.shape[1]), largest=False)
    is_none = least.isinf()
    room = (0, count - first.shape[1])
    first, into = first + block.start, into.gather(1, first)
    return F.pad(first.masked_fill(is_none, -1), room, value=-1), F.pad(into.masked_fill(is_none, -1), room, value=-1)


def _moved(keys: Tensor, weight: Tensor, allowed: Tensor, block: slice) -> Tensor:
    """By Ward's criterion how far merging moves each of a block of keys and each of all, (R, B, S); inf if not allowed.

    That is the squared distance times w1 w2 / (w1 + w2).
    """
    keys = keys.float()
    square = torch.linalg.vecdot(keys, keys)
    distance = torch.baddbmm(square[:, None] + square[:, block, None], keys[:, block], keys.mT, alpha=-2)
    one, other = weight[:, block, None], weight[:, None]
    cost = distance.clamp_(min=0).mul_(one * other / (one + other))
    return cost.masked_fill_(~(allowed[:, None] & allowed[:, block, None]), torch.inf)
