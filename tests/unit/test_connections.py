"""Connections on which no request comes are closed, whatever little comes; those that are answered are not."""

import asyncio
import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from page import connections, serving
from page.connections import SLOW, bounded

HANG = 60  # seconds: nothing here takes one
ASKED = b"GET /%b HTTP/1.1\r\nHost: here\r\n\r\n"


class House:
    """A server that answers at once, but /late only once it is let; and sockets to it."""

    def __init__(self, port):
        self.port, self.asked, self.let = port, threading.Event(), threading.Event()

    async def answer(self, scope, receive, send):
        self.asked.set()
        while scope["path"] == "/late" and not self.let.is_set():
            await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"fine"})

    def connect(self, sent=b""):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=HANG)
        connection.sendall(sent)
        return connection


@contextmanager
def served(seconds, most=100):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        house = House(listener.getsockname()[1])
        options = {"interface": "asgi3", "ws": "none", "lifespan": "off", "log_level": "critical"}
        server = uvicorn.Server(uvicorn.Config(house.answer, http=bounded(H11Protocol, seconds, most), **options))
        server.install_signal_handlers = lambda: None
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield house
        finally:
            house.let.set()
            server.should_exit = True
            thread.join()


def read(connection, until=b""):
    """What comes, up to some words or the end of the connection."""
    said = b""
    while not until or until not in said:
        part = connection.recv(65536)
        if not part:
            break
        said += part
    return said


def test_a_connection_without_a_request_is_closed_without_a_word():
    with served(0.2) as house, house.connect() as connection:
        assert read(connection) == b""


@pytest.mark.parametrize("part", [b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: here\r\nX: "])
def test_half_a_head_is_answered_with_a_sentence_and_the_connection_closed(part):
    with served(0.2) as house, house.connect(part) as connection:
        said = read(connection)
    assert said.startswith(b"HTTP/1.1 408 ") and said.endswith(b"\r\n\r\n" + SLOW)


def test_a_head_that_comes_bit_by_bit_has_no_more_time_than_another():
    with served(0.3) as house, house.connect(b"GET / HTTP/1.1\r\nX: ") as connection:
        connection.settimeout(0.02)
        said = b""
        for _ in range(int(HANG / 0.02)):
            try:
                said = connection.recv(65536)
                break
            except TimeoutError:
                connection.sendall(b"x")
        assert b" 408 " in said


def test_after_an_answer_the_next_request_has_as_much_time_again():
    with served(0.3) as house, house.connect(ASKED % b"") as connection:
        assert b"fine" in read(connection, b"fine")
        connection.sendall(ASKED % b"")
        assert b"fine" in read(connection, b"fine")
        connection.sendall(b"GET / HT")
        assert b" 408 " in read(connection)


def test_a_body_that_never_comes_behind_an_answer_holds_nothing():
    with served(0.3) as house, house.connect(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx") as connection:
        assert b"fine" in read(connection)


def test_a_connection_that_is_being_answered_is_not_closed_however_long_it_takes():
    with served(0.2) as house, house.connect(ASKED % b"late") as late:
        for _ in range(3):
            with house.connect() as idle:
                assert read(idle) == b""
        house.let.set()
        assert b"fine" in read(late, b"fine")


def test_requests_that_came_at_once_are_all_answered():
    with served(0.3) as house, house.connect((ASKED % b"") * 3) as connection:
        assert read(connection).count(b"fine") == 3


def test_where_too_many_wait_those_go_that_waited_longest(monkeypatch):
    monkeypatch.setattr(connections, "AT_LEAST", 0)
    with served(HANG * 10, most=2) as house, house.connect() as first, house.connect(ASKED % b"late") as late:
        assert house.asked.wait(HANG)
        with house.connect() as second, house.connect() as third:
            assert read(first) == b""
            for connection in (second, third):
                connection.sendall(ASKED % b"")
                assert b"fine" in read(connection, b"fine")
            house.let.set()
            assert b"fine" in read(late, b"fine")


def test_the_page_is_served_with_bounds():
    config = uvicorn.Config(lambda: None)
    config.load()
    serving._bound_waiting_connections(SimpleNamespace(server=SimpleNamespace(config=config)))
    assert config.http_protocol_class.__qualname__ == f"{connections.bounded.__name__}.<locals>.Bounded"
    assert issubclass(config.http_protocol_class, H11Protocol) and config.ws_protocol_class is None
