"""A decode step whose tensors stay where they are, so that a GPU can replay it without being told each kernel.

Everything that changes from step to step lies in tensors: the token, its position, the slot it goes to in every row,
and what is added to each slot's logit (-inf where there is no token). Attention spans a fixed number of slots; when a
cache outgrows it, the step is captured anew. On a processor without graphs the same step is computed directly.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from elastic.cache import ElasticCache
from elastic.cache.bias import Bias
from elastic.cache.forward import Forward
from elastic.cache.slots import SlotLayer
from elastic.policies.base import Positions

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


class StaticForward:
    """What a `Forward` is to the decoder, for one cache as long as its storage stays where it is.

    A token per sequence is written at `slots` (L, B x H) and read over a fixed span of each layer.
    """

    def __init__(self, cache: ElasticCache, spans: list[int], device: torch.device, keeps_attention: bool) -> None:
        rows = cache.layers[0].keys.shape[0] * cache.layers[0].keys.shape[1]
        table = open_bias(cache).table
        self.spans, self.shape = spans, cache.layers[0].keys.shape
        self.positions = torch.zeros(1, 1, dtype=torch.long, device=device)
        self.slots = torch.zeros(len(cache.layers), rows, dtype=torch.long, device=device)
        self.bias: list[Tensor | None] = [table[layer, :, :span] for layer, span in enumerate(spans)]
        self.stored = [(layer.keys.flatten(0, 1), layer.values.flatten(0, 1)) for layer in cache.layers]
        self.row = torch.arange(rows, device=device)
        self.keeps_attention, self.attended, self.forgotten = keeps_attention, dict[int, Tensor](), dict[int, Tensor]()

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store one token per sequence, (B, H, 1, D) twice; the keys and values of the span, (B, H, S, D) each."""
        batch, heads, _, dim = self.shape
        span = []
        for stored, new in zip(self.stored[layer], (keys, values), strict=True):
            stored[self.row, self.slots[layer]] = new.flatten(0, 1)[:, 0]
            span.append(stored[:, : self.spans[layer]].view(batch, heads, -1, dim))
        return span[0], span[1]

    def extra(self, layer: int, query: Tensor) -> None:
        """Layers have nothing beside their slots: see `StaticStep.fits`."""

    def added(self, layer: int, query: Tensor, scaling: float) -> Tensor | None:
        """What is added to the logits of the span, (R, S): the bias. What reads a part of its slots is not captured."""
        return self.bias[layer]


class StaticStep:
    """A decoder's step for one cache as long as nothing of it moves; `compute` is the decoder's own computation."""

    def __init__(
        self, compute: Callable[[Tensor, StaticForward], Tensor], cache: ElasticCache, ids: Tensor, forward: Forward
    ) -> None:
        self.compute, self.ids = compute, ids.clone()
        self.forward = StaticForward(cache, spans(cache), ids.device, forward.keeps_attention)
        self.addresses = addresses(cache)
        self.logits = torch.empty(0)
        self.graph: torch.cuda.CUDAGraph | None = None

    @staticmethod
    def fits(cache: ElasticCache) -> bool:
        """Whether a cache can be decoded with this way: keys must not be turned or laid out anew at every step."""
        stay = cache.policy.positions != Positions.RE_ROTATED
        return stay and all(type(layer) is SlotLayer for layer in cache.layers)

    def serves(self, cache: ElasticCache, forward: Forward) -> bool:
        """Whether the step is about this cache as it is now: nothing moved, nothing outgrown."""
        same = self.addresses == addresses(cache) and self.forward.keeps_attention == forward.keeps_attention
        return same and self.forward.spans == spans(cache)

    def run(self, ids: Tensor, forward: Forward) -> Tensor:
        """Logits (B, V) for tokens (B, 1) that were entered as `forward`."""
        slots, fixed = forward.slots[..., -1], self.forward
        self.ids.copy_(ids)
        fixed.positions.copy_(forward.positions)
        fixed.slots.copy_(slots.repeat_interleave(fixed.slots.shape[1] // slots.shape[1], 1))
        if self.graph is not None:
            self.graph.replay()
        else:
            self._compute()
        forward.attended = fixed.attended
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
        self.logits = self.compute(self.ids, self.forward)


def addresses(cache: ElasticCache) -> tuple[int, ...]:
    """Where keys and bias of a cache lie."""
    bias = () if cache.bias is None else (cache.bias.table.data_ptr(),)
    return (*(layer.keys.data_ptr() for layer in cache.layers), *bias)


def spans(cache: ElasticCache) -> list[int]:
    """Slots to attend over in each layer: those in use, rounded up, but no more than there are."""
    used = cache.tables.used.tolist()
    return [
        min(-(-of_layer // SPAN) * SPAN, layer.keys.shape[2])
        for of_layer, layer in zip(used, cache.layers, strict=True)
    ]
