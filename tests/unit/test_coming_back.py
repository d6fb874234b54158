"""A tab that is loaded anew, without a browser: what it says of itself, and how an answer goes on for it meanwhile."""

import json
import time
from contextlib import aclosing

import pytest

from page import following
from page.asking import AskedQuestion
from page.coming_back import ANSWERING, COPY, HERE, ComingBack, Tab
from page.looking import ViewEvents
from page.pending import Pending
from page.visitor import REMADE, Visitor
from tests.unit.loops import run_alone
from tests.unit.test_asking import Page, is_writing, request_of, scene  # noqa: F401

KEY, OTHER = "0" * 32, "1" * 32


class Kept(Page):
    """The events of a page, for tabs that say who they are."""

    def __init__(self, *args):
        super().__init__(*args)
        view_events = ViewEvents(self.events.shown)
        view_events.make_way = self.events.step_aside
        self.back = ComingBack(self.events.shown, view_events, self.model.line)

    def load(self, name, key=KEY, **said):
        """A tab of that key is loaded under a name; what its view shows."""
        tab = self.back.known(json.dumps({"key": key, **said}), name)
        self.left = self.back.begin_anew(name) if tab.opened else []
        if tab.run:
            self.asked = self.back.go_back(tab.run, name)
        return self.back.message(tab, request_of(name))

    def reload(self, before, name, **said):
        """The same, after the page that it was has gone."""
        self.listeners.discard(before)
        self.store.leave(before, REMADE)
        return self.load(name, **said)

    def follow_on(self, name):
        """What is seen of the rest of an answer."""

        async def follow():
            async with aclosing(self.events.follow_on(request_of(name))) as said:
                return [message async for message in said]

        self.listeners.add(name)
        return run_alone(follow())


@pytest.fixture
def page(tiny, scene):  # noqa: F811
    page = Kept(tiny, scene)
    yield page
    page.model.line.close("over")


def test_a_tab_that_is_loaded_anew_finds_its_conversation_and_goes_on_with_it(page):
    assert page.load("a") is None
    first = page.ask("a")[-1]
    message = page.reload("a", "b")
    assert message.status == HERE and message.turns == first.turns and message.run == first.run and message.done
    second = page.ask("b", "And what else?")[-1]
    assert len(second.turns) == 2 and second.turns[0] == first.turns[0]
    assert Visitor.known(page.store, "a").conversation is None


def test_nobody_finds_anything_without_its_key(page):
    page.load("a")
    page.ask("a")
    page.listeners.discard("a")
    page.store.leave("a", REMADE)
    assert page.load("b", OTHER) is None and page.load("c", OTHER) is None
    for said in ("", "{}", "\ud800", "null", '{"key": ""}', json.dumps({"key": KEY[:-1]}), json.dumps({"key": [KEY]})):
        assert page.back.known(said, "d") is None
    assert Visitor.known(page.store, "b").conversation is None


def test_an_answer_goes_on_while_its_tab_is_loaded_anew_and_is_followed_from_there(page):
    page.load("a")
    begun = page.ask("a", tokens=60, until=is_writing)[-1]
    message = page.reload("a", "b")
    assert message.status == ANSWERING and message.run == begun.run and not message.done
    assert page.model.line.has("b") and not page.model.line.has("a")
    last = page.follow_on("b")[-1]
    assert last.done and last.run == begun.run and last.sides[0].steps == 60 == len(last.sides[0].answer_pieces)
    visitor = Visitor.known(page.store, "b")
    assert visitor.pending is None and visitor.under_way is None and len(visitor.conversation.said) == 1
    assert len(page.ask("b", "And now?")[-1].turns) == 2


def test_a_question_in_line_is_answered_to_the_tab_that_was_loaded_anew(page):
    page.model.line.opened.clear()
    page.load("a")
    page.ask("a", until=lambda message: message.coming and page.model.line.has("a"))
    page.reload("a", "b")
    page.model.line.opened.set()
    assert page.follow_on("b")[-1].done and Visitor.known(page.store, "b").conversation is not None
    assert page.store.visiting("a") is None, "nothing is begun under the old name"


def test_whoever_is_away_for_too_long_finds_what_was_written_and_why_it_ended(page, monkeypatch):
    monkeypatch.setattr(following, "GRACE", 0.4)
    page.load("a")
    page.ask("a", tokens=500, until=is_writing)
    page.listeners.discard("a")
    page.store.leave("a", REMADE)
    until = time.monotonic() + 60
    while page.model.line.has("a") and time.monotonic() < until:
        time.sleep(0.02)
    message = page.load("b")
    written = message.sides[0].steps
    last = page.follow_on("b")[-1]
    assert 0 < written < 500 and last.sides[0].steps == written and last.done
    assert last.status == f"The connection was lost after token {written}. Press Retry to ask again."
    assert len(page.ask("b", "And now?")[-1].turns) == 2


def test_an_answer_that_goes_on_for_a_tab_that_came_back_can_be_stopped(page):
    page.load("a")
    page.ask("a", tokens=500, until=is_writing)
    page.reload("a", "b")
    page.events.stop(request_of("b"))
    last = page.follow_on("b")[-1]
    assert "stopped after" in last.status and last.sides[0].steps < 500


def test_a_copy_of_a_tab_leaves_the_other_its_conversation_and_says_so(page):
    page.load("a")
    page.ask("a")
    message = page.load("b", OTHER, copied=True, words=True)
    assert message.status == COPY and message.turns == []
    assert len(page.ask("a", "And what else?")[-1].turns) == 2
    assert len(page.ask("b")[-1].turns) == 1


def test_three_tabs_do_not_mix(page):
    for number, name in enumerate("abc"):
        page.load(name, str(number) * 32)
        page.ask(name, f"Question {number}?")
    for number, name in enumerate("abc"):
        message = page.reload(name, name + "2", key=str(number) * 32)
        assert [turn.question for turn in message.turns] == [f"Question {number}?"]


def test_a_link_opened_in_a_tab_begins_anew_and_what_was_said_can_be_gone_back_to(page):
    page.load("a")
    page.ask("a")
    assert page.reload("a", "b", opened=True) is None
    visitor = Visitor.known(page.store, "b")
    assert visitor.conversation is None and [one.title for one in visitor.others] == ["What is here? · 1 turn"]


def test_the_way_back_from_a_link_leads_to_the_conversation_that_stood_there(page):
    page.load("a")
    run = page.ask("a", "What is here?")[-1].run
    page.reload("a", "b", opened=True)
    page.ask("b", "And in the link's?")
    message = page.reload("b", "c", run=run)
    assert message.run == run and [turn.question for turn in message.turns] == ["What is here?"]
    assert message.status == HERE and page.asked.question == "What is here?"
    last = page.ask("c", "And what else?")[-1]
    assert [turn.question for turn in last.turns] == ["What is here?", "And what else?"]
    assert [one.title for one in Visitor.known(page.store, "c").others] == ["And in the link's? · 1 turn"]


def test_a_reload_goes_back_to_nothing_and_leaves_an_answer_that_goes_on(page):
    page.load("a")
    run = page.ask("a", "What is here?")[-1].run
    page.ask("a", "And what else?", tokens=500, until=is_writing)
    assert page.reload("a", "b", run=run).status == ANSWERING and page.asked is None
    assert page.model.line.has("b")


def test_a_conversation_that_is_no_longer_held_is_said_to_be_gone_and_no_other_is_shown_in_its_place(page):
    page.load("a")
    page.ask("a", "What is here?")
    message = page.reload("a", "b", run="f" * 32, words=True)
    assert "no longer holds this conversation" in message.status and message.turns is None
    assert Visitor.known(page.store, "b").conversation is None


def test_a_link_that_is_opened_in_the_midst_of_an_answer_ends_it_and_what_was_written_is_found_on_the_way_back(page):
    page.load("a")
    run = page.ask("a", tokens=500, until=is_writing)[-1].run
    page.reload("a", "b", opened=True)
    assert not page.model.line.has("b") and page.left == []
    page.ask("b", "And in the link's?")
    message = page.reload("b", "c", run=run)
    assert message.run == run and 0 < message.sides[0].steps < 500 and message.done
    assert message.status.startswith(HERE) and "stopped after" in message.status


def test_a_question_that_waited_when_a_link_was_opened_is_said_not_to_be_asked(page):
    page.model.line.opened.clear()
    page.load("a")
    page.ask("a", "What is here?", until=lambda message: message.coming and page.model.line.has("a"))
    page.reload("a", "b", opened=True)
    assert len(page.left) == 1 and page.left[0].endswith("“What is here?”")
    page.model.line.opened.set()
    assert len(page.ask("b", "And now?")[-1].turns) == 1


def test_a_question_has_begun_once_it_waits_in_line_or_was_answered_and_never_by_its_words(page):
    page.load("a")
    asked = AskedQuestion(picture=None, question="What?", sides=["full", "elastic"])
    visitor = Visitor.acting(page.store, "a")
    assert not page.back.has_begun(asked, "a")
    visitor.pending = Pending(asked)
    assert page.back.has_begun(asked, "a")
    assert not page.back.has_begun(asked.model_copy(update={"number": asked.number + 1}), "a")
    visitor.pending = None
    page.ask("a")
    assert page.back.has_begun(visitor.conversation.asked, "a")


def test_a_question_whose_visitor_was_away_for_too_long_stands_in_its_box_again(page, monkeypatch):
    monkeypatch.setattr(following, "GRACE", 0.4)
    page.model.line.opened.clear()
    page.load("a")
    page.ask("a", "What is here?", until=lambda message: message.coming and page.model.line.has("a"))
    page.listeners.discard("a")
    page.store.leave("a", REMADE)
    until = time.monotonic() + 60
    while page.model.line.has("a") and time.monotonic() < until:
        time.sleep(0.02)
    page.model.line.opened.set()
    page.load("b")
    assert page.follow_on("b")[-1].status == "The connection was lost before the answers began. Ask again."
    assert page.events.settle(request_of("b"))[-1] == "What is here?"


@pytest.mark.parametrize(("lacking", "said"), [(False, "about the same picture."), (True, "could not be kept.")])
def test_a_tab_that_has_words_only_is_told_that_the_server_has_lost_the_rest(page, lacking, said):
    message = page.load("a", words=True, lacking=lacking)
    assert "no longer holds this conversation" in message.status and message.status.endswith(said)
    assert message.turns is None and not message.sides


def test_inputs_that_a_tab_kept_are_taken_where_they_can_be_and_else_not():
    asked = {"picture": None, "question": "What?", "sides": ["full", "elastic"]}
    assert Tab(key=KEY, typed=json.dumps(asked)).asked.question == "What?"
    wrong = (
        "",
        "{",
        json.dumps(asked | {"picture": "/etc/passwd"}),
        json.dumps(asked | {"tokens": 0}),
        json.dumps(asked | {"sides": ["full", "?"]}),
    )
    assert [Tab(key=KEY, typed=typed).asked for typed in wrong] == [None] * 5


def test_a_tab_without_a_key_ends_its_answer_when_it_is_closed(page):
    page.ask("a", tokens=500, until=is_writing)
    assert not page.model.line.has("a")
    assert Visitor.known(page.store, "a").under_way is None
