"""Attention over slots and, beside them, one more that is made for each query: what a layer remembers."""

from typing import NamedTuple

import torch
from torch import Tensor

TOGETHER = 256  # queries whose logits are held at once


class Beside(NamedTuple):
    """What queries attend to: slots, and of every query a `share` for what is beside them.

    Logarithms of sums and weights are of the slots alone, whose weights add up to 1: times 1 - share, together with the
    share, they are the attention that the output is made with.
    """

    output: Tensor  # (B, Q, H, D)
    lse: Tensor  # (B, H, Q) float32, the logarithm of each query's sum over slots
    share: Tensor  # (B, H, Q) float32
    weights: Tensor  # (B, H, S) float32, of the last query


def attend_beside(
    query: Tensor, key: Tensor, value: Tensor, scaling: float, bias: Tensor | None, extra: tuple[Tensor, Tensor]
) -> Beside:
    """Attention of queries (B, H, Q, D) that are the last tokens, over keys and values (B, H_kv, S, D).

    `bias` (B or B x H_kv, S) is added to the logits; `extra` are the logits (B, H, Q, 1) and values (B, H, Q, D) of
    what is beside the slots. Computed in float32.
    """
    batch, heads, queries, dim = query.shape
    kv, slots = key.shape[1], key.shape[2]
    key, value = key.float(), value.float()
    slot, last = torch.arange(slots, device=key.device), torch.arange(slots - queries, slots, device=key.device)
    outputs, sums, weights = [], [], key.new_zeros(0)
    for first in range(0, queries, TOGETHER):
        here = slice(first, first + TOGETHER)
        grouped = (query[:, :, here].float() * scaling).reshape(batch, kv, -1, dim)
        logits = (grouped @ key.mT).view(batch, kv, heads // kv, -1, slots)
        if bias is not None:
            logits = logits + bias.view(batch, -1, 1, 1, slots)
        logits = logits.masked_fill(slot > last[here, None], -torch.inf)
        lse = logits.logsumexp(-1, keepdim=True)
        weights = (logits - lse).exp()
        outputs.append((weights.view(batch, kv, -1, slots) @ value).view(batch, heads, -1, dim))
        sums.append(lse.view(batch, heads, -1))
    found, lse = torch.cat(outputs, 2), torch.cat(sums, 2)
    share = (extra[0] - lse[..., None]).sigmoid()
    joined = torch.lerp(found, extra[1], share).to(query.dtype)
    of_last = weights[:, :, :, -1].reshape(batch, heads, slots)
    return Beside(joined.transpose(1, 2).contiguous(), lse, share[..., 0], of_last)
