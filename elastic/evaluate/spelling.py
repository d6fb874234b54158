"""How an answer that is known is spelled, behind what a model has read."""

from dataclasses import dataclass

import torch
from torch import Tensor

from elastic.engine import State
from elastic.model import Reader, Reading


@dataclass(frozen=True)
class Wanted:
    """An answer as the data have it, and how one is judged by it."""

    text: str | None  # None: the full cache's own
    # Whether every method writes one of its own beside it. Where it does not, this one is fed as it is, with no end
    # token, and the tokens of its `value` tell whether it is right.
    is_written: bool = True
    value: tuple[int, int] | None = None  # a stretch of the text; None: all of it
    needs: tuple[int, ...] = ()  # numbers of the prompt's tokens that it is taken from


def led(prompt: Reading, llava: Reader, lead: str) -> Reading:
    """A prompt (1, T) with the first words of its answer behind it."""
    if not lead:
        return prompt
    ids = _behind(llava, prompt.ids[0], lead)[0]
    more = torch.tensor([[token for token, _ in ids]], device=prompt.ids.device)
    return prompt.followed_by(more)


def answer_ids(start: State, answer: str) -> list[int]:
    """The tokens of an answer as they follow what a state has read, the end token behind them.

    Raises:
        ValueError: if the answer is empty, or an end token is spelled out in it.
    """
    return spelled(start, Wanted(answer))[0]


def spelled(start: State, wanted: Wanted) -> tuple[list[int], tuple[int, ...]]:
    """The tokens of an answer as they follow what a state has read, and which of them are its `value`.

    Raises:
        ValueError: as `answer_ids` does.
    """
    answer = wanted.text or ""
    if not answer.strip():
        raise ValueError("The answer to compare with is empty. Give one, or leave it out.")
    answer = answer.strip() if wanted.is_written else answer
    behind, before = _behind(start.llava, start.ids[0], answer)
    ids = [token for token, _ in behind]
    if start.llava.end_ids & set(ids):
        raise ValueError("The answer to compare with spells out the token that ends an answer. Take it out.")
    if wanted.is_written:
        return [*ids, start.llava.tokenizer.eos_token_id], ()
    begin, end = (before + place for place in wanted.value or (0, len(answer)))
    return ids, tuple(at for at, (_, stretch) in enumerate(behind) if stretch[1] > begin and stretch[0] < end)


def _behind(llava: Reader, ids: Tensor, words: str) -> tuple[list[tuple[int, tuple[int, int]]], int]:
    """Words as tokens that follow others (T,), each with its stretch; and where in these stretches the words begin."""
    # Tokenizers treat the beginning of a text as a special place: words are spelled behind the last token.
    last = llava.tokenizer.decode(ids[-1:])
    before = last + ("" if last[-1:].isspace() or words[0].isspace() else " ")
    found = llava.tokenizer(before + words, add_special_tokens=False, return_offsets_mapping=True)
    pairs = zip(found["input_ids"], found["offset_mapping"], strict=True)
    return [(token, stretch) for token, stretch in pairs if stretch[1] > len(last)], len(before)
