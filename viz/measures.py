"""What results say of themselves: measures, which way is better, how numbers are written, who is best. Draws nothing.

Measures come with the results (`results["measures"]`), and so does what a method holds beyond its share
(`row["beyond_share"]`): such a row is shown, and takes no part in what is best.
"""

import math
from typing import NamedTuple


class ReportedMeasure(NamedTuple):
    """A figure of the evaluation: its title, which way is better, how its numbers are written, and their unit."""

    name: str  # of its entry in a row
    title: str
    short: str  # the title where there is little room
    better: str  # "higher" or "lower"
    format: str
    unit: str
    is_cost: bool  # memory or time, no quality

    def value(self, row: dict) -> str:
        """The measure of a row with its unit."""
        found = number(row, self.name)
        return "–" if found is None else f"{found:{self.format}}{self.unit}"

    def bounds(self, row: dict) -> str:
        """Its interval in brackets, in the unit of its value; empty where there is none."""
        written = [f"{end:{self.format}}".rstrip("%") for end in interval(row, self.name) or ()]
        return f"[{', '.join(written)}]" if written else ""


def read_measures(described: dict[str, dict]) -> dict[str, ReportedMeasure]:
    """Measures by name, from what results say of them."""
    return {name: ReportedMeasure(name, **about) for name, about in described.items()}


class Verdict(NamedTuple):
    """Who is best at a budget, and whom the intervals do not tell from the best."""

    best: list[dict]
    level: list[dict]


def number(row: dict, name: str) -> float | None:
    """A finite number of a row, or None."""
    value = row.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def interval(row: dict, name: str) -> tuple[float, float] | None:
    """The interval of a measure, or None."""
    return _ends(row.get(f"{name}_ci"))


def in_bytes(count: float) -> str:
    """Bytes with about three digits; half a MiB rather than 512 KiB, as on the page."""
    units = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
    unit, size = next((unit for unit in units if count >= unit[1] / 4), ("B", 1))
    value = count / size
    return f"{value:,.{0 if value >= 100 or size == 1 else 1 if value >= 10 else 2}f} {unit}"


def percent(share: float | None) -> str:
    """A share in as few digits as it has: 5%, 12.5%."""
    return "–" if share is None else f"{100 * share:.3g}%"


def budget(row: dict) -> str:
    """What a row or an answer was asked to hold, as it is read: a share, or tokens."""
    return f"{row['budget']:,.0f} tokens" if row.get("budget") else percent(row["keep"])


def column(rows: list[dict], keep: float) -> str:
    """The title of a budget's column: "keep 20%", or what was asked for in tokens with the share that is."""
    row = next(row for row in rows if row["keep"] == keep)
    return f"{budget(row)} ({percent(keep)})" if row.get("budget") else f"keep {percent(keep)}"


def of_cache(rows: list[dict], keep: float) -> str:
    """A budget in a sentence: "20% of the cache", or tokens."""
    row = next(row for row in rows if row["keep"] == keep)
    return budget(row) if row.get("budget") else f"{percent(keep)} of the cache"


def keeps(rows: list[dict]) -> list[float]:
    """Budgets of the rows, the largest first."""
    return sorted({row["keep"] for row in rows}, reverse=True)


def ordered(rows: list[dict], measure: ReportedMeasure) -> list[dict]:
    """Rows that have the measure and hold no more than their share, the best first."""
    found = [row for row in rows if number(row, measure.name) is not None and not row.get("beyond_share")]
    return sorted(found, key=lambda row: number(row, measure.name), reverse=measure.better == "higher")


def verdict(rows: list[dict], measure: ReportedMeasure, keep: float) -> Verdict:
    """The best at a budget, all of them where several are, and those that cannot be told from it."""
    name = measure.name
    ranking = [row for row in ordered(rows, measure) if row["keep"] == keep and row["policy"] != "full"]
    best = [row for row in ranking if number(row, name) == number(ranking[0], name)]
    return Verdict(best, [row for row in ranking[len(best) :] if _alike(best[0], row, name)])


def _alike(best: dict, row: dict, name: str) -> bool:
    """By the interval of their paired difference where one is known, else by whether their intervals overlap.

    Where both were compared and have no answer in common, nothing can be said: they are alike.
    """
    if ends := paired(row, "vs_best", name):
        return ends[0] <= 0 <= ends[1]
    if (row.get("vs_best") or {}).get(name):
        return True
    for one, other in ((best, row), (row, best)):
        if one["policy"] == "elastic" and (ends := paired(other, "vs_elastic", name)):
            return ends[0] <= 0 <= ends[1]
    one, other = interval(best, name), interval(row, name)
    return bool(one and other and one[0] <= other[1] and other[0] <= one[1])


def paired(row: dict, against: str, name: str) -> tuple[float, float] | None:
    """The interval of a row's difference, `vs_full`, `vs_elastic` or `vs_best`, over the same samples, or None."""
    return _ends(((row.get(against) or {}).get(name) or {}).get("ci"))


def _ends(pair: object) -> tuple[float, float] | None:
    ends = [number({"": end}, "") for end in pair] if isinstance(pair, list | tuple) else []
    return (ends[0], ends[1]) if len(ends) == 2 and None not in ends else None
