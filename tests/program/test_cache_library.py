"""Whatever the library does to a cache: it works as with the library's own, or is refused in a sentence."""

import copy
import logging
import pickle
from functools import partial

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import DynamicCache, LlamaForCausalLM

from elastic.cache import ElasticCache
from elastic.policies import POLICIES
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from tests.driving import read_by_hand
from tests.small_text import OF_TEXT, books, made, read, text_model, tokens, write


@pytest.fixture(scope="module")
def model():
    return text_model()


@pytest.mark.parametrize("name", OF_TEXT)
@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copy_is_a_cache_of_its_own(model, name, how):
    clone = copy.deepcopy if how == "deepcopy" else lambda cache: pickle.loads(pickle.dumps(cache))
    prefix, written, question = tokens(40), tokens(1, 3), tokens(5, 2)
    text = torch.cat([prefix, written, question], 1)

    def prepared():
        cache = made(name, model)
        read(model, prefix, cache)
        read(model, written, cache)  # so that something was evicted
        return cache

    expected = write(model, text, prepared())
    cache = prepared()
    before = books(cache)
    first, second = clone(cache), clone(cache)
    assert write(model, text, first) == write(model, text, second) == expected
    assert books(cache) == before, "the original stays as it was"
    later = clone(cache)
    del cache
    assert write(model, text, later) == expected, "a copy needs no original"


def test_a_shallow_copy_is_refused(model):
    with pytest.raises(ValueError, match=r"use copy\.deepcopy"):
        copy.copy(made("elastic", model))


@pytest.mark.parametrize("name", OF_TEXT)
def test_after_reset_a_cache_writes_what_a_new_one_writes(model, name):
    cache = made(name, model)
    write(model, tokens(30, 5), cache)
    cache.reset()
    assert (cache.seen, cache.get_seq_length(), sum(cache.slots)) == (0, 0, 0)
    fresh = made(name, model)
    assert write(model, tokens(33), cache) == write(model, tokens(33), fresh)
    assert books(cache) == books(fresh)
    assert write(model, tokens(20, batch=2), made("full", model)) == write(
        model, tokens(20, batch=2), reset_full(model)
    )


def reset_full(model):
    """A cache that held one sequence and will hold two."""
    cache = made("full", model)
    read(model, tokens(9), cache)
    cache.reset()
    return cache


def test_a_layer_alone_cannot_be_reset(model):
    cache = made("elastic", model)
    read(model, tokens(20), cache)
    with pytest.raises(ValueError, match=r"call reset\(\) of the cache"):
        cache.layers[0].reset()


REFUSED = {
    "crop": (lambda cache: cache.crop(-3), "cannot give tokens back"),
    "crop to a length": (lambda cache: cache.crop(5), "cannot give tokens back"),
    "reorder": (lambda cache: cache.reorder_cache(torch.tensor([0])), "num_beams=1"),
    "repeat": (lambda cache: cache.batch_repeat_interleave(2), "cannot be repeated or selected"),
    "select": (lambda cache: cache.batch_select_indices(torch.tensor([0])), "cannot be repeated or selected"),
    "record": (lambda cache: cache.activate_past_recording(), "Assisted decoding"),
    "write": (lambda cache: cache.update(torch.ones(1, 2, 1, 16), torch.ones(1, 2, 1, 16), 0), "past its model"),
}


@pytest.mark.parametrize("way", REFUSED)
@pytest.mark.parametrize("name", ["full", "elastic", "think"])
def test_what_slots_cannot_do_is_refused_and_changes_nothing(model, name, way):
    action, words = REFUSED[way]
    cache = made(name, model)
    read(model, tokens(30), cache)
    before = books(cache)
    with pytest.raises(ValueError, match=words):
        action(cache)
    assert books(cache) == before
    text = torch.cat([tokens(30), tokens(4, 2)], 1)
    other = made(name, model)
    read(model, tokens(30), other)
    assert write(model, text, cache) == write(model, text, other)
    cache.crop(0)  # what takes nothing back is no harm


def test_assisted_decoding_is_refused_also_where_every_guess_is_right(model):
    """Then nothing is ever taken back, but guesses would be read as a prompt."""
    for cache in (made("elastic", model), made("full", model)):
        with pytest.raises(ValueError, match="Assisted decoding"):
            write(model, tokens(20), cache, assistant_model=text_model())


@pytest.mark.parametrize("name", OF_TEXT)
@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_every_method_takes_prompts_of_a_few_tokens(model, name, count):
    for keep in (0.1, 1.0):
        try:
            policy = POLICIES[name](keep=keep)
        except ValueError:
            continue  # a budget that the method does not have
        cache = ElasticCache(policy, model)
        found = write(model, tokens(count), cache, new=6)
        assert cache.seen == count + 5 and len(found[0]) == 6
        if keep == 1:
            assert found == write(model, tokens(count), DynamicCache(), new=6)


def test_a_cache_that_comes_by_its_place_is_watched_too(model):
    by_name, by_place = made("elastic", model), made("elastic", model)
    expected = read(model, tokens(30), by_name)
    with torch.no_grad():
        found = model(tokens(30), None, None, by_place).logits
    assert torch.equal(found, expected) and books(by_place) == books(by_name)


def test_keys_that_come_past_the_model_are_refused(model):
    with pytest.raises(ValueError, match="past its model"), torch.no_grad():
        model.model(tokens(20), past_key_values=made("elastic", model))
    with pytest.raises(ValueError, match="past its model"), torch.no_grad():
        text_model()(tokens(20), past_key_values=made("elastic", model))


def test_a_model_with_other_layers_is_refused(model):
    other = text_model(layers=2)
    made("elastic", other)  # both are watched
    for cache, reader in ((made("elastic", model), other), (made("elastic", other), model)):
        with pytest.raises(ValueError, match=r"model of \d layers, this one has \d"):
            read(reader, tokens(20), cache)


@pytest.mark.parametrize("sizes", [(1, 2, 16), (4, 2, 16), (1, 4, 8)])
def test_what_the_library_sets_up_early_does_no_harm(model, sizes):
    batch, heads, dim = sizes
    early = made("elastic", model)
    early.early_initialization(batch, heads, dim, torch.float16, torch.device("cpu"))
    assert write(model, tokens(20), early) == write(model, tokens(20), made("elastic", model))


@pytest.mark.parametrize("name", OF_TEXT)
def test_what_was_read_in_inference_mode_goes_on_outside_of_it(model, name):
    text = torch.cat([tokens(30), tokens(1, 2), tokens(4, 3)], 1)
    inside, outside = made(name, model), made(name, model)
    with torch.inference_mode():
        for piece in (tokens(30), tokens(1, 2)):
            model(piece, past_key_values=inside)
    for piece in (tokens(30), tokens(1, 2)):
        read(model, piece, outside)
    mixed = made(name, model)
    read(model, tokens(30), mixed)
    with torch.inference_mode():
        model(tokens(1, 2), past_key_values=mixed)
    expected = write(model, text, outside)
    assert write(model, text, inside) == write(model, text, mixed) == expected


@pytest.mark.parametrize("name", ["elastic-plus", "h2o", "think"])
def test_a_cache_that_is_told_by_hand_may_leave_inference_mode_between_any_two_steps(model, name):
    def held(leaving):
        cache = made(name, model)
        steps = [lambda: read_by_hand(model, tokens(30), cache, True), lambda: cache.compress(cache.policy, 8)]
        steps += [partial(read_by_hand, model, tokens(1, 2), cache, False), cache.evict] * 2
        for number, step in enumerate([*steps, cache.sort_slots]):
            with torch.inference_mode() if number < leaving else torch.no_grad():
                step()
        return books(cache)

    expected = held(0)
    assert all(held(leaving) == expected for leaving in range(1, 8))


@pytest.mark.parametrize("name", OF_TEXT)
def test_gradients_are_refused_in_a_sentence_before_anything_is_read(model, name):
    cache = made(name, model)
    for piece in (tokens(30), tokens(1, 2), tokens(4, 3)):
        before = books(cache) if cache.seen else None
        with pytest.raises(ValueError, match=r"no gradients .* within torch\.no_grad\(\)"):
            model(piece, past_key_values=cache)
        assert cache.seen == 0 if before is None else books(cache) == before
        read(model, piece, cache)  # and it is as good as new
    other = made(name, model)
    for piece in (tokens(30), tokens(1, 2), tokens(4, 3)):
        read(model, piece, other)
    assert books(cache) == books(other)


def test_where_nothing_asks_for_gradients_no_one_is_told_to_switch_them_off():
    frozen = text_model().requires_grad_(False)
    cache, other = made("elastic", frozen), made("elastic", frozen)
    for piece in (tokens(30), tokens(1, 2)):
        assert torch.equal(frozen(piece, past_key_values=cache).logits, read(frozen, piece, other))
    embeddings = frozen.get_input_embeddings()(tokens(20)).requires_grad_()
    with pytest.raises(ValueError, match="no gradients"):
        frozen(inputs_embeds=embeddings, past_key_values=made("elastic", frozen))
    assert text_model()(tokens(20), past_key_values=DynamicCache()).logits.requires_grad, "other caches are as before"


@pytest.mark.parametrize("name", ["streaming", "h2o"])
def test_two_tokens_read_at_once_are_read_as_one_after_the_other_also_where_a_slot_is_free(model, name):
    """The free slot has room for one of them only."""
    logits, owners = [], []
    for pieces in ([tokens(2, 5)], tokens(2, 5).split(1, 1)):
        cache = made(name, model)
        read(model, tokens(20), cache)
        for number in range(3):
            read(model, tokens(1, number), cache)
        assert (cache.tables.hole >= 0).all(), "a slot is free"
        for piece in pieces:
            found = read_by_hand(model, piece, cache, is_prompt=False)
        logits.append(found)
        owners.append(cache.tables.owners().tolist())
    assert torch.allclose(*logits, atol=1e-5) and owners[0] == owners[1]


def test_embeddings_are_read_as_their_tokens_are(model):
    ids = tokens(20)
    found = model.generate(
        inputs_embeds=model.get_input_embeddings()(ids), past_key_values=made("elastic", model), max_new_tokens=5
    )
    assert found.tolist() == write(model, ids, made("elastic", model))


def test_embeddings_of_a_prompt_with_a_picture_are_refused(tiny, asked):
    embeddings = tiny.model.get_input_embeddings()(asked.ids)
    cache = ElasticCache(Elastic(), tiny.model)
    with pytest.raises(ValueError, match="pass input_ids and pixel_values"):
        tiny.model(inputs_embeds=embeddings, past_key_values=cache)
    assert cache.seen == 0


@pytest.mark.parametrize("mask", [torch.ones(1, 1, 20, 20, dtype=torch.bool), torch.zeros(1, 1, 20, 20), {}])
def test_masks_of_ones_own_making_are_refused(model, mask):
    with pytest.raises(ValueError, match="makes its own masks"):
        model(tokens(20), attention_mask=mask, past_key_values=made("elastic", model))


def test_positions_that_do_not_go_on_are_refused(model):
    cache = made("elastic", model)
    with pytest.raises(ValueError, match="positions"):
        model(tokens(20), position_ids=torch.arange(3, 23)[None], past_key_values=cache)
    with torch.no_grad():
        model(tokens(20), position_ids=torch.arange(20)[None], past_key_values=cache)
        model(tokens(1), position_ids=torch.tensor([[20]]), past_key_values=cache)
    assert cache.seen == 21


@pytest.mark.parametrize("count", [20, 24, 12])
def test_a_second_prompt_without_reset_is_refused(model, count):
    """With the library's own cache it is garbage: the cache takes it for what follows, its positions begin anew."""
    cache = made("elastic", model)
    write(model, tokens(20), cache)
    with pytest.raises(ValueError, match=r"reset\(\)|no token to read"):
        write(model, tokens(count, 2), cache)


def test_maps_of_attention_are_refused(model):
    with pytest.raises(ValueError, match="output_attentions"):
        write(model, tokens(20), made("elastic", model), output_attentions=True, return_dict_in_generate=True)


def test_a_batch_that_a_method_cannot_hold_is_refused_before_it_is_read(model):
    name = next(name for name, policy in POLICIES.items() if not policy().batches)
    cache = made(name, model)
    with pytest.raises(ValueError, match="read one at a time"):
        read(model, tokens(20, batch=2), cache)
    assert cache.seen == 0 and len(write(model, tokens(20), cache)[0]) == 5


def test_a_cache_whose_compression_failed_is_not_gone_on_with(model):
    class Failing(Elastic):
        title = about = "fails"

        def compress(self, layers, seen):
            raise RuntimeError("out of memory")

    cache = ElasticCache(Failing(keep=0.5), model)
    with pytest.raises(RuntimeError, match="out of memory"):
        read(model, tokens(20), cache)
    with pytest.raises(ValueError, match="half written"):
        read(model, tokens(1), cache)
    cache.reset()
    assert cache.seen == 0


@pytest.mark.parametrize("name", ["full", "elastic", "think"])
def test_layers_moved_away_and_back_answer_the_same(model, name):
    cache, other = made(name, model), made(name, model)
    for one in (cache, other):
        read(model, tokens(20), one)
    for index in range(len(cache)):
        cache.offload(index)
        cache.layers[index].prefetch()
    text = torch.cat([tokens(20), tokens(3, 2)], 1)
    assert write(model, text, cache) == write(model, text, other)


def test_a_question_alone_with_the_mask_of_all_goes_on_as_the_whole_text_does(model):
    prefix, question = tokens(20), tokens(4, 2)
    mask = torch.ones(1, 24, dtype=torch.long)
    answers = []
    for cache in (DynamicCache(), made("full", model), made("full", model)):
        read(model, prefix, cache)
        ids = torch.cat([prefix, question], 1) if len(answers) == 2 else question
        answers.append(write(model, ids, cache, attention_mask=mask))
    assert answers[0] == answers[1] == answers[2]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 12)),
        st.tuples(st.sampled_from(["copy", "pickle", "reset", "away", "early", "crop nothing"]), st.just(0)),
        st.tuples(st.just("write"), st.integers(1, 4)),
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, batch=st.integers(1, 2))
def test_whatever_is_done_to_it_a_cache_that_keeps_all_is_the_librarys(model, steps, batch):
    ours, theirs, text = ElasticCache(Full(), model), DynamicCache(), torch.empty(batch, 0, dtype=torch.long)
    for number, (what, count) in enumerate(steps):
        if what == "read":
            ids = tokens(count, number, batch)
            text = torch.cat([text, ids], 1)
            assert torch.allclose(read(model, ids, ours), read(model, ids, theirs), atol=1e-4)
        elif what == "write":
            text = torch.cat([text, tokens(2, number, batch)], 1)
            found, expected = (write(model, text, cache, new=count) for cache in (ours, theirs))
            assert found == expected
            text = torch.cat([text, torch.tensor(found)[:, :-1]], 1)  # the last one is not in the cache yet
        elif what in ("copy", "pickle"):
            ours, theirs = (
                copy.deepcopy(cache) if what == "copy" else pickle.loads(pickle.dumps(cache))
                for cache in (ours, theirs)
            )
        elif what == "reset":
            ours.reset(), theirs.reset()
            text = text[:, :0]
        elif what == "away":
            for index in range(len(ours)):
                ours.offload(index)
                ours.layers[index].prefetch()
        elif what == "early" and ours.seen == 0:
            ours.early_initialization(3, 2, 16, torch.float32, torch.device("cpu"))
        elif what == "crop nothing":
            ours.crop(0), theirs.crop(0)
        assert ours.get_seq_length() == theirs.get_seq_length()


def test_a_cache_of_a_model_with_other_positions_is_refused():
    """As many layers of the same shape, but keys turned otherwise: without a word it would write other text."""
    config = text_model().config
    config.rope_parameters = {"rope_type": "default", "rope_theta": 50.0}
    torch.manual_seed(0)
    other = LlamaForCausalLM(config).eval()
    cache, foreign = made("streaming", other), made("streaming", text_model())
    read(other, tokens(20), cache)
    with pytest.raises(ValueError, match="made for another model"):
        read(other, tokens(20), foreign)


def test_a_model_that_passes_nothing_on_to_attention_is_refused():
    """Its layers would attend as if nothing had been merged, and nobody would notice."""
    deaf = text_model()
    attend = deaf.model.layers[1].self_attn.forward
    deaf.model.layers[1].self_attn.forward = lambda *args, elastic_forward=None, **kwargs: attend(*args, **kwargs)
    with pytest.raises(ValueError, match="1 of 3 layers did not hear of the cache"):
        read(deaf, tokens(20), made("elastic", deaf))
    assert len(write(deaf, tokens(20), DynamicCache())[0]) == 5, "other caches work with it as before"


@pytest.fixture
def untraced(monkeypatch):
    """The compiler writes down each of its steps for a log that pytest collects, which takes longer than the steps."""
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "handlers", [])
    torch.compiler.reset()


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(("name", "slots"), [("h2o", 12), ("less", 7)])  # with a memory in the place of five
def test_a_compiled_model_reads_what_it_reads_uncompiled(name, slots):
    """The cache's own work is left out of what is compiled: it decides in Python, anew for every token."""
    model, compiled = text_model(layers=1), torch.compile(text_model(layers=1), backend="eager")
    cache, plain = made(name, compiled), made(name, model)
    for ids in (tokens(20), tokens(1, 4), tokens(1, 5), tokens(1, 6)):
        torch.testing.assert_close(read(compiled, ids, cache), read(model, ids, plain), atol=1e-4, rtol=1e-4)
    assert cache.tables.owners().equal(plain.tables.owners()) and cache.slots == plain.slots == [slots]
    assert write(compiled, tokens(20), made(name, compiled)) == write(model, tokens(20), made(name, model))


@pytest.mark.usefixtures("untraced")
def test_a_model_that_was_readied_can_still_be_compiled_as_one_graph_for_other_caches(model):
    made("elastic", model)
    whole = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(whole(tokens(20), use_cache=False).logits, read(model, tokens(20), DynamicCache()))
        with pytest.raises(torch._dynamo.exc.Unsupported, match="decides about slots in Python"):
            whole(tokens(20), past_key_values=made("elastic", model))
