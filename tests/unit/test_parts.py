"""Each part that methods are put together from, against plain loops over lists."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from elastic.policies import LayerView
from elastic.policies.base import PATCH, WORD, WRITTEN, Merged, StepView
from elastic.policies.parts import (
    Anchors,
    Cover,
    Drop,
    Equal,
    Everything,
    EvictNothing,
    FixedPoint,
    KeyNorm,
    LowestScore,
    MostAlike,
    NearestPosition,
    Noise,
    Oldest,
    Protect,
    Received,
    Room,
    Selection,
    SimilarKey,
    SinksAndNewest,
    Stack,
    Top,
    TopAndEnds,
    Unscored,
    Voted,
)
from elastic.policies.parts.protect import protecting
from elastic.statistics import Attention

TOKENS, HEADS = 40, 2


def layer(seed, rows=1, words=range(0)):
    """A layer of random scores and keys; `words` are words, the other tokens are patches."""
    rng = np.random.default_rng(seed)
    position = torch.arange(TOKENS)[None].expand(rows, -1)
    kind = torch.tensor([[WORD if t in words else PATCH for t in range(TOKENS)]]).expand(rows, -1)
    score = torch.tensor(rng.permutation(TOKENS * rows).reshape(rows, -1), dtype=torch.float32)
    keys, values = torch.tensor(rng.normal(size=(2, HEADS, TOKENS, 6)), dtype=torch.float32)
    count = torch.tensor(rng.integers(1, 5, (rows, TOKENS)), dtype=torch.float32)
    return LayerView(position, kind, count, score, TOKENS - position, keys, values)


def stack(*layers, per_head=False):
    return Stack.of(layers, [one.score for one in layers], per_head)


def kept(part, *layers, count=12, per_head=False):
    """Per row of all layers the anchors that a selection names."""
    of = stack(*layers, per_head=per_head or part.heads_apart)
    return [set(row) for row in part.choose(of, count).anchors.tolist()]


def best(scores, count, among):
    return set(sorted(among, key=lambda t: -scores[t])[:count])


def rows_of(*layers):
    return [row for one in layers for row in one.score.tolist()]


def test_scores_are_those_of_the_view_divided_norms_or_luck():
    one = layer(0)
    assert torch.equal(Received(Attention()).of([one])[0], one.score)
    divided = [score / (TOKENS - t) for t, score in enumerate(one.score[0].tolist())]
    assert Received(Attention(), visible=True).of([one])[0][0].tolist() == pytest.approx(divided)
    norms = [[-(sum(x * x for x in key) ** 0.5) for key in head] for head in one.keys.tolist()]
    for found, expected in zip(KeyNorm().of([one])[0].tolist(), norms, strict=True):
        assert found == pytest.approx(expected, rel=1e-5)
    first, second = (Noise(seed=3).of([one, one]) for _ in range(2))
    assert torch.equal(first[0], second[0]) and not torch.equal(first[0], first[1])
    assert Noise(seed=4).of([one])[0].shape == (HEADS, TOKENS) and not Unscored().of([one])[0].any()


def test_only_scores_of_attention_ask_for_a_statistic():
    assert Received(Attention(per_head=True)).statistic == Attention(per_head=True)
    assert KeyNorm().statistic is Noise().statistic is Unscored().statistic is None


def test_an_equal_budget_is_the_limit_in_every_layer():
    assert Equal().counts([layer(0), layer(1), layer(2)], 7, TOKENS) == [7, 7, 7]


@pytest.mark.parametrize("newest", [0.0, 0.25, 1.0])
def test_top_keeps_the_newest_and_the_best_of_the_others(newest):
    layers = [layer(0, rows=2), layer(1, rows=2)]
    recent = int(newest * 12)
    for row, found in zip(rows_of(*layers), kept(Top(newest=newest), *layers), strict=True):
        window = set(range(TOKENS - recent, TOKENS))
        assert found == window | best(row, 12 - recent, set(range(TOKENS)) - window)


def test_top_and_ends_keeps_the_ends_of_the_prompt_within_the_budget():
    one = layer(2)
    ends = {0, TOKENS - 1}
    assert kept(TopAndEnds(), one) == [ends | best(one.score[0].tolist(), 10, set(range(TOKENS)) - ends)]


@pytest.mark.parametrize(("window", "kernel", "count"), [(4, 5, 12), (16, 3, 12), (2, 1, 30)])
def test_votes_are_averaged_over_neighbours_before_the_window(window, kernel, count):
    one, half = layer(3, rows=2), kernel // 2
    recent = min(window, count // 2)
    for row, found in zip(rows_of(one), kept(Voted(window, kernel), one, count=count), strict=True):
        before = row[: TOKENS - recent]
        mean = {
            t: sum(before[n] for n in range(t - half, t + half + 1) if 0 <= n < len(before)) for t in range(len(before))
        }
        window_of = set(range(TOKENS - recent, TOKENS))
        assert len(found) == count and window_of <= found
        others = sorted((mean[t] for t in mean), reverse=True)[: count - recent]
        assert sorted((mean[t] for t in found - window_of), reverse=True) == others


def test_anchors_are_the_best_of_what_is_not_protected():
    words = range(30, 38)
    layers = [layer(4, words=words), layer(5, words=words)]
    protected = {0, TOKENS - 1, *words}
    for protect, free in ((Protect(text=True), 2), (Protect(text=True, spare=5), 5), (None, 12)):
        chosen = Anchors(protect).choose(stack(*layers), 12)
        among = set(range(TOKENS)) - (protected if protect else set())
        assert [set(row) for row in chosen.free.tolist()] == [among, among]
        for row, found in zip(rows_of(*layers), chosen.anchors.tolist(), strict=True):
            assert set(found) == best(row, free, among) and found == sorted(found)


def test_heads_that_lost_different_words_keep_all_the_others_and_equally_many_slots():
    one = layer(30, rows=HEADS)
    kind = torch.tensor([[WORD if t in words else PATCH for t in range(TOKENS)] for words in ({3, 4, 5, 6}, {7})])
    of = stack(replace(one, kind=kind))
    (choice,) = NearestPosition().join(of, Anchors(Protect(text=True)).choose(of, 12), 12)
    anchors = [{t for t, owner in enumerate(row) if t == owner} for row in choice.owner.tolist()]
    assert [len(row) for row in anchors] == [12, 12]
    assert {0, 3, 4, 5, 6, TOKENS - 1} <= anchors[0] and {0, 7, 36, 37, 38, TOKENS - 1} <= anchors[1]


def test_sinks_and_newest_go_by_place():
    one = layer(6)
    assert kept(SinksAndNewest(sinks=3), one, count=8) == [{0, 1, 2, 35, 36, 37, 38, 39}]
    assert kept(SinksAndNewest(sinks=50), one, count=8) == [{*range(7), 39}]
    assert kept(SinksAndNewest(sinks=0), one, count=3) == [{37, 38, 39}]
    # Of what is not protected: the ends are kept besides.
    assert kept(SinksAndNewest(Protect(), sinks=1), one, count=5) == [{1, 37, 38}]
    assert kept(Everything(), one) == [set(range(TOKENS))]


@pytest.mark.parametrize("heads_apart", [False, True])
def test_a_cover_goes_on_with_the_slot_farthest_from_all_before(heads_apart):
    layers = [layer(7), layer(8)]
    found = kept(Cover(Protect(), heads_apart=heads_apart), *layers, count=8)
    heads = [[head] for head in range(HEADS)] if heads_apart else [[*range(HEADS)]]
    for (one, of_row), row in zip(((one, heads_of) for one in layers for heads_of in heads), found, strict=True):
        keys = np.concatenate([one.keys[head].numpy() for head in of_row], 1)
        free = range(1, TOKENS - 1)
        chosen = [max(free, key=lambda t: one.count[0, t] * one.score[0, t])]
        while len(chosen) < 6:
            chosen.append(max(free, key=lambda t: min(((keys[t] - keys[c]) ** 2).sum() for c in chosen)))
        assert row == set(chosen)


def owners(assign, of, protect=None):
    """Owners of all rows, once the best 12 are anchors."""
    chosen = Anchors(protect).choose(of, 12)
    return torch.cat([choice.owner for choice in assign.join(of, chosen, 12)]).tolist(), chosen


def test_what_is_dropped_has_no_owner():
    found, chosen = owners(Drop(), stack(layer(9), layer(10)), Protect())
    for row, anchors in zip(found, chosen.anchors.tolist(), strict=True):
        assert row == [t if t in anchors or t in (0, TOKENS - 1) else -1 for t in range(TOKENS)]


def test_everything_joins_the_nearest_anchor_and_ties_go_to_the_left():
    found, chosen = owners(NearestPosition(), stack(layer(11), layer(12)), Protect())
    for row, anchors in zip(found, chosen.anchors.tolist(), strict=True):
        expected = [min(anchors, key=lambda a, t=t: (abs(a - t), a)) for t in range(TOKENS)]
        assert row == [0, *expected[1:-1], TOKENS - 1], "what is protected takes nothing in"


@pytest.mark.parametrize("heads_apart", [False, True])
def test_everything_joins_the_anchor_with_the_most_similar_key(heads_apart):
    layers = [layer(13), layer(14)]
    found, chosen = owners(SimilarKey(heads_apart=heads_apart), stack(*layers, per_head=heads_apart))
    heads = [[head] for head in range(HEADS)] if heads_apart else [[*range(HEADS)]]
    rows = ((one, heads_of) for one in layers for heads_of in heads)
    for (one, of_row), row, anchors in zip(rows, found, chosen.anchors.tolist(), strict=True):
        keys = np.concatenate([one.keys[head].numpy() for head in of_row], 1)
        keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
        assert row == [t if t in anchors else max(anchors, key=lambda a, t=t: keys[a] @ keys[t]) for t in range(TOKENS)]


@pytest.mark.parametrize("select", [Anchors(), Cover()])
def test_heads_whose_scores_differ_group_their_own_keys_around_their_own_anchors(select):
    one = layer(25, rows=HEADS)
    of = stack(one)
    chosen = select.choose(of, 12)
    (choice,) = SimilarKey().join(of, chosen, 12)
    assert len({tuple(row) for row in chosen.anchors.tolist()}) == HEADS
    for keys, anchors, row in zip(one.keys.numpy(), chosen.anchors.tolist(), choice.owner.tolist(), strict=True):
        keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
        assert row == [t if t in anchors else max(anchors, key=lambda a, t=t: keys[a] @ keys[t]) for t in range(TOKENS)]


def test_heads_group_together_where_only_somebody_else_wants_them_apart():
    one = layer(26)
    together = SimilarKey().join(stack(one), Anchors().choose(stack(one), 12), 12)[0].owner
    apart = stack(one, per_head=True)
    assert SimilarKey().join(apart, Anchors().choose(apart, 12), 12)[0].owner.tolist() == 2 * together.tolist()


def test_a_cover_of_slots_that_are_all_alike_names_none_twice():
    one = layer(27)
    alike = replace(one, keys=torch.ones_like(one.keys))
    for count in (12, TOKENS):
        assert [len(row) for row in kept(Cover(), alike, count=count)] == [count]


def test_where_protected_slots_use_up_the_budget_the_others_are_dropped():
    words = range(5, 25)
    of = stack(layer(28, words=words))
    for assign in (Drop(), NearestPosition(), SimilarKey(rounds=1)):
        (choice,) = assign.join(of, Anchors(Protect(text=True)).choose(of, 12), 12)
        assert choice.owner.tolist() == [[t if t in (0, TOKENS - 1, *words) else -1 for t in range(TOKENS)]]


def test_a_window_of_votes_is_half_of_what_there_is():
    assert kept(Voted(window=64), layer(29), count=100) == [set(range(TOKENS))]


def test_what_joins_an_anchor_is_averaged_in_some_way():
    assert NearestPosition("values").merged is Merged.VALUES
    with pytest.raises(ValueError, match="NearestPosition averages what joins an anchor"):
        NearestPosition("none")
    with pytest.raises(ValueError, match="'some' is not a valid Merged"):
        SimilarKey("some")


def test_clusters_may_have_other_anchors_and_as_many():
    of = stack(layer(15))
    found, chosen = owners(SimilarKey(rounds=2), of)
    anchors = {t for t, owner in enumerate(found[0]) if t == owner}
    assert len(anchors) == 12 and anchors != set(chosen.anchors[0].tolist())
    assert set(found[0]) == anchors


def test_where_nothing_is_free_everything_stays():
    of = stack(layer(16))
    nothing = Selection(of.every_slot()[:, :0], of.every_slot()[:, :0])
    for assign in (Drop(), NearestPosition(), SimilarKey(rounds=1)):
        assert assign.join(of, nothing, 2)[0].owner.tolist() == [[*range(TOKENS)]]
    assert Drop().merged == Merged.NOTHING != NearestPosition().merged


def test_layers_and_heads_have_rows_of_their_own_in_a_stack():
    first, second = layer(17, rows=1), layer(18, rows=1)
    of = stack(first, second, per_head=True)
    assert of.rows == HEADS and of.score.shape == of.position.shape == (2 * HEADS, TOKENS)
    assert torch.equal(of.score[1], first.score[0]) and torch.equal(of.count[2], second.count[0])
    assert torch.equal(of.keys(per_head=True)[3], second.keys[1])
    assert torch.equal(of.keys(per_head=False)[1], torch.cat([*second.keys], 1))


# While decoding: 2 layers of 14 slots, of which 10 were the prompt's (tokens 0 to 9) and 4 were written.

HELD, PROMPT = 14, 10


def step(seed, rows=1, words=(), held=(HELD, HELD), prompt_slots=(PROMPT, PROMPT)):
    rng = np.random.default_rng(seed)
    position = torch.tensor(np.stack([[rng.permutation(HELD) for _ in range(rows)] for _ in held]))
    for number, slots in enumerate(held):
        position[number, :, slots:] = StepView.EMPTY
    is_patch = torch.where(torch.isin(position, torch.tensor([*words, -1])), WORD, PATCH)
    kind = torch.where(position < PROMPT, is_patch, WRITTEN)
    score = torch.tensor(rng.permutation(position.numel()).reshape(position.shape), dtype=torch.float32)
    count = torch.tensor(rng.integers(1, 4, position.shape), dtype=torch.float32)
    keys = [torch.tensor(rng.normal(size=(1, HEADS, slots, 5)), dtype=torch.float32) for slots in held]
    held, prompt_slots = (torch.tensor(figures)[:, None, None] for figures in (held, prompt_slots))
    return StepView(position, kind, count, score, held, prompt_slots, PROMPT - 1, lambda: keys)


def tokens(slots, eviction, what="slot"):
    """Per layer and row the token of the slot that is named."""
    named = getattr(eviction, what)
    return [
        [slots.position[number, row, slot].item() if slot >= 0 else None for row, slot in enumerate(of_layer)]
        for number, of_layer in enumerate(named.tolist())
    ]


ROOM = Room(limit=13, prompt_limit=PROMPT, seen=HELD, prompt=PROMPT)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (FixedPoint(distance=3), 7),  # the tenth token of the prompt is 9, three before are 7
        (FixedPoint(distance=50), 5),  # its middle
        (FixedPoint(distance=3, moving=True), 11),
        (FixedPoint(distance=3, protect=Protect()), 6),  # 1 to 8 are free
        (Oldest(), 0),
        (Oldest(sinks=4), 4),
        (Oldest(protect=Protect()), 1),
        (Oldest(protect=Protect(text=True)), 3),  # 1 and 2 are words
    ],
)
def test_rules_of_place_name_the_token_that_stands_there(rule, expected):
    slots = step(0, rows=2, words=(1, 2))
    assert tokens(slots, rule.evict(slots, ROOM)) == [[expected] * 2] * 2
    assert rule.evict(slots, Room(HELD, PROMPT, HELD, PROMPT)) is None


def test_shares_of_a_budget_that_protected_slots_exceed_do_not_grow_with_them():
    slots = step(8, held=(14, 14), prompt_slots=(12, 12))
    rule = Oldest(own_share=True)
    assert (rule.evict(slots, Room(13, 6, HELD, PROMPT)).slot >= 0).all(), "13 each, and not 12 x 13 / 6"
    assert rule.evict(slots, Room(14, 6, HELD, PROMPT)) is None


def test_layers_of_different_size_evict_by_their_own_share():
    slots = step(1, held=(14, 7), prompt_slots=(10, 5))
    by_share = Oldest(own_share=True).evict(slots, Room(13, 10, HELD, PROMPT))
    assert by_share.slot[0, 0] >= 0 and by_share.slot[1, 0] >= 0, "14 > 13, 7 > 6"
    within = step(1, held=(14, 6), prompt_slots=(10, 5))
    assert Oldest(own_share=True).evict(within, Room(13, 10, HELD, PROMPT)).slot[:, 0].tolist()[1] == -1, "6 > 6 is not"
    by_limit = Oldest().evict(slots, Room(13, 10, HELD, PROMPT))
    assert by_limit.slot[0, 0] >= 0 and by_limit.slot[1, 0] == -1


@pytest.mark.parametrize("protect", [None, Protect(text=True)])
def test_the_lowest_score_that_is_not_among_the_newest_is_evicted(protect):
    slots = step(2, rows=2, words=(1, 2))
    rule = LowestScore(newest=0.25, protect=protect)
    barred = {0, 1, 2, PROMPT - 1} if protect else set()
    recent = int(0.25 * (13 - len(barred)))
    for number, rows in enumerate(tokens(slots, rule.evict(slots, ROOM))):
        for row, found in enumerate(rows):
            score = dict(zip(slots.position[number, row].tolist(), slots.score[number, row].tolist(), strict=True))
            assert found == min((t for t in range(HELD - recent) if t not in barred), key=score.__getitem__)
    # Where the newer score less, what goes is the last token before the newest.
    falling = replace(slots, score=-slots.position.float())
    assert tokens(falling, rule.evict(falling, ROOM)) == [[max(set(range(HELD - recent)) - barred)] * 2] * 2
    assert rule.live and not LowestScore(live=False).live


def test_what_is_evicted_may_join_the_slot_with_the_most_similar_key():
    slots = step(3)
    found = Oldest(sinks=2, merge=True).evict(slots, ROOM)
    for number, keys in enumerate(slots.keys()):
        joined = np.concatenate([*keys[0].numpy()], 1)
        unit = joined / np.linalg.norm(joined, axis=1, keepdims=True)
        slot = found.slot[number, 0].item()
        others = [s for s in range(HELD) if s != slot and slots.position[number, 0, s] > 0]
        assert found.into[number, 0] == max(others, key=lambda s: unit[s] @ unit[slot])


@pytest.mark.parametrize("merge", [True, False])
def test_of_the_most_alike_pair_the_lighter_slot_goes(merge):
    slots = step(4)
    found = MostAlike(protect=Protect(), merge=merge).evict(slots, ROOM)
    for number, keys in enumerate(slots.keys()):
        joined = np.concatenate([*keys[0].numpy()], 1)
        weight = np.sqrt(slots.count[number, 0].numpy())
        free = [
            s for s in range(HELD) if slots.position[number, 0, s].item() not in (0, PROMPT - 1, HELD - 2, HELD - 1)
        ]
        costs = {
            (a, b): ((joined[a] - joined[b]) ** 2).sum() * weight[a] * weight[b] / (weight[a] + weight[b])
            for a in free
            for b in free
            if a < b
        }
        pair = min(costs, key=costs.get)
        slot = found.slot[number, 0].item()
        assert slot in pair and weight[slot] == min(weight[[*pair]])
        assert (found.into is not None) == merge and (not merge or {slot, found.into[number, 0].item()} == {*pair})


def test_of_fewer_slots_than_sinks_the_newest_goes():
    slots = step(6, held=(HELD, 3), prompt_slots=(PROMPT, 2))
    found = Oldest(sinks=4, own_share=True).evict(slots, ROOM)
    assert tokens(slots, found)[0] == [4]
    assert tokens(slots, found)[1] == [max(slots.position[1, 0, :3].tolist())]
    free = [t for t in slots.position[1, 0, :3].tolist() if t not in (0, PROMPT - 1)]
    protected = Oldest(sinks=4, protect=Protect(), own_share=True).evict(slots, ROOM)
    assert tokens(slots, protected)[1] == [max(free)]


def test_of_three_slots_the_newest_may_be_merged_and_of_protected_ones_none():
    slots = replace(step(7), position=torch.tensor([[[3, HELD - 2, HELD - 1]]]), kind=torch.full((1, 1, 3), WRITTEN))
    slots = replace(slots, count=torch.ones(1, 1, 3), held=torch.tensor([[[3]]]), prompt_slots=torch.tensor([[[1]]]))
    keys = [torch.tensor([0.0, 5.0, 6.0]).view(1, 1, 3, 1)]
    slots = replace(slots, keys=lambda: keys)
    room = Room(limit=2, prompt_limit=2, seen=HELD, prompt=PROMPT)
    found = MostAlike(merge=True).evict(slots, room)
    assert {found.slot.item(), found.into.item()} == {1, 2}
    words = replace(slots, kind=torch.tensor([[[WORD, WORD, WRITTEN]]]))
    assert MostAlike(Protect(text=True), merge=True).evict(words, room) is None


def test_a_rule_that_evicts_nothing_evicts_nothing():
    assert EvictNothing().evict(step(5), ROOM) is None


def test_ends_that_are_patches_are_protected_only_where_ends_are():
    of = stack(layer(2, words=range(3, 6)))
    assert Protect(text=True).in_prompt(of).nonzero()[:, 1].tolist() == [0, 3, 4, 5, TOKENS - 1]
    assert Protect(text=True, ends=False).in_prompt(of).nonzero()[:, 1].tolist() == [3, 4, 5]
    assert protecting(text=False, ends=False) is None and protecting(text=False) == Protect(spare=1)


def test_what_is_protected_may_use_up_the_budget_and_leaves_a_few_slots():
    assert Protect(spare=8).room(20, 15) == 23 and Protect(spare=8).room(30, 15) == 30
    assert Protect(spare=None).room(20, 15) == 20
    assert Protect(spare=8).room(20, torch.tensor([[3], [15]])).tolist() == [[20], [23]]
