"""All that the library's caches have, name by name: what one of slots answers, right or with a sentence.

A name that a later version of the library adds is in no table here, and fails a test until somebody has decided.
"""

import copy
import io
import pickle

import pytest
import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import CacheLayerMixin, DynamicLayer

from elastic.cache import ElasticCache
from elastic.cache.report import NOTHING_READ
from elastic.cache.slots import SlotLayer
from elastic.policies.full import Full
from elastic.policies.h2o import H2O
from elastic.policies.think import ThinK
from tests.small_text import MODEST, OF_TEXT, POLICIES, REHEARSING, books, made, read, text_model, tokens, write


@pytest.fixture(scope="module")
def model():
    return text_model()


def held(model, ours, theirs):
    """Both have read the same tokens."""
    read(model, tokens(20), ours), read(model, tokens(20), theirs)
    return ours, theirs


def layer_sizes(cache):
    return [tuple(tensor.shape) for layer in cache.layers for tensor in layer.stored()]


ONE = torch.tensor([0])
KEYS = torch.ones(1, 2, 1, 16)
EVERY = object()  # of caches that keep all: the very same answer as the library's own gives

# What it answers: a value to compare with the library's cache, or one to compare with by hand.
ANSWERED = {
    "batch_size": (lambda cache: cache.batch_size, 1),
    "get_mask_sizes": (lambda cache: cache.get_mask_sizes(3, 0), EVERY),
    "get_max_length": (lambda cache: (cache.get_max_length(), cache.get_max_length(1)), EVERY),
    "get_query_offset": (lambda cache: cache.get_query_offset(), EVERY),
    "get_seq_length": (lambda cache: [cache.get_seq_length(layer) for layer in range(3)], EVERY),
    "is_compileable": (lambda cache: cache.is_compileable, EVERY),
    "is_croppable": (lambda cache: cache.is_croppable, False),  # a DynamicCache is
    "is_dummy": (lambda cache: cache.is_dummy, EVERY),
    "is_initialized": (lambda cache: cache.is_initialized, EVERY),
    "is_linear": (lambda cache: cache.is_linear, EVERY),
    "is_recording_past": (lambda cache: cache.is_recording_past(0), EVERY),
    "is_sliding": (lambda cache: cache.is_sliding, EVERY),
    "layer_class_to_replicate": (lambda cache: cache.layer_class_to_replicate, None),
    "layers": (lambda cache: len(cache.layers), EVERY),
    "offload": (lambda cache: cache.offload(0), EVERY),
    "offloading": (lambda cache: cache.offloading, EVERY),
    "prefetch": (lambda cache: cache.prefetch(2), None),  # the library's, only where offloading was asked for
    "__len__": (lambda cache: len(cache), EVERY),
    "crop nothing": (lambda cache: cache.crop(0), EVERY),
}
# What it refuses, by its own words or the library's.
REFUSED = {
    "activate_past_recording": (lambda cache: cache.activate_past_recording(), "Assisted decoding"),
    "batch_repeat_interleave": (lambda cache: cache.batch_repeat_interleave(2), "cannot be repeated or selected"),
    "batch_select_indices": (lambda cache: cache.batch_select_indices(ONE), "cannot be repeated or selected"),
    "crop": (lambda cache: cache.crop(-1), "cannot give tokens back"),
    "get_conv_state": (lambda cache: cache.get_conv_state(0), "non linear attention layer"),
    "get_recurrent_state": (lambda cache: cache.get_recurrent_state(0), "non linear attention layer"),
    "has_previous_state": (lambda cache: cache.has_previous_state(), "only contain Attention layers"),
    "reorder_cache": (lambda cache: cache.reorder_cache(ONE), "num_beams=1"),
    "update": (lambda cache: cache.update(KEYS, KEYS, 0), "past its model"),
    "update_conv_state": (lambda cache: cache.update_conv_state(KEYS, 0), "non-LinearAttention layer"),
    "update_indexer": (lambda cache: cache.update_indexer(KEYS, 0), "no indexer key cache"),
    "update_recurrent_state": (lambda cache: cache.update_recurrent_state(KEYS, 0), "non-LinearAttention layer"),
    "__iter__": (iter, "cannot be taken apart"),
    "__getitem__": (lambda cache: cache[0], "cannot be taken apart"),
    "__copy__": (copy.copy, r"use copy\.deepcopy"),
}
# These have tests of their own: here, and among `tests/program/test_cache_library.py`.
TESTED_ELSEWHERE = {"early_initialization", "reset"}

OF_LAYERS = {
    "batch_repeat_interleave": (lambda layer: layer.batch_repeat_interleave(2), "cannot be repeated or selected"),
    "batch_select_indices": (lambda layer: layer.batch_select_indices(ONE), "cannot be repeated or selected"),
    "crop": (lambda layer: layer.crop(-1), "cannot give tokens back"),
    "reorder_cache": (lambda layer: layer.reorder_cache(ONE), "num_beams=1"),
    "reset": (lambda layer: layer.reset(), r"call reset\(\) of the cache"),
    "update": (lambda layer: layer.update(KEYS, KEYS), r"call update\(\) of the cache"),
}
# Attributes and methods of layers that are what they say: read by the cache, whose answers are compared above.
OF_LAYERS_AS_THEY_ARE = (
    "device dtype get_mask_sizes get_max_length get_seq_length is_compileable is_croppable is_initialized is_sliding "
    "keys lazy_initialization offload prefetch supports_early_init values"
)


def names(kind, instance):
    """Public names of a class of the library's, and of one of its objects."""
    return {name for name in {*dir(kind), *vars(instance)} if not name.startswith("_")}


def test_every_name_of_the_librarys_cache_has_been_decided_about():
    decided = {*ANSWERED, *REFUSED, *TESTED_ELSEWHERE}
    assert names(Cache, Cache(layers=[])) <= decided, "new in the library: right, or refused in a sentence?"
    assert not {name for name in decided if not hasattr(ElasticCache, name)} - {
        "crop nothing",
        "layers",
        "layer_class_to_replicate",
        "offloading",
    }


def test_every_name_of_the_librarys_layers_has_been_decided_about(model):
    _, theirs = held(model, DynamicCache(), DynamicCache())
    known = names(CacheLayerMixin, theirs.layers[0]) | names(DynamicLayer, theirs.layers[0])
    ours, _ = held(model, made("full", model), DynamicCache())
    assert known == {*OF_LAYERS, *OF_LAYERS_AS_THEY_ARE.split()}
    assert all(hasattr(ours.layers[0], name) for name in known)


@pytest.mark.parametrize("name", ANSWERED)
def test_what_a_cache_that_keeps_all_answers_is_what_the_librarys_answers(model, name):
    ask, expected = ANSWERED[name]
    ours, theirs = held(model, made("full", model), DynamicCache())
    before = books(ours)
    assert ask(ours) == (ask(theirs) if expected is EVERY else expected)
    assert books(ours) == before


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_said_in_a_sentence_and_changes_nothing(model, name):
    ask, words = REFUSED[name]
    for policy in ("full", "think"):
        cache, other = held(model, made(policy, model), made(policy, model))
        with pytest.raises((ValueError, TypeError), match=words):
            ask(cache)
        assert books(cache) == books(other)


@pytest.mark.parametrize("name", OF_LAYERS)
def test_what_layers_refuse_is_said_in_a_sentence(model, name):
    ask, words = OF_LAYERS[name]
    for policy in ("full", "think"):
        cache, other = held(model, made(policy, model), made(policy, model))
        with pytest.raises(ValueError, match=words):
            ask(cache.layers[1])
        assert books(cache) == books(other)


def test_after_eviction_lengths_count_tokens_and_masks_count_slots(model):
    cache = ElasticCache(H2O(keep=0.3), model)
    read(model, tokens(20), cache)
    for number in range(5):
        read(model, tokens(1, number), cache)
    assert (cache.get_seq_length(), cache.get_query_offset(), cache.get_max_length()) == (25, 25, -1)
    assert cache.slots == [6] * 3 and cache.layers[0].get_seq_length() == cache.layers[0].used == 7, "one is free"
    assert cache.get_mask_sizes(4, 0) == (10, 0)
    asked = []
    handle = model.model.layers[0].register_forward_pre_hook(lambda *_: asked.append(cache.get_mask_sizes(1, 0)))
    read(model, tokens(1), cache)
    handle.remove()
    assert asked == [(7, 0)], "also while they are read"


def test_before_it_has_read_anything_a_cache_knows_no_batch_and_says_that_it_is_empty(model):
    cache = made("elastic", model)
    assert cache.batch_size == -1 and not cache.is_initialized and cache.get_seq_length() == 0
    assert str(cache.report()).endswith(NOTHING_READ)
    read(model, tokens(8, batch=2), cache)
    assert cache.batch_size == 2 and NOTHING_READ not in str(cache.report())


@pytest.mark.parametrize("policy", [Full(), H2O(keep=0.4), ThinK(keep=0.6)])
def test_what_was_moved_away_comes_back_with_all_that_belongs_to_it(model, policy):
    """There is one device here: where to is only written down."""
    cache = ElasticCache(policy, model)
    read(model, tokens(20), cache)
    layer = cache.layers[1]
    layer.offload()
    assert {tensor.device.type for tensor in layer.tensors} == {"cpu"}
    elsewhere = copy.deepcopy(layer)
    elsewhere.device = torch.device("meta")
    elsewhere.prefetch()
    moved = [value for value in vars(elsewhere).values() if isinstance(value, torch.Tensor)]
    assert {tensor.device.type for tensor in moved} == {"meta"} and len(moved) >= 2


def test_a_forward_brings_all_layers_back_before_it_writes(model, monkeypatch):
    cache, brought = made("h2o", model), []
    read(model, tokens(20), cache)
    monkeypatch.setattr(SlotLayer, "prefetch", lambda layer: brought.append(layer))
    device = cache.layers[1].device
    cache.layers[1].device = torch.device("meta")  # what it would be if its tensors had been moved from there
    cache.ready()
    cache.layers[1].device = device
    assert brought == [cache.layers[1]]


@pytest.mark.parametrize("name", OF_TEXT)
def test_a_cache_comes_out_of_a_file_as_it_went_in(model, name):
    cache, text = made(name, model), torch.cat([tokens(30), tokens(1, 3), tokens(4, 2)], 1)
    read(model, text[:, :30], cache), read(model, text[:, 30:31], cache)
    file = io.BytesIO()
    torch.save(cache, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert books(loaded) == books(cache)
    assert (
        write(model, text, loaded) == write(model, text, pickle.loads(pickle.dumps(cache))) == write(model, text, cache)
    )


def test_a_new_type_or_place_of_keys_is_refused_in_a_sentence(model):
    """The library's cache promotes what it holds, and its attention then fails with the words of a kernel."""
    half = text_model()
    cache = made("full", half)
    read(half, tokens(20), cache)
    half.half()
    with pytest.raises(ValueError, match=r"computes in float16 on cpu now, and this cache holds float32 on cpu"):
        read(half, tokens(2), cache)
    cache = made("think", model)
    with torch.autocast("cpu", torch.bfloat16):
        read(model, tokens(20), cache)
        read(model, tokens(1, 2), cache)
    with pytest.raises(ValueError, match=r"computes in float32 .* holds bfloat16"):
        read(model, tokens(1, 3), cache)


def test_autocast_writes_what_the_librarys_cache_writes_in_it(model):
    ours, theirs = made("full", model), DynamicCache()
    with torch.autocast("cpu", torch.bfloat16):
        for ids in (tokens(20), tokens(1, 2), tokens(3, 3)):
            torch.testing.assert_close(read(model, ids, ours), read(model, ids, theirs), atol=0.2, rtol=0.1)
    begun_without = made("full", model)
    read(model, tokens(20), begun_without)
    with torch.autocast("cpu", torch.bfloat16):
        assert read(model, tokens(3, 3), begun_without).isfinite().all()


@pytest.mark.parametrize("name", [name for name in OF_TEXT if POLICIES[name]().batches])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_prompts_of_a_token_or_a_few_are_read_by_every_method_in_batches_and_turns(model, name, count):
    cache = ElasticCache(POLICIES[name](**MODEST[name]), model)
    said = torch.tensor(write(model, tokens(count, batch=2), cache, new=3))
    text = torch.cat([tokens(count, batch=2), said, tokens(1, 3, batch=2)], 1)
    assert len(write(model, text, cache, new=3)) == 2 and cache.seen == text.shape[1] + 2


@pytest.mark.parametrize("name", [name for name in POLICIES if name not in REHEARSING])
@pytest.mark.parametrize("patches", [[0], [2], [0, 1], [0, 1, 2]])
def test_prompts_of_hardly_more_than_a_picture_are_read_by_every_method(name, patches):
    model, ids = text_model(), tokens(3)
    model.config.image_token_id = 96
    ids[:, patches] = 96
    for keep in (MODEST[name].get("keep", 1.0), 1.0):
        if name == "think" and keep == 1:
            continue  # which always drops channels
        try:
            cache = ElasticCache(POLICIES[name](keep=keep), model)
        except ValueError:
            continue  # a budget that the method does not have
        found = write(model, ids, cache, new=4)
        assert cache.seen == 6
        if keep == 1:
            assert found == write(model, ids, DynamicCache(), new=4)


def test_a_patch_that_comes_alone_is_known_as_the_pictures_last():
    model = text_model()
    model.config.image_token_id = 96
    cache = made("h2o", model)
    cache.expect(torch.tensor([[5, 96, 7]]))
    for token, last_patch in ((5, -1), (96, 1), (7, 1)):
        read(model, torch.tensor([[token]]), cache)
        assert cache.tables.last_patch == last_patch
