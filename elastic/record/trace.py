"""`Trace`: a frozen record of one side, as numpy arrays and plain strings; `Run`: all sides of one question.

They are what is drawn, streamed, saved and opened again: a recorded run and a live one are one type. Numpy only.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from elastic.record.arrays import ARRAYS, LIMITS, OPTIONAL, shape_of
from elastic.record.erasure import Erasure
from elastic.record.part_read import PART_ARRAYS, PartRead
from elastic.record.places import ViewFrame, cells_of, count_of
from elastic.record.reuse import Reuse
from elastic.record.shortened import Fewer


@dataclass(frozen=True, eq=False)
class Trace:
    """One answer with one policy: L layers, H heads (1 where heads share), T tokens before it, N answer tokens."""

    model: str
    policy: str
    options: dict[str, float | bool | str]  # the policy's fields
    unseen: str  # what pictures of this record do not show of the policy, a sentence; mostly empty
    question: str
    answer: str
    finish: str  # end (end of sequence), limit (token limit), stopped (by the user) or running
    pieces: list[str]  # T, what each token reads as; earlier turns of a conversation included
    answer_pieces: list[str]  # N
    views: list[ViewFrame]  # every picture that was shown, as the model saw it; tokens are in their order
    prefill_seconds: float
    compress_seconds: float
    place: (
        np.ndarray
    )  # (T, 4) int32: picture, view, row, column; -1 all for words, -1 the last for ends of rows and such
    is_prompt: np.ndarray  # (T,) bool, False for tokens the model wrote in earlier turns
    owner: np.ndarray  # (L, H or 1, T) int32: own number for an anchor, another's for merged, -1 for dropped
    score: np.ndarray  # (L, T) float32: attention received, NaN for tokens that held no slot when it was compressed
    prompt_slots: np.ndarray  # (L,) float32, when the answer begins; means of heads, as these may differ
    prompt_bytes: np.ndarray  # (L,) int64, when the answer begins
    answer_ids: np.ndarray  # (N,) int32
    logprob: np.ndarray  # (N,) float32
    seconds: np.ndarray  # (N,) float32
    slots: np.ndarray  # (N, L) float32, after each step
    bytes_held: np.ndarray  # (N, L) int64, slots in use
    bytes_allocated: np.ndarray  # (N,) int64, room for coming tokens included
    dropped: np.ndarray  # (N, L, H or 1) int32: token whose slot was given up after that step, -1 none
    joined: np.ndarray  # (N, L, H or 1) int32: token whose slot took it in, -1 where it was evicted
    limit_bytes: np.ndarray  # (N + 1,) int64, what the policy aims at when the answer begins and after each step
    sparsity: np.ndarray  # (L,) float32, share of the prompt's attention weights that are next to nothing
    channels: np.ndarray  # (L, key heads, D) bool, that the prompt's keys hold after compressing; most policies: all
    looked: np.ndarray  # (N, L, T + N) float16: attention of the query that wrote the token; an anchor's for its group
    reference_logprob: np.ndarray  # (N,) float32, that this side gave to the first side's token; NaN once texts differ
    divergence: np.ndarray  # (N,) float32, KL(first side || this one) in nats; NaN once texts differ
    # (N, L, H or 1) float16: of that query's attention the share that went to what was forgotten, with `looked` 1; None
    # where nothing remembers it
    forgotten: np.ndarray | None = None
    asked_after: int = 0  # the last of T that were read after compressing: the question, where it came later; else 0
    erasure: Erasure | None = None
    reuse: Reuse | None = None  # where some of it was taken over from another reading
    fewer: Fewer | None = None  # where a front left tokens of pictures out, which nobody ever read
    part_read: PartRead | None = None  # where tokens of the answer read a part of what is held; mostly they read all

    def __post_init__(self) -> None:
        layers, heads, tokens = self.owner.shape
        sizes = {"L": layers, "H": heads, "T": tokens, "N": len(self.answer_ids)}
        for name, (shape, _) in (ARRAYS | OPTIONAL).items():
            expected, array = shape_of(shape, sizes), getattr(self, name)
            if array is not None and expected and array.shape != expected:
                raise ValueError(f"Trace: {name} has shape {array.shape}, expected {expected}.")
        for name, (shape, _) in PART_ARRAYS.items() if self.part_read else ():
            if getattr(self.part_read, name).shape != shape_of(shape, sizes):
                raise ValueError(f"Trace: {name} has shape {getattr(self.part_read, name).shape}.")
        steps = sizes["N"]
        if self.channels.ndim != 3 or len(self.channels) != layers:
            raise ValueError(f"Trace: channels have shape {self.channels.shape}, expected ({layers}, heads, channels).")
        if len(self.pieces) != tokens or len(self.answer_pieces) != steps:
            raise ValueError(f"Trace: {len(self.pieces)} pieces for {tokens} tokens.")
        is_counted = self.is_image.sum() == count_of(self.views)  # or there may be more cells than memory holds
        if not is_counted or not np.array_equal(self.place[self.is_image], cells_of(self.views)):
            raise ValueError(f"Trace: {self.is_image.sum()} image tokens are not the cells of its views, in order.")

    @property
    def layers(self) -> int:
        return len(self.owner)

    @property
    def steps(self) -> int:
        return len(self.answer_ids)

    @property
    def visible(self) -> np.ndarray:
        """How many of the queries that `score` sums could see each token, (T,): causal attention favours the first."""
        asks = self.is_prompt.copy()
        asks[len(asks) - self.asked_after :] = False
        asks[[] if self.erasure is None else self.erasure.tokens] = False
        asks &= ~self.reused
        asks[[] if self.fewer is None else self.fewer.tokens] = False
        return asks[::-1].cumsum()[::-1]

    @property
    def reused(self) -> np.ndarray:
        """Which tokens' keys and values were taken over from another reading, (T,) bool; in most runs none."""
        return np.isin(np.arange(len(self.pieces)), [] if self.reuse is None else self.reuse.tokens)

    @cached_property
    def is_image(self) -> np.ndarray:
        """Which tokens stand for a cell of a view, (T,) bool."""
        return self.place[:, 3] >= 0

    @cached_property
    def patches(self) -> np.ndarray:
        """Token numbers of the image patches, in reading order, (P,)."""
        return np.flatnonzero(self.is_image)

    def owner_after(self, steps: int) -> np.ndarray:
        """Owners of the T tokens after that many answer tokens, (L, H, T); a slot takes its members along.

        The owner may be a token of the answer.
        """
        owner = self.owner.copy()
        for evicted, into in zip(self.dropped[:steps], self.joined[:steps], strict=True):
            leaves = (owner == evicted[..., None]) & (evicted >= 0)[..., None]
            owner = np.where(leaves, into[..., None], owner)
        return owner

    @property
    def total_bytes(self) -> np.ndarray:
        """Bytes in use when the answer begins and after each step, over all layers, (N + 1,)."""
        return np.concatenate([[self.prompt_bytes.sum()], self.bytes_held.sum(1)])

    @property
    def bytes_read(self) -> np.ndarray:
        """Bytes that each step's token read, (N, L) int64: all that was held, but for methods that read a part."""
        return self.bytes_held if self.part_read is None else self.part_read.read_bytes

    @property
    def milliseconds_per_token(self) -> float:
        """Median time of a decode step; NaN before the first."""
        return float(np.median(self.seconds) * 1000) if self.steps else float("nan")

    def figures(self) -> dict[str, object]:
        """The numbers of this side, ready for JSON: bytes in use, or read at a step, and times in (milli)seconds."""
        total = self.total_bytes
        return {
            "policy": self.policy,
            "options": self.options,
            "answer": self.answer,
            "finish": self.finish,
            "prompt_tokens": len(self.pieces),
            "question_tokens_after_compressing": self.asked_after,
            "picture_tokens_left_out": 0 if self.fewer is None else len(self.fewer.tokens),
            "reused_tokens": int(self.reused.sum()),
            "answer_tokens": self.steps,
            "slots_prompt": self.prompt_slots.tolist(),
            "slots_end": (self.slots[-1] if self.steps else self.prompt_slots).tolist(),
            "bytes_prompt": int(total[0]),
            "bytes_peak": int(total.max()),
            "bytes_end": int(total[-1]),
            "bytes_allocated": int(self.bytes_allocated.max(initial=0)),
            "bytes_read": int(self.bytes_read.sum(1).max(initial=0)),
            "ms_per_token": self.milliseconds_per_token if self.steps else None,
            "prefill_seconds": self.prefill_seconds,
            "compress_seconds": self.compress_seconds,
            "first_token_seconds": self.prefill_seconds + self.compress_seconds + float(self.seconds[:1].sum()),
        }

    def check(self) -> None:
        """Raise ValueError unless the numbers make sense together; for traces that come from outside."""
        self._check_owners()
        self._check_places()
        if self.erasure is not None:
            self.erasure.check(self.owner)
        if self.reuse is not None:
            self.reuse.check(len(self.pieces))
        if self.fewer is not None:
            self.fewer.check(self.owner)
        if self.part_read is not None:
            self.part_read.check(self.slots)
        if not 0 <= self.asked_after < len(self.pieces):
            raise ValueError("more was read after compressing than there is")
        for name, (low, high, may_be_unknown) in LIMITS.items():
            values = getattr(self, name)
            if values is None:
                continue
            if may_be_unknown:
                values = values[~np.isnan(values)]
            # Written so that what is no number is refused, too.
            if not ((values >= low) & (values <= high)).all():
                raise ValueError(f"{name} is out of its range")
        tokens = len(self.pieces)
        anchors = (self.owner == np.arange(tokens)).sum(2).mean(1)
        if (anchors > self.prompt_slots + 0.01).any() or (self.prompt_slots > tokens).any():
            raise ValueError("there are other slots than anchors")
        if (self.slots > tokens + 1 + np.arange(self.steps)[:, None]).any():
            raise ValueError("there are more slots than tokens")
        if (self.bytes_held.sum(1) > self.bytes_allocated).any():
            raise ValueError("more bytes are in use than there are")

    def _check_places(self) -> None:
        numbers = [view.picture for view in self.views]
        if numbers != sorted(numbers) or set(numbers) != set(range(len(set(numbers)))):
            raise ValueError("its pictures are in no order")
        picture, view, row, _ = self.place.T
        if self.place.min(initial=-1) < -1 or view.max(initial=-1) >= len(self.views):
            raise ValueError("tokens have places in pictures that are not there")
        # Numbered -1, words find what stands last: of them all numbers are -1, as is the column of what is no cell.
        rows = np.array([*(of.rows for of in self.views), 0])
        pictures = np.array([*(of.picture for of in self.views), -1])
        if (row >= rows[view]).any() or (picture != pictures[view]).any():
            raise ValueError("tokens have places outside their pictures")

    def _check_owners(self) -> None:
        tokens = np.arange(len(self.pieces))
        owner = np.where(self.owner < 0, tokens, self.owner)
        if self.owner.min(initial=0) < -1 or owner.max(initial=0) >= len(tokens):
            raise ValueError("owners point outside the tokens")
        if not np.array_equal(np.take_along_axis(self.owner, owner, 2), self.owner):
            raise ValueError("tokens are merged into tokens that hold no slot")
        written = len(tokens) + 1 + np.arange(self.steps)[:, None, None]
        for slots in (self.dropped, self.joined):
            if slots.min(initial=-1) < -1 or (slots >= written).any():
                raise ValueError("evicted slots point outside the tokens written by then")


@dataclass(frozen=True, eq=False)
class Run:
    """One question about one picture or several, answered by every side."""

    name: str  # unlike any other run's
    sides: list[Trace]
    pictures: list[bytes]  # per view what the model saw, a JPEG file; none where that is not known
    titles: list[str]  # the policies' names for people, per side
    history: list[list[tuple[str, str]]]  # per side, the earlier (question, answer) pairs
    shape: dict[str, int]  # layers, heads, kv_heads, head_dim, element_bytes and weight_bytes of the language model
    about: dict[str, str] = field(default_factory=dict)  # device, dtype, versions, date
    link: dict[str, str] = field(default_factory=dict)  # the page address's parameters that ask it again, if any can


def first_difference(a: Trace, b: Trace) -> int | None:
    """Number of the first answer token in which two sides differ, None where they do not."""
    if a.answer_ids.tolist() == b.answer_ids.tolist():
        return None
    shared = min(a.steps, b.steps)
    differs = np.flatnonzero(a.answer_ids[:shared] != b.answer_ids[:shared])
    return int(differs[0]) if len(differs) else shared
