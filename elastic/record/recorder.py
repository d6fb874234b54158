"""Make a `Trace` of a state and the steps decoded from it."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from elastic.cache.remembering import RememberingLayer
from elastic.engine import State, Step
from elastic.options import name_of
from elastic.policies import LayerView, Policy
from elastic.policies.base import WRITTEN
from elastic.record.arrays import ARRAYS
from elastic.record.part_read import WHOLE, PartRead
from elastic.record.places import ViewFrame
from elastic.record.rows import Rows, TokenRows
from elastic.record.shortened import Shortened
from elastic.record.trace import Trace
from elastic.statistics import Attention, Sparsity

RECORDED = frozenset({Attention(), Sparsity()})  # statistics that a trace shows, whatever the policy goes by
# Arrays of a trace that get one row more with every step; `looked`, whose rows get longer as well, is kept by itself.
BY_STEP = [name for name, (shape, _) in ARRAYS.items() if shape[0] == "N" and name != "looked"]


@dataclass
class Recorder:
    """Takes a compressed state before its answer is decoded, then the steps as they come."""

    start: Trace
    state: State
    shortened: Shortened  # of all that was read before the answer; mostly nothing is left out
    steps: list[Step] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)  # of the answer

    def __post_init__(self) -> None:
        self.rows = {name: Rows(getattr(self.start, name)) for name in BY_STEP}
        if self.start.forgotten is not None:
            self.rows["forgotten"] = Rows(self.start.forgotten)
        layers, _, tokens = self.start.owner.shape
        self.looked = TokenRows(layers, tokens, np.float16)
        reads_part = self.state.policy.keep_is_read or self.state.cache.reads_part
        self.read = TokenRows(layers, tokens, np.uint8) if reads_part else None
        self.how_much = [Rows(np.zeros((0, layers), kind)) for kind in (np.float32, np.int64)]

    @classmethod
    def of(cls, state: State, question: str, policy: Policy | None = None) -> "Recorder":
        """A recorder for the answer to come; `state` is compressed and not yet decoded.

        What it has read since it was compressed are words of the question, which hold a slot each. `policy` is what was
        asked for, where a front had its part in the share.
        """
        cache, policy = state.cache, policy or state.policy
        shortened = (state.shortened or Shortened.nothing(state.place)).up_to(state.seen)
        owner = shortened.owners(cache.tables.owners().numpy())
        layers, heads, tokens = owner.shape
        is_written = shortened.spread((cache.tables.kinds[0] == WRITTEN).numpy())
        score = np.stack([_mean_score(view, state.seen) for view in state.chosen_from])
        ids = shortened.spread(state.ids[0].numpy(), state.cache.image_id or 0)
        start = Trace(
            model=state.llava.title,
            policy=name_of(policy),
            options=asdict(policy),
            unseen=policy.unseen,
            question=question,
            answer="",
            finish="running",
            pieces=state.llava.pieces(ids.tolist()),
            answer_pieces=[],
            views=[ViewFrame(view.rows, view.columns, view.box, view.picture) for view in state.views],
            prefill_seconds=state.prefill_seconds,
            compress_seconds=state.compress_seconds,
            place=shortened.place,
            is_prompt=~is_written,
            owner=owner.astype(np.int32),
            score=shortened.spread(score, np.nan),
            prompt_slots=np.array(cache.slots, np.float32),
            prompt_bytes=np.array(cache.bytes_held, np.int64),
            answer_ids=np.zeros(0, np.int32),
            logprob=np.zeros(0, np.float32),
            seconds=np.zeros(0, np.float32),
            slots=np.zeros((0, layers), np.float32),
            bytes_held=np.zeros((0, layers), np.int64),
            bytes_allocated=np.zeros(0, np.int64),
            dropped=np.full((0, layers, heads), -1, np.int32),
            joined=np.full((0, layers, heads), -1, np.int32),
            limit_bytes=np.array([_limit(state, state.seen)], np.int64),
            sparsity=state.chosen_by[Sparsity()][:, 0].numpy(),
            channels=np.stack([layer.kept[0].cpu().numpy() for layer in cache.layers]),
            looked=np.zeros((0, layers, tokens), np.float16),
            reference_logprob=np.zeros(0, np.float32),
            divergence=np.zeros(0, np.float32),
            forgotten=np.zeros((0, layers, heads), np.float16) if _remembers(state) else None,
            asked_after=state.seen - cache.prompt,
            reuse=state.reuse,
            fewer=shortened.fewer(policy.keep),
        )
        return cls(start, state, shortened)

    def add(self, step: Step, reference_logprob: float = np.nan, divergence: float = np.nan) -> None:
        """Note one more answer token, and what this side thought of the first side's token while the texts agreed."""
        number, tokens = len(self.steps), len(self.shortened.number)
        self.looked.add(self.shortened.spread(step.looked.numpy()))
        if self.read is not None:
            self.read.add(self.shortened.shared(_in_255ths(step)))
            for rows, much in zip(self.how_much, (step.slots_read, step.bytes_read), strict=True):
                rows.add(much)
        dropped, joined = (-1, -1) if step.evicted is None else map(self._among_all, step.evicted)
        row: dict[str, Any] = {
            "answer_ids": step.token,
            "logprob": step.logprob,
            "seconds": step.seconds,
            "slots": step.slots,
            "bytes_held": step.bytes_held,
            "bytes_allocated": step.bytes_allocated,
            "dropped": dropped,
            "joined": joined,
            "limit_bytes": _limit(self.state, tokens + number + 1),
            "reference_logprob": reference_logprob,
            "divergence": divergence,
        }
        if "forgotten" in self.rows:  # the query that wrote the first token has read a whole prompt
            row["forgotten"] = 0 if step.forgotten is None else step.forgotten.numpy()
        for name, value in row.items():
            self.rows[name].add(value)
        self.pieces += self.state.llava.pieces([step.token])
        self.steps.append(step)  # last: a record that is made meanwhile has all of a step, or nothing of it

    @property
    def nbytes(self) -> int:
        """Bytes of memory held by what was noted, the cache aside."""
        read = 0 if self.read is None else self.read.nbytes
        return self.looked.nbytes + read + self.start.owner.nbytes + sum(map(_bytes_of, list(self.steps)))

    def _among_all(self, tokens: Tensor) -> np.ndarray:
        """Numbers of tokens that were read as those of all that there are in the record."""
        return self.shortened.numbered(tokens.numpy())

    @property
    def answer(self) -> str:
        """The answer so far."""
        return self.state.llava.text([step.token for step in self.steps])

    def trace(self, finish: str = "running") -> Trace:
        """The record so far; `finish` says why it ends where it ends."""
        count = len(self.steps)  # the run may go on meanwhile
        rows: dict[str, Any] = {name: rows.first(count + (name == "limit_bytes")) for name, rows in self.rows.items()}
        return replace(
            self.start,
            answer=self.state.llava.text(rows["answer_ids"].tolist()),
            finish=finish,
            answer_pieces=self.pieces[:count],
            looked=self.looked.first(count),
            part_read=self._part_read(count),
            **rows,
        )

    def _part_read(self, count: int) -> PartRead | None:
        """What the first steps read of what was held; None where that is all."""
        if self.read is None:
            return None
        slots, of_bytes = (rows.first(count) for rows in self.how_much)
        return PartRead(slots, of_bytes, self.read.first(count))


def _remembers(state: State) -> bool:
    """Whether what is dropped goes into a memory, which gets a share of attention."""
    return any(isinstance(layer, RememberingLayer) for layer in state.cache.layers)


def _limit(state: State, tokens: int) -> int:
    """Bytes the policy aims at after so many tokens, given how many had been seen when the cache was compressed."""
    return state.policy.limit(tokens, state.cache.prompt) * sum(layer.slot_bytes for layer in state.cache.layers)


def _mean_score(view: LayerView, seen: int) -> np.ndarray:
    """Mean score over the heads that hold a token, NaN where none does, (seen,) float32."""
    position, score = view.position.expand_as(view.score).cpu().numpy(), view.score.cpu().numpy()
    total, heads = np.zeros(seen, np.float32), np.zeros(seen, np.float32)
    is_there = position != view.EMPTY  # heads may hold different numbers
    np.add.at(total, position[is_there], score[is_there])
    np.add.at(heads, position[is_there], 1)
    return np.divide(total, heads, out=np.full(seen, np.nan, np.float32), where=heads > 0)


def _in_255ths(step: Step) -> np.ndarray:
    """Of 255, in how many key heads the query that wrote a token read each one, (L, seen) uint8."""
    if step.read is None:
        return np.full(step.looked.shape, WHOLE, np.uint8)
    return (step.read * WHOLE).round().byte().numpy()


def _bytes_of(step: Step) -> int:
    """Bytes of memory of what a step says of tokens."""
    return step.looked.nbytes + (0 if step.read is None else step.read.nbytes)
