"""What is kept of a prompt's attention: sums over queries, reduced tile by tile while the model reads.

Nothing of size T x T is ever held, and nothing is computed that no policy asked for. Nothing here knows what the
figures are for.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

# Weights of attention held at once: what a processor's cache holds, and what fills a GPU.
TILE = {"cpu": 2**20, "cuda": 2**26}
BLOCK = 128  # queries of a tile
FAINT = 0.01  # share of a query's strongest weight below which a weight counts as none (VL-Cache's threshold)
WINDOW = 16  # queries in "last window"

# Which queries count, by the name of the statistic. Each can be had as the mean over heads, or "..., per head".
FREQUENCY, AFTER_IMAGE, LAST_WINDOW = "frequency", "after image", "last window"
SPARSITY, SPARSITY_AFTER_IMAGE = "sparsity", "sparsity after image"
PER_HEAD = ", per head"


class Observer:
    """Statistics of one prompt, per layer, all in float32 and on the device of the model.

    `received[name][layer]` (B, 1 or H_kv, T): the attention each token received, summed over the queries that the name
    stands for; mean over heads, or over the query heads that share a key. `sparsity[name][layer]` (B,): the share of
    the visible weights that are FAINT.

    Args:
        needs: names of statistics, as above.
        after_image: (B, Q) bool, the queries behind the last image token.
    """

    def __init__(self, needs: Iterable[str], after_image: Tensor) -> None:
        self.needs = frozenset(needs)
        self.received: dict[str, dict[int, Tensor]] = {name: {} for name in self.needs if "sparsity" not in name}
        self.sparsity: dict[str, dict[int, Tensor]] = {name: {} for name in self.needs if "sparsity" in name}
        queries = after_image.shape[1]
        self.counts = {
            FREQUENCY: torch.ones_like(after_image),
            AFTER_IMAGE: after_image,
            LAST_WINDOW: (torch.arange(queries, device=after_image.device) >= queries - WINDOW).expand_as(after_image),
        }

    def rows(self, name: str) -> Tensor:
        """The queries a statistic is about, (B, Q) bool."""
        name = name.removesuffix(PER_HEAD)
        return self.counts[{SPARSITY: FREQUENCY, SPARSITY_AFTER_IMAGE: AFTER_IMAGE}.get(name, name)]

    def see(
        self, layer: int, query: Tensor, key: Tensor, scaling: float, bias: Tensor | None, lse: Tensor | None
    ) -> None:
        """Reduce the attention of `query` (B, H, Q, D) over `key` (B, H_kv, K, D), the queries being the last tokens.

        `bias` (B, 1 or H_kv, K) was added to the logits; `lse` (B, H, Q) is the logarithm of each query's sum of
        exponentials, where the kernel that computed the output gave it away.
        """
        rows = {name: self.rows(name) for name in self.needs}
        start = min((self._first(wanted) for wanted in rows.values()), default=query.shape[2])
        weights = _Weights(query, key, scaling, bias, lse)
        batch, _, keys = weights.shape
        sums = {
            name: torch.zeros(batch, key.shape[1] if name.endswith(PER_HEAD) else 1, keys, device=key.device)
            for name in self.received
        }
        faint = {name: torch.zeros(2, batch, device=key.device) for name in self.sparsity}
        for first, last in weights.blocks(start, whole_rows=bool(faint)):
            for left, right, tile in weights.tiles(first, last, whole_rows=bool(faint)):
                for name, total in sums.items():
                    self._add(total[..., left:right], tile, rows[name][:, first:last])
                for name, count in faint.items():
                    count += _faint(tile, rows[name][:, first:last], first + keys - query.shape[2])
        for name, total in sums.items():
            self.received[name][layer] = total
        for name, (none, visible) in faint.items():
            self.sparsity[name][layer] = none / visible.clamp(min=1)

    @staticmethod
    def _first(wanted: Tensor) -> int:
        """The first query that some sequence wants, or their number."""
        return int(torch.cat([wanted.any(0), torch.ones_like(wanted[0, :1])]).nonzero()[0])

    @staticmethod
    def _add(total: Tensor, tile: Tensor, wanted: Tensor) -> None:
        """Add a tile (B, H_kv, G, q, k) to sums (B, 1 or H_kv, k), the wanted queries (B, q) of it."""
        every = wanted.all()
        summed = tile.sum((2, 3)) if every else torch.einsum("bhgqk,bq->bhk", tile, wanted.to(tile.dtype))
        # Query heads that share a key count as their mean; so do all heads where the sums are not kept apart.
        total += (summed if total.shape[1] > 1 else summed.mean(1, keepdim=True)) / tile.shape[2]


class _Weights:
    """Weights of causal attention, a tile at a time: exp(logit - lse), so that a tile needs none of its neighbours."""

    def __init__(self, query: Tensor, key: Tensor, scaling: float, bias: Tensor | None, lse: Tensor | None) -> None:
        batch, heads, self.queries, dim = query.shape
        self.kv, keys = key.shape[1], key.shape[2]
        self.shape, self.past = (batch, heads, keys), keys - self.queries
        # Two columns more bring bias and normalisation into the same matrix product: [q, 1, -lse] . [k, bias, 1].
        self.key = torch.ones(batch * self.kv, keys, dim + 2, device=key.device)
        self.key[..., :dim] = key.flatten(0, 1)
        self.key[..., dim] = 0 if bias is None else bias.expand(batch, self.kv, -1).flatten(0, 1)
        self.query = torch.ones(batch * self.kv, heads // self.kv, self.queries, dim + 2, device=query.device)
        self.query[..., :dim] = query.reshape(*self.query.shape[:3], dim).float() * scaling
        self.query[..., -1] = 0 if lse is None else -lse.reshape(self.query.shape[:3])
        self.is_normalised = lse is not None
        self.tile = TILE.get(key.device.type, TILE["cpu"])
        self.buffer = torch.empty(0, device=key.device)

    def blocks(self, start: int, whole_rows: bool) -> Iterable[tuple[int, int]]:
        """Ranges of queries."""
        batch, heads, keys = self.shape
        size = max(16, self.tile // (batch * heads * keys)) if whole_rows or not self.is_normalised else BLOCK
        return [(first, min(first + size, self.queries)) for first in range(start, self.queries, size)]

    def tiles(self, first: int, last: int, whole_rows: bool) -> Iterable[tuple[int, int, Tensor]]:
        """Ranges of keys with the weights (B, H_kv, G, q, k) that the queries of a block give them."""
        batch, heads, _ = self.shape
        visible, rows = last + self.past, last - first
        size = max(64, self.tile // (batch * heads * rows))
        size = visible if whole_rows or not self.is_normalised else size
        query = self.query[:, :, first:last].flatten(1, 2)
        for left in range(0, visible, size):
            right = min(left + size, visible)
            needed = batch * heads * rows * (right - left)
            if len(self.buffer) < needed:
                self.buffer = self.buffer.new_empty(needed)
            tile = self.buffer[:needed].view(len(query), -1, right - left)
            torch.bmm(query, self.key[:, left:right].mT, out=tile)
            tile = tile.view(batch, self.kv, -1, rows, right - left)
            if right > first + self.past + 1:
                row = torch.arange(first + self.past, visible, device=tile.device)[:, None]
                tile.masked_fill_(torch.arange(left, right, device=tile.device) > row, -torch.inf)
            yield left, right, tile.exp_() if self.is_normalised else tile.softmax(-1)


def _faint(tile: Tensor, wanted: Tensor, past: int) -> Tensor:
    """Faint and visible weights of the wanted queries, (2, B), of a tile (B, H_kv, G, q, k) of whole rows."""
    batch, kv, group, queries, _ = tile.shape
    strong = (tile >= FAINT * tile.amax(-1, keepdim=True)).sum((1, 2, 4))
    seen = (torch.arange(queries, device=tile.device) + past + 1).expand(batch, -1) * kv * group
    return torch.stack([((seen - strong) * wanted).sum(1), (seen * wanted).sum(1)]).float()
