"""Samples that are read together, and what the full cache and each method make of them.

What differs is when the cache is compressed: `AfterQuestion` reads context and question first, `BeforeQuestion` the
context alone, of which one compressed cache then serves all questions about it. See `ready` for what either means.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial

import torch

from elastic.engine import State, extend, prefill
from elastic.evaluate.data import Point, Sample, Turn
from elastic.evaluate.lines import Record
from elastic.evaluate.measure import Answered, Baseline, Outcome, answered, full_answers, outcomes
from elastic.evaluate.methods import FULL, Variant
from elastic.evaluate.ready import Begin, Ready, asked, compressed
from elastic.evaluate.spelling import Wanted, led
from elastic.model import Reader, Reading, together
from elastic.shortening import of_what_is_read, shorten
from elastic.statistics import Statistic


class Judged:
    """Samples that were read together, and what the full cache makes of them."""

    def __init__(self, llava: Reader, samples: Sequence[Sample], most_tokens: int) -> None:
        self.llava, self.samples, self.most_tokens = llava, samples, most_tokens
        self.bases: dict[tuple[str, int], Baseline] = {}  # by sample and turn

    def begin(self, prompts: Sequence[Reading], needs: frozenset[Statistic]) -> None:
        """Read what is read before a cache is compressed."""
        self.prompt, self.needs = self.llava.encode_image(together(prompts)), needs
        self.prompts = list(prompts)
        self.start = prefill(self.llava, self.prompt, needs, record_attention=False)

    def _started(self, variant: Variant) -> State:
        """What a method compresses: the prompts as they were read, or, with a front, fewer tokens of them."""
        if variant.front is None:
            return self.start
        return prefill(self.llava, shorten(self.llava, self.prompt, variant.front), self.needs, record_attention=False)

    def lines(self, variant: Variant, is_timed: bool) -> list[Record]:
        """One line per sample and turn."""
        return [
            self._line(variant, is_timed, sample, number, outcome) for sample, number, outcome in self.outcomes(variant)
        ]

    def outcomes(self, variant: Variant) -> Iterable[tuple[Sample, int, Outcome]]:
        """What a method makes of every sample and turn."""
        raise NotImplementedError

    def _judge(
        self, samples: Sequence[Sample], number: int, begin: Begin, variant: Variant
    ) -> tuple[list[Outcome], Answered]:
        """What a method makes of a turn of samples; the full cache comes first, and says what it is compared with."""
        most = min(samples[0].turns[number].most_tokens or self.most_tokens, self.most_tokens)
        if variant.key == FULL.key:
            wanted = [self._wanted(row, sample.turns[number]) for row, sample in enumerate(samples)]
            bases, found = full_answers(begin, wanted, most)
            self.bases |= {(sample.name, number): base for sample, base in zip(samples, bases, strict=True)}
        else:
            bases = [self.bases[sample.name, number] for sample in samples]
            found = answered(begin, bases, most)
        return outcomes(found, bases), found

    def _next(self, turn: Turn) -> Reading:
        return led(self.llava.next_turn(turn.question), self.llava, turn.lead)

    def _unit(self, sample: Sample) -> str:
        """What comes and goes together when intervals are drawn: a sample, all of its turns."""
        return sample.name

    def _wanted(self, row: int, turn: Turn) -> Wanted:
        """What is wanted of a turn, once the prompt of its sequence is known."""
        prompt = self.prompts[row if len(self.prompts) > 1 else 0]
        return Wanted(turn.answer, turn.is_written, turn.value, needed(self.llava, prompt, turn.needs))

    def _line(self, variant: Variant, is_timed: bool, sample: Sample, number: int, outcome: Outcome) -> Record:
        turn, base = sample.turns[number], self.bases[sample.name, number]
        keep = variant.keep if variant.tokens is None else variant.at(outcome.prompt).keep
        line = {"sample": sample.name, "skill": turn.skill, "policy": variant.label, "keep": keep}
        line |= {"budget": variant.tokens, "unit": self._unit(sample)}
        if variant.key == FULL.key:
            line |= {"question": turn.question, "reference": base.reference_text, "picture": sample.digest}
        line |= asdict(outcome)
        line |= {} if is_timed else {"ms_per_token": None, "compress_ms": None}
        return line if sample.is_exact else line | {"exact": None}


class AfterQuestion(Judged):
    """B samples of equally long prompts; each method compresses after the question, and anew after each later one."""

    def outcomes(self, variant: Variant) -> Iterable[tuple[Sample, int, Outcome]]:
        """What a method makes of every sample and turn.

        Every method hears the same answers, those of the data, as its history.
        """
        start = self._started(variant)
        for number, turn in enumerate(self.samples[0].turns):
            if number:
                extend(start, self._next(turn))
            begin = partial(compressed, start, of_what_is_read(variant.at(start.seen), start))
            found, answers = self._judge(self.samples, number, begin, variant)
            start = answers.ready.state
            yield from ((sample, number, outcome) for sample, outcome in zip(self.samples, found, strict=True))


class BeforeQuestion(Judged):
    """Samples about one context, which each method compresses once, before any question is known."""

    def begin(self, prompts: Sequence[Reading], needs: frozenset[Statistic]) -> None:
        """Read the context: prompts that end where it ends, all alike."""
        super().begin(prompts[:1], needs)

    def outcomes(self, variant: Variant) -> Iterable[tuple[Sample, int, Outcome]]:
        """What a method makes of every sample and turn, each sample asked of a copy of the one compressed cache."""
        start = self._started(variant)
        context = compressed(start, of_what_is_read(variant.at(start.seen), start), self.most_tokens)
        for sample in self.samples:
            ready = context
            for number, turn in enumerate(sample.turns):
                question = self._next(turn) if number else self._first(sample)
                (outcome,), answers = self._judge((sample,), number, _asking(ready, question), variant)
                yield sample, number, outcome
                if number + 1 < len(sample.turns):
                    ready = self._compressed_again(answers.ready.state, variant)

    def _unit(self, sample: Sample) -> str:
        """All that one compressed cache was asked."""
        return sample.about or sample.name

    def _first(self, sample: Sample) -> Reading:
        turn = sample.turns[0]
        return led(self.llava.halves(sample.open(), turn.question)[1], self.llava, turn.lead)

    def _compressed_again(self, state: State, variant: Variant) -> Ready:
        """After an answer, before the next question."""
        return compressed(state, of_what_is_read(variant.at(state.seen), state), self.most_tokens)


def _asking(ready: Ready, question: Reading) -> Begin:
    return lambda reserve: asked(ready, question)


def needed(llava: Reader, prompt: Reading, needs: tuple[Point, ...] | str) -> tuple[int, ...]:
    """Numbers of a prompt's tokens that an answer is taken from: what shows points of its picture, or words of a text.

    Raises:
        ValueError: if the model sees no such points, or the prompt has not these words.
    """
    if not needs:
        return ()
    if isinstance(needs, str):
        # Some tokenizers read the space before a word as nothing where its token stands alone, so spaces do not count.
        pieces, wanted = [*map(_unspaced, llava.pieces(prompt.ids[0].tolist()))], _unspaced(needs)
        text = "".join(pieces)
        if wanted not in text:
            raise ValueError(f"The prompt does not hold the words that its answer is taken from: {needs!r}.")
        begin = text.index(wanted)
        ends = torch.tensor([len(piece) for piece in pieces]).cumsum(0).tolist()
        inside = (
            end > begin and end - len(piece) < begin + len(wanted) for end, piece in zip(ends, pieces, strict=True)
        )
        return tuple(number for number, is_inside in enumerate(inside) if is_inside)
    cells = {tuple(place): number for number, place in enumerate(prompt.place[:, 1:].tolist()) if place[2] >= 0}
    found = set[int]()
    for x, y in needs:
        showing = [(number, cell) for number, view in enumerate(prompt.views) if (cell := view.cell(x, y))]
        if not showing:
            raise ValueError(
                f"The answer is taken from a place of the picture, {x:.0%} from the left and {y:.0%} from the top, "
                "that the model does not see."
            )
        found |= {cells[number, *cell] for number, cell in showing}
    return tuple(sorted(found))


def _unspaced(text: str) -> str:
    return "".join(text.split())
