"""Models whose tokens have three positions are known by their RoPE, whatever their settings leave out."""

import pytest
import torch

from elastic.cache import ElasticCache
from elastic.engine import prefill
from elastic.model import load
from elastic.policies.combine import Combine
from elastic.policies.full import Full
from tests.families import MAKERS

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
