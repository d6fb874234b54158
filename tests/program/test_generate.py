"""`ElasticCache` in the library's own `generate`: LLaVA and text models of three families."""

import gc
import weakref

import pytest
import torch
from transformers import (
    DynamicCache,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from elastic.cache import ElasticCache
from elastic.engine import compress, decode, extend, prefill
from elastic.policies import POLICIES
from elastic.policies.combine import Combine
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_released import ElasticReleased
from elastic.policies.full import Full

FAMILIES = {
    "llama": (LlamaForCausalLM, LlamaConfig, {}),
    "mistral": (MistralForCausalLM, MistralConfig, {"num_key_value_heads": 2, "sliding_window": None}),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, {"num_key_value_heads": 1}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {"num_key_value_heads": 2, "head_dim": 24}),
}
PLAIN = Elastic(keep=0.4, protect_text=False, distance=3)
KEYS = Combine(keep=0.4, protect_text=False, assign="similar key per head", rounds=2, count_bias=True, align=True)


def text_model(family, implementation="sdpa", dtype=torch.float32):
    torch.manual_seed(5)
    kind, config, extra = FAMILIES[family]
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = config(vocab_size=60, initializer_range=0.2, **shape, **({"num_key_value_heads": 4} | extra))
    config._attn_implementation = implementation
    model = kind(config).eval().to(dtype)
    model.generation_config.pad_token_id = 0
    return model


def prompt(tokens=30, batch=1, seed=0):
    return torch.randint(3, 60, (batch, tokens), generator=torch.Generator().manual_seed(seed))


def write(model, ids, cache=None, new=25, **how):
    how = {"do_sample": False, "min_new_tokens": new} | how
    return model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), past_key_values=cache, max_new_tokens=new, **how
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_cache_that_keeps_everything_writes_what_the_librarys_writes(family, implementation, dtype):
    model, ids = text_model(family, implementation, dtype), prompt()
    expected = write(model, ids)
    for policy in (Full(), Combine(keep=1.0, count_bias=True)):
        found = write(model, ids, ElasticCache(policy, model))
        if dtype == torch.float32:
            assert torch.equal(found, expected)
        else:  # half precision: the order of sums may tip a near tie, not the first words
            assert torch.equal(found[:, :35], expected[:, :35])
    assert torch.equal(write(model, ids), expected), "other caches work as before"


@pytest.mark.parametrize("policy", [PLAIN, KEYS], ids=["positions", "keys"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_budgets_are_held_and_positions_stay_true(family, implementation, policy):
    model, ids = text_model(family, implementation), prompt()
    cache = ElasticCache(policy, model)
    write(model, ids, cache, new=20)
    # The last token of all is never read back.
    assert cache.seen == 30 + 19 and cache.slots == [policy.limit(49, 30)] * 3
    assert cache.tables.source[:, :, : cache.layers[0].used].max() == 48


def test_generate_and_the_engine_write_the_same(tiny, picture):
    first = tiny.first_turn(picture, "Describe the image in detail.")
    for policy in (
        PLAIN,
        KEYS,
        Elastic(keep=0.3),
        ElasticReleased(keep=0.3),
        Combine(keep=0.3, positions="re-rotated"),
    ):
        state = compress(prefill(tiny, first, policy.needs), policy)
        ours = [step.token for step in decode(state, 40)]
        cache = ElasticCache(policy, tiny.model)
        inputs = {"input_ids": first.ids, **first.inputs, "attention_mask": torch.ones_like(first.ids)}
        found = tiny.model.generate(**inputs, past_key_values=cache, max_new_tokens=40, do_sample=False)
        assert found[0, first.ids.shape[1] :].tolist() == ours


def test_a_conversation_goes_on_in_the_same_cache(tiny, picture):
    """The whole transcript is passed again, as the library wants it; the cache knows how much of it it has read."""
    first, more = tiny.first_turn(picture, "Where is the dog?"), tiny.next_turn("How many are there?")
    policy = Elastic(keep=0.5)
    cache = ElasticCache(policy, tiny.model)
    inputs = {"input_ids": first.ids, **first.inputs, "attention_mask": torch.ones_like(first.ids)}
    said = tiny.model.generate(**inputs, past_key_values=cache, max_new_tokens=12, do_sample=False)
    transcript = torch.cat([said, more.ids], 1)
    found = write(tiny.model, transcript, cache, new=12)[0, transcript.shape[1] :].tolist()
    state = compress(prefill(tiny, first, policy.needs), policy)
    # `generate` leaves its last token unread: it comes with the next question.
    steps = [step for _, step in zip(range(11), decode(state, 12), strict=False)]
    assert [step.token for step in steps] == said[0, -12:-1].tolist()
    joined = type(more)(torch.cat([said[:, -1:], more.ids], 1))
    extend(state, joined)
    assert found == [step.token for step in decode(compress(state, policy), 12)]
    assert len(cache.tables.owners()[0, 0]) == cache.seen == transcript.shape[1] + 11


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_second_turn_writes_what_the_librarys_cache_writes(implementation, batch):
    """Several new tokens over old ones, where a mask is needed, by either way of computing attention."""
    model, ids, more = text_model("mistral", implementation), prompt(batch=batch), prompt(9, batch, seed=1)
    answers = []
    for cache in (DynamicCache(config=model.config), ElasticCache(Full(), model)):
        said = write(model, ids, cache, new=10)
        answers.append(write(model, torch.cat([said, more], 1), cache, new=20))
    assert torch.equal(*answers)


def test_sampling_works_and_is_reproducible():
    model, ids = text_model("llama"), prompt()

    def sample(seed):
        torch.manual_seed(seed)
        return write(model, ids, ElasticCache(PLAIN, model), do_sample=True, temperature=1.5).tolist()

    assert sample(1) == sample(1) != sample(2)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("policy", [PLAIN, KEYS, Combine(keep=0.4, positions="re-rotated")])
def test_a_batch_writes_what_each_sequence_writes_alone(policy, implementation):
    model, ids = text_model("mistral", implementation), prompt(batch=3)
    together = write(model, ids, ElasticCache(policy, model))
    for number in range(3):
        alone = write(model, ids[number : number + 1], ElasticCache(policy, model))
        assert torch.equal(together[number : number + 1], alone)


def test_several_answers_to_one_prompt():
    model, ids = text_model("llama"), prompt()
    cache = ElasticCache(PLAIN, model)
    assert write(model, ids, cache, do_sample=True, num_return_sequences=3).shape[0] == 3 == cache.batch


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_can_be_used_or_says_what_it_needs(name):
    model, ids = text_model("llama"), prompt()
    if POLICIES[name]().memory:
        with pytest.raises(ValueError, match="kernels that are trained for a model, and there are none"):
            ElasticCache(POLICIES[name](), model)
        return
    cache = ElasticCache(POLICIES[name](), model)
    if any(need.is_of_rehearsal for need in cache.policy.needs):
        with pytest.raises(ValueError, match=r"use elastic\.engine, whose compress"):
            write(model, ids, cache)
        return
    if cache.policy.needs_image:
        with pytest.raises(ValueError, match="this prompt has no picture: take another method for text"):
            write(model, ids, cache)
        model.config.image_token_id = int(ids[0, 7])  # of a model that sees pictures this is a patch
        cache = ElasticCache(POLICIES[name](), model)
    assert write(model, ids, cache).shape == (1, 55)


def test_beam_search_is_refused():
    model, ids = text_model("llama"), prompt()
    with pytest.raises(ValueError, match="Beam search"):
        write(model, ids, ElasticCache(PLAIN, model), num_beams=2)


def test_assisted_decoding_is_refused():
    model, ids = text_model("llama"), prompt()
    with pytest.raises(ValueError, match="ssisted"):
        write(model, ids, ElasticCache(PLAIN, model), assistant_model=text_model("llama"))


def test_prompt_lookup_decoding_is_refused():
    model, ids = text_model("llama"), prompt().repeat(1, 2)
    with pytest.raises(ValueError, match="ssisted"):
        write(model, ids, ElasticCache(PLAIN, model), prompt_lookup_num_tokens=3)


def test_padded_prompts_are_refused_with_what_to_do():
    model, ids = text_model("llama"), prompt(batch=2)
    mask = torch.ones_like(ids)
    mask[0, :4] = 0
    with pytest.raises(ValueError, match=r"padded.*equal length"):
        model.generate(input_ids=ids, attention_mask=mask, past_key_values=ElasticCache(PLAIN, model), max_new_tokens=4)
    # The same prompts without our cache: padding is the library's business, as ever.
    assert model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=4).shape == (2, 34)


def test_another_number_of_sequences_is_refused():
    model = text_model("llama")
    cache = ElasticCache(PLAIN, model)
    write(model, prompt(), cache)
    with pytest.raises(ValueError, match="holds 1 sequences, not 2"), torch.no_grad():
        model(prompt(5, batch=2), past_key_values=cache)


def test_a_sliding_window_is_refused_once_it_would_slide():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = MistralForCausalLM(MistralConfig(vocab_size=60, num_key_value_heads=2, sliding_window=32, **shape)).eval()
    model.generation_config.pad_token_id = 0
    write(model, prompt(), ElasticCache(PLAIN, model), new=2)
    with pytest.raises(ValueError, match="sliding window"):
        write(model, prompt(), ElasticCache(PLAIN, model), new=10)


def test_an_unknown_family_is_refused():
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=16, vocab_size=60))
    with pytest.raises(ValueError, match="gpt2"):
        ElasticCache(PLAIN, model)


def test_a_forward_that_failed_midway_makes_the_cache_unusable():
    model, ids = text_model("llama"), prompt()
    cache = ElasticCache(PLAIN, model)

    def fail(*_):
        raise RuntimeError("out of memory")

    handle = model.model.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        write(model, ids, cache)
    handle.remove()
    with pytest.raises(ValueError, match="half written"):
        write(model, ids, cache)


def test_caches_are_freed_with_their_last_reference():
    """At once, not when the collector comes by: on a GPU it would come too late."""
    model, ids = text_model("llama"), prompt()
    cache = ElasticCache(PLAIN, model)
    write(model, ids, cache)
    storage, cache_is_there = weakref.ref(cache.layers[0].keys), weakref.ref(cache)
    gc.collect()
    gc.disable()
    try:
        del cache
        assert cache_is_there() is None and storage() is None
    finally:
        gc.enable()
