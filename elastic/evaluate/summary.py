"""From answers to rows: each measure of each method with a bootstrap interval, and paired differences.

Every measure is a ratio of two sums over answers (`aggregates`), so that a resample of the units is one matrix product.
A unit is a sample with all its turns, or all that one compressed cache was asked. All methods are resampled alike: draw
d takes the same units for each of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter

import numpy as np

from elastic.evaluate.aggregates import HIGHER, MEASURES, Number, Row
from elastic.evaluate.lines import Record
from elastic.evaluate.methods import VariantKey, budget_of
from elastic.fairness import beyond_read, beyond_share

DRAWS = 2000
COMPARED = {"vs_full": "full", "vs_elastic": "elastic"}
OF_FULL = {"peak": "bytes_peak", "question": "bytes_question", "exact": "exact"}

BY_SKILL = ("exact", "exact_of_full", "kl")  # measures that are also told skill by skill


IS_LOG = np.array([measure.is_log for measure in MEASURES.values()])


class Draws:
    """Resamples of the units that any method has answered, the same for all methods."""

    def __init__(self, answers: Iterable[Record], seed: int = 0) -> None:
        answers = list(answers)
        full = {_asked(answer): answer for answer in answers if answer["policy"] == "full"}
        self.answers: defaultdict[VariantKey, list[Record]] = defaultdict(list)
        for answer in answers:
            if other := full.get(_asked(answer)):  # without the full cache's answer there is nothing to compare with
                more = {f"full_{name}": other[of] for name, of in OF_FULL.items()}
                self.answers[answer["policy"], budget_of(answer)].append(answer | more)
        self.prompts = [answer["prompt"] for answer in full.values()]
        names = sorted({answer["unit"] for answer in answers})
        self.unit = {name: number for number, name in enumerate(names)}
        rng = np.random.default_rng(seed)
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS) if names else np.ones((1, 0))
        # The first row is no resample: every unit once.
        self.times = np.concatenate([np.ones((1, len(names))), times])
        self._sums: dict[VariantKey, np.ndarray] = {}

    def share(self, budget: float, prompts: Sequence[int] | None = None) -> float:
        """What a budget is of the cache: itself, or so many tokens over those of `prompts`, by default of all."""
        if budget <= 1:
            return budget
        prompts = self.prompts if prompts is None else prompts
        return float(sum(min(budget, tokens) for tokens in prompts) / sum(prompts))

    def of_skill(self, key: VariantKey, skill: str) -> np.ndarray:
        """`values` of one skill's answers alone."""
        return self._ratios(self._summed(answer for answer in self.answers[key] if answer["skill"] == skill))

    def sums(self, key: VariantKey) -> np.ndarray:
        """Sums of part and whole of each measure and unit, (M, 2, units)."""
        if key not in self._sums:
            self._sums[key] = self._summed(self.answers[key])
        return self._sums[key]

    def _summed(self, answers: Iterable[Record]) -> np.ndarray:
        sums = np.zeros((len(MEASURES), 2, len(self.unit)))
        for answer in answers:
            for row, measure in enumerate(MEASURES.values()):
                if (part := measure.part(answer)) is not None:
                    sums[row, :, self.unit[answer["unit"]]] += np.array([part, measure.whole(answer)])
        return sums

    def values(self, key: VariantKey, by: np.ndarray | None = None, only: slice = slice(None)) -> np.ndarray:
        """Each measure of all units and of each resample, (M, 1 + DRAWS); NaN where nothing can be said.

        `by` (M, 1, units) are those to go by; `only` some of the measures.
        """
        return self._ratios(self.sums(key)[only] if by is None else self.sums(key)[only] * by, only)

    def _ratios(self, sums: np.ndarray, only: slice = slice(None)) -> np.ndarray:
        part, whole = np.moveaxis(sums @ self.times.T, 1, 0)
        is_log = IS_LOG[only]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            ratio: np.ndarray = part / whole
            ratio[is_log] = np.exp(ratio[is_log])
        # Of a single unit all resamples are alike: they would say that it is sure, where nothing is known.
        ratio[(sums[:, 1] > 0).sum(-1) < 2, 1:] = np.nan
        return ratio

    def difference(self, key: VariantKey, other: VariantKey, place: int | None = None) -> np.ndarray:
        """How far a method is above another one, (M, 1 + DRAWS), on the units that both have answered.

        With `place` of the measure at that place alone, (1 + DRAWS,).
        """
        only = slice(None) if place is None else slice(place, place + 1)
        both = (self.sums(key)[only, 1:] > 0) & (self.sums(other)[only, 1:] > 0)
        with np.errstate(invalid="ignore"):
            found: np.ndarray = self.values(key, both, only) - self.values(other, both, only)
        return found if place is None else found[0]


def rows(draws: Draws) -> list[Row]:
    """One row per method and budget: every measure, its interval, and differences from `full`, `elastic`, the best.

    `beyond_share` says what a method holds too much; one that does is not compared with the best.
    """
    found = [_row(draws, key) for key in sorted(draws.answers, key=lambda key: key[0] != "full")]
    for budget in {budget_of(row) for row in found if row["keep"] < 1}:
        _compare_with_best(draws, [row for row in found if budget_of(row) == budget and not row["beyond_share"]])
    return found


def _compare_with_best(draws: Draws, found: list[Row]) -> None:
    """Add to the rows of a budget how they differ from the best of them, which each measure names for itself."""
    for row in found:
        row["vs_best"] = {}
    for place, (name, measure) in enumerate(MEASURES.items()):
        known = [row for row in found if measure.title and row[name] is not None]
        ranking = sorted(known, key=itemgetter(name), reverse=measure.better == HIGHER)
        for row in ranking:
            values = draws.difference(_key(row), _key(ranking[0]), place)
            row["vs_best"][name] = {"difference": _number(values[0]), "ci": interval(values)}


def _row(draws: Draws, key: VariantKey) -> Row:
    policy, budget = key
    answers = draws.answers[key]
    row: Row = {"policy": policy, "keep": draws.share(budget), "budget": None if budget <= 1 else budget}
    row["n"] = len(answers)
    for name, values in zip(MEASURES, draws.values(key), strict=True):
        row[name], row[f"{name}_ci"] = _number(values[0]), interval(values)
    asked = draws.share(budget, [answer["prompt"] for answer in answers])  # some it may not have answered
    if row["share_read"] is None:
        row["beyond_share"] = beyond_share(asked, row["share_prompt"], row["share_peak_apart"])
    else:
        row["beyond_share"] = beyond_read(asked, row["share_read"])
    skills = dict.fromkeys(answer["skill"] for answer in answers)
    row["by_skill"] = {skill: _of_skill(draws, key, skill) for skill in skills}
    row["exact_by_skill"] = {
        skill: found["exact"] for skill, found in row["by_skill"].items() if found["exact"] is not None
    }
    for name, label in COMPARED.items():
        other = (label, budget if label != "full" else 1.0)
        if other in draws.answers and other != key:
            row[name] = {
                which: {"difference": _number(values[0]), "ci": interval(values)}
                for which, values in zip(MEASURES, draws.difference(key, other), strict=True)
            }
    return row


def _of_skill(draws: Draws, key: VariantKey, skill: str) -> Row:
    """How many answers there are of a skill, and what they come to."""
    found: Row = {"n": sum(answer["skill"] == skill for answer in draws.answers[key])}
    by_name = dict(zip(MEASURES, draws.of_skill(key, skill), strict=True))
    for name in BY_SKILL:
        found[name], found[f"{name}_ci"] = _number(by_name[name][0]), interval(by_name[name])
    return found


def _key(row: Row) -> VariantKey:
    return row["policy"], budget_of(row)


def _asked(answer: Record) -> tuple[str, str]:
    return answer["sample"], answer["skill"]


def interval(values: np.ndarray) -> list[float] | None:
    """The middle 95 % of the resamples (1 + DRAWS,), or None where nothing can be said."""
    drawn = values[1:][np.isfinite(values[1:])]
    return [float(bound) for bound in np.percentile(drawn, (2.5, 97.5))] if len(drawn) else None


def _number(value: float) -> Number:
    return float(value) if np.isfinite(value) else None
