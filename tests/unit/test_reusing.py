"""A picture that one side takes over from another reading: what is answered, and what the record says of it."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from elastic.engine import compress, decode, prefill
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from elastic.policies.snapkv import SnapKV
from elastic.record.archive import open_run, save_run
from elastic.record.messages import opening
from elastic.record.recorder import RECORDED
from elastic.record.reuse import ALL, Reuse
from elastic.reusing import asked_before, linked
from elastic.session import Comparison

FIRST, SECOND = "How many objects are there?", "What is in the middle?"
SIDES = [Full(), Full()]


def ask(comparison, question, reuse, tokens=12, **how):
    for _ in comparison.ask(question, tokens, reuse=reuse, **how):
        pass
    return comparison.record()


@pytest.fixture(scope="module")
def run(pocket, picture):
    return ask(Comparison(pocket, picture, SIDES), FIRST, 4)


def test_one_side_reads_everything_and_the_other_takes_the_picture_over(pocket, picture, run):
    prompt, first = asked_before(pocket, [picture], FIRST)
    reading, linking = prefill(pocket, prompt, RECORDED), linked(pocket, prompt, first, 4, RECORDED)
    for side, state in zip(run.sides, (reading, linking), strict=True):
        steps = list(decode(compress(state, Full()), 12))
        assert side.answer_ids.tolist() == [step.token for step in steps]
        assert np.allclose(side.logprob, [step.logprob for step in steps], atol=1e-3)
    a, b = run.sides
    assert a.reuse is None and not a.reused.any()
    assert b.reuse.k == 4 and b.reuse.begins == [first]
    assert np.flatnonzero(b.reused).tolist() == list(range(first + 4, b.patches[-1] + 1))
    chunk = pocket.halves(picture, FIRST)[0]
    assert b.pieces[first : b.patches[-1] + 1] == pocket.pieces(chunk.ids[0].tolist()), (
        "the picture as it is read first"
    )
    assert FIRST in "".join(b.pieces[:first]), "the question stands before it"
    assert a.pieces == b.pieces and opening(run).sides[1].reuse == b.reuse


def test_reading_all_of_it_anew_answers_as_the_side_that_reads(pocket, picture):
    a, b = ask(Comparison(pocket, picture, SIDES), FIRST, ALL).sides
    assert a.answer_ids.tolist() == b.answer_ids.tolist() and np.allclose(a.logprob, b.logprob, atol=1e-3)
    assert np.allclose(a.score, b.score, atol=1e-3, equal_nan=True)
    assert b.reuse == Reuse([], [b.patches[0] - 4], None)


def test_each_side_still_has_a_method_of_its_own(pocket, picture):
    a, b = ask(Comparison(pocket, picture, [SnapKV(keep=0.3), Elastic(keep=0.3)]), FIRST, 16).sides
    assert (a.policy, b.policy) == ("snapkv", "elastic")
    assert b.reused.sum() == 4 + len(b.patches) - 16 and (b.prompt_slots < len(b.pieces)).all()
    assert np.isfinite(b.score).all(), "what few queries gave, but to every token"


def test_a_saved_run_says_what_was_taken_over_and_one_without_says_nothing(run):
    file = BytesIO()
    save_run(run, file)
    opened = open_run(BytesIO(file.getvalue()))
    assert [side.reuse for side in opened.sides] == [None, run.sides[1].reuse]
    without = replace(run, sides=[replace(side, reuse=None) for side in run.sides])
    assert [side.reuse for side in opening(without).sides] == [None, None]


@pytest.mark.parametrize(
    "change",
    [{"tokens": [9999]}, {"begins": [-1]}, {"tokens": [5, 4]}, {"k": None}, {"tokens": list(range(2000))}],
)
def test_what_cannot_have_been_taken_over_is_refused(run, change):
    side = run.sides[1]
    with pytest.raises(ValueError, match="taken over"):
        replace(side, reuse=replace(side.reuse, **change)).check()
    side.check()


def test_the_conversation_goes_on_and_can_be_made_again(pocket, picture):
    comparison = Comparison(pocket, picture, SIDES)
    ask(comparison, FIRST, 4)
    second = ask(comparison, SECOND, 4)
    comparison.go_back(1)
    comparison.states, comparison._before = [], []  # as if they had been put away
    again = ask(comparison, SECOND, 4)
    for side, other in zip(second.sides, again.sides, strict=True):
        assert side.answer_ids.tolist() == other.answer_ids.tolist()
        assert np.allclose(side.logprob, other.logprob, atol=1e-3)
        assert side.reuse == other.reuse


def test_reading_otherwise_from_a_turn_on_reads_the_conversation_again(pocket, picture):
    comparison = Comparison(pocket, picture, SIDES)
    first = ask(comparison, FIRST, None)
    assert first.sides[1].reuse is None
    second = ask(comparison, SECOND, 4)
    assert second.sides[1].reuse.k == 4 and second.sides[1].reused.sum() == len(second.sides[1].patches)
    assert second.sides[0].patches[0] > first.sides[0].patches[0], "the question stands before the picture now"


@pytest.mark.parametrize(
    ("how", "sentence"),
    [({"before_question": True}, "compressed before the question"), ({"erased": [5]}, "Tokens are erased")],
)
def test_what_does_not_go_together_is_refused(pocket, picture, how, sentence):
    with pytest.raises(ValueError, match=sentence):
        ask(Comparison(pocket, picture, SIDES), FIRST, 4, **how)


def test_several_pictures_are_refused(pocket, picture):
    with pytest.raises(ValueError, match="One picture can be reused"):
        asked_before(pocket, [picture, picture], FIRST)
