"""The live view: its markup, style and script. Knows no web framework."""

from functools import cache
from pathlib import Path

from viz.joiner import joined

ASSETS = Path(__file__).parent.parent / "assets"


@cache
def script() -> str:
    """The component's JavaScript, the body of a function of `element`, `props`, `watch` and `server`."""
    return joined(ASSETS / "web" / "view" / "start.js")


@cache
def style() -> str:
    """The component's CSS."""
    parts = ("trace_view.css", "view/strips.css", "view/panels.css")
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in parts)


@cache
def template() -> str:
    """The component's fixed markup, empty of data."""
    return (ASSETS / "trace_view.html").read_text(encoding="utf-8")
