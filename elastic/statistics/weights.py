"""The weights of a prompt's attention, a tile at a time, so that nothing of size T x T is ever held."""

from collections.abc import Iterable

import torch
from torch import Tensor

# Weights of attention held at once: what a processor's cache holds, and what fills a GPU.
TILE = {"cpu": 2**20, "cuda": 2**26}
BLOCK = 128  # queries of a tile


class Weights:
    """Weights of causal attention, a tile at a time: exp(logit - lse), so that a tile needs none of its neighbours.

    Queries are the last tokens, or see the keys up to the one that `sees` (Q,) names, in ascending order.
    """

    def __init__(
        self,
        query: Tensor,
        key: Tensor,
        scaling: float,
        bias: Tensor | None,
        lse: Tensor | None,
        sees: Tensor | None = None,
    ) -> None:
        batch, heads, self.queries, dim = query.shape
        self.kv, keys = key.shape[1], key.shape[2]
        self.shape = batch, heads, keys
        visible = torch.arange(keys - self.queries, keys) + 1 if sees is None else sees + 1
        self._visible, self.visible = visible.tolist(), visible.to(key.device)
        # Two columns more bring bias and normalisation into the same matrix product: [q, 1, -lse] . [k, bias, 1].
        self.key = torch.ones(batch * self.kv, keys, dim + 2, device=key.device)
        self.key[..., :dim] = key.flatten(0, 1)
        self.key[..., dim] = 0 if bias is None else bias.expand(batch, self.kv, -1).flatten(0, 1)
        self.query = torch.ones(batch * self.kv, heads // self.kv, self.queries, dim + 2, device=query.device)
        self.query[..., :dim] = query.reshape(*self.query.shape[:3], dim).float() * scaling
        self.query[..., -1] = 0 if lse is None else -lse.reshape(self.query.shape[:3])
        self.is_normalised = lse is not None
        self.absent = torch.isneginf(self.key[..., dim]).sum(-1).view(batch, self.kv)  # slots without a token
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
        visible, rows = self._visible[last - 1], last - first
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
            if right > self._visible[first]:
                seen = self.visible[first:last, None]
                tile.masked_fill_(torch.arange(left, right, device=tile.device) >= seen, -torch.inf)
            yield left, right, tile.exp_() if self.is_normalised else tile.softmax(-1)
