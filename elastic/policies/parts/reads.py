"""Which of the slots that are held a token of an answer reads: all of them, or those that an index points at.

What is read many queries at once, a prompt or a further question, reads everything.
"""

from dataclasses import dataclass

from elastic.policies.base import within
from elastic.policies.index import CodeIndex, Index, PageIndex


@dataclass(frozen=True)
class Reads:
    """All of them, which is what most methods do."""

    @property
    def is_plain(self) -> bool:
        """Whether a token reads all that a layer holds."""
        return True

    def index(self, layer: int, layers: int, slots: int) -> Index | None:
        """What is kept beside the `slots` of a layer, by its number from 0, to find those to read; None to read all."""
        return None


@dataclass(frozen=True)
class BestPages(Reads):
    """The newest page of neighbouring slots, and those whose keys' bounds allow the largest logit, as Quest has it.

    Args:
        share: of the slots of all layers together that are read.
        page: slots of a page; no more than half of what may be read of a layer, so that one can be chosen.
        whole: first layers that read everything; no more than take half of what may be read.
    """

    share: float = within(0.5, 0.01, 1.0)
    page: int = within(16, 1, 256)
    whole: int = within(2, 0, 100)

    @property
    def is_plain(self) -> bool:
        """It does not."""
        return False

    def index(self, layer: int, layers: int, slots: int) -> Index | None:
        """Bounds of pages, but for the first layers and where all may be read."""
        whole = min(self.whole, int(self.share * layers / 2 + 1e-9))
        if self.share == 1 or layer < whole:
            return None
        share = (self.share * layers - whole) / (layers - whole)
        return PageIndex(share, max(1, min(self.page, Index(share).count(slots) // 2)))


@dataclass(frozen=True)
class BestByCodes(Reads):
    """The first and the newest slots, and those with the largest logits by short codes of their keys, as PQCache does.

    Args:
        share: of a layer's slots that are read.
        sinks: first slots that are always read; no more than a third of what is.
        bits: of a code, of which each key has two.
        rounds: of the search for centroids.
    """

    share: float = within(0.5, 0.01, 1.0)
    sinks: int = within(32, 0, 1024)
    bits: int = within(6, 1, 8)
    rounds: int = within(10, 1, 100)

    @property
    def is_plain(self) -> bool:
        """It does not."""
        return False

    def index(self, layer: int, layers: int, slots: int) -> Index | None:
        """Codes, unless all may be read or there are no more keys than centroids."""
        sinks = min(self.sinks, Index(self.share).count(slots) // 3)
        if self.share == 1 or slots - sinks <= 2**self.bits:
            return None
        return CodeIndex(self.share, sinks, self.bits, self.rounds)
