"""What a number of a method or a part may be, and what a share of slots comes to."""

from dataclasses import fields
from typing import Any

WORDS = {bool: "true or false", int: "a whole number", float: "a number"}


def check_numbers(part: Any) -> None:
    """See that the numbers of a part are within their ranges.

    Raises:
        ValueError: if one is not.
    """
    for number in fields(part):
        if number.metadata:
            value, low, high = getattr(part, number.name), number.metadata["low"], number.metadata["high"]
            if not is_of_kind(value, type(number.default)) or not low <= value <= high:
                kind, name = WORDS[type(number.default)], f"{number.name} of {type(part).__name__}"
                raise ValueError(f"{name} must be {kind} between {low:g} and {high:g}, got {value!r}.")


def is_of_kind(value: Any, kind: type) -> bool:
    """Whether a value can be that of a hyper-parameter whose default is of some kind."""
    if kind in (int, float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and (kind is float or float(value).is_integer())
    return isinstance(value, str if issubclass(kind, str) else kind)


def share_of(keep: float, tokens: int) -> int:
    """The slots that are a share of so many tokens, 1 at least. Decimal fractions are not exact: 0.3 x 10 must be 3."""
    return max(1, int(keep * tokens + 1e-9))
