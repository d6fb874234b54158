"""What the tokens that come are, and which of them ask: the queries that statistics "after the image" are about."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elastic.policies.base import PATCH, WORD, WRITTEN

ERASED = 3  # a kind that no policy sees: what was erased of a prompt holds no slot
LEAST = 32  # tokens at the end of a prompt that count as asking where no picture stands before them


def kinds_of(ids: Tensor, image_id: int | None, is_prompt: bool, erased: Sequence[int] = ()) -> Tensor:
    """What coming tokens (B, n) are: the model's own, or a prompt's words and patches, or `erased` from it."""
    kinds = torch.full(ids.shape, WORD if is_prompt else WRITTEN, dtype=torch.uint8)
    if image_id is not None and is_prompt:
        kinds[(ids == image_id).cpu()] = PATCH
    kinds[:, list(erased)] = ERASED
    return kinds


def after_image(kinds: Tensor, new: int, asked: int = 0) -> Tensor:
    """Which of the `new` last tokens are after the image, (B, n) bool, `kinds` (B, seen) being those of all so far.

    All that stand behind the last patch. Where no patch stands before them, or nothing behind it, the prompt's end: the
    last 32 tokens, or `asked` of them if those are more. Never all of a long text: a sum over every causal query is
    about the early tokens, which the most queries see.
    """
    return _behind(kinds, new, max(LEAST, asked))


def asking(kinds: Tensor, new: int, asked: int = 0) -> Tensor:
    """Which of the tokens after the image ask, (B, n) bool: without an image the `asked` last, if that is known.

    A short question behind a long text is fewer than 32 tokens, and the text's last words would ask for it.
    """
    return _behind(kinds, new, asked or LEAST)


def _behind(kinds: Tensor, new: int, least: int) -> Tensor:
    is_patch = kinds == PATCH
    behind = is_patch[:, -new:].flip(1).cumsum(1).flip(1) == 0
    end = torch.arange(new) >= new - least
    has_question = is_patch.any(1, keepdim=True) & behind.any(1, keepdim=True)
    return torch.where(has_question, behind, end)
