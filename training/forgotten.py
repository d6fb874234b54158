"""What a sparse cache forgets of conversations about scenes, layer by layer: what the kernels of LESS learn from.

A conversation is read once, by the full cache. H2O's rule says which tokens each later query would still find: it cuts
what was read to its share at the end of the picture, or of the first question, and gives one up for every token more.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from elastic.model import PictureReader, Reading
from elastic.policies.base import share_of
from scenes.scene import random_scene, render
from scenes.talk import conversation
from scenes.typing import messy

TURNS = 6
ASIDES = 0.2  # share of turns that are descriptions, greetings and what cannot be answered
NEWEST = 0.5  # share of the slots for the newest tokens, as H2O has it


@dataclass(frozen=True)
class Forgetting:
    """One conversation in one layer: T tokens, of which the last N ask after others were forgotten."""

    query: Tensor  # (H, N, D) after RoPE
    key: Tensor  # (K, T, D) after RoPE
    value: Tensor  # (K, T, D)
    dropped: Tensor  # (K, N, T) bool: what each of the queries no longer finds in a slot
    output: Tensor  # (H, N, D) float32, of attention to the slots alone
    lse: Tensor  # (H, N) float32, the logarithm of its sum
    target: Tensor  # (N, d) float32, what the full cache's attention gives, after the output projection
    more: Tensor  # (N, d) float32, what that many slots more in place of a memory would give


@dataclass
class Recording:
    """Takes all layers' queries, keys and values while a text is read; goes along as `model(..., recording=...)`."""

    layers: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)  # (H, T, D), (K, T, D) twice


def recorded_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: object
) -> tuple[Tensor, None]:
    """SDPA, with a `Recording` that takes what it is given where one travels along."""
    recording: Recording | None = kwargs.pop("recording", None)
    if recording is not None:
        recording.layers.append((query[0], key[0], value[0]))
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register("recorded", recorded_attention)
AttentionMaskInterface.register("recorded", sdpa_mask)


@torch.no_grad()
def record(llava: PictureReader, number: int, keep: float, memory: int) -> list[Forgetting]:
    """Conversation `number`, per layer: a share `keep` of what was read is held, of which a memory takes some slots."""
    name = f"train less {number}"
    prompt, begin = talk(llava, name, random.Random(name))
    before = llava.text_config._attn_implementation
    llava.model.set_attn_implementation({"text_config": "recorded"})
    recording = Recording()
    llava.model.model(input_ids=prompt.ids, use_cache=False, recording=recording, **prompt.inputs)
    llava.model.set_attn_implementation({"text_config": before})
    limit = share_of(keep, begin)
    blocks = llava.model.get_decoder().layers
    return [
        forgotten(*layer, begin, (limit - memory, limit), block.self_attn.o_proj)
        for layer, block in zip(recording.layers, blocks, strict=True)
    ]


def talk(llava: PictureReader, name: str, rng: random.Random) -> tuple[Reading, int]:
    """A conversation about a scene as one prompt, and the token at which a cache would be compressed."""
    scene = random_scene(name)
    turns = conversation(scene, TURNS, rng, typed=messy, asides=ASIDES)
    picture, first = render(scene)[0], turns[0]
    start = llava.first_turn(picture, first.text)
    begins = [llava.halves(picture, first.text)[0].ids.shape[1], start.ids.shape[1]]
    later = [None, *turns[1:]]
    pieces = []
    for question, turn in zip(later, turns, strict=True):
        if question is not None:
            pieces.append(llava.next_turn(question.text).ids)
        answer = llava.tokenizer(f" {turn.answer}", add_special_tokens=False)["input_ids"]
        pieces.append(torch.tensor([answer], device=llava.device))
    return start.followed_by(torch.cat(pieces, 1)), rng.choice(begins)


def forgotten(
    query: Tensor, key: Tensor, value: Tensor, begin: int, slots: tuple[int, int], project: nn.Module
) -> Forgetting:
    """What queries (H, T, D) from `begin` on find of keys and values (K, T, D) in so many slots, and in some more."""
    kv, tokens, dim = key.shape
    grouped = query.float().view(kv, -1, tokens, dim)
    logits = grouped @ key.float()[:, None].mT * dim**-0.5
    logits = logits.masked_fill(~torch.ones(tokens, tokens, dtype=torch.bool, device=key.device).tril(), -torch.inf)
    later, values = logits[:, :, begin:], value.float()[:, None]
    held = [held_by_h2o(logits, begin, count) for count in slots]
    sparse, more = (later.masked_fill(~mask[:, None], -torch.inf) for mask in held)
    projected = [_projected(each.softmax(-1) @ values, project) for each in (later, more)]
    is_there = later[:, 0] > -torch.inf
    return Forgetting(
        query=query[:, begin:],
        key=key,
        value=value,
        dropped=is_there & ~held[0],
        output=(sparse.softmax(-1) @ values).flatten(0, 1),
        lse=sparse.logsumexp(-1).flatten(0, 1),
        target=projected[0],
        more=projected[1],
    )


def _projected(output: Tensor, project: nn.Module) -> Tensor:
    """What attention's output (K, G, N, D) adds to the hidden states, (N, d) float32."""
    together = output.flatten(0, 1).transpose(0, 1).flatten(1)
    found: Tensor = project(together.to(next(project.parameters()).dtype)).float()
    return found


def held_by_h2o(logits: Tensor, begin: int, count: int) -> Tensor:
    """Which tokens the queries from `begin` on still find, (K, N, T) bool, of logits (K, G, T, T), `count` being held.

    Heavy hitters by the sum of attention so far, in groups of heads the mean, and the newest tokens.
    """
    kv, _, tokens, _ = logits.shape
    score = logits[:, :, :begin].softmax(-1).sum(2).mean(1)
    newest = int(NEWEST * count)
    place = torch.arange(tokens, device=logits.device)
    ranked = score.masked_fill((place >= begin - newest) & (place < begin), torch.inf)
    ranked[:, begin:] = -torch.inf
    kept = ranked.argsort(dim=-1, descending=True, stable=True)[:, :count]
    held = torch.zeros(kv, tokens, dtype=torch.bool, device=logits.device).scatter_(1, kept, True)
    found = []
    for number in range(begin, tokens):
        held[:, number] = True
        found.append(held.clone())
        score += logits[:, :, number].masked_fill(~held[:, None], -torch.inf).softmax(-1).mean(1)
        older = held & (place < number + 1 - newest)
        over = held.sum(1) > count
        weakest = score.masked_fill(~older, torch.inf).argmin(1)
        held.scatter_(1, weakest[:, None], ~over[:, None])
    return torch.stack(found, 1)


def sequences(llava: PictureReader, count: int, keeps: list[float], memory: int) -> Iterator[list[Forgetting]]:
    """So many conversations, shares of the cache in turn; the same whatever is asked for beside."""
    for number in range(count):
        yield record(llava, number, keeps[number % len(keeps)], memory)
