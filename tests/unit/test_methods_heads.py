"""Methods whose heads share a budget, against their rules written out in loops."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from elastic.engine import compress, decode, extend, prefill
from elastic.policies import LayerView, Method
from elastic.policies.adakv import AdaKV
from elastic.policies.base import PATCH, Growth
from elastic.policies.expected_attention import ToCome
from elastic.policies.parts import (
    Anchors,
    ByLooks,
    ByScore,
    KeyNorm,
    NearestPosition,
    Noise,
    Oldest,
    Pyramid,
    Received,
    TopAndSinks,
    Voted,
)
from elastic.policies.parts.heads import worth_of
from elastic.policies.snapkv import SnapKV
from elastic.policies.sparsemm import SparseMM
from elastic.statistics import Attention, ExpectedQuery, Queries
from tests.unit.plain_model import PlainModel, grouped, held_tokens

ANSWER = [20 + 7 * number % 150 for number in range(12)]
LAYERS, HEADS = range(3), range(2)


@pytest.fixture(scope="module")
def start(tiny, asked):
    return prefill(tiny, asked, AdaKV().needs | AdaKV(window=8).needs | SparseMM().needs)


@pytest.fixture
def plain(eager, asked):
    return PlainModel(eager, asked)


def sets(held):
    return [[set(tokens) for tokens in heads] for heads in held]


def worths(maps, size, kernel=5, window=16):
    """Per layer and head what SnapKV thinks of every token: the window above all, then pooled votes."""
    total, half = maps.shape[-1], kernel // 2
    votes, recent = grouped(maps[:, :, -window:], 2).sum(-2), min(window, size // 2)
    found = []
    for layer in LAYERS:
        found.append([])
        for head in HEADS:
            prefix = votes[layer, head, : total - recent]
            pooled = [sum(prefix[max(0, t - half) : t + half + 1]) / kernel for t in range(len(prefix))]
            found[-1].append(dict(enumerate([*pooled, *[math.inf] * recent])))
    return found


def best(worth):
    """A head's tokens, the best first, ties to the left."""
    return sorted(worth, key=lambda token: (-worth[token], token))


def shared(heads, total, floor):
    """Of heads' tokens the best together, `total` of them; of each head so many that it is sure of."""
    sure, every = max(1, floor), []
    for number, worth in enumerate(heads):
        for rank, token in enumerate(best(worth)):
            every.append((-math.inf if rank < sure else -worth[token], rank, number, token))
    held = [set() for _ in heads]
    for _, _, number, token in sorted(every)[:total]:
        held[number].add(token)
    return held


@pytest.mark.parametrize(
    ("keep", "options"),
    [
        (0.3, {}),
        (0.1, {"floor": 0.0}),
        (0.3, {"kernel": 1, "window": 8, "floor": 0.6}),
        (0.1, {"floor": 1.0}),
        (0.02, {}),
    ],
)
def test_adakv_keeps_the_best_of_all_heads_of_a_layer_and_of_each_what_it_is_sure_of(keep, options, start, plain):
    policy, size = AdaKV(keep=keep, **options), int(keep * start.seen)
    state, worth = compress(start, policy), worths(plain.maps, size, policy.kernel, policy.window)
    held = [shared(heads, 2 * size, int(policy.floor * size)) for heads in worth]
    assert sets(held_tokens(state.cache)) == held
    sizes = {len(tokens) for heads in held for tokens in heads}
    assert len(sizes) == 1 if policy.floor == 1 else len(sizes) > 1
    for step in decode(state, 8, forced=ANSWER[:8]):
        assert step.logprob == pytest.approx(plain.logprob(step.token), abs=1e-3)
        plain.step(step.token, held)
        for heads in held:
            for tokens in heads:
                tokens.add(plain.seen - 1)
    assert sets(held_tokens(state.cache)) == held


def test_adakv_whose_heads_are_sure_of_all_is_snapkv(start):
    """A share of one leaves nothing to be shared."""
    one, other = (compress(start, policy(keep=0.2)) for policy in (lambda keep: AdaKV(keep=keep, floor=1.0), SnapKV))
    assert torch.equal(one.cache.tables.owners(), other.cache.tables.owners())


@pytest.mark.parametrize(("keep", "floor"), [(0.3, 0.1), (0.1, 0.0), (0.2, 0.7), (0.6, 0.1)])
def test_sparsemm_gives_heads_a_floor_and_the_rest_by_how_much_they_look_at_patches(keep, floor, start, plain):
    size, total = int(keep * start.seen), start.seen
    state, worth = compress(start, SparseMM(keep=keep, floor=floor)), worths(plain.maps, size)
    patches = (start.cache.tables.kinds[0] == PATCH).numpy()
    after = int(np.flatnonzero(patches).max()) + 1
    looks = grouped(plain.maps[:, :, after:], 2).sum(-2)[..., patches].sum(-1).flatten()
    recent = min(16, size // 2)
    sure = recent + int(floor * (size - recent) + 1e-9)
    left, most = 6 * (size - sure), total - sure
    # What a head cannot take goes to the others, in proportion still.
    full, shares = np.zeros(6, bool), np.zeros(6)
    while True:
        shares[~full] = (left - most * full.sum()) * looks[~full] / looks[~full].sum()
        if not (shares > most).any():
            break
        full |= shares > most
        shares[full] = most
    expected = sure + shares
    held = sets(held_tokens(state.cache))
    sizes = np.array([len(tokens) for heads in held for tokens in heads])
    assert sizes.sum() == 6 * size and np.abs(sizes - expected).max() < 1
    assert len(set(sizes)) > 2
    for layer in LAYERS:
        for head in HEADS:
            assert held[layer][head] == set(best(worth[layer][head])[: sizes[2 * layer + head]])


def test_a_table_of_heads_that_is_given_says_how_they_share(start):
    table = ((4.0, 1.0), (0.0, 2.0), (1.0, 2.0))
    recipe = SparseMM(keep=0.2).recipe
    state = compress(start, replace(recipe, heads=ByLooks(floor=0.5, table=table)))
    size = int(0.2 * start.seen)
    sure = 16 + (size - 16) // 2
    sizes = [len(tokens) for heads in held_tokens(state.cache) for tokens in heads]
    left = 6 * (size - sure)
    assert sizes == pytest.approx([sure + left * share / 10 for share in sum(table, ())], abs=1)
    assert sum(sizes) == 6 * size
    with pytest.raises(ValueError, match="for 2 layers, and this model has 3 with 2 heads each"):
        compress(start, replace(recipe, heads=ByLooks(table=table[:2])))


@pytest.mark.parametrize("budget", [None, Pyramid(window=4, beta=3)])
def test_layers_may_share_one_budget_too_whatever_each_of_them_gets(budget, start, plain):
    """As KVzip does, of any score: only the sum is what was asked for."""
    method = Method(keep=0.2, score=KeyNorm(), heads=ByScore(0.0, over_layers=True), select=TopAndSinks(sinks=4))
    method = method if budget is None else replace(method, budget=budget)
    state, size = compress(start, method), int(0.2 * start.seen)
    worth = []
    for layer in LAYERS:
        for head in HEADS:
            norms = plain.keys[layer][head].norm(dim=1).tolist()
            worth.append({t: math.inf if t < 4 else -norm for t, norm in enumerate(norms)})
    held = shared(worth, 6 * size, 0)
    assert [tokens for heads in sets(held_tokens(state.cache)) for tokens in heads] == held
    assert len({sum(map(len, held[2 * layer : 2 * layer + 2])) for layer in LAYERS}) > 1
    assert not method.batches


def test_in_a_later_turn_heads_share_among_what_each_of_them_holds(start, plain, tiny):
    """Norms of keys that a head has lost, or never had, count for nothing."""
    method = Method(keep=0.2, score=KeyNorm(), heads=ByScore(0.3), select=TopAndSinks(sinks=4, newest=0.1))
    state, held = compress(start, method), [[set(range(start.seen)) for _ in HEADS] for _ in LAYERS]

    def cut(seen):
        size, found = int(0.2 * seen), []
        for layer in LAYERS:
            worth = []
            for head in HEADS:
                norms, tokens = plain.keys[layer][head].norm(dim=1).tolist(), sorted(held[layer][head])
                always = {*tokens[len(tokens) - int(0.1 * size) :], 0, 1, 2, 3}
                worth.append({t: math.inf if t in always else -norms[t] for t in tokens})
            found.append(shared(worth, 2 * size, int(0.3 * size)))
        return found

    held = cut(start.seen)
    assert sets(held_tokens(state.cache)) == held
    question = tiny.next_turn("Where is the dog, and what is beside it?")
    extend(state, question)
    for token in question.ids[0].tolist():
        plain.step(token, held)
        for heads in held:
            for tokens in heads:
                tokens.add(plain.seen - 1)
    before, held = held, cut(plain.seen)
    state = compress(state, method)
    assert sets(held_tokens(state.cache)) == held != before
    for step in decode(state, 3, forced=ANSWER[:3]):
        assert step.logprob == pytest.approx(plain.logprob(step.token), abs=2e-3)
        plain.step(step.token, held)
        for heads in held:
            for tokens in heads:
                tokens.add(plain.seen - 1)


def padded(sizes, dim=8):
    """A layer whose heads hold so many tokens, and each head as a layer that has nothing else."""
    generator, longest = torch.Generator().manual_seed(3), max(sizes)
    keys, values = torch.randn(2, len(sizes), longest, dim, generator=generator).unbind(0)
    score = torch.rand(len(sizes), longest, generator=generator)
    query = ExpectedQuery()
    expected = torch.randn(2 * len(sizes), dim, dim + 1, generator=generator)
    whole = LayerView(
        position=torch.full((len(sizes), longest), LayerView.EMPTY),
        kind=torch.ones(len(sizes), longest),
        count=torch.zeros(len(sizes), longest),
        score=score,
        queries=torch.ones(len(sizes), longest),
        keys=keys,
        values=values,
        statistics={query: expected},
    )
    alone = []
    for head, size in enumerate(sizes):
        whole.position[head, :size] = torch.arange(size) * 2 + head
        tables = {"position": whole.position, "kind": whole.kind, "count": whole.count, "score": score}
        tables |= {"queries": whole.queries, "keys": keys, "values": values}
        of_head = {name: table[head : head + 1, :size] for name, table in tables.items()}
        alone.append(LayerView(**of_head, statistics={query: expected[2 * head : 2 * head + 2]}))
    return whole, alone


@pytest.mark.parametrize("score", [KeyNorm(), ToCome(ExpectedQuery()), Received(Attention(per_head=True)), Noise()])
@pytest.mark.parametrize("select", [TopAndSinks(sinks=2), Voted(window=3)])
def test_what_fills_a_head_up_is_worth_nothing_and_changes_nothing_of_what_the_others_are_worth(score, select):
    sizes = (5, 12, 9)
    whole, alone = padded(sizes)
    (worth,) = worth_of([whole], score, select, [6])
    own = worth_of(alone, score, select, [6] * 3)
    for head, size in enumerate(sizes):
        assert torch.isneginf(worth[head, size:]).all()
        if not isinstance(score, Noise):  # which draws anew
            assert torch.allclose(worth[head, :size], own[head][0])


@pytest.mark.parametrize(
    "other",
    [
        {"merge": NearestPosition()},
        {"select": Anchors()},
        {"decoding": Oldest()},
        {"growth": Growth.PROPORTIONAL},
    ],
)
def test_heads_share_only_where_the_other_parts_can_follow(other):
    with pytest.raises(ValueError, match="ByScore gives heads different numbers of slots: select by rank"):
        Method(keep=0.2, heads=ByScore(), **other)


def test_before_the_question_the_last_patches_vote_and_look(tiny, picture):
    """The question is read after compressing: every head holds all of it."""
    reading = tiny.first_turn(picture, "What is this?")
    first = int((reading.ids[0] == tiny.model.config.image_token_id).nonzero()[-1]) + 1
    for policy in (AdaKV(keep=0.2), SparseMM(keep=0.2)):
        state = prefill(tiny, replace(reading, ids=reading.ids[:, :first], place=reading.place[:first]), policy.needs)
        state = compress(state, policy)
        filled = state.cache.tables.filled
        assert filled.sum() == 6 * int(0.2 * first) and (filled[:, 0] != filled[:, 1]).any()
        assert Attention(rows=Queries.AFTER_IMAGE, per_head=True) in SparseMM().needs
