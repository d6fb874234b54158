"""PrefixKV: one share of the attention kept in every layer."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import Choice, Eviction, LayerView, Policy, StepView, option
from elastic.policies.selection import by_age, strongest


@dataclass(frozen=True)
class PrefixKV(Policy):
    """PrefixKV (Wang et al., NeurIPS 2025, arXiv 2412.03409).

    Kept: per layer the tokens that received most attention, summed over all queries and averaged over heads, until
    they have a share p of all the layer's attention. The one p for all layers is found by binary search, so that the
    layers' sizes add up to the budget. While decoding each layer holds its own share of the tokens seen, by deleting
    the slot `distance` before the end of its prompt.

    Departs from the source, which reads the sizes from a table made beforehand: here they are found for each prompt.
    First and last token of the prompt are always kept. In layers smaller than twice the distance the fixed point is
    their middle.
    """

    distance: int = option(25, "Fixed point of elimination: slots before the end of the compressed prompt.", 1, 500)

    title: ClassVar[str] = "PrefixKV"
    about: ClassVar[str] = (
        "Every layer keeps its best-scored tokens until they have the same share of its attention: layers that spread "
        "it widely keep more tokens. While answering, a slot at a fixed place is deleted."
    )
    paper: ClassVar[str] = "arXiv 2412.03409"
    batches: ClassVar[bool] = False

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """The best of each layer, as many as one share of the attention asks for."""
        counts = self.sizes([layer.score[0] for layer in layers], self.limit(seen, seen) * len(layers))
        chosen = []
        for layer, count in zip(layers, counts, strict=True):
            last = torch.where(layer.is_prompt, layer.position, -1).amax(-1, keepdim=True)
            chosen.append(strongest(layer.score, count, (layer.position == 0) | (layer.position == last)))
        return chosen

    def sizes(self, scores: list[Tensor], total: int) -> list[int]:
        """Tokens of each layer, whose scores are (S,): as many as reach one share of the attention, `total` in all."""
        # Of each token the share of attention that better ones have: with a share p to be reached it is needed if
        # they have less.
        ranked = [score.double().sort(descending=True).values for score in scores]
        better = [(row.cumsum(0) - row) / row.sum().clamp(min=1e-30) for row in ranked]
        low, high = 0.0, 1.0
        for _ in range(60):
            p = (low + high) / 2
            low, high = (p, high) if sum(int((row < p).sum()) for row in better) <= total else (low, p)
        fewest = min(2, total // len(scores))  # the prompt's first and last token
        counts = [max(fewest, int((row < low).sum())) for row in better]
        # Tokens with nothing, and layers held above their share, leave a difference: made up where there is most room.
        while (missing := min(total, sum(map(len, scores))) - sum(counts)) != 0:
            room = [len(score) - count for score, count in zip(scores, counts, strict=True)]
            step = 1 if missing > 0 else -1
            at = max(range(len(counts)), key=lambda n: room[n] if step > 0 else counts[n])
            if step < 0 and counts[at] <= fewest:
                break
            counts[at] += step
        return counts

    def evict(self, slots: StepView, seen: int, prompt: int) -> Eviction | None:
        """In every layer above its share the slot at the fixed point, the prompt's first and last token not counted."""
        # By the limits, which are whole numbers: by the tokens all layers together could hold a slot more than theirs.
        over = slots.held * self.limit(prompt, prompt) > slots.prompt_slots * self.limit(seen, prompt)
        barred = (slots.position == 0) | (slots.position == slots.last_prompt)
        end = slots.prompt_slots - barred.sum(-1, keepdim=True)
        point = (end - (end // 2).clamp(max=self.distance)).clamp(min=0)
        return Eviction(torch.where(over[..., 0], by_age(slots, barred).gather(-1, point)[..., 0], -1))
