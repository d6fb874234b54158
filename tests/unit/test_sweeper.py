"""What is given up on a quiet server, in our store and in Gradio's tables."""

import asyncio
import gc
import sys
import threading
import weakref
from functools import cache
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.routes import App

from page import sweeper as sweeper_module
from page.arriving import SECONDS
from page.line import Line
from page.listening import Hearing, Listening
from page.store import Store
from page.sweeper import ABSENT, MANY, SESSION, SESSION_BYTES, Sweeper
from tests.unit.loops import run_alone


@pytest.fixture(autouse=True, scope="module")
def what_is_there_stays():
    """As once the model is loaded: nobody looks through the libraries for garbage again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@cache
def gradio_page():
    """A page of Gradio's that is not served: one for all tests, it takes a second to make."""
    with gr.Blocks() as page:
        gr.State(1)
    page.app = App.create_app(page)
    return page


class House:
    """That page with nobody in it, with a sweeper and a clock that is put on by hand."""

    def __init__(self, line=None):
        self.now = 0.0
        self.store, self.listening, self.swept = Store(limit=10**9, clock=lambda: self.now), Listening(), []
        self.page = page = gradio_page()
        self.sessions, self.queue = page.app.state_holder.session_data, page._queue
        for table in (
            *(self.sessions, page.app.state_holder.time_last_used, page.app.iterators_to_reset),
            *(self.queue.pending_messages_per_session, self.queue.pending_event_ids_session),
            *(self.queue.event_ids_to_events, page.pending_streams, page.pending_diff_streams, page.upload_file_set),
        ):
            table.clear()
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


def test_absence_begins_when_the_connection_ends_however_long_nothing_was_done_before():
    async def visit():
        house = House()
        tab = await open_tab(house, "reads")
        house.arrive("reads")
        for _ in range(10):
            await house.sweep(ABSENT)
        tab.cancel()
        await asyncio.gather(tab, return_exceptions=True)
        await house.sweep(ABSENT)
        held, left = house.store.look(("conversation", "reads")), house.left()
        await house.sweep(1)
        return held, left, house.store.look(("conversation", "reads")), house.left()

    assert run_alone(visit()) == ("reads", [["reads"]] * 3, None, [[]] * 3)


def test_of_an_upload_that_must_be_over_nothing_is_kept_whether_anybody_asked_or_not():
    async def visit():
        house = House()
        for number in range(30):
            statuses.track(f"upload {number}")
            statuses._signals[f"question {number}"].clear()
        await house.sweep()
        await house.sweep(SECONDS)
        during = len(statuses._statuses), len(statuses._signals)
        await house.sweep(SECONDS + 1)
        await house.sweep()
        return house, during

    statuses = sweeper_module.file_upload_statuses
    house, during = run_alone(visit())
    assert during == (30, 60), "an upload may still be going on"
    assert not statuses._statuses and not statuses._signals and not len(house.store)


@pytest.mark.parametrize("number", range(3))
def test_whoever_left_but_one_trace_in_gradio_is_forgotten_too(number):
    async def visit():
        house = House()
        house.arrive("gone")
        tables = (house.sessions, house.queue.pending_messages_per_session, house.queue.pending_event_ids_session)
        for table in tables[:number] + tables[number + 1 :]:
            del table["gone"]
        await house.sweep()
        await house.sweep(ABSENT + 1)
        return house.left()

    assert run_alone(visit()) == [[]] * 3


def test_what_gradio_notes_of_runs_goes_with_them_and_with_their_visitors():
    async def visit():
        house = House()
        tab = await open_tab(house, "here")
        app, page = house.page.app, house.page
        for name in ("here", "gone"):
            house.arrive(name)
            for table in (page.pending_streams, page.pending_diff_streams):
                table[name]["run"] = {}
        house.queue.event_ids_to_events["goes on"] = object()
        app.iterators_to_reset.update({"goes on", "event of here", "event of gone", "told long ago"})
        await house.sweep()
        await house.sweep(ABSENT + 1)
        tab.cancel()
        tables = (page.pending_streams, page.pending_diff_streams, app.state_holder.time_last_used)
        return app.iterators_to_reset, [sorted(table) for table in tables]

    assert run_alone(visit()) == ({"goes on"}, [["here"]] * 3)


def test_the_names_of_files_that_are_gone_do_not_pile_up(tmp_path):
    async def visit():
        house = House()
        (tmp_path / "kept.png").write_bytes(b"")
        names = {str(tmp_path / "kept.png")} | {str(tmp_path / f"{number}.png") for number in range(MANY - 1)}
        house.page.upload_file_set.update(names)
        await house.sweep()
        few = len(house.page.upload_file_set)
        house.page.upload_file_set.add(str(tmp_path / "gone.png"))
        await house.sweep()
        return few, house.page.upload_file_set

    assert run_alone(visit()) == (MANY, {str(tmp_path / "kept.png")})


def test_a_sweep_that_fails_is_not_the_last_one(monkeypatch, capsys):
    monkeypatch.setattr(sweeper_module, "EVERY", 0.005)
    house, swept, enough = House(), [], threading.Event()

    def sweep():
        swept.append(threading.current_thread().name)
        if len(swept) == 1:
            raise OSError("of one file")
        enough.set()

    monkeypatch.setattr(house.sweeper, "sweep", sweep)
    house.sweeper.start()
    assert enough.wait(30) and set(swept) == {"sweeper"} and "of one file" in capsys.readouterr().err
    thread = next(each for each in threading.enumerate() if each.name == "sweeper")
    house.sweeper.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_memory_is_given_back_once_for_what_went_and_not_where_nothing_did(monkeypatch):
    freed = []
    monkeypatch.setattr(sweeper_module, "free_memory", lambda: freed.append(1))

    async def visit():
        house, counts = House(), []
        for value in ("first", "first", "second"):  # the same again, and another in its place
            house.store.put(("conversation", "a"), value, None)
            await house.sweep()
            counts.append(len(freed))
        await house.sweep()
        house.store.drop(("conversation", "a"))
        await house.sweep()
        await house.sweep()
        return [*counts, len(freed)]

    assert run_alone(visit()) == [0, 0, 1, 2]


def test_memory_is_given_back_by_the_thread_of_the_model_where_there_is_one(monkeypatch):
    threads = []
    monkeypatch.setattr(sweeper_module, "free_memory", lambda: threads.append(threading.current_thread().name))

    async def visit():
        line = Line()
        house = House(line)
        house.store.put(("conversation", "a"), "A", house.store.visit("a"))
        house.store.leave("a")
        await house.sweep()
        return await is_freed(lambda: None, line)

    assert run_alone(visit()) and threads == ["model"]


@pytest.mark.parametrize(("is_used", "given_back"), [(True, 1), (False, 0), (None, 0)])
def test_a_gpu_is_asked_for_memory_back_where_one_is_used(monkeypatch, is_used, given_back):
    asked = []
    cuda = SimpleNamespace(is_initialized=lambda: is_used, empty_cache=lambda: asked.append(1))
    monkeypatch.setitem(sys.modules, "torch", None if is_used is None else SimpleNamespace(cuda=cuda))
    sweeper_module.free_memory()
    assert len(asked) == given_back


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


def test_a_caller_for_whom_something_is_under_way_is_not_forgotten_and_others_are():
    async def visit():
        line = Line()
        house = House(line)
        for name in ("waits", "gone"):
            house.arrive(name)
        line.join("waits", iter(()), str)
        await house.sweep()
        await house.sweep(ABSENT + 1)
        before = house.left()
        line.close("over", 0.0)
        return before

    assert run_alone(visit()) == [["waits"]] * 3


def test_a_session_that_is_put_out_for_room_is_not_forgotten_while_its_visitor_is_there():
    async def visit():
        house = House()
        tab = await open_tab(house, "here")
        house.arrive("here")
        await house.sweep()
        house.store.drop_kind(SESSION)
        await house.sweep()
        tab.cancel()
        return house.left(), house.store.keys(SESSION)

    assert run_alone(visit()) == ([["here"]] * 3, [(SESSION, "here")])


def test_a_sweep_before_the_server_serves_leaves_gradio_alone():
    house = House()
    house.arrive("early")
    house.page.upload_file_set.update(f"gone-{number}.png" for number in range(MANY + 1))
    house.sweeper.sweep()
    house.now += ABSENT + 1
    house.sweeper.sweep()
    assert house.left() == [["early"]] * 3 and len(house.page.upload_file_set) == MANY + 1


class Ring:
    """Something that refers to itself, as caches do."""

    def __init__(self):
        self.own = self


async def is_freed(watched, line):
    """Whether something is gone once the line has done what it was asked to do between steps."""
    if line is not None:
        done = threading.Event()
        line.between(done.set)
        await asyncio.to_thread(done.wait, 30)
    return watched() is None


def test_what_a_run_held_is_freed_when_it_is_over_though_nothing_was_remembered_of_it():
    async def visit():
        line = Line()
        line.opened.set()
        house, rings = House(line), []

        def steps():
            ring = Ring()
            rings.append(weakref.ref(ring))
            yield None

        gc.disable()
        try:
            job = line.join("program", steps(), str)
            while not job.over:
                await asyncio.sleep(0.01)
            await house.sweep()
            return await is_freed(rings[0], line)
        finally:
            gc.enable()
            line.close("over")

    assert run_alone(visit())


@pytest.mark.parametrize("with_line", [False, True])
def test_what_refers_to_itself_is_freed_too(with_line):
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
            return await is_freed(watched, line)
        finally:
            gc.enable()

    assert run_alone(visit())
