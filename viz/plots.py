"""Figures for those who look longer: what was kept where, and what it changed. Knows no web framework."""

from html import escape
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from elastic.record.trace import Run, Trace, first_difference
from viz.facts import smaller_slots
from viz.theme import (
    ANCHOR,
    BIAS,
    COMPRESSED,
    DECADES,
    DROPPED,
    FAIR,
    FULL,
    HATCH,
    MERGED,
    REGIONS,
    SCORE,
    WHOLE,
    counted,
    line_of,
    new_figure,
    note,
)

GROUP_EDGES = (1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025)


def figures(run: Run, side: int = 1, head: int = 0) -> dict[str, go.Figure]:
    """All figures of a run by title; those of one side are of `side`, or of the last there is."""
    if not run.sides:
        return {}
    side = min(side, len(run.sides) - 1)
    trace, title = run.sides[side], run.titles[side]
    drawn = [owners(trace, head, title), anchors_kept(run), importance(trace), group_sizes(trace, title), budgets(run)]
    return {figure.layout.title.text: figure for figure in [*drawn, divergence(run)]}


def owners(trace: Trace, head: int = 0, title: str = "") -> go.Figure:
    """Map of (L, T) for one of the H heads: which tokens are anchors, which merged into which, which dropped."""
    head = min(head, trace.owner.shape[1] - 1)
    owner, names = trace.owner[:, head], _names(trace)
    holder, is_anchor = owner.clip(0), owner == np.arange(owner.shape[1])
    # Groups in the order of their anchors, odd and even: neighbours differ where groups are runs of tokens.
    shade = np.take_along_axis(is_anchor.cumsum(1) % 2, holder, 1)
    size = np.where(owner < 0, 0, np.take_along_axis(_sizes(trace)[:, head], holder, 1))
    labels = [f"{number} {name}" for number, name in enumerate(names, start=1)]
    short = np.where(trace.is_image, names, labels).astype(object)  # a patch's number says nothing more
    which = f", head {head + 1} of {trace.owner.shape[1]}" if trace.owner.shape[1] > 1 else ""
    figure = new_figure("Who holds each token", f"{escape(title or trace.policy)}{which}, after compressing", 470)
    colours = (DROPPED, *MERGED, ANCHOR)
    figure.add_heatmap(
        z=np.where(owner < 0, 0, np.where(is_anchor, 3, 1 + shade)).astype(np.uint8),
        x=labels,
        text=np.where(owner < 0, "none", np.where(is_anchor, "own", short[holder])),
        customdata=size.astype(np.min_scalar_type(int(size.max(initial=0)))),
        hovertemplate="layer %{y}, token %{x}<br>slot: %{text}<br>tokens in that slot: %{customdata}<extra></extra>",
        colorscale=[[edge / 4, colour] for i, colour in enumerate(colours) for edge in (i, i + 1)],
        **{"y0": 1, "zmin": -0.5, "zmax": 3.5, "showscale": False},
    )
    meanings = ("dropped", "merged", "merged, next group", "anchor: holds a slot")
    for name, colour, symbol in zip(meanings, colours, ("square-x", "square", "square", "diamond"), strict=True):
        marker = {"color": colour, "symbol": symbol, "size": 11, "line": {"width": 1, "color": DROPPED}}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=marker)
    marked = [number for number in range(len(names)) if number % max(1, len(names) // 6) == 0]
    figure.update_xaxes(
        type="category", tickmode="array", tickvals=marked, ticktext=[n + 1 for n in marked], tickangle=0
    )
    figure.update_xaxes(title_text="prompt token", range=[-0.5, len(names) - 0.5])
    figure.update_yaxes(counted(trace.layers), title_text="layer", range=[trace.layers + 0.5, 0.5])
    return _with_regions(figure, trace, first=0)


def anchors_kept(run: Run) -> go.Figure:
    """Anchors among image and text tokens: bars per layer where heads share them, else a map of (H, L).

    A side that keeps every token is left out, unless all do: its bars would all be alike.
    """
    sides = [(side, title, side.owner == np.arange(side.owner.shape[2])) for side, title, _ in _sides(run)]
    sides = [each for each in sides if not each[2].all()] or sides
    rows = max(len(sides), 1)
    titles = [f"{title}: {kind}" for _, title, _ in sides for kind in ("image", "text")]
    frame = make_subplots(rows, 2, subplot_titles=titles, horizontal_spacing=0.18, vertical_spacing=0.3 / rows)
    figure = new_figure("Anchors kept", "slots held after compressing, by layer", 120 + 210 * rows, frame)
    for row, (side, _, is_anchor) in enumerate(sides, start=1):
        for column, among in enumerate((side.is_image, ~side.is_image), start=1):
            place = {"row": row, "col": column}
            kept, total = (is_anchor & among).sum(2, dtype=np.int32).T, int(among.sum())
            hover = f" of {total:,} tokens, layer %{{x}}"
            if len(kept) == 1:
                bars = {"x0": 1, "y": kept[0], "marker": {"color": ANCHOR}, "showlegend": False}
                figure.add_bar(hovertemplate=f"%{{y:,}}{hover}<extra></extra>", **bars, **place)
                figure.update_yaxes(WHOLE, title_text=f"of {total:,} tokens", range=[0, max(total, 1)], **place)
            else:
                bar = {"x": 0.42 if column == 1 else 1.01, "y": 1 - (row - 0.5) / rows, "len": 0.9 / rows}
                cells = {"x0": 1, "y0": 1, "z": kept, "zmin": 0, "zmax": max(kept.max(), 1), "colorbar": bar}
                figure.add_heatmap(hovertemplate=f"%{{z:,}}{hover}, head %{{y}}<extra></extra>", **cells, **place)
                # Beside the right map the scale of the left one stands where the title would be.
                figure.update_yaxes(counted(len(kept)), title_text="head" if column == 1 else None, **place)
            figure.update_xaxes(counted(side.layers), title_text="layer" if row == rows else None, **place)
    return figure


def importance(trace: Trace) -> go.Figure:
    """Score of (T,) tokens, as mean and quartiles of L layers, and how many queries could see each of them."""
    values = np.full((3, len(trace.pieces)), np.nan, np.float32)
    held = np.isfinite(trace.score).any(0)  # numpy warns of means of nothing
    values[0, held] = np.nanmean(trace.score[:, held], 0)
    values[1:, held] = np.nanquantile(trace.score[:, held], (0.25, 0.75), 0)
    values[values <= 0] = np.nan  # has no place on a logarithmic axis
    mean, visible = values[0], trace.visible.clip(1).astype(np.int32)
    fair = (mean / visible).astype(np.float32)
    figure = new_figure("Importance and causal bias", "early tokens add up attention from more queries", 500)
    x, y = _band(*values[1:])
    band = {"x": x, "mode": "lines", "fill": "toself", "fillcolor": "rgba(0,158,115,0.28)", "hoverinfo": "skip"}
    figure.add_trace(line_of(y, "middle half of the layers", None, (SCORE, "solid"), 0, **band))
    # A line alone would not show a point between two gaps.
    mode = {"mode": "lines" if np.isfinite(mean).all() else "lines+markers", "marker": {"size": 4}}
    for name, line, style, width, more in (
        ("attention received, mean of layers", mean, (SCORE, "solid"), 1.5, mode | {"text": _names(trace)}),
        ("the same per query that could see it", fair, (FAIR, "solid"), 1, mode),
        ("queries that could see it (right)", visible, (BIAS, "dash"), 2.5, {"mode": "lines", "yaxis": "y2"}),
    ):
        hover = f"{name}: %{{y:.4~g}}" + ("<br>token %{text}" if "text" in more else "") + "<extra></extra>"
        figure.add_trace(line_of(line, name, hover, style, width, **more))
    left, right = _matched_ranges(mean, fair, visible)
    second = {"title_text": "queries", "range": right, "overlaying": "y", "side": "right", "showgrid": False}
    first = {"title_text": "attention, summed over queries", "range": left}
    figure.update_layout(hovermode="x unified", yaxis=DECADES | first, yaxis2=DECADES | second)
    figure.update_xaxes(WHOLE, title_text="prompt token", range=[0.5, len(mean) + 0.5])
    return _with_regions(figure, trace, first=1, tinted=True)


def group_sizes(trace: Trace, title: str = "") -> go.Figure:
    """How many slots stand for how many tokens: over all L layers and H heads, and below by layer."""
    size = _sizes(trace)
    largest = int(size.max(initial=1))
    edges = [edge for edge in GROUP_EDGES if edge <= largest]
    edges.append(next((edge for edge in GROUP_EDGES if edge > largest), largest + 1))
    bins = [str(a) if b == a + 1 else f"{a}–{b - 1}" for a, b in pairwise(edges)]
    counts = np.stack([np.histogram(layer[layer > 0], edges)[0] for layer in size]).astype(np.int32)
    total = counts.sum(0, dtype=np.int32)
    frame = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.05, row_heights=[0.45, 0.55])
    merged = "" if largest > 1 else ": nothing is merged"
    figure = new_figure("Group sizes", f"{escape(title or trace.policy)}, after compressing{merged}", 540, frame)
    hover = "slots that hold %{x} tokens: %{y:,}<extra></extra>"
    looks = {"one token": {"color": ANCHOR}, "merged group": {"color": MERGED[1], "pattern": HATCH}}
    for (name, marker), part in zip(looks.items(), (slice(0, 1), slice(1, None)), strict=True):
        figure.add_bar(x=bins[part], y=total[part], name=name, marker=marker, hovertemplate=hover, row=1, col=1)
    tens = np.log10(counts, out=np.full(counts.shape, np.nan, np.float32), where=counts > 0)  # none: blank
    most = int(counts.max(initial=1))
    ticks = [lead * 10**power for power in range(6) for lead in (1, 2, 5) if lead * 10**power <= most]
    bar = {"y": 0.26, "len": 0.6, "tickvals": np.log10(ticks), "ticktext": [f"{tick:,}" for tick in ticks]}
    cells = {"x": bins, "y0": 1, "z": tens, "zmin": 0, "zmax": max(np.log10(most), 1), "colorbar": bar}
    hover = "layer %{y}, slots that hold %{x} tokens: %{customdata:,}<extra></extra>"
    figure.add_heatmap(customdata=counts, hovertemplate=hover, row=2, col=1, **cells)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=bins)
    figure.update_xaxes(title_text="tokens per slot", row=2, col=1)
    # From below 1, where a bar of one slot would begin and end.
    figure.update_yaxes(DECADES, range=[-0.3, np.log10(total.max(initial=1)) + 0.15], title_text="slots", row=1, col=1)
    downwards = counted(trace.layers) | {"range": [trace.layers + 0.5, 0.5]}
    # Above: the names of the bins may be turned and take the place below.
    figure.update_layout(legend={"y": 1.01, "yanchor": "bottom", "x": 1, "xanchor": "right"})
    return figure.update_yaxes(downwards, title_text="layer", row=2, col=1)


def budgets(run: Run) -> go.Figure:
    """Slots held by each of L layers, when the answer begins and at its end, and what the policy aims at."""
    about = "bars: as the answer begins; diamonds: at its end; lines: the aim"
    figure = new_figure("Slots per layer", about, 440)
    for side, title, style in _sides(run):
        marker = {"color": style[0], "pattern": {} if style == FULL else HATCH}
        hover = "%{fullData.name}, layer %{x}: %{y:,.1~f} slots<extra></extra>"
        smaller = smaller_slots(side, run.shape)
        name = f"{title}: smaller slots, {smaller}" if smaller else title
        figure.add_bar(x0=1, y=side.prompt_slots, name=name, marker=marker, hovertemplate=hover)
        if not smaller:  # else the aim, which is recorded in bytes, is no number of slots
            slot_bytes = (side.prompt_bytes / np.maximum(side.prompt_slots, 1)).sum()
            aim = [float(side.limit_bytes[0] / max(slot_bytes, 1))] * 2
            ends = {"x": [0.5, side.layers + 0.5], "mode": "lines"}
            hover_aim = "%{fullData.name} %{y:,.0f} slots<extra></extra>"
            figure.add_trace(line_of(aim, f"{title}: aim", hover_aim, style, **ends))
        if side.steps:
            diamond = {"mode": "markers", "marker": {"symbol": "diamond-open", "size": 8, "color": style[0]}}
            figure.add_trace(line_of(side.slots[-1], f"{title}: after {side.steps}", hover, style, **diamond))
        figure.update_xaxes(counted(side.layers), title_text="layer")
    figure.update_layout(barmode="group", bargap=0.25)
    return figure.update_yaxes(WHOLE, title_text="slots", rangemode="tozero")


def divergence(run: Run) -> go.Figure:
    """Per answer token (N,): KL(first || other side), and what each side gave to the first side's token."""
    frame = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.1)
    figure = new_figure("Divergence per answer token", "judged as long as the texts agree", 500, frame)
    reach = 0 if len(run.sides) > 1 else sum(side.steps for side in run.sides)
    lines = []  # row, values, title, style
    for other, title, style in _sides(run)[1:]:
        first = run.sides[0]
        judged = int(np.sum(~np.isnan(other.divergence)))
        lines += [(1, other.divergence[:judged], title, style)]
        lines += [(2, np.exp(other.reference_logprob[:judged]), title, style)]
        parted = first_difference(first, other)
        # A side that is merely behind differs in nothing yet.
        if parted is not None and (parted < min(first.steps, other.steps) or first.finish != "running" != other.finish):
            mark = {"line": {"dash": "dot", "color": DROPPED}, "exclude_empty_subplots": False}  # all are empty yet
            figure.add_vline(parted + 1, row="all", col=1, **mark)
            figure.add_annotation(note("texts differ", parted + 1, 1.0, xref="x"))
            judged = max(judged, parted + 1)
        reach = max(reach, judged)
    lines += [(2, np.exp(first.logprob[:reach]), title, style) for first, title, style in _sides(run)[:1]]
    for row, values, title, style in lines:
        hover = "%{y:.3g} nats before “%{text}”" if row == 1 else "%{y:.1%} for “%{text}”"
        more = {"mode": "lines+markers", "marker": {"size": 5}, "legendgroup": title, "showlegend": row == 2}
        more["text"] = [_visible(piece) for piece in run.sides[0].answer_pieces[: len(values)]]
        figure.add_trace(line_of(values, title, hover, style, **more), row=row, col=1)
    if len(run.sides) < 2 or not run.sides[0].steps:
        missing = "no other side to compare with" if len(run.sides) < 2 else "no answer token yet"
        figure.add_annotation(note(missing, 0.5, 0.75, xref="paper"))
    figure.update_xaxes(counted(max(reach, 1)))
    figure.update_xaxes(title_text="answer token", row=2, col=1)
    figure.update_yaxes(title_text="KL (nats)", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="probability", tickformat=".0%", range=[0, 1.05], row=2, col=1)
    return figure.update_layout(hovermode="x")


def _with_regions(figure: go.Figure, trace: Trace, first: int, tinted: bool = False) -> go.Figure:
    """Mark image, earlier turns and question above the plot, and in it; `first` is where token 0 is drawn."""
    asked = int(max(np.flatnonzero(trace.is_image | ~trace.is_prompt), default=-1)) + 1
    start, end = (trace.patches[0], trace.patches[-1] + 1) if len(trace.patches) else (0, 0)
    edges = (start, end, asked, len(trace.pieces))
    shapes = []
    for (name, colour), (a, b) in zip(REGIONS.items(), pairwise(edges), strict=True):
        if a < b:
            left, right = float(a + first - 0.5), float(b + first - 0.5)
            place = {"type": "rect", "yref": "paper", "x0": left, "x1": right, "line_width": 0, "fillcolor": colour}
            shapes.append(place | {"y0": 1.01, "y1": 1.03})
            if tinted:
                shapes.append(place | {"y0": 0, "y1": 1, "opacity": 0.15, "layer": "below"})
            figure.add_annotation(note(name, (left + right) / 2, 1.03, xref="x"))
    return figure.update_layout(shapes=shapes)


def _visible(piece: str) -> str:
    """A piece of text as a short label: blanks have a shape, and plotly finds no markup in it."""
    shown = piece.replace("\n", "⏎").strip() or "·" * len(piece)
    return escape("".join(c if c.isprintable() else "·" for c in shown[:15]) + "…" * (len(shown) > 15))


def _names(trace: Trace) -> list[str]:
    """Short names of T tokens: their text, or row and column of a patch."""
    names = [_visible(piece) for piece in trace.pieces]
    several = len(trace.views) > 1
    for token in trace.patches:
        _, view, row, column = trace.place[token]
        names[token] = (f"v{view + 1}" if several else "") + f"r{row + 1}c{column + 1}"
    return names


def _sides(run: Run) -> list[tuple[Trace, str, tuple[str, str]]]:
    """Sides with title, and colour and dash: by meaning, or by order where two sides mean the same."""
    styles = [FULL if side.policy == "full" else COMPRESSED for side in run.sides]
    if len(set(styles)) < len(styles):
        styles = [FULL] + [COMPRESSED] * (len(styles) - 1)
    return [(side, escape(title), style) for side, title, style in zip(run.sides, run.titles, styles, strict=False)]


def _sizes(trace: Trace) -> np.ndarray:
    """Tokens in each token's slot, 0 where it holds none, (L, H, T)."""
    planes = trace.owner.reshape(-1, trace.owner.shape[2])
    return np.stack([np.bincount(o[o >= 0], minlength=len(o)) for o in planes]).reshape(trace.owner.shape)


def _band(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Outline of the area between two lines over tokens 1 to T, a polygon for every run without gaps, (2, any)."""
    whole = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    outline = []
    for run in np.split(whole, np.flatnonzero(np.diff(whole) > 1) + 1):
        there_and_back = np.concatenate([run, run[::-1]]) + 1
        outline += [(there_and_back, np.concatenate([low[run], high[run[::-1]]])), ([np.nan], [np.nan])]
    return np.concatenate(outline, 1).astype(np.float32)


def _matched_ranges(mean: np.ndarray, fair: np.ndarray, visible: np.ndarray) -> tuple[list[float], list[float]]:
    """Ranges of both logarithmic axes: equally many decades, shifted so that the lines add up to the same."""
    lines = np.concatenate([mean, fair])
    lines = np.log10(lines[np.isfinite(lines)])
    if not len(lines):
        return [0.0, 3.0], [0.0, 3.0]
    lift = float(np.log10(visible.sum() / np.nansum(mean)))
    left = [float(np.quantile(lines, 0.005)) - 0.2, max(float(lines.max()), np.log10(visible.max()) - lift) + 0.2]
    return left, [end + lift for end in left]
