"""Methods that merge values of what they evict, CaM and MergingPress, against plain loops over their formulas."""

import math

import numpy as np
import pytest
import torch

from elastic.engine import compress, prefill
from elastic.policies import LayerView
from elastic.policies.base import WORD
from elastic.policies.cam import CaM
from elastic.policies.mergingpress import MergingPress
from elastic.policies.snapkv import SnapKV
from elastic.statistics import Attention
from tests.unit.plain_model import PlainModel, grouped

LAYERS, HEADS = range(3), range(2)


@pytest.fixture(scope="module")
def start(tiny, asked):
    return prefill(tiny, asked, CaM().needs | MergingPress().needs)


@pytest.fixture(scope="module")
def maps(eager, asked):
    return PlainModel(eager, asked).maps


def stored(state, layer):
    """Keys and values of a layer, (H_kv, S, D) each."""
    return [of[0].double().numpy() for of in state.cache.layers[layer].stored()]


def layer_of(keys, values, score, looks=None):
    """Words with those keys and values (H, S, D), that score (H, S), and what the last queries looked at, else it."""
    slots = keys.shape[1]
    position, words = torch.arange(slots)[None], torch.full((1, slots), WORD)
    last = {Attention(rows="last", n=16, per_head=True): score if looks is None else looks}
    return LayerView(position, words, torch.ones(1, slots), score, slots - position, keys, values, last)


def heavy_and_newest(score, size, recent):
    """H2O's choice: the newest, and of the others those with the largest sums; ascending."""
    newest = range(len(score) - int(recent * size), len(score))
    others = sorted(set(range(len(score))) - set(newest), key=lambda token: -score[token])
    return sorted([*newest, *others[: size - len(newest)]])


def chances(score, kept, window):
    """Of every evicted token the kept ones behind it, and the chance that its value is added to theirs."""
    found = {}
    for token in set(range(len(score))) - set(kept):
        behind = [anchor for anchor in kept if anchor > token][:window]
        mean = sum(score[anchor] for anchor in behind) / max(1, len(behind))
        found[token] = behind, min(1.0, score[token] / mean) if behind else 0.0
    return found


@pytest.mark.parametrize(
    ("keep", "options"), [(0.3, {}), (0.1, {"window": 4}), (0.1, {"recent": 0.0, "window": 3}), (0.05, {"window": 100})]
)
def test_cam_adds_to_the_kept_values_behind_what_was_looked_at_beside_them(keep, options, start, maps):
    """Not drawn, each value is added times its chance; keys stay, and so do values behind which nothing went."""
    policy, score = CaM(keep=keep, drawn=False, **options), grouped(maps, 2).sum(2)
    looks = grouped(maps[:, :, -16:], 2).sum(2)
    state, size = compress(start, policy), int(keep * start.seen)
    sure = 0
    for layer in LAYERS:
        (old_keys, old), (keys, values) = stored(start, layer), stored(state, layer)
        for head in HEADS:
            kept = heavy_and_newest(score[layer, head], size, policy.recent)
            added = chances(looks[layer, head], kept, policy.window)
            expected = {anchor: old[head, anchor].copy() for anchor in kept}
            owner = list(range(start.seen))
            for token, (behind, chance) in added.items():
                owner[token] = behind[0] if chance else -1
                sure += chance == 1
                for anchor in behind:
                    expected[anchor] += chance * old[head, token] / len(behind)
            assert state.cache.tables.owners()[layer, head].tolist() == owner
            assert np.array_equal(keys[head], old_keys[head, kept])
            assert values[head] == pytest.approx(np.array([expected[anchor] for anchor in kept]), abs=2e-4)
    assert sure, "some evicted tokens were looked at as much as those behind them"


def test_what_is_drawn_is_added_whole_as_often_as_its_chance_says(start):
    """One layer and head: of 400 seeds each value was added to all behind it or to none."""
    generator = torch.Generator().manual_seed(1)
    values, score = torch.randn(1, 12, 4, generator=generator), torch.rand(1, 12, generator=generator)
    options = {"keep": 0.34, "recent": 0.5, "window": 2}
    kept = heavy_and_newest(score[0].tolist(), 4, 0.5)
    expected, draws = chances(score[0].tolist(), kept, 2), 400
    times = dict.fromkeys(expected, 0)
    for seed in range(draws):
        (choice,) = CaM(seed=seed, **options).compress([layer_of(values, values, score)], 12)
        (members, to), share = choice.pairs, choice.share
        for token, (behind, _) in expected.items():
            mine = (members[0] == token) & (to[0] >= 0)
            parts = dict(zip(to[0, mine].tolist(), share[0, mine].tolist(), strict=True))
            assert parts in ({}, dict.fromkeys(behind, 1 / max(1, len(behind))))
            assert (int(choice.owner[0, token]) >= 0) == bool(parts)
            times[token] += bool(parts)
    for token, (_, chance) in expected.items():
        assert abs(times[token] - draws * chance) <= 5 * math.sqrt(draws * chance * (1 - chance)) + 1e-9


def test_layers_and_heads_draw_for_themselves_and_the_same_again(start):
    assert [view.number for view in compress(start, CaM()).chosen_from] == [*LAYERS]
    values, score = torch.zeros(2, 40, 4), torch.ones(2, 40)
    score[:, 20:] = 2.0  # chances of a half
    view = layer_of(values, values, score)
    layers = [view, LayerView(**(vars(view) | {"number": 1}))]
    (one, other), again = (CaM(keep=0.5, seed=3).compress(layers, 40) for _ in range(2))
    assert torch.equal(one.owner, again[0].owner) and torch.equal(other.owner, again[1].owner)
    assert not torch.equal(one.owner, other.owner) and not torch.equal(one.owner[0], one.owner[1])
    (alone,) = CaM(keep=0.5, seed=3).compress(layers[1:], 40)
    assert torch.equal(alone.owner, other.owner), "whatever is decided with it"


def test_cam_by_hand_gives_half_of_a_value_to_each_of_two_behind_it():
    """Kept are 1, 2 and the newest, 4; 0 had half of what 1 and 2 had of late on average, 3 more than 4."""
    score, looks = torch.tensor([[[1.0, 9.0, 8.0, 0.5, 0.5]], [[1.0, 2.5, 1.5, 0.6, 0.5]]])
    values = torch.tensor([[[8.0], [10], [20], [40], [50]]])
    policy = CaM(keep=0.6, recent=0.34, window=2, drawn=False)
    (choice,) = policy.compress([layer_of(values, values, score, looks)], 5)
    assert choice.owner.tolist() == [[1, 1, 2, 4, 4]]
    (members, to), share = choice.pairs, choice.share
    sums = [0.0] * 5
    for member, anchor, part in zip(members[0].tolist(), to[0].tolist(), share[0].tolist(), strict=True):
        if anchor >= 0:
            sums[anchor] += part * values[0, member, 0].item()
    assert sums == [0, 10 + 8 * 0.5 / 2, 20 + 8 * 0.5 / 2, 0, 50 + 40]


def test_weights_that_the_kept_had_bring_back_what_the_evicted_gave_and_those_they_get_bring_too_much():
    """The paper's reason holds before softmax makes the attention that chances are made of add up to 1 again."""
    generator = torch.Generator().manual_seed(7)
    values, score = torch.randn(1, 10, 3, generator=generator), torch.rand(1, 10, generator=generator) + 0.1
    score[0, 6:] += 1  # no evicted token has more than those behind it
    policy = CaM(keep=0.4, recent=1.0, window=4, drawn=False)
    (choice,) = policy.compress([layer_of(values, values, score)], 10)
    (members, to), share = choice.pairs, choice.share
    merged = torch.zeros(10, 3)
    for member, anchor, part in zip(members[0].tolist(), to[0].tolist(), share[0].tolist(), strict=True):
        if anchor >= 0:
            merged[anchor] += part * values[0, member]
    even = score.clone()
    even[0, 6:] = score[0, 6:].mean()
    full = even[0] / even.sum() @ values[0]
    assert torch.allclose(even[0, 6:] / even.sum() @ merged[6:], full, atol=1e-5)
    # Softmax over what is left knows nothing of the others' share: so much longer is what comes of it.
    kept_share = even[0, 6:].sum() / even.sum()
    assert kept_share < 0.9
    assert torch.allclose(even[0, 6:].log().softmax(-1) @ merged[6:], full / kept_share, atol=1e-5)


def voted(maps, size, kernel=5, window=16):
    """SnapKV's choice: the window, half of the budget at most, and the best of what is before it by pooled votes."""
    total, half = maps.shape[-1], kernel // 2
    votes, recent = grouped(maps[:, :, -window:], 2).sum(-2), min(window, size // 2)
    found = {}
    for layer in LAYERS:
        for head in HEADS:
            prefix = votes[layer, head, : total - recent]
            pooled = [sum(prefix[max(0, t - half) : t + half + 1]) / kernel for t in range(len(prefix))]
            best = sorted(range(len(prefix)), key=lambda t, pooled=pooled: -pooled[t])[: size - recent]
            found[layer, head] = sorted([*best, *range(total - recent, total)])
    return found


def lowest_norms(start, size):
    norms = {layer: np.sqrt((stored(start, layer)[0] ** 2).sum(-1)) for layer in LAYERS}
    order = {(layer, head): norms[layer][head].argsort(kind="stable") for layer in LAYERS for head in HEADS}
    return {place: sorted(tokens[:size].tolist()) for place, tokens in order.items()}


def moved(keys, values, kept, alike, fraction):
    """The kept tokens' values once the others have moved them, and the owner of every token."""
    unit = keys / np.sqrt((keys**2).sum(1, keepdims=True))
    length = np.sqrt((values**2).sum(1))
    nearest = {}
    for token in set(range(len(keys))) - set(kept):
        cosines = [float(unit[token] @ unit[anchor]) for anchor in kept]
        nearest[token] = max(cosines), kept[int(np.argmax(cosines))]
    least = np.quantile([cosine for cosine, _ in nearest.values()], 1 - fraction)
    total, owner = {anchor: [values[anchor].copy(), 1.0] for anchor in kept}, list(range(len(keys)))
    for token, (cosine, anchor) in nearest.items():
        joins = cosine >= alike and cosine >= least - 1e-12
        owner[token] = anchor if joins else -1
        weight = joins * cosine * length[token] / (length[token] + length[anchor])
        total[anchor][0] += weight * values[token]
        total[anchor][1] += weight
    return np.array([total[anchor][0] / total[anchor][1] for anchor in kept]), owner


@pytest.mark.parametrize(
    ("keep", "options"),
    [
        (0.3, {}),
        (0.1, {"alike": 0.6}),
        (0.1, {"fraction": 0.5}),
        (0.1, {"chosen": "key norm", "alike": 0.3, "fraction": 0.75}),
    ],
)
def test_mergingpress_moves_the_most_similar_kept_value_as_the_formula_says(keep, options, start, maps):
    policy, size = MergingPress(keep=keep, **options), int(keep * start.seen)
    state, lost = compress(start, policy), 0
    chosen = lowest_norms(start, size) if policy.chosen == "key norm" else voted(maps, size)
    for layer in LAYERS:
        (old_keys, old), (keys, values) = stored(start, layer), stored(state, layer)
        for head in HEADS:
            kept = chosen[layer, head]
            expected, owner = moved(old_keys[head], old[head], kept, policy.alike, policy.fraction)
            assert state.cache.tables.owners()[layer, head].tolist() == owner
            assert np.array_equal(keys[head], old_keys[head, kept])
            assert values[head] == pytest.approx(expected, abs=1e-4)
            lost += owner.count(-1)
    assert (lost > 0) == ("alike" in options or "fraction" in options)


def test_mergingpress_by_hand_weighs_a_value_by_cosine_and_length():
    """Keys of low norm are kept, 0 and 1; 2 is like 1 with a cosine of 0.8, and its value is three times as long."""
    keys = torch.tensor([[[-1.0, 0], [1, 0], [4, 3], [0, -9]]])
    values = torch.tensor([[[1.0, 0], [0, 2], [6, 0], [5, 5]]])
    policy = MergingPress(keep=0.5, chosen="key norm", alike=0.5)
    (choice,) = policy.compress([layer_of(keys, values, torch.zeros(1, 4))], 4)
    assert choice.owner.tolist() == [[0, 1, 1, -1]]
    weight = 0.8 * 6 / (6 + 2)
    assert choice.share[0].tolist() == pytest.approx([1, 1 / (1 + weight), weight / (1 + weight), 0])
    assert policy.merged == "values", "keys stay as they are"


def test_merging_nothing_of_what_is_not_kept_is_eviction(start):
    merging, plain = MergingPress(keep=0.2, fraction=0.0), SnapKV(keep=0.2)
    one, other = (compress(start, policy) for policy in (merging, plain))
    assert torch.equal(one.cache.tables.owners(), other.cache.tables.owners())
    assert all(np.array_equal(a, b) for a, b in zip(stored(one, 1), stored(other, 1), strict=True))
