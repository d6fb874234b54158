"""What claims are computed from: places in the files of results. What is not there is a LookupError that says so."""

from collections.abc import Callable, Iterable
from typing import Any

FRACTIONS = {0.5: "half", 0.2: "a fifth", 0.1: "a tenth", 0.05: "a twentieth"}
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def row(data: dict[str, Any], **wanted: object) -> dict[str, Any]:
    """The one row that has these values, of a file with `rows`.

    Raises:
        LookupError: if there is none, or several.
    """
    found = [one for one in data["rows"] if all(one.get(name) == value for name, value in wanted.items())]
    if len(found) != 1:
        asked = ", ".join(f"{name} {value}" for name, value in wanted.items())
        raise LookupError(f"{len(found) or 'no'} rows with {asked}")
    return found[0]


def percent(of: dict[str, Any], name: str) -> float:
    """A share, as percent.

    Raises:
        LookupError: if it is not there, or was not measured.
    """
    if of.get(name) is None:
        raise LookupError(f"no {name}")
    return 100 * of[name]


def short_questions(of: dict[str, Any]) -> int:
    """How many of a row's questions are short ones: its shares of right answers say so.

    Raises:
        LookupError: if they do not.
    """
    if of["exact_describe"] is None:
        return of["n"]
    if of["exact_describe"] == of["exact_short"]:
        raise LookupError("nothing that says how many questions are short ones")
    return round(of["n"] * (of["exact"] - of["exact_describe"]) / (of["exact_short"] - of["exact_describe"]))


def in_words(share: float, of: int) -> str:
    """The share in words, as in *nine in ten*; in percent where that is more than five points away."""
    count = round(share * of)
    return f"{COUNTS[count]} in {COUNTS[of]}" if abs(share - count / of) <= 0.05 else f"{share:.0%}"


def all_alike(values: Iterable[float], told: Callable[[float], str]) -> str:
    """What is told of each of the values; all of them, joined, where that is not the same."""
    return " / ".join(dict.fromkeys(told(value) for value in values))
