"""One token through the text model, with nothing in between.

The library's own forward spends more time on preparing masks and passing words along than a small model computes. This
one calls the same weights in the same order for a single new token per sequence, whatever its cache is.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.models.llama import modeling_llama as llama
from transformers.models.mistral import modeling_mistral as mistral
from transformers.models.qwen2 import modeling_qwen2 as qwen2
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen2_5_vl
from transformers.models.qwen2_vl import modeling_qwen2_vl as qwen2_vl
from transformers.models.qwen3 import modeling_qwen3 as qwen3
from transformers.models.qwen3_vl import modeling_qwen3_vl as qwen3_vl

from elastic.cache import ElasticCache
from elastic.cache.attention import one_query_attention
from elastic.cache.forward import Forward
from elastic.cache.identity import MOVING_FREQUENCIES
from elastic.models.bypassed import Bypassed, is_as_published
from elastic.models.graph import StaticForward, StaticStep, make_room

# Of the library: layers that are attention and a gated network, each behind a norm, and add what comes out.
LAYERS = (
    llama.LlamaDecoderLayer,
    mistral.MistralDecoderLayer,
    qwen2.Qwen2DecoderLayer,
    qwen2_vl.Qwen2VLDecoderLayer,
    qwen2_5_vl.Qwen2_5_VLDecoderLayer,
    qwen3.Qwen3DecoderLayer,
    qwen3_vl.Qwen3VLTextDecoderLayer,
)
ATTENTIONS = (
    llama.LlamaAttention,
    mistral.MistralAttention,
    qwen2.Qwen2Attention,
    qwen2_vl.Qwen2VLAttention,
    qwen2_5_vl.Qwen2_5_VLAttention,
)
NORMED = qwen3.Qwen3Attention, qwen3_vl.Qwen3VLTextAttention  # with a norm of every query and key, before RoPE
NETWORKS = (
    llama.LlamaMLP,
    mistral.MistralMLP,
    qwen2.Qwen2MLP,
    qwen2_vl.Qwen2MLP,
    qwen2_5_vl.Qwen2MLP,
    qwen3.Qwen3MLP,
    qwen3_vl.Qwen3VLTextMLP,
)
BEFORE = ("input_layernorm", "post_attention_layernorm")  # the norms before attention and feed-forward network


class Decoder:
    """The text model of a checkpoint, for one token per sequence at a time.

    Matrices that read the same input are joined into one; the model's own weights become views of it, so that nothing
    is held twice.
    """

    def __init__(self, model: Any) -> None:
        text = model.get_decoder()
        self.model, self.text = model, text
        self.rotary, self.norm, self.embed, self.head = text.rotary_emb, text.norm, text.embed_tokens, model.lm_head
        self.blocks = [_Block(layer) for layer in text.layers]
        self.bypassed = Bypassed(model)  # once matrices are joined
        self.static: WeakKeyDictionary[ElasticCache, StaticStep] = WeakKeyDictionary()
        self.can_capture = True

    @staticmethod
    def fits(model: PreTrainedModel) -> bool:
        """Whether a model can be run this way; where not, the library's forward does the same, slower."""
        text = model.get_decoder()
        kind = text.config.rope_parameters.get("rope_type", "default")
        # Weights spread over devices are moved by hooks around the library's modules.
        is_spread = len(set(getattr(model, "hf_device_map", {}).values())) > 1
        is_known = kind not in MOVING_FREQUENCIES and all(map(_is_known, text.layers)) and _is_norm(text.norm)
        numbers = [getattr(getattr(layer, "self_attn", None), "layer_idx", None) for layer in text.layers]
        has_head = isinstance(getattr(model, "lm_head", None), nn.Linear)
        is_whole = not is_spread and numbers == [*range(len(numbers))] and has_head
        return is_known and is_whole and Bypassed(model).are_called_plainly()

    @property
    def is_current(self) -> bool:
        """Whether the model is still the one that this was made for, and nobody listens to what is passed by."""
        return self.bypassed.are_unchanged()

    @torch.inference_mode()
    def step(self, ids: Tensor, cache: ElasticCache, forward: Forward, static: bool | None = None) -> Tensor:
        """Logits (B, V) in float32 after one more token (B, 1) per sequence, entered into the cache as `forward`.

        `static` runs the step over tensors that stay where they are, replayed as a graph where there is a GPU; the
        default does so on a GPU only.
        """
        static = ids.is_cuda if static is None else static
        return self._static(ids, cache, forward) if static and StaticStep.fits(cache) else self.run(ids, forward)

    def _static(self, ids: Tensor, cache: ElasticCache, forward: Forward) -> Tensor:
        make_room(cache)
        step = self.static.get(cache)
        if step is None or not step.serves(cache, forward):
            # The old one first: its memory pool would be held along with the new one's.
            step = None
            self.static.pop(cache, None)
            step = self.static[cache] = StaticStep(self.run, cache, ids, forward)
            if ids.is_cuda and self.can_capture:
                try:
                    step.capture()
                except RuntimeError:  # some layers synchronise; they run, only slower
                    self.can_capture, step.graph = False, None
        return step.run(ids, forward)

    def run(self, ids: Tensor, forward: Forward | StaticForward) -> Tensor:
        """The computation alone, tokens (B, 1) -> logits (B, V) in float32."""
        hidden = self.embed(ids[:, 0])
        cos, sin = self._angles(forward.positions, hidden)
        for layer, block in enumerate(self.blocks):
            hidden = block.run(hidden, cos, sin, layer, forward)
        logits: Tensor = self.head(self.norm(hidden)).float()
        return logits

    def _angles(self, position: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and signed sine of RoPE at a position, (D,) each."""
        cos, sin = self.rotary(hidden, position)
        half = sin.shape[-1] // 2
        # For `_turn`: the halves change places, the second one coming with a minus.
        return cos[0, 0], torch.cat([-sin[0, 0, :half], sin[0, 0, half:]])


def _is_known(layer: nn.Module) -> bool:
    """Whether a layer is made of what `_Block` calls, and of nothing else."""
    parts = dict(layer.named_children())
    if type(layer) not in LAYERS or set(parts) != {"self_attn", "mlp", *BEFORE}:
        return False
    attention, mlp = parts["self_attn"], parts["mlp"]
    of_attention, of_mlp = dict(attention.named_children()), dict(mlp.named_children())
    norms = [parts[name] for name in BEFORE]
    if type(attention) in NORMED:
        norms += [of_attention.pop(name, nn.Identity()) for name in ("q_norm", "k_norm")]
    has_activation = of_mlp.pop("act_fn", None) is not None
    return (
        all(map(is_as_published, (type(layer), type(attention), type(mlp), *map(type, norms))))
        and type(attention) in ATTENTIONS + NORMED
        and type(mlp) in NETWORKS
        and set(of_attention) == {"q_proj", "k_proj", "v_proj", "o_proj"}
        and set(of_mlp) == {"gate_proj", "up_proj", "down_proj"}
        and all(isinstance(one, nn.Linear) for one in (*of_attention.values(), *of_mlp.values()))
        and has_activation
        and all(map(_is_norm, norms))
    )


def _is_norm(norm: nn.Module) -> bool:
    """Whether a norm is what `_normed` computes, by all it has; what adds 1 to its weights names its epsilon `eps`."""
    return [name for name, _ in norm.named_parameters()] == ["weight"] and hasattr(norm, "variance_epsilon")


class _Block:
    """One layer: attention, then the feed-forward network."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.before, self.after = layer.input_layernorm, layer.post_attention_layernorm
        self.project = _joined(attention.q_proj, attention.k_proj, attention.v_proj)
        self.output, self.down = attention.o_proj, mlp.down_proj
        self.feed, self.activation = _joined(mlp.gate_proj, mlp.up_proj), mlp.act_fn
        self.norms = [getattr(attention, name) for name in ("q_norm", "k_norm") if hasattr(attention, name)]
        self.dim, self.attention = attention.head_dim, attention
        self.heads = attention.config.num_attention_heads
        self.kv = attention.config.num_key_value_heads

    def run(self, hidden: Tensor, cos: Tensor, sin: Tensor, layer: int, forward: Forward | StaticForward) -> Tensor:
        """Hidden states (B, d) of one token per sequence: project, write, attend, feed."""
        batch = len(hidden)
        projected = self.project(_normed(self.before, hidden)).view(batch, -1, 1, self.dim)
        turned = projected[:, : self.heads + self.kv]
        if self.norms:
            of_each = turned.split((self.heads, self.kv), 1)
            turned = torch.cat([_normed(norm, x) for norm, x in zip(self.norms, of_each, strict=True)], 1)
        turned = turned * cos + turned.roll(self.dim // 2, -1) * sin
        keys, values = forward.write(layer, turned[:, self.heads :], projected[:, self.heads + self.kv :])
        queries, scaling = turned[:, : self.heads], self.attention.scaling
        added = forward.added(layer, queries, scaling)
        attended, weights = one_query_attention(queries, keys, values, scaling, added)
        if forward.keeps_attention:
            forward.attended[layer] = weights
        hidden = hidden + self.output(attended.view(batch, -1))
        gate, up = self.feed(_normed(self.after, hidden)).chunk(2, -1)
        fed: Tensor = self.down(self.activation(gate) * up)
        return hidden + fed


def _normed(norm: Any, x: Tensor) -> Tensor:
    """RMS norm in one kernel where the library takes six."""
    return F.rms_norm(x, x.shape[-1:], norm.weight, norm.variance_epsilon)


def _joined(*parts: Any) -> Callable[[Tensor], Tensor]:
    """Several linear layers of the same input as one, their outputs side by side."""
    plain = all(type(part) is nn.Linear and part.weight.is_floating_point() for part in parts)
    if not plain or len({part.bias is None for part in parts}) > 1:
        return lambda x: torch.cat([part(x) for part in parts], -1)
    weight = _one_storage([part.weight for part in parts])
    bias = None if parts[0].bias is None else _one_storage([part.bias for part in parts])
    return lambda x: F.linear(x, weight, bias)


def _one_storage(tensors: list[Tensor]) -> Tensor:
    """One tensor of which the given ones become views."""
    joined = torch.cat([tensor.detach() for tensor in tensors])
    for tensor, view in zip(tensors, joined.split([len(tensor) for tensor in tensors]), strict=True):
        tensor.data = view
    return joined
