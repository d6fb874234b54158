"""HTML from the templates among the assets: texts that are filled in are escaped, only `Markup` is taken as HTML."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

ASSETS = Path(__file__).parent.parent / "assets"


@cache
def _environment() -> Environment:
    # A name that nobody fills in is an error, not an empty place.
    return Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def filled(template: str, /, **parts: object) -> str:
    """A template, by its path among the assets, with its parts filled in."""
    return _environment().get_template(template).render(parts)
