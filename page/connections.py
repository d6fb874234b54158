"""Connections on which nobody asks for anything: each may wait for a while, and so many at once.

uvicorn 0.54 waits without end for the head of a request, for the rest of one that has begun too.
"""

import asyncio

SECONDS = 20.0  # in which the head of a request arrives: from the opening of a connection, or from the last answer on
MOST = 500  # connections without a request, of all callers: behind a proxy all have one address
AT_LEAST = 0.5  # seconds that each of them may wait: its request may be on its way
SLOW = b"The request took too long to arrive. Send it again, all at once."
HEAD = b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


def bounded(protocol: type[asyncio.Protocol], seconds: float = SECONDS, most: int = MOST) -> type[asyncio.Protocol]:
    """One of uvicorn's protocols that closes a connection whose next request does not come.

    After `seconds`, or sooner where more than `most` wait: then those that have waited longest.
    """
    waiting: dict[asyncio.Protocol, asyncio.TimerHandle] = {}  # the longest first
    spare = AT_LEAST - seconds

    class Bounded(protocol):
        has_begun = False  # whether some of the next request is here

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.await_request()

        def data_received(self, data: bytes) -> None:
            self.has_begun = True
            super().data_received(data)
            if self.is_answering():
                self.await_nothing()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self.is_answering():  # as it is where several requests came at once
                self.await_request()

        def connection_lost(self, exc: Exception | None) -> None:
            self.await_nothing()
            super().connection_lost(exc)

        def is_answering(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def await_request(self) -> None:
            self.await_nothing()
            self.has_begun = False
            loop = asyncio.get_running_loop()
            waiting[self] = loop.call_later(seconds, self.give_up)
            while len(waiting) > most and loop.time() - waiting[longest := next(iter(waiting))].when() > spare:
                longest.give_up()

        def await_nothing(self) -> None:
            if timer := waiting.pop(self, None):
                timer.cancel()

        def give_up(self) -> None:
            self.await_nothing()
            if self.has_begun:
                self.transport.write(HEAD % len(SLOW) + SLOW)
            self.transport.close()

    return Bounded
