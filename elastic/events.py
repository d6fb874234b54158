"""What happens while a comparison answers a question, in the order in which it does. No torch: pages know it, too."""

from collections.abc import Callable
from dataclasses import dataclass

from elastic.record.trace import Run


@dataclass(frozen=True)
class Encoding:
    """The picture is about to be encoded."""


@dataclass(frozen=True)
class Prefilling:
    """A prompt of so many tokens is about to be read: by all sides together, or by each behind what it holds."""

    tokens: int
    together: bool


@dataclass(frozen=True)
class Read:
    """The prompt was read, and is about to be compressed."""

    seconds: float


@dataclass(frozen=True)
class Compressing:
    """The cache of a side, counted from 0, is about to be made of what was read."""

    side: int


@dataclass(frozen=True)
class Rereading:
    """Of a conversation that is read again, turn `number` of so many is being read, or answered once more."""

    number: int
    turns: int


@dataclass(frozen=True)
class Judging:
    """Of an answer that was given before something was erased, so many of its tokens have been judged without it."""

    number: int
    most: int


@dataclass(frozen=True)
class Answering:
    """What can be recorded from here on; a record is made where somebody asks for it, not at every step."""

    record: Callable[[], Run]


@dataclass(frozen=True)
class Compressed(Answering):
    """All sides have their caches: so many tokens were read, and per side so many slots are held in a layer's mean."""

    tokens: int
    slots: list[float]


@dataclass(frozen=True)
class Stepped(Answering):
    """Every side that goes on has written one token more: the answer's `number`, of `most` that it may have."""

    number: int
    most: int


@dataclass(frozen=True)
class Ended(Answering):
    """No side goes on; per side why: `end` where it said so, `limit` where the answer may not be longer."""

    reasons: list[str]


Event = Encoding | Prefilling | Read | Compressing | Rereading | Judging | Compressed | Stepped | Ended
