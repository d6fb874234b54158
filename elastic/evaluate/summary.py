"""From answers to rows: each measure of each method with a bootstrap interval, and paired differences.

Every measure is a ratio of two sums over answers (`aggregates`), so that a resample of the units (samples; a
conversation is one) is one matrix product. All methods are resampled alike: draw d takes the same units for each of
them.
"""

from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter

import numpy as np

from elastic.evaluate.aggregates import HIGHER, MEASURES, Number, Row
from elastic.evaluate.lines import Record
from elastic.fairness import beyond_share

DRAWS = 2000
COMPARED = {"vs_full": "full", "vs_elastic": "elastic"}

Key = tuple[str, float]  # policy's label, keep


IS_LOG = np.array([measure.is_log for measure in MEASURES.values()])


class Draws:
    """Resamples of the units that any method has answered, the same for all methods."""

    def __init__(self, answers: Iterable[Record], seed: int = 0) -> None:
        answers = list(answers)
        full = [answer for answer in answers if answer["policy"] == "full"]
        peak = {(answer["sample"], answer["skill"]): answer["bytes_peak"] for answer in full}
        self.answers: defaultdict[Key, list[Record]] = defaultdict(list)
        for answer in answers:
            full_peak = peak.get((answer["sample"], answer["skill"]))
            if full_peak is not None:  # without the full cache's answer there is nothing to compare with
                self.answers[answer["policy"], answer["keep"]].append(answer | {"full_peak": full_peak})
        names = sorted({answer["sample"] for answer in answers})
        self.unit = {name: number for number, name in enumerate(names)}
        rng = np.random.default_rng(seed)
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS) if names else np.ones((1, 0))
        # The first row is no resample: every unit once.
        self.times = np.concatenate([np.ones((1, len(names))), times])
        self._sums: dict[Key, np.ndarray] = {}

    def sums(self, key: Key) -> np.ndarray:
        """Sums of part and whole of each measure and unit, (M, 2, units)."""
        if key not in self._sums:
            sums = self._sums[key] = np.zeros((len(MEASURES), 2, len(self.unit)))
            for answer in self.answers[key]:
                for row, measure in enumerate(MEASURES.values()):
                    if (part := measure.part(answer)) is not None:
                        sums[row, :, self.unit[answer["sample"]]] += np.array([part, measure.whole(answer)])
        return self._sums[key]

    def values(self, key: Key, by: np.ndarray | None = None, only: slice = slice(None)) -> np.ndarray:
        """Each measure of all units and of each resample, (M, 1 + DRAWS); NaN where nothing can be said.

        `by` (M, 1, units) are those to go by; `only` some of the measures.
        """
        sums = self.sums(key)[only] if by is None else self.sums(key)[only] * by
        part, whole = np.moveaxis(sums @ self.times.T, 1, 0)
        is_log = IS_LOG[only]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            ratio: np.ndarray = part / whole
            ratio[is_log] = np.exp(ratio[is_log])
        return ratio

    def difference(self, key: Key, other: Key, place: int | None = None) -> np.ndarray:
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
    found = [_row(draws, key) for key in draws.answers]
    for keep in {row["keep"] for row in found if row["keep"] < 1}:
        _compare_with_best(draws, [row for row in found if row["keep"] == keep and not row["beyond_share"]])
    return found


def _compare_with_best(draws: Draws, found: list[Row]) -> None:
    """Add to the rows of a budget how they differ from the best of them, which each measure names for itself."""
    for row in found:
        row["vs_best"] = {}
    for place, (name, measure) in enumerate(MEASURES.items()):
        known = [row for row in found if measure.title and row[name] is not None]
        ranking = sorted(known, key=itemgetter(name), reverse=measure.better == HIGHER)
        for row in ranking:
            against = ranking[0]["policy"], ranking[0]["keep"]
            values = draws.difference((row["policy"], row["keep"]), against, place)
            row["vs_best"][name] = {"difference": _number(values[0]), "ci": interval(values)}


def _row(draws: Draws, key: Key) -> Row:
    policy, keep = key
    answers = draws.answers[key]
    row: Row = {"policy": policy, "keep": keep, "n": len(answers)}
    for name, values in zip(MEASURES, draws.values(key), strict=True):
        row[name], row[f"{name}_ci"] = _number(values[0]), interval(values)
    row["beyond_share"] = beyond_share(keep, row["share_prompt"], row["share_peak"])
    row["exact_by_skill"] = {
        skill: share
        for skill in dict.fromkeys(answer["skill"] for answer in answers)
        if (share := _mean(answer["exact"] for answer in answers if answer["skill"] == skill)) is not None
    }
    for name, label in COMPARED.items():
        other = (label, keep if label != "full" else 1.0)
        if other in draws.answers and other != key:
            row[name] = {
                which: {"difference": _number(values[0]), "ci": interval(values)}
                for which, values in zip(MEASURES, draws.difference(key, other), strict=True)
            }
    return row


def interval(values: np.ndarray) -> list[float] | None:
    """The middle 95 % of the resamples (1 + DRAWS,), or None where nothing can be said."""
    drawn = values[1:][np.isfinite(values[1:])]
    return [float(bound) for bound in np.percentile(drawn, (2.5, 97.5))] if len(drawn) else None


def _number(value: float) -> Number:
    return float(value) if np.isfinite(value) else None


def _mean(values: Iterable[Number]) -> Number:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
