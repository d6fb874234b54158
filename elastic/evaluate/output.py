"""The files of a finished run: JSON, CSV, and the report in one HTML file."""

import base64
import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from elastic.evaluate.data import Sample
from elastic.evaluate.lines import Record
from elastic.files import write
from elastic.picture import small_jpeg

ANSWERS = ".samples.jsonl"
LEFT_OUT = ".left-out.jsonl"
WORST = 5  # failures shown of a method at a budget
WORST_OF_METHOD = 15  # and of a method in all: each comes with its picture


def files_of(path: Path) -> list[Path]:
    """The files of a run whose results go to a path: results, table, report, every answer, lines that are none."""
    return [path, *(path.with_suffix(ending) for ending in (".csv", ".html", ANSWERS, LEFT_OUT))]


def results_in(path: Path) -> dict | None:
    """The results that a file holds; None where it holds none, or is not there."""
    try:
        found = json.loads(path.read_bytes())
        is_whole = isinstance(found["settings"]["samples"], int) and all(
            {"policy", "keep"} <= {*row} for row in found["rows"]
        )
        return found if is_whole else None
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return None


def write_all(path: Path, results: dict, answers: list[Record], samples: Iterable[Sample]) -> list[Path]:
    """Write results, table and report beside each other, each whole; returns their paths.

    Raises:
        ValueError: if one cannot be written.
    """
    from viz.report import report_html

    paths = files_of(path)[:3]
    report = report_html(results, failures(answers, samples))
    contents = json.dumps(results, indent=1, allow_nan=False) + "\n", _csv(results["rows"]), report
    for path, content in zip(paths, contents, strict=True):
        write(path, content)
    return paths


def failures(answers: list[Record], samples: Iterable[Sample]) -> list[dict]:
    """The worst answers of each method and budget, beside the full cache's.

    First those the full cache has right and the method has not, then those whose text is least like the full cache's.
    """
    full = {(answer["sample"], answer["skill"]): answer for answer in answers if answer["policy"] == "full"}
    by_method: defaultdict[tuple, list[Record]] = defaultdict(list)
    for answer in answers:
        other = full.get((answer["sample"], answer["skill"]))
        if answer["policy"] != "full" and other is not None and answer["text"] != other["text"]:
            by_method[answer["policy"], answer["keep"]].append(answer)
    budgets = Counter(policy for policy, _ in by_method)
    pictures = _Pictures(samples)
    found = []
    for (policy, keep), wrong in by_method.items():
        wrong.sort(key=lambda a: (not full[a["sample"], a["skill"]]["exact"] or a["exact"] is not False, a["rouge_l"]))
        for answer in wrong[: min(WORST, max(1, WORST_OF_METHOD // budgets[policy]))]:
            other = full[answer["sample"], answer["skill"]]
            found.append(
                {
                    "policy": policy,
                    "keep": keep,
                    "sample": answer["sample"],
                    "skill": answer["skill"],
                    "question": other["question"],
                    "reference": other["reference"],
                    "full": other["text"],
                    "answer": answer["text"],
                    "rouge_l": answer["rouge_l"],
                    "agreement": answer["agreement"],
                    "picture": pictures.uri(answer["sample"]),
                }
            )
    return found


class _Pictures:
    """Pictures of samples as data URIs, each made once."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = {sample.name: sample for sample in samples}
        self.made: dict[str, str | None] = {}

    def uri(self, name: str) -> str | None:
        """A sample's picture; None where the sample or its picture is no longer there."""
        if name not in self.made:
            try:
                jpeg = small_jpeg(self.samples[name].open())
                self.made[name] = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
            except (KeyError, ValueError):
                self.made[name] = None
        return self.made[name]


def _csv(rows: list[dict]) -> str:
    """One line per method and budget; what is nested in a row becomes columns of its own."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(flat)
    return file.getvalue()


def _flat(row: dict) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in row.items():
        if name == "exact_by_skill":
            flat |= {f"exact: {skill}": share for skill, share in value.items()}
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
