"""The live view: its markup and script, and runs as messages of plain JSON. Knows no web framework."""

import base64
import math
from functools import cache
from pathlib import Path

import numpy as np

from elastic.trace import Run, Trace
from viz.joiner import joined

ASSETS = Path(__file__).parent.parent / "assets"
VERSION = 3  # of the messages; the script ignores others


@cache
def script() -> str:
    """The component's JavaScript, the body of a function of `element`, `props`, `watch` and `server`."""
    return joined(ASSETS / "web" / "view" / "start.js")


@cache
def style() -> str:
    """The component's CSS."""
    parts = ("trace_view.css", "view/strips.css", "view/panels.css")
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in parts)


@cache
def template() -> str:
    """The component's fixed markup, empty of data."""
    return (ASSETS / "trace_view.html").read_text(encoding="utf-8")


def message(run: Run, seq: int, since: int, *, status: str = "", done: bool = False, show: dict | None = None) -> dict:
    """One value of the component: the steps from `since` on; the first and the last message carry the opening too.

    The last one also carries every step, so that a view that missed messages, or was not there yet, is whole again.
    `show` is what the view opens with, where its address asks for nothing else: mode, layer, head (from 1), t (step).
    """
    since = 0 if done else since
    return {
        "v": VERSION,
        "run": run.name,
        "seq": seq,
        "since": since,
        "status": status,
        "done": done,
        "opening": opening(run) | {"show": show} if done or seq == 0 else None,
        "sides": chunk(run, since),
    }


def status(line: str) -> dict:
    """A message that only says what is going on."""
    return {"v": VERSION, "run": "", "seq": 0, "since": 0, "status": line, "done": False, "opening": None, "sides": []}


def with_wrong(message: dict, sentences: list[str]) -> dict:
    """A message that also says what is wrong with the address of the page, until another run is shown."""
    return message | {"wrong": sentences} if sentences else message


def awaiting(line: str, seconds: float) -> dict:
    """A message after which the next one comes in that time, or the view says that nothing is heard."""
    return status(line) | {"awaits": seconds}


def opening(run: Run) -> dict:
    """Everything about a run that its steps do not change."""
    return {
        "picture": "data:image/jpeg;base64," + base64.b64encode(run.picture).decode() if run.picture else None,
        "grid": list(run.sides[0].grid),
        "question": run.sides[0].question,
        "shape": run.shape,
        "about": run.about,
        "link": run.link,
        "sides": [_opening(*side) for side in zip(run.sides, run.history, run.titles, strict=True)],
    }


def _opening(side: Trace, history: list[tuple[str, str]], title: str) -> dict:
    keep = side.options.get("keep", 1.0)
    return {
        "policy": side.policy,
        "title": title,
        "kept": f"{keep * 100:g} % kept" if keep < 1 else "",
        "options": dict(side.options),
        "model": side.model,
        # The word for a patch is always the same: no need to send it hundreds of times.
        "pieces": ["" if image else piece for piece, image in zip(side.pieces, side.is_image, strict=True)],
        "isImage": side.is_image.astype(int).tolist(),
        "isPrompt": side.is_prompt.astype(int).tolist(),
        "shape": list(side.owner.shape),
        "owner": _base64(side.owner.astype("<i2")),
        "score": _base64(side.score.astype("<f4")),
        "sparsity": [_number(value) for value in side.sparsity],
        "channels": _channels(side.channels),
        "unseen": side.unseen,
        "promptSlots": side.prompt_slots.tolist(),
        "promptBytes": int(side.prompt_bytes.sum()),
        "promptLimit": int(side.limit_bytes[0]),
        "prefillSeconds": _number(side.prefill_seconds),
        "compressSeconds": _number(side.compress_seconds),
        "history": [list(turn) for turn in history],
    }


def _channels(kept: np.ndarray) -> dict | None:
    """Which channels keys hold, a bit each; None where they hold all, as nearly always."""
    return None if kept.all() else {"shape": list(kept.shape), "bits": _base64(np.packbits(kept.astype(bool)))}


def chunk(run: Run, since: int) -> list[dict]:
    """Per side the answer steps from number `since` on, and the whole text so far."""
    return [_chunk(side, since) for side in run.sides]


def _chunk(side: Trace, since: int) -> dict:
    return {
        "answer": side.answer,
        "finish": side.finish,
        "steps": side.steps,
        "msPerToken": _number(side.milliseconds_per_token),
        "pieces": side.answer_pieces[since:],
        "logprob": [_number(value) for value in side.logprob[since:]],
        "reference": [_number(value) for value in side.reference_logprob[since:]],
        "divergence": [_number(value) for value in side.divergence[since:]],
        "ms": [_number(seconds * 1000) for seconds in side.seconds[since:]],
        "bytes": side.bytes_held[since:].sum(1).tolist(),
        "allocated": side.bytes_allocated[since:].tolist(),
        "limit": side.limit_bytes[1 + since :].tolist(),
        "slots": side.slots[since:].tolist(),
        "dropped": _given_up(side.dropped[since:]),
        "joined": _given_up(side.joined[since:]),
        "looked": _looked(side, since),
    }


def _given_up(steps: np.ndarray) -> list[list[int] | None]:
    """Per step the L x H tokens, None where there are none: in most steps most policies give nothing up."""
    return [tokens.ravel().tolist() if (tokens >= 0).any() else None for tokens in steps]


def layer(run: Run, number: int, since: int = 0) -> list[list[str]]:
    """Per side what the answer's steps from `since` on looked at in one layer, in the form of a chunk's `looked`."""
    return [_looked(side, since, number) for side in run.sides]


def _looked(side: Trace, since: int, layer: int | None = None) -> list[str]:
    """Per step the attention on every token before it, of a layer or the mean of all: bytes of 255 sqrt(weight).

    The root gives small weights, which are most of them, the finer steps.
    """
    rows = side.looked[since:].astype(np.float32)
    rows = rows.mean(1) if layer is None else rows[:, layer]
    coded = np.sqrt(rows.clip(0, 1) * 255**2).round().astype(np.uint8)
    return [_base64(row[: len(side.pieces) + since + step]) for step, row in enumerate(coded)]


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def _number(value: float) -> float | None:
    """JSON has no NaN; five digits are more than anyone reads."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
