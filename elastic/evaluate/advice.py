"""The end of a run in words: a table, which method to use at which budget, and how sure one can be."""

from collections import defaultdict

import numpy as np

from elastic.evaluate.aggregates import MEASURES, Row
from elastic.evaluate.summary import Draws

BEYOND = "! holds more than its share of the bytes, after the prompt or at the peak of the answer: not compared"
COLUMNS = ("exact", "rouge_l", "perplexity", "kl", "share_prompt", "share_peak", "ms_per_token")


def table(rows: list[Row]) -> str:
    """Every method at every budget, by budget; `!` marks one that holds more than its share, as the last line says."""
    width = max([len("policy"), *(len(row["policy"]) for row in rows)])
    lines = [f"{'policy':<{width}}{'keep':>7}" + "".join(f"{MEASURES[name].short:>14}" for name in COLUMNS)]
    for row in sorted(rows, key=lambda row: (-row["keep"], row["policy"] != "full", row["policy"])):
        cells = ("-" if row[name] is None else f"{row[name]:{MEASURES[name].format}}" for name in COLUMNS)
        line = f"{row['policy']:<{width}}{row['keep']:>7g}" + "".join(f"{cell:>14}" for cell in cells)
        lines.append(line + (" !" if row["beyond_share"] else ""))
    if any(row["beyond_share"] for row in rows):
        lines.append(BEYOND)
    return "\n".join(lines)


def advice(draws: Draws, rows: list[Row]) -> list[str]:
    """One paragraph per budget below the full cache's."""
    by_exact = any(row["exact"] is not None for row in rows)
    measure, words = ("exact", "exact answers") if by_exact else ("rouge_l", "ROUGE-L against the full cache")
    budgets = sorted({row["keep"] for row in rows if row["keep"] < 1}, reverse=True)
    return [_of_budget(draws, [row for row in rows if row["keep"] == keep], measure, words) for keep in budgets]


def _of_budget(draws: Draws, rows: list[Row], measure: str, words: str) -> str:
    keep, which = rows[0]["keep"], list(MEASURES).index(measure)
    fair = [row for row in rows if not row["beyond_share"] and row[measure] is not None]
    aside = _beyond(rows)
    if len(fair) < 2:
        only = f"{fair[0]['policy']} has nothing to be compared with" if fair else "nothing can be compared"
        return f"At {keep:g} of the cache: {only}.{aside}"
    values = np.array([draws.values((row["policy"], keep))[which] for row in fair])
    best = int(values[:, 0].argmax())
    drawn = values[:, 1:][:, np.isfinite(values[:, 1:]).all(0)]
    is_best = drawn == drawn.max(0)
    sure = (is_best / is_best.sum(0)).mean(1)[best]  # a draw with several best ones is shared by them
    others = [row for number, row in enumerate(fair) if number != best]
    alike = [row["policy"] for row in others if _alike(draws, fair[best], row, which)]
    all_others = "all others that are compared" if aside else "all others"
    rest = f"{_listed(alike)} cannot be told apart" if alike else f"{all_others} are worse beyond doubt"
    name, share = fair[best]["policy"], fair[best][measure]
    score = f"{share:.1%}" if measure == "exact" else f"{share:.3f}"
    return f"At {keep:g} of the cache: {name} ({score} {words}; best in {sure:.0%} of resamples; {rest}).{aside}"


def _beyond(rows: list[Row]) -> str:
    """Who is not compared, and why."""
    whose = defaultdict(list)
    for row in rows:
        if row["beyond_share"]:
            whose[row["beyond_share"]].append(row["policy"])
    found = "; ".join(f"{_listed(who)} ({'each ' * (len(who) > 1)}{why})" for why, who in whose.items())
    return f" Not compared, as beyond their share: {found}." if found else ""


def _alike(draws: Draws, best: Row, row: Row, which: int) -> bool:
    """Whether the interval of the paired difference holds 0."""
    drawn = draws.difference((best["policy"], best["keep"]), (row["policy"], row["keep"]))[which, 1:]
    low, high = np.nanpercentile(drawn, (2.5, 97.5)) if np.isfinite(drawn).any() else (0, 0)
    return low <= 0 <= high


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
