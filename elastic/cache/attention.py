"""Attention as the library computes it, with a `Forward` that takes part.

Two functions are registered, `elastic` (SDPA) and `elastic_eager`. Given the forward under way they add its bias to the
logits and let its observer see queries and keys; for a single query they compute attention from the weights themselves,
which are then known. Without one they are the library's own functions.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, eager_mask, sdpa_mask
from transformers.models.llama.modeling_llama import eager_attention_forward

from elastic.cache.beside import attend_beside
from elastic.cache.forward import Attending, Forward

Library = Callable[..., tuple[Tensor, Tensor | None]]  # an attention function as the library calls it
KEYWORD = "elastic_forward"  # under which a model's forward passes it down to its layers' attention
ADDED = ("position_bias", "softcap", "s_aux")  # by which the library's calls change logits or weights of attention
Function = TypeVar("Function", bound=Callable[..., Any])


def not_compiled(function: Function) -> Function:
    """Leave a function out of `torch.compile`.

    Which slot a token takes changes with every token, and for each a compiled model would be compiled anew.
    """
    return cast(Function, torch.compiler.disable(function, reason="a compressed cache decides about slots in Python"))


def elastic_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, Tensor | None]:
    """Attention through SDPA; query (B, H, Q, D), key and value (B, H_kv, S, D), output (B, Q, H, D)."""
    return _attend(sdpa_attention_forward, module, query, key, value, attention_mask, **kwargs)


def elastic_eager_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, Tensor | None]:
    """Attention as written in the library's Llama; shapes as above."""
    return _attend(eager_attention_forward, module, query, key, value, attention_mask, **kwargs)


def _attend(
    library: Library,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    elastic_forward: Forward | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    if elastic_forward is None:
        return library(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    return _take_part(elastic_forward, library, module, query, key, value, attention_mask, scaling, **kwargs)


@not_compiled
def _take_part(
    forward: Forward,
    library: Library,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    layer = cast(int, module.layer_idx)
    forward.passed.add(layer)
    _check_plain(forward, module, query, key, attention_mask, kwargs)
    if forward.kept is None:
        return _attend_and_observe(forward, library, module, query, key, value, scaling, **kwargs), None
    # What is erased has no keys here, so that nothing looks at it; and what it would have looked at reaches nobody.
    output = query.new_zeros(len(query), query.shape[2], query.shape[1], value.shape[3])
    query = query[:, :, forward.kept]
    output[:, forward.kept] = _attend_and_observe(forward, library, module, query, key, value, scaling, **kwargs)
    return output, None


def _attend_and_observe(
    forward: Forward,
    library: Library,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float,
    **kwargs: Any,
) -> Tensor:
    """The output (B, Q, H, D) of queries, the last of which is the last token; the forward learns what they saw."""
    layer = cast(int, module.layer_idx)
    if query.shape[2] == 1 and forward.observer is None:
        # Whether or not somebody looks, so that looking changes nothing.
        return attend_once(forward, layer, query, key, value, scaling)
    bias, extra = forward.bias[layer], forward.extra(layer, query)
    lse: Tensor | None
    if extra is not None:
        output, lse, share, weights = attend_beside(query, key, value, scaling, bias, extra)
        forward.attended[layer], forward.forgotten[layer] = weights, share[..., -1]
    else:
        output, lse = _attend_causally(library, module, query, key, value, scaling, bias, forward.into, **kwargs)
        if forward.keeps_attention:
            forward.attended[layer] = one_query_attention(query[:, :, -1:], key, value, scaling, bias)[1]
    if forward.observer is not None:
        by_sequence = None if bias is None else bias.view(len(query), -1, key.shape[2])
        # Statistics are of what the slots got among themselves, also where a part went to what is forgotten.
        forward.observer.see(layer, query, key, scaling, by_sequence, lse)
    return output


def attend_once(forward: Attending, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """One query per sequence over all that a layer holds: (B, H, 1, D), (B, H_kv, S, D) twice -> (B, 1, H, D).

    The forward learns what was attended to.
    """
    bias, extra = forward.added(layer, query, scaling), forward.extra(layer, query)
    if extra is not None:
        output, _, share, weights = attend_beside(query, key, value, scaling, bias, extra)
        forward.forgotten[layer] = share[..., 0]
    else:
        output, weights = one_query_attention(query, key, value, scaling, bias)
    if forward.keeps_attention:
        forward.attended[layer] = weights
    return output


def _check_plain(
    forward: Forward, module: nn.Module, query: Tensor, key: Tensor, mask: Tensor | None, kwargs: dict[str, Any]
) -> None:
    """See that the model's code asks for nothing but causal attention, as its mask and what it adds are not used here.

    Raises:
        ValueError: if it does.
    """
    asks = [name for name in ADDED if kwargs.get(name) is not None]
    if kwargs.get("is_causal") is False or not getattr(module, "is_causal", True):
        asks.append("is_causal=False")
    if mask is not None and mask is not forward.plain_mask:
        if not _is_plain(mask, query, key):
            asks.append("a mask of its own")
        forward.plain_mask = mask
    if asks:
        raise ValueError(
            f"The attention of this model asks for {' and '.join(asks)}, which a compressed cache cannot take part in "
            "and would pass over: it cannot be used."
        )


def _is_plain(mask: Tensor, query: Tensor, key: Tensor) -> bool:
    """Whether a mask of the library's is shown or hidden alone, and hides nothing of what a query of the last may see.

    The library's may show more than there is, as it counts the tokens that were seen and not the slots that are left.
    """
    shown = mask
    if mask.dtype != torch.bool:
        shown = mask == 0
        if not (shown | (mask <= torch.finfo(mask.dtype).min / 2)).all():
            return False
    queries, keys = query.shape[2], key.shape[2]
    if shown.shape[-2:] != (queries, keys):
        return True
    return bool((shown | ~_visible(queries, keys, mask.device)).all())


def _visible(queries: int, keys: int, device: torch.device, sees: Tensor | None = None) -> Tensor:
    """Which keys queries see, (Q, S) bool: each up to the one that `sees` (Q,) names, or being the last tokens."""
    if sees is not None:
        return torch.arange(keys, device=device) <= sees[:, None]
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def _attend_causally(
    library: Library,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float,
    bias: Tensor | None,
    sees: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """The output (B, Q, H, D) of queries, and the logarithm of each one's sum of exponentials, if known.

    Layers may hold different numbers of slots, so the one mask the library makes for all of them cannot be used. What a
    query may see follows from the shapes alone, where new tokens stand last and in order; where they are written in
    between, `sees` (Q,) says up to which slot each of them does.
    """
    if library is eager_attention_forward and bias is None:
        # Eager adds its mask to the logits: a mask of True and False would raise what is visible by one.
        bias = torch.zeros(len(query), key.shape[2], device=key.device)
    mask = causal_mask(query, key, bias, sees)
    one_kernel = library is sdpa_attention_forward and mask is None and query.device.type == "cpu"
    if one_kernel and query.shape[1] == key.shape[1]:
        # The kernel SDPA would choose, called by name because it gives away the sums it normalises by.
        output, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, query.shape[2] > 1, scale=scaling
        )
        return output.transpose(1, 2).contiguous(), lse
    return library(module, query, key, value, mask, scaling=scaling, **kwargs)[0], None


def causal_mask(query: Tensor, key: Tensor, bias: Tensor | None, sees: Tensor | None = None) -> Tensor | None:
    """What is added to the logits (B, 1 or H, Q, S) of queries, of which the last is the last token.

    They are the last tokens, or see the slots up to the one that `sees` (Q,) names; None where SDPA needs no mask.
    """
    queries, keys = query.shape[2], key.shape[2]
    if bias is None and queries in (1, keys):
        return None
    visible = _visible(queries, keys, query.device, sees)[None, None]
    if bias is None:
        return visible
    bias = bias.view(len(query), -1, 1, keys)
    if bias.shape[1] > 1:
        bias = bias.repeat_interleave(query.shape[1] // bias.shape[1], 1)
    return bias.to(query.dtype).masked_fill(~visible, torch.finfo(query.dtype).min)


def one_query_attention(
    query: Tensor, key: Tensor, value: Tensor, scaling: float, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One query per sequence over all slots: (B, H, 1, D), (B, H_kv, S, D) twice -> (B, 1, H, D), weights (B, H, S).

    `bias` (B or B x H_kv, S) is added to the logits. Heads that share keys are multiplied together, none repeated.
    """
    batch, heads, _, dim = query.shape
    key, value = key.flatten(0, 1), value.flatten(0, 1)
    grouped = (query * scaling).reshape(len(key), -1, dim)
    logits = torch.bmm(grouped, key.mT)
    if bias is not None:
        logits = logits.float() + bias.repeat_interleave(len(key) // len(bias), 0)[:, None]
    weights = logits.softmax(-1, dtype=torch.float32).to(value.dtype)
    return torch.bmm(weights, value).view(batch, 1, heads, dim), weights.view(batch, heads, -1)


AttentionInterface.register("elastic", elastic_attention)
AttentionInterface.register("elastic_eager", elastic_eager_attention)
# An attention function without an entry here would get no mask and lose padding silently.
AttentionMaskInterface.register("elastic", sdpa_mask)
AttentionMaskInterface.register("elastic_eager", eager_mask)
