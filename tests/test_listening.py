"""Who listens, by the connections that are open."""

import asyncio

import pytest

from page import listening as listening_module
from page.listening import Hearing, Listening
from tests.loops import run_alone


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


@pytest.mark.parametrize(
    ("path", "method"), [("/", "GET"), ("/gradio_api/call/compare", "POST"), ("/gradio_api/queue/join", "POST")]
)
def test_whoever_asks_does_not_listen_yet(path, method):
    assert Listening().stream_of(request(path, method=method)) is None


def test_no_more_streams_are_open_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(listening_module, "MOST_STREAMS", 3)

    async def visit():
        server, listening = Server(), Listening()
        streams = [request(f"/gradio_api/heartbeat/{number}") for number in range(5)]
        tasks, said = await opened(Hearing(server, listening), *streams)
        server.done.set()
        await asyncio.gather(*tasks)
        return server.inside, [message["status"] for message in said if "status" in message]

    assert run_alone(visit()) == (3, [503, 503])
