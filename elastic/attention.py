"""Attention as the library computes it, with somebody watching.

The registered function `elastic` computes a layer's output with SDPA; for the single query of a decode step, from the
weights themselves. When an `Observer` travels along (`model(..., observer=observer)`), it sees queries and keys and
keeps only reductions over queries, block by block: the whole map of attention is never held. Nothing here knows what
they are for.
"""

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface

BLOCK = 128  # queries whose attention is held at once
FAINT = 0.01  # share of a query's strongest weight below which a weight counts as none (VL-Cache's threshold)


class Observer:
    """What is kept of each layer's attention, all in float32.

    `frequency` (1, T): what every token received, summed over queries, mean over heads. `sparsity`: the share of all
    visible weights that are FAINT. `row` (H, T): the weights of the last query, head by head.
    """

    def __init__(self) -> None:
        self.frequency: dict[int, Tensor] = {}
        self.sparsity: dict[int, float] = {}
        self.row: dict[int, Tensor] = {}

    def see(self, layer: int, query: Tensor, key: Tensor, scaling: float) -> None:
        """Reduce the attention of `query` (1, H, Q, D) over `key` (1, H_kv, T, D), the queries being the last tokens.

        Keeps the column sums of the head-mean attention, I_n = (1/H) sum_h sum_m A_hmn.
        """
        heads, queries, keys = query.shape[1], query.shape[2], key.shape[2]
        key = key.repeat_interleave(heads // key.shape[1], dim=1).float()
        column = torch.arange(keys, device=key.device)
        total, faint, visible = torch.zeros(keys, device=key.device), 0, 0
        for rows in torch.arange(queries, device=key.device).split(BLOCK):
            logits = query[:, :, rows].float() @ key.mT * scaling
            hidden = column > rows[:, None] + (keys - queries)
            weights = logits.masked_fill(hidden, -torch.inf).softmax(-1)
            total += weights.mean((0, 1)).sum(0)
            in_block = (~hidden).sum() * heads
            visible += in_block
            faint += in_block - (weights >= FAINT * weights.amax(-1, keepdim=True)).sum()
        self.frequency[layer], self.sparsity[layer], self.row[layer] = total[None], faint / visible, weights[0, :, -1]


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
    """Attention over the slots of a layer; query (B, H, Q, D), key and value (B, H_kv, S, D), output (B, Q, H, D).

    Layers may hold different numbers of slots, so the one mask the library makes for all layers cannot be used: what
    a query may see follows from the shapes alone, new tokens standing last and in order.
    """
    queries, keys = query.shape[2], key.shape[2]
    if queries == 1 and attention_mask is None:
        # Whether or not somebody watches, so that watching changes nothing.
        output, weights = one_query_attention(query, key, value, scaling)
        if observer is not None:
            observer.row[module.layer_idx] = weights[0].float()
        return output, None
    if 1 < queries < keys:
        attention_mask = torch.ones(queries, keys, dtype=torch.bool, device=query.device).tril(keys - queries)[
            None, None
        ]
    if observer is not None:
        observer.see(module.layer_idx, query, key, scaling)
    return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)


def one_query_attention(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> tuple[Tensor, Tensor]:
    """One query per sequence over all slots: (B, H, 1, D), (B, H_kv, S, D) twice -> (B, 1, H, D), weights (B, H, S).

    Heads that share keys are multiplied together: nothing is repeated.
    """
    batch, heads, _, dim = query.shape
    key, value = key.flatten(0, 1), value.flatten(0, 1)
    grouped = (query * scaling).reshape(len(key), -1, dim)
    weights = torch.bmm(grouped, key.mT).softmax(-1, dtype=torch.float32).to(value.dtype)
    return torch.bmm(weights, value).view(batch, 1, heads, dim), weights.view(batch, heads, -1)


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
