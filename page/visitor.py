"""What belongs to one visitor, as one object: it all stands in the store, in its one budget, and goes with his visit.

The store gives up a thing at a time, the longest unused first: of a visitor who compares, the conversation may go while
the table stays. So each is a thing there, of its own size and age, and here they are one object with types.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from page.store import ON_SCREEN, Store, Visit
from page.wish import Wish

if TYPE_CHECKING:  # a page without a model needs neither
    from elastic.session import Comparison
    from page.comparing import Table
    from page.conversing import Conversation
    from page.pending import Pending

# Kinds of things in the store that somebody may miss.
CACHES, CONVERSATIONS, TABLE = "caches", "conversations", "table"
REMADE = (CACHES,)  # what a closed tab frees though it may come back: it can be made again
MOST_CONVERSATIONS = 20  # of a visitor; the oldest go
T = TypeVar("T")


class UnderWay(StrEnum):
    """How far a question has come that is under way."""

    PRESSED = "pressed"
    ASKED = "asked"


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

    # Caches that go on with the current conversation; all his conversations, the latest last; the current one's name.
    comparison: "Kept[Comparison]" = Kept(CACHES, size=lambda comparison: comparison.nbytes)
    conversations: "Kept[list[Conversation]]" = Kept(
        CONVERSATIONS, ON_SCREEN, size=lambda held: sum(one.nbytes for one in held)
    )
    current: Kept[str] = Kept("current", ON_SCREEN)
    table: "Kept[Table]" = Kept(TABLE, ON_SCREEN, size=lambda table: table.nbytes)
    looks_at: Kept[str] = Kept("looks at", ON_SCREEN)  # the name of a run
    under_way: Kept[UnderWay] = Kept("under way")  # of the question that goes on
    pending: "Kept[Pending]" = Kept("pending", size=lambda pending: pending.nbytes)  # the same, with who answers it
    begun: Kept[float] = Kept("begun")  # when the last question was, by the browser's clock
    wish: Kept[Wish] = Kept("wish")
    lacks_picture: Kept[str] = Kept("lacks picture")  # the question about one that is gone
    unanswered: Kept[str] = Kept("unanswered")  # the question that was stopped before there was anything of an answer

    def __init__(self, store: Store, name: str, visit: Visit | None) -> None:
        self.store, self.visit, self._name = store, visit, name

    @property
    def name(self) -> str:
        """The name under which he is known now: that of his tab, which is another one whenever it is loaded anew."""
        return self.visit.name if self.visit else self._name

    @classmethod
    def acting(cls, store: Store, name: str) -> "Visitor":
        """Who has just done something: a visit begins where there is none."""
        return cls(store, name, store.visit(name))

    @classmethod
    def known(cls, store: Store, name: str) -> "Visitor":
        """The same for what comes after an action, and begins nothing."""
        return cls(store, name, store.visiting(name))

    @property
    def conversation(self) -> "Conversation | None":
        """The current conversation."""
        name = self.current
        return next((one for one in self.conversations or [] if one.name == name), None)

    @property
    def others(self) -> "list[Conversation]":
        """His other conversations, the latest first."""
        name = self.current
        return [one for one in reversed(self.conversations or []) if one.name != name]

    def take_up(self, conversation: "Conversation | None", instead: str = "") -> None:
        """Make a conversation the current one, the latest, in place of the one named `instead`; None for a new one."""
        self.current = conversation.name if conversation else None
        if conversation is not None:
            others = [one for one in self.conversations or [] if one.name not in (conversation.name, instead)]
            self.conversations = [*others[1 - MOST_CONVERSATIONS :], conversation]

    def why_lost(self, kind: str) -> str:
        """Why something of that kind went since this was last asked: room, time, away; empty where nothing did."""
        return self.store.lost(self.name, kind)
