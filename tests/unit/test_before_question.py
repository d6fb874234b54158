"""Caches that are compressed before the question is read: what is answered, and what the record says of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from elastic.engine import compress, decode, extend, prefill
from elastic.events import Compressed, Compressing, Encoding, Ended, Prefilling, Read, Stepped
from elastic.policies import POLICIES
from elastic.policies.base import PATCH
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from elastic.policies.h2o import H2O
from elastic.policies.snapkv import SnapKV
from elastic.record.recorder import RECORDED
from elastic.session import Comparison, run
from elastic.statistics import Attention, Sparsity

FIRST, SECOND = "How many objects are there?", "What is in the middle?"
SIDES = [Full(), SnapKV(keep=0.3)]


@pytest.fixture(scope="module")
def turns(pocket, picture):
    """Two turns of a conversation, both compressed before their questions."""
    comparison = Comparison(pocket, picture, SIDES)
    return [run(comparison, question, 24, before_question=True) for question in (FIRST, SECOND)]


def test_each_side_reads_the_question_into_what_is_left_of_the_picture_and_later_of_all_that_was_said(
    pocket, picture, turns
):
    picture_part, question = pocket.halves(picture, FIRST)
    start = prefill(pocket, picture_part, RECORDED.union(*(policy.needs for policy in SIDES)))
    for side, policy in enumerate(SIDES):
        state = start
        for turn, prompt in zip(turns, (question, pocket.next_turn(SECOND)), strict=True):
            state = compress(state, policy)
            extend(state, prompt)
            found = turn.sides[side]
            assert np.array_equal(found.owner, state.cache.tables.owners())
            steps = list(decode(state, 24))
            assert found.answer_ids.tolist() == [step.token for step in steps]
            assert np.allclose(found.logprob, [step.logprob for step in steps], atol=1e-3)


def test_the_full_caches_answers_are_those_of_a_cache_compressed_after_the_question(pocket, picture, turns):
    after = Comparison(pocket, picture, [Full(), Full()])
    for turn, question in zip(turns, (FIRST, SECOND), strict=True):
        known = run(after, question, 24).sides[0]
        unknown = turn.sides[0]
        assert unknown.answer_ids.tolist() == known.answer_ids.tolist()
        assert np.allclose(unknown.logprob, known.logprob, atol=1e-3)
        for name in ("prompt_slots", "prompt_bytes", "slots", "bytes_held", "limit_bytes", "pieces", "owner"):
            assert np.array_equal(getattr(unknown, name), getattr(known, name)), name


# CORM gives up what is out of favour, whatever it may keep.
@pytest.mark.parametrize("name", [name for name in POLICIES if name not in ("full", "corm")])
def test_a_method_that_keeps_everything_answers_as_the_full_cache(tiny, picture, name):
    comparison = Comparison(tiny, picture, [Full(), POLICIES[name](keep=1.0)])
    for question in (FIRST, SECOND):
        full, other = run(comparison, question, 8, before_question=True).sides
        assert other.answer_ids.tolist() == full.answer_ids.tolist()


def test_the_switch_changes_what_is_kept(pocket, picture):
    known, unknown = (
        run(Comparison(pocket, picture, SIDES), FIRST, 2, before_question=before).sides[1] for before in (False, True)
    )
    assert (known.asked_after, unknown.asked_after) == (0, pocket.halves(picture, FIRST)[1].ids.shape[1])
    # The window that votes ends with the picture: it keeps the last patches, which nothing else would.
    last = unknown.patches[-SIDES[1].window :]
    assert (unknown.owner[:, :, last] == last).all() and not (known.owner[:, :, last] == last).all()


@pytest.mark.parametrize("policy", [Elastic(keep=0.2), H2O(keep=0.2), SnapKV(keep=0.2)])
def test_the_questions_words_hold_a_slot_each_beyond_the_share(pocket, picture, policy):
    side = run(Comparison(pocket, picture, [Full(), policy]), FIRST, 6, before_question=True).sides[1]
    tokens, asked = len(side.pieces), side.asked_after
    words = np.arange(tokens - asked, tokens)
    assert (side.owner[:, :, words] == words).all()
    assert (side.prompt_slots == int(0.2 * (tokens - asked)) + asked).all()
    assert ((side.owner == np.arange(tokens)).sum(2) == side.prompt_slots[:, None]).all()
    assert side.prompt_bytes.sum() == side.prompt_slots.sum() * side.prompt_bytes[0] / side.prompt_slots[0]
    side.check()


def test_the_record_shows_the_attention_that_was_there_when_the_cache_was_compressed(pocket, picture, turns):
    start = prefill(pocket, pocket.halves(picture, FIRST)[0], RECORDED)
    read = start.seen
    for side in turns[0].sides:
        received = np.stack([start.cache.tables.scores[Attention()][layer, 0, :read] for layer in range(side.layers)])
        assert np.allclose(side.score[:, :read], received, atol=1e-3) and np.isnan(side.score[:, read:]).all()
        assert np.allclose(side.sparsity, start.cache.layer_statistics[Sparsity()][:, 0], atol=1e-4)
        assert side.visible[:read].tolist() == list(range(read, 0, -1)) and not side.visible[read:].any()


def test_the_first_word_is_written_by_a_query_that_found_the_compressed_cache(turns):
    side = turns[0].sides[1]
    tokens = np.arange(len(side.pieces))
    holds = (side.owner == tokens).any(1)
    assert not side.looked[0][:, : len(tokens)][~holds].any()
    assert np.allclose(side.looked[0].sum(1), 1, atol=0.01)


def test_times_are_of_all_that_was_done(turns):
    for turn in turns:
        for side in turn.sides:
            assert side.prefill_seconds > 0 and side.compress_seconds > 0


def test_events_tell_that_the_question_is_read_later(pocket, picture):
    events = list(Comparison(pocket, picture, SIDES).ask(FIRST, 2, before_question=True))
    begun, made = [Encoding, Prefilling, Read, Prefilling], [Compressing, Compressing, Compressed]
    assert [type(event) for event in events] == [*begun, *made, Stepped, Ended]
    first, then = (event for event in events if isinstance(event, Prefilling))
    context, question = (part.ids.shape[1] for part in pocket.halves(picture, FIRST))
    assert (first.tokens, first.together, then.tokens, then.together) == (context, True, question, False)
    assert events[6].tokens == context and events[6].slots == [context, int(0.3 * context)]


def test_the_questions_words_count_for_no_share(pocket, picture):
    comparison = Comparison(pocket, picture, [Full(), H2O(keep=0.1)])
    run(comparison, f"{FIRST} {FIRST} {FIRST} {FIRST}", 4, before_question=True)
    side = comparison.record().sides[1]
    assert side.asked_after > 0.25 * 0.1 * len(side.pieces), "else nothing would be shown"
    assert comparison.beyond_share == ""
    comparison = Comparison(pocket, picture, [Full(), SnapKV(keep=0.05)])
    full, side = run(comparison, FIRST, 24, before_question=True).sides
    of_one = full.prompt_bytes.sum() / len(full.pieces)
    apart, tokens = side.asked_after * of_one, len(side.pieces) + side.steps - (side.finish == "end")
    share = (side.total_bytes.max() - apart) / (tokens * of_one - apart)
    assert comparison.beyond_share == f"SnapKV holds {share:.1%} at the peak, asked for 5%."


def test_turns_of_a_conversation_may_be_compressed_before_or_after_their_questions(tiny, picture):
    comparison = Comparison(tiny, picture, SIDES)
    order = True, False, True, True
    found = [run(comparison, "What?", 3, before_question=before).sides for before in order]
    assert [[side.asked_after > 0 for side in sides] for sides in found] == [[before] * 2 for before in order]
    for sides in found:
        for side in sides:
            side.check()
    assert [len(past) for past in comparison.history] == [3, 3]


def test_a_record_of_more_than_was_read_is_refused(turns):
    side = turns[0].sides[1]
    for number in (len(side.pieces), -1):
        with pytest.raises(ValueError, match="read after compressing"):
            replace(side, asked_after=number).check()


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.5])
def test_the_core_holds_no_patch_of_a_picture_that_nobody_has_asked_about_and_spares_no_slot(tiny, picture, keep):
    policy = POLICIES["elastic-plus"](keep=keep)
    seen, _ = tiny.halves(picture, FIRST)
    unasked = compress(prefill(tiny, seen, policy.needs), policy)
    whole = compress(prefill(tiny, tiny.first_turn(picture, FIRST), policy.needs), policy)
    limits = [policy.limit(state.seen, state.seen) for state in (unasked, whole)]
    assert set(unasked.cache.slots) == {limits[0]}
    assert set(whole.cache.slots) == {limits[1] - min(8, limits[1] // 8)}

    patches = np.flatnonzero(unasked.cache.tables.kinds[0] == PATCH)
    for state, alone in ((unasked, False), (whole, True)):
        owner = state.cache.tables.owners()[..., patches[:-1]]  # the last one is an end of the prompt
        groups = [np.bincount(row, minlength=state.seen) for row in owner.reshape(-1, owner.shape[-1]).numpy()]
        # A patch in the core is alone in every layer and head; of centres hardly one is.
        assert bool((np.stack(groups) == 1).all(0)[patches].any()) is alone


def test_members_of_a_group_weigh_the_same_where_nobody_has_asked(tiny, picture):
    policy = POLICIES["elastic-plus"](keep=0.2)
    seen, _ = tiny.halves(picture, FIRST)
    start = prefill(tiny, seen, policy.needs)
    state = compress(start, policy)
    values, owner = start.cache.layers[1].stored()[1], state.cache.tables.owners()[1]
    kept, places = state.cache.layers[1].stored()[1], state.cache.tables.source[1]
    for head in range(kept.shape[1]):
        row = min(head, len(owner) - 1)
        for slot, anchor in enumerate(places[row, : kept.shape[2]].tolist()):
            members = (owner[row] == anchor).nonzero()[:, 0]
            assert torch.allclose(kept[0, head, slot], values[0, head, members].mean(0), atol=1e-5)
