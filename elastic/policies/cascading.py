"""Cascading KV cache: windows that pass on ever fewer of the tokens that leave them."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import Eviction, Growth, Positions, StepView, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Decoding, Drop, Received, Room, Select, Selection, Stack
from elastic.policies.parts.decoding import by_age
from elastic.statistics import Attention, Fading


@dataclass(frozen=True)
class Cascading(Recipe):
    """Cascading KV cache (Willette et al., ICLR 2025, arXiv 2406.17808).

    Kept: in every head the first `sinks` tokens and `windows` sub-caches of equal size, which fill up before any token
    is lost. New tokens enter the first; what leaves sub-cache i knocks at i + 1, which accepts every 2^(i+1)-th token;
    at other times the knocking token and the newest inside are compared, as in the published kernel, and the one with
    less attention goes, the older of the two where they have the same. (The readable class beside the kernel compares
    with the oldest.) Attention is summed over queries; the code's mean fades by 0.9999999 with each, which is no
    fading. What leaves the last one is evicted. While decoding the same goes on, and the size stays. All tokens stand
    side by side for RoPE, at their places in the cache.

    Departs from the source's code in three ways. The prompt is read whole, and its attention is used for all its
    comparisons; the source reads in strides with the cache as it is, so that what is gone receives nothing. Query heads
    that share a key count as their mean; the source's scripts take their maximum. And four sinks are the default of its
    cache; most of its scripts have 64, which would be a quarter of a prompt about a picture.
    """

    sinks: int = option(4, "Tokens at the beginning that are never dropped.", 0, 64)
    windows: int = option(4, "Sub-caches.", 1, 16)
    fade: int = option(0, "Queries after which attention counts a hundredth; 0 if it never fades.", 0, 4096)
    per_head: bool = option(True, "Every head goes by its own attention; else all by their mean.")

    title: ClassVar[str] = "Cascading KV"
    about: ClassVar[str] = (
        "A chain of windows: each passes on every second token that leaves it, so that the past thins out towards the "
        "beginning. Of two that compete, the one with less recent attention goes."
    )
    paper: ClassVar[str] = "arXiv 2406.17808"
    unseen: ClassVar[str] = (
        "The heat is the mean of all heads; each goes by its own, and on in the answer. What is kept closes up, as if "
        "nothing had been between: that is not drawn."
    )

    @property
    def recipe(self) -> Method:
        """The cascade chooses, and goes on while decoding."""
        cascade = Cascade(sinks=self.sinks, windows=self.windows)
        fading = Fading(n=self.fade, per_head=self.per_head) if self.fade else Attention(per_head=self.per_head)
        return Method(
            keep=self.keep,
            score=Received(fading),
            select=Passed(cascade),
            merge=Drop(),
            decoding=Passing(cascade=cascade),
            growth=Growth.CONSTANT,
            positions=Positions.RE_ROTATED,
        )


@dataclass(frozen=True)
class Cascade:
    """Sinks and a chain of sub-caches of equal size, in which slots are counted from the newest.

    Args:
        sinks: tokens at the beginning.
        windows: sub-caches.
    """

    sinks: int
    windows: int

    def leaving(self, score: Tensor, token: int, count: int) -> Tensor:
        """Which slot goes when a token comes, (R,), by scores (R, `count` + 1) from the newest slot to the oldest."""
        edges = self.edges(count)
        is_filling = token <= count  # the first token too many passes through, as those before it did
        step = token - self.sinks
        level = 0
        while level + 1 < len(edges) and (is_filling or step % 2 ** (level + 1) == 0):
            level += 1
        at = torch.full((len(score),), edges[level])
        if level + 1 == len(edges):
            return at
        inside = edges[level] + 1
        return torch.where(score[:, inside] > score[:, edges[level]], at, inside)

    def edges(self, count: int) -> list[int]:
        """Per sub-cache its oldest slot when one has too many, counted from the newest; the sinks lie beyond."""
        room = count - min(self.sinks, count - 1)
        windows = min(self.windows, room)
        sizes = [room // windows + (window < room % windows) for window in range(windows)]
        return torch.tensor(sizes).cumsum(0).tolist()


@dataclass(frozen=True)
class Passed(Select):
    """What is left when the tokens have passed through a cascade one after the other.

    Args:
        cascade: the cascade.
    """

    cascade: Cascade

    together: ClassVar[int] = 2**40  # a call per token is what it costs: all layers in one, however long they are

    def choose(self, stack: Stack, count: int) -> Selection:
        """Decided on the CPU."""
        score, position = stack.score.cpu(), stack.layers[0].position[0].cpu()
        held = torch.arange(min(count, stack.slots)).repeat(len(score), 1)
        column = torch.arange(count)
        for new in range(count, stack.slots):
            held = torch.cat([held, torch.full((len(held), 1), new)], 1)
            # From the newest, as the sub-caches are counted.
            evicted = count - self.cascade.leaving(score.gather(1, held).flip(1), int(position[new]), count)
            held = held.gather(1, column + (column >= evicted[:, None]))
        return Selection.among_all(stack, held.to(stack.score.device))


@dataclass(frozen=True)
class Passing(Decoding):
    """The token that leaves a cascade as the newest one enters.

    Args:
        cascade: the cascade.
    """

    cascade: Cascade = field(kw_only=True)
    live: bool = field(default=True, kw_only=True)

    def evict(self, slots: StepView, room: Room) -> Eviction | None:
        """One of each layer that holds more than the limit."""
        over = (slots.held > room.limit)[..., 0]
        if not over.any():
            return None
        aged = by_age(slots, self.protected(slots))[..., : room.limit + 1].flip(-1)
        score = slots.score.expand(slots.position.shape).gather(-1, aged)
        leaving = self.cascade.leaving(score.flatten(0, 1), room.seen - 1, room.limit).view(*aged.shape[:2], 1)
        return Eviction(torch.where(over, aged.gather(-1, leaving)[..., 0], -1))
