"""k-means, small and the same each time: on the processor, in float32, from a start that a seed has drawn."""

import torch
from torch import Tensor

MOST = 2**24  # distances that are held at once


def centroids_of(points: Tensor, count: int, rounds: int, seed: int = 0) -> Tensor:
    """`count` centroids of each row's points (R, n, d), as Lloyd's rounds find them: (R, count, d) float32.

    They begin with points drawn by the seed, the same in every row, and a centroid that no point is nearest to stays
    where it is. The rounds end where nothing moves any more.

    Raises:
        ValueError: if there are fewer points than centroids.
    """
    rows, found, dim = points.shape
    if found < count:
        raise ValueError(f"There are {found} points for {count} centroids: ask for no more than there are.")
    points = points.cpu().float()
    start = torch.randperm(found, generator=torch.Generator().manual_seed(seed))[:count]
    centroids, before = points[:, start].clone(), None
    for _ in range(rounds):
        nearest = nearest_to(points, centroids)
        if before is not None and torch.equal(nearest, before):
            break
        at = nearest[..., None].expand(-1, -1, dim)
        total = torch.zeros_like(centroids).scatter_add_(1, at, points)
        size = torch.zeros(rows, count).scatter_add_(1, nearest, torch.ones(rows, found))[..., None]
        centroids, before = torch.where(size > 0, total / size.clamp(min=1), centroids), nearest
    return centroids


def nearest_to(points: Tensor, centroids: Tensor) -> Tensor:
    """The number of the centroid (R, count, d) that each point (R, n, d) is nearest to, (R, n); of two the first."""
    at_once = max(1, MOST // max(1, points.shape[1] * centroids.shape[1]))
    found = []
    for some, of_them in zip(points.split(at_once), centroids.split(at_once), strict=True):
        # A point's own square is the same for all centroids, and decides nothing.
        far = of_them.square().sum(2)[:, None] - 2 * some @ of_them.mT
        found.append(far.argmin(2))
    return torch.cat(found)
