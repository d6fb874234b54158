"""What a policy sees, and what it decides. A policy cannot see the model, the cache or another policy."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class LayerView:
    """The tokens that hold a slot in one layer, in the order of their positions; all arrays (1 or H, S)."""

    position: Tensor  # token number, from 0 at the beginning of the conversation
    is_image: Tensor  # image patches
    is_prompt: Tensor  # given to the model rather than written by it
    count: Tensor  # tokens the slot stands for
    score: Tensor  # attention received, summed over the queries seen (frequency)

    @property
    def slots(self) -> int:
        return self.position.shape[1]

    @property
    def is_prompt_text(self) -> Tensor:
        """The words the model was given: the template and the questions."""
        return self.is_prompt & ~self.is_image


@dataclass(frozen=True)
class Policy:
    """Keep everything. Every other policy overrides one or both rules."""

    keep: float = 1.0  # share of the tokens seen that may hold a slot

    title: ClassVar[str] = "Full cache"
    about: ClassVar[str] = "Every token keeps its key and value, in every layer."
    paper: ClassVar[str] = ""
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"keep": (0.01, 1.0)}

    def __post_init__(self) -> None:
        for name, (low, high) in self.ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be between {low:g} and {high:g}, got {value:g}.")

    def limit(self, seen: int) -> int:
        """Slots a layer may hold after that many tokens."""
        return max(1, int(self.keep * seen + 1e-9))

    def compress(self, layers: list[LayerView], seen: int) -> list[Tensor]:
        """After a prefill: the owner of every slot, per layer (1 or H, S), counted in slots, -1 for dropped."""
        return [torch.arange(layer.slots)[None] for layer in layers]

    def evict(self, layer: LayerView, seen: int, prompt_slots: int) -> Tensor | None:
        """After a decode step: the slot to free in a layer, (1 or H,), or None; `prompt_slots` the last prefill left."""
        return None
