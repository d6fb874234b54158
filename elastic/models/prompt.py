"""What a model reads at once: tokens, and pictures where they come with some."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling


@dataclass(frozen=True)
class Prompt:
    """What the model reads: ids (B, T) and, where pictures come with them, pixels (B, 3, height, width).

    `encoded` is what the vision tower made of the pixels, once it has run. `asked` says how many tokens at the end ask:
    the words behind picture or text, those of the template included; 0 where that is not known.
    """

    ids: Tensor
    pixels: Tensor | None = None
    encoded: dict[str, BaseModelOutputWithPooling] | None = None
    asked: int = 0


def together(prompts: Sequence[Prompt]) -> Prompt:
    """Several first prompts as one batch, B x (1, T) -> (B, T).

    Raises:
        ValueError: if they are not equally long, only some come with a picture, or, where none does, they do not ask
            with equally many tokens.
    """
    lengths = {prompt.ids.shape[1] for prompt in prompts}
    if len(lengths) > 1:
        raise ValueError(
            f"Prompts of {min(lengths)} to {max(lengths)} tokens cannot be read together: padding could not be told "
            "from tokens once slots are merged. Group prompts by their length."
        )
    ids = torch.cat([prompt.ids for prompt in prompts])
    pixels = [prompt.pixels for prompt in prompts if prompt.pixels is not None]
    asked = {prompt.asked for prompt in prompts}
    if not pixels:
        if len(asked) > 1:
            raise ValueError(
                f"Prompts that ask with {min(asked)} to {max(asked)} tokens cannot be read together: what a method "
                "counts as the question is the same for all. Group prompts by `asked`, too."
            )
        return Prompt(ids, asked=max(asked))
    if len(pixels) < len(prompts):
        raise ValueError(
            "Prompts with and without a picture cannot be read together: give prompts of `first_turn`, which have one."
        )
    # Behind a picture all that follows it asks, so that nobody goes by this number where there is one.
    return Prompt(ids, torch.cat(pixels), asked=min(asked))
