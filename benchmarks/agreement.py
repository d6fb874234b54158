"""Which results two models share: `python -m benchmarks.agreement`, from the results that are committed here.

A row per method, at a fifth of the cache; below, how alike two columns rank the methods that both have (Spearman's rank
correlation, 1 where they rank them the same, 0 where one says nothing about the other).
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
KEEP = 0.2
TWICE = "combine"  # with the parts it begins with: Elastic Cache once more, which would count twice


@dataclass(frozen=True)
class Column:
    """A measure of a file of results; of a distance less is better."""

    title: str
    file: str
    measure: str
    is_distance: bool = False

    def values(self, folder: Path = RESULTS) -> dict[str, float]:
        """What each method has at a fifth of the cache."""
        rows = json.loads((folder / self.file).read_text(encoding="utf-8"))["rows"]
        found = {row["policy"]: row.get(self.measure) for row in rows if row["keep"] == KEEP and row["policy"] != TWICE}
        return {policy: value for policy, value in found.items() if value is not None}


COLUMNS = (
    Column("pocket-llava, short answers", "methods.json", "exact_short"),
    Column("pocket-llava, numbers", "pocket-recall.json", "exact_of_full"),
    Column("pocket-llava, before the question", "pocket-unknown.json", "exact_short"),
    Column("SmolLM2, numbers and names", "smollm2-recall.json", "exact_of_full"),
    Column("SmolLM2, KL after passages", "smollm2-passages.json", "kl", is_distance=True),
)


def alike(one: Mapping[str, float], other: Mapping[str, float]) -> tuple[float, int]:
    """Spearman's rank correlation over what both have, and how much that is; ties share their mean rank.

    Raises:
        ValueError: if both have fewer than three in common, or one has the same value for all.
    """
    common = sorted(set(one) & set(other))
    if len(common) < 3:
        raise ValueError(f"Ranks of {len(common)} methods say nothing: measure three or more of the same.")
    ranked = [_ranks([values[name] for name in common]) for values in (one, other)]
    if any(np.ptp(ranks) == 0 for ranks in ranked):
        raise ValueError("All methods have the same value: there is nothing to rank.")
    return float(np.corrcoef(*ranked)[0, 1]), len(common)


def _ranks(values: list[float]) -> np.ndarray:
    array = np.array(values)
    return np.array([(array < value).sum() + ((array == value).sum() - 1) / 2 for value in array])


def main() -> None:
    """Print the table and the correlations."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    values = [column.values() for column in COLUMNS]
    first = values[0]
    names = [
        name for name in sorted(first, key=first.__getitem__, reverse=True) if any(name in one for one in values[1:])
    ]
    lines = [["", *(column.title for column in COLUMNS)], ["---"] * (1 + len(COLUMNS))]
    lines += [
        [name, *(_cell(column, one.get(name)) for column, one in zip(COLUMNS, values, strict=True))] for name in names
    ]
    print(*(f"| {' | '.join(line)} |" for line in lines), sep="\n", end="\n\n")
    for (left, of_left), (right, of_right) in combinations(zip(COLUMNS, values, strict=True), 2):
        towards = {name: -value if right.is_distance else value for name, value in of_right.items()}
        ranked, methods = alike(of_left, towards)
        print(f"{ranked:5.2f}  {left.title} and {right.title} ({methods} methods)")


def _cell(column: Column, value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if column.is_distance else f"{100 * value:.0f} %"


if __name__ == "__main__":
    main()
