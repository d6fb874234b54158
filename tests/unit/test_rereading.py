"""Conversations whose caches are no longer held, or that go on with others: what is read again, what comes of it."""

from contextlib import closing

import numpy as np
import pytest
import torch

from elastic.events import Rereading
from elastic.options import read_policy
from elastic.rereading import Asking, go_on, read_from_start
from elastic.session import Comparison, run

QUESTIONS = ("What is here?", "How many objects are there?", "And what else?")
SIDES = ("full", "elastic:keep=0.3", "h2o:keep=0.2", "elastic-plus:keep=0.3", "streaming:keep=0.2", "snapkv:keep=0.4")


def policies_of(*texts):
    return [read_policy(text) for text in texts]


def conversation(llava, picture, policies, questions=QUESTIONS, **more):
    comparison = Comparison(llava, picture, policies)
    return comparison, [run(comparison, question, 12, **more) for question in questions]


def assert_same(found, expected):
    """All that two runs hold is the same, but for when it was measured."""
    assert found.history == expected.history
    for one, other in zip(found.sides, expected.sides, strict=True):
        assert one.answer_ids.tolist() == other.answer_ids.tolist() and one.pieces == other.pieces
        for name in ("owner", "slots", "bytes_held", "dropped", "joined", "prompt_slots", "is_prompt", "place"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        assert np.allclose(one.logprob, other.logprob, atol=1e-5)
        assert np.allclose(one.looked.astype(np.float32), other.looked.astype(np.float32), atol=1e-3)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("side", SIDES)
def test_a_conversation_whose_caches_were_given_up_goes_on_as_if_they_were_held(tiny, picture, side, before):
    policies = policies_of("full", side)
    held, _ = conversation(tiny, picture, policies, QUESTIONS[:2], before_question=before)
    again = Comparison(tiny, picture, policies, past=held.turns)
    assert_same(*(run(one, QUESTIONS[2], 12, before_question=before) for one in (again, held)))
    assert [turn.texts for turn in again.turns] == [turn.texts for turn in held.turns]


def test_it_is_as_it_was_behind_a_change_and_with_another_picture_too(tiny, picture):
    held, _ = conversation(tiny, picture, policies_of("full", "h2o:keep=0.5"), QUESTIONS[:1])
    held.change(policies_of("full", "elastic:keep=0.2"), tiny)
    run(held, QUESTIONS[1], 12)
    assert [turn.begins for turn in held.turns] == [True, True]
    run(held, "Where?", 12)
    again = Comparison(tiny, picture, held.policies, past=held.turns)
    assert_same(*(run(one, QUESTIONS[2], 12) for one in (again, held)))


def both_ways(llava, picture, text):
    """A third question, read behind what is held, and with all before it from the start: the states of one side."""
    policies = policies_of(text, text)
    comparison, _ = conversation(llava, picture, policies, QUESTIONS[:2])
    asked = Asking(QUESTIONS[2], (), tuple(policies), False, 12, 0)
    turns, states = comparison.turns, comparison.states
    found = []
    for reading in (read_from_start(llava, turns, asked, []), go_on(llava, states, asked, [])):
        with pytest.raises(StopIteration) as end:
            while True:
                next(reading)
        found.append(end.value.value[0])
    return turns, *found


def test_a_full_cache_that_is_read_from_the_start_is_the_one_that_went_on(tiny, picture):
    _, again, held = both_ways(tiny, picture, "full")
    assert torch.equal(again.ids, held.ids) and again.cache.seen == held.cache.seen
    for one, other in zip(again.cache.layers, held.cache.layers, strict=True):
        for mine, its in zip(one.stored(), other.stored(), strict=True):
            assert torch.allclose(mine, its, atol=1e-4)
    assert torch.allclose(again.logits, held.logits, atol=1e-4)
    assert torch.equal(again.cache.tables.kinds, held.cache.tables.kinds), "what the model wrote counts as written"


def test_it_gives_the_answer_that_it_would_have_given(pocket, picture):
    policies = policies_of("full", "elastic:keep=0.4")
    held, _ = conversation(pocket, picture, policies, QUESTIONS[:2])
    changed = Comparison(pocket, picture, policies, past=held.turns)
    changed.change(policies_of("full", "h2o:keep=0.4"), pocket)
    found, expected = (run(one, "How many rabbits are there?", 24).sides[0] for one in (changed, held))
    assert found.answer_ids.tolist() == expected.answer_ids.tolist() and found.pieces == expected.pieces


@pytest.mark.parametrize("side", ["h2o:keep=0.2", "streaming:keep=0.2", "snapkv:keep=0.3"])
def test_a_compressed_cache_that_is_read_from_the_start_chooses_of_all_that_was_said(tiny, picture, side):
    """It holds a share of the whole, its tokens are those of the conversation, and their keys those of a full cache."""
    turns, again, held = both_ways(tiny, picture, side)
    assert torch.equal(again.ids, held.ids), "the same words, its own answers among them"
    keep = again.policy.keep
    assert again.cache.slots == [int(keep * again.seen)] * tiny.layers
    full = Comparison(tiny, picture, policies_of("full", "full"), past=turns)
    run(full, QUESTIONS[2], 1)
    whole = full.states[0].cache
    for number, (layer, every) in enumerate(zip(again.cache.layers, whole.layers, strict=True)):
        source = again.cache.tables.source[number, :, : layer.used]
        keys, _ = layer.stored()
        for row, tokens in enumerate(source):
            rows = slice(None) if len(source) == 1 else slice(row, row + 1)
            assert torch.allclose(keys[:, rows], every.stored()[0][:, rows][:, :, tokens], atol=1e-4)
    assert side.startswith("streaming") or any(
        len(set(mine.ravel().tolist()) - set(its.ravel().tolist()))
        for mine, its in zip(again.cache.tables.source, held.cache.tables.source, strict=True)
    ), "something that had been given up is held again"


def test_another_method_goes_on_with_what_each_side_has_said(tiny, picture):
    comparison, runs = conversation(tiny, picture, policies_of("full", "streaming:keep=0.1"), QUESTIONS[:2])
    comparison.change(policies_of("full", "h2o:keep=0.5"), tiny)
    assert comparison.states == [] and len(comparison.turns) == 2
    record = run(comparison, QUESTIONS[2], 5)
    told = [(one.sides[1].question, one.sides[1].answer) for one in runs]
    assert record.history[1] == told and [side.policy for side in record.sides] == ["full", "h2o"]
    assert record.sides[1].prompt_slots.tolist() == [len(record.sides[1].pieces) // 2] * tiny.layers
    comparison.change(policies_of("full", "h2o:keep=0.5"), tiny)
    assert comparison.states, "nothing changes, nothing is given up"


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_from_any_turn_on_something_else_can_be_asked(tiny, picture, turns):
    policies = policies_of("full", "elastic-plus:keep=0.3")
    comparison, _ = conversation(tiny, picture, policies)
    comparison.go_back(turns)
    straight, _ = conversation(tiny, picture, policies, QUESTIONS[:turns])
    assert_same(*(run(one, "Where is it?", 12) for one in (comparison, straight)))
    assert_same(*(run(one, "And now?", 12) for one in (comparison, straight)))


@pytest.mark.parametrize("side", ["elastic:keep=0.3;count_bias=True", "adakv:keep=0.3", "kivi:keep=0.3"])
def test_the_last_question_is_asked_again_of_the_caches_as_they_were_before_it(side, tiny, picture, monkeypatch):
    policies = policies_of("full", side)
    comparison, runs = conversation(tiny, picture, policies)
    small = comparison.nbytes
    monkeypatch.setattr("elastic.session.as_they_were", lambda *_: 1 / 0)
    for _ in range(2):
        comparison.go_back(2)
        assert_same(run(comparison, QUESTIONS[2], 12), runs[2])
    assert comparison.nbytes >= small > 2 * sum(state.cache.bytes_allocated for state in comparison.states)
    monkeypatch.setattr("elastic.session.MOST_KEPT_TWICE", 0)
    run(comparison, "And now?", 5)
    assert comparison.nbytes < small * 1.5
    comparison.go_back(3)
    with pytest.raises(ZeroDivisionError):
        run(comparison, "And then?", 5)


def test_a_question_that_was_refused_is_nothing_to_go_back_behind(tiny, picture):
    comparison, _ = conversation(tiny, picture, policies_of("full", "h2o:keep=0.3"), QUESTIONS[:2])
    with pytest.raises(ValueError, match="exceed"):
        run(comparison, "What?", 3000)
    comparison.go_back(1)
    straight, _ = conversation(tiny, picture, comparison.policies, QUESTIONS[:1])
    assert_same(*(run(one, "Where is it?", 12) for one in (comparison, straight)))


@pytest.mark.parametrize("changes", [False, True])
def test_who_stops_while_it_is_read_again_loses_nothing(tiny, picture, changes):
    policies = policies_of("full", "h2o:keep=0.3")
    held, _ = conversation(tiny, picture, policies, QUESTIONS[:2])
    again = Comparison(tiny, picture, policies, past=held.turns)
    if changes:
        again.change(policies_of("full", "h2o:keep=0.5"), tiny)
    for _ in range(2):
        with closing(again.ask("Why?", 12)) as events:
            assert next(event for event in events if isinstance(event, Rereading)) == Rereading(1, 2)
    assert [turn.texts for turn in again.turns[:2]] == [turn.texts for turn in held.turns]
    assert all(side.steps for side in run(again, QUESTIONS[2], 4).sides)


def test_a_conversation_too_long_for_the_model_is_refused_before_it_is_read(tiny, picture):
    held, _ = conversation(tiny, picture, policies_of("full", "h2o:keep=0.3"), QUESTIONS[:1])
    again = Comparison(tiny, picture, held.policies, past=held.turns)
    again.change(policies_of("full", "h2o:keep=0.5"), tiny)
    with pytest.raises(ValueError, match="exceed the 2048 this model can read"):
        run(again, "What?", 1990)
    assert len(again.turns) == 1 and run(again, "What?", 4).sides[0].steps == 4
