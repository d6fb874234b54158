"""An evaluation as one HTML file that needs nothing else: curves, tables, and the worst failures word by word."""

import json
import re
from collections import defaultdict
from difflib import SequenceMatcher
from functools import cache
from typing import NamedTuple

from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from viz.joiner import joined
from viz.measures import (
    ReportedMeasure,
    column,
    interval,
    keeps,
    number,
    of_cache,
    ordered,
    paired,
    read_measures,
    verdict,
)
from viz.quality import quality
from viz.replay import POLICY
from viz.tables import budgets, nearest, skills
from viz.templates import ASSETS, filled

PICTURE = re.compile(r"data:image/(jpeg|png|webp);base64,[A-Za-z0-9+/]+=*")
OF_FAILURE = ("rouge_l", "agreement")  # measures that are known of a single answer
ABOUT = (  # settings that stand above everything
    *("model", "data", "caches", "order", "device", "dtype", "date", "elastic", "versions", "torch", "transformers"),
)
LEFT_OUT = {"left_out": "Left out", "skipped": "Skipped", "errors": "Errors"}


class Failure(NamedTuple):
    """A wrong answer beside the others; `picture` is its place among the report's pictures."""

    about: str
    question: str
    picture: int | None
    sides: list[tuple[str, str]]


def report_html(results: dict) -> str:
    """A self-contained page of an evaluation's results and of what failed worst, without a server or a network.

    `results` are what `elastic.evaluate` writes as JSON; whatever is missing is said to be.
    """
    rows, settings = results.get("rows") or [], results.get("settings") or {}
    measures = read_measures(results.get("measures") or {})
    known = {name: each for name, each in measures.items() if any(number(row, name) is not None for row in rows)}
    measured = [measure for measure in known.values() if not measure.is_cost]
    costs = [measure for measure in known.values() if measure.is_cost]
    by_skill = skills(rows, known.get("exact"))
    curves = ",".join(f'"{measure.name}":{quality(rows, measure).to_json()}' for measure in measured)
    parts = {
        "policy": POLICY,
        "title": f"KV-cache methods compared · {_text(settings.get('model'))}",
        "note": _headline(rows, settings),
        "style": _asset("report/style.css"),
        "judged_by": f"{measured[0].title}, {measured[0].better} is better" if measured else "",
        "summary": _summary(rows, measured[0], known.get("share_peak")) if measured else [],
        "quality": {measure.name: budgets(rows, measure) for measure in measured},
        "titles": [(measure.name, measure.title) for measure in measured],
        "skills": by_skill,
        "budgets": [(keep, column(rows, keep)) for keep in by_skill],
        "usual": nearest(by_skill) if by_skill else None,
        "costs": {measure.name: budgets(rows, measure) for measure in costs},
        "titles_of_costs": [(measure.name, measure.title) for measure in costs],
        "left_out": [(title, _lines(settings.get(name))) for name, title in LEFT_OUT.items()],
        "settings": [(name, _text(found)) for name, found in settings.items() if name not in LEFT_OUT],
        "figures": _inert(f"{{{curves}}}"),
        "plotly": Markup(get_plotlyjs() if measured else ""),
        "script": Markup(joined(ASSETS / "web" / "report" / "main.js")),
        **_failures(results, [measures[name] for name in OF_FAILURE if name in measures]),
    }
    # Half a character, which a file of questions can hold, could not be written to a file.
    return filled("report/page.html", **parts).encode("utf-8", "replace").decode()


def marked(text: str, other: str) -> Markup:
    """A text as HTML, with the words marked that another text does not have in the same order."""
    words = text.split()
    blocks = SequenceMatcher(None, words, other.split(), autojunk=False).get_matching_blocks()
    shared = {place for block in blocks for place in range(block.a, block.a + block.size)}
    pieces, place = [], 0
    for piece in re.findall(r"\s+|\S+", text):
        if piece.isspace():
            pieces.append(piece)
            continue
        pieces.append(escape(piece) if place in shared else f"<mark>{escape(piece)}</mark>")
        place += 1
    # Neighbours are one mark. What the text itself says is escaped by now, and not meant.
    return Markup(re.sub(r"</mark>(\s+)<mark>", r"\1", "".join(pieces)))


@cache
def _asset(path: str) -> Markup:
    """A file of ours among the assets, as it stands."""
    return Markup((ASSETS / path).read_text(encoding="utf-8"))


def _inert(data: str) -> Markup:
    """JSON with no sign that could end the script element it stands in."""
    return Markup(data.replace("<", "\\u003c"))


def _is_picture(address: object) -> bool:
    return isinstance(address, str) and bool(PICTURE.fullmatch(address))


def _text(found: object) -> str:
    """A setting as one line of plain text."""
    if isinstance(found, dict):
        return ", ".join(f"{name} {_text(inner)}" for name, inner in found.items())
    return ", ".join(map(_text, found)) if isinstance(found, list | tuple) else "–" if found is None else str(found)


def _headline(rows: list[dict], settings: dict) -> str:
    methods, samples = len({row["policy"] for row in rows}), max((row.get("n") or 0 for row in rows), default=0)
    asked = len([keep for keep in keeps(rows) if keep < 1])
    said = _in_words(settings)
    counts = f"Methods: {methods} · Budgets below the full cache: {asked} · Samples: {samples:,}"
    parts = [f"{name.capitalize()}: {_text(said[name])}" for name in ABOUT if said.get(name)]
    return " · ".join([counts, *parts])


def _in_words(settings: dict) -> dict:
    """When caches were compressed and what came first, as one says it; beside all that the settings say."""
    first = "text" if settings.get("texts") else "picture"
    when = {"known": "compressed after the question", "unknown": "compressed before the question"}
    order = {"picture": f"{first} first", "question": "question first"}
    return settings | {
        "caches": when.get(str(settings.get("question")), ""),
        "order": order.get(str(settings.get("layout")), ""),
    }


def _summary(rows: list[dict], measure: ReportedMeasure, peak: ReportedMeasure | None) -> list[str]:
    """Per budget the best method and whom it cannot be told from, by one measure."""
    by_budget = [
        line for keep in keeps(rows) if keep < 1 for line in (_best_at(rows, measure, keep), _beyond(rows, keep))
    ]
    full = [f"The full cache: {_judged(row, measure)}." for row in rows if row["policy"] == "full"]
    return [line for line in [*full, *by_budget, _smallest(rows, measure, peak)] if line]


def _best_at(rows: list[dict], measure: ReportedMeasure, keep: float) -> str:
    best, level = verdict(rows, measure, keep)
    if not best:
        return ""
    first = Markup(" and ").join(Markup("<b>{}</b>").format(row["policy"]) for row in best)
    alike = ", ".join(row["policy"] for row in level)
    others = [row for row in ordered(rows, measure) if row["keep"] == keep and row["policy"] != "full"]
    if len(others) == len(best):
        rest = ""
    elif any(interval(row, measure.name) is None for row in others):
        rest = " How sure that is cannot be said: intervals are missing."
    else:
        all_others = "All others that are compared" if _beyond(rows, keep) else "All others"
        rest = f" Not told apart from it: {alike}." if alike else f" {all_others} are worse, beyond the intervals."
    return Markup("With {}: {}, {}.{}").format(of_cache(rows, keep), first, _judged(best[0], measure), rest)


def _beyond(rows: list[dict], keep: float) -> str:
    """Who is not compared at a budget, and why."""
    whose = defaultdict(list)
    for row in rows:
        if row["keep"] == keep and row.get("beyond_share"):
            whose[row["beyond_share"]].append(row["policy"])
    found = "; ".join(f"{', '.join(who)} ({'each ' * (len(who) > 1)}{why})" for why, who in whose.items())
    return f"Not compared with {of_cache(rows, keep)}, as beyond their share: {found}." if found else ""


def _smallest(rows: list[dict], measure: ReportedMeasure, peak: ReportedMeasure | None) -> str:
    """Which method holds least among those that surely lose little, by the paired difference from the full cache."""
    name, number_format = measure.name, measure.format
    whole = max((number(row, name) or 0 for row in rows if row["policy"] == "full"), default=0)
    sign = 1 if measure.better == "higher" else -1
    of_those = " of those compared" if any(row.get("beyond_share") for row in rows) else ""
    for row in ordered(rows, peak) if peak else ():
        ends = paired(row, "vs_full", name)
        if row["policy"] != "full" and row["keep"] < 1 and ends and min(sign * end for end in ends) > -whole / 20:
            low, high = (f"{end:+{number_format}}".replace("%", "").replace("-", "−") for end in ends)
            unit = " points" if number_format.endswith("%") else measure.unit
            where = f"{row['policy']} with {column([row], row['keep'])}, which holds {peak.value(row)}"
            sentence = f"{where}. Its difference from full: {low} to {high}{unit}."
            return f"Smallest cache{of_those} that surely loses less than a twentieth: {sentence}"
    return f"No compressed cache{of_those} surely loses less than a twentieth, as far as these samples tell."


def _judged(row: dict, measure: ReportedMeasure) -> str:
    return f"{measure.value(row)} {measure.bounds(row)}".strip()


def _failures(results: dict, measures: list[ReportedMeasure]) -> dict[str, object]:
    """What each method got most wrong, the largest budget first, where it says most; and the pictures of that."""
    failures, pictures = results.get("failures") or [], results.get("pictures") or []
    safe = [place for place, picture in enumerate(pictures) if _is_picture(picture)]
    places = {place: number for number, place in enumerate(safe)}
    shown = []
    for label in dict.fromkeys(failure["policy"] for failure in failures):
        own = sorted((found for found in failures if found["policy"] == label), key=lambda found: -found["keep"])
        shown.append((label, [_failure(failure, places, measures) for failure in own]))
    return {"failures": shown, "pictures": _inert(json.dumps([pictures[place] for place in safe]))}


def _failure(failure: dict, places: dict[int, int], measures: list[ReportedMeasure]) -> Failure:
    full, answer = failure.get("full") or "", failure.get("answer") or ""
    parts = [column([failure], failure["keep"]), failure.get("skill"), f"sample {failure.get('sample')}"]
    parts += [f"{measure.short} {measure.value(failure)}" for measure in measures]
    sides = [("Full cache", marked(full, answer)), (failure["policy"], marked(answer, full))]
    if failure.get("reference") is not None:
        sides.append(("Reference", failure["reference"]))
    about = " · ".join(str(part) for part in parts if part)
    return Failure(about, failure.get("question") or "", places.get(failure.get("picture")), sides)


def _lines(found: object) -> list[str]:
    """A setting as lines, one for each thing it lists."""
    found = found or ["Nothing."]
    found = [f"{what}: {_text(why)}" for what, why in found.items()] if isinstance(found, dict) else found
    return [_text(line) for line in found]
