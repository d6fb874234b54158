"""Whose cache it is, and what stands around its model: adapters, wrappers, hooks, threads, ways to generate."""

import copy
import gc
import pickle
import threading
import weakref

import pytest
import torch
from torch import nn
from transformers import DynamicCache, LlamaForCausalLM

from elastic.cache import ElasticCache
from elastic.cache.history import History
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.full import Full
from elastic.policies.h2o import H2O
from tests.small_text import books, made, read, text_model, tokens, write


@pytest.fixture(scope="module")
def model():
    return text_model()


# Whose keys they are.


@pytest.mark.parametrize("name", ["full", "elastic", "think"])
def test_a_model_with_other_weights_is_refused_whatever_its_shape(model, name):
    other = text_model(seed=5)
    made(name, other)  # both are watched
    cache = made(name, model)
    read(model, tokens(20), cache)
    before = books(cache)
    text = torch.cat([tokens(20), tokens(3)], 1)
    for use in (lambda: write(other, text, cache), lambda: read(other, tokens(1), cache)):
        with pytest.raises(ValueError, match="made for another model"):
            use()
    assert books(cache) == before
    with pytest.raises(ValueError, match="made for another model"):
        read(other, tokens(20), made(name, model))


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("part", ["self_attn.v_proj", "mlp.down_proj", "input_layernorm"])
def test_a_model_of_which_one_matrix_was_trained_further_is_another_one(model, layer, part):
    cache = made("h2o", model)
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.get_parameter(f"model.layers.{layer}.{part}.weight").mul_(1.01)
    read(model, tokens(20), cache)
    with pytest.raises(ValueError, match="made for another model"):
        read(other, tokens(1), cache)


def test_the_same_weights_are_the_same_model_wherever_they_are(model):
    """A copy of it, or one that was loaded in another process: the cache goes on with either."""
    text = torch.cat([tokens(20), tokens(3, 2)], 1)
    cache = made("h2o", model)
    read(model, tokens(20), cache)
    expected = write(model, text, copy.deepcopy(cache))
    twin, loaded = copy.deepcopy(model), text_model()
    made("h2o", loaded)  # a model is readied by its first cache
    assert write(twin, text, copy.deepcopy(cache)) == write(loaded, text, copy.deepcopy(cache)) == expected
    stored = pickle.dumps(cache)
    other = text_model(seed=5)
    made("h2o", other)
    with pytest.raises(ValueError, match="made for another model"):
        write(other, text, pickle.loads(stored))
    assert write(loaded, text, pickle.loads(stored)) == write(model, text, pickle.loads(stored)) == expected


def test_a_cache_keeps_no_model_alive_and_says_when_it_can_no_longer_be_told_whose_it_is(model):
    gone = text_model()
    cache, remembered = made("full", gone), weakref.ref(gone)
    read(gone, tokens(9), cache)
    del gone
    gc.collect()
    assert remembered() is None
    with pytest.raises(ValueError, match="The model of this cache is gone"):
        pickle.dumps(cache)
    with pytest.raises(ValueError, match="made for another model"):
        read(model, tokens(1), cache)


def test_a_model_that_was_readied_can_be_copied_and_stored(model):
    cache = made("h2o", model)
    expected = write(model, tokens(20), cache)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert write(twin, tokens(20), made("h2o", twin)) == expected
        whole, pieces = made("snapkv", twin), made("snapkv", twin)
        assert write(twin, tokens(20), whole) == write(twin, tokens(20), pieces, prefill_chunk_size=6)
        assert books(whole)[:3] == books(pieces)[:3], "its generate is its own, and told of pieces"


# What stands around it.


class Adapter(nn.Module):
    """A linear layer with a low-rank one beside it, as PEFT puts it in its place."""

    def __init__(self, base_layer):
        super().__init__()
        self.base_layer, generator = base_layer, torch.Generator().manual_seed(7)
        self.down = nn.Parameter(torch.randn(4, base_layer.in_features, generator=generator) * 0.2, requires_grad=False)
        self.up = nn.Parameter(torch.randn(base_layer.out_features, 4, generator=generator) * 0.2, requires_grad=False)

    def forward(self, x):
        return self.base_layer(x) + x @ self.down.T @ self.up.T


class Tuner(nn.Module):
    """What PEFT calls LoraModel."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        for layer in model.model.layers:
            layer.self_attn.q_proj = Adapter(layer.self_attn.q_proj)
            layer.self_attn.v_proj = Adapter(layer.self_attn.v_proj)

    def forward(self, *args, **kwargs):
        return self.model(*args, **kwargs)

    def generate(self, *args, **kwargs):
        return self.model.generate(*args, **kwargs)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.model, name)


class Kind:
    """Of a configuration of PEFT."""

    def __init__(self, peft_type):
        self.peft_type = peft_type


class Wrapped(nn.Module):
    """As PEFT wraps a model: calls go to the one inside, and names it does not have itself are looked up there."""

    def __init__(self, model, peft_type="LORA"):
        super().__init__()
        self.base_model, self.peft_config = Tuner(model), {"default": Kind(f"PeftType.{peft_type}")}

    def forward(self, input_ids=None, **kwargs):
        return self.base_model(input_ids=input_ids, **kwargs)

    def generate(self, *args, **kwargs):
        return self.base_model.generate(*args, **kwargs)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.base_model, name)


class Whole(nn.Module):
    """A module of somebody's own around a model."""

    def __init__(self, *models):
        super().__init__()
        self.inner = nn.ModuleList(models)

    def forward(self, ids, **kwargs):
        return self.inner[0](input_ids=ids, **kwargs)

    def generate(self, *args, **kwargs):
        return self.inner[0].generate(*args, **kwargs)


WRAPPERS = {
    "peft": Wrapped,
    "own": Whole,
    "parallel": nn.DataParallel,
    "peft in own": lambda model: Whole(Wrapped(model)),
}


@pytest.mark.parametrize("is_for", ["wrapper", "model", "model before it was wrapped"])
@pytest.mark.parametrize("way", WRAPPERS)
def test_a_wrapped_model_is_compressed_as_the_model_inside_is(way, is_for):
    def caches(policy):
        inner = text_model()
        before = ElasticCache(policy, inner)
        wrapper = WRAPPERS[way](inner)
        cache = {"wrapper": lambda: ElasticCache(policy, wrapper), "model": lambda: ElasticCache(policy, inner)}
        return wrapper, cache.get(is_for, lambda: before)()

    wrapper, full = caches(Full())
    expected = read_around(wrapper, DynamicCache())
    for one, found in zip(expected, read_around(wrapper, full), strict=True):
        torch.testing.assert_close(found, one)
    assert full.report().share == 1 and full.seen == 24
    wrapper, cache = caches(H2O(keep=0.5))
    read_around(wrapper, cache)
    assert cache.slots == [12] * 3 and cache.report().share == 0.5, "as much as it may hold, and not nothing"
    if hasattr(wrapper, "generate"):
        wrapper, full = caches(Full())
        assert write(wrapper, tokens(20), full) == write(wrapper, tokens(20), None)
        wrapper, cache = caches(H2O(keep=0.5))
        written = write(wrapper, tokens(20), cache, prefill_chunk_size=7)
        inner = next(module for module in wrapper.modules() if isinstance(module, LlamaForCausalLM))
        assert written == write(inner, tokens(20), ElasticCache(H2O(keep=0.5), inner)) and cache.slots == [10] * 3


@torch.no_grad()
def read_around(wrapper, cache):
    """Logits of a prompt, a token and a question."""
    return [wrapper(ids, past_key_values=cache).logits for ids in (tokens(20), tokens(1, 2), tokens(3, 3))]


def test_what_holds_no_model_or_several_is_refused():
    with pytest.raises(ValueError, match="A Linear holds no model of the transformers library"):
        ElasticCache(Full(), nn.Linear(2, 2))
    with pytest.raises(ValueError, match="A Whole holds 2 models of the transformers library"):
        ElasticCache(Full(), Whole(text_model(), text_model()))


def test_prefix_tuning_is_refused_as_it_would_put_its_own_cache_in_the_place_of_ours():
    with pytest.raises(ValueError, match="Prefix tuning puts a cache of its own"):
        ElasticCache(Full(), Wrapped(text_model(), "PREFIX_TUNING"))
    assert ElasticCache(Full(), Wrapped(text_model(), "PROMPT_TUNING")).seen == 0


@pytest.mark.parametrize("kind", ["lora", "prompt", "prefix"])
def test_with_peft_itself_it_is_the_same(kind):
    peft = pytest.importorskip("peft")
    settings = {
        "lora": lambda: peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False),
        "prompt": lambda: peft.PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM"),
        "prefix": lambda: peft.PrefixTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM"),
    }
    inner = text_model()
    wrapper = peft.get_peft_model(inner, settings[kind]()).eval()
    if kind == "prefix":
        with pytest.raises(ValueError, match="Prefix tuning"):
            ElasticCache(Full(), wrapper)
        return
    full, some = ElasticCache(Full(), wrapper), ElasticCache(H2O(keep=0.5), wrapper)
    assert write(wrapper, tokens(20), full) == write(wrapper, tokens(20), None)
    write(wrapper, tokens(20), some)
    assert some.slots == [some.policy.limit(some.seen, some.prompt)] * 3


def test_a_decoder_alone_has_a_cache_of_its_own_if_it_was_made_for_it(model):
    """Its model is another module around it: both are watched, and a forward enters its tokens once."""
    of_decoder, of_model = ElasticCache(H2O(keep=0.5), model.model), ElasticCache(H2O(keep=0.5), model)
    with torch.no_grad():
        hidden = model.model(tokens(20), past_key_values=of_decoder).last_hidden_state
    torch.testing.assert_close(model.lm_head(hidden), read(model, tokens(20), of_model))
    assert books(of_decoder) == books(of_model)
    through_model = ElasticCache(H2O(keep=0.5), model.model)
    read(model, tokens(20), through_model)
    assert books(through_model) == books(of_model)


# Past the model, or half through it.


def test_keys_that_no_forward_announced_are_refused(model):
    inside = text_model()
    cache = made("elastic", inside)
    for way in (inside.model, inside.forward, inside.model.forward):
        with pytest.raises(ValueError, match="past its model"), torch.no_grad():
            way(tokens(20), past_key_values=cache)
        assert cache.seen == 0 and cache.bytes_held == [0] * 3


def test_keys_are_refused_after_a_forward_that_failed_though_they_are_as_many():
    inside = text_model()
    cache = made("elastic", inside)

    def fail(*_):
        raise RuntimeError("out of memory")

    handle = inside.model.layers[0].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        read(inside, tokens(20), cache)
    handle.remove()
    with pytest.raises(ValueError, match="past its model"), torch.no_grad():
        inside.model(tokens(20), past_key_values=cache)
    with pytest.raises(ValueError, match=r"half written: begin with reset\(\)"):
        read(inside, tokens(20), cache)
    assert "half written" in str(cache.report())


def test_a_layer_that_writes_twice_in_a_forward_is_refused(model):
    cache = made("full", model)
    cache.enter(tokens(1), True)
    keys = torch.ones(1, 2, 1, 16)
    cache.update(keys, keys, 0)
    with pytest.raises(ValueError, match="past its model"):
        cache.update(keys, keys, 0)


def test_a_forward_whose_layers_keep_no_keys_is_refused():
    """In training, gradient checkpointing takes the cache away from the layers, and says so in a warning only."""
    training = text_model().train()
    training.activation_checkpointing_enable()
    cache = made("elastic", training)
    with pytest.raises(ValueError, match=r"3 of 3 layers gave the cache no keys.* model\.eval\(\)"):
        read(training, tokens(20), cache)
    cache.reset()
    training.eval()
    read(training, tokens(20), cache)
    assert cache.seen == 20


def test_hooks_that_somebody_removed_are_missed_and_put_back_by_the_next_cache():
    bare = text_model()
    old = made("h2o", bare)
    bare._forward_pre_hooks.clear(), bare._forward_hooks.clear()
    with pytest.raises(ValueError, match=r"past its model.*where its hooks were removed make a cache anew"):
        read(bare, tokens(20), old)
    new = made("h2o", bare)
    read(bare, tokens(20), new)
    assert new.slots == [12] * 3
    bare._forward_hooks.clear()
    again = made("h2o", bare)
    read(bare, tokens(20), again)
    assert books(again) == books(new)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_attention_that_somebody_set_since_hears_of_the_cache_all_the_same(implementation):
    other = text_model()
    cache = made("h2o", other)
    other.set_attn_implementation(implementation)
    untouched = text_model()
    expected = made("h2o", untouched)
    assert write(other, tokens(20), cache) == write(untouched, tokens(20), expected)
    assert cache.tables.owners().equal(expected.tables.owners()) and cache.slots == expected.slots == [12] * 3


def test_attention_that_can_hear_nothing_is_refused_before_it_reads():
    other = text_model()
    cache = made("h2o", other)
    other.set_attn_implementation("flex_attention")
    for use in (lambda: read(other, tokens(20), cache), lambda: made("h2o", other)):
        with pytest.raises(ValueError, match=r"attends by 'flex_attention'.*attn_implementation=\"sdpa\""):
            use()
    assert cache.seen == 0


# Ways to generate.


def test_a_cache_beside_use_cache_false_is_refused(model):
    for use in (
        lambda cache: write(model, tokens(20), cache, use_cache=False),
        lambda cache: model(tokens(20), past_key_values=cache, use_cache=False),
    ):
        cache = made("elastic", model)
        with pytest.raises(ValueError, match="use_cache is False: leave one of them out"):
            use(cache)
        assert cache.seen == 0


REFUSED = {
    "static": ({"cache_implementation": "static"}, "cache_implementation"),
    "beams": ({"num_beams": 2}, "num_beams=1"),
    "sampled beams": ({"num_beams": 2, "do_sample": True}, "num_beams=1"),
    "lookup": ({"prompt_lookup_num_tokens": 2}, "Assisted decoding"),
    "early exit": ({"assistant_early_exit": 1}, "Assisted decoding"),
    "contrastive": ({"penalty_alpha": 0.6, "top_k": 4}, "Contrastive Search requires"),
    "dola": ({"dola_layers": "low"}, "Dola Generation requires"),
}


@pytest.mark.parametrize("way", REFUSED)
@pytest.mark.parametrize("name", ["full", "elastic"])
def test_ways_to_generate_that_a_cache_of_slots_cannot_follow_are_refused(model, name, way):
    how, words = REFUSED[way]
    with pytest.raises(ValueError, match=words):
        write(model, tokens(20), made(name, model), **how)


def test_ways_to_generate_that_it_can_follow_write_what_the_librarys_cache_writes(model):
    ways = (
        {"do_sample": True, "temperature": 1.3, "top_p": 0.9},
        {"do_sample": True, "num_return_sequences": 3},
        {"guidance_scale": 1.5},  # reads the prompt's end once more, with a cache of its own
        {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        {"stop_strings": None, "min_new_tokens": 3},
    )
    for how in ways:
        found = []
        for cache in (DynamicCache(), made("full", model)):
            torch.manual_seed(9)
            settings = {"max_new_tokens": 6, "do_sample": False, "attention_mask": torch.ones(1, 20, dtype=torch.long)}
            found.append(model.generate(tokens(20), past_key_values=cache, **(settings | how)).tolist())
        assert found[0] == found[1], how


def test_a_cache_that_generate_gives_back_is_the_one_it_was_given_and_goes_on(model):
    cache, other = made("h2o", model), made("h2o", model)
    how = {"max_new_tokens": 4, "do_sample": False, "return_dict_in_generate": True, "output_scores": True}
    given = model.generate(tokens(20), past_key_values=cache, **how)
    assert given.past_key_values is cache
    assert given.sequences[:, 20:].tolist() == write(model, tokens(20), other, new=4)
    text = torch.cat([given.sequences, tokens(3, 2)], 1)
    assert write(model, text, given.past_key_values) == write(model, text, other)


@pytest.mark.parametrize("count", [12, 24, 40])
@pytest.mark.parametrize("batch", [1, 2])
def test_another_text_is_refused_and_not_taken_for_what_follows(model, count, batch):
    """The library would cut off as many tokens as were read, whichever they were, and go on with the rest."""
    cache, other = made("h2o", model), made("h2o", model)
    said = torch.tensor(write(model, tokens(20, 1, batch), cache))
    write(model, tokens(20, 1, batch), other)
    before = books(cache)
    with pytest.raises(ValueError, match=r"has read 24 tokens of another text.*reset\(\)"):
        write(model, tokens(count, 2, batch), cache)
    assert books(cache) == before
    text = torch.cat([tokens(20, 1, batch), said, tokens(3, 2, batch)], 1)
    swapped = text.clone()
    swapped[-1, 7] += 1
    with pytest.raises(ValueError, match="of another text"):
        write(model, swapped, cache, prefill_chunk_size=2)
    assert write(model, text, cache) == write(model, text, other)
    cache.reset()
    assert write(model, tokens(count, 2, batch), cache) == write(model, tokens(count, 2, batch), made("h2o", model))


def test_a_text_is_known_by_what_each_cache_has_read_and_not_by_what_came_as_embeddings(model):
    ids, more = tokens(20), tokens(3, 2)
    embeddings = model.get_input_embeddings()(ids).detach()
    cache, other = made("h2o", model), made("h2o", model)
    how = {"past_key_values": cache, "max_new_tokens": 4, "do_sample": False}
    said = model.generate(inputs_embeds=embeddings, attention_mask=torch.ones_like(ids), **how)
    assert said.tolist() == write(model, ids, other, new=4)
    text = torch.cat([ids, said, more], 1)
    twins = [cache.fork(), copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))]
    expected = write(model, text, other)
    for one in (cache, *twins):
        assert write(model, text, one) == expected
    several = made("h2o", model)
    how = {"max_new_tokens": 3, "do_sample": True, "num_return_sequences": 3}
    answers = model.generate(ids, past_key_values=several, **how)
    assert len(write(model, torch.cat([answers, tokens(2, 5, 3)], 1), several)) == 3


def test_a_long_answer_is_remembered_token_by_token_from_a_buffer_that_is_used_again():
    history, buffer, text = History(), torch.empty(2, 1, dtype=torch.long), tokens(200, 3, 2)
    for number in range(200):
        buffer.copy_(text[:, number : number + 1])
        history.add(buffer)
    assert history.begins(text) and history.begins(torch.cat([text, text], 1)) and history.begins(text[:, :90])
    text[1, 130] += 1
    assert not history.begins(text) and history.begins(text[:, :130])


def test_a_twin_remembers_its_own_text_and_one_text_may_stand_for_several_sequences():
    history = History()
    history.add(tokens(9).expand(3, -1))
    twin = history.copy()
    history.add(tokens(3, 2, 3)), twin.add(tokens(3, 5, 3))
    assert history.begins(torch.cat([tokens(9).expand(3, -1), tokens(3, 2, 3)], 1))
    assert twin.begins(torch.cat([tokens(9).expand(3, -1), tokens(3, 5, 3)], 1))
    assert history.begins(tokens(9)) and not history.begins(tokens(9, 7)) and not history.begins(tokens(9, 1, 2))


def test_a_cache_that_a_way_of_generating_left_unused_is_told_of(model):
    """Nobody should read that a cache of nothing wrote an answer."""

    def other_way(model, input_ids, **kwargs):
        return model.generate(input_ids, max_new_tokens=2, pad_token_id=0)

    with pytest.raises(ValueError, match="written without the cache that was given"):
        write(model, tokens(20), made("elastic", model), custom_generate=other_way)


@pytest.mark.parametrize("is_watched", [False, True])
def test_a_generate_of_ones_own_is_still_called(is_watched):
    """It was put in the place of the library's before the first cache was made, or around the one that a cache told."""
    own, calls = text_model(), []
    if is_watched:
        made("h2o", own)
    library = own.generate
    own.generate = lambda *args, **kwargs: calls.append(1) or library(*args, **kwargs)
    cache, whole = made("h2o", own), made("h2o", own)
    assert write(own, tokens(20), cache, prefill_chunk_size=8) == write(own, tokens(20), whole)
    assert len(calls) == 2 and books(cache)[:3] == books(whole)[:3]


# Several at once.


def test_two_conversations_in_turn_on_one_model_do_not_disturb_each_other(model):
    def talk(policy, seed):
        """Its logits, one forward at a time."""
        cache = ElasticCache(policy, model)
        for number, count in enumerate((20 + seed, 1, 1, 5, 1, 1)):
            yield read(model, tokens(count, 10 * seed + number), cache)[:, -1]

    talks = [(H2O(keep=0.4), 1), (ElasticPlus(keep=0.3), 2), (Full(), 3)]
    alone = [list(talk(*one)) for one in talks]
    together = zip(*(talk(*one) for one in talks), strict=True)
    for step, logits in enumerate(together):
        for number, found in enumerate(logits):
            assert torch.equal(found, alone[number][step])


def test_conversations_in_threads_on_one_model_do_not_disturb_each_other(model):
    prompts = [tokens(18 + 2 * number, number) for number in range(4)]
    names = ["h2o", "elastic-plus", "full", "think"]
    alone = [write(model, ids, made(name, model), new=12) for ids, name in zip(prompts, names, strict=True)]
    caches, found, start = [made(name, model) for name in names], [None] * 4, threading.Barrier(4)

    def run(number):
        start.wait()
        found[number] = write(model, prompts[number], caches[number], new=12, prefill_chunk_size=5)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone
