"""One line of a file of answers: what it may be, and how it is told that it is whole and of this run."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from elastic.evaluate.measure import Outcome

Record = dict[str, Any]

LONGEST = 2**24  # bytes: what is longer is no line of an evaluation, and is never read as a whole
CHECK = "check"  # the entry of a line that `check_of` makes


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")


class _Of(_Line):
    """What an answer is of."""

    sample: str
    policy: str
    keep: float = Field(gt=0, le=1)
    budget: int | None  # tokens to hold, where that was asked for and not the share


class _Error(_Of):
    error: str


class _Settings(_Line):
    settings: dict[str, Any]


class _About(_Line):
    about: dict[str, str]


_OUTCOME: dict[str, Any] = {of.name: (of.type, ...) for of in fields(Outcome)}
_OUTCOME["compress_ms"] = (float | None, ...)  # None where times cannot be compared
_OUTCOME["bytes_read"] = (int | None, None)  # lines from before methods read a part have none
_Answer = create_model("_Answer", __base__=_Of, skill=(str, ...), unit=(str, ...), **_OUTCOME)
_Full = create_model(
    "_Full", __base__=_Answer, question=(str, ...), reference=(str | None, ...), picture=(str | None, None)
)


def read_lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Lines with their ends, if they have any, and the place in the file behind each; the longest are cut short."""
    while line := file.readline(LONGEST):
        rest = line
        while len(rest) == LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST)
        yield line if rest is line else line + rest[-1:], file.tell()


def parsed(line: bytes) -> Record:
    """What a line says: settings, what a run ran on, an answer, or an error; its check, if any, is not looked at.

    Raises:
        ValueError: with why it cannot be used, to go on after "line 7".
    """
    if len(line) > LONGEST:
        raise ValueError(f"is longer than {LONGEST:,} bytes")
    try:
        record = json.loads(line, parse_constant=_no_number)
        json.dumps(record, ensure_ascii=False).encode()  # half a character, which no file could be written with
    except (ValueError, RecursionError) as error:
        raise ValueError("is damaged" if line.endswith(b"\n") else "is not finished") from error
    if not isinstance(record, dict):
        raise ValueError("is no JSON object")
    of_line = {name: value for name, value in record.items() if name != CHECK}
    try:
        _kind(record).model_validate(of_line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        wrong = {"missing": "has no", "extra_forbidden": "has an unknown"}.get(first["type"], "has a wrong")
        raise ValueError(f"{wrong} {where[:40]!r}") from error
    return record


def _kind(record: Record) -> type[_Line]:
    kind: type[_Line]
    for name, kind in (("settings", _Settings), ("about", _About), ("error", _Error)):
        if name in record:
            return kind
    return _Full if record.get("policy") == "full" else _Answer


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def check_of(settings: Record, record: Record) -> str:
    """A checksum of what a line says and of what run it is, so that neither can change unseen."""
    return hashlib.sha256(json.dumps([settings, record]).encode()).hexdigest()[:12]
