"""What is known of a rehearsal: what the model looks at while it repeats what it has read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from elastic.statistics.base import Statistic
from elastic.statistics.observer import Observer
from elastic.statistics.weights import Weights


@dataclass(frozen=True)
class Rehearsed(Statistic):
    """The strongest look that any token of a rehearsal gives a token, in any of the query heads that share its key.

    No prompt tells it: where a policy goes by it the engine has the model repeat all that was read, see
    `elastic.rehearsal`. It is of every head with a key, (B, H_kv, K).

    Args:
        norms: a look counts as much as it adds to what the layer is given: times the length that the token's value has
            once the query head's part of the output projection took it, over the length of the layer's input.
    """

    norms: bool = False

    is_of_rehearsal: ClassVar[bool] = True
    per_head: ClassVar[bool] = True

    def carried_on(self, old: Tensor, new: Tensor, queries: int) -> Tensor:
        """It is of the last rehearsal, which repeats everything."""
        return new

    def after_step(self, old: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """A word of an answer is no rehearsal."""
        return old


class Listener(Observer):
    """Hears a rehearsal: `strongest[layer]` (B, H_kv, S) is the strongest look at each slot that was there before it.

    Args:
        held: slots that each layer had then.
        brings: of a layer, the length (B, H, S) of what each query head would add with a slot's value; None where looks
            count as they are.
    """

    def __init__(self, held: Sequence[int], brings: Callable[[int], Tensor] | None = None) -> None:
        super().__init__((), torch.zeros(1, 1, dtype=torch.bool))
        self.held, self.brings = held, brings
        self.hidden: list[Tensor] | None = None  # per layer (B, 1 or H_kv, S): slots that take no part; None: all do
        self.given: dict[int, Tensor] = {}  # per layer (B, q) the length of what each coming query was made of
        self.strongest: dict[int, Tensor] = {}

    def see(
        self, layer: int, query: Tensor, key: Tensor, scaling: float, bias: Tensor | None, lse: Tensor | None
    ) -> None:
        """Take in the looks of `query` (B, H, q, D), the last tokens, at the slots that were there before."""
        held, batch, kv = self.held[layer], len(key), key.shape[1]
        if self.hidden is not None:
            behind = key.shape[2] - held
            apart = F.pad(torch.where(self.hidden[layer], -torch.inf, 0.0), (0, behind))
            bias = apart if bias is None else bias + apart
        weights = Weights(query, key, scaling, bias, None)
        strongest = self.strongest.setdefault(layer, torch.zeros(batch, kv, held, device=key.device))
        for begin, end in weights.blocks(0, whole_rows=True):
            for _, _, tile in weights.tiles(begin, end, whole_rows=True):
                looks = tile[..., :held]
                if self.brings is not None:
                    looks = looks * self.brings(layer).view(batch, kv, -1, 1, held)
                    looks = looks / self.given[layer][:, None, None, begin:end, None]
                torch.maximum(strongest, looks.amax((2, 3)), out=strongest)
