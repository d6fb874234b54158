"""Something that somebody asked the model for: a generator of steps, and what has become of it."""

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

Steps = Generator[object, None, object]


class Stopped(BaseException):
    """Raised inside a step that is to end at once; no `except Exception` may take it for a fault of the step."""


class Waiting(str):
    """A sentence for somebody who waits for the model."""


class JobRefused(Exception):
    """A job was not begun, or not finished, for the reason that it says."""


@dataclass(eq=False)
class Job:
    """Steps that somebody asked for. None of them is a plain step, any other value is said to whoever follows."""

    caller: str
    steps: Steps | None  # None once it is over
    about: Callable[[], str]  # what it is and how far, for those who wait
    by_rows: bool  # the model is handed over only after a step that says something
    names: tuple[str, ...]  # under which somebody listens
    joined: float
    loop: asyncio.AbstractEventLoop | None
    values: deque = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    heard: float | None = None  # when somebody last listened
    held: float = 0.0  # seconds of the model
    since: float = 0.0  # when it would have begun if it had never waited between its turns
    begun: bool = False
    left: bool = False  # whoever asked for it wants it no more
    over: bool = False
    result: object = None
    error: BaseException | None = None

    @property
    def waited(self) -> float:
        """Seconds in line, until its last turn."""
        return self.since - self.joined

    def tell(self) -> None:
        """Wake whoever follows."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.changed.set)
