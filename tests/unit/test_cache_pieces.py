"""A prompt in pieces is one prompt: the same statistics, the same choice, the same answer as in one piece."""

import weakref
from dataclasses import replace

import pytest
import torch
from transformers import DynamicCache, GenerationConfig, MistralConfig, MistralForCausalLM

from elastic.cache import ElasticCache
from elastic.cache.report import UNFINISHED
from elastic.model import load
from elastic.policies import POLICIES
from elastic.policies.full import Full
from elastic.policies.h2o import H2O
from elastic.policies.snapkv import SnapKV
from elastic.statistics import Attention, Guided, Observer, QueryEnergy
from elastic.statistics.rope import Rope
from tests.families import MAKERS
from tests.small_text import MODEST, OF_TEXT, books, made, read, text_model, tokens, write


@pytest.fixture(scope="module")
def model():
    return text_model()


def unlike(count, seed=1, batch=1):
    """Tokens (B, n) that differ from each other: the keys of equal ones are equal, and rounding would choose."""
    shuffle = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(96, generator=shuffle)[:count] + 1 for _ in range(batch)])


def known(cache):
    """Statistics of tokens and of layers."""
    return cache.tables.scores | cache.layer_statistics


def assert_alike(cache, other):
    """Both hold the same tokens, and know the same of them."""
    assert cache.tables.owners().equal(other.tables.owners()) and cache.slots == other.slots
    assert (cache.prompt, cache.asked, cache.seen) == (other.prompt, other.asked, other.seen)
    assert known(cache).keys() == known(other).keys()
    for statistic, table in known(cache).items():
        torch.testing.assert_close(table, known(other)[statistic], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", OF_TEXT)
def test_every_method_chooses_what_it_chooses_of_the_whole_prompt_in_every_turn(model, name):
    whole = made(name, model)
    first = unlike(40)
    said = write(model, first, whole, new=3)
    text = torch.cat([first, torch.tensor(said), unlike(30, 2)], 1)
    expected = [(said, None)]
    for size in (7, 39):  # 39 leaves a last piece of one token
        cache = made(name, model)
        assert write(model, first, cache, new=3, prefill_chunk_size=size) == said
        if len(expected) == 1:
            assert_alike(cache, whole)
            expected.append((write(model, text, whole, new=3), None))
        assert write(model, text, cache, new=3, prefill_chunk_size=size) == expected[1][0]
        assert_alike(cache, whole)


@pytest.mark.parametrize("is_encoded", [True, False], ids=["encoded", "pixels"])
@pytest.mark.parametrize("name", ["elastic-plus", "tgvkv", "lookm", "think"])
def test_a_prompt_with_a_picture_in_pieces_is_one_prompt(tiny, asked, name, is_encoded):
    """Cut through the picture; its features come encoded, or the library encodes them before."""
    inputs = {"mm_encoder_outputs": tiny.encode_image(asked).encoded} if is_encoded else asked.inputs
    caches = [ElasticCache(POLICIES[name](**MODEST[name]), tiny.model) for _ in range(2)]
    first, second = (
        write(tiny.model, asked.ids, cache, prefill_chunk_size=size, **inputs)
        for cache, size in zip(caches, (None, 50), strict=True)
    )
    assert first == second
    assert_alike(*caches)
    text = torch.cat([asked.ids, torch.tensor(first), unlike(60) + 100], 1)
    first, second = (
        write(tiny.model, text, cache, prefill_chunk_size=size) for cache, size in zip(caches, (None, 20), strict=True)
    )
    assert first == second
    assert_alike(*caches)  # all of it asks, as it stands behind the picture


def test_what_the_library_refuses_leaves_nothing_to_wait_for(model):
    cache = made("elastic", model)
    with pytest.raises(ValueError, match="cache_implementation"):
        write(model, unlike(20), cache, prefill_chunk_size=8, cache_implementation="static")
    assert cache.seen == 0 and cache.pieces is None
    assert write(model, unlike(20, 2), cache) == write(model, unlike(20, 2), made("elastic", model))


def test_several_sequences_and_several_answers_in_pieces(model):
    for ids, how in ((unlike(30, batch=2), {}), (unlike(30), {"num_return_sequences": 3, "do_sample": True})):
        found, caches = [], []
        for size in (None, 8):
            torch.manual_seed(3)
            cache = made("h2o", model)
            how |= {"attention_mask": torch.ones_like(ids), "max_new_tokens": 4, "prefill_chunk_size": size}
            found.append(model.generate(ids, past_key_values=cache, **how).tolist())
            caches.append(cache)
        assert found[0] == found[1]
        assert_alike(*caches)


def test_pieces_may_be_asked_for_in_any_way_that_the_library_knows(model):
    expected = made("elastic", model)
    write(model, unlike(20), expected, new=2)
    settings = GenerationConfig(prefill_chunk_size=8, max_new_tokens=2, pad_token_id=0, do_sample=False)
    mask = {"attention_mask": torch.ones(1, 20, dtype=torch.long)}
    ways = (
        lambda cache: model.generate(unlike(20), past_key_values=cache, generation_config=settings, **mask),
        lambda cache: model.generate(unlike(20), settings, past_key_values=cache, **mask),
        lambda cache: model.generate(inputs=unlike(20), past_key_values=cache, generation_config=settings),
        lambda cache: model.generate(input_ids=unlike(20), past_key_values=cache, generation_config=settings),
    )
    for way in ways:
        cache = made("elastic", model)
        way(cache)
        assert_alike(cache, expected)
    model.generation_config.prefill_chunk_size = 8
    try:
        cache = made("elastic", model)
        write(model, unlike(20), cache, new=2)
        assert_alike(cache, expected)
        assert len(write(model, unlike(20), DynamicCache())[0]) == 5, "the library's caches are as they were"
    finally:
        model.generation_config.prefill_chunk_size = None


def test_a_question_alone_goes_on_in_pieces_too(model):
    """A mask of all tokens tells the library that the ids are only those to come."""
    mask, answers = torch.ones(1, 55, dtype=torch.long), []
    for size in (None, 4):
        cache = made("snapkv", model)
        read(model, unlike(40), cache)
        answers.append((write(model, unlike(15, 2), cache, attention_mask=mask, prefill_chunk_size=size), books(cache)))
    assert answers[0][0] == answers[1][0] and answers[0][1][:3] == answers[1][1][:3]


def test_who_calls_the_model_piece_by_piece_tells_the_cache_of_the_whole_before(model):
    for policy in (H2O(keep=0.3), SnapKV(keep=0.3)):
        cache, whole = ElasticCache(policy, model), ElasticCache(policy, model)
        logits = read(model, unlike(30), whole)
        cache.expect(unlike(30))
        for number, piece in enumerate(unlike(30).split(9, 1)):
            assert cache.slots == [9 * number] * 3, "nothing is compressed before the last piece"
            found = read(model, piece, cache)
        torch.testing.assert_close(found[:, -1], logits[:, -1], atol=1e-4, rtol=1e-4)
        assert_alike(cache, whole)


def test_a_question_whose_first_piece_is_one_token_stands_behind_all_others_though_a_slot_is_free(model):
    """Tokens of a prompt see each other by their order, and a slot in between was freed by the token before."""
    cache, whole = ElasticCache(H2O(keep=0.3), model), ElasticCache(H2O(keep=0.3), model)
    for one in (cache, whole):
        for ids in (unlike(20), unlike(1, 2), unlike(1, 3)):
            read(model, ids, one)
        assert (one.tables.hole >= 0).all(), "a slot is free"
    cache.expect(unlike(9, 4))
    found = [read(model, piece, cache) for piece in unlike(9, 4).split([1, 8], 1)]
    torch.testing.assert_close(torch.cat(found, 1), read(model, unlike(9, 4), whole), atol=1e-4, rtol=1e-4)
    assert_alike(cache, whole)


def test_other_tokens_than_those_announced_are_refused_and_the_cache_says_what_it_is(model):
    cache = made("h2o", model)
    cache.expect(unlike(30))
    read(model, unlike(30)[:, :10], cache)
    for next_one in (unlike(20, 9), unlike(30)):
        with pytest.raises(ValueError, match=r"Of a prompt of 30 tokens this cache has read 10.*reset\(\)"):
            read(model, next_one, cache)
    for too_early in (lambda: cache.expect(unlike(5)), lambda: cache.compress(cache.policy, 8)):
        with pytest.raises(ValueError, match=r"some pieces have not come.*begin with reset\(\)"):
            too_early()
    assert "was not compressed" in cache.report().note and cache.seen == 10
    read(model, unlike(30)[:, 10:], cache)  # and what does go on is taken all the same
    whole = made("h2o", model)
    read(model, unlike(30), whole)
    assert_alike(cache, whole)
    cache.reset()
    read(model, unlike(30), cache)
    assert_alike(cache, whole)


def test_a_piece_that_fails_leaves_a_cache_that_is_not_gone_on_with(model):
    cache, calls = made("h2o", model), []

    def fail(*_):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("out of memory")

    handle = model.model.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        write(model, unlike(30), cache, prefill_chunk_size=8)
    handle.remove()
    with pytest.raises(ValueError, match="half written"):
        write(model, unlike(30), cache, prefill_chunk_size=8)
    assert cache.report().note.startswith(UNFINISHED)
    cache.reset()
    whole = made("h2o", model)
    assert write(model, unlike(30), cache, prefill_chunk_size=8) == write(model, unlike(30), whole)


def test_embeddings_in_pieces_are_refused_before_anything_is_read(model):
    """The library would pass all of them with every piece."""
    cache = made("elastic", model)
    with pytest.raises(ValueError, match=r"pass input_ids, or leave prefill_chunk_size out"):
        model.generate(
            inputs_embeds=model.get_input_embeddings()(tokens(20)).detach(), past_key_values=cache, prefill_chunk_size=8
        )
    assert cache.seen == 0 and cache.pieces is None


def test_a_prompt_that_is_read_already_or_longer_than_the_window_is_refused_before_its_first_piece(model):
    cache = made("full", model)
    write(model, unlike(20), cache)
    with pytest.raises(ValueError, match="no token to read"):
        write(model, unlike(20), cache, prefill_chunk_size=8)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = MistralConfig(vocab_size=97, num_key_value_heads=2, sliding_window=32, pad_token_id=0, **shape)
    narrow = MistralForCausalLM(config).eval()
    cache = ElasticCache(Full(), narrow)
    with pytest.raises(ValueError, match="sliding window"):
        write(narrow, tokens(40), cache, prefill_chunk_size=8)
    assert cache.seen == 0 and cache.pieces is None and cache.get_max_length() == 32


@pytest.mark.parametrize("known_sums", [True, False])
def test_statistics_of_pieces_are_those_of_one_piece(known_sums):
    """Every statistic that any method wants, over tokens that were there before, too."""
    wanted = frozenset().union(*(policy().needs for policy in POLICIES.values()))
    torch.manual_seed(8)
    past, new = 6, 23
    query, key = torch.randn(2, 4, new, 16), torch.randn(2, 2, past + new, 16)
    bias = torch.randn(2, 2, past + new)
    after = torch.arange(new).expand(2, -1) >= 15
    logits = query @ key.repeat_interleave(2, 1).mT / 4 + bias.repeat_interleave(2, 1)[:, :, None]
    lse = logits.masked_fill(torch.ones(new, past + new).triu(past + 1).bool(), -torch.inf).logsumexp(-1)
    turned = Rope(torch.rand(1, new, 8), torch.rand(8), past, past + new)
    whole = Observer(wanted, after)
    whole.place(turned)
    whole.see(0, query, key, 0.25, bias, lse if known_sums else None)
    for sizes in ((10, 13), (1, 7, 14, 1)):
        pieces, end = Observer(wanted, after), 0
        for size in sizes:
            begin, end = end, end + size
            here = slice(begin, end)
            sums = lse[:, :, here] if known_sums else None
            pieces.place(replace(turned, angles=turned.angles[:, here], past=past + begin, ahead=past + end))
            pieces.see(0, query[:, :, here], key[:, :, : past + end], 0.25, bias[:, :, : past + end], sums)
        for of_whole, of_pieces in ((whole.received, pieces.received), (whole.of_layer, pieces.of_layer)):
            assert of_whole.keys() == of_pieces.keys()
            for one in of_whole:
                torch.testing.assert_close(of_pieces[one][0], of_whole[one][0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("needs", "kept"), [({QueryEnergy(n=5)}, 8), ({Attention()}, 0), ({Guided()}, 24)])
def test_of_earlier_pieces_only_those_queries_are_kept_that_are_needed_again(needs, kept):
    """Who cuts a long prompt wants to save memory."""
    query, key, watched = torch.randn(1, 4, 32, 16), torch.randn(1, 2, 32, 16), weakref.WeakSet()
    observer = Observer(needs, torch.arange(32)[None] >= 20)
    for end in (8, 16, 24):
        piece = query[:, :, end - 8 : end].clone()
        watched.add(piece)
        observer.see(0, piece, key[:, :, :end], 0.25, None, None)
        del piece
    assert sum(piece.shape[2] for piece in watched) == kept
    whole = Observer(needs, torch.arange(32)[None] >= 20)
    whole.see(0, query, key, 0.25, None, None)
    observer.see(0, query[:, :, 24:], key, 0.25, None, None)
    for one in needs:
        found, expected = ((of.of_layer if one.is_of_layer else of.received)[one][0] for of in (observer, whole))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    """A reader whose tokens have three positions."""
    folder = tmp_path_factory.mktemp("qwen2.5-vl")
    MAKERS["qwen2.5-vl"](folder)
    return load(folder, device="cpu")


def test_pieces_may_be_cut_within_a_picture_whose_tokens_stand_in_rows_and_columns(qwen, picture):
    asked = qwen.first_turn(picture, "Where is the dog?")
    again = qwen.next_turn("And the cat?")
    library = DynamicCache()
    for policy in (Full(), H2O(keep=0.4)):
        caches, said = [ElasticCache(policy, qwen.model) for _ in range(2)], []
        for cache, size in zip(caches, (None, 23), strict=True):
            said.append(write(qwen.model, asked.ids, cache, prefill_chunk_size=size, **asked.inputs))
        assert said[0] == said[1] and caches[0].offset == caches[1].offset == asked.offset
        assert_alike(*caches)
        text = torch.cat([asked.ids, torch.tensor(said[0]), again.ids], 1)
        first, second = (
            write(qwen.model, text, cache, prefill_chunk_size=size)
            for cache, size in zip(caches, (None, 5), strict=True)
        )
        assert first == second
        assert_alike(*caches)
        if policy == Full():
            assert said[0] == write(qwen.model, asked.ids, library, prefill_chunk_size=23, **asked.inputs)


def test_a_piece_within_a_picture_wants_the_positions_of_its_tokens(qwen, picture):
    asked = qwen.first_turn(picture, "Where is the dog?")
    cache, inside = ElasticCache(Full(), qwen.model), int(asked.place[:, 0].argmax()) + 5
    cache.expect(asked.ids)
    cache.observe(cache.enter(asked.ids[:, :inside], True))
    with pytest.raises(ValueError, match="begins within a picture"), torch.no_grad():
        qwen.model(asked.ids[:, inside:], past_key_values=cache, **asked.inputs)
