"""Attention as the library computes it, with somebody watching.

The registered function `elastic` computes a layer's output with SDPA. When an `Observer` travels along
(`model(..., observer=observer)`), it sees queries and keys and keeps only sums over queries, block by block: the whole
map of attention is never held. Nothing here knows what the sums are for.
"""

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface

BLOCK = 128  # queries whose attention is held at once


class Observer:
    """Per layer, the attention every token received: summed over queries, mean over heads, (1, T) each."""

    def __init__(self) -> None:
        self.frequency: dict[int, Tensor] = {}

    def see(self, layer: int, query: Tensor, key: Tensor, scaling: float) -> None:
        """Reduce the attention of `query` (1, H, Q, D) over `key` (1, H_kv, T, D), the queries being the last tokens.

        Keeps the column sums of the head-mean attention, I_n = (1/H) sum_h sum_m A_hmn.
        """
        key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1).float()
        queries, keys = query.shape[2], key.shape[2]
        column = torch.arange(keys, device=key.device)
        total = torch.zeros(keys, device=key.device)
        for rows in torch.arange(queries, device=key.device).split(BLOCK):
            logits = query[:, :, rows].float() @ key.mT * scaling
            hidden = column > rows[:, None] + (keys - queries)
            weights = logits.masked_fill(hidden, -torch.inf).softmax(-1).mean((0, 1))
            total += weights.sum(0)
        self.frequency[layer] = total[None]


def elastic_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    observer: Observer | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """SDPA over the slots of a layer; query (B, H, Q, D), key and value (B, H_kv, S, D), output (B, Q, H, D).

    Layers may hold different numbers of slots, so the one mask the library makes for all layers cannot be used: what
    a query may see follows from the shapes alone, new tokens standing last and in order.
    """
    queries, keys = query.shape[2], key.shape[2]
    if 1 < queries < keys:
        attention_mask = torch.ones(queries, keys, dtype=torch.bool, device=query.device).tril(keys - queries)[
            None, None
        ]
    if observer is not None:
        observer.see(module.layer_idx, query, key, scaling)
    return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)


def no_padding_mask(*, attention_mask: Tensor | None = None, **kwargs: object) -> None:
    """No mask: nothing in this project is padded, and causality follows from the shapes.

    Raises:
        ValueError: if some token is masked out.
    """
    if attention_mask is not None and not attention_mask.all():
        raise ValueError("Padded prompts are not supported: pass prompts of equal length, without padding.")


AttentionInterface.register("elastic", elastic_attention)
# An attention function without an entry here would get no mask and lose padding silently.
AttentionMaskInterface.register("elastic", no_padding_mask)
