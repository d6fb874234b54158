"""What is kept of a prompt's attention: mostly sums over queries, reduced tile by tile while the model reads.

Nothing of size T x T is ever held, and nothing is computed that no policy asked for. Nothing here knows what the
figures are for.
"""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

# Weights of attention held at once: what a processor's cache holds, and what fills a GPU.
TILE = {"cpu": 2**20, "cuda": 2**26}
BLOCK = 128  # queries of a tile
FAINT = 0.01  # share of a query's strongest weight below which a weight counts as none (VL-Cache's threshold)

# Sums of attention, by the queries that count; LAST and FADING are followed by a number of queries, as in "last 16".
# Each can be had as the mean over heads, or "..., per head".
FREQUENCY, AFTER_IMAGE, LAST, FADING = "frequency", "after image", "last", "fading"
GUIDED = "guided by text"  # sums over the words after the image, each as heavy as the words after it find it
MAJOR = "major"  # not a sum: queries since one gave the token at least an even share of its attention
PER_HEAD = ", per head"
# Not of tokens but of layers. QUERY_ENERGY is followed by a number of queries too.
SPARSITY, SPARSITY_AFTER_IMAGE, QUERY_ENERGY = "sparsity", "sparsity after image", "query energy"


def is_of_layer(name: str) -> bool:
    """Whether a statistic says something of a layer, and not of each token in it."""
    return name.startswith((SPARSITY, QUERY_ENERGY))


def window(name: str) -> int:
    """The number of queries in a statistic's name."""
    return int(name.removesuffix(PER_HEAD).rsplit(" ", 1)[1])


def fading(queries: int, since: Tensor) -> Tensor:
    """The weight of queries by how many have come since: a hundredth after `queries` of them."""
    return torch.exp(-math.log(100) / queries * since)


def carried_on(name: str, old: Tensor, new: Tensor, queries: int) -> Tensor:
    """What a statistic of tokens is after a further prompt of that many queries, which alone would give `new`."""
    if name.startswith((LAST, GUIDED)):
        return new
    if name.startswith(MAJOR):
        return torch.where(new < queries, new, old + queries)
    return new + (old * fading(window(name), torch.tensor(float(queries))) if name.startswith(FADING) else old)


class Observer:
    """Statistics of one prompt, per layer, all in float32 and on the device of the model.

    `received[name][layer]` (B, 1 or H_kv, T): the attention each token received, summed over the queries that the name
    stands for; mean over heads, or over the query heads that share a key. `of_layer[name][layer]`: of SPARSITY (B,),
    the share of the visible weights that are FAINT; of QUERY_ENERGY (B, H_kv, D), the mean square of each channel.

    Args:
        needs: names of statistics, as above.
        after_image: (B, Q) bool, the queries behind the last image token.
    """

    def __init__(self, needs: Iterable[str], after_image: Tensor) -> None:
        self.needs, self.after_image = frozenset(needs), after_image
        self.received: dict[str, dict[int, Tensor]] = {name: {} for name in self.needs if not is_of_layer(name)}
        self.of_layer: dict[str, dict[int, Tensor]] = {name: {} for name in self.needs if is_of_layer(name)}

    def rows(self, name: str) -> Tensor:
        """The queries a statistic is about, (B, Q) bool, or how much each counts, (B, Q) float."""
        name = name.removesuffix(PER_HEAD)
        if name in (AFTER_IMAGE, SPARSITY_AFTER_IMAGE):
            return self.after_image
        if name in (FREQUENCY, SPARSITY, MAJOR):
            return torch.ones_like(self.after_image)
        since = torch.arange(self.after_image.shape[1] - 1, -1, -1, device=self.after_image.device)
        rows = since < window(name) if name.startswith(LAST) else fading(window(name), since.float())
        return rows.expand_as(self.after_image)

    def see(
        self, layer: int, query: Tensor, key: Tensor, scaling: float, bias: Tensor | None, lse: Tensor | None
    ) -> None:
        """Reduce the attention of `query` (B, H, Q, D) over `key` (B, H_kv, K, D), the queries being the last tokens.

        `bias` (B, 1 or H_kv, K) was added to the logits; `lse` (B, H, Q) is the logarithm of each query's sum of
        exponentials, where the kernel that computed the output gave it away.
        """
        weights = _Weights(query, key, scaling, bias, lse)
        rows = {name: self.rows(name) for name in self.needs if not name.startswith((GUIDED, QUERY_ENERGY))}
        guided = [name for name in self.needs if name.startswith(GUIDED)]
        if guided:
            rows[AFTER_IMAGE] = self.after_image
        found = _reduced(weights, rows)
        if guided:
            # Only now is it known how much each word counts.
            found |= _reduced(weights, dict.fromkeys(guided, self._heavy(found[AFTER_IMAGE])))
        for name, of_layers in (*self.received.items(), *self.of_layer.items()):
            of_layers[layer] = _energy(query, window(name), key) if name.startswith(QUERY_ENERGY) else found[name]

    def _heavy(self, received: Tensor) -> Tensor:
        """How much each query after the image counts, (B, Q): its mean share of the attention received (B, 1, K)."""
        behind = self.after_image.flip(1).cumsum(1).flip(1).clamp(min=1)
        mean = received[:, 0, -behind.shape[1] :] / behind * self.after_image
        return mean / mean.sum(1, keepdim=True).clamp(min=1e-9)


def _reduced(weights: "_Weights", rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Statistics by name, each over its `rows` (B, Q): of tokens (B, 1 or H_kv, K), of the layer (B,)."""
    batch, _, keys = weights.shape
    device, past, queries = weights.key.device, weights.past, weights.queries
    totals = {
        name: torch.zeros(2, batch, device=device)
        if is_of_layer(name)
        else torch.zeros(batch, weights.kv if name.endswith(PER_HEAD) else 1, keys, device=device)
        for name in rows
    }
    start = min((_first(wanted) for wanted in rows.values()), default=queries)
    whole_rows = any(map(is_of_layer, rows))
    for first, last in weights.blocks(start, whole_rows):
        for left, right, tile in weights.tiles(first, last, whole_rows):
            for name, wanted in rows.items():
                total, part = totals[name], wanted[:, first:last]
                if is_of_layer(name):
                    total += _faint(tile, part, first + past)
                elif name.startswith(MAJOR):
                    _latest(total[..., left:right], tile, first, past)
                else:
                    _add(total[..., left:right], tile, part)
    for name, total in totals.items():
        if is_of_layer(name):
            totals[name] = total[0] / total[1].clamp(min=1)
        elif name.startswith(MAJOR):
            totals[name] = queries - total
    return totals


def _first(wanted: Tensor) -> int:
    """The first query that some sequence wants, or their number."""
    return int(torch.cat([wanted.bool().any(0), torch.ones_like(wanted[0, :1]).bool()]).nonzero()[0])


def _add(total: Tensor, tile: Tensor, wanted: Tensor) -> None:
    """Add a tile (B, H_kv, G, q, k) to sums (B, 1 or H_kv, k), as much of each query as is wanted, (B, q)."""
    every = wanted.dtype == torch.bool and wanted.all()
    summed = tile.sum((2, 3)) if every else torch.einsum("bhgqk,bq->bhk", tile, wanted.to(tile.dtype))
    # Query heads that share a key count as their mean; so do all heads where the sums are not kept apart.
    total += (summed if total.shape[1] > 1 else summed.mean(1, keepdim=True)) / tile.shape[2]


def _latest(total: Tensor, tile: Tensor, first: int, past: int) -> None:
    """Note in (B, 1 or H_kv, k) the last query, from 1, of a tile that gave a token an even share or more."""
    mean = tile.mean(2) if total.shape[1] > 1 else tile.mean((1, 2))[:, None]
    number = torch.arange(first + 1, first + 1 + mean.shape[2], device=tile.device, dtype=tile.dtype)[:, None]
    torch.maximum(total, ((mean * (number + past) >= 1) * number).amax(2), out=total)


def _energy(query: Tensor, queries: int, key: Tensor) -> Tensor:
    """Mean square of each channel of the last queries (B, H, Q, D), over the heads that share a key: (B, H_kv, D)."""
    square = query[:, :, -queries:].float().square().mean(2)
    return square.view(len(key), key.shape[1], -1, key.shape[3]).mean(2)


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
