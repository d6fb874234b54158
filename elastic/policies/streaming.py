"""StreamingLLM: the first tokens and the newest ones."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from elastic.policies.base import Choice, Eviction, LayerView, Policy, StepView, option
from elastic.policies.selection import by_age, newest, strongest


@dataclass(frozen=True)
class Streaming(Policy):
    """StreamingLLM (Xiao et al., ICLR 2024, arXiv 2309.17453): attention sinks and a sliding window.

    Kept: the first `sinks` tokens and the newest ones, the same in every layer and head. While decoding the oldest
    token behind the sinks goes for every new one, so the cache stays as large as it was after the prompt. All tokens
    stand side by side for RoPE, at their places in the cache.

    Departs from the source in the size: `keep` of the prompt in place of a fixed 4 + 512.
    """

    sinks: int = option(4, "Tokens at the beginning that are never dropped.", 0, 64)

    title: ClassVar[str] = "StreamingLLM"
    about: ClassVar[str] = (
        "Keeps the first few tokens, which attention uses as a sink, and the newest ones. The picture stands before "
        "the question, so most of it is gone at small budgets."
    )
    paper: ClassVar[str] = "arXiv 2309.17453"
    unseen: ClassVar[str] = (
        "The heat has no part in what is kept. What is kept closes up, as if nothing had been between: that is not "
        "drawn."
    )
    growth: ClassVar[str] = "constant"
    positions: ClassVar[str] = "re-rotated"
    needs: ClassVar[frozenset[str]] = frozenset()

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """The sinks and the newest tokens."""
        count = self.limit(seen, seen)
        sinks = min(self.sinks, count - 1)
        kept = []
        for layer in layers:
            number = torch.arange(layer.slots, device=layer.position.device)[None]
            kept.append(strongest(number.float(), count, newest(number, count - sinks) | (number < sinks)))
        return kept

    def evict(self, slots: StepView, seen: int, prompt: int) -> Eviction | None:
        """The oldest token behind the sinks."""
        limit = self.limit(seen, prompt)
        oldest = by_age(slots, torch.zeros_like(slots.position, dtype=torch.bool))[..., min(self.sinks, limit - 1)]
        return Eviction(torch.where((slots.held > limit)[..., 0], oldest, -1))
