"""Who listens, by the connections that are open."""

import asyncio
import json
from contextlib import suppress
from types import SimpleNamespace

import pytest

from page import listening as listening_module
from page.entrance import Entrance
from page.listening import MOST_EACH, MOST_STREAMS, Hearing, Listening
from tests.unit.loops import run_alone


def request(path, query="", method="GET"):
    return {"type": "http", "method": method, "path": path, "query_string": query.encode()}


class Server:
    """Answers when it is told to."""

    def __init__(self):
        self.done, self.inside = asyncio.Event(), 0

    async def __call__(self, scope, receive, send):
        self.inside += 1
        await self.done.wait()


async def opened(hearing, *requests):
    """Requests that stay open; what the server says to each."""
    said = []

    async def send(message):
        said.append(message)

    tasks = [asyncio.create_task(hearing(each, None, send)) for each in requests]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks, said


@pytest.mark.parametrize(
    ("path", "query", "name", "hears"),
    [
        ("/gradio_api/queue/data", "session_hash=abc", "abc", True),
        ("/under/a/path/gradio_api/queue/data", "x=1&session_hash=abc", "abc", True),
        # Of several Gradio takes the last: nobody listens to the others.
        ("/gradio_api/queue/data", "session_hash=other&session_hash=abc", "abc", True),
        ("/gradio_api/queue/data", "session_hash=other&session_hash=", "", True),
        ("/gradio_api/call/compare/abc", "", "abc", True),
        ("/gradio_api/call/v2/compare/abc", "", "abc", True),
        ("/gradio_api/heartbeat/abc", "", "abc", False),
    ],
)
def test_a_stream_is_counted_while_it_is_open(path, query, name, hears):
    async def visit():
        server, listening = Server(), Listening()
        tasks, _ = await opened(Hearing(server, listening), request(path, query))
        during = listening.hears(name), listening.is_there(name), listening.open, listening.hears("other")
        server.done.set()
        await asyncio.gather(*tasks)
        return during, listening.hears(name), listening.is_there(name), listening.open

    assert run_alone(visit()) == ((hears, True, 1, False), False, False, 0)


def test_a_stream_that_breaks_off_is_no_longer_counted():
    async def visit():
        listening = Listening()
        tasks, _ = await opened(Hearing(Server(), listening), *[request("/gradio_api/heartbeat/abc")] * 2)
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        one = listening.is_there("abc")
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        return one, listening.is_there("abc"), listening.open

    assert run_alone(visit()) == (True, False, 0)


def test_nothing_is_kept_of_those_who_have_gone():
    async def visit():
        server, listening = Server(), Listening()
        streams = [request(f"/gradio_api/{kind}/{n}") for n in range(50) for kind in ("heartbeat", "call/compare")]
        assert len(streams) < MOST_STREAMS
        tasks, _ = await opened(Hearing(server, listening), *streams)
        during = len(listening._answers), len(listening._heartbeats)
        server.done.set()
        await asyncio.gather(*tasks)
        assert not any(listening.hears(f"{n}") or listening.is_there(f"{n}") for n in range(100))
        return during, len(listening._answers), len(listening._heartbeats)

    assert run_alone(visit()) == ((50, 50), 0, 0), "asking for a name must not make it stay either"


def test_whoever_listens_under_one_of_several_names_listens():
    async def visit():
        listening = Listening()
        tasks, _ = await opened(Hearing(Server(), listening), request("/gradio_api/call/compare/number"))
        tasks[0].cancel()
        return listening.hears("session", "number"), listening.hears("number", "session"), listening.hears("session")

    assert run_alone(visit()) == (True, True, False)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/", "GET"),
        ("/gradio_api/call/compare", "POST"),
        ("/gradio_api/queue/join", "POST"),
        ("/gradio_api/queue/data", "HEAD"),
        ("/gradio_api/heartbeat/abc", "HEAD"),
        ("/gradio_api/call/compare/abc", "POST"),
    ],
)
def test_whoever_asks_does_not_listen_yet(path, method):
    assert Listening().stream_of(request(path, method=method)) is None


def test_all_that_is_no_stream_is_served_and_never_counted(monkeypatch):
    monkeypatch.setattr(listening_module, "MOST_STREAMS", 0)

    async def visit():
        server, listening = Server(), Listening()
        others = [request("/"), request("/gradio_api/queue/join", method="POST"), {"type": "lifespan"}]
        tasks, said = await opened(Hearing(server, listening), *others)
        during = listening.open
        server.done.set()
        await asyncio.gather(*tasks)
        return server.inside, during, said, listening.loop is asyncio.get_running_loop()

    assert run_alone(visit()) == (3, 0, [], True)


async def answered(*requests):
    """What those are told whose streams come through the entrance, in order; those who are let in stay."""
    page = SimpleNamespace(_queue=SimpleNamespace(pending_messages_per_session={"abc": None}))
    server, told = Server(), []
    entrance = Entrance(Hearing(server, Listening()), page)

    async def visit(each):
        said = []

        async def send(message):
            said.append(message)

        await entrance(each | {"headers": []}, None, send)
        told.append((said[0]["status"], b"".join(part.get("body", b"") for part in said).decode()) if said else None)

    tasks = [asyncio.create_task(visit(each)) for each in requests]
    for _ in range(20):
        await asyncio.sleep(0)
    refused = list(told)
    server.done.set()
    await asyncio.gather(*tasks)
    return server.inside, refused


def test_no_more_streams_are_open_than_there_is_room_for_and_each_refusal_says_its_own_reason(monkeypatch):
    monkeypatch.setattr(listening_module, "MOST_STREAMS", 3)
    inside, told = run_alone(answered(*[request(f"/gradio_api/heartbeat/{number}") for number in range(5)]))
    assert inside == 3 and [status for status, _ in told] == [503, 503]
    assert all(json.loads(text)["error"] == listening_module.FULL for _, text in told)


def test_one_visitor_cannot_take_the_room_of_the_others():
    streams = [request("/gradio_api/heartbeat/greedy")] * (MOST_EACH + 2)
    inside, told = run_alone(answered(*streams, request("/gradio_api/heartbeat/modest")))
    assert inside == MOST_EACH + 1 and [status for status, _ in told] == [503, 503]


def test_too_many_streams_under_one_name_are_refused_for_that_reason():
    inside, told = run_alone(answered(*[request("/gradio_api/heartbeat/abc")] * 6))
    assert inside == listening_module.MOST_EACH and len(told) == 2
    assert all(json.loads(text)["error"] == listening_module.SEVERAL for _, text in told)


def test_a_browser_that_may_not_listen_is_told_so_where_it_listens_and_may_try_again():
    events = request("/gradio_api/queue/data", "session_hash=abc")
    _, told = run_alone(answered(*[events] * 5))
    [(status, text)] = told
    first, second = (json.loads(line.removeprefix("data: ")) for line in text.split("\n\n") if line)
    assert status == 200 and first["output"]["error"] == listening_module.SEVERAL and first["output"]["visible"]
    assert not first["success"] and "event_id" not in first and second == {"msg": "close_stream"}


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_browser_that_leaves_when_it_was_told_to_has_not_vanished(is_closed):
    noticed = []

    async def server(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        said = b'data: {"msg":"close_stream","event_id":null}' if is_closed else b'data: {"msg":"heartbeat"}'
        await send({"type": "http.response.body", "body": said, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                noticed.append((await receive())["type"])

    async def gone():
        return {"type": "http.disconnect"}

    async def nowhere(message):
        pass

    page = SimpleNamespace(_queue=SimpleNamespace(pending_messages_per_session={"abc": None}))
    events = request("/gradio_api/queue/data", "session_hash=abc") | {"headers": []}
    run_alone(Entrance(server, page)(events, gone, nowhere))
    assert noticed == ([] if is_closed else ["http.disconnect"])
