"""Quality against memory: what each method loses, by the bytes it really holds. Takes rows of an evaluation."""

import math
from collections.abc import Callable, Iterable
from html import escape
from typing import NamedTuple

import plotly.graph_objects as go

from viz.measures import ReportedMeasure, column, in_bytes, interval, number, percent
from viz.theme import COMPRESSED, FULL, new_figure, note

# What may lie along the bottom, and how its marks are written.
AGAINST = {
    "share_peak": ("memory at the peak, share of full", percent),
    "share_prompt": ("memory after the prompt, share of full", percent),
    "keep": ("share asked for", percent),
    "bytes_peak": ("memory at the peak", in_bytes),
    "bytes_prompt": ("memory after the prompt", in_bytes),
    "ms_per_token": ("milliseconds per answer token", "{:g}".format),
}
SPANS_DECADES = ("kl", "perplexity")
OF_POINT = ("agreement", "rouge_l", "kl")  # measures that are known of a single answer
NAMED = 8  # points with a name beside each, at most


class Style(NamedTuple):
    """How a method is drawn. No two share dash and symbol: none is known by its colour alone."""

    colour: str
    dash: str
    symbol: str


# Every colour has a contrast of 3 or more with both a white and a dark page; those of the others are muted on purpose.
GREEN, PURPLE = "#00946B", "#B5539C"
SLATE, BROWN, OLIVE, MAUVE, ROSE = "#64748B", "#94713F", "#75803A", "#86699A", "#A8646B"
STYLES = {
    "full": Style(*FULL, "star"),
    "elastic": Style(*COMPRESSED, "circle"),
    "elastic-plus": Style(GREEN, "solid", "diamond"),
    "elastic-released": Style(PURPLE, "dot", "square"),
    "h2o": Style(BROWN, "solid", "triangle-up"),
    "streaming": Style(SLATE, "dash", "triangle-down"),
    "vlcache": Style(OLIVE, "dot", "triangle-left"),
    "snapkv": Style(MAUVE, "dashdot", "triangle-right"),
    "pyramidkv": Style(ROSE, "solid", "pentagon"),
    "lookm": Style(SLATE, "solid", "cross"),
    "prefixkv": Style(BROWN, "dash", "hexagon"),
    "tgvkv": Style(MAUVE, "solid", "hexagram"),
    "corm": Style(OLIVE, "dash", "hourglass"),
    "think": Style(ROSE, "dot", "bowtie"),
    "cascading": Style(SLATE, "dashdot", "star-triangle-up"),
    "knorm": Style(OLIVE, "solid", "star-diamond"),
    "tova": Style(BROWN, "dot", "hexagon2"),
    "keydiff": Style(BROWN, "dashdot", "octagon"),
    "subgen": Style(MAUVE, "dash", "star-square"),
    "expected-attention": Style(MAUVE, "dot", "diamond-tall"),
    "cam": Style(ROSE, "dash", "hash"),
    "mergingpress": Style(ROSE, "dashdot", "star-triangle-down"),
    "mixkv": Style(OLIVE, "dashdot", "circle-cross"),
    "kvzip": Style(SLATE, "dot", "circle-x"),
    "adakv": Style(MAUVE, "longdash", "diamond-wide"),
    "sparsemm": Style(OLIVE, "longdash", "square-cross"),
    "kivi": Style(BROWN, "longdash", "square-x"),
    "fp8": Style(SLATE, "longdash", "diamond-x"),
    "quest": Style(ROSE, "longdash", "diamond-cross"),
    "pqcache": Style(BROWN, "longdashdot", "arrow-up"),
    "random": Style("#7A7A80", "dot", "x"),
}
# For names without a style of their own; variants of a method have its colour.
OTHERS = (BROWN, SLATE, OLIVE, MAUVE, ROSE), ("longdash", "longdashdot", "dash", "dashdot", "dot")
OPEN = tuple(f"{shape}-open" for shape in ("circle", "square", "diamond", "triangle-up", "cross", "x", "star"))


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """The style of each label: its own, or for names without one the next of a cycle."""
    found = {label: STYLES.get(label) for label in labels}
    for place, label in enumerate(sorted(label for label, style in found.items() if style is None)):
        colour, dash, symbol = (cycle[place % len(cycle)] for cycle in (*OTHERS, OPEN))
        method = STYLES.get(label.partition(":")[0])
        found[label] = Style(method.colour if method else colour, dash, symbol)
    return found


def quality(rows: list[dict], measure: ReportedMeasure, against: str = "share_peak") -> go.Figure:
    """A measure of every method over the memory it really holds; the full cache is a line across."""
    bottom, marks = AGAINST[against]
    cost = "time" if against == "ms_per_token" else "memory"
    title = f"{measure.title} against {cost}"
    figure = new_figure(title, f"{measure.better} is better; bars and bands: 95% intervals", 620)
    drawn = [row for row in rows if None not in (number(row, measure.name), number(row, against))]
    across, up = ([number(row, name) for row in drawn] for name in (against, measure.name))
    floor = _floor(up) if measure.name in SPANS_DECADES else None
    looks = styles(row["policy"] for row in rows)
    # The family last, so that it lies on top; without points too, so that a line keeps its number over all measures.
    for label in sorted(looks, key=lambda label: (label.startswith("elastic"), label == "full")):
        own = sorted((row for row in drawn if row["policy"] == label), key=lambda row: number(row, against))
        figure.add_traces(_traces(own, label, looks[label], (measure, against), floor, min(across, default=0)))
    if not drawn:
        figure.add_annotation(note("not measured", 0.5, 0.5, xref="paper"))
    figure.update_layout(hovermode="closest", uirevision="same")
    figure.update_xaxes(_axis(across, marks), title_text=bottom)
    if floor is not None:
        figure.update_yaxes(_axis(up, "{:g}".format, zero=floor if min(up) <= 0 else None))
    elif measure.format.endswith("%"):
        figure.update_yaxes(tickformat=".0%")
    return figure.update_yaxes(title_text=measure.title + measure.unit.replace(" nats", " (nats)"))


def one_picture(rows: list[dict], measures: dict[str, ReportedMeasure]) -> go.Figure:
    """What one question showed: agreement along the full cache's answer over the bytes that were held."""
    figure = new_figure("Quality against memory, this picture", "one question: a hint, not a ranking", 440)
    drawn = [row for row in rows if None not in (number(row, "agreement"), number(row, "bytes_peak"))]
    looks, listed = styles(row["policy"] for row in rows), set()
    in_legend = len(drawn) > NAMED  # more names than that would cover one another
    for row in sorted(drawn, key=lambda row: row["policy"].startswith("elastic")):  # these on top
        label, style, leads = _named(row), looks[row["policy"]], row["policy"].startswith("elastic")
        agreement, *others = (f"{measures[name].short} {measures[name].value(row)}" for name in OF_POINT)
        lines = [f"<b>{label}</b>", agreement, _held(row), *others, *filter(None, [row.get("beyond_share")])]
        symbol = f"{style.symbol}-open" if row.get("bits") else style.symbol  # the same method in fewer bits
        size, edge = 16 if leads else 12, {"width": 2 if row.get("bits") else 0}
        marker = {"color": style.colour, "symbol": symbol, "size": size, "line": edge}
        place = {"x": [number(row, "bytes_peak")], "y": [number(row, "agreement")], "cliponaxis": False}
        hover = {"hovertext": ["<br>".join(lines)], "hovertemplate": "%{hovertext}<extra></extra>"}
        legend = {"legendgroup": _method(row), "showlegend": _method(row) not in listed}
        listed.add(_method(row))
        name = _method(row) if in_legend else label
        figure.add_scatter(**place, **hover, **legend, name=name, mode="markers", marker=marker)
    most = max((number(row, name) or 0 for row in drawn for name in ("bytes_peak", "bytes_full")), default=0) or 1.0
    names = [] if in_legend else _names_beside(drawn, most)
    names = names if drawn else [note("nothing to compare yet", 0.5, 0.5, xref="paper")]
    ticks = [most * quarter / 4 for quarter in range(5)]
    whole = any(number(row, "bytes_full") == most for row in drawn)
    texts = [in_bytes(tick) + f"<br>{percent(tick / most)}" * whole for tick in ticks]
    figure.update_layout(showlegend=in_legend, hovermode="closest", annotations=names)
    figure.update_xaxes(tickmode="array", tickvals=ticks, ticktext=texts)
    figure.update_xaxes(title_text="memory at the peak", range=[-0.02 * most, 1.12 * most])
    return figure.update_yaxes(title_text="agreement with the full cache", tickformat=".0%", range=[-0.1, 1.1])


def _names_beside(rows: list[dict], most: float) -> list[dict]:
    """A name beside each point, towards the middle; where points are close, moved apart and tied to them by lines."""
    names, gap, lowest, pixels = [], 0.07, -0.05, 230  # shares of the height; pixels of all of it
    for is_right in (False, True):
        own = [row for row in rows if (number(row, "bytes_peak") > 0.7 * most) == is_right]
        own.sort(key=lambda row: -number(row, "agreement"))
        heights: list[float] = []
        for row in own:
            heights.append(min(number(row, "agreement"), heights[-1] - gap if heights else 2))
        for place in reversed(range(len(own))):  # up again, where they were moved out of the plot
            heights[place] = max(heights[place], lowest + gap * (len(own) - 1 - place))
        for row, height in zip(own, heights, strict=True):
            at = {"x": number(row, "bytes_peak"), "y": number(row, "agreement"), "text": _named(row)}
            away = {"ax": -22 if is_right else 22, "ay": (at["y"] - height) * pixels}
            away["xanchor"] = "right" if is_right else "left"
            names.append(at | away | {"arrowhead": 0, "arrowwidth": 1, "arrowcolor": "#8b8b94", "standoff": 7})
    return names


def _traces(
    rows: list[dict], label: str, style: Style, names: tuple[ReportedMeasure, str], floor: float | None, left: float
) -> list[go.Scatter]:
    """A method's line, and its intervals: a band for the elastic family, faint bars for the others."""
    measure, against = names
    leads, is_full = label.startswith("elastic"), label == "full"
    x, y = ([number(row, name) for row in rows] for name in (against, measure.name))
    ends = [interval(row, measure.name) or (at, at) for row, at in zip(rows, y, strict=True)]
    low, high = ([_raised(end[side], floor) for end in ends] for side in (0, 1))
    y, hover_texts = [_raised(at, floor) for at in y], [_hover_text(row, measure) for row in rows]
    rank = 1 if is_full else 2 if leads else 3
    shared = {"legendgroup": escape(label), "legendrank": rank, "name": escape(label)}
    bars = {"type": "data", "array": [b - a for a, b in zip(y, high, strict=True)], "thickness": 1, "width": 0}
    bars |= {"arrayminus": [a - b for a, b in zip(y, low, strict=True)], "color": _faint(style.colour, 0.4)}
    size = [14 if is_full else 11 if leads else 8] * len(rows)
    if is_full and rows:  # from the left edge, where no marker belongs
        x, y, hover_texts, size = [left, *x], [y[0], *y], [hover_texts[0], *hover_texts], [0, *size]
    line = go.Scatter(
        **shared | {"x": x, "y": y, "hovertext": hover_texts, "hovertemplate": "%{hovertext}<extra></extra>"},
        mode="lines+markers",
        line={"color": style.colour, "dash": style.dash, "width": 4 if leads else 3 if is_full else 2},
        marker={"color": style.colour, "symbol": style.symbol, "size": size, "opacity": 1, "line": {"width": 0}},
        error_y=None if leads or is_full else bars,
        showlegend=bool(rows),
    )
    band = {"x": x + x[::-1], "y": high + low[::-1], "mode": "lines", "line": {"width": 0}, "fill": "toself"}
    band |= {"fillcolor": _faint(style.colour, 0.16), "hoverinfo": "skip", "showlegend": False}
    return [go.Scatter(shared | band), line] if leads else [line]


def _hover_text(row: dict, measure: ReportedMeasure) -> str:
    """What hovering over a point says; plotly would read markup in it."""
    result = f"{measure.title}: {measure.value(row)} {measure.bounds(row)}"
    return "<br>".join([f"<b>{_named(row)}</b>", escape(result), _held(row), f"{row.get('n', '–')} samples"])


def _method(row: dict) -> str:
    """A method by its title, where rows have one; else as it is written on the command line."""
    return escape(row.get("title") or row["policy"])


def _named(row: dict) -> str:
    keep = number(row, "keep")
    return _method(row) + (f", {column([row], keep)}" if keep is not None and row["policy"] != "full" else "")


def _held(row: dict) -> str:
    held, full, share = number(row, "bytes_peak"), number(row, "bytes_full"), number(row, "share_peak")
    share = held / full if held is not None and full else share
    known = [in_bytes(held)] if held is not None else []
    known += [f"{share:.1%} of the full cache"] if share is not None else []
    return "holds " + (", ".join(known) or "an unknown number of bytes")


def _faint(colour: str, opacity: float) -> str:
    return f"rgba({','.join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))},{opacity})"


def _floor(values: list[float]) -> float | None:
    """Where zero is drawn on a logarithmic axis; None where the values span too little to need one."""
    above = [at for at in values if at > 0]
    return min(above) / 3 if above and max(above) >= 30 * min(above) else None


def _raised(at: float, floor: float | None) -> float:
    return at if floor is None else max(at, floor)


def _axis(values: list[float], write: Callable[[float], str], zero: float | None = None) -> dict:
    """A logarithmic axis with few round marks where the values ask for one; nothing at all is drawn at `zero`."""
    above = [at for at in values if at > 0]
    if zero is None and (not above or min(values) <= 0 or (max(above) < 5 * min(above) and write is not in_bytes)):
        return {"tickformat": ".0%"} if write is percent else {}
    low, high = min(above), max(above)
    base, leads = (2.0, (1,)) if write is in_bytes else (10.0, (1, 2, 5) if high < 1000 * low else (1,))
    powers = range(math.floor(math.log(low, base)), math.ceil(math.log(high, base)) + 1)
    ticks = [lead * base**power for power in powers for lead in leads]
    ticks = [tick for tick in ticks if low * 0.8 <= tick <= high * 1.25]
    texts = [write(tick) for tick in ticks]
    if zero is not None:
        ticks, texts = [zero, *ticks], ["0", *texts]
    return {"type": "log", "tickmode": "array", "tickvals": ticks, "ticktext": texts}
