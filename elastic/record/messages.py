"""What a view is sent of a run: the one schema that server and browser share, and how a run becomes it.

`assets/web/message.d.ts` is written from the classes here (`python -m tests.contract`): a field has one name on both
sides. Numbers and booleans travel as such, for the view to put into words; large arrays as the base64 of their bytes.
"""

import base64
import json
from dataclasses import dataclass, field

import numpy as np

from elastic.record.as_text import given_up, looked_of, read_of
from elastic.record.coding import as_base64, as_number, as_numbers
from elastic.record.erasure import Erasure
from elastic.record.reuse import Reuse
from elastic.record.said import Coming, SaidTurn, share_of, turns_of
from elastic.record.shortened import Fewer
from elastic.record.trace import Run, Trace

VERSION = 9  # of the messages; a view ignores others
LATE = 1_000_000  # the number of a last message: above that of every other


@dataclass(frozen=True)
class ChannelBits:
    """Which channels keys hold, a bit each, in the order of the shape: layers, key heads, channels."""

    shape: list[int]
    bits: str  # base64 of bytes, the first channel in the highest bit


@dataclass(frozen=True)
class SideOpening:
    """Everything about a side that its steps do not change; the arrays are those of `Trace`."""

    policy: str
    title: str
    keep: float  # share of the cache that the policy is to keep, 1 where it is asked for no less
    is_compressed: bool
    options: dict[str, float | bool | str]
    model: str
    pieces: list[str]  # empty for patches: their word is always the same
    place: str  # base64 of int16, tokens x (picture, view, row, column); see `Trace`
    is_prompt: list[bool]
    layers: int
    heads: int
    owner: str  # base64 of int16, layers x heads x tokens
    score: str  # base64 of float32, layers x tokens
    sparsity: list[float | None]
    channels: ChannelBits | None  # None where keys hold all of them, as nearly always
    unseen: str
    prompt_slots: list[float]  # per layer the mean of its heads
    prompt_bytes: int  # of all layers
    prompt_limit_bytes: int
    prefill_seconds: float | None
    compress_seconds: float | None
    asked_after: int  # tokens of the question that were read when the cache was compressed already; mostly none
    erasure: Erasure | None  # None where nothing was erased, as mostly
    reuse: Reuse | None  # None where all of the prompt was read where it stands, as mostly
    fewer: Fewer | None  # None where the language model was given all tokens of its pictures, as mostly
    remembers: bool  # whether what is dropped goes into a memory, which gets a share of attention: see `SideSteps`
    reads_part: bool  # whether tokens of the answer read a part of what is held, as rarely


@dataclass(frozen=True)
class Show:
    """What a view opens with, where its address asks for nothing else; layer and head count from 1, `t` is a step."""

    mode: str = ""
    layer: int | None = None
    head: int | None = None
    t: int | None = None


@dataclass(frozen=True)
class ModelShape:
    """The language model's shape, and the bytes of a number in its cache and of all its weights."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    element_bytes: int
    weight_bytes: int


@dataclass(frozen=True)
class SeenView:
    """A view with what the model saw of it; the numbers are those of `ViewFrame`."""

    rows: int
    columns: int
    box: list[float]  # left, top, right, bottom
    picture: int
    pixels: str | None  # data URL


@dataclass(frozen=True)
class Opening:
    """Everything about a run that its steps do not change."""

    views: list[SeenView]
    question: str
    shape: ModelShape
    about: dict[str, str]
    link: dict[str, str]
    sides: list[SideOpening]
    show: Show | None = None


@dataclass(frozen=True)
class SideSteps:
    """The answer steps of a side from some number on, a value of each list per step, and the whole text so far."""

    answer: str
    finish: str
    steps: int  # that there are in all
    milliseconds_per_token: float | None
    answer_pieces: list[str]
    logprob: list[float | None]
    reference_logprob: list[float | None]
    divergence: list[float | None]
    seconds: list[float | None]
    bytes_held: list[int]  # of all layers
    bytes_read: list[int]  # of the token: what is held, or the part of it that is read, and the index that says which
    bytes_allocated: list[int]
    limit_bytes: list[int]
    slots: list[list[float]]  # per layer
    dropped: list[list[int] | None]  # layers x heads, None where nothing was
    joined: list[list[int] | None]
    looked: list[str]  # base64 of bytes of 255 sqrt(weight), mean of the layers, per token before the step
    # Per layer the share of attention that went to what was forgotten, mean of heads; None: nothing remembers it.
    forgotten: list[list[float]] | None
    read: list[str]  # base64 of bytes of 255 x share of heads that read it, likewise; empty where all is read


@dataclass(frozen=True)
class Message:
    """A stretch of a run, or, without sides, a sentence about what is going on."""

    version: int
    run: str
    seq: int  # of messages of this run: the view ignores earlier ones that come late
    since: int  # the step with which the lists of `sides` begin
    status: str
    done: bool
    opening: Opening | None
    sides: list[SideSteps]
    wrong: list[str] = field(default_factory=list)  # what the page's address asks in vain
    awaits: float | None = None  # seconds in which the next message comes, or nothing is heard
    # The conversation that the run belongs to, its own turn last; comes with the opening, or alone where none is held.
    turns: list[SaidTurn] | None = None
    coming: Coming | None = None  # without sides: the question that this is about, until it is answered or given up
    beside: str = ""  # the run that this one is shown beside: its question asked anew, without tokens of its prompt


@dataclass(frozen=True)
class LayerLooked:
    """What answer steps looked at, and read, in one layer: per side, in the form of `SideSteps`."""

    sides: list[list[str]]
    read: list[list[str]]


def as_json(message: Message | LayerLooked) -> str:
    """A message as it travels.

    Raises:
        ValueError: if it holds a number that JSON has no word for.
    """
    return json.dumps(message, default=vars, allow_nan=False)


def of_run(
    run: Run,
    seq: int,
    since: int,
    *,
    status: str = "",
    done: bool = False,
    show: Show | None = None,
    turns: list[SaidTurn] | None = None,
) -> Message:
    """The steps of a run from `since` on; the first and the last message carry the opening and the `turns`, too.

    The last one also carries every step, so that a view that missed messages, or was not there yet, is whole again.
    Where no turns are given, they are what the run itself knows of its conversation: words.
    """
    since = 0 if done else since
    opened = opening(run, show) if done or seq == 0 else None
    said = None if opened is None else turns or turns_of(run)
    sides = [steps_of(side, since) for side in run.sides]
    return Message(VERSION, run.name, seq, since, status, done, opened, sides, turns=said)


def of_turns(turns: list[SaidTurn], line: str) -> Message:
    """A conversation of which no run is held any more."""
    return Message(VERSION, "", 0, 0, line, done=True, opening=None, sides=[], turns=turns)


def of_status(line: str, awaits: float | None = None, coming: Coming | None = None) -> Message:
    """A message that only says what is going on; with `awaits`, the next one comes within so many seconds."""
    return Message(VERSION, "", 0, 0, line, done=False, opening=None, sides=[], awaits=awaits, coming=coming)


def of_layer(run: Run, number: int, since: int = 0) -> LayerLooked:
    """What the answer's steps from `since` on looked at, and read, in one layer, counted from 0."""
    looked = [looked_of(side, since, number) for side in run.sides]
    return LayerLooked(looked, [read_of(side, since, number) for side in run.sides])


def opening(run: Run, show: Show | None = None) -> Opening:
    """Everything about a run that its steps do not change."""
    sides = [_side(*side) for side in zip(run.sides, run.titles, strict=True)]
    first, shape = run.sides[0], ModelShape(**run.shape)
    return Opening(_views(run), first.question, shape, run.about, run.link, sides, show)


def _views(run: Run) -> list[SeenView]:
    views = run.sides[0].views
    urls: list[str | None] = [
        "data:image/jpeg;base64," + base64.b64encode(picture).decode() for picture in run.pictures
    ]
    return [
        SeenView(view.rows, view.columns, list(view.box), view.picture, url)
        for view, url in zip(views, urls or [None for _ in views], strict=True)
    ]


def _side(side: Trace, title: str) -> SideOpening:
    keep = share_of(side)
    return SideOpening(
        policy=side.policy,
        title=title,
        keep=keep,
        is_compressed=keep < 1,
        options=dict(side.options),
        model=side.model,
        pieces=["" if image else piece for piece, image in zip(side.pieces, side.is_image, strict=True)],
        place=as_base64(side.place.astype("<i2")),
        is_prompt=side.is_prompt.tolist(),
        layers=side.owner.shape[0],
        heads=side.owner.shape[1],
        owner=as_base64(side.owner.astype("<i2")),
        score=as_base64(side.score.astype("<f4")),
        sparsity=as_numbers(side.sparsity),
        channels=_channels(side.channels),
        unseen=side.unseen,
        prompt_slots=side.prompt_slots.astype(float).round(3).tolist(),
        prompt_bytes=int(side.prompt_bytes.sum()),
        prompt_limit_bytes=int(side.limit_bytes[0]),
        prefill_seconds=as_number(side.prefill_seconds),
        compress_seconds=as_number(side.compress_seconds),
        asked_after=side.asked_after,
        erasure=side.erasure,
        reuse=side.reuse,
        fewer=side.fewer,
        remembers=side.forgotten is not None,
        reads_part=side.part_read is not None,
    )


def _channels(kept: np.ndarray) -> ChannelBits | None:
    return None if kept.all() else ChannelBits(list(kept.shape), as_base64(np.packbits(kept.astype(bool))))


def steps_of(side: Trace, since: int) -> SideSteps:
    """The answer steps of a side from number `since` on, and the whole text so far."""
    return SideSteps(
        answer=side.answer,
        finish=side.finish,
        steps=side.steps,
        milliseconds_per_token=as_number(side.milliseconds_per_token),
        answer_pieces=side.answer_pieces[since:],
        logprob=as_numbers(side.logprob[since:]),
        reference_logprob=as_numbers(side.reference_logprob[since:]),
        divergence=as_numbers(side.divergence[since:]),
        seconds=as_numbers(side.seconds[since:]),
        bytes_held=side.bytes_held[since:].sum(1).tolist(),
        bytes_read=side.bytes_read[since:].sum(1).tolist(),
        bytes_allocated=side.bytes_allocated[since:].tolist(),
        limit_bytes=side.limit_bytes[1 + since :].tolist(),
        slots=side.slots[since:].astype(float).round(3).tolist(),
        dropped=given_up(side.dropped[since:]),
        joined=given_up(side.joined[since:]),
        looked=looked_of(side, since),
        forgotten=None if side.forgotten is None else side.forgotten[since:].mean(2, np.float64).round(4).tolist(),
        read=read_of(side, since),
    )
