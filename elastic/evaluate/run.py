"""Chunks of samples through a model: what a chunk is, and what comes of one. Who computes it where: see `workers`."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from typing import NamedTuple, TypeVar

import torch

from elastic.engine import State, extend, prefill
from elastic.evaluate.data import Sample
from elastic.evaluate.lines import Record
from elastic.evaluate.measure import Baseline, Outcome, baselines, measures
from elastic.evaluate.methods import FULL, Variant
from elastic.evaluate.records import Key
from elastic.model import Prompt, Reader, together
from elastic.policies import Policy
from elastic.statistics import Statistic

T = TypeVar("T")


@dataclass(frozen=True)
class Chunk:
    """Samples that share a prefill where their prompts are equally long, and the methods to judge on them."""

    samples: tuple[Sample, ...]
    variants: tuple[Variant, ...]
    most_tokens: int  # to write at most
    is_timed: bool = True  # whether times can be compared with those of other chunks

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
    most_tokens: int,
) -> list[Chunk]:
    """What is left to do, at most `batch` samples at a time; `lengths` are prompt lengths by sample, if known."""

    def alike(sample: Sample) -> tuple[tuple[tuple[str, float], ...], int, int, str]:
        """Equal for samples that may share a chunk: a conversation's answers differ in length, so it is alone."""
        missing = tuple(v.key for v in variants if done[sample.name, *v.key] < len(sample.turns))
        alone = sample.name if len(sample.turns) > 1 or batch == 1 else ""
        return missing, lengths.get(sample.name, 0), sample.turns[0].most_tokens or 0, alone

    found = []
    for (missing, *_), group in groupby(sorted(samples, key=alike), key=alike):
        # Short answers beside short ones: a batch goes on until its longest is written.
        of_group = sorted(group, key=lambda sample: len(sample.turns[0].answer or ""))
        wanted = [variant for variant in variants if variant.key in missing]
        for of_kind, size in _sharing(wanted, batch) if wanted else ():
            for at in range(0, len(of_group), size):
                found.append(Chunk(tuple(of_group[at : at + size]), of_kind, most_tokens, is_timed=size == batch))
    # Long answers among short ones: what a run has done so far tells how long the rest will take.
    random.Random(0).shuffle(found)
    return found


def _sharing(variants: list[Variant], batch: int) -> list[tuple[tuple[Variant, ...], int]]:
    """The methods that can share a batch, with its size; those whose sizes follow from the prompt cannot, with 1.

    These share the prefill of a sample, but no times are taken of them: they could not be compared.
    """
    if batch == 1:
        return [(tuple(variants), 1)]
    kinds = (tuple(v for v in variants if v.policy.batches is of_kind) for of_kind in (True, False))
    return [(of_kind, size) for of_kind, size in zip(kinds, (batch, 1), strict=True) if of_kind]


def run_chunk(llava: Reader, chunk: Chunk) -> list[Record]:
    """One line per answer, the full cache's first, and one with an error for what could not be answered."""
    lines: list[Record] = [{"about": llava.about}]
    by_length: defaultdict[int, list[tuple[Sample, Prompt]]] = defaultdict(list)
    for sample in chunk.samples:
        prompt = _tried(llava, partial(_prompt, llava, sample))
        if isinstance(prompt, Unanswered):
            lines += _errors(sample, chunk.variants, prompt.sentence)
        else:
            by_length[prompt.ids.shape[1]].append((sample, prompt))
    for group in by_length.values():
        lines += _run_group(llava, [sample for sample, _ in group], [prompt for _, prompt in group], chunk)
    return lines


def _prompt(llava: Reader, sample: Sample) -> Prompt:
    return llava.first_turn(sample.open(), sample.turns[0].question)


def _run_group(llava: Reader, samples: list[Sample], prompts: list[Prompt], chunk: Chunk) -> list[Record]:
    """All methods on samples that go through the model together; what fails together is tried one by one."""
    judged = _Judged(llava, samples, chunk.most_tokens)
    needs = frozenset().union(*(variant.policy.needs for variant in chunk.variants))
    begun = _tried(llava, lambda: judged.begin(together(prompts), needs))
    if isinstance(begun, Unanswered):
        return _one_by_one(llava, samples, prompts, chunk, begun.sentence)
    lines: list[Record] = []
    for variant in chunk.variants:
        answers = _tried(llava, partial(judged.lines, variant, chunk.is_timed))
        if isinstance(answers, Unanswered):
            answers = _one_by_one(llava, samples, prompts, replace(chunk, variants=(variant,)), answers.sentence)
        lines += answers
    return lines


def _one_by_one(
    llava: Reader, samples: list[Sample], prompts: list[Prompt], chunk: Chunk, failure: str
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


class _Judged:
    """B samples that were read together, and what the full cache makes of them."""

    def __init__(self, llava: Reader, samples: list[Sample], most_tokens: int) -> None:
        self.llava, self.samples = llava, samples
        self.most = [min(turn.most_tokens or most_tokens, most_tokens) for turn in samples[0].turns]
        self.bases: list[list[Baseline]] = []  # per turn, per sequence

    def begin(self, prompt: Prompt, needs: frozenset[Statistic]) -> None:
        """Read the first questions, and all turns with the full cache."""
        self.start = prefill(self.llava, self.llava.encode_image(prompt), needs, record_attention=False)
        self.full = self._outcomes(FULL.policy)

    def lines(self, variant: Variant, is_timed: bool) -> list[Record]:
        """One line per sample and turn."""
        by_turn = self.full if variant.key == FULL.key else self._outcomes(variant.policy)
        lines = []
        for number, outcomes in enumerate(by_turn):
            for sample, base, outcome in zip(self.samples, self.bases[number], outcomes, strict=True):
                turn = sample.turns[number]
                line = {"sample": sample.name, "skill": turn.skill, "policy": variant.label, "keep": variant.keep}
                if variant.key == FULL.key:
                    line |= {"question": turn.question, "reference": base.reference_text}
                line |= asdict(outcome)
                line |= {} if is_timed else {"ms_per_token": None, "compress_ms": None}
                lines.append(line if sample.is_exact else line | {"exact": None})
        return lines

    def _outcomes(self, policy: Policy) -> list[list[Outcome]]:
        """Per turn and sequence; every method hears the same answers, those of the data, as its history."""
        by_turn: list[list[Outcome]] = []
        start = self.start
        for number, most in enumerate(self.most):
            if number:
                extend(start, self.llava.next_turn(self.samples[0].turns[number].question))
            if len(self.bases) == number:
                self.bases.append(self._baselines(start, number))
            outcomes, start = measures(start, policy, self.bases[number], most)
            by_turn.append(outcomes)
        return by_turn

    def _baselines(self, start: State, number: int) -> list[Baseline]:
        return baselines(start, [sample.turns[number].answer for sample in self.samples], self.most[number])


def _errors(sample: Sample, variants: Iterable[Variant], failure: str) -> list[Record]:
    return [{"sample": sample.name, "policy": v.label, "keep": v.keep, "error": failure} for v in variants]
