"""What a text model is made of, as far as a compressed cache depends on it, read from its modules and settings.

Attention here makes its own masks and adds its own bias, from the library's call with queries, keys and a scale. A
model whose attention does anything besides would be computed wrongly without a word, whatever its name is.
"""

from collections.abc import Iterator
from inspect import Parameter, signature
from typing import Any

from torch import nn

# What an attention is made of: four projections, and norms of queries and keys, which come before RoPE and the cache.
PROJECTIONS = {"q_proj", "k_proj", "v_proj", "o_proj"}
NORMS = {"q_norm", "k_norm"}
LAYER_TYPES = ("full_attention", "sliding_attention")  # a window is refused once it would slide, by `enter`
# Settings that change what attention computes, and how it is called.
SETTINGS = {
    "attn_logit_softcapping": "its logits of attention are capped",
    "use_bidirectional_attention": "its tokens see those behind them",
    "attention_chunk_size": "its attention is cut into chunks",
    "num_kv_shared_layers": "its layers share keys and values",
}


def check_structure(model: nn.Module, text: Any) -> None:
    """See that the text decoder of a model computes attention in a way that a compressed cache can take part in.

    Raises:
        ValueError: if it does not; one sentence that says why.
    """
    reason = next(_reasons(model, text), None)
    if reason is not None:
        raise ValueError(
            f"The text model is a {text.config.model_type}, and {reason}: a compressed cache would be wrong with it "
            "without a word, so it cannot be used."
        )


def _reasons(model: nn.Module, text: Any) -> Iterator[str]:
    """Why a model cannot have a compressed cache, the plainest first."""
    config = text.config
    types = sorted(set(getattr(config, "layer_types", None) or ()) - set(LAYER_TYPES))
    if types:
        yield f"some of its layers are {', '.join(types)}, which hold no keys to compress or see only some of them"
    if not hasattr(getattr(text, "rotary_emb", None), "inv_freq"):
        yield "its positions do not come from one RoPE for all layers"
    for name, reason in SETTINGS.items():
        if getattr(config, name, None):
            yield reason
    if "token_type_ids" in signature(model.forward).parameters:
        yield "the tokens of its pictures or prompts see each other in both directions"
    for layer in getattr(text, "layers", ()):
        yield from _reasons_of_attention(getattr(layer, "self_attn", None))


def _reasons_of_attention(attention: Any) -> Iterator[str]:
    if attention is None:
        yield "a layer has no attention that could be found"
        return
    children = {name for name, _ in attention.named_children()}
    own = sorted(name for name, _ in attention.named_parameters(recurse=False))
    if own:
        yield f"its attention has weights of its own besides projections ({', '.join(own)}), such as attention sinks"
    if not PROJECTIONS <= children <= PROJECTIONS | NORMS:
        odd = sorted((children - PROJECTIONS - NORMS) | (PROJECTIONS - children))
        yield f"its attention is made of other parts than are known here ({', '.join(odd)})"
    if not getattr(attention, "is_causal", True):
        yield "its attention is not causal"
    if not any(one.kind == Parameter.VAR_KEYWORD for one in signature(attention.forward).parameters.values()):
        yield "its attention passes nothing on"
