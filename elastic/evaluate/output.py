"""The files of a finished run: JSON, CSV, and the report in one HTML file."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from elastic.evaluate.aggregates import Row
from elastic.evaluate.registry import REPORT, load
from elastic.files import write

ANSWERS = ".samples.jsonl"
LEFT_OUT = ".left-out.jsonl"
OF_RUN = (
    "model",
    "weights",
    "data",
    "question",
    "layout",
    "texts",
    "seed",
    "dtype",
    "date",
)  # on every line of a table


def files_of(path: Path) -> list[Path]:
    """The files of a run whose results go to a path: results, table, report, every answer, lines that are none."""
    return [path, *(path.with_suffix(ending) for ending in (".csv", ".html", ANSWERS, LEFT_OUT))]


def results_in(path: Path) -> dict[str, Any] | None:
    """The results that a file holds; None where it holds none, or is not there."""
    try:
        found = json.loads(path.read_bytes())
        is_whole = isinstance(found["settings"]["samples"], int) and all(
            {"policy", "keep"} <= {*row} for row in found["rows"]
        )
        return found if is_whole else None
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return None


def write_all(path: Path, results: dict[str, Any]) -> tuple[list[Path], str]:
    """Write results, table and report beside each other, each whole; returns their paths, and why there is no report.

    Raises:
        ValueError: if one cannot be written.
    """
    contents = [json.dumps(results, indent=1, allow_nan=False) + "\n", _csv(results)]
    why_no_report = ""
    try:
        report = load(REPORT, "html")
    except ValueError as error:
        why_no_report = str(error)
    else:
        contents.append(report(results))
    paths = files_of(path)[: len(contents)]
    for one, content in zip(paths, contents, strict=True):
        write(one, content)
    return paths, why_no_report


def write_again(path: Path) -> Path:
    """Write the report of results that lie at a path, beside them; returns its path.

    Raises:
        ValueError: if there are none, nothing is installed that writes reports, or the report cannot be written.
    """
    results, make = results_in(path), load(REPORT, "html")
    try:
        if results is None or not {"measures", "failures", "pictures"} <= {*results}:
            raise LookupError
        content = make(results)
    except (LookupError, TypeError, AttributeError, ValueError) as error:  # somebody may have edited it
        raise ValueError(
            f"{path} holds no results that a report can be made of. Give the .json that a run has written; one of a "
            "version before 0.9 is written anew by the command that made it, which computes nothing again."
        ) from error
    report = path.with_suffix(".html")
    write(report, content)
    return report


def _csv(results: dict[str, Any]) -> str:
    """One line per method and budget, which says of what run it is; what is nested in a row has columns of its own."""
    settings = results.get("settings") or {}
    of_run = {name: settings.get(name) for name in OF_RUN}
    flat = [of_run | _flat(row) for row in results["rows"]]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(flat)
    return file.getvalue()


def _flat(row: Row) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in row.items():
        if name == "exact_by_skill":
            continue  # in `by_skill`, too
        if name == "by_skill":
            for skill, found in value.items():
                flat |= {f"{measure}: {skill}": of for measure, of in _flat(found).items()}
        elif name.startswith("vs_"):
            for measure, found in value.items():
                flat[f"{measure} {name}"] = found["difference"]
                flat |= _bounds(f"{measure} {name}", found["ci"])
        elif name.endswith("_ci"):
            flat |= _bounds(name.removesuffix("_ci"), value)
        else:
            flat[name] = value
    return flat


def _bounds(name: str, interval: list[float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name} low": low, f"{name} high": high}
