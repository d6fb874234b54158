"""A decode step whose tensors stay where they are, so that a GPU can replay it without being told each kernel.

Everything that changes from step to step lies in tensors: the token, its position, the slot it goes to in every row,
and what is added to each slot's logit (-inf where there is no token). Attention spans a fixed number of slots; when a
cache outgrows it, the step is captured anew. On a processor without graphs the same step is computed directly.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from elastic.bias import Bias
from elastic.cache import ElasticCache
from elastic.slots import SlotLayer

if TYPE_CHECKING:
    from elastic.decoder import Decoder

SPAN = 256  # slots by which attention's span grows: a capture costs about as much as a dozen steps


def make_room(cache: ElasticCache) -> None:
    """Grow storage for the tokens just entered, and count them as held: for steps that write by themselves."""
    for layer, used in zip(cache.layers, cache.tables.used.tolist(), strict=True):
        layer.reserve(used)
        layer.used = used


def open_bias(cache: ElasticCache) -> Bias:
    """What is added to the logits of every slot there is room for, -inf where there is no token."""
    if cache.bias is None:
        cache.bias = Bias(cache.tables, cache.policy.count_bias, cache.layers[0].device)
    cache.bias.reserve(max(cache.tables.capacity, *(layer.keys.shape[2] for layer in cache.layers)))
    return cache.bias


class StaticLayer:
    """A layer's storage as a captured step uses it: written at `slot` (B x H,), read over a fixed span."""

    def __init__(self, layer: SlotLayer, slot: Tensor, bias: Tensor) -> None:
        self.slot, self.bias = slot, bias
        self.stored = layer.keys.flatten(0, 1), layer.values.flatten(0, 1)
        self.shape, self.span = layer.keys.shape, bias.shape[-1]
        self.row = torch.arange(len(slot), device=slot.device)

    def update(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store one token per sequence, (B, H, 1, D) twice; the keys and values of the span, (B, H, S, D) each."""
        batch, heads, _, dim = self.shape
        for stored, new in zip(self.stored, (key, value), strict=True):
            stored[self.row, self.slot] = new.flatten(0, 1)[:, 0]
        return tuple(stored[:, : self.span].view(batch, heads, -1, dim) for stored in self.stored)


class StaticStep:
    """One token per sequence through a `Decoder`, for one cache as long as its storage stays where it is."""

    def __init__(self, decoder: "Decoder", cache: ElasticCache, ids: Tensor) -> None:
        device, rows = ids.device, cache.layers[0].keys.shape[0] * cache.layers[0].keys.shape[1]
        self.decoder = decoder
        self.ids, self.position = ids.clone(), torch.zeros(1, 1, dtype=torch.long, device=device)
        self.slot = torch.zeros(len(cache.layers), rows, dtype=torch.long, device=device)
        self.spans, table = self._spans(cache), open_bias(cache).table
        bias = [table[layer, :, :span] for layer, span in enumerate(self.spans)]
        self.addresses = self._addresses(cache)
        self.layers = [StaticLayer(*of_layer) for of_layer in zip(cache.layers, self.slot, bias, strict=True)]
        self.looked: dict[int, Tensor] | None = {} if cache.watching else None
        self.logits = torch.empty(0)
        self.graph: torch.cuda.CUDAGraph | None = None

    @staticmethod
    def fits(cache: ElasticCache) -> bool:
        """Whether a cache can be decoded with this way: keys must not be turned or laid out anew at every step."""
        return cache.policy.positions != "re-rotated" and all(type(layer) is SlotLayer for layer in cache.layers)

    def serves(self, cache: ElasticCache) -> bool:
        """Whether the step is about this cache as it is now: nothing moved, nothing outgrown."""
        same = self.addresses == self._addresses(cache) and (self.looked is not None) == cache.watching
        return same and self._spans(cache) == self.spans

    def run(self, ids: Tensor, position: Tensor, slot: Tensor) -> Tensor:
        """Logits (B, V) for tokens (B, 1) at a position (1, 1) that go to slots (L, R)."""
        self.ids.copy_(ids)
        self.position.copy_(position)
        self.slot.copy_(slot.repeat_interleave(self.slot.shape[1] // slot.shape[1], 1))
        if self.graph is not None:
            self.graph.replay()
        else:
            self._compute()
        return self.logits

    def capture(self) -> None:
        """Record the step for replay on a GPU. Recording writes nothing that the next run does not write again."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # libraries allocate on their first call, which must not be recorded
            self._compute()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._compute()
        self.graph = graph

    def _compute(self) -> None:
        self.logits = self.decoder.run(self.ids, self.position, self.layers, self.looked)

    @staticmethod
    def _addresses(cache: ElasticCache) -> tuple[int, ...]:
        bias = () if cache.bias is None else (cache.bias.table.data_ptr(),)
        return (*(layer.keys.data_ptr() for layer in cache.layers), *bias)

    @staticmethod
    def _spans(cache: ElasticCache) -> list[int]:
        """Slots to attend over in each layer: those in use, rounded up, but no more than there are."""
        used = cache.tables.used.tolist()
        return [
            min(-(-of_layer // SPAN) * SPAN, layer.keys.shape[2])
            for of_layer, layer in zip(used, cache.layers, strict=True)
        ]
