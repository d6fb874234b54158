"""Methods with the same budget in every layer, against their rules written out in numpy on the model's own maps."""

import math

import numpy as np
import pytest
import torch

from elastic.engine import compress, decode, prefill
from elastic.policies import LayerView
from elastic.policies.base import WORD
from elastic.policies.cascading import Cascading
from elastic.policies.corm import CORM
from elastic.policies.h2o import H2O
from elastic.policies.knorm import KNorm
from elastic.policies.random import Random
from elastic.policies.snapkv import SnapKV
from elastic.policies.streaming import Streaming
from elastic.statistics import Attention, Fading, SinceMajor
from tests.unit.plain_model import PlainModel, grouped, held_tokens
from tests.unit.test_matrix_rules import planted

ANSWER = [20 + 7 * number % 150 for number in range(40)]
LAYERS, HEADS, QUERY_HEADS = range(3), range(2), 4
NEEDS = {Attention(rows="last", n=n, per_head=True) for n in (8, 16)} | {
    Attention(per_head=True),
    SinceMajor(per_head=True),
    Fading(n=64),
    Fading(n=8, per_head=True),
}


@pytest.fixture(scope="module")
def start(tiny, asked):
    return prefill(tiny, asked, NEEDS)


@pytest.fixture
def plain(eager, asked):
    return PlainModel(eager, asked)


def sets(held):
    return [[set(tokens) for tokens in heads] for heads in held]


@pytest.mark.parametrize("options", [{}, {"sinks": 0}, {"sinks": 1}, {"sinks": 64}])
def test_streaming_keeps_the_sinks_and_the_newest_first_in_first_out(options, start):
    policy = Streaming(keep=0.1, **options)
    state = compress(start, policy)
    size = int(0.1 * start.seen)
    sinks = min(policy.sinks, size - 1)  # one of them is always the newest
    for number in range(30):
        last = start.seen + number
        expected = {*range(sinks), *range(last - (size - sinks), last)}
        assert sets(held_tokens(state.cache)) == [[expected] * 2] * 3
        next(decode(state, 1, forced=ANSWER[number:]))


class HeavyHitters:
    """H2O in loops: per layer and head a sum for every token held, thrown away with the token."""

    def __init__(self, policy, maps):
        self.received = grouped(maps, 2).sum(-2)  # (L, H_kv, T)
        self.prompt = maps.shape[-1]
        self.size = int(policy.keep * self.prompt)
        self.recent = int(policy.recent * self.size)
        self.sums = [
            [self.cut(dict(enumerate(of_head)), self.prompt) for of_head in of_layer] for of_layer in self.received
        ]

    def cut(self, sums, seen):
        """The newest, and of the others those with the largest sums."""
        older = sorted((t for t in sums if t < seen - self.recent), key=lambda t: -sums[t])
        kept = set(older[: self.size - self.recent]) | {t for t in sums if t >= seen - self.recent}
        return {t: sums[t] for t in sums if t in kept}

    def step(self, rows, seen):
        """Add the newest query's weights (L, H, seen), let the new token in and the weakest go."""
        rows = grouped(rows[:, :, None], 2)[:, :, 0]
        for layer in LAYERS:
            for head in HEADS:
                sums = {**self.sums[layer][head], seen - 1: 0.0}
                self.sums[layer][head] = self.cut({t: sums[t] + rows[layer, head, t] for t in sums}, seen)

    @property
    def held(self):
        return [[set(sums) for sums in heads] for heads in self.sums]


@pytest.mark.parametrize(
    ("keep", "recent", "prompt"), [(0.3, 0.5, 1), (0.1, 0.1, 1), (0.1, 0.0, 1), (0.3, 0.1, 1e-3), (0.05, 0.9, 1e-3)]
)
def test_h2o_evicts_step_by_step_what_the_sums_of_all_queries_say(keep, recent, prompt, start, plain):
    """Sums over a prompt outweigh a short answer's; where they are made light, what the answer looks at decides."""
    policy = H2O(keep=keep, recent=recent)
    state, rule = compress(start, policy), HeavyHitters(policy, plain.maps)
    assert sets(held_tokens(state.cache)) == rule.held
    scores = state.cache.tables.scores
    scores[Attention(per_head=True)] = prompt * scores[Attention(per_head=True)]
    rule.sums = [[{t: prompt * mass for t, mass in sums.items()} for sums in heads] for heads in rule.sums]
    gone = set()
    for step in decode(state, 30, forced=ANSWER):
        assert step.logprob == pytest.approx(plain.logprob(step.token), abs=1e-3)
        rule.step(plain.step(step.token, rule.held), state.seen)
        assert sets(held_tokens(state.cache)) == rule.held
        gone.update(step.evicted[0].flatten().tolist())
    # Tokens of the prompt and of the answer go; without a recent window the newest, hardly looked at, is the weakest.
    assert min(gone) < start.seen or recent == 0
    assert max(gone) >= start.seen or keep == 0.3 or recent == 0.9


@pytest.mark.parametrize(
    ("keep", "options"), [(0.3, {}), (0.1, {"kernel": 7}), (0.3, {"kernel": 1, "window": 8}), (0.02, {})]
)
def test_snapkv_keeps_the_window_and_what_it_votes_for_with_surroundings(keep, options, start, plain):
    policy = SnapKV(keep=keep, **options)
    state, total, size = compress(start, policy), start.seen, int(keep * start.seen)
    window = min(policy.window, size // 2)  # departs from the source: no more than half of the budget
    votes = grouped(plain.maps[:, :, -policy.window :], 2).sum(-2)
    held = sets(held_tokens(state.cache))
    for layer in LAYERS:
        for head in HEADS:
            prefix, half = votes[layer, head, : total - window], policy.kernel // 2
            pooled = [
                sum(prefix[n] for n in range(t - half, t + half + 1) if 0 <= n < len(prefix)) / policy.kernel
                for t in range(len(prefix))
            ]
            best = sorted(range(len(prefix)), key=lambda t: -pooled[t])[: size - window]
            assert held[layer][head] == {*best, *range(total - window, total)}
    list(decode(state, 5, forced=ANSWER))
    written = set(range(total, total + 5))
    assert sets(held_tokens(state.cache)) == [[tokens | written for tokens in heads] for heads in held]


def test_knorm_keeps_the_keys_of_lowest_norm_in_every_head(start, plain):
    held = sets(held_tokens(compress(start, KNorm(keep=0.2)).cache))
    for layer in LAYERS:
        for head in HEADS:  # turning does not change a norm, so keys before RoPE will do
            norms = [math.sqrt(sum(x * x for x in key)) for key in plain.keys[layer][head].tolist()]
            assert held[layer][head] == set(sorted(range(start.seen), key=norms.__getitem__)[: int(0.2 * start.seen)])


def test_layers_that_knorm_skips_are_whole_and_paid_for_by_the_others(start):
    total = start.seen
    state = compress(start, KNorm(keep=0.5, skip_layers=1))
    budget = 3 * int(0.5 * total)
    assert state.cache.slots == [total, -(-(budget - total) // 2), (budget - total) // 2]
    every = compress(start, KNorm(keep=0.5))
    assert every.cache.slots == [int(0.5 * total)] * 3
    fewer, more = (sets(held_tokens(of.cache)) for of in (state, every))
    assert all(fewer[layer][head] < more[layer][head] for layer in (1, 2) for head in HEADS)
    # Less than a whole layer in all: the others keep a hundredth, and the first has the rest.
    poor = compress(start, KNorm(keep=0.2, skip_layers=1)).cache.slots
    assert poor[1:] == [total // 100] * 2 and sum(poor) == 3 * int(0.2 * total)
    two = compress(start, KNorm(keep=0.4, skip_layers=2)).cache.slots
    assert two[2] == total // 100 and two[0] - two[1] in (0, 1) and sum(two) == 3 * int(0.4 * total)
    assert compress(start, KNorm(keep=0.5, skip_layers=32)).cache.slots == every.cache.slots


def test_the_authors_share_of_the_layers_that_are_not_skipped_is_a_larger_one_of_the_cache():
    """With the first of six layers whole, 0.2 of the others is a third of the cache."""
    layer, _ = planted(KNorm())  # of 60 tokens
    choices = KNorm(keep=1 / 3, skip_layers=1).compress([layer] * 6, 60)
    assert [int((choice.owner[0] >= 0).sum()) for choice in choices] == [60, 12, 12, 12, 12, 12]


def test_random_draws_every_token_equally_often_in_every_layer_and_head_of_its_own():
    layer, _ = planted(Random())
    draws, times = 400, np.zeros((2, 2, 60))
    for seed in range(draws):
        kept = [choice.owner >= 0 for choice in Random(keep=0.3, seed=seed).compress([layer, layer], 60)]
        assert all((rows.sum(1) == 18).all() for rows in kept)
        times += torch.stack(kept).numpy()
        assert not torch.equal(kept[0], kept[1]) and not torch.equal(kept[0][0], kept[0][1])
    expected, spread = 0.3 * draws, math.sqrt(draws * 0.3 * 0.7)
    assert np.abs(times - expected).max() < 5 * spread
    assert times.std() > 0.7 * spread, "neither always the same nor dealt out in turn"
    again = [Random(keep=0.3, seed=7).compress([layer], 60)[0].owner for _ in range(2)]
    assert torch.equal(*again)


def ages_of(maps):
    """Per layer and head how many queries came since one gave a token an even share, 0 for the last query."""
    mean = grouped(maps, 2)
    total = mean.shape[-1]
    ages = np.full((*mean.shape[:2], total), float(total))
    for layer, head, query, token in zip(*np.nonzero(mean >= 1 / np.arange(1, total + 1)[:, None]), strict=True):
        if token <= query:
            ages[layer, head, token] = min(ages[layer, head, token], total - 1 - query)
    return ages


@pytest.mark.parametrize("options", [{}, {"queries": 4, "recent": 4}, {"keep": 0.2}, {"queries": 1, "recent": 1}])
def test_corm_keeps_what_any_recent_query_found_major_and_goes_on_with_every_query(options, start, plain):
    """Of tokens equally long out of favour any may go; which one went is taken from the cache."""
    policy = CORM(**options)
    state, ages, total = compress(start, policy), ages_of(plain.maps), start.seen
    held = sets(held_tokens(state.cache))
    for layer in LAYERS:
        newest = range(total - policy.recent, total)
        majors = [{*np.nonzero(ages[layer, head] < policy.queries)[0], *newest} for head in HEADS]
        size = math.ceil(sum(map(len, majors)) / 2)
        size = min(size, int(policy.keep * total))
        recent = range(total - min(policy.recent, math.ceil(size / 2)), total)
        for head in HEADS:
            order = sorted(range(total), key=lambda t: (t not in recent, ages[layer, head, t], t))
            assert held[layer][head] == set(order[:size])
    evicted = 0
    for step in decode(state, 25, forced=ANSWER):
        assert step.logprob == pytest.approx(plain.logprob(step.token), abs=1e-3)
        rows = grouped(plain.step(step.token, held)[:, :, None], 2)[:, :, 0]
        ages = np.concatenate([ages, np.full((3, 2, 1), np.inf)], 2)
        for layer in LAYERS:
            limit = int(policy.keep * state.seen + 1e-9)
            first_new = state.seen - min(policy.recent, math.ceil(limit / 2))
            stale = []
            for head in HEADS:
                tokens = held[layer][head] | {state.seen - 1}
                major = rows[layer, head] * len(tokens) >= 1
                ages[layer, head] = np.where(major, 0, ages[layer, head] + 1)
                if not major[-1]:
                    ages[layer, head, -1] = 1
                held[layer][head] = tokens
                stale.append(sum(ages[layer, head, t] >= policy.queries for t in tokens if t < first_new))
            gone = [-1, -1] if step.evicted is None else step.evicted[0][layer].tolist()
            if sum(stale) / 2 < 1 and len(held[layer][0]) <= limit:
                assert gone == [-1, -1]
                continue
            for head in HEADS:
                older = {t: ages[layer, head, t] for t in held[layer][head] if t < first_new}
                assert older[gone[head]] == max(older.values())
                held[layer][head].remove(gone[head])
                evicted += 1
        assert sets(held_tokens(state.cache)) == held
    assert evicted > 0


class Cascade:
    """Sinks and a chain of windows, each a list from its oldest token to its newest; tokens come one by one."""

    def __init__(self, sinks, sizes):
        self.sinks, self.sizes, self.windows, self.seen = [[], sinks], sizes, [[] for _ in sizes], 0

    def enter(self, token, score):
        """`score` says how much attention each token has had."""
        number, self.seen = self.seen, self.seen + 1
        if len(self.sinks[0]) < self.sinks[1]:
            self.sinks[0].append(token)
            return
        is_filling = number <= self.sinks[1] + sum(self.sizes)
        for level, (window, size) in enumerate(zip(self.windows, self.sizes, strict=True)):
            if not is_filling and (number - self.sinks[1]) % 2**level:
                if score[token] >= score[window[-1]]:
                    window[-1] = token  # the newest inside has had no more
                return
            window.append(token)
            if len(window) <= size:
                return
            token = window.pop(0)

    @property
    def held(self):
        return {*self.sinks[0], *(token for window in self.windows for token in window)}


@pytest.mark.parametrize(
    ("keep", "options", "sizes"),
    [
        (0.1, {}, [6, 6, 6, 5]),  # of 270 tokens
        (0.1, {"windows": 1}, [23]),
        (0.3, {"windows": 3, "sinks": 1, "fade": 8}, [27, 27, 26]),
        (0.1, {"fade": 64, "per_head": False}, [6, 6, 6, 5]),
        (0.05, {"windows": 16, "sinks": 0, "fade": 8}, [1] * 13),
        (0.05, {"windows": 2, "sinks": 64}, [1]),
    ],
)
def test_a_cascade_accepts_every_second_token_of_the_window_before_or_the_one_with_more_attention(
    keep, options, sizes, start, plain
):
    policy = Cascading(keep=keep, **options)
    state, total = compress(start, policy), start.seen
    factor = 100 ** (-1 / policy.fade) if policy.fade else 1.0

    def by_head(rows):
        """What each head with a key goes by, (L, 2, Q, K)."""
        own = grouped(rows, 2)
        return own if policy.per_head else np.broadcast_to(own.mean(1, keepdims=True), own.shape)

    scores = (by_head(plain.maps) * factor ** np.arange(total - 1, -1, -1)[:, None]).sum(2)
    cascades = [[Cascade(int(keep * total) - sum(sizes), sizes) for _ in HEADS] for _ in LAYERS]
    for layer in LAYERS:
        for head in HEADS:
            for token in range(total):
                cascades[layer][head].enter(token, scores[layer, head])

    def held():
        return [[cascade.held for cascade in heads] for heads in cascades]

    assert sets(held_tokens(state.cache)) == held()
    for step in decode(state, 40, forced=ANSWER):
        assert step.logprob == pytest.approx(plain.logprob(step.token), abs=1e-3)
        rows = by_head(plain.step(step.token, held(), side_by_side=True)[:, :, None])[:, :, 0]
        scores = np.pad(scores, ((0, 0), (0, 0), (0, 1))) * factor + rows
        for layer in LAYERS:
            for head in HEADS:
                cascades[layer][head].enter(plain.seen - 1, scores[layer, head])
        assert sets(held_tokens(state.cache)) == held()


@pytest.mark.parametrize("third", [0.2, 0.3])
def test_a_token_that_knocks_is_compared_with_the_newest_of_the_next_sub_cache(third):
    """What the published kernel keeps. Token 5 comes, 3 knocks at the second of two windows, in which 1 and 2 are.

    The newest there, 2, has had no more than 3, so 2 goes: the oldest, 1, which has had least of all, stays.
    """
    score = torch.tensor([[0.9, 0.1, third, 0.3, 0.4, 0.5]])
    position, zeros = torch.arange(6)[None], torch.zeros(1, 6, 4)
    layer = LayerView(position, torch.full((1, 6), WORD), torch.ones(1, 6), score, 6 - position, zeros, zeros)
    (choice,) = Cascading(keep=4 / 6, sinks=0, windows=2, per_head=False).compress([layer], 6)
    assert choice.owner.tolist() == [[-1, 1, -1, 3, 4, 5]]
