"""Watches a model read a prompt: statistics are reduced tile by tile, and nothing is computed that nobody asked for."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from elastic.statistics.base import OfAttention, OfQueries, Statistic, Tile
from elastic.statistics.weights import Weights


class Observer:
    """Statistics of one prompt, per layer, all in float32 and on the device of the model.

    `received[statistic][layer]` (B, 1 or H_kv, K) are those of tokens, `of_layer[statistic][layer]` (B, ...) those of
    layers.

    Args:
        needs: the statistics that are wanted.
        after_image: (B, Q) bool, the queries behind the last image token; without one, those at the prompt's end.
        asking: (B, Q) bool, those of them that are known to ask; all of them where that is not known.
    """

    def __init__(self, needs: Iterable[Statistic], after_image: Tensor, asking: Tensor | None = None) -> None:
        self.needs, self.after_image = frozenset(needs), after_image
        self.asking = after_image if asking is None else asking
        self.received: dict[Statistic, dict[int, Tensor]] = {one: {} for one in self.needs if not one.is_of_layer}
        self.of_layer: dict[Statistic, dict[int, Tensor]] = {one: {} for one in self.needs if one.is_of_layer}

    def see(
        self, layer: int, query: Tensor, key: Tensor, scaling: float, bias: Tensor | None, lse: Tensor | None
    ) -> None:
        """Reduce the attention of `query` (B, H, Q, D) over `key` (B, H_kv, K, D), the queries being the last tokens.

        `bias` (B, 1 or H_kv, K) was added to the logits; `lse` (B, H, Q) is the logarithm of each query's sum of
        exponentials, where the kernel that computed the output gave it away.
        """
        found: dict[Statistic, Tensor] = {
            one: one.measure(query, key) for one in self.needs if isinstance(one, OfQueries)
        }
        waiting = _with_what_is_known_first(one for one in self.needs if isinstance(one, OfAttention))
        if waiting:
            weights = Weights(query, key, scaling, bias, lse)
        while waiting:
            # What another statistic weighs its queries by must be known before its tiles are added up.
            ready = {one for one in waiting if one.known_first is None or one.known_first in found}
            found |= _reduced(weights, {one: one.queries(self._rows(one), found) for one in ready})
            waiting -= ready
        for one, of_layers in (*self.received.items(), *self.of_layer.items()):
            of_layers[layer] = _checked(one, found[one], key)

    def _rows(self, one: OfAttention) -> Tensor:
        return self.asking if one.only_asking else self.after_image


def _checked(one: Statistic, figures: Tensor, key: Tensor) -> Tensor:
    """A statistic, if it has the shape of its kind; `key` is (B, H_kv, K, D).

    Raises:
        ValueError: if it has not.
    """
    batch, heads, keys, _ = key.shape
    legal = len(figures) == batch if one.is_of_layer else figures.shape in ((batch, 1, keys), (batch, heads, keys))
    if not legal:
        what = f"({batch}, ...)" if one.is_of_layer else f"({batch}, 1 or {heads}, {keys})"
        raise ValueError(f"{one!r} gave a table of shape {tuple(figures.shape)}, and not {what}: see to its `result`.")
    return figures


def _with_what_is_known_first(wanted: Iterable[OfAttention]) -> set[OfAttention]:
    every, more = set(), set(wanted)
    while more:
        every |= more
        more = {one.known_first for one in more if one.known_first is not None} - every
    return every


def _reduced(weights: Weights, rows: Mapping[OfAttention, Tensor]) -> dict[Statistic, Tensor]:
    """Statistics, each over its queries `rows` (B, Q)."""
    batch, _, keys = weights.shape
    totals = {one: one.empty(batch, weights.kv, keys, weights.key.device) for one in rows}
    start = min(map(_first, rows.values()))
    whole_rows = any(one.needs_whole_rows for one in rows)
    for first, last in weights.blocks(start, whole_rows):
        for left, right, tile in weights.tiles(first, last, whole_rows):
            seen = Tile(tile, first, weights.past)
            for one, wanted in rows.items():
                total = totals[one] if one.is_of_layer else totals[one][..., left:right]
                one.add(total, seen, wanted[:, first:last])
    return {one: one.result(total, weights.queries) for one, total in totals.items()}


def _first(wanted: Tensor) -> int:
    """The first query that some sequence wants, or their number."""
    return int(torch.cat([wanted.bool().any(0), torch.ones_like(wanted[0, :1]).bool()]).nonzero()[0])
