"""Grouping by keys, against plain loops."""

import numpy as np
import pytest
import torch

from elastic.policies.parts.groups import closest_pair, clusters, covering, most_similar


def plain_k_means(x, seeds, weight, rounds):
    """Lloyd's rounds in loops; the centres, and the group of every point."""
    centre = x[seeds].copy()
    for _ in range(rounds):
        group = [min(range(len(centre)), key=lambda c, p=p: ((p - centre[c]) ** 2).sum()) for p in x]
        for c in range(len(centre)):
            mine = [i for i in range(len(x)) if group[i] == c]
            if mine:
                centre[c] = sum(weight[i] * x[i] for i in mine) / sum(weight[i] for i in mine)
    return centre, [min(range(len(centre)), key=lambda c, p=p: ((p - centre[c]) ** 2).sum()) for p in x]


@pytest.mark.parametrize("rounds", [1, 3])
def test_clusters_are_those_of_weighted_k_means(rounds):
    rng = np.random.default_rng(rounds)
    x, weight = rng.normal(size=(2, 40, 5)).astype(np.float32), rng.uniform(0.1, 2, size=(2, 40)).astype(np.float32)
    seeds = np.stack([np.sort(rng.permutation(40)[:6]) for _ in range(2)])
    found = clusters(*(torch.tensor(a) for a in (x, seeds, weight)), rounds)
    for row in range(2):
        centre, group = plain_k_means(x[row], seeds[row], weight[row], rounds)
        heads = [
            min((i for i in range(40) if group[i] == c), key=lambda i, c=c: ((x[row, i] - centre[c]) ** 2).sum())
            for c in range(6)
        ]
        assert found[row].tolist() == [heads[c] for c in group]


def test_there_are_always_as_many_clusters_as_seeds():
    """Seeds on the same spot leave clusters empty; a cache needs equally many slots in every head."""
    x = torch.randn(3, 30, 4)
    x[:, :20] = x[:, :1]  # twenty times the same key
    seeds = torch.arange(10).expand(3, -1)
    found = clusters(x, seeds, torch.ones(3, 30), 3)
    for row in found:
        assert len(row.unique()) == 10
        assert (row[row] == row).all(), "who stands for a cluster belongs to it"


def test_a_cover_begins_where_told_and_goes_on_with_the_farthest():
    x = torch.tensor([[[0.0], [1.0], [10.0], [4.0], [9.0]]])
    assert covering(x, torch.tensor([0]), 3).tolist() == [[0, 2, 3]]


def test_the_closest_pair_is_that_of_wards_criterion():
    rng = np.random.default_rng(0)
    keys, weight = rng.normal(size=(4, 12, 3)), rng.uniform(1, 5, size=(4, 12))
    allowed = rng.random((4, 12)) < 0.7
    gone, into = closest_pair(torch.tensor(keys), torch.tensor(weight), torch.tensor(allowed))
    for row in range(4):
        free = [i for i in range(12) if allowed[row, i]]
        cost = {
            (i, j): ((keys[row, i] - keys[row, j]) ** 2).sum()
            * weight[row, i] * weight[row, j] / (weight[row, i] + weight[row, j])
            for i in free for j in free if i < j
        }  # fmt: skip
        best = min(cost, key=cost.get)
        assert {int(gone[row]), int(into[row])} == set(best)
        assert weight[row, gone[row]] <= weight[row, into[row]], "the lighter one goes"


def test_the_most_similar_is_never_itself_nor_one_that_is_not_allowed():
    keys = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [1.0, 0.1], [0.0, 1.0]]])
    allowed = torch.tensor([[True, False, True, True]])
    assert most_similar(keys, torch.tensor([0]), allowed).tolist() == [2]
