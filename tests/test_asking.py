"""The question event without a browser: conversations that go on, that are put away, and whose visitor is gone."""

import asyncio
import json
import warnings
from contextlib import aclosing
from types import SimpleNamespace

import gradio as gr
import pytest

from elastic import session
from page.callbacks import CONVERSATION, Callbacks
from page.line import Line
from page.model import Model
from page.shown import Shown
from page.store import Store
from tests.loops import run_alone


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
        self.events = Callbacks(self.model, Shown(self.store), [])

    def ask(self, visitor, question="What is here?", tokens=4, until=lambda message: False, listens=True):
        """Messages up to one that is as is wanted: then nobody listens any more."""
        messages = []
        if listens:
            self.listeners.add(visitor)

        async def follow():
            request = SimpleNamespace(session_hash=visitor)
            asked = (request, self.scene, question, 50, tokens, 0, 0, "full", "elastic")
            async with aclosing(self.events.ask(*asked)) as said:
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
    assert first["done"] and second["done"] and len(second["opening"]["sides"][0]["history"]) == 1
    held = page.store.get((CONVERSATION, "a"))
    assert page.store.bytes > held.nbytes > 0 and small > 0


def test_whoever_is_put_out_for_room_is_told_with_the_next_question(tiny, scene):
    page = Page(tiny, scene)
    page.ask("a")
    one = page.store.bytes
    page.model.line.close("over")
    page = Page(tiny, scene, limit=int(1.5 * one))
    page.ask("a")
    page.ask("b")
    assert page.store.get((CONVERSATION, "a")) is None and page.store.get((CONVERSATION, "b"))
    told = page.ask("a")[-1]
    assert "put away to make room for other visitors: this question begins a new one" in told["status"]
    assert told["opening"]["sides"][0]["history"] == [] and "put away" not in page.ask("a")[-1]["status"]
    page.model.line.close("over")


def test_nothing_is_held_for_somebody_who_went_while_being_answered(page):
    page.ask("a", tokens=500, until=lambda message: page.store.leave("a") or message["sides"])
    assert not len(page.store) and page.store.bytes == 0 and not page.model.line.has("a")


def test_nothing_is_begun_for_somebody_who_never_listens(page, monkeypatch):
    monkeypatch.setattr("page.line.UNHEARD", 0.2)
    with pytest.raises(gr.Error, match="Nobody listened"):
        page.ask("a", listens=False)
    assert not len(page.store) and not page.store.visits()


def test_whoever_had_to_wait_is_told_so(page):
    page.listeners.add("other")

    def other():
        for _ in range(8):
            yield run_alone(asyncio.sleep(0.1))

    page.model.line.join("other", other(), lambda: "a program's table, row 3 of 7")
    messages = page.ask("a")
    assert "you are next in line. It is busy with a program's table, row 3 of 7" in json.dumps(messages)
    assert "s in line for the model." in messages[-1]["status"]


def test_a_fault_of_the_model_is_said_in_a_sentence_and_the_conversation_cleared(page, monkeypatch, capsys):
    monkeypatch.setattr(page.model.session, "Comparison", lambda *values: 1 / 0)
    with pytest.raises(gr.Error, match=r"The model failed \(ZeroDivisionError\)"):
        page.ask("a")
    assert page.store.get((CONVERSATION, "a")) is None and "ZeroDivisionError" in capsys.readouterr().err


def test_a_stop_before_the_first_step_stops(page):
    request = SimpleNamespace(session_hash="early")
    page.events.begin(request)
    page.events.stop(request)
    messages = page.ask("early", tokens=40)
    assert messages[-1]["status"] == "Stopped"
    page.events.begin(request)  # and the next question is answered
    assert page.ask("early")[-1]["status"] != "Stopped"
