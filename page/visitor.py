"""What belongs to one visitor, as one object: it all stands in the store, in its one budget, and goes with his visit.

The store gives up a thing at a time, the longest unused first: of a visitor who compares, the conversation may go while
the table stays. So each is a thing there, of its own size and age, and here they are one object with types.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from page.store import ON_SCREEN, Store, Visit

if TYPE_CHECKING:  # a page without a model needs neither
    from elastic.session import Comparison
    from page.comparing import Table

CONVERSATION, TABLE = "conversation", "table"  # kinds of things in the store that somebody may miss
T = TypeVar("T")


class Coming(StrEnum):
    """How far a question has come that is under way."""

    PRESSED = "pressed"
    ASKED = "asked"


class Wish(StrEnum):
    """What somebody wants instead of the rest of an answer: to see what there is of it, nothing, or another run."""

    STOP = "stop"
    ANEW = "anew"
    ASIDE = "aside"


class Kept(Generic[T]):
    """Something of a visitor's: None where he has none, or where it was given up; to set it to None gives it up.

    `seconds` is how long it is kept unused, `size` the bytes it holds, which may change.
    """

    def __init__(self, kind: str, seconds: float | None = None, size: Callable[[T], int] = lambda value: 0) -> None:
        self.kind, self.seconds, self.size = kind, seconds, size

    def __get__(self, visitor: "Visitor", owner: type) -> T | None:
        return visitor.store.get((self.kind, visitor.name))

    def __set__(self, visitor: "Visitor", value: T | None) -> None:
        key = self.kind, visitor.name
        if value is None:
            visitor.store.drop(key)
        else:
            visitor.store.put(key, value, visitor.visit, size=lambda: self.size(value), seconds=self.seconds)


class Visitor:
    """One visitor. What is set once his visit has ended is let go at once."""

    conversation: "Kept[Comparison]" = Kept(CONVERSATION, size=lambda comparison: comparison.nbytes)
    table: "Kept[Table]" = Kept(TABLE, ON_SCREEN, size=lambda table: table.nbytes)
    looks_at: Kept[str] = Kept("looks at", ON_SCREEN)  # the name of a run
    under_way: Kept[Coming] = Kept("under way")  # of the question that goes on
    begun: Kept[float] = Kept("begun")  # when the last question was, by the browser's clock
    wish: Kept[Wish] = Kept("wish")

    def __init__(self, store: Store, name: str, visit: Visit | None) -> None:
        self.store, self.name, self.visit = store, name, visit

    @classmethod
    def acting(cls, store: Store, name: str) -> "Visitor":
        """Who has just done something: a visit begins where there is none."""
        return cls(store, name, store.visit(name))

    @classmethod
    def known(cls, store: Store, name: str) -> "Visitor":
        """The same for what comes after an action, and begins nothing."""
        return cls(store, name, store.visiting(name))

    def why_lost(self, kind: str) -> str:
        """Why something of that kind went since this was last asked: room, time, away; empty where nothing did."""
        return self.store.lost(self.name, kind)
