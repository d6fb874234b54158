"""The question event without a browser: conversations that go on, that are put away, and whose visitor is gone."""

import re
import threading
import warnings
from contextlib import aclosing
from types import SimpleNamespace

import gradio as gr
import pytest

from elastic import session
from page.asking import AskedQuestion, policy_of
from page.callbacks import Callbacks
from page.line import Line
from page.model import Model
from page.shown import RUN, Shown
from page.store import Store
from page.visitor import CACHES, UnderWay, Visitor
from tests.unit.loops import run_alone


class Page:
    """The events for any visitor, over a model that is there; `listeners` are those who listen."""

    def __init__(self, llava, scene, limit=10**9):
        self.listeners = set()
        self.model = Model.__new__(Model)
        self.model.name, self.model.llava, self.model.session, self.model.error = "tiny", llava, session, ""
        self.model.ready = SimpleNamespace(is_set=lambda: True)
        self.model.line = Line(lambda *names: bool(self.listeners & set(names)))
        self.model.line.opened.set()
        self.store, self.scene = Store(limit=limit), scene
        self.events = Callbacks(self.model, Shown(self.store))

    def ask(
        self,
        visitor,
        question="What is here?",
        tokens=4,
        until=lambda message: False,
        listens=True,
        b="elastic",
        **more,
    ):
        """Messages up to one that is as is wanted: then nobody listens any more."""
        self.said = messages = []
        if listens:
            self.listeners.add(visitor)
            Visitor.acting(self.store, visitor)  # as a press of Ask is

        async def follow():
            request = SimpleNamespace(session_hash=visitor)
            asked = AskedQuestion(picture=self.scene, question=question, sides=["full", b], tokens=tokens, **more)
            async with aclosing(self.events.ask(request, asked)) as said:
                async for message in said:
                    messages.append(message)
                    if until(message):
                        break

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Gradio's own, of what it cannot show without a browser
            run_alone(follow())
        return messages


@pytest.fixture
def scene(tmp_path, picture):
    picture.save(tmp_path / "scene.png")
    return str(tmp_path / "scene.png")


@pytest.fixture
def page(tiny, scene):
    page = Page(tiny, scene)
    yield page
    page.model.line.close("over")


def test_a_conversation_goes_on_and_is_counted_with_all_it_has_become(page):
    first = page.ask("a")[-1]
    small = page.store.bytes
    second = page.ask("a", "And what else?")[-1]
    assert first.done and second.done and len(second.turns) == 2
    held = page.store.get((CACHES, "a"))
    assert page.store.bytes > held.nbytes > 0 and small > 0


def test_a_side_that_holds_more_than_was_asked_for_is_named_when_the_answer_is_there(page):
    sides = page.ask("a", "Where is the dog, and where is the cat?", b="elastic:keep=0.02")
    assert "; B: " in sides[-1].status and sides[-1].status.endswith("% after the prompt, asked for 2%.")
    assert "Elastic Cache holds " in sides[-1].status
    assert "asked for" not in page.ask("b", b="h2o:keep=0.3")[-1].status


def test_of_whom_is_put_out_for_room_the_conversation_is_read_again_and_he_is_told(tiny, scene):
    page = Page(tiny, scene)
    page.ask("a")
    one = page.store.bytes
    page.model.line.close("over")
    page = Page(tiny, scene, limit=int(1.5 * one))
    page.ask("a")
    page.ask("b")
    assert page.store.get((CACHES, "a")) is None and page.store.get((CACHES, "b"))
    told = page.ask("a", "And now?")[-1]
    assert "caches had been put away to make room for other visitors: the conversation was read again" in told.status
    assert len(told.turns) == 2 and "put away" not in page.ask("a")[-1].status
    page.model.line.close("over")


def test_nothing_is_held_for_somebody_who_went_while_being_answered(page):
    page.ask("a", tokens=500, until=lambda message: page.store.leave("a") or message.sides)
    assert not len(page.store) and page.store.bytes == 0 and not page.model.line.has("a")


def test_nothing_is_begun_for_somebody_who_never_listens(page, monkeypatch):
    monkeypatch.setattr("page.line.UNHEARD", 0.2)
    with pytest.raises(gr.Error, match="Nobody listened"):
        page.ask("a", listens=False)
    assert not len(page.store) and not page.store.visits()


def test_whoever_had_to_wait_is_told_so(page, monkeypatch):
    monkeypatch.setattr("page.answer.WORTH_SAYING", 0)
    page.listeners.add("other")
    told = threading.Event()

    def other():
        for _ in range(600):  # far more than it takes
            if told.wait(0.1):
                break
            yield None

    def tell(message):
        if message.status == "Waiting: next in line. The model is busy with a program's table, row 3 of 7.":
            told.set()

    page.model.line.join("other", other(), lambda: "a program's table, row 3 of 7")
    messages = page.ask("a", until=tell)
    assert told.is_set()
    assert "s in line for the model." in messages[-1].status


def test_a_fault_of_the_model_is_said_in_a_sentence_and_the_caches_freed(page, monkeypatch, capsys):
    monkeypatch.setattr(page.model.session, "Comparison", lambda *values: 1 / 0)
    with pytest.raises(gr.Error, match=r"The model failed \(ZeroDivisionError\)"):
        page.ask("a")
    assert page.store.get((CACHES, "a")) is None and "ZeroDivisionError" in capsys.readouterr().err


def request_of(visitor):
    return SimpleNamespace(session_hash=visitor)


def nothing_is_left(page, visitor):
    """Nothing of a question is held once it is answered or ended."""
    left = Visitor.known(page.store, visitor)
    return left.under_way is None and left.wish is None and not page.model.line.has(visitor)


def is_writing(message):
    return bool(message and message.sides and message.sides[0].steps)


def when_writing(action):
    """Done once, in the midst of an answer."""
    done = []

    def look(message):
        if is_writing(message) and not done:
            done.append(action())

    return look


def test_a_stop_before_the_first_step_stops(page):
    page.events.begin(request_of("early"))
    page.events.stop(request_of("early"))
    messages = page.ask("early", tokens=40)
    assert messages[-1].status == "Stopped before it was begun: nothing was asked." and nothing_is_left(page, "early")
    page.events.begin(request_of("early"))  # and the next question is answered
    assert page.ask("early")[-1].done


def test_a_stop_in_line_stops(page):
    page.model.line.opened.clear()
    stops = []
    messages = page.ask("a", until=lambda message: stops.append(page.events.stop(request_of("a"))))
    assert messages[-1].status == "Stopped before it was begun: nothing was asked." and nothing_is_left(page, "a")


def test_a_stop_in_the_midst_ends_with_all_that_was_written(page):
    last = page.ask("a", tokens=500, until=when_writing(lambda: page.events.stop(request_of("a"))))[-1]
    steps = [side.steps for side in last.sides]
    assert last.done and all(0 < count < 500 for count in steps)
    assert last.status == f"A: stopped after {steps[0]} tokens; B: stopped after {steps[1]} tokens."
    assert [len(side.answer_pieces) for side in last.sides] == steps and last.opening
    assert [side.finish for side in last.sides] == ["stopped", "stopped"]
    assert [side.steps for side in page.store.get((CACHES, "a")).record().sides] == steps
    assert page.events.shown.of("a").sides[0].steps == steps[0] and nothing_is_left(page, "a")
    assert len(page.ask("a", "And now?")[-1].turns) == 2


def close_aside(page, why):
    threading.Thread(target=page.model.line.close, args=(why,)).start()


def fail(page, monkeypatch):
    monkeypatch.setattr(session.Comparison, "_advance", lambda *values: 1 / 0)


ENDS = {
    "The server is being stopped.": lambda page, _: close_aside(page, "The server is being stopped."),
    "It took the model for more than 0 s and was ended.": lambda page, _: setattr(page.model.line, "deadline", 0),
    "Nobody listened for the answer": lambda page, _: page.listeners.clear(),
    "The model failed (ZeroDivisionError).": fail,
}


@pytest.mark.parametrize("sentence", ENDS)
def test_an_answer_that_is_ended_says_why_with_its_last_message_and_keeps_what_was_written(
    page, monkeypatch, sentence, capsys
):
    with pytest.raises(gr.Error, match=re.escape(sentence)):
        page.ask("a", tokens=500, until=when_writing(lambda: ENDS[sentence](page, monkeypatch)))
    last = page.said[-1]
    page.model.line.stop("a", 60)  # the step that was under way is over
    assert last.done and last.status.startswith(sentence) and is_writing(last)
    assert len(last.sides[0].answer_pieces) == last.sides[0].steps and nothing_is_left(page, "a")
    view, ask, stop, *_ = page.events.settle(request_of("a"))
    assert view == gr.skip() and ask.interactive and not stop.interactive


@pytest.mark.parametrize(
    ("question", "sentence"), [("", "There is no question yet."), ("x" * 3000, "The question has 3,000 characters")]
)
def test_a_question_that_cannot_be_asked_says_so_where_answers_stand_and_they_stay(page, question, sentence):
    page.ask("a")
    with pytest.raises(gr.Error, match=sentence):
        page.ask("a", question)
    assert page.said[-1].status.startswith(sentence) and page.said[-1].sides == []
    assert page.events.settle(request_of("a"))[0] == gr.skip() and nothing_is_left(page, "a")


def test_a_share_that_a_method_cannot_keep_is_refused_in_the_words_of_the_slider():
    with pytest.raises(ValueError, match=r"^ThinK keeps 55 % of the cache at least. Set Cache kept to 55 or more"):
        policy_of("think:keep=0.3")
    assert policy_of("think:keep=0.6").keep == 0.6
    with pytest.raises(ValueError, match="distance must be between"):
        policy_of("elastic:distance=100000")


def test_a_conversation_that_is_put_away_in_the_midst_ends_as_any(page):
    def put_away():
        page.store.drop_kind(CACHES)
        page.store.drop_kind(RUN)

    last = page.ask("a", tokens=12, until=when_writing(put_away))[-1]
    assert last.done and last.status.startswith("A: ") and is_writing(last)
    assert page.events.settle(request_of("a"))[0] == gr.skip()


def test_a_question_that_never_came_is_told_after_the_press(page):
    page.events.begin(request_of("a"))
    value, ask, *_ = page.events.settle(request_of("a"))
    assert value.status == "The question did not reach the model. Ask again in a minute." and ask.interactive
    assert nothing_is_left(page, "a")


def test_a_second_question_is_refused_and_the_first_goes_on_untouched(page):
    def second():
        with pytest.raises(gr.Error, match="Still answering"):
            page.events.begin(request_of("a"))
        assert page.events.settle(request_of("a")) == (gr.skip(),) * 5

    last = page.ask("a", tokens=100, until=when_writing(second))[-1]
    assert last.done and "stopped" not in last.status


def test_beginning_anew_ends_what_goes_on_and_empties_the_view_last(page):
    emptied = []

    def anew():
        thread = threading.Thread(target=lambda: emptied.append(page.events.forget(request_of("a"), 1.0)))
        thread.start()
        threads.append(thread)

    threads = []
    assert page.ask("a", tokens=500, until=when_writing(anew))[-1] is None
    threads[0].join()
    assert emptied[0][0] is None and page.store.get((CACHES, "a")) is None and nothing_is_left(page, "a")
    assert page.events.shown.of("a") is None


def test_a_question_that_overtook_a_new_beginning_is_answered(page):
    page.events.begin(request_of("a"), 2.0)

    def late():
        assert page.events.forget(request_of("a"), 1.0) == (gr.skip(),) * 3

    last = page.ask("a", tokens=12, until=when_writing(late))[-1]
    assert last.done and "stopped" not in last.status


def test_a_question_asked_while_a_new_beginning_waits_for_the_last_step_keeps_its_view_and_buttons(page, monkeypatch):
    page.ask("a")
    Visitor.known(page.store, "a").under_way = UnderWay.ASKED
    monkeypatch.setattr(page.model.line, "stop", lambda *_: page.events.begin(request_of("a"), 3.0))
    assert page.events.forget(request_of("a"), 2.0) == (gr.skip(),) * 3
    assert page.store.get((CACHES, "a")) is None, "it is forgotten all the same"


def test_whoever_looks_at_another_run_sees_no_more_of_the_one_that_went_on(page):
    threads = []

    def look_elsewhere():
        threads.append(threading.Thread(target=page.events.step_aside, args=("a",)))
        threads[0].start()

    messages = page.ask("a", tokens=500, until=when_writing(look_elsewhere))
    threads[0].join()
    assert not any(message.done for message in messages) and nothing_is_left(page, "a")
