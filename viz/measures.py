"""What an evaluation measures: titles, which way is better, how numbers are written, and who is best. Draws nothing."""

import math
from typing import NamedTuple


class Measure(NamedTuple):
    """A figure of the evaluation: its title, which way is better, how its numbers are written, and their unit."""

    title: str
    better: str  # "higher" or "lower"
    format: str
    unit: str = ""


MEASURES = {
    "exact": Measure("Exact answers", "higher", ".1%"),
    "exact_short": Measure("Exact answers to short questions", "higher", ".1%"),
    "exact_describe": Measure("Exact descriptions", "higher", ".1%"),
    "agreement": Measure("Agreement with the full cache", "higher", ".1%"),
    "agreement_before": Measure("Agreement before the first difference", "higher", ".1%"),
    "agreement_after": Measure("Agreement after the first difference", "higher", ".1%"),
    "rouge_l": Measure("ROUGE-L with the full cache's answer", "higher", ".3f"),
    "kl": Measure("KL divergence from the full cache", "lower", ".3g", " nats"),
    "perplexity": Measure("Perplexity of the reference answer", "lower", ".4g"),
    "repetition": Measure("Repetition in the answer", "lower", ".1%"),
}
COSTS = {
    "share_peak": Measure("Memory at the peak, share of full", "lower", ".1%"),
    "share_prompt": Measure("Memory after the prompt, share of full", "lower", ".1%"),
    "ms_per_token": Measure("Time per answer token", "lower", ".1f", " ms"),
    "compress_ms": Measure("Time to compress the prompt, once", "lower", ".1f", " ms"),
}


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


def bounds(row: dict, name: str) -> str:
    """The interval of a measure in brackets, in the unit of its value; empty where there is none."""
    written = [f"{end:{(MEASURES | COSTS)[name].format}}".rstrip("%") for end in interval(row, name) or ()]
    return f"[{', '.join(written)}]" if written else ""


def value(row: dict, name: str) -> str:
    """A measure of a row with its unit."""
    measure, found = (MEASURES | COSTS)[name], number(row, name)
    return "–" if found is None else f"{found:{measure.format}}{measure.unit}"


def keeps(rows: list[dict]) -> list[float]:
    """Budgets of the rows, the largest first."""
    return sorted({row["keep"] for row in rows}, reverse=True)


def ordered(rows: list[dict], name: str) -> list[dict]:
    """Rows that have the measure, the best first."""
    found = [row for row in rows if number(row, name) is not None]
    return sorted(found, key=lambda row: number(row, name), reverse=(MEASURES | COSTS)[name].better == "higher")


def verdict(rows: list[dict], name: str, keep: float) -> Verdict:
    """The best at a budget, all of them where several are, and those that cannot be told from it."""
    ranking = [row for row in ordered(rows, name) if row["keep"] == keep and row["policy"] != "full"]
    best = [row for row in ranking if number(row, name) == number(ranking[0], name)]
    return Verdict(best, [row for row in ranking[len(best) :] if _alike(best[0], row, name)])


def median_share(rows: list[dict], keep: float) -> float | None:
    """Memory that the middle one of the methods holds at a budget."""
    shares = sorted(number(row, "share_peak") or 0 for row in rows if row["keep"] == keep and row["policy"] != "full")
    return shares[len(shares) // 2] if shares else None


def holds_more(row: dict, rows: list[dict]) -> bool:
    """Whether a method holds a quarter more than is usual at its budget: then it is not judged on the same memory."""
    share, usual = number(row, "share_peak"), median_share(rows, row["keep"])
    return bool(share and usual and row["policy"] != "full" and share > 1.25 * usual)


def _alike(best: dict, row: dict, name: str) -> bool:
    """By the interval of their paired difference where one is known, else by whether their intervals overlap."""
    if ends := paired(row, "vs_best", name):
        return ends[0] <= 0 <= ends[1]
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
