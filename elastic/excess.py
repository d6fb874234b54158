"""What a side of a conversation holds or reads beyond the share it was asked for; the rule is `elastic.fairness`'s."""

from elastic.cache.report import full_bytes
from elastic.engine import State
from elastic.fairness import beyond_read, beyond_share
from elastic.record.recorder import Recorder
from elastic.record.said import share_of


def excess(state: State, recorder: Recorder, title: str) -> str:
    """A sentence about the current turn of the side that is called so, empty where it is fair."""
    beyond = (_read if state.policy.keep_is_read else _held)(state, recorder)
    return f"{title} {beyond}." if beyond else ""


def _held(state: State, recorder: Recorder) -> str:
    # A question that a compressed cache reads is held whole by every method: its words count for none.
    layers, asked = state.cache.layers, recorder.start.asked_after
    apart = full_bytes(layers, asked)
    read = recorder.shortened.among_all(state.seen)
    full = [full_bytes(layers, tokens - asked) for tokens in (len(recorder.start.pieces), read)]
    after_prompt = int(recorder.start.prompt_bytes.sum()) - apart
    peak = max([after_prompt, *(sum(step.bytes_held) - apart for step in recorder.steps)])
    return beyond_share(share_of(recorder.start), after_prompt / full[0], peak / full[1])


def _read(state: State, recorder: Recorder) -> str:
    layers, tokens = state.cache.layers, len(recorder.start.pieces) + 1
    read = (sum(step.bytes_read) / full_bytes(layers, tokens + n) for n, step in enumerate(recorder.steps))
    return beyond_read(share_of(recorder.start), max(read, default=0.0))
