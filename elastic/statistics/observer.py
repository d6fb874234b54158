"""Watches a model read a prompt: statistics are reduced tile by tile, and nothing is computed that nobody asked for.

A prompt may come in pieces. Sums go on from piece to piece, and the statistics are what they are of one piece.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from elastic.statistics.base import OfAttention, OfPlainQueries, OfQueries, Statistic, Tile
from elastic.statistics.rope import Rope
from elastic.statistics.weights import Weights


@dataclass
class _LayerSums:
    """What one layer has added up of a prompt so far."""

    totals: dict[OfAttention, Tensor] = field(default_factory=dict)
    read: int = 0  # queries
    queries: list[Tensor] = field(default_factory=list)  # (B, H, q, D) of earlier pieces, where they are needed again

    def keep(self, query: Tensor, reach: int) -> None:
        """Keep the queries of a piece, and of those before it what is among the last `reach`."""
        self.queries.append(query)
        while self.queries and sum(piece.shape[2] for piece in self.queries[1:]) >= reach:
            self.queries.pop(0)


class Observer:
    """Statistics of one prompt, per layer, all in float32 and on the device of the model.

    `received[statistic][layer]` (B, 1 or H_kv, K) are those of tokens, `of_layer[statistic][layer]` (B, ...) those of
    layers. Both are there when a layer has seen the last of the Q queries.

    Args:
        needs: the statistics that are wanted.
        after_image: (B, Q) bool, the queries behind the last image token; without one, those at the prompt's end.
        asking: (B, Q) bool, those of them that are known to ask; all of them where that is not known.
        sees: (Q,) the last key that each query sees; None where the queries are the last tokens.
    """

    def __init__(
        self,
        needs: Iterable[Statistic],
        after_image: Tensor,
        asking: Tensor | None = None,
        sees: Tensor | None = None,
    ) -> None:
        self.needs = frozenset(one for one in needs if not one.is_of_rehearsal)
        self.after_image = after_image
        self.asking = after_image if asking is None else asking
        self.sees = sees
        self.received: dict[Statistic, dict[int, Tensor]] = {one: {} for one in self.needs if not one.is_of_layer}
        self.of_layer: dict[Statistic, dict[int, Tensor]] = {one: {} for one in self.needs if one.is_of_layer}
        wanted = _with_what_is_known_first(one for one in self.needs if isinstance(one, OfAttention))
        self._at_once = {one for one in wanted if one.known_first is None}
        self._later = wanted - self._at_once  # weighed by other statistics, which must be known of the whole prompt
        self._of_queries = {one for one in self.needs if isinstance(one, OfQueries)}
        self._of_plain = {one for one in self.needs if isinstance(one, OfPlainQueries)}
        self._rope: Rope | None = None
        every = after_image.shape[1]
        reaches = [every if one.reach is None else one.reach for one in self._of_queries]
        needs_every = bool(self._later or self._of_plain)
        self._reach = max([every if needs_every else 0, *reaches])  # last queries that must be there at the end
        self._begun: dict[int, _LayerSums] = {}

    @property
    def goes_by_rope(self) -> bool:
        """Whether it must be told how queries are turned."""
        return bool(self._of_plain)

    def place(self, rope: Rope) -> None:
        """Be told how the prompt's queries, or those of its next piece, are turned, before layers see them."""
        self._rope = rope if self._rope is None else self._rope.followed_by(rope)

    def see(
        self, layer: int, query: Tensor, key: Tensor, scaling: float, bias: Tensor | None, lse: Tensor | None
    ) -> None:
        """Reduce the attention of `query` (B, H, q, D), the last tokens or those that `sees` is of, over every `key`.

        Queries are all of the prompt or its next piece, keys are (B, H_kv, k, D). `bias` (B, 1 or H_kv, k) was added to
        the logits; `lse` (B, H, q) is the logarithm of each query's sum of exponentials, where the kernel that computed
        the output gave it away.
        """
        sums = self._begun.setdefault(layer, _LayerSums())
        first, sums.read = sums.read, sums.read + query.shape[2]
        is_last = sums.read == self.after_image.shape[1]
        weights = Weights(query, key, scaling, bias, lse, self.sees) if self._at_once else None
        if weights is not None:
            rows = {one: one.queries(self._rows(one), {}) for one in self._at_once}
            self._add(sums.totals, weights, rows, first)
        if not is_last:
            sums.keep(query, self._reach)
            return
        if sums.queries:
            query = torch.cat([*sums.queries, query], 2)
            weights = Weights(query, key, scaling, bias, None, self.sees) if self._later else None
        found: dict[Statistic, Tensor] = {one: one.measure(query, key) for one in self._of_queries}
        if self._of_plain:
            found |= self._before_rope(query)
        found |= self._results(sums.totals)
        if weights is not None:
            self._add_later(weights, found)
        del self._begun[layer]
        for one, of_layers in (*self.received.items(), *self.of_layer.items()):
            of_layers[layer] = _checked(one, found[one], key)

    def _before_rope(self, query: Tensor) -> dict[Statistic, Tensor]:
        """What is measured of the prompt's queries (B, H, Q, D) as they were before they were turned."""
        if self._rope is None:
            raise ValueError("How the queries were turned is not known: tell the observer with place().")
        plain = self._rope.turned_back(query)
        return {one: one.measure(plain, self._rope) for one in self._of_plain}

    def _add_later(self, weights: Weights, found: dict[Statistic, Tensor]) -> None:
        """Add up what weighs its queries by other statistics of the whole prompt, once those are among the `found`."""
        waiting = set(self._later)
        # What queries received themselves is looked up among the last keys: theirs, unless `sees` names others.
        while waiting:
            ready = {one for one in waiting if one.known_first in found}
            totals: dict[OfAttention, Tensor] = {}
            self._add(totals, weights, {one: one.queries(self._rows(one), self._own(found)) for one in ready}, 0)
            found |= self._results(totals)
            waiting -= ready

    def _own(self, found: dict[Statistic, Tensor]) -> dict[Statistic, Tensor]:
        """What is known of the queries' own tokens, where these are not the last ones; else of all."""
        if self.sees is None:
            return found
        return {one: table[..., self.sees.to(table.device)] for one, table in found.items() if not one.is_of_layer}

    def _rows(self, one: OfAttention) -> Tensor:
        return self.asking if one.only_asking else self.after_image

    def _results(self, totals: Mapping[OfAttention, Tensor]) -> dict[Statistic, Tensor]:
        return {one: one.result(total, self.after_image.shape[1]) for one, total in totals.items()}

    def _add(
        self, totals: dict[OfAttention, Tensor], weights: Weights, rows: Mapping[OfAttention, Tensor], first: int
    ) -> None:
        """Add the weights of queries that begin with the prompt's query `first`, each as `rows` (B, Q) say of it."""
        batch, _, keys = weights.shape
        coming = self.after_image.shape[1] - first - weights.queries
        for one in rows.keys() - totals.keys():
            totals[one] = one.empty(batch, weights.kv, keys + coming, weights.key.device)
        here = {one: wanted[:, first : first + weights.queries] for one, wanted in rows.items()}
        start = min(map(_first, here.values()))
        whole_rows = any(one.needs_whole_rows for one in rows)
        for begin, end in weights.blocks(start, whole_rows):
            for left, right, tile in weights.tiles(begin, end, whole_rows):
                seen = Tile(tile, first + begin, weights.visible[begin:end], weights.absent)
                for one, wanted in here.items():
                    total = totals[one] if one.is_of_layer else totals[one][..., left:right]
                    one.add(total, seen, wanted[:, begin:end])


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


def _first(wanted: Tensor) -> int:
    """The first query that some sequence wants, or their number."""
    return int(torch.cat([wanted.bool().any(0), torch.ones_like(wanted[0, :1]).bool()]).nonzero()[0])
