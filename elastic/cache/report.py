"""What a cache holds beside what it was asked to hold, in numbers and in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

from elastic.cache.slots import SlotLayer
from elastic.fairness import exceeds

UNFINISHED = "The last forward did not finish, so this cache is half written:"
INCOMPLETE = "Of the last prompt some pieces have not come, so that it was not compressed:"
NOTHING_READ = "Nothing has been read through this cache yet."


@dataclass(frozen=True)
class CacheReport:
    """What a cache holds now; `str` of it is for people."""

    method: str
    asked: float  # the share of the full cache that the method was asked to keep, or to read
    tokens: int  # read and written so far
    slots: list[float]  # per layer, the mean of its heads
    bytes_held: int  # of keys and values in use
    bytes_full: int  # what the full cache would hold of as many tokens
    bytes_allocated: int  # of the tensors that exist, room for coming tokens included, and what fills heads up
    note: str = ""  # where something else is done than was asked for, a sentence
    is_uneven: bool = False  # whether heads of a layer hold different numbers of slots, of which `slots` are the means
    bytes_read: int | None = None  # that a token reads, where the method was asked for a share of that; else None

    @property
    def share(self) -> float:
        """Bytes held over the full cache's."""
        return self.bytes_held / self.bytes_full if self.bytes_full else 0.0

    @property
    def share_read(self) -> float | None:
        """Bytes that a token reads over the full cache's; None where the method was not asked for a share of them."""
        if self.bytes_read is None:
            return None
        return self.bytes_read / self.bytes_full if self.bytes_full else 0.0

    @property
    def beyond(self) -> str:
        """What is too much, by the rule of `elastic.fairness`, as a sentence; empty where it is fair."""
        does, share = ("holds", self.share) if self.share_read is None else ("reads", self.share_read)
        if not exceeds(self.asked, share):
            return ""
        return f"{self.method} {does} {share:.1%} of the full cache now, and was asked for {100 * self.asked:.3g}%."

    def __str__(self) -> str:
        least, most = min(self.slots, default=0), max(self.slots, default=0)
        layers = f"{least:.6g}" if least == most else f"{least:.6g} to {most:.6g}"
        asked = "" if self.beyond else f", asked for {100 * self.asked:.3g}%"
        reads = ""
        if self.share_read is not None:
            reads = f", of which a token reads {self.bytes_read:,}, {self.share_read:.1%}"
        mean, room = "", "with room for more"
        if self.is_uneven:
            mean, room = ", the mean of its heads,", f"{room} and for heads that hold fewer than others"
        held = (
            f"{self.method}: {layers} slots{mean} in each of {len(self.slots)} layers for {self.tokens} tokens, "
            f"{self.bytes_held:,} bytes ({self.bytes_allocated:,} {room}), "
            f"{self.share:.1%} of the full cache{reads}{asked}."
        )
        return " ".join(filter(None, (held, self.beyond, self.note)))


def full_bytes(layers: Sequence[SlotLayer], tokens: int) -> int:
    """What the full cache holds of so many tokens, in layers that have read some."""
    return tokens * sum(layer.slot_bytes for layer in layers)
