"""Colours, axes and frames of the plots. Meanings are fixed: a colour is the same thing everywhere.

`assets/colours.css` has those of the pages, the first three among them.
"""

from collections.abc import Sequence

import plotly.graph_objects as go

FULL, COMPRESSED = ("#D55E00", "solid"), ("#0072B2", "dash")
# Told apart without colour: by lightness. What is merged has the anchor's hue, paler.
ANCHOR, MERGED, DROPPED = "#D81B72", ("#F8D0E0", "#EDA3C2"), "#71717a"
SCORE, BIAS, FAIR = "#009E73", "#8A7A1F", "#71717a"
REGIONS = {"image": "#a1a1aa", "earlier turns": "#d4d4d8", "question": "#71717a"}
TEXT, GRID = "#27272a", "#d4d4d8"  # the page's style replaces both in dark mode
HATCH = {"shape": "/", "fillmode": "overlay", "fgcolor": "#ffffff", "size": 6, "solidity": 0.25}
WHOLE = {"tickformat": ",d"}
DECADES = {"type": "log", "tickmode": "linear", "dtick": 1, "exponentformat": "power"}
AXIS = {"gridcolor": GRID, "linecolor": GRID, "tickcolor": GRID, "ticks": "outside", "showline": True}
AXIS |= {"zeroline": False, "tickmode": "auto", "automargin": True, "title": {"font": {"size": 13}, "standoff": 8}}
LAYOUT = {"xaxis": AXIS | {"showgrid": False}, "yaxis": AXIS, "font": {"color": TEXT, "size": 13}}
LAYOUT |= {"title": {"font": {"size": 17}, "x": 0.01, "y": 0.97, "yanchor": "top"}}
LAYOUT |= {"margin": {"l": 70, "r": 70, "t": 104, "b": 60}, "legend": {"orientation": "h", "x": 0, "yanchor": "top"}}
LAYOUT |= {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
LAYOUT |= {"modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#8b8b94", "activecolor": "#8b8b94"}}
LAYOUT |= {"hoverlabel": {"bgcolor": "#ffffff", "font": {"color": TEXT}, "bordercolor": GRID}}
MAPS = {"colorscale": "Cividis", "colorbar": {"title": {"text": "slots"}, "thickness": 12, "outlinewidth": 0}}


def new_figure(title: str, subtitle: str, height: int, figure: go.Figure | None = None) -> go.Figure:
    """An empty figure, or a frame of several, with a title, a subtitle and a height in pixels."""
    figure = (figure or go.Figure()).update_annotations(font={"size": 13})
    figure.layout.template = {"layout": LAYOUT, "data": {"heatmap": [MAPS]}}  # in place of plotly's own, not on top
    below = -64 / (height - 164)  # the axis title, whatever the height
    return figure.update_layout(title_text=title, title_subtitle_text=subtitle, height=height, legend_y=below)


def line_of(
    y: Sequence[float], name: str, hover: str | None, style: tuple[str, str], width: float = 2.0, **more: object
) -> go.Scatter:
    """A line over things counted from 1, in a side's colour and dash."""
    line = {"color": style[0], "dash": style[1], "width": width}
    return go.Scatter({"x0": 1, "y": y, "name": name, "hovertemplate": hover, "line": line} | more)


def note(text: str, x: float, y: float, xref: str) -> dict:
    """A text above the plot."""
    return {"text": text, "x": x, "y": y, "xref": xref, "yref": "paper", "yanchor": "bottom", "showarrow": False}


def counted(count: int) -> dict:
    """An axis of things counted from 1, with about ten ticks."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, count) if step * 10 >= count)
    return WHOLE | {"tickmode": "linear", "tick0": step, "dtick": step, "range": [0.5, count + 0.5], "showgrid": False}
