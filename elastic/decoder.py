"""One token through the text model, with nothing in between.

The library's own forward spends more time on preparing masks and passing words along than a small model computes. This
one calls the same weights in the same order for a single new token per sequence, whatever its cache is.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from elastic.attention import one_query_attention
from elastic.cache import ElasticCache
from elastic.graph import StaticLayer, StaticStep, make_room
from elastic.slots import SlotLayer

MOVING_FREQUENCIES = ("dynamic", "longrope")  # kinds of RoPE whose frequencies depend on the length


class Decoder:
    """The text model of a checkpoint, for one token per sequence at a time.

    Matrices that read the same input are joined into one; the model's own weights become views of it, so that nothing
    is held twice.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        text = model.get_decoder()
        self.model, self.text = model, text
        self.rotary, self.norm, self.embed, self.head = text.rotary_emb, text.norm, text.embed_tokens, model.lm_head
        self.blocks = [_Block(layer) for layer in text.layers]
        self.can_capture = True

    @staticmethod
    def fits(model: PreTrainedModel) -> bool:
        """Whether a model can be run this way; where not, the library's forward does the same, slower."""
        text = model.get_decoder()
        kind = text.config.rope_parameters.get("rope_type", "default")
        # Weights spread over devices are moved by hooks around the library's modules.
        is_spread = len(set(getattr(model, "hf_device_map", {}).values())) > 1
        return kind not in MOVING_FREQUENCIES and not is_spread and hasattr(model, "lm_head")

    @torch.inference_mode()
    def step(self, ids: Tensor, cache: ElasticCache, static: bool | None = None) -> Tensor:
        """Logits (B, V) in float32 after one more token (B, 1) per sequence, which is entered into the cache.

        `static` runs the step over tensors that stay where they are, replayed as a graph where there is a GPU; the
        default does so on a GPU only.
        """
        static = ids.is_cuda if static is None else static
        position = cache.begin(ids, is_prompt=False)
        if static and StaticStep.fits(cache):
            logits = self._static(ids, position, cache)
        else:
            logits = self.run(ids, position, cache.layers, cache.looked if cache.watching else None)
        cache.end()
        return logits

    def _static(self, ids: Tensor, position: Tensor, cache: ElasticCache) -> Tensor:
        make_room(cache)
        if cache.static is None or not cache.static.serves(cache):
            # Until the old one is gone its memory pool is held along with the new one's.
            cache.static = None
            cache.static = StaticStep(self, cache, ids)
            if ids.is_cuda and self.can_capture:
                try:
                    cache.static.capture()
                except RuntimeError:  # some layers synchronise; they run, only slower
                    self.can_capture, cache.static.graph = False, None
        logits = cache.static.run(ids, position, cache.slot)
        cache.looked = cache.static.looked or {}
        return logits

    def run(
        self, ids: Tensor, position: Tensor, layers: list[SlotLayer | StaticLayer], looked: dict[int, Tensor] | None
    ) -> Tensor:
        """The computation alone, (B, 1), (1, 1) -> (B, V); fills `looked` with each layer's weights, (B, H, S)."""
        hidden = self.embed(ids[:, 0])
        cos, sin = self._angles(position, hidden)
        for index, (block, slots) in enumerate(zip(self.blocks, layers, strict=True)):
            hidden, weights = block.run(hidden, cos, sin, slots)
            if looked is not None:
                looked[index] = weights
        return self.head(self.norm(hidden)).float()

    def _angles(self, position: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and signed sine of RoPE at a position, (D,) each."""
        cos, sin = self.rotary(hidden, position)
        half = sin.shape[-1] // 2
        # For `_turn`: the halves change places, the second one coming with a minus.
        return cos[0, 0], torch.cat([-sin[0, 0, :half], sin[0, 0, half:]])


class _Block:
    """One layer: attention, then the feed-forward network."""

    def __init__(self, layer: nn.Module) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.before, self.after = layer.input_layernorm, layer.post_attention_layernorm
        self.project = _joined(attention.q_proj, attention.k_proj, attention.v_proj)
        self.output, self.down = attention.o_proj, mlp.down_proj
        self.feed, self.activation = _joined(mlp.gate_proj, mlp.up_proj), mlp.act_fn
        self.dim, self.scaling = attention.head_dim, attention.scaling
        self.heads = attention.config.num_attention_heads
        self.kv = attention.config.num_key_value_heads

    def run(self, hidden: Tensor, cos: Tensor, sin: Tensor, slots: SlotLayer | StaticLayer) -> tuple[Tensor, Tensor]:
        """Hidden states (B, d) of one token per sequence, and its attention on the slots, (B, H, S)."""
        batch = len(hidden)
        projected = self.project(_normed(self.before, hidden)).view(batch, -1, 1, self.dim)
        turned = projected[:, : self.heads + self.kv]
        turned = turned * cos + turned.roll(self.dim // 2, -1) * sin
        keys, values = slots.update(turned[:, self.heads :], projected[:, self.heads + self.kv :])
        attended, weights = one_query_attention(turned[:, : self.heads], keys, values, self.scaling, slots.bias)
        hidden = hidden + self.output(attended.view(batch, -1))
        gate, up = self.feed(_normed(self.after, hidden)).chunk(2, -1)
        return hidden + self.down(self.activation(gate) * up), weights


def _normed(norm: nn.Module, x: Tensor) -> Tensor:
    """RMS norm in one kernel where the library takes six."""
    return F.rms_norm(x, x.shape[-1:], norm.weight, norm.variance_epsilon)


def _joined(*parts: nn.Module) -> Callable[[Tensor], Tensor]:
    """Several linear layers of the same input as one, their outputs side by side."""
    plain = all(type(part) is nn.Linear and part.weight.is_floating_point() for part in parts)
    if not plain or len({part.bias is None for part in parts}) > 1:
        return lambda x: torch.cat([part(x) for part in parts], -1)
    together = {}
    for name in ("weight", "bias"):
        tensors = [getattr(part, name) for part in parts]
        if tensors[0] is None:
            together[name] = None
            continue
        joined = together[name] = torch.cat([tensor.detach() for tensor in tensors])
        for tensor, view in zip(tensors, joined.split([len(tensor) for tensor in tensors]), strict=True):
            tensor.data = view
    return lambda x: F.linear(x, together["weight"], together["bias"])
