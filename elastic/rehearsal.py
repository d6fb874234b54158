"""A rehearsal: the model repeats all that it has read, and what it looks at for that is what it cannot do without.

It happens on a copy of the cache, which is thrown away. Behind everything the model is told to repeat it, and is then
given it word by word, pictures with what the vision tower made of them, as if it had obeyed. Nothing of it stays but
a number for every slot (KVzip, arXiv 2505.23416). It takes longer than reading did, as every word sees all of the text.
While it lasts, memory holds the cache, its copy, and room for the repetition, which is as much again or more.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from elastic.cache import ElasticCache
from elastic.cache.attention import KEYWORD
from elastic.model import Reader, Reading
from elastic.models.text import BETWEEN
from elastic.policies import LayerView, Policy
from elastic.statistics import Rehearsed, Statistic
from elastic.statistics.rehearsed import Listener

CHUNK = 2048  # tokens that are repeated at once; a prompt with pictures is never cut
SINKS = 4  # first tokens, which every chunk sees
REPEAT = "Repeat the previous context exactly."
GO_ON = "Repeat the part of the previous context exactly, starting with"
LED_BY = 8  # words of the chunk before that a later one is asked to go on from


@dataclass(frozen=True)
class Script:
    """The prompts that a conversation read, each with the number of its first token; what lies between was written."""

    prompts: tuple[tuple[int, Reading], ...] = ()

    def followed_by(self, begin: int, prompt: Reading) -> "Script":
        """The same with a prompt more."""
        return Script((*self.prompts, (begin, prompt)))

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept of pictures to read them again."""
        return sum(prompt.nbytes for _, prompt in self.prompts)

    @property
    def has_pictures(self) -> bool:
        """Whether a picture is among them."""
        return any(prompt.has_pictures for _, prompt in self.prompts)

    def is_open(self, seen: int) -> bool:
        """Whether somebody is still speaking: the last prompt ended before its question."""
        return any(begin + last.ids.shape[1] == seen and not last.asked for begin, last in self.prompts[-1:])

    def parts(self, ids: Tensor, first: int) -> Iterator[tuple[int, Reading]]:
        """All tokens (B, seen) from the `first`, in order: prompts with pictures whole, words in pieces of a chunk."""
        begin = first
        for number, prompt in (*self.prompts, (ids.shape[1], None)):
            if prompt is not None and not prompt.has_pictures:
                continue
            for piece in range(begin, number, CHUNK):
                end = min(piece + CHUNK, number)
                yield piece, Reading(ids[:, piece:end], erased=self._erased(piece, end))
            if prompt is not None:
                skipped = max(0, first - number)
                begin = number + prompt.ids.shape[1]
                yield number + skipped, prompt.from_token(skipped)

    def _erased(self, begin: int, end: int) -> tuple[int, ...]:
        """The tokens between two numbers that nobody looks at, by their numbers from the first one."""
        every = (start + token for start, prompt in self.prompts for token in prompt.erased)
        return tuple(token - begin for token in every if begin <= token < end)


def rehearse(llava: Reader, cache: ElasticCache, ids: Tensor, script: Script, needs: Iterable[Statistic]) -> None:
    """Where a rehearsal is among the `needs`: have the model repeat the tokens (B, seen) that a cache has read.

    What was looked at is noted in the cache's tables, which stays as it is otherwise.

    Raises:
        ValueError: if that is more than the model can read, or a batch is of texts that are longer than a chunk.
    """
    wanted = [one for one in needs if isinstance(one, Rehearsed)]
    if not wanted:
        return
    opening, seen = llava.opening(ids[0].tolist()), ids.shape[1]
    is_open, is_plain = script.is_open(seen), opening is None and not script.has_pictures
    first = opening or int(ids[0, 0] == llava.tokenizer.bos_token_id)  # what begins a text is not said again
    chunks = list(_chunks(script.parts(ids.to(llava.device), first if first < seen else 0)))
    for one in wanted:
        with _listener(llava, cache, one) as listener:
            for number, (begin, end, parts) in enumerate(chunks):
                led_by = ids[:, begin - LED_BY : begin] if number else None
                told = _told(llava, led_by, is_open, is_plain)
                if len(chunks) > 1:
                    listener.hidden = _outside(cache, begin if number else 0, end)
                _repeat(llava, cache, [Reading(told.expand(len(ids), -1)), *parts], listener)
        figures = [listener.strongest[layer].flatten(0, 1).cpu() for layer in range(llava.layers)]
        cache.tables.add(one, figures, partial(one.carried_on, queries=seen))


def extent(llava: Reader, seen: int, policies: Iterable[Policy]) -> int:
    """Tokens that a rehearsal takes behind so many others, at most; 0 where no policy goes by one."""
    if not any(one.is_of_rehearsal for policy in policies for one in policy.needs):
        return 0
    return seen + int(llava.next_turn(REPEAT).ids.shape[1])


def _chunks(parts: Iterable[tuple[int, Reading]]) -> Iterator[tuple[int, int, list[Reading]]]:
    """Parts that are repeated together, with the numbers of their first token and of the one behind their last."""
    begin, end, together = 0, 0, list[Reading]()
    for number, part in parts:
        new = part.ids.shape[1]
        if together and number + new - begin > CHUNK:
            yield begin, end, together
            together = []
        begin, end = begin if together else number, number + new
        together.append(part)
    if together:
        yield begin, end, together


def _told(llava: Reader, led_by: Tensor | None, is_open: bool, is_plain: bool) -> Tensor:
    """What tells the model to repeat all that was read, or what begins with tokens (1, n); behind all of it, (1, m)."""
    if led_by is not None and len(led_by) > 1:
        raise ValueError(
            f"Texts of more than {CHUNK:,} tokens are rehearsed in parts, each led by words of its own: read them one "
            "at a time."
        )
    what = REPEAT if led_by is None else f"{GO_ON} {llava.text(led_by[0].tolist())}"
    if is_plain:
        ids = llava.tokenizer(f"{BETWEEN}{what}{BETWEEN}", add_special_tokens=False)["input_ids"]
        return torch.tensor([ids], device=llava.device)
    return (llava.halves(llava.blank, what)[1] if is_open else llava.next_turn(what)).ids


def _repeat(llava: Reader, cache: ElasticCache, parts: list[Reading], listener: Listener) -> None:
    """Read parts, one behind the other, behind what a copy of a cache holds."""
    new = sum(part.ids.shape[1] for part in parts)
    if cache.seen + new > llava.room:
        raise ValueError(
            f"{cache.seen} tokens and their repetition, {new} more, exceed the {llava.room} that this model can read: "
            "take a method that does not rehearse, or ask about less."
        )
    twin = deepcopy(cache)
    twin.needs, twin.records_attention = frozenset(), False
    for part in parts:
        positions = None if part.positions is None else part.positions + twin.seen + twin.offset
        forward = twin.enter(part.ids, True, part.asked, positions, part.erased)
        forward.observer = listener
        llava.read(part, twin, forward)
        twin.observe(forward)


def _outside(cache: ElasticCache, begin: int, end: int) -> list[Tensor]:
    """Per layer (B, 1 or H_kv, S) which slots are of no token of a chunk, nor of the first ones."""
    tables, hidden = cache.tables, []
    for layer, source in zip(cache.layers, tables.source, strict=True):
        held = source[:, : layer.used].view(cache.batch, -1, layer.used)
        is_outside = (held >= SINKS) & ~((begin <= held) & (held < end))
        # Words of the repetition will lie where nothing fills a head up now.
        hidden.append((is_outside & (held != LayerView.EMPTY)).to(layer.device))
    return hidden


@contextmanager
def _listener(llava: Reader, cache: ElasticCache, wanted: Rehearsed) -> Iterator[Listener]:
    """One that hears a rehearsal of what a cache holds, as long as it lasts."""
    held = [layer.used for layer in cache.layers]
    if not wanted.norms:
        yield Listener(held)
        return
    model: Any = llava.model
    blocks = [layer.self_attn for layer in model.get_decoder().layers]
    listener = Listener(held, lru_cache(lambda layer: _brought(blocks[layer], cache.layers[layer].stored()[1])))
    hooks = [block.register_forward_pre_hook(partial(_note, listener), with_kwargs=True) for block in blocks]
    try:
        yield listener
    finally:
        for hook in hooks:
            hook.remove()


def _note(listener: Listener, block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Note how long what a layer's attention is given is, of the tokens that are not erased."""
    forward = kwargs.get(KEYWORD)
    if forward is not None and forward.observer is listener:  # and not another conversation on the same model
        given = (args[0] if args else kwargs["hidden_states"]).float().norm(dim=-1)
        listener.given[block.layer_idx] = given if forward.kept is None else given[:, forward.kept]


def _brought(block: Any, values: Tensor) -> Tensor:
    """The length of what each query head adds with each value (B, H_kv, S, D) when it looks at nothing else: (B, H, S).

    The projection is asked for its matrix, as it may hold it in few bits, or have more of it in an adapter.
    """
    kv, dim = values.shape[1], values.shape[3]
    one_by_one = torch.eye(block.o_proj.in_features, device=values.device, dtype=values.dtype)
    matrix = (block.o_proj(one_by_one) - block.o_proj(torch.zeros_like(one_by_one[:1]))).float()
    of_heads = matrix.view(kv, -1, dim, matrix.shape[1])
    squares = of_heads @ of_heads.mT  # (H_kv, G, D, D): the square of a length is v . M v
    each = values.float()[:, :, None]
    brought: Tensor = torch.linalg.vecdot(each @ squares, each.expand(-1, -1, len(of_heads[0]), -1, -1))
    return brought.clamp(min=0).sqrt().flatten(1, 2)
