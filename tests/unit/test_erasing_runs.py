"""Erase and ask: a run of its own, beside the answer before, which leaves the conversation as it is."""

import io
from dataclasses import replace

import numpy as np
import pytest

from elastic.erasing import tokens_of
from elastic.policies import POLICIES
from elastic.record.archive import open_run, save_run
from elastic.record.messages import opening
from elastic.session import Comparison, run
from tests.unit.test_erasing import oracle, some

QUESTION = "Describe the image in detail."
LONGEST = 8
SIDES = [POLICIES["full"](), POLICIES["elastic"](keep=0.3)]


def asked_anew(tiny, picture, earlier, tokens, **how):
    """The run without those tokens."""
    comparison = Comparison(tiny, picture, SIDES)
    for _ in comparison.ask(QUESTION, LONGEST, erased=tokens, earlier=earlier.sides, **how):
        pass
    return comparison.record()


@pytest.fixture(scope="module")
def earlier(tiny, picture):
    return run(Comparison(tiny, picture, SIDES), QUESTION, LONGEST)


@pytest.fixture(scope="module")
def tokens(asked):
    return some(asked)


@pytest.fixture(scope="module")
def erased(tiny, picture, earlier, tokens):
    return asked_anew(tiny, picture, earlier, tokens)


def test_the_record_says_what_was_erased_and_what_was_answered_before(erased, earlier, tokens):
    for side, before in zip(erased.sides, earlier.sides, strict=True):
        assert side.erasure.tokens == list(tokens) and side.erasure.answer == before.answer
        assert (
            side.erasure.before == pytest.approx(before.logprob.tolist()) and (side.owner[..., list(tokens)] < 0).all()
        )
        side.check()
    assert erased.name != earlier.name
    assert all(side.erasure is None for side in earlier.sides)


def test_how_sure_the_full_cache_is_of_the_answer_before_is_what_the_masked_library_says(
    eager, asked, erased, earlier, tokens
):
    written = earlier.sides[0].answer_ids.tolist()
    logits = oracle(eager, asked, tokens, written).logits[0, -1 - len(written) : -1]
    expected = logits.log_softmax(-1)[range(len(written)), written]
    assert erased.sides[0].erasure.after == pytest.approx(expected.tolist(), abs=1e-3)
    assert erased.sides[0].erasure.after != pytest.approx(erased.sides[0].erasure.before, abs=0.05)


def test_where_nothing_that_matters_is_erased_all_is_as_before(tiny, picture, earlier, asked):
    last = asked.ids.shape[1] - 2  # masked for one query only; with all of it there, nothing would be otherwise
    again = asked_anew(tiny, picture, earlier, ())
    assert [side.answer_ids.tolist() for side in again.sides] == [side.answer_ids.tolist() for side in earlier.sides]
    for side in asked_anew(tiny, picture, earlier, [last]).sides:
        assert side.erasure.tokens == [last]


def test_what_the_erased_tokens_would_have_asked_counts_for_no_score(erased, tokens):
    side = erased.sides[0]
    reads = np.ones(len(side.pieces), bool)
    reads[list(tokens)] = False
    assert side.visible.tolist() == [int(reads[token:].sum()) for token in range(len(reads))]


def test_a_conversation_goes_on_as_if_nothing_had_been_erased(tiny, picture, tokens):
    def talk(between):
        comparison = Comparison(tiny, picture, SIDES)
        first = run(comparison, QUESTION, LONGEST)
        between(first)
        return first, run(comparison, "Where is the dog?", LONGEST)

    plain = talk(lambda first: None)
    erased = talk(lambda first: asked_anew(tiny, picture, first, tokens))
    for one, other in zip(plain, erased, strict=True):
        assert [side.answer_ids.tolist() for side in one.sides] == [side.answer_ids.tolist() for side in other.sides]
        assert np.array_equal(one.sides[1].owner, other.sides[1].owner)


def test_caches_that_are_compressed_before_the_question_lack_the_same_tokens(tiny, picture, tokens):
    comparison = Comparison(tiny, picture, SIDES)
    earlier = run(comparison, QUESTION, LONGEST, before_question=True)
    erased = asked_anew(tiny, picture, earlier, tokens, before_question=True)
    for side in erased.sides:
        assert side.asked_after and (side.owner[..., list(tokens)] < 0).all()


def test_a_saved_run_is_opened_with_what_was_erased(erased):
    file = io.BytesIO()
    save_run(erased, file)
    opened = open_run(io.BytesIO(file.getvalue()))
    assert [side.erasure for side in opened.sides] == [side.erasure for side in erased.sides]
    assert opening(opened).sides[1].erasure == erased.sides[1].erasure
    assert (
        opening(replace(opened, sides=[replace(side, erasure=None) for side in opened.sides])).sides[0].erasure is None
    )


@pytest.mark.parametrize(
    "change", [{"tokens": [9999]}, {"tokens": [1]}, {"after": [0.0]}, {"before": [float("nan")] * 8}]
)
def test_a_foreign_record_of_what_cannot_be_is_refused(erased, change):
    full = erased.sides[0]
    side = replace(full, erasure=replace(full.erasure, **change))
    file = io.BytesIO()
    save_run(replace(erased, sides=[side, side]), file)
    with pytest.raises(ValueError, match="not a trace file, or is damaged"):
        open_run(io.BytesIO(file.getvalue()))


def test_a_question_of_which_nothing_is_left_is_not_asked(tiny, picture, earlier):
    asked = tokens_of(earlier.sides[0].pieces, QUESTION)
    assert "".join(earlier.sides[0].pieces[token] for token in asked).replace(" ", "") == QUESTION.replace(" ", "")
    with pytest.raises(ValueError, match="Nothing would be left of the question"):
        asked_anew(tiny, picture, earlier, asked)
    assert asked_anew(tiny, picture, earlier, asked[1:]).sides[0].steps


def test_of_a_later_question_nothing_is_erased(tiny, picture):
    comparison = Comparison(tiny, picture, SIDES)
    first = run(comparison, QUESTION, LONGEST)
    with pytest.raises(ValueError, match="first question only"):
        list(comparison.ask("Where is the dog?", LONGEST, erased=[5], earlier=first.sides))
    # The conversation stands as it did.
    assert [side.answer for side in comparison.record().sides] == [side.answer for side in first.sides]
    assert comparison.record().name == first.name
