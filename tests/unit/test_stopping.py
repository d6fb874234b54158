"""Stop, in every state of a question: a true sentence, the question given back, and nothing left half read."""

import threading

import gradio as gr
import pytest

from elastic.engine import compress
from elastic.models.reader import Reader
from page.asking import AskedQuestion
from page.callbacks import ASKING
from page.endings import NOT_BEGUN
from page.visitor import CACHES, UnderWay, Visitor
from page.waiting import LOADING
from page.wish import Wish
from tests.unit.test_asking import Page, nothing_is_left, request_of

QUESTION = "What is here?"


@pytest.fixture
def page(tiny, tmp_path, picture):
    picture.save(tmp_path / "scene.png")
    page = Page(tiny, str(tmp_path / "scene.png"))
    yield page
    page.model.line.close("over")


def stopping(page):
    page.events.stop(request_of("a"))


def settled(page, typed=""):
    """The question's box and both buttons after the end of a run."""
    _, ask, stop, _, question = page.events.settle(request_of("a"), typed)
    return question, ask.interactive, stop.interactive


def ends_with(page, sentence, **more):
    """A question that is stopped says so, is given back, and leaves the buttons as they were."""
    last = page.said[-1]
    assert last.status == sentence and last.coming is None and not last.sides and nothing_is_left(page, "a")
    assert settled(page, **more) == (QUESTION, True, False)
    assert settled(page)[0] == gr.skip(), "once"


def test_stop_while_the_model_is_loaded(page):
    page.model.line.opened.clear()
    said = page.ask("a", QUESTION, until=lambda message: message.status == LOADING.line and stopping(page))
    assert said[-2].coming.line == LOADING.line and said[-2].coming.question == QUESTION
    ends_with(page, NOT_BEGUN)


def test_stop_in_line(page):
    going_on = threading.Event()

    def other():
        yield going_on.wait(60)

    page.listeners.add("other")
    job = page.model.line.join("other", other(), lambda: "a question of another visitor")
    said = page.ask("a", QUESTION, until=lambda message: "next in line" in message.status and stopping(page))
    assert said[-2].coming.line == "Waiting: next in line" and not job.over
    ends_with(page, NOT_BEGUN)
    going_on.set()


def stopped_in(page, monkeypatch, name, event, question=QUESTION):
    """A question that is stopped when a function of the model has been called, in whose midst it heeds that."""
    read = getattr(Reader, name)
    layers = []

    def stopped(self, prompt, cache, forward):
        stopping(page)
        heed, forward.heed = forward.heed, lambda: (layers.append(1), heed())
        return read(self, prompt, cache, forward)

    with monkeypatch.context() as patch:
        patch.setattr(Reader, name, stopped)
        page.ask("a", question)
    assert event in page.said[-1].status
    return len(layers)


def test_stop_while_a_prompt_is_read_ends_it_in_its_first_layer(page, monkeypatch):
    assert stopped_in(page, monkeypatch, "read", "while the prompt was being read: nothing was answered.") == 1
    ends_with(page, "Stopped while the prompt was being read: nothing was answered.")
    assert page.store.get((CACHES, "a")) is None
    assert page.ask("a", QUESTION)[-1].done


@pytest.mark.parametrize("most", [2**40, 0], ids=["kept twice", "too large for that"])
def test_a_later_question_that_is_stopped_while_it_is_read_leaves_the_conversation_as_it_was(page, monkeypatch, most):
    monkeypatch.setattr("elastic.session.MOST_KEPT_TWICE", most)
    page.ask("b", QUESTION, tokens=8)
    expected = [side.answer for side in page.ask("b", "And what else?", tokens=8)[-1].sides]
    page.ask("a", QUESTION, tokens=8)
    stopped_in(page, monkeypatch, "read", "while the prompt was being read: nothing was answered.", "Something else?")
    last = page.ask("a", "And what else?", tokens=8)[-1]
    assert [side.answer for side in last.sides] == expected
    assert [turn.question for turn in last.turns] == [QUESTION, "And what else?"]


def test_stop_while_a_picture_is_encoded(page, monkeypatch):
    encode = type(page.model.llava).encode_image

    def stopped(self, prompt):
        stopping(page)
        return encode(self, prompt)

    monkeypatch.setattr(type(page.model.llava), "encode_image", stopped)
    page.model._heed_in_towers()
    page.ask("a", QUESTION)
    ends_with(page, "Stopped while the picture was being encoded: nothing was answered.")


def test_stop_while_caches_are_compressed(page, monkeypatch):
    monkeypatch.setattr("elastic.rereading.compress", lambda *values: stopping(page) or compress(*values))
    page.ask("a", QUESTION)
    ends_with(page, "Stopped while the caches were being compressed: nothing was answered.")


def test_a_question_is_not_given_back_over_one_that_is_being_typed(page):
    page.model.line.opened.clear()
    page.ask("a", QUESTION, until=lambda message: stopping(page))
    assert settled(page, "What I type")[0] == gr.skip()


def test_a_question_that_is_asked_again_from_its_turn_stands_there_and_not_in_the_box(page):
    run = page.ask("a", QUESTION)[-1].run
    page.model.line.opened.clear()
    said = page.ask("a", "Another?", again=run, until=lambda message: stopping(page))
    assert said[-1].status == NOT_BEGUN and settled(page)[0] == gr.skip()
    assert said[0].coming.after == "", "it comes in the place of the first turn"


def test_a_question_stands_behind_the_turns_that_it_goes_on_with_from_the_press_on(page):
    first = page.ask("a", QUESTION)[-1]
    asked = AskedQuestion(picture=page.scene, question=" And now? ", sides=["full", "elastic:keep=0.2"])
    pressed = page.events.begin(request_of("a"), 1.0, asked)[0]
    assert pressed.status == ASKING.line and pressed.awaits
    assert (pressed.coming.question, pressed.coming.after) == ("And now?", first.run)
    assert [(side.title, side.keep, side.is_compressed) for side in pressed.coming.sides] == [
        ("Full cache", 1.0, False),
        ("Elastic Cache", 0.2, True),
    ]
    said = page.ask("a", "And now?")
    assert all(message.coming is None for message in said if message.sides) and said[0].coming.after == first.run
    assert Visitor.known(page.store, "a").unanswered is None


def test_a_question_that_is_given_up_for_the_next_ends_without_a_word_and_leaves_that_one_alone(page):
    asked = AskedQuestion(picture=page.scene, question="And now?", sides=["full", "elastic:keep=0.2"])
    visitor = Visitor.known(page.store, "a")

    def ask_the_next(message):
        """The page is emptied, and the next question is pressed before the end of the first has been told."""
        if message and message.sides and visitor.under_way is not UnderWay.PRESSED:
            page.events.forget(request_of("a"), 1.0)
            page.events.begin(request_of("a"), 2.0, asked)

    said = page.ask("a", QUESTION, until=ask_the_next)
    assert said[-1] is None, "whatever of it came after the view was emptied"
    assert visitor.under_way is UnderWay.PRESSED, "the next one is"
    stopping(page)
    assert visitor.wish is Wish.STOP, "and can be stopped"
