"""A layer with a memory of what it gave up. Nothing here knows why a slot was."""

import torch
from torch import Tensor

from elastic.cache.kernels import LayerKernels
from elastic.cache.slots import SlotLayer
from elastic.policies.base import Choice, Merged, Policy

TOGETHER = 1024  # slots that are taken in at once: their hidden numbers are many more than they have channels
LEAST = torch.finfo(torch.float32).tiny


class RememberingLayer(SlotLayer):
    """Slots, and beside them one more whose key and value depend on the query: all that was dropped (LESS).

    Of R features of a key (see `LayerKernels`) it holds `mass` (B, H, R), their sums over all tokens that were dropped,
    and `sums` (B, H, R, D), the same times the tokens' values; in float32, as they add up for a long time. That is all
    it takes, however much was dropped (arXiv 2402.09398).

    Args:
        layer: the layer as it was; its tensors are taken over.
        kernels: what makes features of queries and keys.
    """

    stores = ("keys", "values", "mass", "sums")

    def __init__(self, layer: SlotLayer, kernels: LayerKernels) -> None:
        super().__init__()
        self.keys, self.values, self.used = layer.keys, layer.values, layer.used
        self.dtype, self.device, self.is_initialized = layer.dtype, layer.device, True
        self.kernels = kernels.to(layer.device)
        batch, heads, _, dim = layer.keys.shape
        self.mass = torch.zeros(batch, heads, kernels.rank, device=layer.device)
        self.sums = torch.zeros(batch, heads, kernels.rank, dim, device=layer.device)

    def compress(
        self, choice: Choice, count: Tensor | None, turns: Tensor | None, how: Merged, inverse_frequency: Tensor
    ) -> None:
        """As every layer does, once what is dropped is remembered."""
        keys, values = self.stored()
        batch, heads, slots, _ = keys.shape
        owner = choice.owner.to(self.device)
        dropped = (owner < 0).repeat_interleave(batch * heads // len(owner), 0).view(batch, heads, slots)
        for first in range(0, slots, TOGETHER):
            here = slice(first, first + TOGETHER)
            self._take_in(keys[:, :, here], values[:, :, here], dropped[:, :, here])
        super().compress(choice, count, turns, how, inverse_frequency)

    def forget(self, slot: Tensor) -> None:
        """Remember slots (R,), one of each row or -1 for none, before other tokens take their places."""
        at = self.spread(slot).view(*self.keys.shape[:2], 1)
        index = at.clamp(min=0)[..., None].expand(-1, -1, 1, self.keys.shape[3])
        self._take_in(self.keys.gather(2, index), self.values.gather(2, index), at >= 0)

    def _take_in(self, keys: Tensor, values: Tensor, dropped: Tensor) -> None:
        """Add those of the keys and values (B, H, n, D) that are dropped (B, H, n); copies keep the old sums."""
        features = self.kernels.of_keys(keys) * dropped[..., None]
        self.mass = self.mass + features.sum(2)
        self.sums = self.sums + features.mT @ values.float()

    def extra(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """The one more slot for queries (B, H, Q, D): logits (B, H, Q, 1), -inf of an empty memory, and values."""
        batch, kv, rank, dim = self.sums.shape
        features = self.kernels.of_queries(query)
        grouped = features.view(batch, kv, -1, rank)  # heads that share a key share a memory
        mass = grouped @ self.mass[..., None]
        values = grouped @ self.sums / mass.clamp(min=LEAST)
        return mass.log().view(*query.shape[:3], 1), values.view(*query.shape[:3], dim)

    def bytes_of(self, slots: float) -> int:
        """Bytes of that many slots in use, and of the memory."""
        return super().bytes_of(slots) + self.mass.nbytes + self.sums.nbytes

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that takes memory, the kernels aside, which belong to the model."""
        return self.keys, self.values, self.mass, self.sums


def check_memories(policy: Policy, layers: list[SlotLayer]) -> None:
    """See that a policy can go on with what layers remember.

    Raises:
        ValueError: if some do, and it does not.
    """
    if not policy.memory and any(isinstance(layer, RememberingLayer) for layer in layers):
        raise ValueError(
            f"This cache has a memory of what was dropped, which {policy.title} cannot go on with: read the "
            "conversation into a new cache."
        )
