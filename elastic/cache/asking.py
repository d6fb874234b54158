"""What the tokens that come are, and which of them ask: the queries that statistics "after the image" are about."""

import torch
from torch import Tensor

from elastic.policies.base import PATCH, WORD, WRITTEN

LEAST = 32  # tokens at the end of a prompt that count as asking where no picture stands before them


def kinds_of(ids: Tensor, image_id: int | None, is_prompt: bool) -> Tensor:
    """What coming tokens (B, n) are: the model's own, or a prompt's words and patches."""
    kinds = torch.full(ids.shape, WORD if is_prompt else WRITTEN, dtype=torch.uint8)
    if image_id is not None and is_prompt:
        kinds[(ids == image_id).cpu()] = PATCH
    return kinds


def asking(kinds: Tensor, new: int, asked: int = 0) -> Tensor:
    """Which of the `new` last tokens ask, (B, n) bool, `kinds` (B, seen) being those of all tokens so far.

    All that stand behind the last patch. Where no patch stands before them, or nothing behind it, the prompt's end: the
    last 32 tokens, or `asked` of them if those are more. Never all of a long text: a sum over every causal query is
    about the early tokens, which the most queries see.
    """
    is_patch = kinds == PATCH
    behind = is_patch[:, -new:].flip(1).cumsum(1).flip(1) == 0
    end = torch.arange(new) >= new - max(LEAST, asked)
    has_question = is_patch.any(1, keepdim=True) & behind.any(1, keepdim=True)
    return torch.where(has_question, behind, end)
