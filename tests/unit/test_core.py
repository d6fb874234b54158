"""An exact core and merged centres: the parts that elastic-plus is made of, against plain loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from elastic.engine import compress, decode, prefill
from elastic.policies.base import PATCH, WORD, WRITTEN, LayerView, StepView
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.method import Method
from elastic.policies.parts import (
    AlikeInTurn,
    Attended,
    Consensus,
    Core,
    Drop,
    Equal,
    EvictNothing,
    MostAlike,
    Protect,
    Received,
    Room,
)
from elastic.policies.parts.select import newest
from elastic.policies.parts.stack import Stack
from elastic.policies.pyramidkv import PyramidKV
from elastic.statistics import Attention, Peak, Queries
from tests.unit.plain_model import PlainModel

T = 40
SEEN = Attention(rows=Queries.AFTER_IMAGE, per_head=True)
RNG = np.random.default_rng(7)


def layer(score, kind=None, asked=4, position=None, sums=None, keys=None):
    """A layer of two heads with a score per head, (2, S)."""
    score = torch.as_tensor(score).float()
    slots = score.shape[1]
    position = torch.arange(slots)[None] if position is None else torch.as_tensor(position)
    kind = torch.full_like(position, WORD) if kind is None else torch.as_tensor(kind)[None].expand(position.shape)
    later = position.max() + 1 - position
    keys = torch.randn(2, slots, 8, generator=torch.Generator().manual_seed(1)) if keys is None else keys
    sums = score if sums is None else torch.as_tensor(sums).float()
    count = torch.ones_like(position)
    return LayerView(position, kind, count, score, later, keys, keys.clone(), {SEEN: sums}, asked)


def consensus(layers, power, ahead, back):
    """As its docstring says, a token at a time."""
    total = np.zeros(T)
    for one in layers:
        for row in range(len(one.score)):
            of_row = one.position[row if len(one.position) > 1 else 0].tolist()
            for slot, token in enumerate(of_row):
                asks = token >= T - one.asked
                if token and not asks:
                    total[token] += float(one.score[row, slot]) ** power / len(layers) / len(one.score)
    patches = {int(t) for one in layers for t in one.position[one.is_image]}
    heard = [
        max([total[t], *(total[s] for s in range(t - ahead, t + back + 1) if 0 <= s < T and s not in patches)])
        if t not in patches
        else total[t]
        for t in range(T)
    ]
    return np.array(heard) ** (1 / power)


@pytest.mark.parametrize("patches", [range(0), range(5, 21)])
def test_a_token_scores_what_the_sharpest_looks_of_all_layers_say_or_those_beside_it(patches):
    kind = [PATCH if t in patches else WORD for t in range(T)]
    layers = [layer(RNG.random((2, T)) ** 4, kind) for _ in range(3)]
    found = Consensus(Peak(), power=4.0, ahead=3, back=2).of(layers)
    for one in found:
        np.testing.assert_allclose(one[0].numpy(), consensus(layers, 4, 3, 2), rtol=1e-5, atol=1e-7)


def test_heads_that_hold_different_tokens_agree_on_tokens_and_not_on_places():
    """As in a later turn: what stands in the third slot of one head may stand in the fifth of another."""
    kept = [np.sort(RNG.permutation(T - 1)[:20]) for _ in range(4)]
    places = [np.append(one, T - 1) for one in kept]
    layers = [layer(RNG.random((2, 21)), position=np.stack(places[at : at + 2])) for at in (0, 2)]
    expected = consensus(layers, 2, 2, 1)
    for one, scores in zip(layers, Consensus(Peak(), power=2.0, ahead=2, back=1).of(layers), strict=True):
        np.testing.assert_allclose(scores.numpy(), expected[one.position.numpy()], rtol=1e-5, atol=1e-7)


def test_what_asks_and_the_first_token_count_for_nothing():
    score = np.zeros((2, T))
    score[:, 0], score[:, -2] = 1, 1
    assert not Consensus(Peak()).of([layer(score)])[0].any()


def test_the_answer_before_a_question_counts_as_what_was_read_does():
    """In a later turn: no prompt token stands between the answer's words and those that ask, but they do not ask."""
    kind = [WRITTEN if T - 10 <= t < T - 4 else WORD for t in range(T)]
    score = np.zeros((2, T))
    score[:, T - 6] = 1
    one = layer(score, kind)
    one = replace(one, queries=(one.kind != WRITTEN).flip(1).cumsum(1).flip(1))  # as a cache counts them
    found = Consensus(Peak(), ahead=0, back=0).of([one])[0]
    assert found[0].nonzero()[:, 0].tolist() == [T - 6]


@pytest.mark.parametrize(
    ("count", "share", "most", "new"), [(20, 0.65, 128, 0.3), (20, 0.65, 6, 0.5), (4, 0.0, 9, 0.0)]
)
def test_a_core_has_both_ends_the_newest_and_the_best_and_the_others_have_centres(count, share, most, new):
    one = layer(RNG.random((2, T)), sums=RNG.random((2, T)))
    part = Core(share, most, new, centres=SEEN)
    chosen = part.choose(Stack.of([one], [one.score], True), count)
    for row in range(2):
        size = max(2, min(most, round(share * count)))
        always = {0, T - 1, *range(T - int(new * size), T)}
        others = sorted(set(range(T)) - always, key=lambda t: -float(one.score[row, t]))
        core = {*always, *others[: size - len(always)]}
        assert set(range(T)) - set(chosen.free[row].tolist()) == core
        mean = one.statistics[SEEN].mean(0)
        centres = sorted(set(range(T)) - core, key=lambda t: -float(mean[t]))[: count - size]
        assert set(chosen.anchors[row].tolist()) == set(centres)


@pytest.mark.parametrize(
    ("count", "patches", "centres"), [(36, 30, 20), (26, 1, 20), (21, 30, 19), (9, 30, 7), (36, 0, 11), (9, 0, 3)]
)
def test_a_small_budget_has_twenty_centres_first_where_there_is_a_picture(count, patches, centres):
    """Averages tell what a picture shows; of a text they tell nothing, so there the core has its share at any size."""
    one = layer(RNG.random((2, T)), [WORD] * 2 + [PATCH] * patches + [WORD] * (T - 2 - patches))
    chosen = Core(0.7, 128, 0.3, centres=SEEN).choose(Stack.of([one], [one.score], True), count)
    assert chosen.anchors.shape == (2, centres)


def test_nothing_is_merged_into_the_core_and_its_keys_stay_as_they_are(llava_start):
    state, policy = llava_start, ElasticPlus(keep=0.3)
    cache = compress(state, policy).cache
    alone = 0
    for index, (full, small) in enumerate(zip(state.cache.layers, cache.layers, strict=True)):
        for head in range(full.keys.shape[1]):
            row = cache.tables.owners()[index, head % cache.tables.rows]
            slots = cache.tables.source[index, head % cache.tables.rows, : small.used].tolist()
            members = torch.bincount(row[row >= 0], minlength=state.seen)
            for slot, token in enumerate(slots):
                if members[token] == 1:
                    alone += 1
                    assert torch.equal(small.keys[0, head, slot], full.keys[0, head, token])
                    assert torch.equal(small.values[0, head, slot], full.values[0, head, token])
    core = round(0.7 * (policy.limit(state.seen, state.seen) - min(8, policy.limit(state.seen, state.seen) // 8)))
    assert alone >= core * sum(layer.keys.shape[1] for layer in cache.layers)


def test_a_members_weight_is_what_looks_at_it():
    """Two members looked at 3 : 1 in a group of two; each has a tenth of their mean besides."""
    sums = np.full((2, T), 10.0)
    sums[:, 10], sums[:, 11] = 3, 1
    keys = torch.zeros(2, T, 8)
    keys[:, :, 0] = torch.arange(T) * 100.0
    keys[:, 11, 0] = 1000.5  # beside token 10, far from all others
    one = layer(np.zeros((2, T)), sums=sums, keys=keys)
    stack = Stack.of([one], [one.score], True)
    selection = Core(0.0, 2, 0.0, centres=SEEN).choose(stack, T - 1)
    (choice,) = Attended(heads_apart=True, rounds=1, by=SEEN, faint=0.1).join(stack, selection, T - 1)
    assert (choice.owner[:, 10] == choice.owner[:, 11]).all()
    np.testing.assert_allclose(choice.share[:, 10], [3.2 / 4.4] * 2, rtol=1e-5)
    np.testing.assert_allclose(choice.share[:, 11], [1.2 / 4.4] * 2, rtol=1e-5)
    assert (choice.share[:, [0, 5, T - 1]] == 1).all()


def test_nothing_is_made_of_what_is_dropped():
    """Where the core is all of the budget, every kept key and value stays as it is; the first token's, too."""
    one = layer(RNG.random((2, T)), sums=RNG.random((2, T)))
    stack = Stack.of([one], [one.score], True)
    selection = Core(1.0, 128, 0.3, centres=SEEN).choose(stack, 12)
    (choice,) = Attended(heads_apart=True, by=SEEN).join(stack, selection, 12)
    kept = choice.owner >= 0
    assert (kept.sum(1) == 12).all()
    assert (choice.share[kept] == 1).all()


@pytest.mark.parametrize(("limit", "held"), [(100, 92), (20, 18), (7, 7)])
def test_an_eighth_of_the_budget_at_most_is_spared(limit, held):
    layers = [layer(np.zeros((2, 200)))] * 2
    assert Equal(spare=8).counts(layers, limit, 200) == [held] * 2
    assert Equal(spare=8).counts(layers, 200, 200) == [200] * 2, "the full cache spares nothing"


def step(seed, slots=45, prompt=30, heads=2):
    """A layer with a prompt of 30 slots and some written tokens behind it, standing for one to four tokens each."""
    generator = torch.Generator().manual_seed(seed)
    position = torch.arange(slots)[None, None].expand(1, heads, -1).clone()
    kind = torch.where(position < prompt, WORD, WRITTEN)
    count = torch.randint(1, 5, position.shape, generator=generator)
    keys = torch.randn(1, heads, slots, 8, generator=generator)
    held, left = torch.tensor([[[slots]]]), torch.tensor([[[prompt]]])
    return StepView(position, kind, count, position.float(), held, left, prompt - 1, keys=lambda: [keys]), keys[0]


@pytest.mark.parametrize("seen", [45, 52, 70])
def test_a_block_in_turn_joins_what_it_is_most_like_outside_it_one_at_a_token(seen):
    view, keys = step(seed=seen)
    gone = [*AlikeInTurn(merge=True, block=10, tokens=3).evict(view, Room(44, 30, seen, 30))]
    assert len(gone) == 3
    first = seen // 3 * 10 % 45
    turn = range(first, min(first + 10, 45))
    for head in range(2):
        weight = view.count[0, head].double().sqrt()
        cost = {}
        for a in turn:
            for b in set(range(45)) - set(turn):
                if max(a, b) < seen - 2:
                    apart = float((keys[head, a] - keys[head, b]).square().sum())
                    cost.setdefault(a, []).append((apart * weight[a] * weight[b] / (weight[a] + weight[b]), b))
        best = sorted((min(of_slot), a) for a, of_slot in cost.items())[:3]
        found = [(int(one.into[0, head]), int(one.slot[0, head])) for one in gone]
        assert found == [(into, slot) for (_, into), slot in best]


def test_where_nothing_in_a_block_may_go_the_closest_pair_of_all_becomes_one():
    view, _ = step(seed=3)
    rule = AlikeInTurn(Protect(text=True), merge=True, block=10, tokens=3)  # the prompt's words stay
    room = Room(44, 30, 45, 30)
    assert room.seen // 3 * 10 % 45 + 10 <= 30, "a block of words"
    assert torch.equal(rule.evict(view, room).slot, MostAlike(Protect(text=True), merge=True).evict(view, room).slot)


def test_what_is_planned_goes_at_the_next_tokens_without_the_rule_being_asked(llava_start, monkeypatch):
    state = compress(llava_start, ElasticPlus(keep=0.3))
    asked = []
    rule = AlikeInTurn.evict
    monkeypatch.setattr(AlikeInTurn, "evict", lambda *given: asked.append(1) or rule(*given))
    evicted = [step for step in decode(state, 40, forced=[20 + n for n in range(40)]) if step.evicted is not None]
    assert len(evicted) > 2 * len(asked) > 0
    for step in evicted:
        gone, into = step.evicted
        assert (gone >= 0).all() and (into >= 0).all() and (gone != into).all()
    assert sum(state.cache.slots) <= len(state.cache.slots) * ElasticPlus(keep=0.3).limit(state.seen, state.seen)


def test_a_layer_that_held_less_is_not_overlooked_while_another_has_a_plan(start):
    """As after another method, which gave layers different numbers."""
    policy = ElasticPlus(keep=0.3)
    state = compress(compress(start, PyramidKV(keep=0.3)), policy)
    assert len(set(state.cache.slots)) > 1
    for step in decode(state, 60, forced=[20 + n for n in range(60)]):
        assert max(step.slots) <= policy.limit(state.seen, state.seen)


def test_a_plan_is_forgotten_where_slots_change_their_numbers(llava_start):
    state = compress(llava_start, ElasticPlus(keep=0.3))
    for _ in decode(state, 40, forced=[20 + n for n in range(40)]):
        if state.cache.planned:
            break
    assert state.cache.planned
    state.cache.sort_slots()
    assert not state.cache.planned


@pytest.mark.parametrize("n", [0, 3])
def test_a_peak_is_the_largest_weight_that_any_asking_query_gives(n, tiny, eager, asked):
    one = Peak(rows=Queries.AFTER_IMAGE, n=n, per_head=True)
    state = prefill(tiny, asked, {one, Attention()})  # the other one is about every query
    kinds = state.ids[0] == tiny.model.config.image_token_id
    behind = int(kinds.nonzero().max()) + 1
    first = max(behind, state.seen - n) if n else behind
    for index, maps in enumerate(PlainModel(eager, asked).maps):
        by_head = maps[:, first:].reshape(2, -1, state.seen).max(1)
        found = state.cache.tables.scores[one][index, :, : state.seen]
        np.testing.assert_allclose(found.numpy(), by_head, rtol=1e-3, atol=1e-5)


def test_peaks_of_prompts_are_the_larger_and_those_of_last_queries_the_last():
    old, new = torch.tensor([0.5, 0.1]), torch.tensor([0.2, 0.3])
    assert Peak().carried_on(old, new, 3).tolist() == pytest.approx([0.5, 0.3])
    assert Peak(rows="last", n=4).carried_on(old, new, 3).tolist() == pytest.approx([0.2, 0.3])
    assert Peak().after_step(old, new, torch.tensor(2)).tolist() == pytest.approx([0.5, 0.3])


def test_a_selection_says_what_it_needs():
    method = Method(score=Received(Peak()), select=Core(centres=SEEN), merge=Drop(), decoding=EvictNothing())
    assert {Peak(), SEEN} <= method.needs
    assert replace(method, select=Core(centres=Attention())).needs == {Peak(), Attention()}
    assert newest(torch.zeros(1, 5), 2).tolist() == [[False, False, False, True, True]]


@pytest.fixture
def llava_start(tiny, asked):
    return prefill(tiny, asked, ElasticPlus().needs)


@pytest.mark.parametrize("keep", [0.1, 0.3])
def test_neither_end_of_the_prompt_goes_or_takes_anything_in_while_decoding(llava_start, keep):
    """The first token takes attention that belongs nowhere; made one with another, it would take the other's."""
    state = compress(llava_start, ElasticPlus(keep=keep))
    ends, evicted = torch.tensor([0, state.seen - 1]), 0
    for step in decode(state, 60, forced=[20 + 3 * n % 150 for n in range(60)]):
        if step.evicted is not None:
            evicted += 1
            assert not any(torch.isin(tokens, ends).any() for tokens in step.evicted)
    assert evicted > 30
