"""Which queries ask, with and without a picture, and what becomes of methods that spend their budget on patches."""

from itertools import product

import pytest
import torch

from elastic.cache import ElasticCache
from elastic.cache.asking import after_image, asking
from elastic.cache.views import layer_views
from elastic.engine import compress, decode, prefill
from elastic.policies import POLICIES
from elastic.policies.base import PATCH, WORD
from elastic.policies.picture import WORDS_NOT_PROTECTED
from elastic.session import Comparison, run
from elastic.statistics import Attention, Peak, Queries, Sparsity

AFTER, ASKING = (Attention(rows=rows) for rows in (Queries.AFTER_IMAGE, Queries.ASKING))
STORY, QUESTION = "The dog is in the center. " * 12, "Where is the dog?"


def expected(kinds, new, least):
    """Queries behind the last patch, or at least so many at the end, token by token."""
    total, patches = len(kinds), [at for at, kind in enumerate(kinds) if kind == PATCH]
    behind = [at for at in range(total - new, total) if patches and at > patches[-1]]
    return behind or list(range(max(total - new, total - least), total))


@pytest.mark.parametrize(("new", "asked"), product((1, 20, 50, 90), (0, 10, 40, 70)))
@pytest.mark.parametrize("patches", [(), (10, 30), (40, 60), (70, 90), (0, 90), (89, 90)])
def test_what_stands_behind_the_picture_asks_and_without_one_the_end_of_the_prompt(patches, new, asked):
    kinds = torch.full((1, 90), WORD)
    kinds[0, slice(*patches) if patches else slice(0)] = PATCH
    for rows, least in ((after_image, max(32, asked)), (asking, asked or 32)):
        found = (rows(kinds, new, asked)[0].nonzero()[:, 0] + 90 - new).tolist()
        assert found == expected(kinds[0].tolist(), new, least)


def test_sequences_of_a_batch_ask_apart():
    kinds = torch.full((2, 60), WORD)
    kinds[1, 20:50] = PATCH
    assert asking(kinds, 60).sum(1).tolist() == [32, 10]


def by_last(reader, prompt, queries, wanted=AFTER):
    """The attention of a prompt's last queries, and of those that ask, each (L, T)."""
    last = Attention(rows="last", n=queries)
    scores = prefill(reader, prompt, {wanted, last}).cache.tables.scores
    return scores[last][:, 0], scores[wanted][:, 0]


def test_statistics_after_the_image_are_of_the_question_where_there_is_only_text(tiny_text):
    short, long = (tiny_text.first_turn(STORY, question) for question in (QUESTION, QUESTION * 12))
    assert short.asked < 32 < long.asked
    for prompt, queries in ((short, 32), (long, long.asked), (tiny_text.passage(STORY), 32)):
        assert torch.equal(*by_last(tiny_text, prompt, queries))


def test_a_short_question_asks_alone_and_not_with_the_texts_last_words(tiny_text, tiny, picture):
    short = tiny_text.first_turn(STORY, QUESTION)
    for reader, prompt, queries in (
        (tiny_text, short, short.asked),
        (tiny_text, tiny_text.passage(STORY), 32),
        (tiny, tiny.first_turn(picture, QUESTION), tiny.halves(picture, QUESTION)[1].ids.shape[1]),
    ):
        assert torch.equal(*by_last(reader, prompt, queries, ASKING))
        peaks = (Peak(rows="asking", per_head=True), Peak(rows="last", n=queries, per_head=True))
        scores = prefill(reader, prompt, set(peaks)).cache.tables.scores
        assert torch.equal(*(scores[one] for one in peaks))


def test_the_words_before_a_short_question_may_be_what_it_asks_for(tiny_text):
    prompt, policy = tiny_text.first_turn(STORY, QUESTION), POLICIES["elastic-plus"](keep=0.5)
    cache = prefill(tiny_text, prompt, policy.needs).cache
    views = [one for (one,) in layer_views(policy, cache.tables, cache.layers, cache.layer_statistics, cache.asked)]
    assert {view.asked for view in views} == {prompt.asked}
    score = policy.recipe.score.of(views)[0][0]
    assert prompt.asked < 32 and (score[1 : -prompt.asked] > 0).all()


def test_a_picture_without_a_question_is_asked_about_by_its_end(tiny, picture):
    seen, asked = tiny.halves(picture, QUESTION)
    assert torch.equal(*by_last(tiny, seen, 32))
    assert torch.equal(*by_last(tiny, tiny.first_turn(picture, QUESTION), asked.asked))


def test_the_librarys_own_generate_asks_by_the_last_tokens_of_a_text(tiny_text):
    from elastic.cache import ElasticCache

    prompt = tiny_text.passage(STORY)
    policy = POLICIES["vlcache"](keep=0.3)
    cache, state = ElasticCache(policy, tiny_text.model), compress(prefill(tiny_text, prompt, policy.needs), policy)
    mask = torch.ones_like(prompt.ids)
    tiny_text.model.generate(prompt.ids, attention_mask=mask, past_key_values=cache, max_new_tokens=1)
    assert torch.equal(cache.tables.owners(), state.cache.tables.owners())
    assert torch.equal(
        cache.layer_statistics[Sparsity(rows="after image")], state.cache.layer_statistics[Sparsity("after image")]
    )


PROTECTING = dict.fromkeys(("elastic", "combine", "prefixkv"), "protect_text") | {"lookm": "all_text"}


@pytest.mark.parametrize("name", PROTECTING)
def test_words_are_not_protected_where_there_is_nothing_else(name, tiny_text, tiny, picture):
    policy = POLICIES[name](keep=0.2, **{PROTECTING[name]: True})
    state = compress(prefill(tiny_text, tiny_text.first_turn(STORY, QUESTION), policy.needs), policy)
    assert state.policy == POLICIES[name](keep=0.2, **{PROTECTING[name]: False})
    report = state.cache.report()
    assert report.share <= 0.21 and not report.beyond and report.note == WORDS_NOT_PROTECTED
    assert str(report).endswith(WORDS_NOT_PROTECTED)
    kept = state.cache.tables.source[:, 0]
    assert (kept == 0).any(1).all() or name == "lookm", "the prompt's ends are, where they were"
    shown = compress(prefill(tiny, tiny.first_turn(picture, QUESTION), policy.needs), policy)
    assert shown.policy == policy and shown.cache.report().note == ""


def test_a_cache_that_is_begun_anew_protects_the_words_beside_a_picture_again(tiny_text):
    from elastic.cache import ElasticCache

    policy = POLICIES["elastic"](keep=0.2)
    cache, ids = ElasticCache(policy, tiny_text.model), tiny_text.passage(STORY).ids
    tiny_text.model.generate(ids, attention_mask=torch.ones_like(ids), past_key_values=cache, max_new_tokens=1)
    assert not cache.policy.protect_text
    cache.reset()
    assert cache.policy == policy


def test_a_report_says_what_is_held_and_what_was_asked_for(tiny, picture):
    question = "Where is the dog, and where is the cat, and what is beside them? " * 2
    policy = POLICIES["elastic"](keep=0.02)
    state = compress(prefill(tiny, tiny.first_turn(picture, question), policy.needs), policy)
    held, full = sum(state.cache.bytes_held), state.seen * state.cache.layers[0].slot_bytes * 3
    report = state.cache.report()
    assert report.share == held / full > 0.025 and report.slots == state.cache.slots
    percent = f"{held / full:.1%}"
    assert report.beyond == f"Elastic Cache holds {percent} of the full cache now, and was asked for 2%."
    assert report.beyond in str(report) and f"{held:,} bytes" in str(report) and percent in str(report)
    fair = compress(state_of(tiny, picture), POLICIES["h2o"](keep=0.2)).cache.report()
    assert fair.beyond == "" and str(fair).endswith("asked for 20%.")


def state_of(reader, picture):
    return prefill(reader, reader.first_turn(picture, QUESTION), POLICIES["h2o"]().needs)


def test_a_report_of_a_cache_that_has_read_nothing_says_so(tiny_text):
    cache = ElasticCache(POLICIES["elastic"](keep=0.2), tiny_text.model)
    report = cache.report()
    assert report.tokens == report.bytes_held == report.bytes_full == report.share == 0 and report.slots == [0, 0, 0]
    assert (
        str(report).startswith("Elastic Cache: 0 slots in each of 3 layers for 0 tokens, 0 bytes") and not report.beyond
    )
    assert cache.bytes_held == [0, 0, 0] and cache.bytes_allocated == 0


def test_a_report_counts_what_is_written_too(tiny_text):
    policy = POLICIES["snapkv"](keep=0.2)
    state = compress(prefill(tiny_text, tiny_text.first_turn(STORY, QUESTION), policy.needs), policy)
    assert state.cache.report().beyond == ""
    for _ in decode(state, 100, forced=[20] * 100):
        pass
    slots = state.cache.slots[0]
    assert state.cache.report().beyond.startswith(f"SnapKV holds {slots / state.seen:.1%} of the full cache now")


def test_a_turn_says_which_side_holds_more_than_it_was_asked_for(tiny, picture):
    comparison = Comparison(
        tiny, picture, [POLICIES["full"](), POLICIES["elastic"](keep=0.02), POLICIES["h2o"](keep=0.3)]
    )
    run(comparison, "Where is the dog, and where is the cat, and what is beside them?", 4)
    share = comparison.recorders[1].start.prompt_bytes.sum() / comparison.recorders[0].start.prompt_bytes.sum()
    assert comparison.beyond_share == f"Elastic Cache holds {share:.1%} after the prompt, asked for 2%."


def test_a_long_answer_that_adds_to_a_cache_is_told_of_at_its_peak(tiny, picture):
    comparison = Comparison(tiny, picture, [POLICIES["full"](), POLICIES["snapkv"](keep=0.1)])
    record = run(comparison, QUESTION, 60)
    full, side = (one.bytes_held.sum(1).max() for one in record.sides)
    assert record.sides[0].steps == record.sides[1].steps == 60 and side / full > 0.2
    assert comparison.beyond_share == f"SnapKV holds {side / full:.1%} at the peak, asked for 10%."
