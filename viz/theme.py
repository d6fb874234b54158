"""Colours and axes of the plots. Meanings are fixed: the same colour is the same thing everywhere on the page."""

FULL, COMPRESSED = ("#D55E00", "solid"), ("#0072B2", "dash")
ANCHOR, MERGED, DROPPED = "#E69F00", ("#B5DDF5", "#7CC3EC"), "#71717a"  # told apart without colour: by lightness
SCORE, BIAS, FAIR = "#009E73", "#CC79A7", "#71717a"
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
