"""What an answer is worth beside the full cache's: one prompt, one policy, every measure.

An answer that is known is fed token by token while the policy evicts as it does when it writes, so that perplexity is
that of the cache as it is in generation. Nothing here knows of data sets, files or tables.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from rouge_score.rouge_scorer import RougeScorer
from torch import Tensor

from elastic.engine import State, decode
from elastic.evaluate.ready import Begin, Ready, compressed
from elastic.evaluate.spelling import Wanted, spelled
from elastic.policies import Policy
from elastic.policies.full import Full

GRAM = 4  # tokens that count as a repetition when they come again


@dataclass(frozen=True)
class Baseline:
    """What the full cache makes of a prompt; everything else is compared with it."""

    ids: list[int]  # its own greedy answer, end token included if it came; none where nobody writes
    text: str
    reference: list[int]  # the answer that is fed: the data's, or its own where there is none
    reference_text: str | None  # None where the data has none
    logits: Tensor  # (N, V) float32, for each token of the reference
    bytes_prompt: int  # it holds of the prompt
    wanted: Wanted
    judged: tuple[int, ...]  # positions of the reference that are to be right, where nobody writes


@dataclass(frozen=True)
class Outcome:
    """One policy's answer to one prompt."""

    text: str  # what it writes by itself; where it does not, its likeliest tokens at the positions judged
    exact: bool | None  # that is the data's answer; None where there is none
    value_right: float | None  # share of the positions judged at which the reference's token is the likeliest
    loss: float  # sum of -log p of the reference, nats
    tokens: int  # N
    rouge_l: float | None  # F1 of its text against the full cache's; None where it writes none
    agreement: float  # share of the reference's positions at which its likeliest token is the full cache's
    agreement_before: float  # share of the reference before the first difference
    agreement_after: float | None  # agreement behind it; None where nothing is
    kl: float  # mean over the reference's positions of KL(full || this), nats
    repetition: float | None  # share of its text's 4-grams that occurred in it before; None where it writes none
    prompt: int  # tokens that were compressed
    dropped: float  # share of them that no layer and no head holds, not even merged into another one
    dropped_needed: float | None  # that share of those the answer is taken from; None where they are not known
    slots: float  # on average over layers and heads, when the prompt was compressed
    bytes_prompt: int  # keys and values in use then
    bytes_question: int  # what a question added that was read only then
    bytes_peak: int  # the most while the reference was fed
    bytes_read: int | None  # the most that a token of it read, by a method that reads a part; None where all is read
    bytes_full: int  # what the full cache holds of what was compressed
    ms_per_token: float | None  # median step, over the sequences of a batch; None where no token was processed
    compress_ms: float  # over the sequences of a batch


@dataclass(frozen=True)
class Answered:
    """What came of feeding answers to B sequences, the longest having N tokens, and of letting them write."""

    ready: Ready  # which has read the answers
    logits: Tensor  # (B, N, V) float32, for each token
    held: list[int]  # bytes per sequence: after the prompt and its question, then after each token
    read: list[int]  # bytes per sequence that each of these tokens read
    seconds: list[float]  # per step
    own: list[list[int]]  # per sequence what it writes by itself, none where nobody writes


def baseline(start: State, reference: str | None, max_new_tokens: int) -> Baseline:
    """What the full cache makes of a prompt that was read and not compressed, and of an answer to it (None: its own).

    Raises:
        ValueError: if the answer is empty, or prompt and answer are longer than what the model can read.
    """
    return baselines(start, [reference], max_new_tokens)[0]


def measure(start: State, policy: Policy, base: Baseline, max_new_tokens: int) -> Outcome:
    """What a policy makes of a prompt that was read and not compressed; `start` must have collected its `needs`."""
    return measures(start, policy, [base], max_new_tokens)[0][0]


def baselines(start: State, references: Sequence[str | None], max_new_tokens: int) -> list[Baseline]:
    """`baseline` for each of the B sequences of a state.

    Raises:
        ValueError: as `baseline` does.
    """
    begin = partial(compressed, start, Full())
    return full_answers(begin, [Wanted(text) for text in references], max_new_tokens)[0]


def measures(
    start: State, policy: Policy, bases: Sequence[Baseline], max_new_tokens: int
) -> tuple[list[Outcome], State]:
    """`measure` for each of the B sequences of a state, and the state that has read their references.

    A step's time and a compression's are divided by B. Where references are not equally long, the state returned has
    read end tokens behind the shorter ones.
    """
    found = answered(partial(compressed, start, policy), bases, max_new_tokens)
    return outcomes(found, bases), found.ready.state


@torch.inference_mode()
def full_answers(begin: Begin, wanted: Sequence[Wanted], max_new_tokens: int) -> tuple[list[Baseline], Answered]:
    """What the full cache makes of B prompts, which `begin` with it, and of the answers that are wanted of them.

    Raises:
        ValueError: as `baseline` does.
    """
    ready = begin(max_new_tokens)
    start, llava = ready.state, ready.state.llava
    known = [None if each.text is None else spelled(start, each) for each in wanted]
    _check_room(start, max([max_new_tokens, *(len(ids) for ids, _ in filter(None, known))]))
    own = _written(ready.state, max_new_tokens) if None in known else None
    fed = [each[0] if each else (own[row] if own else []) for row, each in enumerate(known)]
    is_written = all(each.is_written for each in wanted)
    found = _fed(begin if own is not None else _given(ready, begin), fed, is_written, max_new_tokens, own)
    bases = [
        Baseline(
            ids=found.own[row],
            text=llava.text(found.own[row]),
            reference=ids,
            reference_text=wanted[row].text,
            logits=found.logits[row, : len(ids)],
            bytes_prompt=found.ready.bytes_prompt,
            wanted=wanted[row],
            judged=each[1] if (each := known[row]) else (),
        )
        for row, ids in enumerate(fed)
    ]
    return bases, found


@torch.inference_mode()
def answered(begin: Begin, bases: Sequence[Baseline], max_new_tokens: int) -> Answered:
    """What a policy makes of B prompts, which `begin` with it."""
    is_written = all(base.wanted.is_written for base in bases)
    return _fed(begin, [base.reference for base in bases], is_written, max_new_tokens)


def outcomes(found: Answered, bases: Sequence[Baseline]) -> list[Outcome]:
    """The measures of each of B sequences beside what the full cache made of them."""
    return [_outcome(found, base, row) for row, base in enumerate(bases)]


def repetition(ids: Sequence[int]) -> float:
    """Share of a text's 4-grams of tokens that occurred in it before; 0 for a text that has none."""
    grams = [tuple(ids[at : at + GRAM]) for at in range(len(ids) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def rouge_l(expected: str, text: str) -> float:
    """F1 of the longest common subsequence of words; 1 for equal texts, whatever they are written in."""
    return 1.0 if expected == text else _scorer().score(expected, text)["rougeL"].fmeasure


@cache
def _scorer() -> RougeScorer:
    return RougeScorer(["rougeL"], use_stemmer=False)


def _check_room(start: State, new: int) -> None:
    room = start.llava.room
    if start.seen + new > room:
        raise ValueError(
            f"{start.seen} tokens and an answer of {new} exceed the {room} this model can read. "
            "Leave the sample out, or allow fewer new tokens."
        )


def _given(ready: Ready, begin: Begin) -> Begin:
    """What gives a cache that is there already, and from then on others."""
    there = [ready]
    return lambda reserve: there.pop() if there else begin(reserve)


def _fed(
    begin: Begin,
    answers: Sequence[list[int]],
    is_written: bool,
    max_new_tokens: int,
    own: list[list[int]] | None = None,
) -> Answered:
    """Let every sequence read its answer, a token at a time, and write one of its own where that is not known."""
    longest = max(map(len, answers))
    ready = begin(longest)
    state = ready.state
    logits = state.logits.new_empty(*state.logits.shape[:1], longest, state.logits.shape[1])
    held, read, seconds = [ready.bytes_prompt + ready.bytes_question], [], []
    steps = decode(state, longest, forced=answers)
    for number in range(longest):
        # Copied: a captured step writes the next logits to the same place.
        logits[:, number] = state.logits
        step = next(steps)
        held.append(sum(step.bytes_held) // len(answers))
        read.append(sum(step.bytes_read) // len(answers))
        seconds.append(step.seconds)
    if not is_written:
        own = [[] for _ in answers]
    elif own is None:
        own = _own_answers(begin, state, list(answers), logits, max_new_tokens)
    return Answered(ready, logits, held, read, seconds, own)


def _own_answers(begin: Begin, state: State, references: list[list[int]], logits: Tensor, most: int) -> list[list[int]]:
    """What is written by itself, given the logits (B, N, V) met along the references.

    Where every token of a reference was the likeliest, greedy decoding writes just that reference.
    """
    ends, likeliest = state.llava.end_ids, logits.argmax(-1).tolist()
    known = (
        found[: len(ids)] == ids and ids[-1] in ends and len(ids) <= most
        for found, ids in zip(likeliest, references, strict=True)
    )
    return references if all(known) else _written(begin(most).state, most)


def _written(state: State, max_new_tokens: int) -> list[list[int]]:
    """Greedy answers of B sequences, each with its end token if it came."""
    answers: list[list[int]] = [[] for _ in state.ids]
    for step in decode(state, max_new_tokens):
        for answer, token in zip(answers, step.tokens, strict=True):
            if not answer or answer[-1] not in state.llava.end_ids:
                answer.append(token)
    return answers


def _outcome(found: Answered, base: Baseline, row: int) -> Outcome:
    """The measures of one sequence of a batch."""
    ready, new = found.ready, len(base.reference)
    llava, batch = ready.state.llava, len(ready.state.ids)
    expected, logits = base.logits.log_softmax(-1), found.logits[row, :new].log_softmax(-1)
    likeliest = logits.argmax(-1).tolist()
    same = (base.logits.argmax(-1) == logits.argmax(-1)).tolist()
    first = same.index(False) if False in same else new
    after = same[first + 1 :]
    given = torch.tensor(base.reference, device=logits.device)
    processed = new - (base.reference[-1] in llava.end_ids)  # an end token ends the answer and enters no cache
    needs = list(base.wanted.needs)
    return Outcome(
        **_judged(found, base, row, likeliest),
        loss=-logits.gather(1, given[:, None]).sum().item(),
        tokens=new,
        agreement=sum(same) / new,
        agreement_before=first / new,
        agreement_after=sum(after) / len(after) if after else None,
        kl=max(0.0, (expected.exp() * (expected - logits)).sum(-1).mean().item()),  # rounding may go below 0
        prompt=ready.prompt,
        dropped=ready.dropped[row].float().mean().item(),
        dropped_needed=ready.dropped[row, needs].float().mean().item() if needs else None,
        slots=ready.slots,
        bytes_prompt=ready.bytes_prompt,
        bytes_question=ready.bytes_question,
        bytes_peak=max(found.held[: processed + 1]),
        bytes_read=max(found.read[:processed], default=0) if ready.state.policy.keep_is_read else None,
        bytes_full=base.bytes_prompt,
        ms_per_token=1000 * statistics.median(found.seconds[:processed]) / batch if processed else None,
        compress_ms=1000 * ready.state.compress_seconds / batch,
    )


def _judged(found: Answered, base: Baseline, row: int, likeliest: list[int]) -> dict[str, Any]:
    """Whether an answer is right: by the text that was written, or by the tokens that are likeliest."""
    llava = found.ready.state.llava
    if base.wanted.is_written:
        answer = found.own[row]
        text = llava.text(answer)
        return {
            "text": text,
            "exact": None if base.reference_text is None else text == base.reference_text.strip(),
            "value_right": None,
            "rouge_l": rouge_l(base.text, text),
            "repetition": repetition([token for token in answer if token not in llava.end_ids]),
        }
    right = [likeliest[at] == base.reference[at] for at in base.judged]
    return {
        "text": llava.text([likeliest[at] for at in base.judged]),
        "exact": all(right),
        "value_right": sum(right) / len(right),
        "rouge_l": None,
        "repetition": None,
    }
