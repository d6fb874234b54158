"""Models whose attention a compressed cache does not know are refused by what they are made of, whatever their name."""

from copy import deepcopy

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GptOssConfig,
    GptOssForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen3_5ForCausalLM,
    Qwen3_5TextConfig,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from elastic.cache import ElasticCache
from elastic.models.decoder import Decoder
from elastic.policies.full import Full

SHAPE = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 0,
}
TOWER = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28}


def gemma3():
    config = Gemma3Config(text_config=SHAPE, vision_config={**TOWER, "patch_size": 14}, mm_tokens_per_image=4)
    return Gemma3ForConditionalGeneration(config)


def paligemma():
    text = {"model_type": "gemma", **SHAPE}
    return PaliGemmaForConditionalGeneration(
        PaliGemmaConfig(text_config=text, vision_config={**TOWER, "patch_size": 14})
    )


def qwen35():
    linear = {"linear_num_key_heads": 2, "linear_num_value_heads": 2}
    return Qwen3_5ForCausalLM(Qwen3_5TextConfig(**SHAPE | linear, layer_types=["linear_attention", "full_attention"]))


def named_wrongly(**settings):
    model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    for name, value in settings.items():
        setattr(model.config, name, value)
    return model


def with_types_of_tokens():
    class Prefix(LlamaForCausalLM):
        def forward(self, input_ids=None, token_type_ids=None, **kwargs):
            return super().forward(input_ids, **kwargs)

    return Prefix(LlamaConfig(**SHAPE))


def with_a_part_more():
    model = named_wrongly()
    model.model.layers[1].self_attn.k_rope = torch.nn.Linear(2, 2)
    return model


MODELS = {
    "gemma2": (lambda: Gemma2ForCausalLM(Gemma2Config(**SHAPE)), "its logits of attention are capped"),
    "gemma3 text": (lambda: Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE)), "do not come from one RoPE for all layers"),
    "gemma3": (gemma3, "do not come from one RoPE for all layers"),
    "paligemma": (paligemma, "its tokens see those behind them"),
    "gpt-oss": (
        lambda: GptOssForCausalLM(GptOssConfig(**SHAPE, num_local_experts=2, num_experts_per_tok=1)),
        r"weights of its own besides projections \(sinks\)",
    ),
    "qwen3.5": (qwen35, "some of its layers are linear_attention"),
    "phi3": (lambda: Phi3ForCausalLM(Phi3Config(**SHAPE)), r"made of other parts than are known here \(.*qkv_proj"),
    "gpt2": (lambda: GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=16, vocab_size=60)), "one RoPE"),
    "chunks": (lambda: named_wrongly(layer_types=["chunked_attention"] * 2), "chunked_attention"),
    "shared keys": (lambda: named_wrongly(num_kv_shared_layers=1), "its layers share keys and values"),
    "both ways": (lambda: named_wrongly(use_bidirectional_attention=True), "its tokens see those behind them"),
    "types of tokens": (with_types_of_tokens, "see each other in both directions"),
    "another part": (with_a_part_more, r"made of other parts than are known here \(k_rope\)"),
}


@pytest.mark.parametrize("name", MODELS)
def test_an_attention_that_is_not_known_is_refused_with_what_it_is(name):
    make, reason = MODELS[name]
    model = make()
    text = model.get_decoder()
    for kind in (text.config.model_type, "llama"):  # a name says nothing
        text.config.model_type = kind
        with pytest.raises(ValueError, match=f"The text model is a {kind}, and .*{reason}.* cannot be used"):
            ElasticCache(Full(), model)


def test_a_known_structure_of_a_family_that_was_not_tried_is_refused_by_its_name():
    model = named_wrongly(model_type="llama9")
    with pytest.raises(ValueError, match="llama9; a compressed cache works with llama, "):
        ElasticCache(Full(), model)


def changed(change):
    model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    change(model.model.layers[1])
    return model


class Plus(torch.nn.Module):
    """A norm that adds one to its weights, as Gemma's does."""

    def __init__(self):
        super().__init__()
        self.weight, self.eps = torch.nn.Parameter(torch.zeros(32)), 1e-6


def test_the_fast_step_is_taken_by_layers_it_knows_alone():
    assert Decoder.fits(LlamaForCausalLM(LlamaConfig(**SHAPE)))
    wrapped = torch.nn.Sequential(torch.nn.Linear(32, 32))
    for change in (
        lambda layer: layer.register_module("post_feedforward_layernorm", torch.nn.Identity()),
        lambda layer: layer.self_attn.register_module("q_norm", deepcopy(layer.input_layernorm)),
        lambda layer: setattr(layer, "input_layernorm", Plus()),
        lambda layer: setattr(layer.self_attn, "q_proj", wrapped),
        lambda layer: setattr(layer, "__class__", type("LlamaDecoderLayer", (type(layer),), {})),
        lambda layer: setattr(layer.self_attn, "__class__", type("LlamaAttention", (type(layer.self_attn),), {})),
        lambda layer: setattr(layer.mlp, "__class__", type("LlamaMLP", (type(layer.mlp),), {})),
    ):
        assert not Decoder.fits(changed(change))
    normed = Qwen3ForCausalLM(Qwen3Config(**SHAPE))
    assert Decoder.fits(normed)
    normed.model.layers[0].self_attn.k_norm = Plus()
    assert not Decoder.fits(normed)
