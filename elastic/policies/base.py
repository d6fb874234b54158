"""What a policy sees, and what it decides. A policy cannot see the model, the cache or another policy."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class LayerView:
    """The tokens that hold a slot in one layer, in the order of their positions; all arrays (1 or H, S)."""

    position: Tensor  # token number, from 0 at the beginning of the conversation
    is_image: Tensor  # image patches
    is_prompt: Tensor  # given to the model rather than written by it
    count: Tensor  # tokens the slot stands for
    score: Tensor  # attention received, summed over the tokens of all prompts so far (frequency); an anchor's own

    @property
    def slots(self) -> int:
        return self.position.shape[1]

    @property
    def is_prompt_text(self) -> Tensor:
        """The words the model was given: the template and the questions."""
        return self.is_prompt & ~self.is_image


def option(default: Any, about: str, low: float | None = None, high: float | None = None) -> Any:
    """A hyper-parameter: its default, one sentence about it, and its legal range where it is a number."""
    return field(default=default, metadata={"about": about, "low": low, "high": high})


@dataclass(frozen=True)
class Policy:
    """A method: what to keep after a prefill, and what to give up while decoding.

    The fields are its hyper-parameters; the page's controls and the command line's options are made from them.
    """

    keep: float = option(0.5, "Share of the tokens seen that may hold a slot.", 0.01, 1.0)

    title: ClassVar[str]
    about: ClassVar[str]  # two lines for the page
    paper: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for option_field in fields(self):
            low, high = option_field.metadata["low"], option_field.metadata["high"]
            value = getattr(self, option_field.name)
            if low is not None and not low <= value <= high:
                raise ValueError(f"{option_field.name} must be between {low:g} and {high:g}, got {value:g}.")

    def limit(self, seen: int) -> int:
        """Slots a layer may hold after that many tokens."""
        # Decimal fractions are not exact: 0.3 x 10 must be 3.
        return max(1, int(self.keep * seen + 1e-9))

    def compress(self, layers: list[LayerView], seen: int) -> list[Tensor]:
        """After a prefill: the owner of every slot, per layer (1 or H, S), counted in slots, -1 for dropped."""
        return [torch.arange(layer.slots)[None] for layer in layers]

    def evict(self, layer: LayerView, seen: int, prompt_slots: int) -> Tensor | None:
        """After a decode step: the slot to free in a layer, (1 or H,), or None; the prompt was left `prompt_slots`."""
        return None
