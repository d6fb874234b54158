"""Layers that are decided in one call, because what costs time there is the number of calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from elastic.policies.base import Choice, LayerView
from elastic.statistics import Statistic


def ends_in_picture(layer: LayerView) -> bool:
    """Whether a picture's last patches stand for what asks, because nobody has asked anything about it yet."""
    return bool(((layer.queries <= layer.asked) & layer.is_image).any())


@dataclass(frozen=True)
class Stack:
    """L layers with equally many slots, one below the other: every table has a row per layer, or per layer and head."""

    layers: Sequence[LayerView]
    score: Tensor  # (L x R, S), the larger the sooner a slot is kept
    heads_differ: bool = False  # whether heads hold different tokens, or score them differently

    @classmethod
    def of(cls, layers: Sequence[LayerView], scores: Sequence[Tensor], per_head: bool) -> "Stack":
        """Layers with their scores, (1 or H, S) each; a row per head where that is asked for, or scores have it."""
        rows = max(len(layers[0].position), len(scores[0]), len(layers[0].keys) if per_head else 1)
        return cls(layers, _below(scores, rows), max(len(layers[0].position), len(scores[0])) > 1)

    @property
    def slots(self) -> int:
        return self.layers[0].slots

    @property
    def ends_in_picture(self) -> bool:
        """Whether nobody has asked anything yet about the picture that the prompt ends with."""
        return ends_in_picture(self.layers[0])

    @property
    def rows(self) -> int:
        """Rows of a layer."""
        return len(self.score) // len(self.layers)

    @cached_property
    def position(self) -> Tensor:
        """Token numbers, (L x R, S)."""
        return _below([layer.position for layer in self.layers], self.rows)

    @cached_property
    def kind(self) -> Tensor:
        """Kinds of tokens, (L x R, S)."""
        return _below([layer.kind for layer in self.layers], self.rows)

    @cached_property
    def count(self) -> Tensor:
        """Tokens that the slots stand for, (L x R, S)."""
        return _below([layer.count for layer in self.layers], self.rows)

    def statistic(self, one: Statistic) -> Tensor:
        """What a statistic of tokens says of the slots, (L x R, S): the mean of heads, where these hold the same."""
        tables = [layer.statistics[one] for layer in self.layers]
        if len(self.layers[0].position) == 1:
            tables = [table.mean(0, keepdim=True) for table in tables]
        return _below(tables, self.rows)

    def per_head(self, one: Statistic) -> Tensor:
        """What it says of every head's slots, (L x R, S)."""
        return _below([layer.statistics[one] for layer in self.layers], self.rows)

    def keys(self, per_head: bool) -> Tensor:
        """Keys of every head by itself, (L x H, S, D), or of heads that decide together joined, (L, S, H x D)."""
        if per_head:
            return torch.cat([layer.keys for layer in self.layers])
        return torch.stack([layer.keys.transpose(0, 1).flatten(1) for layer in self.layers])

    @property
    def values(self) -> Tensor:
        """Values of every head by itself, (L x H, S, D)."""
        return torch.cat([layer.values for layer in self.layers])

    def every_slot(self) -> Tensor:
        """The slots' numbers in every row, (L x R, S)."""
        return torch.arange(self.slots, device=self.score.device).repeat(len(self.score), 1)

    def choices(self, owner: Tensor) -> list[Choice]:
        """Owners (L x R, S), layer by layer."""
        return [Choice(of_layer) for of_layer in owner.chunk(len(self.layers))]


@dataclass(frozen=True)
class Selection:
    """Which slots of a stack are anchors. What is not `free` keeps its slot too, but takes nothing in."""

    free: Tensor  # (L x R, F) slots, ascending
    best: Tensor  # (L x R, A) columns of `free` that are anchors, ascending

    @classmethod
    def among_all(cls, stack: Stack, anchors: Tensor) -> "Selection":
        """With those anchors (L x R, A), every slot being free."""
        return cls(stack.every_slot(), anchors)

    @property
    def anchors(self) -> Tensor:
        """The anchors' slots, (L x R, A)."""
        return self.free.gather(1, self.best)


def _below(tables: Sequence[Tensor], rows: int) -> Tensor:
    return torch.cat([table.repeat_interleave(rows // len(table), 0) for table in tables])
