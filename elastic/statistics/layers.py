"""Statistics of whole layers: what a budget or a choice of channels may go by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elastic.statistics.base import OfAttention, OfPlainQueries, OfQueries, Statistic, Tile
from elastic.statistics.rope import Rope
from elastic.statistics.tokens import Queries

FAINT = 0.01  # share of a query's strongest weight below which a weight counts as none (VL-Cache's threshold)


@dataclass(frozen=True)
class Sparsity(OfAttention):
    """The share of the visible weights that are fainter than a hundredth of their query's strongest one, (B,).

    Args:
        rows: the queries that count, all of them or those after the image.
    """

    rows: Queries = Queries.ALL

    is_of_layer: ClassVar[bool] = True
    needs_whole_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", Queries(self.rows))
        if self.rows not in (Queries.ALL, Queries.AFTER_IMAGE):
            raise ValueError("Sparsity is of all queries or of those after the image, and of no others.")

    def queries(self, after_image: Tensor, known: Mapping[Statistic, Tensor]) -> Tensor:
        """Those that count, (B, Q) bool."""
        return after_image if self.rows is Queries.AFTER_IMAGE else torch.ones_like(after_image)

    def empty(self, batch: int, heads: int, keys: int, device: torch.device) -> Tensor:
        """No faint weight and no visible one yet, (2, B)."""
        return torch.zeros(2, batch, device=device)

    def add(self, total: Tensor, tile: Tile, wanted: Tensor) -> None:
        """Count the faint and the visible weights of the wanted queries."""
        batch, kv, group, _, _ = tile.weights.shape
        strong = (tile.weights >= FAINT * tile.weights.amax(-1, keepdim=True)).sum((1, 2, 4))
        visible = (tile.visible.expand(batch, -1) * kv - tile.absent.sum(1, keepdim=True)) * group
        total += torch.stack([((visible - strong) * wanted).sum(1), (visible * wanted).sum(1)]).float()

    def result(self, total: Tensor, queries: int) -> Tensor:
        """The share, (B,)."""
        return total[0] / total[1].clamp(min=1)


@dataclass(frozen=True)
class QueryEnergy(OfQueries):
    """The mean square of each channel of a prompt's last `n` queries, over the heads that share a key, (B, H_kv, D)."""

    n: int = 32

    @property
    def reach(self) -> int:
        """The last `n`."""
        return self.n

    def of_head(self, figure: Tensor, head: int, heads: int) -> Tensor:
        """The head's own, (1, D)."""
        return figure[head : head + 1]

    def measure(self, query: Tensor, key: Tensor) -> Tensor:
        """Of queries (B, H, Q, D) as they meet the keys, after RoPE."""
        square = query[:, :, -self.n :].float().square().mean(2)
        return square.view(len(key), key.shape[1], -1, key.shape[3]).mean(2)


@dataclass(frozen=True)
class ExpectedQuery(OfPlainQueries):
    """Mean and covariance of the queries that are expected next, per query head, (B, H, D, 1 + D) side by side.

    They are those of the last prompt's queries before RoPE, turned as the next positions turn a query on average
    (Expected Attention, arXiv 2510.00636).

    Args:
        positions: how many of the next ones.
        skip: queries at the beginning of a conversation that do not count.
    """

    positions: int = 512
    skip: int = 4

    def of_head(self, figure: Tensor, head: int, heads: int) -> Tensor:
        """That of the query heads that share its key."""
        return figure.chunk(heads)[head]

    def measure(self, query: Tensor, rope: Rope) -> Tensor:
        """One query at least counts, however short a prompt is."""
        first = min(max(0, self.skip - rope.past), query.shape[2] - 1)
        query = query[:, :, first:]
        mean = query.mean(2, keepdim=True)
        covariance = (query - mean).mT @ (query - mean) / query.shape[2]
        # Turned on both sides: its rows, and then its columns.
        covariance = rope.turned_ahead(rope.turned_ahead(covariance, self.positions).mT, self.positions)
        return torch.cat([rope.turned_ahead(mean, self.positions).mT, covariance], -1)
