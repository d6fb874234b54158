"""Link what was read before: keys and values of one reading, used behind another text than they were made behind.

EPIC with its LegoLink (arXiv 2410.15332) for texts; MPIC (arXiv 2502.01960) does the same with pictures. A prompt is
put together of chunks that were each read by themselves and of words that are new. Taken over are a chunk's values as
they are, and its keys, turned to the positions that they now have (RoPE turns a key exactly, see
`elastic.cache.rotary`). Read anew, through all layers, are the new words and the first `k` tokens of every chunk:
whatever begins a text draws attention, and behind other words those first tokens still would (false sinks). What is
read anew attends by its place to all before it, anew or not, and what is read behind sees the result.

Departures. From EPIC: keys are stored as they are after RoPE, and turned by the difference; words may come between
chunks, and are read anew, where EPIC knows a question at the end; whether a chunk begins with a BOS of its own is for
whoever read it to say (EPIC's code keeps every one, so that the linked prompt has several); a chunk that begins the
prompt as it began its own reading is its true prefix, and nothing of it is read anew, where EPIC excepts the system
prompt; `k = 0` takes chunks as they are; and of all tokens the very last is always read, as the next one is chosen by
it. From MPIC: its policy is this one, with new words and the first patches of each picture (32 there) read in one go;
its store on disks and its transfer while the model computes are not here. From both: the attention of what is read
anew is summed up for methods that compress, and only that: what is taken over does not ask a second time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elastic.cache import ElasticCache
from elastic.cache.asking import kinds_of
from elastic.cache.hooks import read
from elastic.cache.rotary import turn
from elastic.cache.slots import SlotLayer
from elastic.cache.splicing import splice
from elastic.cache.views import attention_on_tokens
from elastic.model import Reader, Reading
from elastic.models.reading import View, words
from elastic.policies.full import Full
from elastic.record.reuse import ALL, Reuse
from elastic.rehearsal import Script
from elastic.state import State, now
from elastic.statistics import Statistic


@dataclass(frozen=True)
class Stretch:
    """Tokens `begin` to `end` of what a state has read, to be taken over; all to its end where that is not said."""

    state: State
    begin: int = 0
    end: int | None = None

    @property
    def stop(self) -> int:
        """The number of the token behind its last."""
        return self.state.seen if self.end is None else self.end

    @property
    def prompts(self) -> Iterator[tuple[int, Reading]]:
        """The prompts that its tokens are of, as far as they are, each with its first token's number in the chunk.

        Raises:
            ValueError: if the chunk ends within a picture, or begins in one.
        """
        for first, prompt in self.state.script.prompts:
            end = first + prompt.ids.shape[1]
            if end <= self.begin or first >= self.stop:
                continue
            part = prompt.split(self.stop - first)[0] if end > self.stop else prompt
            yield max(0, first - self.begin), part.from_token(max(0, self.begin - first))

    def check(self, llava: Reader) -> None:
        """See that a model's full cache holds all of it.

        Raises:
            ValueError: if it does not.
        """
        cache = self.state.cache
        if not 0 <= self.begin < self.stop <= self.state.seen:
            raise ValueError(
                f"There are no tokens {self.begin} to {self.stop} of {self.state.seen}: name some that were read."
            )
        if self.state.shortened is not None:
            raise ValueError(
                f"{self.state.shortened.front} left tokens of a picture out, and a chunk is linked whole: read it "
                "without that, and link it then."
            )
        if not cache.made_for.is_same(llava.model.get_decoder()):
            raise ValueError("A chunk was read by another model, whose keys mean nothing to this one: read it anew.")
        is_whole = all(type(layer) is SlotLayer and layer.used == self.state.seen for layer in cache.layers)
        if not is_whole or (cache.tables.source != torch.arange(cache.tables.capacity))[..., : self.state.seen].any():
            raise ValueError(
                f"Only of a full cache chunks can be linked, and {cache.policy.title} has made another one of what was "
                "read, or tokens were erased: link what `prefill` gives, and compress afterwards."
            )


@torch.inference_mode()
def link(
    llava: Reader,
    chunks: Sequence[State | Stretch | Reading],
    k: int,
    needs: Iterable[Statistic] = (),
    record_attention: bool = True,
) -> State:
    """One state of what several readings made of their tokens, chunk behind chunk: B sequences, T tokens in all.

    States that are not compressed, and a `Stretch` of one, are taken over but for the first `k` tokens of each, which
    are read anew, as prompts (of `first_turn`, `next_turn`, `halves`...) among the `chunks` are as a whole; `ALL` reads
    everything, which is what `prefill` of all the tokens does. What that means, and where it departs from EPIC, stands
    above. The state goes on as any other: `extend` reads a question behind it, `compress` makes it smaller. For that,
    `needs` are the statistics of attention to collect, of the queries that are read anew alone. Methods by the last
    queries, or by those behind a picture, so lack nothing where that text is new; sums over all queries (H2O, Elastic
    Cache...) are sums over those few, weighed by how many of them could see a token; methods by keys and values see
    them as they were made elsewhere; a rehearsal (KVzip) reads everything. None is refused.

    Raises:
        ValueError: if nothing is taken over, or a chunk is something else; if the chunks are of other numbers of
            sequences, of another model, compressed, or have erased tokens; if `k` is negative; if the model's tokens
            have three positions, a sliding window ends, or RoPE's frequencies would change.
    """
    began = now(llava)
    parts = [Stretch(one) if isinstance(one, State) else one for one in chunks]
    _check(llava, parts, k)
    cache = ElasticCache(Full(), llava.model, needs)
    cache.records_attention = record_attention
    ids = torch.cat([_ids(part).to(llava.device) for part in parts], 1)
    kinds = torch.cat([_kinds(part, cache.image_id) for part in parts], 1)
    chosen = _chosen(parts, k)
    script = Script(tuple(_prompts(parts)))
    embedded = _embedded(llava, ids, chosen, script)
    last = parts[-1]
    asked = last.asked if isinstance(last, Reading) else 0
    forward = splice(cache, ids, kinds, _stored(parts, cache), chosen, asked)
    logits = read(llava.model, cache, forward, None, inputs_embeds=embedded)
    cache.observe(forward)
    places, views = _placed(script, ids.shape[1])
    looked = attention_on_tokens(cache.tables, forward) if record_attention else torch.empty(0)
    begins = [
        start
        for number, start in enumerate(_starts(parts)[:-1])
        if isinstance(parts[number], Stretch) and not _is_prefix(parts, number)
    ]
    reuse = Reuse(cache.tables.reused.nonzero()[:, 0].tolist(), begins, None if k >= ALL else k)
    return State(
        llava=llava,
        cache=cache,
        ids=ids.cpu(),
        logits=logits,
        looked=looked,
        prefill_seconds=now(llava) - began,
        views=views,
        places=places,
        reuse=reuse,
        script=script,
    )


def _check(llava: Reader, parts: Sequence[Stretch | Reading], k: int) -> None:
    """See that these can be linked.

    Raises:
        ValueError: if they cannot; one sentence.
    """
    for part in parts:
        if not isinstance(part, Stretch | Reading):
            raise ValueError(
                f"A {type(part).__name__} cannot be linked: each chunk is a state, a Stretch of one, or a prompt that "
                "the model makes of words, by first_turn, next_turn or halves."
            )
    if k < 0:
        raise ValueError(f"The first {k} tokens of a chunk cannot be read anew: take 0 or more, or ALL.")
    taken = [part for part in parts if isinstance(part, Stretch)]
    if not taken:
        raise ValueError("There is nothing to take over: give a state among the chunks, or read the prompt by prefill.")
    if taken[0].state.cache.axes > 1:
        raise ValueError(
            f"{llava.title} gives tokens three positions (time, row, column), and keys of such cannot be turned to "
            "others here: read the whole prompt."
        )
    for part in taken:
        part.check(llava)
    batches = {len(_ids(part)) for part in parts}
    if len(batches) > 1:
        raise ValueError(f"The chunks are of {min(batches)} to {max(batches)} sequences: link equally many of each.")
    if any(isinstance(part, Reading) and part.erased for part in parts):
        raise ValueError("Tokens were erased of a prompt that is to be linked: erase of a prompt that is read whole.")


def _ids(part: Stretch | Reading) -> Tensor:
    return part.ids if isinstance(part, Reading) else part.state.ids[:, part.begin : part.stop]


def _kinds(part: Stretch | Reading, image_id: int | None) -> Tensor:
    if isinstance(part, Reading):
        return kinds_of(part.ids, image_id, True)
    return part.state.cache.tables.kinds[:, part.begin : part.stop]


def _starts(parts: Sequence[Stretch | Reading]) -> list[int]:
    """Where each part begins, and where the last one ends."""
    return list(accumulate((_ids(part).shape[1] for part in parts), initial=0))


def _chosen(parts: Sequence[Stretch | Reading], k: int) -> Tensor:
    """The numbers (n,) of the tokens that are read anew, in order."""
    starts = _starts(parts)
    anew = torch.ones(starts[-1], dtype=torch.bool)
    for number, (part, start, end) in enumerate(zip(parts, starts, starts[1:], strict=False)):
        if isinstance(part, Stretch):
            anew[start + (0 if _is_prefix(parts, number) and k < ALL else k) : end] = False
    anew[-1] = True  # the next token is chosen by it
    return anew.nonzero()[:, 0]


def _is_prefix(parts: Sequence[Stretch | Reading], number: int) -> bool:
    """Whether a part begins the whole as it began its own reading, so that nothing of it would change."""
    part = parts[number]
    return number == 0 and isinstance(part, Stretch) and part.begin == 0


def _prompts(parts: Sequence[Stretch | Reading]) -> Iterator[tuple[int, Reading]]:
    """All prompts, each with its first token's number in the whole."""
    for part, start in zip(parts, _starts(parts), strict=False):
        if isinstance(part, Reading):
            yield start, part
        else:
            yield from ((start + first, prompt) for first, prompt in part.prompts)


def _stored(parts: Sequence[Stretch | Reading], cache: ElasticCache) -> list[tuple[Tensor, Tensor]]:
    """Per layer keys and values (B, H, T, D), turned to where the tokens now stand; room where none were taken over."""
    starts, found = _starts(parts), []
    taken = [(part, start) for part, start in zip(parts, starts, strict=False) if isinstance(part, Stretch)]
    for number in range(len(cache.layers)):
        sample = taken[0][0].state.cache.layers[number].stored()
        keys, values = (one.new_zeros(*one.shape[:2], starts[-1], one.shape[3]) for one in sample)
        for part, start in taken:
            old_keys, old_values = part.state.cache.layers[number].stored()
            here, there = slice(start, start + part.stop - part.begin), slice(part.begin, part.stop)
            by = torch.tensor([start - part.begin], device=keys.device)
            moved = old_keys[:, :, there]
            keys[:, :, here] = turn(moved, by, cache.inverse_frequency) if by else moved
            values[:, :, here] = old_values[:, :, there]
        found.append((keys, values))
    return found


def _embedded(llava: Reader, ids: Tensor, chosen: Tensor, script: Script) -> Tensor:
    """What the text model is given for the chosen ones of tokens (B, T), with what the vision tower made, (B, n, d)."""
    embed: Any = llava.model.get_input_embeddings()
    embedded: Tensor = embed(ids[:, chosen.to(ids.device)])
    for first, prompt in script.prompts:
        is_here = (first <= chosen) & (chosen < first + prompt.ids.shape[1])
        if prompt.has_pictures and is_here.any():
            embedded[:, is_here] = llava.embedded(prompt)[:, (chosen[is_here] - first).to(ids.device)]
    return embedded


def _placed(script: Script, tokens: int) -> tuple[np.ndarray, tuple[View, ...]]:
    """Places (T, 4) of all tokens and the views, numbered in their order; a picture that comes twice counts twice."""
    places, views = words(tokens), tuple[View, ...]()
    for first, prompt in script.prompts:
        pictures = 1 + max((view.picture for view in views), default=-1)
        shift = np.array([pictures, len(views), 0, 0], np.int32)
        places[first : first + len(prompt.place)] = np.where(prompt.place >= 0, prompt.place + shift, -1)
        views += tuple(replace(view, picture=view.picture + pictures) for view in prompt.views)
    return places, views
