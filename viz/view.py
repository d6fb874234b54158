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
    parts = ("transcript", "coming", "strips", "panels", "story", "erase", "levels", "narrow", "forced", "present")
    files = ["colours.css", "trace_view.css", *(f"view/{part}.css" for part in parts)]
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in files)


@cache
def template() -> str:
    """The component's fixed markup, empty of data."""
    return (ASSETS / "trace_view.html").read_text(encoding="utf-8")
