"""Tables of an evaluation: methods by budgets, and methods by skills. How they look: `assets/report/tables.html`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from plotly.colors import sample_colorscale

from viz.measures import ReportedMeasure, Verdict, column, in_bytes, keeps, number, ordered, verdict

USUAL = 0.2  # the budget that tables open with, or the one nearest to it


@dataclass(frozen=True)
class Cell:
    """A figure: as it is read and as it is sorted, what it is among the others, and what stands below."""

    text: str = "–"
    number: float | None = None
    kind: str = ""  # "best", "level" with it, "beyond" its share of memory, or nothing of that
    below: tuple[str, ...] = ()
    colours: tuple[str, str] | None = None  # of the ground and of the text


@dataclass(frozen=True)
class ReportTable:
    """Methods by columns. A column can be sorted by where the measure says what is `better`; else it is a heat map."""

    title: str
    columns: list[tuple[str, str]]  # each with the direction it is sorted in, "" where it is not
    lines: list[tuple[str, list[Cell]]]  # each with its method
    better: str = ""


def budgets(rows: list[dict], measure: ReportedMeasure) -> ReportTable:
    """Methods by budgets: the full cache above, the others ordered by what they reach with the usual budget.

    Of quality the best are marked. Those that hold more than their share stand below, and say so.
    """
    columns, is_judged = keeps(rows), not measure.is_cost
    usual = nearest(columns)
    labels = _labels_ranked([row for row in rows if row["keep"] == usual], measure)
    labels = sorted(labels | dict.fromkeys(row["policy"] for row in rows), key=lambda label: label != "full")
    judged = {keep: verdict(rows, measure, keep) if is_judged and keep < 1 else Verdict([], []) for keep in columns}
    direction = "descending" if measure.better == "higher" else "ascending"
    lines = []
    for label in labels:
        own = {row["keep"]: row for row in rows if row["policy"] == label}
        lines.append((label, [_cell(own.get(keep), measure, judged[keep]) for keep in columns]))
    return ReportTable(
        title=f"{measure.title}: {measure.better} is better",
        columns=[(column(rows, keep), direction if keep == usual else "") for keep in columns],
        lines=lines,
        better=measure.better,
    )


def skills(rows: list[dict], exact: ReportedMeasure | None) -> dict[float, ReportTable]:
    """Methods by skills, one table per budget, coloured by the share of exact answers; none where none is known."""
    rows = [row for row in rows if row.get("exact_by_skill")]
    names = sorted({name for row in rows for name in row["exact_by_skill"]})
    if not names or exact is None:
        return {}
    tables = {}
    for keep in [keep for keep in keeps(rows) if keep < 1] or keeps(rows):
        own = {row["policy"]: row for row in rows if row["keep"] == keep or row["policy"] == "full"}
        labels = sorted(_labels_ranked(own.values(), exact) | own, key=lambda label: label != "full")
        lines = [(label, [_heated(own[label]["exact_by_skill"], name) for name in names]) for label in labels]
        tables[keep] = ReportTable(f"Exact answers, {column(rows, keep)}", [(name, "") for name in names], lines)
    return tables


def nearest(columns: Iterable[float]) -> float:
    """The budget that tables open with."""
    return min(columns, key=lambda keep: abs(keep - USUAL))


def _labels_ranked(rows: Iterable[dict], measure: ReportedMeasure) -> dict[str, None]:
    return dict.fromkeys(row["policy"] for row in ordered(rows, measure))


def _cell(row: dict | None, measure: ReportedMeasure, judged: Verdict) -> Cell:
    name = measure.name
    found = number(row, name) if row else None
    if found is None:
        return Cell()
    kind = next((kind for kind, some in judged._asdict().items() if any(row is one for one in some)), "")
    held = number(row, name.replace("share", "bytes")) if name.startswith("share") else None
    beyond = row.get("beyond_share", "")
    below = (measure.bounds(row), in_bytes(held) if held is not None else "", beyond)
    # Without its number a cell is sorted below all others, whatever the order.
    return Cell(
        measure.value(row), None if beyond else found, kind or "beyond" * bool(beyond), tuple(filter(None, below))
    )


@cache
def _heat() -> list[str]:
    """A colour for every percent."""
    return [colour.strip("rgb()") for colour in sample_colorscale("Cividis", 101)]


def _heated(shares: dict, name: str) -> Cell:
    share = number(shares, name)
    if share is None:
        return Cell()
    ground = _heat()[round(100 * min(max(share, 0), 1))]
    ink = "#000" if share > 0.47 else "#fff"  # on yellow, and on blue
    return Cell(f"{share:.0%}", colours=(ground, ink))
