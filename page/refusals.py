"""Calls that are refused are told so where browsers and client libraries listen: among the events of Gradio's queue.

They take no place in it: the queue never sees them, however many there are, and however full it is.
"""

import asyncio
import uuid
from collections import deque

import gradio as gr
from gradio.server_messages import ProcessCompletedMessage

from page.gate import Refused

MOST = 200  # refusals that nobody has fetched


class RefusedCall(Refused):
    """A call of a visitor who listens for what becomes of it."""

    def __init__(self, sentence: str, session: str) -> None:
        super().__init__(sentence)
        self.session = session


class Refusals:
    """Those that may not have been fetched yet, the oldest first."""

    def __init__(self) -> None:
        self._sent: deque[tuple[str, str]] = deque()

    def tell(self, page: gr.Blocks, session: str, sentence: str) -> str:
        """Have a visitor told a sentence in place of an answer; returns the number of the call."""
        queue, number = page._queue, uuid.uuid4().hex
        output = {"error": sentence, "title": "Please check", "visible": True, "duration": 10}
        queue.pending_event_ids_session.setdefault(session, set()).add(number)
        queue.pending_messages_per_session.setdefault(session, asyncio.Queue()).put_nowait(
            ProcessCompletedMessage(event_id=number, output=output, success=False, title="Please check")
        )
        self._sent.append((session, number))
        if len(self._sent) > MOST:
            self._forget(page, *self._sent.popleft())
        return number

    def _forget(self, page: gr.Blocks, session: str, number: str) -> None:
        queue = page._queue
        events = queue.pending_event_ids_session.get(session)
        if events is None:
            return
        events.discard(number)
        if not events:
            del queue.pending_event_ids_session[session]
            queue.pending_messages_per_session.pop(session, None)
        elif messages := queue.pending_messages_per_session.get(session):
            for message in [messages.get_nowait() for _ in range(messages.qsize())]:
                if message.event_id != number:  # of another call of that visitor
                    messages.put_nowait(message)
