"""The live view: its markup and script, and runs as messages of plain JSON. Knows no web framework."""

import base64
import io
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from elastic.trace import Trace

ASSETS = Path(__file__).parent.parent / "assets"
SCRIPTS = ("words", "tokens", "paint", "chart", "strip", "controls", "main")  # in the order they are joined
VERSION = 1  # of the messages; the script ignores others
PICTURE_LIMIT = 40_000  # characters of the data URI: the picture travels in two messages of every run

History = Sequence[Sequence[tuple[str, str]]]  # per side, the earlier (question, answer) pairs


@cache
def script() -> str:
    """The component's JavaScript, the body of a function of `element`, `props` and `watch`."""
    parts = [(ASSETS / "view" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return "\n".join(["'use strict';", *parts])


@cache
def style() -> str:
    """The component's CSS."""
    return (ASSETS / "trace_view.css").read_text(encoding="utf-8")


@cache
def template() -> str:
    """The component's fixed markup, empty of data."""
    return (ASSETS / "trace_view.html").read_text(encoding="utf-8")


def opening(
    sides: Sequence[Trace],
    picture: Image.Image | None,
    history: History | None = None,
    titles: Sequence[str] | None = None,
) -> dict:
    """Everything about a run that its steps do not change; `titles` are the policies' names for people."""
    history = history or [[] for _ in sides]
    titles = titles or [f"{side.policy.replace('-', ' ').capitalize()} cache" for side in sides]
    return {
        "picture": picture_uri(picture) if picture is not None else None,
        "grid": list(sides[0].grid),
        "question": sides[0].question,
        "sides": [_opening(*side) for side in zip(sides, history, titles, strict=True)],
    }


def _opening(side: Trace, history: Sequence[tuple[str, str]], title: str) -> dict:
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
        "promptSlots": side.prompt_slots.tolist(),
        "promptBytes": int(side.prompt_bytes.sum()),
        "prefillSeconds": _number(side.prefill_seconds),
        "compressSeconds": _number(side.compress_seconds),
        "history": [list(turn) for turn in history],
    }


def chunk(sides: Sequence[Trace], since: int) -> list[dict]:
    """Per side the answer steps from number `since` on, and the whole text so far."""
    return [_chunk(side, since) for side in sides]


def _chunk(side: Trace, since: int) -> dict:
    return {
        "answer": side.answer,
        "finish": side.finish,
        "steps": side.steps,
        "msPerToken": _number(side.milliseconds_per_token),
        "pieces": side.answer_pieces[since:],
        "logprob": [_number(value) for value in side.logprob[since:]],
        "ms": [_number(seconds * 1000) for seconds in side.seconds[since:]],
        "bytes": side.bytes_held[since:].sum(1).tolist(),
        "allocated": side.bytes_allocated[since:].tolist(),
        "slots": side.slots[since:].tolist(),
        # Most policies drop nothing in most steps.
        "dropped": [gone.tolist() if (gone >= 0).any() else None for gone in side.dropped[since:]],
    }


def message(
    run: str,
    seq: int,
    sides: Sequence[Trace],
    since: int,
    *,
    picture: Image.Image | None = None,
    history: History | None = None,
    titles: Sequence[str] | None = None,
    status: str = "",
    done: bool = False,
) -> dict:
    """One value of the component: the steps from `since` on; the first and the last message carry the opening too.

    The last one also carries every step, so that a view that missed messages, or was not there yet, is whole again.
    Without sides it only says what is going on.
    """
    since = 0 if done else since
    return {
        "v": VERSION,
        "run": run,
        "seq": seq,
        "since": since,
        "status": status,
        "done": done,
        "opening": opening(sides, picture, history, titles) if sides and (done or seq == 0) else None,
        "sides": chunk(sides, since),
    }


def picture_uri(picture: Image.Image) -> str:
    """A picture as a JPEG data URI that is small enough to travel with a message."""
    for side in (448, 336, 224, 112):
        small = picture.convert("RGB")
        small.thumbnail((side, side))
        for quality in (90, 75, 60):
            file = io.BytesIO()
            small.save(file, "JPEG", quality=quality)
            uri = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
            if len(uri) <= PICTURE_LIMIT:
                return uri
    return uri


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def _number(value: float) -> float | None:
    """JSON has no NaN; five digits are more than anyone reads."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
