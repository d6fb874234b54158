"""The end of a run in words: a table, which method to use at which budget, and how sure one can be."""

from collections import defaultdict

import numpy as np

from elastic.evaluate.aggregates import HIGHER, MEASURES, Row
from elastic.evaluate.methods import budget_of
from elastic.evaluate.summary import Draws

BEYOND = (
    "! holds more than its share of the bytes, after the prompt or at the peak of the answer, or reads more than that "
    "at a word: not compared"
)
COLUMNS = (
    *("exact", "exact_of_full", "value_right", "rouge_l", "perplexity", "kl", "dropped", "dropped_needed"),
    *("slots", "per_slot", "share_prompt", "share_peak", "share_read", "ms_per_token"),
)
# What decides, where it is known: the first of them.
DECIDES = {"exact": "exact answers", "rouge_l": "ROUGE-L against the full cache", "kl": "nats from the full cache"}


def protocol(settings: Row) -> str:
    """In one line what numbers are of: model, data, when caches were compressed, and what came first."""
    is_text = settings.get("texts") is not None
    first = {"picture": "text" if is_text else "picture", "question": "question"}[settings["layout"]]
    data, tokens = settings["data"], settings.get("tokens")
    parts = [
        settings["model"],
        f"{data}, texts of {tokens} tokens" if tokens else data,
        None if settings["seed"] is None else f"seed {settings['seed']}",
        "compressed after the question" if settings["question"] == "known" else "compressed before the question",
        f"{first} first",
    ]
    return " · ".join(filter(None, parts))


def budget_name(row: Row) -> str:
    """A budget as it is read: a share, or tokens."""
    return f"{row['budget']:.0f} tok" if row.get("budget") else f"{row['keep']:g}"


def table(rows: list[Row]) -> str:
    """Every method at every budget, by budget; `!` marks one that holds more than its share, as the last line says."""
    width = max([len("policy"), *(len(row["policy"]) for row in rows)])
    budget = 2 + max([7, *(len(budget_name(row)) for row in rows)])
    columns = [name for name in COLUMNS if any(row[name] is not None for row in rows)]
    lines = [f"{'policy':<{width}}{'keep':>{budget}}" + "".join(f"{MEASURES[name].short:>15}" for name in columns)]
    for row in sorted(rows, key=lambda row: (-row["keep"], row["policy"] != "full", row["policy"])):
        cells = ("-" if row[name] is None else f"{row[name]:{MEASURES[name].format}}" for name in columns)
        line = f"{row['policy']:<{width}}{budget_name(row):>{budget}}" + "".join(f"{cell:>15}" for cell in cells)
        lines.append(line + (" !" if row["beyond_share"] else ""))
    if any(row["beyond_share"] for row in rows):
        lines.append(BEYOND)
    return "\n".join(lines)


def advice(draws: Draws, rows: list[Row]) -> list[str]:
    """One paragraph per budget below the full cache's."""
    known = (name for name in DECIDES if any(row[name] is not None for row in rows))
    measure = next(known, "exact")
    budgets = sorted({(row["keep"], budget_of(row)) for row in rows if row["policy"] != "full"}, reverse=True)
    budgets = [(keep, budget) for keep, budget in budgets if keep < 1]
    return [_of_budget(draws, [row for row in rows if budget_of(row) == budget], measure) for _, budget in budgets]


def _of_budget(draws: Draws, rows: list[Row], measure: str) -> str:
    budget, which = budget_of(rows[0]), list(MEASURES).index(measure)
    at = f"At {rows[0]['keep']:.3g} of the cache" if budget <= 1 else f"At {budget:.0f} tokens"
    fair = [row for row in rows if not row["beyond_share"] and row[measure] is not None]
    aside = _reading(fair) + _beyond(rows)
    if len(fair) < 2:
        only = f"{fair[0]['policy']} has nothing to be compared with" if fair else "nothing can be compared"
        return f"{at}: {only}.{aside}"
    sign = 1 if MEASURES[measure].better == HIGHER else -1
    values = sign * np.array([draws.values((row["policy"], budget))[which] for row in fair])
    best = int(values[:, 0].argmax())
    drawn = values[:, 1:][:, np.isfinite(values[:, 1:]).all(0)]
    is_best = drawn == drawn.max(0)
    # A draw with several best ones is shared by them.
    sure = (
        f"best in {(is_best / is_best.sum(0)).mean(1)[best]:.0%} of resamples" if drawn.size else "too few to be sure"
    )
    others = [row for number, row in enumerate(fair) if number != best]
    alike = [row["policy"] for row in others if _alike(draws, fair[best], row, which)]
    all_others = "all others that are compared" if len(fair) < len(rows) else "all others"
    rest = f"{_listed(alike)} cannot be told apart" if alike else f"{all_others} are worse beyond doubt"
    name, share = fair[best]["policy"], fair[best][measure]
    score = f"{share:.1%}" if measure == "exact" else f"{share:.3f}"
    return f"{at}: {name} ({score} {DECIDES[measure]}; {sure}; {rest}).{aside}"


def _reading(rows: list[Row]) -> str:
    """Whose share is of what a word reads, and what they hold meanwhile."""
    reading = [row for row in rows if row["share_read"]]
    return "".join(f" {row['policy']} reads its share, and holds {row['share_prompt']:.0%}." for row in reading)


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
    drawn = draws.difference((best["policy"], budget_of(best)), (row["policy"], budget_of(row)))[which, 1:]
    low, high = np.nanpercentile(drawn, (2.5, 97.5)) if np.isfinite(drawn).any() else (0, 0)
    return low <= 0 <= high


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
