"""Tables of an evaluation as HTML: methods by budgets, and methods by skills. Every text is escaped here."""

from collections.abc import Iterable
from functools import cache
from html import escape

from plotly.colors import sample_colorscale

from viz.measures import (
    COSTS,
    MEASURES,
    Verdict,
    bounds,
    holds_more,
    in_bytes,
    keeps,
    number,
    ordered,
    percent,
    value,
    verdict,
)

USUAL = 0.2  # the budget that tables open with, or the one nearest to it
NOTHING = '<p class="note">Not measured.</p>'
MARKED = (
    "★ best at this budget; ≈ not told apart from the best: by the interval of their paired difference, or where "
    "that is not known because both intervals overlap (two that overlap may still differ). In brackets: 95% "
    "intervals. <i>holds</i>: a quarter more memory than is usual at this budget, so not a fair comparison. "
    "Press a budget to sort by it."
)


def switch(what: str, label: str, options: Iterable[tuple[object, str]], chosen: object = None) -> str:
    """A choice of which of several panels is shown."""
    choices = "".join(
        f'<option value="{escape(str(key))}"{" selected" * (key == chosen)}>{escape(text)}</option>'
        for key, text in options
    )
    return f'<label class="switch">{label} <select data-switch="{what}">{choices}</select></label>'


def panel(what: str, key: object, content: str) -> str:
    """What a choice shows; without JavaScript all of them are there."""
    return f'<div data-panel="{what}" data-is="{escape(str(key))}">{content}</div>'


def budgets(rows: list[dict], name: str, marks: bool = False) -> str:
    """Methods by budgets: the full cache above, the others ordered by what they reach with the usual budget."""
    measure, columns = (MEASURES | COSTS)[name], keeps(rows)
    usual = _nearest(columns)
    labels = _labels_ranked([row for row in rows if row["keep"] == usual], name)
    labels = sorted(labels | dict.fromkeys(row["policy"] for row in rows), key=lambda label: label != "full")
    judged = {keep: verdict(rows, name, keep) if marks and keep < 1 else Verdict([], []) for keep in columns}
    direction = "descending" if measure.better == "higher" else "ascending"
    head = ""
    for keep in columns:
        sorted_by = f' aria-sort="{direction}"' if keep == usual else ""
        head += f'<th scope="col"{sorted_by}><button type="button">keep {percent(keep)}</button></th>'
    body = ""
    for label in labels:
        own = {row["keep"]: row for row in rows if row["policy"] == label}
        cells = "".join(_cell(own.get(keep), name, judged[keep], rows) for keep in columns)
        body += _line(label, cells)
    title = f"{measure.title}: {measure.better} is better"
    return _table(title, head, body, f' data-better="{measure.better}"')


def skills(rows: list[dict]) -> str:
    """Methods by skills, one table per budget, coloured by the share of exact answers."""
    rows = [row for row in rows if row.get("exact_by_skill")]
    names = sorted({name for row in rows for name in row["exact_by_skill"]})
    if not names:
        return NOTHING
    choices = [keep for keep in keeps(rows) if keep < 1] or keeps(rows)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    panels = ""
    for keep in choices:
        own = {row["policy"]: row for row in rows if row["keep"] == keep or row["policy"] == "full"}
        labels = sorted(_labels_ranked(own.values(), "exact") | own, key=lambda label: label != "full")
        body = "".join(_line(label, _heated(own[label]["exact_by_skill"], names)) for label in labels)
        panels += panel("skill", keep, _table(f"Exact answers, keep {percent(keep)}", head, body, ' class="heatmap"'))
    named = [(keep, f"keep {percent(keep)}") for keep in choices]
    return switch("skill", "Budget", named, _nearest(choices)) + panels


def holding(row: dict, rows: list[dict]) -> str:
    """How much a method holds, where that is much more than the others do."""
    return f"holds {percent(number(row, 'share_peak'))}" if holds_more(row, rows) else ""


def _nearest(columns: list[float]) -> float:
    return min(columns, key=lambda keep: abs(keep - USUAL))


def _labels_ranked(rows: Iterable[dict], name: str) -> dict[str, None]:
    return dict.fromkeys(row["policy"] for row in ordered(rows, name))


def _table(title: str, head: str, body: str, more: str = "") -> str:
    """A table in a box of its own, which keys can scroll too."""
    return (
        f'<div class="box" role="region" tabindex="0" aria-label="{escape(title)}">'
        f"<table{more}><caption>{escape(title)}</caption>"
        f'<thead><tr><th scope="col">Method</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _line(label: str, cells: str) -> str:
    kind = ' class="full"' if label == "full" else ""
    return f'<tr{kind}><th scope="row">{escape(label)}</th>{cells}</tr>'


def _cell(row: dict | None, name: str, judged: Verdict, rows: list[dict]) -> str:
    found = number(row, name) if row else None
    if found is None:
        return "<td>–</td>"
    kind = next((kind for kind, some in judged._asdict().items() if any(row is one for one in some)), None)
    sign, meaning = {"best": ("★", "best"), "level": ("≈", "not told apart from the best")}.get(kind, ("", ""))
    if sign:
        sign = f'<span class="sign" role="img" aria-label="{meaning}" title="{meaning}">{sign}</span>'
    held = number(row, name.replace("share", "bytes")) if name.startswith("share") else None
    more = [bounds(row, name), in_bytes(held) if held is not None else ""]
    more += [holding(row, rows)] if name in MEASURES else []
    small = "".join(f"<small>{line}</small>" for line in more if line)
    kind = f' class="{kind}"' if kind else ""
    return f'<td{kind} data-value="{found!r}">{sign}{value(row, name)}{small}</td>'


@cache
def _heat() -> list[str]:
    """A colour for every percent."""
    return [colour.strip("rgb()") for colour in sample_colorscale("Cividis", 101)]


def _heated(shares: dict, names: list[str]) -> str:
    cells = ""
    for share in (number(shares, name) for name in names):
        if share is None:
            cells += "<td>–</td>"
            continue
        colour = _heat()[round(100 * min(max(share, 0), 1))]
        ink = "#000" if share > 0.47 else "#fff"  # on yellow, and on blue
        cells += f'<td class="heat" style="--heat: {colour}; --on: {ink}">{share:.0%}</td>'
    return cells
