"""Elastic Cache: merge at the prefill, eliminate at a fixed point while decoding."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import LayerView, Policy, option

LEAST_FREE = 8  # slots for patches and the answer's last words where protected words alone use up the budget


@dataclass(frozen=True)
class Elastic(Policy):
    """Elastic Cache (Liu et al., ECCV 2024, arXiv 2407.18121), by the paper's equations.

    Kept: per layer the tokens that received most attention, summed over all queries and averaged over heads; every
    other token is averaged into the nearest of them. While decoding, the slot `distance` before the end of the
    compressed prompt is deleted whenever the cache exceeds `keep` x tokens seen.

    Departs from the source in two ways. Summed causal attention favours early tokens, so the question after the image
    scores lowest and the paper's rule throws it away: `protect_text` keeps every word the model was given and spends
    the budget on image patches; switched off, the rule is the paper's. And the paper's distance is meant for prompts of
    600 tokens and more: in a smaller cache the fixed point is the middle of what may be deleted, or the first anchors
    would all go before the answer is a few words long.
    """

    protect_text: bool = option(True, "Keep every word of the prompt; spend the budget on image patches.")
    distance: int = option(25, "Fixed point of elimination: slots before the end of the compressed prompt.", 1, 500)

    title: ClassVar[str] = "Elastic Cache"
    about: ClassVar[str] = (
        "Tokens that receive most attention become anchors; every other token is averaged into the nearest anchor. "
        "While answering, one slot at a fixed place is deleted whenever the cache is over its budget."
    )
    paper: ClassVar[str] = "arXiv 2407.18121"

    def compress(self, layers: list[LayerView], seen: int) -> list[Tensor]:
        """Most frequent tokens become anchors, the others join the nearest one."""
        return [self._owner(layer, seen)[None] for layer in layers]

    def _owner(self, layer: LayerView, seen: int) -> Tensor:
        protected = self._protected(layer)
        free = (~protected).nonzero()[:, 0]
        anchors = min(len(free), self._slots(layer, seen) - int(protected.sum()))
        best = free[layer.score[0, free].topk(anchors).indices.sort().values]
        owner = torch.arange(layer.slots)
        owner[free] = best[nearest(layer.position[0, free], layer.position[0, best])]
        return owner

    def evict(self, layer: LayerView, seen: int, prompt_slots: int) -> Tensor | None:
        """The slot at the fixed point, protected ones not counted."""
        if layer.slots <= self._slots(layer, seen):
            return None
        protected = self._protected(layer)
        free = (~protected).nonzero()[:, 0]
        prompt_free = prompt_slots - int(protected.sum())
        point = prompt_free - min(self.distance, prompt_free // 2)
        return free[min(point, len(free) - 1)][None]

    def _protected(self, layer: LayerView) -> Tensor:
        """The first token, the last one of the prompt, and the prompt's words if they are protected, (S,)."""
        protected = layer.is_prompt_text[0].clone() if self.protect_text else torch.zeros(layer.slots, dtype=torch.bool)
        protected[0] = True
        protected[layer.is_prompt[0].nonzero()[-1]] = True
        return protected

    def _slots(self, layer: LayerView, seen: int) -> int:
        """The limit, or what protection needs and a few slots more where that is over the limit."""
        least_free = LEAST_FREE if self.protect_text else 1
        return max(self.limit(seen), int(self._protected(layer).sum()) + least_free)


def nearest(position: Tensor, anchor: Tensor) -> Tensor:
    """Index of the nearest anchor of each position, ties to the left: (N,), sorted (M,) -> (N,)."""
    right = torch.searchsorted(anchor, position).clamp(max=len(anchor) - 1)
    left = (right - 1).clamp(min=0)
    return torch.where(position - anchor[left] <= anchor[right] - position, left, right)
