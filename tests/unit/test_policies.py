"""The rules of each policy against the same rule written out plainly."""

from bisect import bisect_left
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from elastic.policies import POLICIES, LayerView
from elastic.policies.base import PATCH, WORD, WRITTEN, StepView
from elastic.policies.combine import Combine
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from elastic.policies.parts.groups import nearest


def view(score, image=(), answer=(), position=None):
    """A layer whose slots are tokens 0, 1, ...: scores given, `image` and `answer` (written) tokens named."""
    n = len(score)
    position = torch.arange(n) if position is None else torch.tensor(position)
    kind = torch.tensor([[WRITTEN if t in answer else PATCH if t in image else WORD for t in range(n)]])
    score = torch.tensor(score, dtype=torch.float32)
    queries = n - torch.arange(n)
    return LayerView(position[None], kind, torch.ones(1, n), score[None], queries[None])


def step_view(layer, prompt_slots):
    """The same slots as one layer of a cache that is being decoded with."""
    held, prompt_slots = (torch.tensor(figure).view(1, 1, 1) for figure in (layer.slots, prompt_slots))
    last = int(layer.position[layer.kind != WRITTEN].max())
    tables = (table[None] for table in (layer.position, layer.kind, layer.count, layer.score))
    return StepView(*tables, held, prompt_slots, last)


def plain_elastic(score, kept, protected):
    """The paper's rule in loops: best-scored tokens are anchors, others join the nearest, ties to the left."""
    free = [t for t in range(len(score)) if t not in protected]
    best = sorted(sorted(free, key=lambda t: -score[t])[: kept - len(protected)])
    owner = list(range(len(score)))
    for t in free:
        owner[t] = min(best, key=lambda anchor: (abs(anchor - t), anchor))
    return owner


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("keep", [0.9, 0.5, 0.2, 0.1])
def test_elastic_follows_the_papers_rule(seed, keep):
    score = np.random.default_rng(seed).permutation(60).astype(float)
    layer = view(score)
    owner = Elastic(keep=keep, protect_text=False).compress([layer], 60)[0].owner[0].tolist()
    assert owner == plain_elastic(score, int(keep * 60), {0, 59})


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("keep", [0.9, 0.5, 0.2, 0.1, 0.02])
def test_with_nothing_protected_elastic_has_the_buckets_of_the_papers_equation(seed, keep):
    """Bucket k ends half-way between its anchor and the next one, rounded down; the last one where the prompt does."""
    score = np.random.default_rng(seed).permutation(60).astype(float)
    policy = Elastic(keep=keep, protect_text=False, protect_ends=False)
    anchors = sorted(np.argsort(-score)[: int(keep * 60)].tolist())
    ends = [(left + right) // 2 for left, right in pairwise(anchors)] + [59]
    expected = [anchors[bisect_left(ends, t)] for t in range(60)]
    assert policy.compress([view(score)], 60)[0].owner[0].tolist() == expected


def test_only_a_protected_end_of_the_prompt_keeps_a_slot_that_its_score_does_not_earn():
    """By the equations tokens 0 to 4 are the bucket of anchor 2, and 5 to 9 that of anchor 7."""
    layer = view([0.3, 0.1, 0.9, 0.2, 0.1, 0.1, 0.2, 0.8, 0.1, 0.1])
    paper = Elastic(keep=0.2, protect_text=False, protect_ends=False)
    assert paper.compress([layer], 10)[0].owner[0].tolist() == [2] * 5 + [7] * 5
    code = Elastic(keep=0.4, protect_text=False)
    assert code.compress([layer], 10)[0].owner[0].tolist() == [0, *[2] * 4, *[7] * 4, 9]


@pytest.mark.parametrize("seed", range(6))
def test_protected_words_keep_their_slots_and_take_no_members(seed):
    score = np.random.default_rng(seed).permutation(60).astype(float)
    image = range(4, 44)
    owner = Elastic(keep=0.5).compress([view(score, image)], 60)[0].owner[0].tolist()
    words = {t for t in range(60) if t not in image}
    assert owner == plain_elastic(score, 30, words)
    assert all(owner[t] == t for t in words)
    assert all(owner[t] in image for t in image)


def test_unprotected_late_words_lose_to_early_tokens():
    """Summed causal attention falls with position; the last words go first. Protecting them is the cure."""
    score = np.linspace(60, 1, 60)
    owner = Elastic(keep=0.5, protect_text=False).compress([view(score, range(4, 44))], 60)[0].owner[0]
    assert (owner[44:59] != torch.arange(44, 59)).all()


def test_the_token_with_the_highest_score_survives():
    for keep in (0.9, 0.5, 0.2, 0.1):
        for best in (5, 23, 40):
            score = np.ones(60)
            score[best] = 9
            owner = Elastic(keep=keep, protect_text=False).compress([view(score)], 60)[0].owner[0]
            assert owner[best] == best


def test_ties_go_to_the_left_anchor():
    anchor = torch.tensor([[2, 6]])
    assert nearest(torch.tensor([[0, 2, 3, 4, 5, 6, 9]]), anchor).tolist() == [[0, 0, 0, 0, 1, 1, 1]]


def test_elimination_takes_the_slot_a_fixed_distance_before_the_end_of_the_prompt():
    policy = Elastic(keep=0.5, protect_text=False, distance=5)
    # 20 prompt slots are left of 40 tokens; 2 of them protected: the point is free slot 20 - 2 - 5 = 13.
    layer = view(np.ones(21), answer=[20])
    assert policy.evict(step_view(layer, 20), seen=42, prompt=40) is None
    slot = policy.evict(step_view(layer, 20), seen=41, prompt=40)
    free = [t for t in range(21) if t not in (0, 19)]
    assert slot.slot.tolist() == [[free[13]]]


def test_with_nothing_protected_the_fixed_point_counts_every_slot():
    policy = Elastic(keep=0.5, protect_text=False, protect_ends=False, distance=5)
    slot = policy.evict(step_view(view(np.ones(21), answer=[20]), 20), seen=41, prompt=40)
    assert slot.slot.tolist() == [[20 - 5]]


def test_elimination_never_takes_a_protected_word():
    policy = Elastic(keep=0.2, distance=25)
    words = [*range(4), *range(20, 30)]
    layer = view(np.ones(40), image=[t for t in range(30) if t not in words], answer=range(30, 40))
    slot = policy.evict(step_view(layer, 30), seen=100, prompt=99)
    assert slot.slot.item() not in words


def test_full_never_gives_anything_up():
    layer = view(np.ones(30))
    assert Full().compress([layer], 30)[0].owner.tolist() == [list(range(30))]
    assert Full().evict(step_view(layer, 30), 10_000, 30) is None


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("bad", [0.0, -0.1, 1.5])
def test_an_impossible_keep_fails_at_construction(name, bad):
    with pytest.raises(ValueError, match=rf"keep must be between .* got {bad:g}"):
        POLICIES[name](keep=bad)


def test_every_policy_explains_itself():
    for name, policy in POLICIES.items():
        assert policy.title and policy.about and policy.__doc__, name


@pytest.mark.parametrize(
    "bad", [{"score": "loudest"}, {"merge": "all"}, {"decoding": ""}, {"rounds": 11}, {"distance": 0}]
)
def test_a_setting_that_does_not_exist_is_answered_with_those_that_do(bad):
    name = next(iter(bad))
    with pytest.raises(ValueError, match=rf"{name} must be .*(between|one of).*got"):
        Combine(**bad)


def test_scores_divided_by_the_queries_that_could_see_lose_the_causal_bias():
    """Every visible token gets the same from every query: summed, the first win; divided, none does."""
    score = np.arange(60, 0, -1.0)
    score[50] += 0.5  # a little more than its share
    layer = view(score)
    plain = Elastic(keep=0.1, protect_text=False).compress([layer], 60)[0].owner[0]
    divided = Combine(keep=0.1, protect_text=False, score="visible frequency").compress([layer], 60)[0].owner[0]
    assert plain[50] != 50 and divided[50] == 50


def test_eviction_drops_what_merging_would_join():
    layer = view(np.random.default_rng(0).permutation(40).astype(float))
    merged, evicted = (
        Combine(keep=0.5, merge=how).compress([layer], 40)[0].owner for how in ("keys and values", "none")
    )
    assert torch.equal(evicted == torch.arange(40), merged == torch.arange(40))
    assert set(evicted[evicted != torch.arange(40)].tolist()) <= {-1}


@pytest.mark.parametrize(("rule", "expected"), [("fixed point", 13), ("from the end", 14), ("oldest", 1)])
def test_each_decode_rule_names_its_slot(rule, expected):
    """20 slots of the prompt and 1 word; free are all but the first and the prompt's last (slot 19)."""
    layer = view(np.ones(21), answer=[20])
    slot = Combine(keep=0.5, protect_text=False, distance=5, decoding=rule).evict(step_view(layer, 20), 41, 40).slot
    free = [t for t in range(21) if t not in (0, 19)]
    assert slot.tolist() == [[free[expected] if rule != "oldest" else free[0]]]


def test_a_constant_budget_is_that_of_the_prompt():
    assert Combine(keep=0.5, growth="constant").limit(seen=400, prompt=100) == 50
    assert Elastic(keep=0.5).limit(seen=400, prompt=100) == 200


def test_layers_decided_together_are_decided_as_each_alone():
    rng = np.random.default_rng(3)
    layers = [replace(view(rng.permutation(50).astype(float)), keys=torch.randn(2, 50, 8)) for _ in range(4)]
    joint = Combine(keep=0.3, score="after image", assign="similar key")
    per_head = replace(joint, assign="similar key per head", rounds=1)
    for policy, rows in ((Elastic(keep=0.3), 1), (per_head, 2), (joint, 1)):
        together = policy.compress(layers, 50)
        alone = [policy.compress([layer], 50)[0] for layer in layers]
        assert all(torch.equal(a.owner, b.owner) for a, b in zip(together, alone, strict=True))
        assert len(together[0].owner) == rows


@pytest.mark.parametrize(
    ("name", "option", "words"),
    [
        ("lookm", {"text_prior": "no"}, "true or false"),
        ("snapkv", {"window": 2.5}, "a whole number"),
        ("h2o", {"keep": True}, "a number"),
        ("combine", {"score": 3}, "a word"),
    ],
)
def test_a_value_of_another_kind_fails_at_construction(name, option, words):
    with pytest.raises(ValueError, match=rf"{next(iter(option))} must be {words}( between .*)?, got"):
        POLICIES[name](**option)


def test_a_slider_may_write_whole_numbers_with_a_point():
    assert POLICIES["snapkv"](window=8.0) == POLICIES["snapkv"](window=8)
