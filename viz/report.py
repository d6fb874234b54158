"""An evaluation as one HTML file that needs nothing else: curves, tables, and the worst failures word by word."""

import json
import re
from difflib import SequenceMatcher
from functools import cache
from typing import NamedTuple

from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from viz.joiner import joined
from viz.measures import COSTS, MEASURES, bounds, interval, keeps, number, ordered, paired, percent, value, verdict
from viz.quality import quality
from viz.replay import POLICY
from viz.tables import budgets, holding, nearest, skills
from viz.templates import ASSETS, filled

PICTURE = re.compile(r"data:image/(jpeg|png|webp);base64,[A-Za-z0-9+/]+=*")
LEFT_OUT = {"left_out": "Left out", "skipped": "Skipped", "errors": "Errors"}


class Failure(NamedTuple):
    """A wrong answer beside the others; `picture` is its place among the report's pictures."""

    about: str
    question: str
    picture: int | None
    sides: list[tuple[str, str]]


def report_html(results: dict, failures: list[dict]) -> str:
    """A self-contained page of an evaluation's results and of what failed worst, without a server or a network."""
    rows, settings = results.get("rows") or [], results.get("settings") or {}
    measured, costs, by_skill = _known(rows, MEASURES), _known(rows, COSTS), skills(rows)
    pictures = list(dict.fromkeys(failure["picture"] for failure in failures if _is_picture(failure.get("picture"))))
    curves = ",".join(f'"{name}":{quality(rows, name).to_json()}' for name in measured)
    parts = {
        "policy": POLICY,
        "title": f"KV-cache methods compared · {_text(settings.get('model'))}",
        "note": _headline(rows, settings),
        "style": _asset("report/style.css"),
        "judged_by": f"{MEASURES[measured[0]].title}, {MEASURES[measured[0]].better} is better" if measured else "",
        "summary": _summary(rows, measured[0]) if measured else [],
        "quality": {name: budgets(rows, name, marks=True) for name in measured},
        "titles": [(name, MEASURES[name].title) for name in measured],
        "skills": by_skill,
        "budgets": [(keep, f"keep {percent(keep)}") for keep in by_skill],
        "usual": nearest(by_skill) if by_skill else None,
        "costs": {name: budgets(rows, name) for name in costs},
        "titles_of_costs": [(name, COSTS[name].title) for name in costs],
        "failures": _failures(failures, {picture: place for place, picture in enumerate(pictures)}),
        "left_out": [(title, _lines(settings.get(name))) for name, title in LEFT_OUT.items()],
        "settings": [(name, _text(found)) for name, found in settings.items() if name not in LEFT_OUT],
        "figures": _inert(f"{{{curves}}}"),
        "pictures": _inert(json.dumps(pictures)),
        "plotly": Markup(get_plotlyjs() if measured else ""),
        "script": Markup(joined(ASSETS / "web" / "report" / "main.js")),
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


def _known(rows: list[dict], names: dict) -> list[str]:
    return [name for name in names if any(number(row, name) is not None for row in rows)]


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
    said = f"Methods: {methods} · Budgets below the full cache: {asked} · Samples: {samples:,}"
    parts = [
        f"{name.capitalize()}: {_text(settings[name])}"
        for name in ("model", "device", "dtype", "date", "versions", "torch", "transformers")
        if settings.get(name)
    ]
    return " · ".join([said, *parts])


def _summary(rows: list[dict], name: str) -> list[str]:
    """Per budget the best method and whom it cannot be told from, by one measure."""
    said = [_best_at(rows, name, keep) for keep in keeps(rows) if keep < 1]
    full = [f"The full cache: {_judged(row, name)}." for row in rows if row["policy"] == "full"]
    return [line for line in [*full, *said, _smallest(rows, name)] if line]


def _best_at(rows: list[dict], name: str, keep: float) -> str:
    best, level = verdict(rows, name, keep)
    if not best:
        return ""
    names = [Markup("<b>{}</b>").format(row["policy"]) for row in best] + [escape(row["policy"]) for row in level]
    held = [holding(row, rows) for row in [*best, *level]]
    names = [Markup("{} ({})").format(said, more) if more else said for said, more in zip(names, held, strict=True)]
    first, alike = Markup(" and ").join(names[: len(best)]), Markup(", ").join(names[len(best) :])
    others = [row for row in ordered(rows, name) if row["keep"] == keep and row["policy"] != "full"]
    if len(others) == len(best):
        rest = ""
    elif any(interval(row, name) is None for row in others):
        rest = " How sure that is cannot be said: intervals are missing."
    else:
        rest = Markup(" Not told apart from it: {}.").format(alike) if alike else ""
        rest = rest or " All others are worse, beyond the intervals."
    said = Markup("With {} of the cache: {}, {}.{}")
    return said.format(percent(keep), first, _judged(best[0], name), rest)


def _smallest(rows: list[dict], name: str) -> str:
    """Which method holds least among those that surely lose little, by the paired difference from the full cache."""
    whole = max((number(row, name) or 0 for row in rows if row["policy"] == "full"), default=0)
    sign = 1 if MEASURES[name].better == "higher" else -1
    for row in ordered(rows, "share_peak"):
        ends = paired(row, "vs_full", name)
        if row["policy"] != "full" and row["keep"] < 1 and ends and min(sign * end for end in ends) > -whole / 20:
            low, high = (f"{end:+{MEASURES[name].format}}".replace("%", "").replace("-", "−") for end in ends)
            unit = " points" if MEASURES[name].format.endswith("%") else MEASURES[name].unit
            where = f"{row['policy']} with keep {percent(row['keep'])}, which holds {value(row, 'share_peak')}"
            said = f"{where}. Its difference from full: {low} to {high}{unit}."
            return f"Smallest cache that surely loses less than a twentieth: {said}"
    return "No compressed cache surely loses less than a twentieth, as far as these samples tell."


def _judged(row: dict, name: str) -> str:
    return f"{value(row, name)} {bounds(row, name)}".strip()


def _failures(failures: list[dict], pictures: dict[str, int]) -> list[tuple[str, list[Failure]]]:
    """What each method got most wrong; the largest budget first, where a failure says most."""
    shown = []
    for label in dict.fromkeys(failure["policy"] for failure in failures):
        own = sorted((found for found in failures if found["policy"] == label), key=lambda found: -found["keep"])
        shown.append((label, [_failure(failure, pictures) for failure in own]))
    return shown


def _failure(failure: dict, pictures: dict[str, int]) -> Failure:
    full, answer = failure.get("full") or "", failure.get("answer") or ""
    parts = [f"keep {percent(failure['keep'])}", failure.get("skill"), f"sample {failure.get('sample')}"]
    parts += [f"{title} {value(failure, name)}" for title, name in (("ROUGE-L", "rouge_l"), ("agreement", "agreement"))]
    sides = [("Full cache", marked(full, answer)), (failure["policy"], marked(answer, full))]
    if failure.get("reference") is not None:
        sides.append(("Reference", failure["reference"]))
    about = " · ".join(str(part) for part in parts if part)
    return Failure(about, failure.get("question") or "", pictures.get(failure.get("picture")), sides)


def _lines(found: object) -> list[str]:
    """A setting as lines, one for each thing it lists."""
    found = found or ["Nothing."]
    found = [f"{what}: {_text(why)}" for what, why in found.items()] if isinstance(found, dict) else found
    return [_text(line) for line in found]
