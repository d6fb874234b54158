"""ThinK: every token, fewer channels of its key."""

from dataclasses import dataclass, replace
from typing import ClassVar

from elastic.policies.base import Choice, LayerView, Policy, option


@dataclass(frozen=True)
class ThinK(Policy):
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
    growth: ClassVar[str] = "every new token"

    @property
    def energy(self) -> str:
        """The statistic that says which channels queries use."""
        return f"query energy {self.queries}"

    @property
    def needs(self) -> frozenset[str]:
        """What queries use; tokens are not compared."""
        return frozenset({self.energy})

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Every slot, and per head the channels that matter most."""
        return [self._choose(layer, whole) for layer, whole in zip(layers, super().compress(layers, seen), strict=True)]

    def _choose(self, layer: LayerView, every: Choice) -> Choice:
        slots, dim = layer.slots, layer.keys.shape[-1]
        # Beyond the values and a channel of every key, half of what is left at most.
        recent = min(self.recent, int(max(0, 2 * self.limit(slots, slots) - slots - slots / dim) / 2))
        # Of 2 x slots x dim numbers the values take one half, the newest keys a few; the rest is shared by the others.
        kept = int((2 * self.limit(slots, slots) - slots - recent) * dim / max(1, slots - recent) + 1e-9)
        if kept >= dim:
            return every
        strength = layer.statistics[self.energy] * layer.keys.float().square().mean(1)
        channels = strength.argsort(dim=-1, descending=True, stable=True)[:, : max(1, kept)].sort().values
        return replace(every, channels=channels, whole=recent)
