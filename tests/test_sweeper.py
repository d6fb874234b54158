"""What is given up on a quiet server, in our store and in Gradio's tables."""

import asyncio
import gc
import weakref
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.routes import App

from page.line import Line
from page.listening import Hearing, Listening
from page.store import Store
from page.sweeper import ABSENT, SESSION_BYTES, Sweeper
from tests.loops import run_alone


class House:
    """A page of Gradio's that is not served, with a sweeper and a clock that is put on by hand."""

    def __init__(self, line=None):
        self.now = 0.0
        self.store, self.listening, self.swept = Store(limit=10**9, clock=lambda: self.now), Listening(), []
        with gr.Blocks() as page:
            gr.State(1)
        page.app = App.create_app(page)
        self.sessions, self.queue = page.app.state_holder.session_data, page._queue
        self.page = page
        uploads = SimpleNamespace(sweep=lambda: self.swept.append(self.now))
        self.sweeper = Sweeper(self.store, self.listening, uploads, line, page)

    def arrive(self, name):
        """Somebody does something, and leaves in Gradio what such a thing leaves there."""
        _ = self.page.app.state_holder[name]
        self.queue.pending_messages_per_session[name] = asyncio.Queue()
        self.queue.pending_event_ids_session[name] = {f"event of {name}"}
        self.store.put(("conversation", name), name, self.store.visit(name), size=lambda: 1000)

    async def sweep(self, seconds=0.0):
        self.now += seconds
        self.listening.loop = asyncio.get_running_loop()
        self.sweeper.sweep()
        await asyncio.sleep(0)

    def left(self):
        tables = (self.sessions, self.queue.pending_messages_per_session, self.queue.pending_event_ids_session)
        return [sorted(table) for table in tables]


async def open_tab(house, name):
    """A tab's connection, to be cancelled."""

    async def server(scope, receive, send):
        await asyncio.Event().wait()

    path = {"type": "http", "method": "GET", "path": f"/gradio_api/heartbeat/{name}", "query_string": b""}
    task = asyncio.create_task(Hearing(server, house.listening)(path, None, None))
    await asyncio.sleep(0)
    return task


def test_whoever_has_no_connection_any_more_is_forgotten_everywhere_and_nobody_else_is():
    async def visit():
        house = House()
        tab = await open_tab(house, "here")
        for name in ("here", "gone"):
            house.arrive(name)
        await house.sweep()
        assert house.store.bytes == 2 * (SESSION_BYTES + 1000)
        await house.sweep(ABSENT - 1)
        assert house.left() == [["gone", "here"]] * 3, "a connection may be cut for a moment"
        await house.sweep(2)
        assert house.left() == [["here"]] * 3
        assert house.store.get(("conversation", "gone")) is None and house.store.get(("conversation", "here"))
        tab.cancel()
        await asyncio.gather(tab, return_exceptions=True)
        await house.sweep(ABSENT + 1)
        await house.sweep()
        return house

    house = run_alone(visit())
    assert house.left() == [[]] * 3 and not len(house.store) and house.store.bytes == 0 and len(house.swept) == 5


def test_whoever_comes_back_just_then_is_not_forgotten():
    async def visit():
        house = House()
        house.arrive("back")
        await house.sweep()
        house.now += ABSENT + 1
        house.listening.loop = asyncio.get_running_loop()
        house.sweeper.sweep()  # asks the server's thread to forget, which opens the tab first
        house.listening._heartbeats["back"] += 1
        await asyncio.sleep(0)
        return house.left()

    assert run_alone(visit()) == [["back"]] * 3


def test_a_caller_for_whom_something_is_under_way_is_not_forgotten():
    async def visit():
        line = Line()
        house = House(line)
        house.arrive("waits")
        line.join("waits", iter(()), str)
        await house.sweep()
        await house.sweep(ABSENT + 1)
        before = house.left()
        line.close("over", 0.0)
        return before

    assert run_alone(visit()) == [["waits"]] * 3


@pytest.mark.parametrize("with_line", [False, True])
def test_what_refers_to_itself_is_freed_too(with_line):
    class Ring:
        def __init__(self):
            self.own = self

    async def visit():
        line = Line() if with_line else None
        house, ring = House(line), Ring()
        watched = weakref.ref(ring)
        house.store.put(("conversation", "a"), ring, house.store.visit("a"))
        del ring
        gc.disable()
        try:
            house.store.leave("a")
            await house.sweep()
            for _ in range(500):
                if watched() is None:
                    return True
                await asyncio.sleep(0.02)
        finally:
            gc.enable()
        return False

    assert run_alone(visit())
