"""What others add to the evaluation: data of their own, and what writes a report.

`elastic` has no pictures and no report, and imports neither; texts it has. A package that is installed offers more as
entry points, in the groups below: `[project.entry-points."elastic.evaluate.data"]`,
`mine = "my_package.samples:samples"`. Of a checkout, where nothing is installed, the pyproject.toml beside `elastic/`
says the same, under `[tool.elastic."elastic.evaluate.data"]`.
"""

import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

DATA = "elastic.evaluate.data"  # functions that make samples: see `elastic.evaluate.data.registered_samples`
TEXTS = "elastic.evaluate.texts"  # the same for models that read no pictures
REPORT = "elastic.evaluate.report"  # functions from results, as they are in the JSON, to the text of an HTML file
# What `elastic` itself has of each group.
OWN = {TEXTS: {"recall": "elastic.evaluate.needles:samples", "passages": "elastic.evaluate.passages:samples"}}
CHECKOUT = Path(__file__).parents[2] / "pyproject.toml"


def registered(group: str) -> dict[str, EntryPoint]:
    """What is registered in a group, by name."""
    settings = tomllib.loads(CHECKOUT.read_text(encoding="utf-8")) if CHECKOUT.is_file() else {}
    beside = OWN.get(group, {}) | settings.get("tool", {}).get("elastic", {}).get(group, {})
    found = {name: EntryPoint(name, value, group) for name, value in beside.items()}
    return found | {point.name: point for point in entry_points(group=group)}


def load(group: str, name: str) -> Callable[..., Any]:
    """The function that is registered by a name.

    Raises:
        ValueError: if nobody has registered it, or something that it needs is not installed; one sentence.
    """
    point = registered(group).get(name)
    if point is None:
        raise ValueError(f"No package that is installed here offers {name!r} as {group}.")
    try:
        found: Callable[..., Any] = point.load()
    except ModuleNotFoundError as error:
        raise ValueError(f"{name!r} of {group} needs the package {error.name!r}, which is not installed.") from error
    return found
