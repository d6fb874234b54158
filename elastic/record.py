"""Make a `Trace` of a state and the steps decoded from it."""

from dataclasses import asdict, dataclass, field, replace

import numpy as np

from elastic.engine import State, Step
from elastic.options import name_of
from elastic.policies import LayerView
from elastic.policies.base import PATCH, WRITTEN
from elastic.statistics import FREQUENCY, SPARSITY
from elastic.trace import Trace

RECORDED = frozenset({FREQUENCY, SPARSITY})  # statistics that a trace shows, whatever the policy goes by


@dataclass
class Recorder:
    """Takes a compressed state before its answer is decoded, then the steps as they come."""

    start: Trace
    state: State
    steps: list[Step] = field(default_factory=list)
    agreement: list[tuple[float, float]] = field(default_factory=list)  # per step, see `add`
    looked: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), np.float16))  # grows by doubling

    @classmethod
    def of(cls, state: State, question: str) -> "Recorder":
        """A recorder for the answer to come; `state` is compressed and not yet decoded."""
        cache = state.cache
        owner = cache.tables.owners()
        layers, heads, _ = owner.shape
        kinds = cache.tables.kinds[0]
        score = np.stack([_mean_score(view, state.seen) for view in cache.received])
        start = Trace(
            model=state.llava.title,
            policy=name_of(state.policy),
            options=asdict(state.policy),
            unseen=state.policy.unseen,
            question=question,
            answer="",
            finish="running",
            pieces=state.llava.pieces(state.ids[0].tolist()),
            answer_pieces=[],
            grid=state.llava.grid,
            prefill_seconds=state.prefill_seconds,
            compress_seconds=state.compress_seconds,
            is_image=(kinds == PATCH).numpy(),
            is_prompt=(kinds != WRITTEN).numpy(),
            owner=owner.numpy().astype(np.int32),
            score=score,
            prompt_slots=cache.prompt_slots.numpy().astype(np.int32),
            prompt_bytes=np.array(cache.bytes_held, np.int64),
            answer_ids=np.zeros(0, np.int32),
            logprob=np.zeros(0, np.float32),
            seconds=np.zeros(0, np.float32),
            slots=np.zeros((0, layers), np.int32),
            bytes_held=np.zeros((0, layers), np.int64),
            bytes_allocated=np.zeros(0, np.int64),
            dropped=np.full((0, layers, heads), -1, np.int32),
            joined=np.full((0, layers, heads), -1, np.int32),
            limit_bytes=_limits(state, 0),
            sparsity=cache.of_layer[SPARSITY][:, 0].numpy(),
            channels=np.stack([layer.kept[0].cpu().numpy() for layer in cache.layers]),
            looked=np.zeros((0, layers, state.seen), np.float16),
            reference_logprob=np.zeros(0, np.float32),
            divergence=np.zeros(0, np.float32),
        )
        return cls(start, state)

    def add(self, step: Step, reference_logprob: float = np.nan, divergence: float = np.nan) -> None:
        """Note one more answer token, and what this side thought of the first side's token while the texts agreed."""
        layers, seen = step.looked.shape
        number, tokens = len(self.steps), len(self.start.pieces)
        if number == len(self.looked):
            room = max(64, 2 * number)
            grown = np.zeros((room, layers, tokens + room), np.float16)
            if number:
                grown[:number, :, : self.looked.shape[2]] = self.looked
            self.looked = grown
        self.looked[number, :, :seen] = step.looked.numpy()
        self.agreement.append((reference_logprob, divergence))
        self.steps.append(step)

    @property
    def nbytes(self) -> int:
        """Bytes of memory held by what was noted, the cache aside."""
        return self.looked.nbytes + self.start.owner.nbytes + sum(step.looked.nbytes for step in list(self.steps))

    @property
    def answer(self) -> str:
        """The answer so far."""
        return self.state.llava.text([step.token for step in self.steps])

    def trace(self, finish: str = "running") -> Trace:
        """The record so far; `finish` says why it ends where it ends."""
        steps = list(self.steps)  # the run may go on meanwhile
        if not steps:
            return replace(self.start, finish=finish)
        layers, heads, _ = self.start.owner.shape
        dropped, joined = np.full((2, len(steps), layers, heads), -1, np.int32)
        for number, step in enumerate(steps):
            if step.evicted is not None:
                dropped[number], joined[number] = step.evicted
        ids = [step.token for step in steps]
        reference_logprob, divergence = np.array(self.agreement[: len(steps)], np.float32).T
        return replace(
            self.start,
            answer=self.state.llava.text(ids),
            finish=finish,
            answer_pieces=self.state.llava.pieces(ids),
            answer_ids=np.array(ids, np.int32),
            logprob=np.array([step.logprob for step in steps], np.float32),
            seconds=np.array([step.seconds for step in steps], np.float32),
            slots=np.array([step.slots for step in steps], np.int32),
            bytes_held=np.array([step.bytes_held for step in steps], np.int64),
            bytes_allocated=np.array([step.bytes_allocated for step in steps], np.int64),
            dropped=dropped,
            joined=joined,
            limit_bytes=_limits(self.state, len(steps), tokens=len(self.start.pieces)),
            looked=self.looked[: len(steps), :, : len(self.start.pieces) + len(steps)],
            reference_logprob=reference_logprob,
            divergence=divergence,
        )


def _limits(state: State, steps: int, tokens: int | None = None) -> np.ndarray:
    """Bytes the policy aims at after `tokens` and after each of `steps` more, (steps + 1,) int64."""
    tokens = state.seen if tokens is None else tokens
    slots = np.array([state.policy.limit(tokens + number, tokens) for number in range(steps + 1)], np.int64)
    return slots * sum(layer.slot_bytes for layer in state.cache.layers)


def _mean_score(view: LayerView, seen: int) -> np.ndarray:
    """Mean score over the heads that hold a token, NaN where none does, (seen,) float32."""
    position = view.position.expand_as(view.score).cpu().numpy()
    total, heads = np.zeros(seen, np.float32), np.zeros(seen, np.float32)
    np.add.at(total, position, view.score.cpu().numpy())
    np.add.at(heads, position, 1)
    return np.divide(total, heads, out=np.full(seen, np.nan, np.float32), where=heads > 0)
