"""What the page remembers of its visitors, all of it in one place: bounded by bytes and by time.

Conversations, records, tables, files and Gradio's sessions are kept here under a key, each for a visit or for nobody
in particular. Nothing here knows what they are: a size in bytes, and what is to be done when they go, come with them.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import RLock

UNUSED = 1800.0  # seconds after which a thing that nobody used is given up
AWAY, MOST_AWAY = 1800.0, 1000  # seconds in which a tab that has gone may come back, and how many of them may
ON_SCREEN = 4 * 3600.0  # the same of what stands on somebody's screen and may be pointed at
REMEMBERED = 1000  # visitors of whom is known what they lost, until they are told

Key = tuple[str, str]  # kind, and a name that is unique among its kind


@dataclass(eq=False)
class Visit:
    """A visitor's stay. Once it has ended, whatever is put for it is let go at once: nothing comes back to life.

    A tab that is loaded anew has another name, and goes on with its stay by a key that nobody else knows.
    """

    name: str
    used: float
    ended: bool = False
    key: str = ""
    away: float | None = None  # since when; what was held for it goes first when room is needed


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
    _by_key: dict[str, Visit] = field(default_factory=dict)
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
            visit.used, visit.away = self.clock(), None
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

    def know(self, name: str, key: str) -> None:
        """Have a visitor come back by a key; that of an earlier stay leads to this one from here on."""
        with self._lock:
            visit = self.visit(name)
            self._by_key.pop(visit.key, None)
            visit.key = key
            self._by_key[key] = visit

    def come_back(self, key: str, name: str) -> str | None:
        """Have the stay of that key go on under another name, with all that is held for it; the name it had."""
        with self._lock:
            visit = self._by_key.get(key)
            if visit is None or visit.name == name:
                return visit and visit.name
            self._end(name)
            earlier, visit.name = visit.name, name
            del self._visits[earlier]
            self._visits[name] = visit
            for old in [old for old, held in self._things.items() if held.visit is visit and old[1] == earlier]:
                self._things[old[0], name] = self._things.pop(old)
            if earlier in self._lost:
                self._lost[name] = self._lost.pop(earlier)
            self.visit(name)
            return earlier

    def leave(self, name: str, remade: Sequence[str] = ()) -> None:
        """Give up all that was held for a visit; of one that may come back, only the kinds that can be `remade`."""
        with self._lock:
            visit = self._visits.get(name)
            if visit is None or not visit.key:
                self._end(name)
            elif visit.away is None:
                visit.away = self.clock()
                for key in [key for key, held in self._things.items() if held.visit is visit and key[0] in remade]:
                    self._give_up(key, "")

    def _end(self, name: str) -> None:
        visit = self._visits.pop(name, None)
        if visit is None:
            return
        visit.ended = True
        if self._by_key.get(visit.key) is visit:
            del self._by_key[visit.key]
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
                    self._end(name)
            away = sorted((visit.away, name) for name, visit in self._visits.items() if visit.away is not None)
            for number, (since, name) in enumerate(reversed(away)):
                if now - since > AWAY or number >= MOST_AWAY:
                    self._end(name)
            self._make_room(None)

    def _make_room(self, spared: Key | None) -> None:
        if self.bytes <= self.limit:
            return
        # The longest unused first, before them what is held for those who are away.
        for key in sorted(self._things, key=lambda key: self._is_here(self._things[key])):
            if self.bytes <= self.limit:
                return
            if key != spared:
                self._give_up(key, "room")

    def _is_here(self, held: _Held) -> bool:
        return held.visit is None or held.visit.away is None

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
