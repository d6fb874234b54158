"""Models whose tokens have three positions are known by their RoPE, whatever their settings leave out."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from elastic.cache import ElasticCache
from elastic.engine import prefill
from elastic.model import load
from elastic.policies.combine import Combine
from elastic.policies.full import Full
from tests.families import MAKERS
from tests.small_text import SHAPE, read, tokens

PLAIN = {"rope_type": "default", "rope_theta": 1e4}


@pytest.fixture(scope="module")
def sectionless(tmp_path_factory):
    """A Qwen3-VL whose sections of RoPE are those that the library takes where none are named: 24, 20 and 20."""
    folder = tmp_path_factory.mktemp("sectionless") / "model"
    MAKERS["qwen3-vl"](folder, text_settings={"head_dim": 128, "rope_parameters": PLAIN})
    return load(folder, device="cpu")


def test_three_positions_are_kept_where_the_settings_name_no_sections(sectionless, picture):
    first = sectionless.first_turn(picture, "What is it?")
    cache = ElasticCache(Full(), sectionless.model)
    with torch.no_grad():
        found = sectionless.model(input_ids=first.ids, **first.inputs, past_key_values=cache).logits[:, -1]
    assert torch.allclose(found, prefill(sectionless, first).logits, atol=1e-3)
    assert cache.offset == first.offset != 0
    sectionless.model.generate(
        input_ids=first.ids, **first.inputs, past_key_values=ElasticCache(Full(), sectionless.model), max_new_tokens=2
    )


def test_keys_of_three_positions_are_not_turned_where_the_settings_name_no_sections(sectionless):
    with pytest.raises(ValueError, match="which has three"):
        ElasticCache(Combine(keep=0.4, align=True), sectionless.model)


def dynamic_model():
    """A text model whose frequencies of RoPE would change beyond 40 tokens."""
    torch.manual_seed(0)
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
    config = LlamaConfig(**SHAPE, vocab_size=97, num_hidden_layers=2, max_position_embeddings=40, rope_parameters=rope)
    return LlamaForCausalLM(config).eval()


@pytest.mark.parametrize("first", [36, 40])
def test_what_would_change_the_frequencies_of_everybodys_keys_is_refused(first):
    model = dynamic_model()
    cache, others = ElasticCache(Full(), model), ElasticCache(Full(), model)
    read(model, tokens(30), others)
    read(model, tokens(first), cache)
    for _ in range(40 - first):
        read(model, tokens(1), cache)
    with pytest.raises(ValueError, match="positions are those of 40 tokens, and this would be token 41"):
        read(model, tokens(1), cache)
    with pytest.raises(ValueError, match="this would be token 41"):
        read(model, tokens(41), ElasticCache(Full(), model))
    found, alone = read(model, tokens(1, seed=3), others)[:, -1], dynamic_model()
    assert torch.allclose(found, read(alone, torch.cat([tokens(30), tokens(1, seed=3)], 1), None)[:, -1], atol=1e-4)
