"""Four verbs: `prefill` once, `compress` per policy, `decode` as a generator, `extend` by the next question.

Zipping two `decode`s is the side-by-side run. Nothing here knows what a policy's rule is.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from elastic.attention import Observer
from elastic.cache import SlotCache, SlotLayer
from elastic.merge import anchors
from elastic.model import Llava, Prompt
from elastic.policies import LayerView, Policy
from elastic.policies.full import Full


@dataclass
class State:
    """One side of a conversation: every token so far, and what its cache still holds of them."""

    llava: Llava
    cache: SlotCache
    policy: Policy
    ids: list[int]
    is_image: Tensor  # (seen,) bool
    is_prompt: Tensor  # (seen,) bool, False for tokens the model wrote
    logits: Tensor  # (V,) float32, for the next token
    owner: list[Tensor]  # per layer (1 or H, seen)
    looked: Tensor  # (L, seen) float32, the attention of the query that `logits` come from, mean over heads
    sparsity: list[float] = field(default_factory=list)  # per layer, of the last prompt's attention
    received: list[LayerView] = field(default_factory=list)  # per layer, what the policy chose from
    prompt_slots: list[int] = field(default_factory=list)  # per layer, slots after the last compression
    prefill_seconds: float = 0.0
    compress_seconds: float = 0.0

    @property
    def seen(self) -> int:
        """Tokens that are in the cache or were."""
        return len(self.ids)


@dataclass(frozen=True)
class Step:
    """One token of an answer and what the cache held when it had been processed."""

    token: int
    logprob: float  # of this token, natural logarithm
    looked: Tensor  # (L, seen) float32, attention of the query that wrote this token; a merged slot's is its anchor's
    seconds: float  # of the step alone
    slots: list[int]  # per layer
    bytes_held: list[int]  # per layer, slots in use
    bytes_allocated: int  # of the tensors, room for coming tokens included
    dropped: list[list[int]]  # per layer, the tokens (one, or one per head) evicted after this step
    is_last: bool


@torch.inference_mode()
def prefill(llava: Llava, prompt: Prompt) -> State:
    """Run a prompt once, full cache, collecting the attention every token receives."""
    state = State(
        llava=llava,
        cache=SlotCache.empty(llava.layers),
        policy=Full(),
        ids=[],
        is_image=torch.zeros(0, dtype=torch.bool),
        is_prompt=torch.zeros(0, dtype=torch.bool),
        logits=torch.empty(0),
        owner=[torch.zeros(1, 0, dtype=torch.long) for _ in range(llava.layers)],
        looked=torch.empty(0),
    )
    extend(state, prompt)
    return state


@torch.inference_mode()
def extend(state: State, prompt: Prompt) -> None:
    """Let a state read further tokens: a prompt, or the next question of its conversation."""
    began = _now(state.llava)
    observer = Observer()
    images = {"pixel_values": prompt.pixels} if prompt.encoded is None else {"mm_encoder_outputs": prompt.encoded}
    state.logits = _forward(state, prompt.ids, observer, **images)
    state.prefill_seconds, state.compress_seconds = _now(state.llava) - began, 0.0
    _note(state, prompt.ids[0].tolist(), is_prompt=True)
    for index, layer in enumerate(state.cache.layers):
        # The attention of these queries falls on old slots too; it adds to what they received before.
        layer.score = layer.score + observer.frequency[index].cpu()
    state.sparsity = [float(observer.sparsity[index]) for index in range(len(state.cache.layers))]
    state.looked = _looked(state, observer)


@torch.inference_mode()
def compress(state: State, policy: Policy, reserve: int = 256) -> State:
    """A state with a cache of its own, compressed as the policy says, with room for what `reserve` more tokens need."""
    began = _now(state.llava)
    cache = state.cache.copy()
    for layer in cache.layers:
        layer.settle()
    views = [_view(state, layer) for layer in cache.layers]
    owner = []
    for layer, view, chosen, old in zip(
        cache.layers, views, policy.compress(views, state.seen), state.owner, strict=True
    ):
        held = int(anchors(chosen)[0].sum())
        # A policy that holds a share of what is seen needs that share of the room, no more.
        layer.compress(chosen, room=max(1, policy.limit(state.seen + reserve) + 1 - held))
        owner.append(_follow(old, view.position, chosen))
    return State(
        llava=state.llava,
        cache=cache,
        policy=policy,
        ids=list(state.ids),
        is_image=state.is_image,
        is_prompt=state.is_prompt,
        logits=state.logits,
        owner=owner,
        looked=state.looked,
        sparsity=state.sparsity,
        received=views,
        prompt_slots=cache.slots,
        prefill_seconds=state.prefill_seconds,
        compress_seconds=_now(state.llava) - began,
    )


def decode(state: State, max_new_tokens: int, temperature: float = 0.0, seed: int = 0) -> Iterator[Step]:
    """Write an answer token by token, evicting as the state's policy says; greedy unless `temperature` is above 0.

    Ends at an end-of-sequence token, after `max_new_tokens`, or when the consumer closes the generator; the state stays
    usable for `extend` in each case. With a temperature, equal seeds use equal random numbers at equal steps, so that
    two sides differ by their caches and not by luck.

    Raises:
        ValueError: if `max_new_tokens` is below 1 or `temperature` is negative.
    """
    if max_new_tokens < 1 or temperature < 0:
        raise ValueError(f"Need max_new_tokens >= 1 and temperature >= 0, got {max_new_tokens} and {temperature}.")
    for number in range(max_new_tokens):
        began = _now(state.llava)
        token = _pick(state.logits, temperature, seed, number)
        logprob = state.logits.log_softmax(-1)[token].item()
        dropped = [[] for _ in state.cache.layers]
        looked, observer = state.looked, Observer()
        ends = token in state.llava.end_ids
        if not ends:
            # The last token of all is processed too: the next question of a conversation must find it in the cache.
            dropped = _advance(state, token, observer)
        seconds = _now(state.llava) - began
        if not ends:
            state.looked = _looked(state, observer)
        yield Step(
            token=token,
            logprob=logprob,
            looked=looked,
            seconds=seconds,
            slots=state.cache.slots,
            bytes_held=state.cache.bytes_held,
            bytes_allocated=state.cache.bytes_allocated,
            dropped=dropped,
            is_last=ends or number + 1 == max_new_tokens,
        )
        if ends:
            return


@torch.inference_mode()
def _advance(state: State, token: int, observer: Observer) -> list[list[int]]:
    """Process one written token, then free the slots the policy gives up; returns the dropped tokens per layer."""
    state.logits = _forward(state, torch.tensor([[token]], device=state.llava.device), observer)
    _note(state, [token], is_prompt=False)
    dropped = []
    for layer, owner, prompt_slots in zip(state.cache.layers, state.owner, state.prompt_slots, strict=True):
        order = layer.source[:, : layer.used].argsort(1)
        slot = state.policy.evict(_view(state, layer, order), state.seen, prompt_slots)
        if slot is None:
            dropped.append([])
            continue
        gone = layer.evict(order.gather(1, slot[:, None])[:, 0])
        # A slot takes everything that was merged into it along.
        owner[owner == gone[:, None]] = -1
        dropped.append(gone.tolist())
    return dropped


def _forward(state: State, ids: Tensor, observer: Observer, **inputs: object) -> Tensor:
    """Logits (V,) after the last of `ids` (1, n), whose positions are the true ones."""
    # Left to itself the library would count positions by the slots that are left: wrong, and silent.
    positions = torch.arange(state.seen, state.seen + ids.shape[1], device=ids.device)[None]
    output = state.llava.model(
        input_ids=ids,
        position_ids=positions,
        past_key_values=state.cache,
        use_cache=True,
        logits_to_keep=1,
        **inputs,
        observer=observer,
    )
    return output.logits[0, -1].float()


def _note(state: State, ids: list[int], is_prompt: bool) -> None:
    """Enter tokens into the books."""
    seen = state.seen
    image_id = state.llava.model.config.image_token_id
    state.ids += ids
    state.is_image = torch.cat([state.is_image, torch.tensor([i == image_id for i in ids])])
    state.is_prompt = torch.cat([state.is_prompt, torch.full((len(ids),), is_prompt)])
    new = torch.arange(seen, state.seen)
    state.owner = [torch.cat([owner, new.expand(len(owner), -1)], dim=1) for owner in state.owner]


def _view(state: State, layer: SlotLayer, order: Tensor | None = None) -> LayerView:
    """A layer as a policy sees it; `order` (1 or H, S) where the slots are not in the order of their tokens."""
    position, count, score = layer.source, layer.count, layer.score
    if order is not None:
        position, count, score = (table.gather(1, order) for table in (position, count, score))
    return LayerView(position, state.is_image[position], state.is_prompt[position], count, score)


def _looked(state: State, observer: Observer) -> Tensor:
    """Attention of the last query on every token so far, mean over heads, (L, seen); before slots move again."""
    looked = torch.zeros(len(state.cache.layers), state.seen)
    for index, (layer, total) in enumerate(zip(state.cache.layers, looked, strict=True)):
        source = layer.source[:, : layer.used]
        weights = observer.row[index].view(len(source), -1, layer.used).mean(1).cpu() / len(source)
        total.scatter_add_(0, source.flatten(), weights.flatten())
    return looked


def _follow(owner: Tensor, position: Tensor, chosen: Tensor) -> Tensor:
    """Owners of all tokens (1 or H, seen) once their slots, at `position`, have new owners `chosen` (1 or H, S)."""
    heads = max(len(owner), len(position), len(chosen))
    owner, position, chosen = (table.expand(heads, -1) for table in (owner, position, chosen))
    moved = torch.where(chosen >= 0, position.gather(1, chosen.clamp(min=0)), -1)
    # Where a token's slot goes, the token goes; -1, dropped before, stays -1 through an extra last column.
    target = torch.full((heads, owner.shape[1] + 1), -1)
    target.scatter_(1, position, moved)
    return target.gather(1, torch.where(owner >= 0, owner, owner.shape[1]))


def _pick(logits: Tensor, temperature: float, seed: int, number: int) -> int:
    """The next token; sampling adds Gumbel noise that depends on the seed and the step alone."""
    if temperature == 0:
        return int(logits.argmax())
    generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
    uniform = torch.rand(logits.shape, generator=generator).clamp(min=1e-20).to(logits.device)
    return int((logits / temperature - (-uniform.log()).log()).argmax())


def _now(llava: Llava) -> float:
    """Seconds, after the GPU has finished what it was given."""
    if llava.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
