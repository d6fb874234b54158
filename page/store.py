"""What the page remembers of its visitors, all of it in one place: bounded by bytes and by time.

Conversations, records, tables, files and Gradio's sessions are kept here under a key, each for a visit or for nobody
in particular. Nothing here knows what they are: a size in bytes, and what is to be done when they go, come with them.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock

UNUSED = 1800.0  # seconds after which a thing that nobody used is given up
ON_SCREEN = 4 * 3600.0  # the same of what stands on somebody's screen and may be pointed at
REMEMBERED = 1000  # visitors of whom is known what they lost, until they are told

Key = tuple[str, str]  # kind, and a name that is unique among its kind


@dataclass(eq=False)
class Visit:
    """A visitor's stay. Once it has ended, whatever is put for it is let go at once: nothing comes back to life."""

    name: str
    used: float
    ended: bool = False


@dataclass
class _Held:
    value: object
    visit: Visit | None
    size: Callable[[], int]
    seconds: float
    release: Callable[[], None] | None
    bytes: int
    used: float


@dataclass
class Store:
    """Things by key; the longest unused go when there are more than `limit` bytes, each after a time unused.

    Visitors whose things went for room, for time or because they were away are told once, see `lost`. Every method may
    be called from any thread.
    """

    limit: int = 2**30
    seconds: float = UNUSED
    clock: Callable[[], float] = time.monotonic
    bytes: int = 0  # held now
    released: int = 0  # things given up so far
    _things: OrderedDict[Key, _Held] = field(default_factory=OrderedDict)
    _visits: dict[str, Visit] = field(default_factory=dict)
    _lost: OrderedDict[str, dict[str, str]] = field(default_factory=OrderedDict)
    _lock: RLock = field(default_factory=RLock)

    def __len__(self) -> int:
        return len(self._things)

    def __contains__(self, key: Key) -> bool:
        return key in self._things

    def visit(self, name: str) -> Visit:
        """The visit of a visitor who just did something, a new one where there is none."""
        with self._lock:
            visit = self._visits.get(name)
            if visit is None:
                visit = self._visits[name] = Visit(name, 0.0)
            visit.used = self.clock()
            return visit

    def visiting(self, name: str) -> Visit | None:
        """The visit of a visitor, None where there is none: for what comes after an action, and begins nothing."""
        return self._visits.get(name)

    def visit_of(self, key: Key) -> Visit | None:
        """Whose a thing is that is held, None where it is not."""
        with self._lock:
            held = self._things.get(key)
            return held.visit if held else None

    def visits(self) -> list[Visit]:
        """All that have not ended."""
        with self._lock:
            return list(self._visits.values())

    def leave(self, name: str) -> None:
        """End a visit and give up all that was held for it."""
        with self._lock:
            visit = self._visits.pop(name, None)
            if visit is None:
                return
            visit.ended = True
            for key in [key for key, held in self._things.items() if held.visit is visit]:
                self._give_up(key, "away")

    def put(
        self,
        key: Key,
        value: object,
        visit: Visit | None = None,
        *,
        size: Callable[[], int] = lambda: 0,
        seconds: float | None = None,
        release: Callable[[], None] | None = None,
    ) -> bool:
        """Hold a thing in place of an earlier one under its key; False where its visit has ended.

        `size` says the bytes it holds now, which may change; `release` is called when the key is given up.
        """
        with self._lock:
            if visit is not None and visit.ended:
                self.released += 1
                if release is not None:
                    release()
                return False
            if (earlier := self._things.pop(key, None)) is not None:
                self.bytes -= earlier.bytes
                self.released += earlier.value is not value
            keep = self.seconds if seconds is None else seconds
            held = _Held(value, visit, size, keep, release, size(), self.clock())
            self._things[key] = held
            self.bytes += held.bytes
            self._make_room(key)
            return True

    def get(self, key: Key) -> object | None:
        """What is held under a key, which counts as use; None where nothing is."""
        with self._lock:
            held = self._things.get(key)
            if held is None:
                return None
            held.used = self.clock()
            self._things.move_to_end(key)
            return held.value

    def look(self, key: Key) -> object | None:
        """As `get`, but no use."""
        held = self._things.get(key)
        return held.value if held else None

    def keys(self, kind: str) -> list[Key]:
        """The keys of a kind, the longest unused first."""
        with self._lock:
            return [key for key in self._things if key[0] == kind]

    def drop(self, key: Key) -> None:
        """Give up a thing that is wanted no more."""
        with self._lock:
            self._give_up(key, "")

    def drop_kind(self, kind: str) -> None:
        """Give up all things of a kind: the last resort when memory runs out."""
        with self._lock:
            for key in self.keys(kind):
                self._give_up(key, "room")

    def lost(self, name: str, kind: str) -> str:
        """Why a visitor's thing of that kind went since this was last asked: room, time, away; empty where none did."""
        with self._lock:
            lost = self._lost.get(name, {})
            why = lost.pop(kind, "")
            if not lost:
                self._lost.pop(name, None)
            return why

    def sweep(self) -> None:
        """Give up what was unused for too long and what no longer fits; to be called now and then."""
        with self._lock:
            now = self.clock()
            for key, held in list(self._things.items()):
                if now - held.used > held.seconds:
                    self._give_up(key, "time")
                    continue
                size = held.size()
                self.bytes += size - held.bytes
                held.bytes = size
            owners = {held.visit.name for held in self._things.values() if held.visit}
            for name, visit in list(self._visits.items()):
                if name not in owners and now - visit.used > self.seconds:
                    visit.ended = True
                    del self._visits[name]
            self._make_room(None)

    def _make_room(self, spared: Key | None) -> None:
        for key in list(self._things):
            if self.bytes <= self.limit:
                return
            if key != spared:
                self._give_up(key, "room")

    def _give_up(self, key: Key, why: str) -> None:
        held = self._things.pop(key, None)
        if held is None:
            return
        self.bytes -= held.bytes
        self.released += 1
        if why and held.visit is not None:
            self._lost.setdefault(held.visit.name, {})[key[0]] = why
            self._lost.move_to_end(held.visit.name)
            while len(self._lost) > REMEMBERED:
                self._lost.popitem(last=False)
        if held.release is not None:
            held.release()
