"""Cascading KV cache: windows that pass on ever fewer of the tokens that leave them."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import Choice, Eviction, LayerView, Policy, StepView, option
from elastic.policies.selection import by_age


@dataclass(frozen=True)
class Cascading(Policy):
    """Cascading KV cache (Willette et al., ICLR 2025, arXiv 2406.17808).

    Kept: the first `sinks` tokens and `windows` sub-caches of equal size. New tokens enter the first; what leaves
    sub-cache i knocks at i + 1, which accepts every 2^(i+1)-th token; at other times the knocking token and the oldest
    inside are compared, and the one with less attention goes. Attention is an exponentially fading mean over queries.
    What leaves the last one is gone. While decoding the same goes on, and the size stays. All tokens stand side by side
    for RoPE, at their places in the cache.

    Departs from the source in three ways. The prompt is read whole, and its fading attention is used for all its
    comparisons; the source reads in strides with the cache as it is. Sub-caches fill up before any token is lost. And
    which sub-cache a token is in follows from its age among those held, so a token that took another's place counts as
    the youngest of its sub-cache, not the oldest.
    """

    sinks: int = option(4, "Tokens at the beginning that are never dropped.", 0, 64)
    windows: int = option(4, "Sub-caches.", 1, 16)
    fade: int = option(64, "Queries after which attention counts a hundredth.", 1, 4096)

    title: ClassVar[str] = "Cascading KV"
    about: ClassVar[str] = (
        "A chain of windows: each passes on every second token that leaves it, so that the past thins out towards the "
        "beginning. Of two that compete, the one with less recent attention goes."
    )
    paper: ClassVar[str] = "arXiv 2406.17808"
    unseen: ClassVar[str] = (
        "The heat sums up the attention of all queries; here it fades. What is kept closes up, as if nothing had "
        "been between: that is not drawn."
    )
    growth: ClassVar[str] = "constant"
    positions: ClassVar[str] = "re-rotated"
    live: ClassVar[bool] = True

    @property
    def statistic(self) -> str:
        """Attention, fading with every query."""
        return f"fading {self.fade}"

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """What is left when the tokens have passed through the cascade one after the other."""
        slots, count = layers[0].slots, self.limit(seen, seen)
        if any(layer.slots != slots for layer in layers):  # after another policy; its own layers are all alike
            return [choice for layer in layers for choice in self.compress([layer], seen)]
        score = torch.cat([layer.score for layer in layers]).cpu()
        position = torch.cat([layer.position for layer in layers]).cpu()
        held = torch.arange(min(count, slots)).repeat(len(score), 1)
        column = torch.arange(count)
        for new in range(count, slots):
            held = torch.cat([held, torch.full((len(held), 1), new)], 1)
            # From the newest, as the sub-caches are counted.
            gone = count - self.leaving(score.gather(1, held).flip(1), int(position[0, new]), count)
            held = held.gather(1, column + (column >= gone[:, None]))
        owner = torch.full_like(score, -1, dtype=torch.long).scatter_(1, held, held)
        return [Choice(of_layer.to(layers[0].position.device)) for of_layer in owner.chunk(len(layers))]

    def leaving(self, score: Tensor, token: int, count: int) -> Tensor:
        """Which slot goes when a token comes, (R,), by scores (R, `count` + 1) from the newest slot to the oldest."""
        edges = self.edges(count)
        step = token - self.sinks
        level = 0
        while level + 1 < len(edges) and step % 2 ** (level + 1) == 0:
            level += 1
        at = torch.full((len(score),), edges[level])
        if level + 1 == len(edges):
            return at
        oldest = edges[level + 1]
        return torch.where(score[:, oldest] > score[:, edges[level]], at, oldest)

    def edges(self, count: int) -> list[int]:
        """Per sub-cache its oldest slot when one has too many, counted from the newest; the sinks lie beyond."""
        room = count - min(self.sinks, count - 1)
        windows = min(self.windows, room)
        sizes = [room // windows + (window < room % windows) for window in range(windows)]
        return torch.tensor(sizes).cumsum(0).tolist()

    def collect(self, score: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """The fading sum goes on."""
        return score * math.exp(-math.log(100) / self.fade) + received

    def evict(self, slots: StepView, seen: int, prompt: int) -> Eviction | None:
        """The token that leaves the cascade as the newest one enters."""
        count = self.limit(seen, prompt)
        over = (slots.held > count)[..., 0]
        if not over.any():
            return None
        aged = by_age(slots, torch.zeros_like(slots.position, dtype=torch.bool))[..., : count + 1].flip(-1)
        score = slots.score.expand(slots.position.shape).gather(-1, aged)
        leaving = self.leaving(score.flatten(0, 1), seen - 1, count).view(*aged.shape[:2], 1)
        return Eviction(torch.where(over, aged.gather(-1, leaving)[..., 0], -1))
