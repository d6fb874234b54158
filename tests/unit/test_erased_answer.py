"""Erase and ask on the page: a run beside the one that was asked, which changes nothing else."""

import gradio as gr
import pytest
from pydantic import ValidationError

from page.asking import AskedQuestion
from page.visitor import Visitor
from tests.unit.test_asking import Page

TOKENS = [5, 6, 7, 40]


@pytest.fixture
def page(tiny, picture, tmp_path):
    picture.save(tmp_path / "scene.png")
    page = Page(tiny, str(tmp_path / "scene.png"))
    yield page
    page.model.line.close("over")


def erase(page, run, tokens=TOKENS, visitor="a"):
    """All messages of an erasure of that run."""
    return list(page.ask(visitor, again=run, erased=tokens))


def test_the_last_message_is_the_run_without_the_tokens_beside_the_one_with_them(page):
    first = page.ask("a", temperature=0.7, seed=3)[-1]
    last = erase(page, first.run)[-1]
    assert last.done and last.beside == first.run and last.run != first.run
    assert "Asked without 4 tokens of the prompt. A: " in last.status
    for before, side, written in zip(first.sides, last.opening.sides, last.sides, strict=True):
        assert side.erasure.tokens == TOKENS and side.erasure.answer == before.answer
        assert len(side.erasure.after) == before.steps and written.steps
    assert page.events.shown.get(last.run).sides[0].erasure.tokens == TOKENS, "it can be looked into"


def test_it_is_asked_with_the_settings_of_the_turn_whatever_the_inputs_say_now(page):
    first = page.ask("a", b="h2o:keep=0.4", tokens=3, temperature=0.9, seed=7)[-1]
    last = erase(
        page, first.run, [first.opening.sides[0].pieces.index("is") if "is" in first.opening.sides[0].pieces else 5]
    )[-1]
    assert [side.policy for side in last.opening.sides] == ["full", "h2o"] and last.opening.sides[1].keep == 0.4
    assert max(side.steps for side in last.sides) <= 3


def test_the_conversation_its_caches_and_what_is_looked_at_stay(page):
    first = page.ask("a")[-1]
    visitor = Visitor.known(page.store, "a")
    held = visitor.conversation, visitor.comparison, visitor.looks_at
    erase(page, first.run)
    assert (visitor.conversation, visitor.comparison, visitor.looks_at) == held
    second = page.ask("a", "And what else?")[-1]
    assert [turn.question for turn in second.turns] == ["What is here?", "And what else?"]


def test_of_a_picture_that_one_side_took_over_nothing_is_erased(page):
    first = page.ask("a", reuse="4")[-1]
    assert [side.reuse is not None for side in first.opening.sides] == [False, True]
    assert first.opening.sides[1].reuse.k == 4
    with pytest.raises(gr.Error, match="Ask with Reuse the picture off, then erase"):
        erase(page, first.run)


def test_of_a_picture_of_which_one_side_was_given_less_nothing_is_erased(page):
    first = page.ask("a", front="divprune", share=0.3)[-1]
    assert [side.fewer is not None for side in first.opening.sides] == [False, True]
    assert first.opening.sides[1].fewer.front == "DivPrune"
    with pytest.raises(gr.Error, match="Ask with Fewer picture tokens off, then erase"):
        erase(page, first.run)


def test_of_a_later_turn_nothing_is_erased_and_of_the_first_still(page):
    first = page.ask("a")[-1]
    second = page.ask("a", "And what else?")[-1]
    with pytest.raises(gr.Error, match="first question"):
        erase(page, second.run)
    assert "first question" in page.said[-1].status and not page.said[-1].sides
    assert erase(page, first.run)[-1].beside == first.run


@pytest.mark.parametrize(
    ("tokens", "sentence"), [(range(4000, 4001), "no such token"), (range(270), "Nothing would be left of")]
)
def test_too_much_is_refused_in_a_sentence(page, tokens, sentence):
    first = page.ask("a")[-1]
    with pytest.raises(gr.Error, match=sentence):
        erase(page, first.run, list(tokens)[: len(first.opening.sides[0].pieces) - 1])
    assert sentence in page.said[-1].status


def test_of_a_run_that_is_gone_nothing_is_erased(page):
    first = page.ask("a")[-1]
    with pytest.raises(gr.Error, match="no longer holds"):
        erase(page, "another", TOKENS)
    with pytest.raises(gr.Error, match="no longer holds"):
        erase(page, first.run, TOKENS, visitor="b")


@pytest.mark.parametrize("erased", [[-1], [1.5], ["1"], list(range(32_001)), "1"])
def test_what_is_no_list_of_numbers_is_refused(erased):
    with pytest.raises(ValidationError):
        AskedQuestion(picture=None, question="x", sides=["full", "elastic"], erased=erased)
