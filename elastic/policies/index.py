"""What is kept beside the slots so that a part of them can be read, as a policy says it."""

from dataclasses import dataclass

from elastic.policies.ranges import share_of


@dataclass(frozen=True)
class Index:
    """How a token of an answer finds the slots that it reads: `share` of those that a layer holds at that moment."""

    share: float

    def count(self, slots: int) -> int:
        """How many of so many slots are read, 1 at least."""
        return share_of(self.share, slots)


@dataclass(frozen=True)
class PageIndex(Index):
    """The bounds of the keys of so many neighbouring slots, a `page`."""

    page: int


@dataclass(frozen=True)
class CodeIndex(Index):
    """Keys in short codes: `parts` of the channels, each by the number of the nearest of 2^`bits` centroids.

    The first `sinks` slots have none and are always read, as are the newest ones: half of what is left to be read. The
    centroids are found in so many `rounds`.
    """

    sinks: int
    bits: int
    rounds: int
    parts: int = 2
