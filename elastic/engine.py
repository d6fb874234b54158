"""Five verbs: `prefill` a prompt, `compress` per policy, `step` by a token, `decode` an answer, `extend` by a prompt.

A sixth, `link`, makes a state of what was read before, wherever it stood: see `elastic.linking`.

A prefill enters a prompt into the cache, lets the model read it, and observes what was attended; a `step` does the same
with one token per sequence, and evicts. `decode` is a generator of steps, and zipping two of them is the side-by-side
run. Nothing here knows what a policy's rule is.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from elastic.cache import ElasticCache
from elastic.cache.forward import Forward
from elastic.cache.views import attention_forgotten, attention_on_tokens, reads_on_tokens
from elastic.linking import Stretch, link
from elastic.model import Reader, Reading
from elastic.models.reading import View
from elastic.policies import Policy
from elastic.policies.full import Full
from elastic.record.reuse import ALL
from elastic.record.shortened import Shortened
from elastic.rehearsal import rehearse
from elastic.state import State, now
from elastic.statistics import Statistic

__all__ = ["ALL", "State", "Step", "Stretch", "compress", "decode", "extend", "link", "prefill", "step"]


@dataclass(frozen=True)
class Step:
    """One token per sequence of an answer, and what the cache held when it had been processed."""

    tokens: list[int]  # per sequence
    logprobs: list[float]  # of these tokens, natural logarithm
    likeliest: int  # what greedy decoding would write in the first sequence
    looked: Tensor  # (L, seen) float32, attention of the query that wrote this token; a slot's goes to its anchor
    forgotten: Tensor | None  # (L, R) float32, the rest of it, which went to what was forgotten; None: no memory
    read: Tensor | None  # (L, seen) float32, what that query read, as in `State`
    seconds: float  # of the step alone
    slots: list[float]  # per layer, the mean of its heads
    bytes_held: list[int]  # per layer, slots in use, and an index of them where there is one
    slots_read: list[float]  # per layer, of those; all of them, but for methods that read a part
    bytes_read: list[int]  # per layer, of the slots that are read and of the index that says which
    bytes_allocated: int  # of the tensors, room for coming tokens included
    # (L, R) tokens given up after this step, and those that took them in, -1 for none; R as in `cache.tables`.
    evicted: tuple[Tensor, Tensor] | None
    is_last: bool

    @property
    def token(self) -> int:
        """The token of the first sequence."""
        return self.tokens[0]

    @property
    def logprob(self) -> float:
        """The log-probability of the first sequence's token."""
        return self.logprobs[0]


@torch.inference_mode()
def prefill(llava: Reader, prompt: Reading, needs: Iterable[Statistic] = (), record_attention: bool = True) -> State:
    """Run a prompt once, full cache, collecting the statistics of attention in `needs`.

    The prompt may be a batch of equally long ones; `record_attention` keeps what queries of the first
    sequence look at.
    """
    cache = ElasticCache(Full(), llava.model, needs)
    cache.records_attention = record_attention
    state = State(llava, cache, torch.empty(len(prompt.ids), 0, dtype=torch.long), torch.empty(0), torch.empty(0))
    extend(state, prompt)
    return state


@torch.inference_mode()
def extend(state: State, prompt: Reading, is_written: bool = False) -> None:
    """Let a state read further tokens: a prompt, or the next question of its conversation.

    Where they are an answer that is known, `is_written`, they count as the model's own, and no attention of theirs is
    summed up.
    """
    llava, cache, began = state.llava, state.cache, now(state.llava)
    shortened = _shortened(state, prompt)
    place, views = _placed(state, prompt)
    positions = None if prompt.positions is None else prompt.positions + cache.seen + cache.offset
    script = state.script if is_written else state.script.followed_by(cache.seen, prompt)
    forward = cache.enter(prompt.ids, not is_written, prompt.asked, positions, prompt.erased)
    state.logits = llava.read(prompt, cache, forward)
    cache.observe(forward)
    state.ids = torch.cat([state.ids, prompt.ids.cpu()], 1)
    state.places, state.views, state.script, state.shortened = place, views, script, shortened
    state.prefill_seconds, state.compress_seconds = now(llava) - began, 0.0
    if cache.records_attention:
        _look(state, forward)


@torch.inference_mode()
def compress(state: State, policy: Policy, reserve: int = 256) -> State:
    """A state with a cache of its own, compressed as the policy says, with room for what `reserve` more tokens need."""
    began = now(state.llava)
    cache = state.cache.fork()
    rehearse(state.llava, cache, state.ids, state.script, policy.needs)
    chosen_from, chosen_by = cache.compress(policy, reserve), cache.layer_statistics
    seconds = now(state.llava) - began
    return replace(state, cache=cache, compress_seconds=seconds, chosen_from=chosen_from, chosen_by=chosen_by)


@torch.inference_mode()
def step(state: State, tokens: Tensor) -> tuple[Forward, tuple[Tensor, Tensor] | None]:
    """One token (B, 1) per sequence through the model; what was evicted for it as `ElasticCache.evict` says."""
    llava, cache = state.llava, state.cache
    forward = cache.enter(tokens)
    state.logits = llava.step(tokens, cache, forward)
    cache.observe(forward)
    state.ids = torch.cat([state.ids, tokens.cpu()], 1)
    return forward, cache.evict()


def decode(
    state: State,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    forced: Sequence[int] | Sequence[Sequence[int]] | None = None,
) -> Generator[Step]:
    """Write an answer token by token, evicting as the state's policy says; greedy unless `temperature` is above 0.

    Ends at an end-of-sequence token (in a batch: when every sequence has met one), after `max_new_tokens`, or when the
    consumer closes the generator; the state stays usable for `extend` in each case. With a temperature, equal seeds use
    equal random numbers at equal steps, so that two sides differ by their caches and not by luck. `forced` are tokens
    written instead of the model's own, to judge an answer that is known: one answer for all sequences, or one for each,
    of which the shorter ones are filled up with the end token.

    Raises:
        ValueError: if `max_new_tokens` is below 1 or `temperature` is negative.
    """
    if max_new_tokens < 1 or temperature < 0:
        raise ValueError(f"Need max_new_tokens >= 1 and temperature >= 0, got {max_new_tokens} and {temperature}.")
    ended = torch.zeros(len(state.logits), dtype=torch.bool)
    given = None if forced is None else _given(state, forced)
    for number in range(max_new_tokens):
        began = now(state.llava)
        tokens = _pick(state.logits, temperature, seed, number)
        likeliest = int(state.logits[0].argmax())
        if given is not None:
            tokens = given[:, number]
        logprobs = state.logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0].tolist()
        ended |= torch.tensor([token in state.llava.end_ids for token in tokens.tolist()])
        looked, forgotten, read, evicted = state.looked, state.forgotten, state.read, None
        if not ended.all():
            # The last token of all is processed too: the next question of a conversation must find it in the cache.
            forward, evicted = step(state, tokens[:, None])
        seconds = now(state.llava) - began
        if state.cache.records_attention and not ended.all():
            _look(state, forward)
        yield Step(
            tokens=tokens.tolist(),
            logprobs=logprobs,
            likeliest=likeliest,
            looked=looked,
            forgotten=forgotten,
            read=read,
            seconds=seconds,
            slots=state.cache.slots,
            bytes_held=state.cache.bytes_held,
            slots_read=state.cache.slots_read,
            bytes_read=state.cache.bytes_read,
            bytes_allocated=state.cache.bytes_allocated,
            evicted=evicted,
            is_last=bool(ended.all()) or number + 1 == max_new_tokens,
        )
        if ended.all():
            return


def _look(state: State, forward: Forward) -> None:
    """Note what the newest query looked at."""
    tables = state.cache.tables
    state.looked, state.forgotten = attention_on_tokens(tables, forward), attention_forgotten(tables, forward)
    state.read = reads_on_tokens(tables, forward)


def _placed(state: State, prompt: Reading) -> tuple[np.ndarray, tuple[View, ...]]:
    """Places and views of all that was read, those of a prompt numbered behind the ones before."""
    pictures = 1 + max((view.picture for view in state.views), default=-1)
    later = tuple(replace(view, picture=view.picture + pictures) for view in prompt.views)
    return np.concatenate([state.place, _shifted(state, prompt.place)]), state.views + later


def _shifted(state: State, place: np.ndarray) -> np.ndarray:
    """Places (n, 4) of a prompt, with its pictures and views numbered behind those that a state has."""
    pictures, views = 1 + max((view.picture for view in state.views), default=-1), len(state.views)
    return np.where(place >= 0, place + np.array([pictures, views, 0, 0], np.int32), -1).astype(np.int32)


def _shortened(state: State, prompt: Reading) -> Shortened | None:
    """What fronts left out of all that a state has read, and of a prompt behind it."""
    if state.shortened is None and prompt.shortened is None:
        return None
    before = (state.shortened or Shortened.nothing(state.place)).up_to(state.seen)
    new = prompt.shortened or Shortened.nothing(prompt.place)
    return before.followed_by(replace(new, place=_shifted(state, new.place)))


def _given(state: State, forced: Sequence[int] | Sequence[Sequence[int]]) -> Tensor:
    """Known answers, (B, N)."""
    every = [token for token in forced if isinstance(token, int)]  # of one answer for all sequences
    answers = [every] * len(state.logits) if every else [list(of) for of in forced if not isinstance(of, int)]
    longest, end = max(map(len, answers)), min(state.llava.end_ids)
    filled = [[*answer, *[end] * (longest - len(answer))] for answer in answers]
    return torch.tensor(filled, device=state.logits.device)


def _pick(logits: Tensor, temperature: float, seed: int, number: int) -> Tensor:
    """The next tokens (B,); sampling adds Gumbel noise that depends on the seed and the step alone."""
    if temperature == 0:
        return logits.argmax(-1)
    generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
    uniform = torch.rand(logits.shape[1:], generator=generator).clamp(min=1e-20).to(logits.device)
    return (logits / temperature - (-uniform.log()).log()).argmax(-1)
