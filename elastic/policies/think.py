"""ThinK: every token, fewer channels of its key."""

from dataclasses import dataclass, replace
from typing import ClassVar

from elastic.policies.base import Choice, LayerView, Merged, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Assign, Everything, Selection, Stack, Unscored
from elastic.policies.ranges import share_of
from elastic.statistics import QueryEnergy, Statistic


@dataclass(frozen=True)
class ThinK(Recipe):
    """ThinK (Xu et al., ICLR 2025, arXiv 2407.21018).

    Kept: every token and all values; of the keys, in every head, the channels with the largest product of the mean
    squares of the last `queries` queries and of the keys. The newest tokens keep all channels. While decoding every
    token is kept, whole.

    Departs from the source in the budget: the share of channels follows from `keep`, so that it holds as many bytes as
    the other methods. Values are half of a cache, so it cannot hold less than about half; where keys have few bytes
    left, whole keys of the newest tokens take no more than half of those.
    """

    keep: float = option(0.75, "Share of the bytes; values alone are half of them.", 0.55, 1.0)
    queries: int = option(32, "Queries at the end of the prompt that say which channels matter.", 1, 256)
    recent: int = option(32, "Newest tokens whose keys keep all channels.", 0, 512)

    title: ClassVar[str] = "ThinK"
    about: ClassVar[str] = (
        "Drops no token: keys lose the channels that matter least to the question. Values are half of a cache and stay "
        "whole, so it cannot go below about one half."
    )
    paper: ClassVar[str] = "arXiv 2407.21018"
    unseen: ClassVar[str] = (
        "No patch or word goes, but channels of keys do: see below the picture. The newest keys stay whole."
    )

    @property
    def recipe(self) -> Method:
        """Every token, with thin keys."""
        return Method(
            keep=self.keep,
            score=Unscored(),
            select=Everything(),
            merge=ThinKeys(keep=self.keep, queries=self.queries, recent=self.recent),
        )


@dataclass(frozen=True)
class ThinKeys(Assign):
    """Nothing is joined; keys lose the channels that matter least.

    Args:
        keep: share of the bytes.
        queries: queries at the end of the prompt that say which channels matter.
        recent: newest tokens whose keys keep all channels.
    """

    merged: Merged = Merged.NOTHING
    keep: float = 0.75
    queries: int = 32
    recent: int = 32

    @property
    def energy(self) -> QueryEnergy:
        """The statistic that says which channels queries use."""
        return QueryEnergy(n=self.queries)

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset({self.energy})

    def join(self, stack: Stack, selection: Selection, count: int) -> list[Choice]:
        """Every slot, and per head the channels that matter most."""
        choices = zip(stack.layers, stack.choices(stack.every_slot()), strict=True)
        return [self._thinned(layer, every) for layer, every in choices]

    def _thinned(self, layer: LayerView, every: Choice) -> Choice:
        slots, dim = layer.slots, layer.keys.shape[-1]
        allowed = 2 * share_of(self.keep, slots)
        # Beyond the values and a channel of every key, half of what is left at most.
        recent = min(self.recent, int(max(0, allowed - slots - slots / dim) / 2))
        # Of 2 x slots x dim numbers the values take one half, the newest keys a few; the rest is shared by the others.
        kept = int((allowed - slots - recent) * dim / max(1, slots - recent) + 1e-9)
        if kept >= dim:
            return every
        strength = layer.statistics[self.energy] * layer.keys.float().square().mean(1)
        channels = strength.argsort(dim=-1, descending=True, stable=True)[:, : max(1, kept)].sort().values
        return replace(every, channels=channels, whole=recent)
