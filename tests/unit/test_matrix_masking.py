"""Dropping a token equals never looking at it again: every method that drops, against the model written out plainly."""

import pytest
import torch

from elastic.engine import compress, decode, extend
from elastic.policies import POLICIES
from elastic.policies.combine import Combine
from elastic.policies.think import ThinK
from tests.unit.plain_model import PlainModel, held_tokens

ANSWER = [20 + 7 * number % 150 for number in range(16)]
# What loses channels or bits, or nothing altogether, has tests of its own.
OTHERS = ("full", "think", "kivi", "fp8", "less", "quest", "pqcache")
DROPPING = {name: policy(keep=0.3) for name, policy in POLICIES.items() if name not in OTHERS}
DROPPING = {name: policy for name, policy in DROPPING.items() if policy.merged == "none"}
DROPPING["elastic, no merging"] = Combine(keep=0.3, merge="none", protect_text=False)
DROPPING["elastic, side by side"] = Combine(keep=0.3, merge="none", positions="re-rotated")
SIDE_BY_SIDE = ("streaming", "cascading", "elastic, side by side")


@pytest.fixture(scope="module")
def full(start):
    return [step.logprob for step in decode(compress(start, POLICIES["full"]()), len(ANSWER), forced=ANSWER)]


@pytest.mark.parametrize("name", DROPPING)
def test_dropping_equals_masking_in_every_head_at_every_step(name, start, asked, eager, full):
    """What is held may differ per layer, head and step; re-rotated tokens stand at their places among those held."""
    policy, plain = DROPPING[name], PlainModel(eager, asked)
    state = compress(start, policy)
    held, ours, expected = held_tokens(state.cache), [], []
    assert all(len(tokens) < start.seen for heads in held for tokens in heads)
    for step in decode(state, len(ANSWER), forced=ANSWER):
        ours.append(step.logprob)
        expected.append(plain.logprob(step.token))
        rows = plain.step(step.token, held, side_by_side=name in SIDE_BY_SIDE)
        assert state.looked.numpy() == pytest.approx(rows.mean(1), abs=1e-4)
        held = held_tokens(state.cache)
    assert ours == pytest.approx(expected, abs=1e-3)
    # It matters what is held: the full cache says something else.
    assert max(abs(a - b) for a, b in zip(ours, full, strict=True)) > 0.05


def masked(thin):
    """Per layer and head 1 for the channels that the first slots' keys have, and 0 for those they lost."""
    return [[of_head.double().expand(layer.thin, -1) for of_head in layer.kept[0]] for layer in thin.cache.layers]


def test_thin_keys_give_the_logits_of_zeroed_channels_in_the_full_cache_in_two_turns(start, asked, eager, tiny, full):
    plain, state = PlainModel(eager, asked), compress(start, ThinK(keep=0.6))
    channels, ours, expected = masked(state), [], []
    assert 0 < channels[0][0][0].sum() < 8

    def read(token):
        plain.step(token, [[range(plain.seen)] * 2] * 3, channels=channels)

    for step in decode(state, len(ANSWER), forced=ANSWER):
        ours.append(step.logprob)
        expected.append(plain.logprob(step.token))
        read(step.token)
    assert ours == pytest.approx(expected, abs=1e-3)
    assert max(abs(a - b) for a, b in zip(ours, full, strict=True)) > 0.05
    # The next question looks at thin keys too, many queries at once.
    more = tiny.next_turn("Where is the dog?")
    extend(state, more)
    for token in more.ids[0].tolist():
        read(token)
    assert torch.allclose(state.logits[0], plain.logits, atol=1e-3)
    # Thinned again, keys lose channels besides those that are zero already; those that were whole lose them now.
    again = compress(state, state.policy)
    factors = masked(again)
    for layer in range(3):
        for head in range(2):
            before = torch.ones_like(factors[layer][head])
            before[: len(channels[layer][head])] = channels[layer][head]
            factors[layer][head] = factors[layer][head] * before
    channels = factors
    read(33)
    token = next(decode(again, 1, forced=[33]))
    assert len(token.slots) == 3
    assert torch.allclose(again.logits[0], plain.logits, atol=1e-3)
