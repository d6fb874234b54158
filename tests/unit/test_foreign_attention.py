"""Models whose code asks more of attention than their structure shows: a mask of their own, a bias, a cap."""

import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaAttention

from elastic.cache import ElasticCache
from elastic.policies.full import Full
from tests.small_text import read, text_model, tokens

LEAST = torch.finfo(torch.float32).min


def distances(queries, keys):
    """How far behind each query every key stands, (Q, S); of those that are still to come, less than nothing."""
    return torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)


def slope(far):
    return {"attention_mask": torch.where(far < 0, LEAST, -0.5 * far)[None, None]}


def window(far):
    return {"attention_mask": ((far >= 0) & (far < 4))[None, None]}


def window_added(far):
    return {"attention_mask": torch.where((far >= 0) & (far < 4), 0.0, LEAST)[None, None]}


def bias(far):
    return {"position_bias": (-0.5 * far)[None, None]}


def not_causal(far):
    return {"is_causal": False}


def capped(far):
    return {"softcap": 20.0}


def asking(asks):
    """An attention that calls the library's with something more."""

    class Asking(LlamaAttention):
        def forward(self, hidden_states, position_embeddings, attention_mask=None, past_key_values=None, **kwargs):
            before = 0 if past_key_values is None else past_key_values.get_seq_length(self.layer_idx)
            new = hidden_states.shape[1]
            given = {"attention_mask": attention_mask} | kwargs | asks(distances(new, before + new))
            return super().forward(hidden_states, position_embeddings, past_key_values=past_key_values, **given)

    return Asking


WAYS = {
    "a slope of distances": (slope, "a mask of its own"),
    "a window": (window, "a mask of its own"),
    "a window that is added": (window_added, "a mask of its own"),
    "a bias": (bias, "position_bias"),
    "no cause": (not_causal, "is_causal=False"),
    "a cap": (capped, "softcap"),
}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("way", WAYS)
def test_attention_that_asks_for_more_than_causality_is_refused_and_not_passed_over(way, attention):
    asks, said = WAYS[way]
    model = text_model()
    model.set_attn_implementation(attention)
    for layer in model.model.layers[1:2]:
        layer.self_attn.__class__ = asking(asks)
    cache = ElasticCache(Full(), model)
    with pytest.raises(ValueError, match=f"asks for {said}, which a compressed cache cannot take part in"):
        read(model, tokens(20), cache)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_librarys_own_masks_are_none_of_that(attention):
    model = text_model()
    model.set_attn_implementation(attention)
    whole = read(model, tokens(24), None)
    cache = ElasticCache(Full(), model)
    for part in tokens(24).split((14, 6, 1, 3), 1):
        found = read(model, part, cache)
    assert torch.allclose(found[:, -1], whole[:, -1], atol=1e-4)
