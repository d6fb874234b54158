"""Calls that were refused: what is told of them is bounded, whoever is told and however often."""

import asyncio
from types import SimpleNamespace

from page.refusals import MOST, Refusals
from tests.unit.loops import run_alone


def told(sessions):
    """What Gradio's queue holds after a refusal for each of some sessions: numbers and messages by session."""
    queue = SimpleNamespace(pending_event_ids_session={}, pending_messages_per_session={})
    page, refusals = SimpleNamespace(_queue=queue), Refusals()

    async def tell():
        queue.pending_event_ids_session["busy"] = {"a run that goes on"}
        queue.pending_messages_per_session["busy"] = asyncio.Queue()
        queue.pending_messages_per_session["busy"].put_nowait(SimpleNamespace(event_id="a run that goes on"))
        numbers = [refusals.tell(page, session, str(number)) for number, session in enumerate(sessions)]
        waiting = {
            name: [messages.get_nowait().event_id for _ in range(messages.qsize())]
            for name, messages in queue.pending_messages_per_session.items()
        }
        return numbers, queue.pending_event_ids_session, waiting

    return run_alone(tell())


def test_the_oldest_refusals_of_one_visitor_are_forgotten_and_nothing_else_is():
    numbers, events, waiting = told(["busy"] * (MOST + 50))
    assert waiting["busy"] == ["a run that goes on", *numbers[-MOST:]]
    assert events["busy"] == {"a run that goes on", *numbers[-MOST:]}


def test_visitors_whose_only_refusal_is_forgotten_are_forgotten_with_it():
    numbers, events, waiting = told(map(str, range(MOST + 50)))
    assert events.keys() == waiting.keys() == {"busy", *map(str, range(50, MOST + 50))}
    assert [of[0] for of in waiting.values()] == ["a run that goes on", *numbers[-MOST:]]
