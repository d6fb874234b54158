"""Answers to HTTP requests: Gradio's as they are, but errors are said in a sentence of ours. Knows no values."""

import asyncio
import json

from starlette.types import Message, Receive, Send

from page import incoming

NOT_HERE = "There is nothing at this address. The page is at /, what programs can call at /gradio_api/info."
FULL = "Too many questions are waiting already. Ask again in a minute."
FAILED = "The program failed at this. It is noted at the server; try again, or something else."
UNREADABLE = "The request cannot be read. The page is at /, what programs can call at /gradio_api/info."
SENTENCES = {403: NOT_HERE, 404: NOT_HERE, 405: NOT_HERE, 413: incoming.TOO_LARGE, 503: FULL}
CUT = f"event: error\ndata: {json.dumps('The server is being stopped. Ask again in a minute.')}\n\n".encode()
CLOSED = b'"msg":"close_stream"'
MOST_READ = 100_000  # bytes of an error


class Refusal(Exception):
    """What is answered in place of what was asked for: a status of HTTP, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Response:
    """Sends an answer on; `is_event` where a failure is a page event that says no, in words of ours."""

    def __init__(self, send: Send, is_event: bool) -> None:
        self._send, self._is_event = send, is_event
        self._begun = False
        self._is_closed = False  # whether a browser was told that it need not listen any more
        self._status = 0  # of an error that is being held back
        self._text = b""

    async def __call__(self, message: Message) -> None:
        """One part of the answer."""
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._status = message["status"]
        elif not self._status:
            self._begun = True
            self._is_closed |= CLOSED in message.get("body", b"")
            # What the server says when it cuts off whoever still listens at its end names tasks and folders.
            is_cut = b"cancel scope" in message.get("body", b"")
            await self._send(message | {"body": CUT} if is_cut else message)
        elif message["type"] == "http.response.body":
            self._text += message.get("body", b"")[:MOST_READ]
            if not message.get("more_body"):
                await self.refuse(*self._refusal())

    def _refusal(self) -> tuple[int, str]:
        if self._is_event and self._status >= 500:
            try:
                return 422, str(json.loads(self._text)["error"] or FAILED)
            except (ValueError, KeyError, TypeError):
                return 500, FAILED
        status = 404 if self._status in (403, 405) else self._status
        return status, SENTENCES.get(self._status, FAILED if status >= 500 else UNREADABLE)

    def while_open(self, receive: Receive) -> Receive:
        """The same, but a browser that leaves once it was told that it may is not taken for one that has vanished.

        For such Gradio 6.31 ends whatever the session has asked for, what it asks right now included.
        """

        async def received() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and self._is_closed:
                await asyncio.Event().wait()  # the answer is just ending by itself
            return message

        return received

    async def refuse(self, status: int, sentence: str) -> None:
        """Answer with a sentence; where an answer has begun it is too late."""
        if not self._begun:
            text = json.dumps({"detail": sentence, "error": sentence}, ensure_ascii=False)
            await self._all(status, b"application/json", text)

    async def event(self, number: str) -> None:
        """Answer a call with the number under which its outcome is told."""
        await self._all(200, b"application/json", json.dumps({"event_id": number}))

    async def end_of_events(self, sentence: str) -> None:
        """Answer a browser that listens for events: there are none any more, and it begins anew."""
        event = {"msg": "unexpected_error", "message": sentence, "success": False, "session_not_found": True}
        await self._events(event)

    async def refuse_events(self, sentence: str) -> None:
        """Answer a browser that may not listen now: what it waits for has failed, and it may ask again.

        Not by a status: Gradio 6.31 takes any other than 200 for a server that is gone, and loads the page anew.
        """
        output = {"error": sentence, "title": "Please try again", "visible": True, "duration": 10}
        # Without a number it is for everything that is waited for.
        await self._events({"msg": "process_completed", "output": output, "success": False}, {"msg": "close_stream"})

    async def _events(self, *events: dict) -> None:
        await self._all(200, b"text/event-stream", "".join(f"data: {json.dumps(event)}\n\n" for event in events))

    async def _all(self, status: int, kind: bytes, text: str) -> None:
        self._begun = True
        content = text.encode()
        headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": content})
