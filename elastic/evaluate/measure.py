"""What an answer is worth beside the full cache's: one prompt, one policy, every measure.

An answer that is known is fed token by token while the policy evicts as it does when it writes, so that perplexity is
that of the cache as it is in generation. Nothing here knows of data sets, files or tables.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from rouge_score.rouge_scorer import RougeScorer
from torch import Tensor

from elastic.engine import State, compress, decode
from elastic.policies import Policy
from elastic.policies.full import Full

GRAM = 4  # tokens that count as a repetition when they come again


@dataclass(frozen=True)
class Baseline:
    """What the full cache makes of a prompt; everything else is compared with it."""

    ids: list[int]  # its own greedy answer, end token included if it came
    text: str
    reference: list[int]  # the answer that is fed: the data's, or its own where there is none
    reference_text: str | None  # None where the data has none
    logits: Tensor  # (N, V) float32, for each token of the reference
    bytes_prompt: int  # it holds of the prompt


@dataclass(frozen=True)
class Outcome:
    """One policy's answer to one prompt."""

    text: str  # what it writes by itself
    exact: bool | None  # that is the data's answer; None where there is none
    loss: float  # sum of -log p of the reference, nats
    tokens: int  # N
    rouge_l: float  # F1 of its text against the full cache's
    agreement: float  # share of the reference's positions at which its likeliest token is the full cache's
    agreement_before: float  # share of the reference before the first difference
    agreement_after: float | None  # agreement behind it; None where nothing is
    kl: float  # mean over the reference's positions of KL(full || this), nats
    repetition: float  # share of its text's 4-grams that occurred in it before
    bytes_prompt: int  # keys and values in use when the prompt was compressed
    bytes_peak: int  # the most while the reference was fed
    bytes_full: int  # what the full cache holds of the prompt
    ms_per_token: float | None  # median step, over the sequences of a batch; None where no token was processed
    compress_ms: float  # over the sequences of a batch


@dataclass(frozen=True)
class _Fed:
    """What came of feeding answers to B sequences, the longest having N tokens."""

    logits: Tensor  # (B, N, V) float32, for each token
    held: list[int]  # bytes per sequence: after the prompt, then after each token
    seconds: list[float]  # per step


def baseline(start: State, reference: str | None, max_new_tokens: int) -> Baseline:
    """What the full cache makes of a prompt that was read and not compressed, and of an answer to it (None: its own).

    Raises:
        ValueError: if the answer is empty, or prompt and answer are longer than what the model can read.
    """
    return baselines(start, [reference], max_new_tokens)[0]


def measure(start: State, policy: Policy, base: Baseline, max_new_tokens: int) -> Outcome:
    """What a policy makes of a prompt that was read and not compressed; `start` must have collected its `needs`."""
    return measures(start, policy, [base], max_new_tokens)[0][0]


@torch.inference_mode()
def baselines(start: State, references: Sequence[str | None], max_new_tokens: int) -> list[Baseline]:
    """`baseline` for each of the B sequences of a state.

    Raises:
        ValueError: as `baseline` does.
    """
    llava = start.llava
    spelled = [None if text is None else answer_ids(start, text) for text in references]
    _check_room(start, max([max_new_tokens, *(len(ids) for ids in spelled if ids)]))
    own = _written(start, Full(), max_new_tokens) if None in references else None
    fed = [ids or (own[row] if own else []) for row, ids in enumerate(spelled)]
    logits = _feed(compress(start, Full(), max(map(len, fed))), fed).logits
    if own is None:
        own = _own_answers(start, Full(), fed, logits, max_new_tokens)
    return [
        Baseline(
            ids=own[row],
            text=llava.text(own[row]),
            reference=ids,
            reference_text=references[row],
            logits=logits[row, : len(ids)],
            bytes_prompt=_bytes_held(start),
        )
        for row, ids in enumerate(fed)
    ]


@torch.inference_mode()
def measures(
    start: State, policy: Policy, bases: Sequence[Baseline], max_new_tokens: int
) -> tuple[list[Outcome], State]:
    """`measure` for each of the B sequences of a state, and the state that has read their references.

    A step's time and a compression's are divided by B. Where references are not equally long, the state returned has
    read end tokens behind the shorter ones.
    """
    references = [base.reference for base in bases]
    state = compress(start, policy, max(map(len, references)))
    fed = _feed(state, references)
    answers = _own_answers(start, policy, references, fed.logits, max_new_tokens)
    outcomes = [
        _outcome(state, base, fed, row, answer) for row, (base, answer) in enumerate(zip(bases, answers, strict=True))
    ]
    return outcomes, state


def answer_ids(start: State, answer: str) -> list[int]:
    """The tokens of an answer as they follow what a state has read, the end token behind them.

    Raises:
        ValueError: if the answer is empty, or an end token is spelled out in it.
    """
    if not answer.strip():
        raise ValueError("The answer to compare with is empty. Give one, or leave it out.")
    tokenizer = start.llava.tokenizer
    # Tokenizers treat the beginning of a text as a special place: the answer is spelled behind the prompt's last token.
    lead = tokenizer.decode(start.ids[0, -1:])
    text = lead + ("" if lead[-1:].isspace() else " ") + answer.strip()
    spelled = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    behind = zip(spelled["input_ids"], spelled["offset_mapping"], strict=True)
    ids = [token for token, (_, end) in behind if end > len(lead)]
    if start.llava.end_ids & set(ids):
        raise ValueError("The answer to compare with spells out the token that ends an answer. Take it out.")
    return [*ids, tokenizer.eos_token_id]


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


def _bytes_held(state: State) -> int:
    """Of one of the sequences."""
    return sum(state.cache.bytes_held) // len(state.ids)


def _feed(state: State, answers: Sequence[Sequence[int]]) -> _Fed:
    """Let every sequence of a compressed state read its answer, a token at a time."""
    longest = max(map(len, answers))
    logits = state.logits.new_empty(*state.logits.shape[:1], longest, state.logits.shape[1])
    held, seconds = [_bytes_held(state)], []
    steps = decode(state, longest, forced=answers)
    for number in range(longest):
        # Copied: a captured step writes the next logits to the same place.
        logits[:, number] = state.logits
        step = next(steps)
        held.append(sum(step.bytes_held) // len(answers))
        seconds.append(step.seconds)
    return _Fed(logits, held, seconds)


def _own_answers(
    start: State, policy: Policy, references: list[list[int]], logits: Tensor, max_new_tokens: int
) -> list[list[int]]:
    """What a policy writes by itself, given the logits (B, N, V) met along the references.

    Where every token of a reference was the likeliest, greedy decoding writes just that reference.
    """
    ends, likeliest = start.llava.end_ids, logits.argmax(-1).tolist()
    known = (
        found[: len(ids)] == ids and ids[-1] in ends and len(ids) <= max_new_tokens
        for found, ids in zip(likeliest, references, strict=True)
    )
    return references if all(known) else _written(start, policy, max_new_tokens)


def _written(start: State, policy: Policy, max_new_tokens: int) -> list[list[int]]:
    """Greedy answers of B sequences, each with its end token if it came."""
    answers: list[list[int]] = [[] for _ in start.ids]
    for step in decode(compress(start, policy, max_new_tokens), max_new_tokens):
        for answer, token in zip(answers, step.tokens, strict=True):
            if not answer or answer[-1] not in start.llava.end_ids:
                answer.append(token)
    return answers


def _outcome(state: State, base: Baseline, fed: _Fed, row: int, answer: list[int]) -> Outcome:
    """The measures of one sequence of a batch."""
    llava, new = state.llava, len(base.reference)
    expected, found = base.logits.log_softmax(-1), fed.logits[row, :new].log_softmax(-1)
    same = (base.logits.argmax(-1) == fed.logits[row, :new].argmax(-1)).tolist()
    first = same.index(False) if False in same else new
    after = same[first + 1 :]
    given = torch.tensor(base.reference, device=found.device)
    processed = new - (base.reference[-1] in llava.end_ids)  # an end token ends the answer and enters no cache
    text = llava.text(answer)
    return Outcome(
        text=text,
        exact=None if base.reference_text is None else text == base.reference_text.strip(),
        loss=-found.gather(1, given[:, None]).sum().item(),
        tokens=new,
        rouge_l=rouge_l(base.text, text),
        agreement=sum(same) / new,
        agreement_before=first / new,
        agreement_after=sum(after) / len(after) if after else None,
        kl=max(0.0, (expected.exp() * (expected - found)).sum(-1).mean().item()),  # rounding may go below 0
        repetition=repetition([token for token in answer if token not in llava.end_ids]),
        bytes_prompt=fed.held[0],
        bytes_peak=max(fed.held[: processed + 1]),
        bytes_full=base.bytes_prompt,
        ms_per_token=1000 * statistics.median(fed.seconds[:processed]) / len(state.ids) if processed else None,
        compress_ms=1000 * state.compress_seconds / len(state.ids),
    )
