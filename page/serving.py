"""A page as a program: what it needs before it can serve, and how it ends."""

import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from starlette.middleware import Middleware

from page import health, incoming
from page.connections import bounded
from page.entrance import Entrance, Page
from page.listening import Hearing, Listening
from page.model import Model
from page.store import Store
from page.sweeper import SESSION_BYTES, Sweeper
from page.uploads import Uploads, remove

LAST_WORDS = "The server is being stopped. Ask again in a minute."
LAST_SECONDS = 2.5  # for last words to be said
ENDED, BROKEN = 0, 2  # exit codes
THREADS = 100  # of events at once: those who wait in line need none, but count
LOOKS_EVERY = 0.02  # seconds between Gradio's looks for work; a look every millisecond takes a tenth of a core
TELLS_EVERY = 0.1  # and between its looks for progress to tell of
# Connections on which nobody is any more, found after so many seconds: a network that was cut says nothing.
UNANSWERED, QUIET, BETWEEN, TRIES = 20, 8, 4, 3


class Ending:
    """What SIGTERM and Ctrl-C ask for; also as the first process of a container, which has no default for them."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.asked.set())


def check_port(host: str | None, port: int | None) -> int | None:
    """The port to serve on where one was named, by an option or GRADIO_SERVER_PORT.

    Raises:
        ValueError: if nobody can listen there.
    """
    named = os.environ.get("GRADIO_SERVER_PORT")
    if port is None and named:
        if not named.isdecimal():
            raise ValueError(
                f"GRADIO_SERVER_PORT is {named[:20]!r}, which is no port. Set it to a number, or not at all."
            )
        port = int(named)
    if port is None:
        return None
    host = host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(
            f"Nothing can be served on {host}:{port}: {reason}. Choose another --port or --host."
        ) from error
    return port


def serve(
    page: Page,
    model: Model | None,
    store: Store,
    listening: Listening,
    folder: Path,
    ending: Ending,
    **options: object,
) -> int:
    """Serve until somebody ends the program or the model fails; the exit code.

    Raises:
        ValueError: if the server cannot be started.
    """
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # every connection takes one
    page.queue(max_size=64, default_concurrency_limit=8, api_open=False)
    page._queue.sleep_when_free, page._queue.progress_update_sleep_when_free = LOOKS_EVERY, TELLS_EVERY
    try:
        page.launch(
            prevent_thread_lock=True,
            max_threads=THREADS,
            state_session_capacity=max(100, store.limit // 4 // SESSION_BYTES),
            app_kwargs={
                "routes": [health.route(model, store)],
                "middleware": [Middleware(Entrance, page=page), Middleware(Hearing, listening=listening)],
            },
            **options,
        )
    except OSError as error:
        raise ValueError(f"The page cannot be served: {error}") from error
    _notice_cut_connections(page)
    _bound_waiting_connections(page)
    sweeper = Sweeper(store, listening, Uploads(store), model and model.line, page)
    sweeper.start()
    while not ending.asked.wait(0.2):
        if model is not None and model.error:
            print(model.error, file=sys.stderr)
            break
    sweeper.stop()
    _end(page, model, folder)
    return ENDED if ending.asked.is_set() else BROKEN


def _end(page: Page, model: Model | None, folder: Path) -> None:
    """No new runs, a last message for those that go on, and an end in any case."""
    give_up = threading.Timer(8, lambda: (remove(folder), os._exit(ENDED)))
    give_up.daemon = True
    give_up.start()
    if model is not None:
        model.line.close(LAST_WORDS, 4)
    until = time.monotonic() + LAST_SECONDS
    while _has_more_to_say(page) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.3)  # last words are on their way
    incoming.close()
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # that connections are ended is known
    page.server.config.timeout_graceful_shutdown = 1
    page.close(verbose=False)


def _has_more_to_say(page: Page) -> bool:
    """Whether something is still under way for somebody, or was not sent yet."""
    unsent = list(page._queue.pending_messages_per_session.values())
    return any(page._queue.active_jobs) or any(not messages.empty() for messages in unsent)


def _notice_cut_connections(page: Page) -> None:
    """Have the system end connections that nobody answers on: else a run goes on for a machine that is off."""
    for server in page.server.servers:
        for listener in server.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in (
                ("TCP_KEEPIDLE", QUIET),
                ("TCP_KEEPINTVL", BETWEEN),
                ("TCP_KEEPCNT", TRIES),
                ("TCP_USER_TIMEOUT", 1000 * UNANSWERED),
            ):
                if hasattr(socket, name):  # not on every system
                    listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _bound_waiting_connections(page: Page) -> None:
    """Have the server close connections on which no request comes; Gradio 6.31 has no option for that."""
    config = page.server.config
    config.http_protocol_class = bounded(config.http_protocol_class)
    config.ws_protocol_class = None  # nothing here speaks it, and it would take a connection out of these bounds


def or_one_sentence(run: Callable[[], int]) -> int:
    """What a program ends with: if it cannot begin, one sentence and not a traceback."""
    try:
        return run()
    except ValueError as error:
        print(error, file=sys.stderr)
        return BROKEN
