"""Merging against a group mean written out in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic.merge import anchors, merge, pick


def brute_force(x, owner, count):
    """For each head, each anchor in order: the weighted mean of everything that names it its owner."""
    _, heads, _, _ = x.shape
    kept = []
    for head in range(heads):
        row = owner[head if len(owner) > 1 else 0]
        weights = count[head if len(count) > 1 else 0]
        slots = []
        for anchor in range(len(row)):
            if row[anchor] != anchor:
                continue
            members = [t for t in range(len(row)) if row[t] == anchor]
            slots.append(sum(weights[t] * x[0, head, t] for t in members) / sum(weights[t] for t in members))
        kept.append(slots)
    return np.array(kept)[None]


@st.composite
def owners(draw):
    """Valid owners for one or three heads, with equally many anchors in every head."""
    heads, tokens = draw(st.sampled_from([1, 3])), draw(st.integers(2, 12))
    kept = draw(st.integers(1, tokens))
    rows = []
    for _ in range(heads):
        chosen = draw(st.permutations(range(tokens)))[:kept]
        rows.append([t if t in chosen else draw(st.sampled_from([-1, *chosen])) for t in range(tokens)])
    return np.array(rows)


@settings(deadline=None, max_examples=60)
@given(owners(), st.integers(0, 2**31), st.booleans())
def test_merging_is_the_mean_of_each_group(owner, seed, counted):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1, 3, owner.shape[1], 4))
    count = rng.integers(1, 9, size=owner.shape).astype(np.float32) if counted else np.ones(owner.shape, np.float32)
    merged = merge(torch.tensor(x), torch.tensor(owner), torch.tensor(count) if counted else None)
    assert np.allclose(merged, brute_force(x, owner, count), atol=1e-5)


@pytest.mark.parametrize("counted", [False, True])
def test_sequences_of_a_batch_are_merged_each_by_its_own_row(counted):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 3, 6, 4))
    owner = np.array([[0, 0, 2, 2, -1, 5], [0, 1, 1, 1, 5, 5]])  # one row for the heads of a sequence
    count = rng.integers(1, 9, size=owner.shape).astype(np.float32) if counted else np.ones(owner.shape, np.float32)
    merged = merge(torch.tensor(x), torch.tensor(owner), torch.tensor(count) if counted else None)
    for number in range(2):
        rows = slice(number, number + 1)
        assert np.allclose(merged[rows], brute_force(x[rows], owner[rows], count[rows]), atol=1e-5)


def test_full_ownership_is_the_identity():
    x = torch.randn(1, 2, 7, 5)
    assert torch.equal(merge(x, torch.arange(7)[None]), x)


def test_half_precision_is_averaged_in_single():
    # 2048 + 1 is not a half-precision number: summing in half would lose every one of the small members.
    x = torch.tensor([2048.0, *[1.0] * 63], dtype=torch.float16).view(1, 1, 64, 1)
    merged = merge(x, torch.zeros(1, 64, dtype=torch.long))
    assert merged.dtype == torch.float16
    assert merged.item() == pytest.approx((2048 + 63) / 64, rel=1e-3)


def test_anchors_are_the_tokens_that_own_themselves():
    assert anchors(torch.tensor([[0, 0, 2, -1, 2]])).tolist() == [[True, False, True, False, False]]


def test_pairs_may_name_a_member_twice_or_not_at_all():
    """Member 1 counts for both anchors, member 3 for none: what a plain owner cannot say."""
    x = torch.arange(5.0).view(1, 1, 5, 1)
    members, groups = torch.tensor([[0, 1, 1, 2, 4]]), torch.tensor([[0, 0, 2, 2, 4]])
    assert merge(x, groups, members=members).flatten().tolist() == [0.5, 1.5, 4.0]


def test_picking_takes_the_anchors_own_entries():
    x = torch.randn(2, 3, 6, 4)
    owner = torch.tensor([[0, 0, 2, 2, -1, 5], [0, 1, 1, 1, 5, 5]])
    picked = pick(x, owner)
    assert torch.equal(picked[0], x[0][:, [0, 2, 5]]) and torch.equal(picked[1], x[1][:, [0, 1, 5]])
