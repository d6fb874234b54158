"""Pages of neighbouring slots, and the bounds of their keys: Quest's index (arXiv 2406.10774)."""

import torch
from torch import Tensor

from elastic.cache.key_index import KeyIndex, grouped, grown, highest
from elastic.policies.index import PageIndex


class PageBounds(KeyIndex):
    """Per page and head the least and the greatest number of each channel, `low` and `high` (B, H, pages, D).

    No key within them has a larger product with a query than the sum over channels of the larger of query times low and
    query times high. The newest page, which is being filled, is read whatever its bound.

    Args:
        kind: the size of a page, and the share of the slots that is read.
        keys: those (B, H, S, D) that are held.
    """

    names = ("low", "high")

    def __init__(self, kind: PageIndex, keys: Tensor) -> None:
        self.kind, self.tokens = kind, 0
        self.low = self.high = keys[:, :, :0]
        self.add(keys)

    def add(self, keys: Tensor) -> None:
        """Widen the bounds of the newest page, and begin others, by keys (B, H, n, D)."""
        after = self.tokens + keys.shape[2]
        self.reserve(after)
        page = torch.arange(self.tokens, after, device=keys.device) // self.kind.page
        at = page[:, None].expand_as(keys)
        self.low.scatter_reduce_(2, at, keys, "amin")
        self.high.scatter_reduce_(2, at, keys, "amax")
        self.tokens = after

    def reserve(self, slots: int) -> None:
        """Room for the pages of that many slots at least."""
        used, wanted = self.pages(self.tokens), self.pages(slots)
        self.low = grown(self.low, used, wanted, torch.inf)
        self.high = grown(self.high, used, wanted, -torch.inf)

    def pages(self, slots: int) -> int:
        """Into how many pages so many slots are cut."""
        return -(-slots // self.kind.page)

    def pages_read(self, slots: int) -> int:
        """How many pages are read, the newest one included."""
        return min(self.pages(slots), max(1, self.kind.count(slots) // self.kind.page))

    def count(self, slots: int) -> int:
        """How many slots are read: those of whole pages, and of the newest as many as it has."""
        behind = (self.pages(slots) - 1) * self.kind.page
        return (self.pages_read(slots) - 1) * self.kind.page + slots - behind

    def reads(self, query: Tensor, scaling: float, slots: int) -> Tensor | None:
        """The newest page and those with the largest bounds; of heads that share a key the largest one's counts."""
        read = self.pages_read(slots)
        if read == self.pages(slots):
            return None
        chosen = highest(self.promise(query, scaling, slots), read - 1)
        every = torch.cat([chosen, chosen.new_ones(len(chosen), 1)], 1)
        return every.repeat_interleave(self.kind.page, 1)[:, :slots]

    def promise(self, query: Tensor, scaling: float, slots: int) -> Tensor:
        """The largest bound of the heads that share a key, (B x H, pages - 1), of all pages but the newest."""
        older = self.pages(slots) - 1
        low, high = (bound[:, :, :older].flatten(0, 1).float() for bound in (self.low, self.high))
        of_heads = grouped(query, len(low))
        return (of_heads.clamp(min=0) @ high.mT + of_heads.clamp(max=0) @ low.mT).amax(1)

    @property
    def nbytes(self) -> int:
        """Bytes of the bounds of all pages."""
        return self._bytes(self.pages(self.tokens))

    def bytes_read(self, slots: int) -> int:
        """Bytes of the bounds that are compared: of all pages but the newest."""
        pages = self.pages(slots)
        return self._bytes(pages - 1) if self.pages_read(slots) < pages else 0

    def _bytes(self, pages: int) -> int:
        batch, heads, _, dim = self.low.shape
        return 2 * batch * heads * pages * dim * self.low.element_size()
