"""Something that somebody asked the model for: a generator of steps, and what has become of it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

Steps = Generator[object, None, object]


class Stopped(BaseException):
    """Raised inside a step that is to end at once; no `except Exception` may take it for a fault of the step."""


@dataclass(frozen=True)
class Progress:
    """Where something stands that somebody asked for: a line, how long that takes where it is known, and more of it."""

    line: str
    time: str = ""
    more: str = ""

    def __str__(self) -> str:
        return f"{', '.join(filter(None, (self.line, self.time)))}. {self.more}" if self.more else self.line


class JobRefused(Exception):
    """A job was not begun, or not finished, for the reason that it says."""


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop in which it was asked for."""
    with suppress(RuntimeError):
        return asyncio.get_running_loop()


class Unheard(JobRefused):
    """A job was ended because nobody listened any more."""


@dataclass(eq=False)
class Job:
    """Steps that somebody asked for. None of them is a plain step, any other value is said to whoever follows.

    Jobs of a `kind` have turns of about one length; nothing is known of those without one.
    """

    caller: str
    steps: Steps | None  # None once it is over
    about: Callable[[], str]  # what it is and how far, for those who wait
    by_rows: bool  # the model is handed over only after a step that says something
    names: tuple[str, ...]  # under which somebody listens
    joined: float
    kind: str = ""
    loop: asyncio.AbstractEventLoop | None = field(default_factory=_running_loop)
    values: deque = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    grace: float = 0.0  # seconds in which nobody need listen: whoever asked for it may come back
    follower: object = None  # who passes on what it says: whoever came last
    heard: float | None = None  # when somebody last listened
    held: float = 0.0  # seconds of the model
    since: float = 0.0  # when it would have begun if it had never waited between its turns
    turn: float | None = None  # when its turn, or row, began; None once it would have given the model away
    begun: bool = False
    left: bool = False  # whoever asked for it wants it no more
    over: bool = False
    result: object = None
    error: BaseException | None = None

    @property
    def waited(self) -> float:
        """Seconds in line, until its last turn."""
        return self.since - self.joined

    def followed(self) -> object:
        """Who follows it from here on, in the loop of that one."""
        self.loop, self.changed, self.follower = asyncio.get_running_loop(), asyncio.Event(), object()
        return self.follower

    async def change(self, seconds: float) -> None:
        """Return when there is something new of it, or after so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.changed.wait()

    def told_to(self, follower: object) -> Iterator[object]:
        """What it has said and nobody took yet, for as long as nobody else follows it."""
        while self.values and self.follower is follower:
            yield self.values.popleft()

    def rename(self, caller: str, name: str) -> None:
        """Who asked for it, if it is that one, is here again under another name, and will listen."""
        if self.caller == caller:
            self.caller, self.names = name, tuple(name if one == caller else one for one in self.names)
            self.heard = self.heard and time.monotonic()

    def tell(self) -> None:
        """Wake whoever follows."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.changed.set)
