"""Elastic Cache: merge at the prefill, eliminate at a fixed point while decoding."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import WORD, WRITTEN, Choice, Eviction, LayerView, Policy, StepView, option
from elastic.policies.groups import closest_pair, clusters, covering, join_similar, most_similar, nearest

LEAST_FREE = 8  # slots for patches and the answer's last words where protected words alone use up the budget
TOGETHER = 8192  # slots of all layers up to which they are decided at once: there, what costs is the number of calls
RECENT = 2  # tokens of the answer that are not merged yet
SCORES = ("frequency", "visible frequency", "after image", "last 16")
MERGES = ("keys and values", "values only", "none")
ANCHORS = ("score", "cover")
ASSIGN = ("nearest position", "similar key", "similar key per head")
DECODE = ("fixed point", "from the end", "oldest", "most alike", "none")
GROWTH = ("proportional", "constant")
POSITIONS = ("true", "cache length", "re-rotated")


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
    would all go before the answer is a few words long. The other fields are choices studied in this field; their
    defaults are the paper's.
    """

    protect_text: bool = option(True, "Keep every word of the prompt; spend the budget on image patches.")
    score: str = option(
        "frequency", "The attention that makes an anchor: which queries it is summed over.", choices=SCORES
    )
    anchors: str = option(
        "score", "Anchors: best by score, or far apart in their keys (similar keys only).", choices=ANCHORS
    )
    assign: str = option("nearest position", "The anchor that every other token joins.", choices=ASSIGN)
    rounds: int = option(0, "Rounds of k-means on the keys, from the anchors; for similar keys only.", 0, 10)
    merge: str = option("keys and values", "What is averaged in a group; none is eviction.", choices=MERGES)
    align: bool = option(False, "Turn members' keys to their anchor's position before averaging.")
    count_bias: bool = option(False, "Add log(tokens it stands for) to a slot's attention logit.")
    decode_rule: str = option("fixed point", "The slot to give up while decoding.", choices=DECODE)
    evicted: str = option("dropped", "What becomes of it.", choices=("dropped", "merged"))
    distance: int = option(25, "Fixed point of elimination: slots before the end of the compressed prompt.", 1, 500)
    growth: str = option(
        "proportional", "The budget while decoding: a share of all tokens, or constant.", choices=GROWTH
    )
    positions: str = option("true", "Where tokens stand for RoPE after compression.", choices=POSITIONS)

    title: ClassVar[str] = "Elastic Cache"
    about: ClassVar[str] = (
        "Tokens that receive most attention become anchors; every other token is averaged into the nearest anchor. "
        "While answering, one slot at a fixed place is deleted whenever the cache is over its budget."
    )
    paper: ClassVar[str] = "arXiv 2407.18121"

    @property
    def statistic(self) -> str:
        return self.score.removeprefix("visible ")

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Best-scored tokens become anchors, the others join one of them."""
        alike = len({(layer.position.shape, layer.position.device) for layer in layers}) == 1
        if alike and layers[0].slots * len(layers) <= TOGETHER:
            return self._choices(layers, seen)
        return [choice for layer in layers for choice in self._choices([layer], seen)]

    def _choices(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """For layers with equally many slots, all at once: one row of every table per layer, or per layer and head."""
        heads = len(layers[0].keys) if self.assign == "similar key per head" else 1
        rows = max(heads, *(len(table) for table in (layers[0].position, layers[0].score)))

        def stacked(name: str) -> Tensor:
            tables = [getattr(layer, name) for layer in layers]
            return torch.cat([table.repeat_interleave(rows // len(table), 0) for table in tables])

        position, kind, score = stacked("position"), stacked("kind"), stacked("score")
        if self.score.startswith("visible"):
            score = score / stacked("queries").clamp(min=1)
        last = torch.where(kind != WRITTEN, position, -1).amax(-1, keepdim=True)
        protected = self._protected(kind == WORD, position, last)
        words = int(protected[0].sum())
        slots = layers[0].slots
        free = protected.to(torch.uint8).argsort(dim=-1, stable=True)[:, : slots - words]
        anchors = min(free.shape[1], self._slots(self.limit(seen, seen), words) - words)
        owner = torch.arange(slots, device=free.device).repeat(len(free), 1)
        if not anchors:  # a prompt of a token or two: all of it is protected
            return [Choice(of_layer) for of_layer in owner.chunk(len(layers))]
        best = score.gather(1, free).topk(anchors).indices.sort().values
        if self.merge == "none":
            owner.scatter_(1, free, -1)
            free = free.gather(1, best)
            owner.scatter_(1, free, free)
            return [Choice(of_layer) for of_layer in owner.chunk(len(layers))]
        if self.assign == "nearest position":
            position = position.gather(1, free)
            joined = best.gather(1, nearest(position, position.gather(1, best)))
        else:
            weight = (stacked("count") * score).gather(1, free)
            joined = self._similar(layers, free, best, weight)
        owner.scatter_(1, free, free.gather(1, joined))
        return [Choice(of_layer) for of_layer in owner.chunk(len(layers))]

    def _similar(self, layers: list[LayerView], free: Tensor, best: Tensor, weight: Tensor) -> Tensor:
        """The column of `free` (R, F) that each joins: the anchor with the most similar key, or its cluster's."""
        if self.assign == "similar key per head":
            keys = torch.cat([layer.keys for layer in layers])
        else:
            keys = torch.stack([layer.keys.transpose(0, 1).flatten(1) for layer in layers])
        every = len(free) // len(keys)  # heads that decide together have one row of keys
        free, seeds, weight = free[::every], best[::every], weight[::every]
        keys = keys.gather(1, free[..., None].expand(-1, -1, keys.shape[2])).float()
        if self.anchors == "cover":
            seeds = covering(keys, weight.argmax(-1), seeds.shape[1])
        joined = clusters(keys, seeds, weight, self.rounds) if self.rounds else join_similar(keys, seeds)
        return joined.repeat_interleave(every, 0)

    def evict(self, slots: StepView, seen: int, prompt: int) -> Eviction | None:
        """In layers over their budget the slot at the fixed point, protected ones not counted, or another one."""
        if self.decode_rule == "none":
            return None
        protected = self._protected(slots.is_word, slots.position, slots.last_prompt)
        words = protected.sum(-1, keepdim=True)
        over = (slots.held > self._slots(self.limit(seen, prompt), words))[..., 0]
        if not over.any():
            return None
        if self.decode_rule == "most alike":
            allowed = ~protected & (slots.position < seen - RECENT)
            slot, into = slots.each(
                over,
                lambda keys, layer, used: closest_pair(
                    keys, slots.count[layer, :, :used].sqrt(), allowed[layer, :, :used]
                ),
            )
            return Eviction(slot, into if self.evicted == "merged" else None)
        slot = torch.where(over, self._point(slots, protected, words), -1)
        if self.evicted == "dropped":
            return Eviction(slot)
        into = slots.each(
            over, lambda keys, layer, used: (most_similar(keys, slot[layer], slots.position[layer, :, :used] > 0),)
        )
        return Eviction(slot, *into)

    def _point(self, slots: StepView, protected: Tensor, words: Tensor) -> Tensor:
        """The slot at the place the decode rule names, (L, R), protected ones not counted."""
        free = (slots.held - words).clamp(min=1)
        # Relative to the end of the compressed prompt, as the paper has it, or to the end as it moves.
        end = slots.prompt_slots - words if self.decode_rule == "fixed point" else free
        point = end - (end // 2).clamp(max=self.distance)
        point = torch.zeros_like(point) if self.decode_rule == "oldest" else point.clamp(min=0).minimum(free - 1)
        by_age = torch.where(protected, slots.EMPTY, slots.position).argsort(-1)
        return by_age.gather(-1, point)[..., 0]

    def _protected(self, is_word: Tensor, position: Tensor, last_prompt: Tensor | int) -> Tensor:
        """The first token, the last one of the prompt, and the prompt's words if they are protected."""
        ends = (position == 0) | (position == last_prompt)
        return ends | is_word if self.protect_text else ends

    def _slots(self, limit: int, words: Tensor | int) -> Tensor | int:
        """The limit, or what protection needs and a few slots more where that is over the limit."""
        least = words + (LEAST_FREE if self.protect_text or self.decode_rule == "most alike" else 1)
        return max(limit, least) if isinstance(words, int) else least.clamp(min=limit)
