"""A layer of which a token of an answer reads a part: an index beside the slots says which.

Nothing is gathered: attention adds -inf to the logits of what is not read. So what is computed is what a system would
compute that fetches the chosen slots alone, and no time is saved here; `benchmarks.reading` measures one that gathers.
"""

from copy import deepcopy

from torch import Tensor

from elastic.cache.key_codes import KeyCodes
from elastic.cache.key_index import KeyIndex
from elastic.cache.page_bounds import PageBounds
from elastic.cache.slots import SlotLayer
from elastic.policies.index import CodeIndex, Index, PageIndex


class IndexedLayer(SlotLayer):
    """Slots with an `index` of their keys, which grows with them. Slots are only ever added behind.

    Args:
        layer: the layer as it was; its tensors are taken over.
        kind: which index, and how much is read.
    """

    stores = ("keys", "values", "index")

    def __init__(self, layer: SlotLayer, kind: Index) -> None:
        super().__init__()
        self.keys, self.values = layer.stored()
        self.dtype, self.device, self.is_initialized = self.keys.dtype, self.keys.device, True
        self.used, self.index = layer.used, index_of(kind, self.keys)

    def __copy__(self) -> "IndexedLayer":
        """With an index of its own: keys and values are shared until one of both compresses, and written behind."""
        twin = object.__new__(type(self))
        twin.__dict__ |= self.__dict__ | {"index": deepcopy(self.index)}
        return twin

    def write(self, keys: Tensor, values: Tensor, freed: int | Tensor | None) -> None:
        """Store new tokens (B, H, n, D) behind the last, and note them: no slot is ever freed here."""
        super().write(keys, values, None)
        self.index.add(keys.to(self.keys.dtype))

    def reads(self, query: Tensor, scaling: float) -> Tensor | None:
        """Which slots a token's query (B, H', 1, D) reads, (B x H, S) bool; None for all of them."""
        return self.index.reads(query, scaling, self.used)

    def slots_read(self, slots: float) -> float:
        """How many of its slots a token reads."""
        return self.index.count(self.used)

    def bytes_read(self, slots: float) -> int:
        """Bytes of the slots that a token reads, and of the index that it has to read for that."""
        return round(self.slots_read(slots) * self.slot_bytes) + self.index.bytes_read(self.used)

    def bytes_of(self, slots: float) -> int:
        """Bytes of its slots in use, which are `slots`, and of the index."""
        return super().bytes_of(slots) + self.index.nbytes

    def resize(self, slots: int) -> None:
        """Storage of exactly that many slots, and room for as many in the index."""
        super().resize(slots)
        self.index.reserve(slots)

    def whole(self) -> SlotLayer:
        """A layer of its own without an index."""
        return self.laid_out()

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that takes memory."""
        return self.keys, self.values, *self.index.tensors


def index_of(kind: Index, keys: Tensor) -> KeyIndex:
    """An index of that kind of the keys (B, H, S, D).

    Raises:
        ValueError: if there is no such kind.
    """
    if isinstance(kind, PageIndex):
        return PageBounds(kind, keys)
    if isinstance(kind, CodeIndex):
        return KeyCodes(kind, keys)
    raise ValueError(f"{kind!r} is no index that is known here: give a PageIndex or a CodeIndex.")
