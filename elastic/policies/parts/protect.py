"""Which slots are kept whatever they score."""

from dataclasses import dataclass

import torch
from torch import Tensor

from elastic.policies.base import WORD, WRITTEN, StepView
from elastic.policies.parts.stack import Stack

LEAST_FREE = 8  # slots for patches and the answer's last words where protected words alone use up the budget


@dataclass(frozen=True)
class Protect:
    """The first token and the last one of the prompt, and all words of the prompt, or some of these.

    Args:
        text: whether words are protected.
        spare: slots for other tokens where what is protected uses up the budget, which is then exceeded; None where
            the budget is held whatever is protected, if need be by giving up the answer's own tokens.
        ends: whether both ends of the prompt are protected.
    """

    text: bool = False
    spare: int | None = None
    ends: bool = True

    def in_prompt(self, stack: Stack) -> Tensor:
        """Which slots are protected when a prompt has been read, (L x R, S)."""
        last = torch.where(stack.kind != WRITTEN, stack.position, -1).amax(-1, keepdim=True)
        return self._protected(stack.kind == WORD, stack.position, last)

    def in_answer(self, slots: StepView) -> Tensor:
        """Which slots are protected while decoding, (L, R, S)."""
        return self._protected(slots.is_word, slots.position, slots.last_prompt)

    def _protected(self, is_word: Tensor, position: Tensor, last_prompt: Tensor | int) -> Tensor:
        ends = ((position == 0) | (position == last_prompt)) & self.ends
        return ends | is_word if self.text else ends

    def room(self, limit: int | Tensor, protected: int | Tensor) -> int | Tensor:
        """Slots that may be held: the limit, or what that many protected slots need where that is more."""
        if self.spare is None:
            return limit
        if isinstance(limit, int) and isinstance(protected, int):
            return max(limit, protected + self.spare)
        return torch.as_tensor(limit).maximum(torch.as_tensor(protected + self.spare))


def protecting(text: bool, merging: bool = False, ends: bool = True) -> Protect | None:
    """The prompt's words, or both its ends, or nothing; with a few slots to spare for words, or where slots merge."""
    return Protect(text, LEAST_FREE if text or merging else 1, ends) if text or ends else None
