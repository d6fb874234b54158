"""Who listens: which visitors and callers have a connection open on which the server can tell them something.

Knows addresses of Gradio's interface, nothing of its insides.
"""

import asyncio
import re
from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from page.answering import Refusal
from page.arriving import parameter

ANSWERS = re.compile(r"/call/(?:v2/)?[^/]+/(?P<name>[^/]+)/?$")  # of a call, by the number it was given
EVENTS = re.compile(r"/queue/data/?$")  # of a session
HEARTBEAT = re.compile(r"/heartbeat/(?P<name>[^/]+)/?$")

MOST_STREAMS = 400  # of all visitors: a tab holds two
MOST_EACH = 4  # under one name

FULL = "Too many visitors are here. Try again in a minute."
SEVERAL = "Too many connections listen for the same answers already. Close some of them, or reload the page."


class Listening:
    """Open connections by the name of the session, or of the call, that is told something there."""

    def __init__(self) -> None:
        self._answers: Counter[str] = Counter()
        self._heartbeats: Counter[str] = Counter()
        self.loop: asyncio.AbstractEventLoop | None = None  # the server's, once it serves

    def hears(self, *names: str) -> bool:
        """Whether anybody waits for answers under one of these names."""
        return any(self._answers[name] for name in names)

    def is_there(self, name: str) -> bool:
        """Whether a visitor has any connection open, if only that of his tab."""
        return bool(self._answers[name] or self._heartbeats[name])

    @property
    def open(self) -> int:
        """Connections that are open."""
        return self._answers.total() + self._heartbeats.total()

    def stream_of(self, scope: Scope) -> tuple[Counter[str], str] | None:
        """Where a request that stays open is to be counted, None for all others."""
        if scope["method"] != "GET":
            return None
        if EVENTS.search(scope["path"]):
            return self._answers, parameter(scope, "session_hash")
        for pattern, counter in ((ANSWERS, self._answers), (HEARTBEAT, self._heartbeats)):
            if found := pattern.search(scope["path"]):
                return counter, found["name"]
        return None


class Hearing:
    """ASGI middleware that counts the streams of `app` while they are open; `entrance` says why one is refused."""

    def __init__(self, app: ASGIApp, listening: Listening) -> None:
        self.app, self.listening = app, listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request.

        Raises:
            Refusal: if more streams are open than there is room for.
        """
        self.listening.loop = asyncio.get_running_loop()
        stream = self.listening.stream_of(scope) if scope["type"] == "http" else None
        if stream is None:
            await self.app(scope, receive, send)
        elif self.listening.open >= MOST_STREAMS:
            raise Refusal(503, FULL)
        elif stream[0][stream[1]] >= MOST_EACH:
            raise Refusal(503, SEVERAL)
        else:
            counter, name = stream
            counter[name] += 1
            try:
                await self.app(scope, receive, send)
            finally:
                counter[name] -= 1
                if not counter[name]:
                    del counter[name]
