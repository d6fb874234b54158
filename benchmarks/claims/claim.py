"""A claim: a sentence with numbers, and how they follow from data; what it is to hold."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

NUMBER, WORDS = r"[-+−]?\d[\d,]*(?:\.\d+)?", r".{1,40}?"
TODAY, EARLIER = "today's", "earlier ones"  # what a protocol may say of pocket-llava's weights


@dataclass(frozen=True)
class Claim:
    """A sentence of a document, as it stands there, with a name in braces for each of its numbers.

    `{name:.1f}` stands for a number and says how it is rounded, `{name}` for words such as *nine in ten*.

    Args:
        data: the file of the repository that the numbers are computed from.
        numbers: computes each name's value from what is in that file; a value that is a bool says whether something
            else holds that the sentence says. Raises LookupError where the file does not hold what it takes.
        model: the model that the numbers are of.
        protocol: how they were measured. What the file's settings tell as well must be the same there.
    """

    file: str
    says: str
    data: str
    numbers: Callable[[Any], Mapping[str, float | str | bool]]
    model: str
    protocol: Mapping[str, object] = field(default_factory=dict)

    def pattern(self) -> re.Pattern[str]:
        """What finds the sentence with whatever numbers it has, each of them a group."""
        parts = []
        for literal, name, form, _ in Formatter().parse(in_one_line(self.says)):
            parts.append(re.escape(literal))
            if name is not None:
                parts.append(f"({NUMBER if form else WORDS})")
        return re.compile("".join(parts))

    def recomputed(self, data: Any) -> Iterator[tuple[str, str]]:
        """Each number's name and the text that should stand in its place, in their order.

        Raises:
            LookupError: if the data do not hold it.
        """
        values = self.numbers(data)
        for _, name, form, _ in Formatter().parse(self.says):
            if name is not None:
                if values.get(name) is None:
                    raise LookupError(f"nothing for {name!r}")
                yield name, format(values[name], form or "")

    def unmet(self, data: Any) -> list[str]:
        """What else the sentence says and the data do not bear out."""
        return [name for name, value in self.numbers(data).items() if value is False]


@dataclass(frozen=True)
class Gap:
    """A number that was measured and cannot be computed again: nothing that it follows from is kept."""

    file: str
    says: str
    reason: str


@dataclass(frozen=True)
class NoMeasurement:
    """A number that nobody measured: a name, a parameter, a count of what stands there; `file` may be `*`."""

    file: str
    says: str
    what: str


def in_one_line(text: str) -> str:
    """The text with a single space wherever there is any."""
    return " ".join(text.split())


def settings(data: Any) -> dict[str, Any]:
    """What a file tells of how it was measured; empty where it tells nothing."""
    if not isinstance(data, dict):
        return {}
    plain = {name: value for name, value in data.items() if not isinstance(value, dict | list)}
    return plain | data.get("machine", {}) | data.get("settings", {})


def protocol(claim: Claim, known: Mapping[str, Any], weights_today: str) -> tuple[list[str], list[str]]:
    """What a claim says of model and protocol, as texts, and sentences for what the data tell otherwise.

    A text ends with a question mark where the data do not tell: then it is taken on trust.
    """
    texts, faults = [], []
    for name, said in {"model": claim.model, **claim.protocol}.items():
        measured = known.get(name)
        if name == "weights" and measured is not None and said in (TODAY, EARLIER):
            measured = TODAY if measured == weights_today else EARLIER
        texts.append(f"{'' if name == 'model' else f'{name} '}{said}{'?' if measured is None else ''}")
        if measured is not None and measured != said:
            faults.append(f"{name} is {said} according to its claim, and {measured} according to {claim.data}")
    return texts, faults
