"""An evaluation as one HTML file that needs nothing else: curves, tables, and the worst failures word by word."""

import json
import re
from difflib import SequenceMatcher
from functools import cache
from html import escape
from pathlib import Path

from plotly.offline import get_plotlyjs

from viz.joiner import joined
from viz.measures import COSTS, MEASURES, bounds, interval, keeps, number, ordered, paired, percent, value, verdict
from viz.quality import quality
from viz.replay import POLICY, fill
from viz.tables import MARKED, NOTHING, budgets, holding, panel, skills, switch

FOLDER = Path(__file__).parent.parent / "assets" / "report"
PICTURE = re.compile(r"data:image/(jpeg|png|webp);base64,[A-Za-z0-9+/]+=*")


def report_html(results: dict, failures: list[dict]) -> str:
    """A self-contained page of an evaluation's results and of what failed worst, without a server or a network."""
    rows, settings = results.get("rows") or [], results.get("settings") or {}
    measured = _known(rows, MEASURES)
    pictures = list(dict.fromkeys(failure["picture"] for failure in failures if _is_picture(failure.get("picture"))))
    curves = ",".join(f'"{name}":{quality(rows, name).to_json()}' for name in measured)
    parts = {
        "policy": POLICY,
        "title": escape(f"KV-cache methods compared · {_text(settings.get('model'))}"),
        "heading": "KV-cache compression: every method on the same work",
        "note": _headline(rows, settings),
        "style": _asset("style.css"),
        "summary": _summary(rows, measured),
        "quality": _quality(rows, measured),
        "skills": skills(rows),
        "costs": _costs(rows),
        "failures": _failures(failures, {picture: place for place, picture in enumerate(pictures)}),
        "settings": _settings(settings),
        "figures": _inert(f"{{{curves}}}"),
        "pictures": _inert(json.dumps(pictures)),
        "plotly": get_plotlyjs() if measured else "",
        "script": joined(FOLDER.parent / "web" / "report" / "main.js"),
    }
    # Half a character, which a file of questions can hold, could not be written to a file.
    return fill(_asset("page.html"), parts).encode("utf-8", "replace").decode()


def marked(text: str, other: str) -> str:
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
    return re.sub(r"</mark>(\s+)<mark>", r"\1", "".join(pieces))


@cache
def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _inert(data: str) -> str:
    """JSON with no sign that could end the script element it stands in."""
    return data.replace("<", "\\u003c")


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
    return escape(" · ".join([said, *parts]))


def _summary(rows: list[dict], measured: list[str]) -> str:
    """Per budget the best method and whom it cannot be told from, by the first measure there is."""
    if not measured:
        return NOTHING
    name = measured[0]
    said = [_best_at(rows, name, keep) for keep in keeps(rows) if keep < 1]
    full = [f"The full cache: {_judged(row, name)}." for row in rows if row["policy"] == "full"]
    lines = "".join(f"<li>{line}</li>" for line in [*full, *said, _smallest(rows, name)] if line)
    title = f"{MEASURES[name].title}, {MEASURES[name].better} is better"
    return f'<p>{title}. Other measures may order the methods otherwise: see below.</p><ul class="short">{lines}</ul>'


def _best_at(rows: list[dict], name: str, keep: float) -> str:
    best, level = verdict(rows, name, keep)
    if not best:
        return ""
    more = [holding(row, rows) for row in [*best, *level]]
    names = [f"<b>{escape(row['policy'])}</b>" for row in best] + [escape(row["policy"]) for row in level]
    names = [f"{said} ({held})" if held else said for said, held in zip(names, more, strict=True)]
    first, alike = " and ".join(names[: len(best)]), ", ".join(names[len(best) :])
    others = [row for row in ordered(rows, name) if row["keep"] == keep and row["policy"] != "full"]
    if len(others) == len(best):
        rest = ""
    elif any(interval(row, name) is None for row in others):
        rest = " How sure that is cannot be said: intervals are missing."
    else:
        rest = f" Not told apart from it: {alike}." if alike else " All others are worse, beyond the intervals."
    return f"With {percent(keep)} of the cache: {first}, {_judged(best[0], name)}.{rest}"


def _smallest(rows: list[dict], name: str) -> str:
    """Which method holds least among those that surely lose little, by the paired difference from the full cache."""
    whole = max((number(row, name) or 0 for row in rows if row["policy"] == "full"), default=0)
    sign = 1 if MEASURES[name].better == "higher" else -1
    for row in ordered(rows, "share_peak"):
        ends = paired(row, "vs_full", name)
        if row["policy"] != "full" and row["keep"] < 1 and ends and min(sign * end for end in ends) > -whole / 20:
            low, high = (f"{end:+{MEASURES[name].format}}".replace("%", "").replace("-", "−") for end in ends)
            unit = " points" if MEASURES[name].format.endswith("%") else MEASURES[name].unit
            where = f"{escape(row['policy'])} with keep {percent(row['keep'])}, which holds {value(row, 'share_peak')}"
            said = f"{where}. Its difference from full: {low} to {high}{unit}."
            return f"Smallest cache that surely loses less than a twentieth: {said}"
    return "No compressed cache surely loses less than a twentieth, as far as these samples tell."


def _judged(row: dict, name: str) -> str:
    return f"{value(row, name)} {bounds(row, name)}".strip()


def _quality(rows: list[dict], measured: list[str]) -> str:
    if not measured:
        return NOTHING
    figure = (
        '<figure aria-label="Quality against memory"><div class="curves"></div><figcaption>Press a name to hide it, '
        "twice to see it alone. The table below holds the same numbers.</figcaption></figure>"
    )
    tables = "".join(panel("measure", name, budgets(rows, name, marks=True)) for name in measured)
    choice = switch("measure", "Measure", ((name, MEASURES[name].title) for name in measured))
    return f'{choice}{figure}{tables}<p class="note">{MARKED}</p>'


def _costs(rows: list[dict]) -> str:
    known = _known(rows, COSTS)
    tables = "".join(panel("cost", name, budgets(rows, name)) for name in known)
    return switch("cost", "Cost", ((name, COSTS[name].title) for name in known)) + tables if known else NOTHING


def _failures(failures: list[dict], pictures: dict[str, int]) -> str:
    """What each method got most wrong, folded away; the largest budget first, where a failure says most."""
    shown = ""
    for label in dict.fromkeys(failure["policy"] for failure in failures):
        own = sorted((found for found in failures if found["policy"] == label), key=lambda found: -found["keep"])
        count = f"{len(own)} answer{'s' * (len(own) != 1)}"
        inside = "".join(_failure(failure, pictures) for failure in own)
        shown += f"<details><summary>{escape(label)} <small>{count}</small></summary>{inside}</details>"
    if not shown:
        return '<p class="note">No failure was recorded.</p>'
    said = (
        "Marked: words that the other answer does not have there. The largest budgets first; of each the worst first."
    )
    return f'<p class="note">{said}</p>{shown}'


def _failure(failure: dict, pictures: dict[str, int]) -> str:
    full, answer = failure.get("full") or "", failure.get("answer") or ""
    parts = [f"keep {percent(failure['keep'])}", failure.get("skill"), f"sample {failure.get('sample')}"]
    parts += [f"{title} {value(failure, name)}" for title, name in (("ROUGE-L", "rouge_l"), ("agreement", "agreement"))]
    place = pictures.get(failure.get("picture"))
    picture = f'<img data-picture="{place}" alt="The picture that was asked about">' if place is not None else ""
    sides = [("Full cache", marked(full, answer)), (failure["policy"], marked(answer, full))]
    if failure.get("reference") is not None:
        sides.append(("Reference", escape(failure["reference"])))
    texts = "".join(
        f'<div><h4>{escape(title)}</h4><p dir="auto">{text or "<i>nothing</i>"}</p></div>' for title, text in sides
    )
    return (
        f'<article>{picture}<p class="note">{escape(" · ".join(str(part) for part in parts if part))}</p>'
        f'<p class="question" dir="auto">{escape(failure.get("question") or "")}</p>'
        f'<div class="sides">{texts}</div></article>'
    )


def _settings(settings: dict) -> str:
    lists = {"left_out": "Left out", "skipped": "Skipped", "errors": "Errors"}
    said = ""
    for name, title in lists.items():
        found = settings.get(name) or ["Nothing."]
        found = [f"{what}: {_text(why)}" for what, why in found.items()] if isinstance(found, dict) else found
        lines = "".join(f"<li>{escape(_text(line))}</li>" for line in found)
        said += f"<h3>{title}</h3><ul>{lines}</ul>"
    given = ((name, _text(found)) for name, found in settings.items() if name not in lists)
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in given)
    return f"{said}<h3>Settings</h3><dl>{listed}</dl>"
