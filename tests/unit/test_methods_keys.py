"""Methods that change what is stored, LOOK-M and ThinK, against plain loops over the papers' formulas."""

import math

import numpy as np
import pytest
import torch

from elastic.engine import compress, decode, prefill
from elastic.policies import LayerView
from elastic.policies.base import PATCH, WORD
from elastic.policies.knorm import KNorm
from elastic.policies.lookm import LookM
from elastic.policies.think import ThinK
from elastic.statistics import Attention, QueryEnergy
from tests.unit.plain_model import PlainModel, grouped

LAYERS, HEADS, DIM = range(3), range(2), 16


@pytest.fixture(scope="module")
def start(tiny, asked):
    return prefill(tiny, asked, {Attention(per_head=True), QueryEnergy(n=32), QueryEnergy(n=4)})


@pytest.fixture(scope="module")
def maps(eager, asked):
    return PlainModel(eager, asked).maps


def stored(state, layer):
    """Keys and values of a layer, (H_kv, S, D) each."""
    return [of[0].double().numpy() for of in state.cache.layers[layer].stored()]


def lookm_kept(policy, score, is_text):
    """The newest, and the best of the others once text is raised by the largest score; ascending."""
    total = len(score)
    size = int(policy.keep * total)
    newest = range(total - int(policy.recent * size), total)
    if policy.all_text:
        size = max(size, len({*newest, *(t for t in range(total) if is_text[t])}))
    raised = [score[t] + score.max() * (is_text[t] and policy.text_prior) for t in range(total)]
    others = sorted(set(range(total)) - set(newest), key=lambda t: -raised[t])
    return sorted([*newest, *others[: size - len(newest)]])


def lookm_targets(keys, kept):
    """Every other token joins the kept one whose key has the largest cosine with its own; with these cosines."""
    unit = keys / np.sqrt((keys**2).sum(1, keepdims=True))
    joined = {}
    for token in set(range(len(keys))) - set(kept):
        cosines = [float(unit[token] @ unit[anchor]) for anchor in kept]
        joined[token] = kept[int(np.argmax(cosines))], max(cosines)
    return joined


def lookm_merged(x, anchor, members, merging):
    """The paper's three means of a kept entry and its c members with their cosines."""
    own, count = x[anchor], len(members) + 1
    if merging == "averaged":
        return (own + sum(x[t] for t, _ in members)) / count
    if merging == "pivotal":
        return (own + sum((x[t] + own) / 2 for t, _ in members)) / count
    return (own + sum(cosine * x[t] for t, cosine in members)) / count


@pytest.mark.parametrize("merging", ["pivotal", "averaged", "weighted"])
@pytest.mark.parametrize(
    ("keep", "text_prior", "recent", "all_text"),
    [
        (0.3, True, 0.5, False),
        (0.1, True, 0.1, False),
        (0.1, False, 0.0, False),
        (0.3, True, 0.5, True),
        (0.05, True, 0.5, True),
    ],
)
def test_lookm_merges_into_the_most_similar_key_as_the_formulas_say(
    merging, keep, text_prior, recent, all_text, start, maps
):
    policy = LookM(keep=keep, merging=merging, text_prior=text_prior, recent=recent, all_text=all_text)
    state, score = compress(start, policy), grouped(maps, 2).sum(2)
    is_text = (start.cache.tables.kinds[0] != PATCH).tolist()
    sizes = set()
    for layer in LAYERS:
        before, after = stored(start, layer), stored(state, layer)
        for head in HEADS:
            kept = lookm_kept(policy, score[layer, head], is_text)
            if text_prior:
                assert sum(is_text[t] for t in kept) == sum(is_text), "all text is kept"
            joined = lookm_targets(before[0][head], kept)
            owner = [joined[t][0] if t in joined else t for t in range(start.seen)]
            assert state.cache.tables.owners()[layer, head].tolist() == owner
            for slot, anchor in enumerate(kept):
                members = [(t, cosine) for t, (target, cosine) in joined.items() if target == anchor]
                sizes.add(len(members))
                for x, merged in zip(before, after, strict=True):  # keys, and values by the same weights
                    expected = lookm_merged(x[head], anchor, members, merging)
                    assert merged[head, slot] == pytest.approx(expected, abs=1e-4)
    assert {0, 1, 2} <= sizes, "kept tokens with no members, with one and with several were seen"


@pytest.mark.parametrize(("all_text", "held"), [(True, 44), (False, 30)])
def test_of_300_tokens_with_44_words_lookm_at_a_tenth_holds_all_words_only_where_it_is_told_to(all_text, held):
    """44 is what the published code holds: its mask drops no text, whatever the budget."""
    kind = torch.full((1, 300), WORD)
    kind[:, 10:266] = PATCH
    position, score = torch.arange(300)[None], torch.arange(600.0).flip(0).reshape(2, 300)
    keys = torch.randn(2, 300, 8, generator=torch.Generator().manual_seed(0))
    layer = LayerView(position, kind, torch.ones(1, 300), score, 300 - position, keys, keys)
    (choice,) = LookM(keep=0.1, all_text=all_text).compress([layer], 300)
    kept = choice.owner == torch.arange(300)
    assert kept.sum(1).tolist() == [held] * 2
    assert kept[:, kind[0] == WORD].all() == all_text and not kept[:, kind[0] == PATCH].any()


def test_what_lookm_merged_stays_while_answering(start):
    state = compress(start, LookM(keep=0.1))
    before = stored(state, 0)
    list(decode(state, 5, forced=[20, 30, 40, 50, 60]))
    for old, new in zip(before, stored(state, 0), strict=True):
        assert new.shape[1] == old.shape[1] + 5 and np.array_equal(new[:, : old.shape[1]], old)


def channel_energy(eager, asked, queries):
    """Mean squares of the last queries' channels after RoPE, per layer and KV head, from the library's own layers."""
    plain, made, hooks = PlainModel(eager, asked), {}, []
    for layer, block in enumerate(plain.text.layers):

        def note(module, inputs, output, layer=layer):
            made[layer] = output[0].double()

        hooks.append(block.self_attn.q_proj.register_forward_hook(note))
    with torch.no_grad():
        eager(input_ids=asked.ids, **asked.inputs)
    for hook in hooks:
        hook.remove()
    energy = np.zeros((3, 2, DIM))
    for layer in LAYERS:
        by_head = made[layer].view(-1, plain.heads, DIM)
        for head in range(plain.heads):
            turned = plain.turned(by_head[:, head], list(range(plain.seen)))[-queries:]
            energy[layer, head // 2] += turned.square().mean(0).numpy() / 2
    return energy


def think_channels(policy, total):
    """The most channels for which values, newest keys and thin keys stay within the share; and the newest."""
    allowed = 2 * DIM * int(policy.keep * total)  # numbers per head
    # With values and one channel of every key paid for, the newest keys may take half of what is left.
    recent = min(policy.recent, int(max(0, allowed / DIM - total - total / DIM) / 2))
    for channels in range(DIM, 0, -1):
        if total * DIM + recent * DIM + (total - recent) * channels <= allowed:
            return channels, recent
    return 1, recent


@pytest.mark.parametrize(
    "options",
    [{}, {"keep": 0.9}, {"keep": 0.55}, {"keep": 0.7, "recent": 0, "queries": 4}, {"keep": 0.65, "recent": 500}],
)
def test_think_keeps_the_channels_with_the_largest_product_of_query_and_key_energy(options, start, eager, asked):
    policy, total = ThinK(**options), start.seen
    state, energy = compress(start, policy), channel_energy(eager, asked, policy.queries)
    channels, recent = think_channels(policy, total)
    assert 1 <= channels < DIM and 0 <= recent <= policy.recent
    for layer in LAYERS:
        (old, values), (keys, same) = stored(start, layer), stored(state, layer)
        assert np.array_equal(values, same), "values stay as they are"
        for head in HEADS:
            strength = [energy[layer, head, c] * np.mean(old[head, :, c] ** 2) for c in range(DIM)]
            kept = sorted(range(DIM), key=lambda c: -strength[c])[:channels]
            expected = old[head].copy()
            lost = [c for c in range(DIM) if c not in kept]
            expected[: total - recent, lost] = 0
            assert np.array_equal(keys[head], expected)


def test_another_method_finds_thin_keys_whole_again_with_zeros(start):
    thin = compress(start, ThinK(keep=0.6))
    state = compress(thin, KNorm(keep=0.3))
    size = int(0.3 * start.seen)
    for layer in LAYERS:
        (keys, values), (kept_keys, kept_values) = stored(thin, layer), stored(state, layer)
        for head, row in enumerate(state.cache.tables.owners()[layer].tolist()):
            kept = [t for t, owner in enumerate(row) if owner == t]
            norms = np.sqrt((keys[head] ** 2).sum(1))
            assert len(kept) == size and norms[kept].max() <= np.sort(norms)[size]
            assert np.array_equal(kept_keys[head], keys[head, kept])
            assert np.array_equal(kept_values[head], values[head, kept])
    assert state.cache.bytes_held == [size * 2 * 2 * DIM * 4] * 3


@pytest.mark.parametrize("keep", [0.55, 0.75, 0.9])
def test_thin_keys_really_take_fewer_bytes(keep, start):
    """Not zeros: the tensors that exist are smaller, while answering too, and by what the formula says."""
    policy, total = ThinK(keep=keep), start.seen
    state = compress(start, policy, reserve=10)
    channels, recent = think_channels(policy, total)
    numbers = 2 * (total * DIM + recent * DIM + (total - recent) * channels)  # two heads
    assert state.cache.bytes_held == [4 * numbers] * 3
    room = 2 * 2 * DIM * 4 * (10 + 1)
    assert 4 * numbers * 3 <= state.cache.bytes_allocated <= 3 * (4 * numbers + room)
    for number, step in enumerate(decode(state, 10, forced=range(20, 30)), start=1):
        assert step.bytes_held == [4 * (numbers + 2 * 2 * DIM * number)] * 3
    assert math.fsum(step.bytes_held) <= 3 * 2 * 2 * DIM * 4 * policy.limit(state.seen, total)
