"""Methods that share one budget over the layers, against their formulas in loops on the model's own maps."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic.engine import compress, decode, prefill
from elastic.policies.base import PATCH
from elastic.policies.parts.budget import BySparsity, Pyramid, Threshold, share_out
from elastic.policies.parts.protect import LEAST_FREE
from elastic.policies.prefixkv import PrefixKV
from elastic.policies.pyramidkv import PyramidKV
from elastic.policies.snapkv import SnapKV
from elastic.policies.tgvkv import TGVKV
from elastic.policies.vlcache import VLCache
from elastic.statistics import Sparsity
from tests.unit.plain_model import PlainModel, grouped, held_tokens
from tests.unit.test_matrix_rules import TOKENS, planted

ANSWER = [20 + 7 * number % 150 for number in range(40)]
LAYERS, HEADS = range(3), range(2)


@pytest.fixture(scope="module")
def asked(tiny, picture):
    return tiny.first_turn(picture, "How many dogs are there in the picture, and where is the largest one?")


@pytest.fixture(scope="module")
def start(tiny, asked):
    needs = (policy().needs for policy in (PrefixKV, PyramidKV, TGVKV, VLCache))
    return prefill(tiny, asked, frozenset().union(*needs))


@pytest.fixture(scope="module")
def maps(eager, asked):
    """The prompt's weights of attention, (L, H, T, T)."""
    return PlainModel(eager, asked).maps


@pytest.fixture(scope="module")
def patches(start):
    return [t for t, kind in enumerate(start.cache.tables.kinds[0].tolist()) if kind == PATCH]


def held_sets(state):
    return [[set(tokens) for tokens in heads] for heads in held_tokens(state.cache)]


def exact_shares(total, weights, most, at_least):
    """The shares before rounding: a scale times the weights, within bounds, of which the sum is the total."""
    weights = [Fraction(weight) for weight in weights]
    least = [min(at_least, upper) for upper in most]
    total = max(sum(least), min(total, sum(most)))

    def shares(scale):
        return [min(max(w * scale, low), high) for w, low, high in zip(weights, least, most, strict=True)]

    # The sum grows piece by piece linearly with the scale; between two bounds that are met the scale can be solved for.
    bounds = sorted({Fraction(b) / w for bs in (least, most) for b, w in zip(bs, weights, strict=True)} | {Fraction(0)})
    for left, right in pairwise(bounds):
        low, high = sum(shares(left)), sum(shares(right))
        if low <= total <= high:
            return shares(left + (right - left) * (Fraction(total) - low) / (high - low) if high > low else left)
    return shares(bounds[-1])


def check_shares(counts, total, weights, most, at_least):
    exact = exact_shares(total, weights, most, at_least)
    assert sum(counts) == sum(exact)
    left = [share - int(share) for share in exact]
    up = [count - int(share) for count, share in zip(counts, exact, strict=True)]
    assert all(step == 0 or (step == 1 and rest > 0) for step, rest in zip(up, left, strict=True))
    losers = [rest for step, rest in zip(up, left, strict=True) if step == 0]
    winners = [rest for step, rest in zip(up, left, strict=True) if step == 1]
    assert not winners or not losers or min(winners) >= max(losers) - Fraction(1, 10**6), "largest remainders"


@st.composite
def splits(draw):
    layers = draw(st.integers(1, 6))
    each = st.lists(st.integers(1, 60), min_size=layers, max_size=layers)
    return draw(st.integers(1, 300)), draw(each), draw(each), draw(st.integers(1, 8))


@settings(deadline=None, max_examples=200)
@given(splits())
def test_slots_are_shared_out_in_proportion_within_bounds_to_the_last_one(split):
    total, weights, most, at_least = split
    counts = share_out(total, torch.tensor(weights, dtype=torch.float64), torch.tensor(most), at_least)
    check_shares(counts, total, weights, most, at_least)


def test_shares_of_nothing_are_equal_and_of_next_to_nothing_the_least_allowed():
    assert share_out(12, torch.zeros(3), torch.tensor([9, 9, 9])) == [4, 4, 4]
    assert share_out(12, torch.tensor([0.0, 1.0, 1.0]), torch.tensor([9, 9, 9]), at_least=2) == [2, 5, 5]
    assert share_out(1000, torch.tensor([0.0, 1.0, 1.0]), torch.full((3,), 900)) == [1, 500, 499]
    assert share_out(10, torch.ones(3), torch.tensor([9, 9, 9])) == [4, 3, 3], "ties go to the first layer"


def test_pyramid_budgets_fall_linearly_from_layer_to_layer():
    """84 slots beyond the window of 16: the last layer gets 84 / 20 = 4.2 of them and the first 2 x 84 - 4.2 = 163.8.

    In between by (163.8 - 4.2) / 4 = 39.9 less each: 163.8, 123.9, 84, 44.1, 4.2, and the window in all of them.
    """
    assert Pyramid().slopes(100, torch.full((5,), 1000)) == [180, 140, 100, 60, 20]


def test_a_layer_of_the_pyramid_that_has_no_more_tokens_leaves_its_budget_to_the_others():
    """140.8, 80, 19.2 of 100 tokens each: the first takes 100, and of 140 the others would have 112.9 and 27.1."""
    assert Pyramid().slopes(80, torch.full((3,), 100)) == [100, 100, 40]


def test_pyramid_chooses_within_a_layer_as_snapkv_does(start):
    pyramid, total = compress(start, PyramidKV(keep=0.3)), start.seen
    window, mean = 16, int(0.3 * total)
    last = (mean - window) / 20
    first = 2 * (mean - window) - last
    sloped = [Fraction(window + number) for number in (first, (first + last) / 2, last)]
    slots = pyramid.cache.prompt_slots.tolist()
    check_shares(slots, 3 * mean, sloped, [total] * 3, 2)
    for layer, count in enumerate(slots):
        # Rounding up keeps int(keep x total) at `count`.
        snap = compress(start, SnapKV(keep=(count + 0.5) / total))
        assert snap.cache.prompt_slots.tolist() == [count] * 3
        assert held_sets(snap)[layer] == held_sets(pyramid)[layer]


@pytest.mark.parametrize(
    ("mean", "density", "tokens", "expected"),
    [
        # Z = 0.8; shares 0.5, 0.25, 0.125, 0.125 of 0.3 x 4 x 100 slots.
        (30, [0.4, 0.2, 0.1, 0.1], 100, [60, 30, 15, 15]),
        # At alpha 0.6 the first would have 1.2 of its tokens: clipped to 1. Of 240 the others share 140 as 2 : 1 : 1.
        (60, [0.4, 0.2, 0.1, 0.1], 100, [100, 70, 35, 35]),
        # A layer without any density keeps a hundredth of its 200 tokens; the others share 40 - 2 x 2.
        (10, [0.3, 0.3, 0.0, 0.0], 200, [18, 18, 2, 2]),
        # Where everything may be kept, everything is, dense or not.
        (100, [0.1, 0.5, 0.2, 0.3], 100, [100, 100, 100, 100]),
    ],
)
def test_vlcache_budgets_by_hand(mean, density, tokens, expected):
    assert BySparsity().in_proportion(mean, torch.tensor(density), torch.full((4,), tokens)) == expected


@pytest.mark.parametrize("keep", [0.5, 0.1])
@pytest.mark.parametrize("recent", [0.1, 0.0])
def test_vlcache_goes_by_the_queries_after_the_image_and_their_sparsity(keep, recent, start, maps, patches):
    total = start.seen
    queries = range(patches[-1] + 1, total)
    visible = sum(q + 1 for q in queries)
    density = []
    for layer in LAYERS:
        faint = [sum((head[q, : q + 1] < 0.01 * head[q].max()).sum() for q in queries) for head in maps[layer]]
        density.append(1 - np.mean([count / visible for count in faint]))
    measured = start.cache.layer_statistics[Sparsity(rows="after image")][:, 0]
    assert (1 - measured).tolist() == pytest.approx(density, abs=1e-5)
    state = compress(start, VLCache(keep=keep, recent=recent))
    slots = state.cache.prompt_slots.tolist()
    check_shares(slots, 3 * int(keep * total), density, [total] * 3, max(1, total // 100))
    assert len(set(slots)) > 1
    score = grouped(maps, 2)[:, :, list(queries)].sum(2)
    for layer, count in enumerate(slots):
        newest = set(range(total - int(recent * count), total))
        for head in HEADS:
            others = sorted(set(range(total)) - newest, key=lambda t: -score[layer, head, t])
            assert held_sets(state)[layer][head] == newest | set(others[: count - len(newest)])


def prefix_sizes(scores, budget):
    """Of all shares p that some number of tokens has, the largest for which the layers' sizes are within the budget."""
    ranked = [np.sort(row / row.sum())[::-1] for row in scores]

    def sizes(p):
        """The fewest tokens of each layer that have a share p of its attention."""
        return [next((n for n in range(1, len(row)) if row[:n].sum() >= p), len(row)) for row in ranked]

    shares = sorted({row[:n].sum() for row in ranked for n in range(1, len(row) + 1)})
    low, high = 0, len(shares) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(sizes(shares[middle])) <= budget else (low, middle - 1)
    return sizes(shares[low])


@pytest.mark.parametrize("seed", range(12))
def test_prefixkv_sizes_of_scores_of_any_kind_are_those_of_a_scan_over_all_shares(seed):
    rng = np.random.default_rng(seed)
    scores = [rng.random(30) ** power + 0.01 for power in (0.5, 1, 2, 4)]
    for budget in (24, 25, 26, 60, 61, 100):
        expected = prefix_sizes(scores, budget)
        assert sum(expected) == budget and min(expected) >= 2
        assert Threshold().sizes([torch.tensor(row) for row in scores], budget) == expected


def test_prefixkv_keeps_the_ends_of_a_prompt_whatever_they_score():
    layer, _ = planted(PrefixKV())
    layer.score[:, [0, TOKENS - 1]] = 0
    owner = PrefixKV(keep=0.1).compress([layer, layer], TOKENS)[0].owner[0]
    assert owner[0] == 0 and owner[TOKENS - 1] == TOKENS - 1 and (owner >= 0).sum() == 6


@pytest.mark.parametrize("keep", [0.5, 0.2, 0.05])
def test_prefixkv_finds_the_one_share_of_attention_at_which_the_layers_sizes_are_the_budget(keep, start, maps):
    total, budget = start.seen, 3 * int(keep * start.seen)
    score = maps.mean(1).sum(1)
    expected = prefix_sizes(score, budget)
    assert sum(expected) == budget and len(set(expected)) > 1 and min(expected) >= 2
    state = compress(start, PrefixKV(keep=keep))
    assert state.cache.prompt_slots.tolist() == expected
    for layer, count in enumerate(expected):
        ends = {0, total - 1}
        others = sorted(set(range(total)) - ends, key=lambda t: -score[layer, t])
        assert held_sets(state)[layer][0] == ends | set(others[: count - 2])


@pytest.mark.parametrize(("keep", "distance"), [(0.3, 10), (0.3, 500), (0.1, 25)])
def test_prefixkv_deletes_at_a_fixed_point_of_every_layer(keep, distance, start):
    state, prompt = compress(start, PrefixKV(keep=keep, distance=distance)), start.seen
    sizes, held = state.cache.prompt_slots.tolist(), held_sets(state)
    deleted = 0
    for step in decode(state, 40, forced=ANSWER):
        for layer, size in enumerate(sizes):
            tokens = held[layer][0] | {state.seen - 1}
            # Its part of what all layers may hold, each a whole number of slots.
            if len(tokens) > size * (int(keep * state.seen + 1e-9) / int(keep * prompt + 1e-9)):
                tokens.remove(sorted(tokens)[size - min(distance, size // 2)])
                deleted += 1
            held[layer] = [tokens, tokens]
        assert held_sets(state) == held
        assert step.slots == [len(tokens) for tokens, _ in held]
    assert deleted > 3 * 40 * 0.6


@pytest.mark.parametrize("keep", [0.5, 0.2, 0.05])
def test_prefixkv_may_keep_every_word_and_share_out_what_is_left_for_patches(keep, start, maps, patches):
    text = set(range(start.seen)) - set(patches)
    state = compress(start, PrefixKV(keep=keep, protect_text=True))
    score, mean = maps.mean(1).sum(1), max(int(keep * start.seen), len(text) + LEAST_FREE)
    slots = state.cache.prompt_slots.tolist()
    assert sum(slots) == 3 * mean, "words alone are more than a twentieth of this prompt, and are kept all the same"
    for layer, count in enumerate(slots):
        best = sorted(patches, key=lambda t: -score[layer, t])[: count - len(text)]
        assert held_sets(state)[layer][0] == text | set(best) and count >= len(text) + LEAST_FREE
    for _ in decode(state, 40, forced=ANSWER):
        assert all(text <= tokens for tokens, _ in held_sets(state))
        assert sum(state.cache.slots) <= 3 * max(int(keep * state.seen + 1e-9), mean)


def test_prefixkv_may_count_new_positions_by_the_first_layer_as_the_published_code_does(start):
    told, true = (compress(start, PrefixKV(keep=0.3, positions=where)) for where in ("cache length", "true"))
    first = told.cache.prompt_slots[0]
    assert told.cache.enter(torch.tensor([[20]])).positions.tolist() == [[first]] and first < start.seen
    assert true.cache.enter(torch.tensor([[20]])).positions.tolist() == [[start.seen]]


def tgvkv_scores(maps, patches):
    """Per layer how much words say of each patch, and how much they look at the picture in all."""
    total = maps.shape[-1]
    words, gaze, wanted = range(patches[-1] + 1, total), [], []
    for layer in LAYERS:
        mean = maps[layer].mean(0)
        weight = {j: sum(mean[i, j] for i in words if i >= j) / sum(1 for i in words if i >= j) for j in words}
        wanted.append({j: sum(weight[i] * mean[i, j] for i in words) for j in patches})
        gaze.append(sum(mean[i, j] for i in words for j in patches))
    return wanted, gaze


@pytest.mark.parametrize("keep", [0.5, 0.2, 0.1, 0.05, 0.03])
def test_tgvkv_keeps_the_outermost_tokens_then_text_then_what_words_that_count_look_at(keep, start, maps, patches):
    total, mean = start.seen, int(keep * start.seen)
    outermost = [0, 1, 2, 3, total - 1]
    text = sorted(set(range(total)) - set(patches) - set(outermost))
    state = compress(start, TGVKV(keep=keep))
    wanted, gaze = tgvkv_scores(maps, patches)
    received = maps.mean(1).sum(1)  # by all queries
    slots = state.cache.prompt_slots.tolist()
    check_shares(slots, 3 * mean, gaze, [total] * 3, min(mean, 5))
    for layer, count in enumerate(slots):
        heavy = sorted(text, key=lambda t: -received[layer, t])
        best = sorted(patches, key=lambda t: -wanted[layer][t])
        assert held_sets(state)[layer] == [{*outermost, *[*heavy, *best][: count - 5]}] * 2
    assert len(set(slots)) > 1
    assert (min(slots) < len(text) + 5) == (keep < 0.1), "no layer is paid the text first"


@pytest.mark.parametrize("keep", [0.5, 0.2, 0.05])
def test_tgvkv_evicts_what_the_newest_token_looks_at_least_but_for_the_first_and_the_newest(
    keep, start, asked, eager, patches
):
    state, plain = compress(start, TGVKV(keep=keep)), PlainModel(eager, asked)
    prompt, words = start.seen, start.seen - 1 - patches[-1]
    sizes, held, gone = state.cache.prompt_slots.tolist(), held_sets(state), set()
    for step in decode(state, 40, forced=ANSWER):
        assert step.logprob == pytest.approx(plain.logprob(step.token), abs=1e-3)
        rows = plain.step(step.token, held).mean(1)
        for layer, size in enumerate(sizes):
            tokens = sorted(held[layer][0] | {state.seen - 1})
            limit = size * int(keep * state.seen + 1e-9) // int(keep * prompt + 1e-9)
            if len(tokens) > limit:
                older = tokens[4 : len(tokens) - min(words, limit - 4)]
                tokens.remove(min(older, key=lambda t: rows[layer, t]))
                gone.add(*set(held[layer][0] | {state.seen - 1}) - set(tokens))
            held[layer] = [set(tokens)] * 2
        assert held_sets(state) == held
    assert {0, 1, 2, 3} <= held[0][0] and len(gone) > 20
    assert max(gone) > patches[-1], "words and the answer's own tokens go, too, once they are old enough"
