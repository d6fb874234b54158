"""Chunks of samples through a model: what a chunk is, and what comes of one. Who computes it where: see `workers`."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeVar

import torch

from elastic.evaluate.data import Sample
from elastic.evaluate.judged import AfterQuestion, BeforeQuestion, Judged
from elastic.evaluate.lines import Record
from elastic.evaluate.methods import FULL, Variant, VariantKey
from elastic.evaluate.records import Key
from elastic.evaluate.spelling import led
from elastic.model import Reader, Reading, TextModel
from elastic.statistics import Statistic

T = TypeVar("T")


@dataclass(frozen=True)
class Chunk:
    """Samples that share a prefill where their prompts are equally long, and the methods to judge on them."""

    samples: tuple[Sample, ...] = ()
    variants: tuple[Variant, ...] = ()
    most_tokens: int = 160  # to write at most
    is_timed: bool = True  # whether times can be compared with those of other chunks
    is_known: bool = True  # whether the question was read before a cache is compressed; else they share one context
    is_question_first: bool = False  # before the picture or the text

    @property
    def answers(self) -> int:
        """How many lines come of it when all goes well."""
        return len(self.variants) * sum(len(sample.turns) for sample in self.samples)


def chunks(
    samples: Iterable[Sample],
    variants: Sequence[Variant],
    done: Counter[Key],
    lengths: dict[str, int],
    batch: int,
    plan: Chunk,
) -> list[Chunk]:
    """What is left to do, as `plan` says, at most `batch` samples at a time, or all about one context.

    `lengths` are prompt lengths by sample, if known.
    """

    def missing(sample: Sample) -> tuple[VariantKey, ...]:
        return tuple(v.key for v in variants if done[sample.name, *v.key] < len(sample.turns))

    def alike(sample: Sample) -> tuple[tuple[VariantKey, ...], int, int, str]:
        """Equal for samples that may share a chunk: a conversation's answers differ in length, so it is alone."""
        alone = sample.name if len(sample.turns) > 1 or batch == 1 else ""
        return missing(sample), lengths.get(sample.name, 0), sample.turns[0].most_tokens or 0, alone

    by_context: defaultdict[object, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_context[alike(sample) if plan.is_known else (missing(sample), sample.context)].append(sample)
    found = []
    for group in by_context.values():
        # Short answers beside short ones: a batch goes on until its longest is written.
        group.sort(key=lambda sample: len(sample.turns[0].answer or ""))
        keys = missing(group[0])
        wanted = [variant for variant in variants if variant.key in keys]
        for of_kind, size in _sharing(wanted, batch) if wanted else ():
            size = size if plan.is_known else len(group)
            for at in range(0, len(group), size):
                is_timed = size == batch or not plan.is_known
                found.append(replace(plan, samples=tuple(group[at : at + size]), variants=of_kind, is_timed=is_timed))
    # Long answers among short ones: what a run has done so far tells how long the rest will take.
    found.sort(key=lambda chunk: chunk.samples[0].name)
    random.Random(0).shuffle(found)
    return found


def _sharing(variants: list[Variant], batch: int) -> list[tuple[tuple[Variant, ...], int]]:
    """The methods that can share a batch, with its size; those whose sizes follow from the prompt cannot, with 1.

    These share the prefill of a sample, but no times are taken of them: they could not be compared.
    """
    if batch == 1:
        return [(tuple(variants), 1)]
    kinds = (tuple(v for v in variants if v.batches is of_kind) for of_kind in (True, False))
    return [(of_kind, size) for of_kind, size in zip(kinds, (batch, 1), strict=True) if of_kind]


def run_chunk(llava: Reader, chunk: Chunk) -> list[Record]:
    """One line per answer, the full cache's first, and one with an error for what could not be answered."""
    lines: list[Record] = [{"about": llava.about}]
    alike: defaultdict[object, list[tuple[Sample, Reading]]] = defaultdict(list)
    for sample in chunk.samples:
        prompt = _tried(llava, partial(_prompt, llava, sample, chunk))
        if isinstance(prompt, Unanswered):
            lines += _errors(sample, chunk.variants, prompt.sentence)
        else:
            # Read together where they are equally long, or, where a cache must serve any question, where they are one.
            length = prompt.ids.shape[1], prompt.asked
            alike[length if chunk.is_known else tuple(prompt.ids[0].tolist())].append((sample, prompt))
    for group in alike.values():
        lines += _run_group(llava, [sample for sample, _ in group], [prompt for _, prompt in group], chunk)
    return lines


def _prompt(llava: Reader, sample: Sample, chunk: Chunk) -> Reading:
    """What is read before a cache is compressed."""
    context, question = sample.open(), sample.turns[0].question
    if not question and isinstance(llava, TextModel) and isinstance(context, str):
        return llava.passage(context)
    if not chunk.is_known:
        return llava.halves(context, question)[0]
    prompt = llava.first_turn(context, question, question_first=chunk.is_question_first)
    return led(prompt, llava, sample.turns[0].lead)


def _run_group(llava: Reader, samples: list[Sample], prompts: list[Reading], chunk: Chunk) -> list[Record]:
    """All methods on samples that go through the model together; what fails together is tried one by one."""
    judged = (AfterQuestion if chunk.is_known else BeforeQuestion)(llava, samples, chunk.most_tokens)
    needs = frozenset().union(*(variant.policy.needs for variant in chunk.variants))
    begun = _tried(llava, lambda: _begin(judged, prompts, needs, chunk))
    if isinstance(begun, Unanswered):
        return _one_by_one(llava, samples, prompts, chunk, begun.sentence)
    lines: list[Record] = []
    for variant in chunk.variants:
        answers = begun if variant.key == FULL.key else _tried(llava, partial(judged.lines, variant, chunk.is_timed))
        if isinstance(answers, Unanswered):
            answers = _one_by_one(llava, samples, prompts, replace(chunk, variants=(variant,)), answers.sentence)
        lines += answers
    return lines


def _begin(judged: Judged, prompts: list[Reading], needs: frozenset[Statistic], chunk: Chunk) -> list[Record]:
    """Read the prompts, and let the full cache answer: whatever is asked for, all is compared with it."""
    judged.begin(prompts, needs)
    return judged.lines(FULL, chunk.is_timed)


def _one_by_one(
    llava: Reader, samples: list[Sample], prompts: list[Reading], chunk: Chunk, failure: str
) -> list[Record]:
    """The samples of a group that failed, each alone; a single one's failure stands."""
    if len(samples) == 1:
        return _errors(samples[0], chunk.variants, failure)
    lines = []
    for sample, prompt in zip(samples, prompts, strict=True):
        lines += _run_group(llava, [sample], [prompt], chunk)
    return lines


class Unanswered(NamedTuple):
    """What went wrong, in one sentence."""

    sentence: str


def _tried(llava: Reader, step: Callable[[], T]) -> T | Unanswered:
    """What a step returns, or what went wrong in it: other samples and methods go on."""
    try:
        return step()
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        failure = reason if isinstance(error, ValueError) else f"{type(error).__name__}: {reason}"
    if llava.device.type == "cuda":
        torch.cuda.empty_cache()  # only now: until here the error held on to what the step had allocated
    return Unanswered(failure)


def _errors(sample: Sample, variants: Iterable[Variant], failure: str) -> list[Record]:
    return [
        {"sample": sample.name, "policy": v.label, "keep": v.keep, "budget": v.tokens, "error": failure}
        for v in variants
    ]
