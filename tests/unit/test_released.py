"""`elastic-released` against what was observed of the published code: its examples, sizes and places, bugs included."""

import pytest
import torch

from elastic.merge import merge
from elastic.policies.base import WORD, LayerView
from elastic.policies.elastic_released import ElasticReleased
from elastic.statistics import Attention
from tests.driving import entered
from tests.unit.test_slots import filled, small_model


def choice(score, keep):
    n = len(score)
    tables = torch.arange(n)[None], torch.full((1, n), WORD), torch.ones(1, n), torch.as_tensor(score).float()[None]
    return ElasticReleased(keep=keep).compress([LayerView(*tables, queries=torch.ones(1, n))], n)[0]


def kept(of):
    return (of.owner[0] == torch.arange(of.owner.shape[1])).nonzero()[:, 0].tolist()


@pytest.mark.parametrize(("keep", "slots"), [(0.8, 511), (0.5, 319), (0.2, 127)])
def test_a_prompt_of_640_is_left_one_slot_short_of_its_budget(keep, slots):
    assert len(kept(choice(torch.rand(640, generator=torch.Generator().manual_seed(1)), keep))) == slots


@pytest.mark.parametrize("keep", [0.8, 0.5, 0.2])
def test_with_scores_without_order_the_overlap_with_the_best_is_chance(keep):
    generator, overlap = torch.Generator().manual_seed(2), []
    for _ in range(60):
        score = torch.rand(640, generator=generator)
        middle = set(kept(choice(score, keep))) - {0, 639}
        best = set((score[1:639].topk(len(middle)).indices + 1).tolist())
        overlap.append(len(middle & best) / len(middle))
    assert sum(overlap) / 60 == pytest.approx(keep, abs=0.02)


def test_with_scores_that_only_fall_it_keeps_the_first():
    assert kept(choice(torch.linspace(1, 0, 640), 0.5))[:-1] == list(range(318))


def test_ten_hand_made_scores_keep_the_values_9_7_3_and_6():
    """What was observed of the published code: 8 and 5 are lost, 3 is kept."""
    middle = [5, 6, 2, 9, 0, 4, 1, 7, 3, 8]
    of = choice([50, *middle, 50], 0.58)  # 5 of 12 are to be forgotten, and one more is
    assert {middle[token - 1] for token in kept(of)[1:-1]} == {9, 7, 3, 6}


def test_twelve_tokens_at_half_merge_one_place_off():
    """Mean positions of the merged slots as observed: 0, 1.75, 5, 7.75, 11."""
    # Scores whose argsort is above 6 at relative places 2, 4 and 6, so that tokens 3, 5 and 7 are kept.
    order = torch.tensor([0, 1, 7, 2, 8, 3, 9, 4, 5, 6])
    middle = torch.empty(10)
    middle[order] = torch.arange(10.0)
    of = choice([50.0, *middle.tolist(), 50.0], 0.5)
    assert kept(of) == [0, 3, 5, 7, 11]
    members, groups = of.pairs
    positions = torch.arange(12.0).view(1, 1, 12, 1)
    assert merge(positions, groups, members=members).flatten().tolist() == [0, 1.75, 5, 7.75, 11]
    assert (of.owner[0, [2, 4, 6]] == -1).sum() == 3, "what was meant to be merged, and no other token was, is lost"


def decoded(keep, prompt=640, steps=100):
    """A cache after a prompt of random keys and so many written tokens; the tokens evicted, in order."""
    torch.manual_seed(0)
    keys, values = torch.randn(2, 1, 2, prompt, 16).unbind(0)
    cache = filled(small_model(), keys, values)
    cache.tables.scores[Attention()] = torch.rand(1, 1, prompt)
    cache.compress(ElasticReleased(keep=keep), steps)
    gone, positions = [], []
    for _ in range(steps):
        entered(cache, torch.randn(1, 2, 1, 16), torch.randn(1, 2, 1, 16))
        positions.append(int(cache.forward.positions))
        cache.observe(cache.forward)
        evicted = cache.evict()
        if evicted is not None:
            gone.append(int(evicted[0]))
    return cache, gone, positions


@pytest.mark.parametrize(("keep", "slots"), [(0.8, 592), (0.5, 370), (0.2, 148)])
def test_a_hundred_tokens_later_it_has_grown_by_the_share_that_is_kept(keep, slots):
    cache, _, _ = decoded(keep)
    assert cache.slots == [slots]


def test_deletions_eat_the_end_of_the_prompt_and_then_the_answer_from_its_oldest_word():
    _, gone, _ = decoded(0.2)
    tail = gone[:24]
    assert tail == sorted(tail) and tail[-1] == 639, "the last token of the prompt goes too"
    assert gone[24:30] == list(range(640, 646))


def test_new_tokens_stand_at_the_length_of_what_is_left():
    _, _, positions = decoded(0.5)
    assert positions[0] == 319
    assert len(set(positions)) < 60, "each place is taken about twice"
