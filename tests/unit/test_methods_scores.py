"""Methods that score tokens by the newest query, by keys, or by queries to come, against their rules written out."""

import math

import numpy as np
import pytest
import torch

from elastic.engine import compress, decode, extend, prefill
from elastic.policies import LayerView
from elastic.policies.base import WORD
from elastic.policies.keydiff import KeyDiff
from elastic.policies.mixkv import MixKV
from elastic.policies.snapkv import SnapKV
from elastic.policies.subgen import SubGen
from elastic.policies.tova import TOVA
from tests.unit.plain_model import PlainModel, grouped, held_tokens

ANSWER = [20 + 7 * number % 150 for number in range(30)]
LAYERS, HEADS = range(3), range(2)


@pytest.fixture(scope="module")
def start(tiny, asked):
    return prefill(tiny, asked, TOVA().needs | MixKV().needs | MixKV(window=8).needs)


@pytest.fixture
def plain(eager, asked):
    return PlainModel(eager, asked)


def sets(held):
    return [[set(tokens) for tokens in heads] for heads in held]


def seen_once(keys, score=None, values=None):
    """A layer of words whose keys (H, S, D) are given."""
    slots = keys.shape[1]
    position = torch.arange(slots)[None]
    score = torch.zeros(1, slots) if score is None else score
    words, count = torch.full((1, slots), WORD), torch.ones(1, slots)
    return LayerView(position, words, count, score, slots - position, keys, keys if values is None else values)


def best(score, count):
    """The tokens with the highest scores, ties to the left."""
    return set(sorted(range(len(score)), key=lambda token: -score[token])[:count])


@pytest.mark.parametrize("keep", [0.5, 0.1, 0.02])
def test_tova_keeps_in_all_heads_what_the_newest_token_attends_to_most_on_average_over_them(keep, start, plain):
    size = int(keep * start.seen)
    state = compress(start, TOVA(keep=keep))
    held = [best(rows, size) for rows in plain.maps[:, :, -1].mean(1)]
    assert sets(held_tokens(state.cache)) == [[tokens] * 2 for tokens in held]
    gone = set()
    for step in decode(state, 30, forced=ANSWER):
        assert step.logprob == pytest.approx(plain.logprob(step.token), abs=1e-3)
        rows = plain.step(step.token, [[tokens] * 2 for tokens in held]).mean(1)
        for layer in LAYERS:
            tokens = sorted(held[layer] | {state.seen - 1})
            least = min(tokens, key=lambda token: rows[layer, token])
            held[layer] = set(tokens) - {least}
            gone.add(least)
        assert sets(held_tokens(state.cache)) == [[tokens] * 2 for tokens in held]
    assert min(gone) < start.seen <= max(gone), "tokens of the prompt went, and of the answer"


def test_tova_asks_the_last_token_of_the_last_prompt_alone(start, tiny):
    """In a second turn what the first question looked at counts no more."""
    state = compress(start, TOVA(keep=0.3))
    list(decode(state, 4, forced=ANSWER[:4]))
    extend(state, tiny.next_turn("Where is the dog?"))
    (statistic,) = TOVA().needs
    for layer, weights in enumerate(state.cache.tables.scores[statistic]):
        assert float(weights.sum()) == pytest.approx(1, abs=1e-4), f"one query's attention in layer {layer}"


def test_tova_of_five_words_keeps_the_three_that_the_last_one_looks_at_most():
    layer = seen_once(torch.zeros(2, 5, 4), torch.tensor([[0.1, 0.4, 0.05, 0.35, 0.1]]))
    (choice,) = TOVA(keep=0.6).compress([layer], 5)
    assert choice.owner.tolist() == [[0, 1, -1, 3, -1]], "of equals the first stays"


class Distinct:
    """KeyDiff in loops: of the keys of a head, as they are turned, those least like the mean of their directions."""

    def __init__(self, plain, size):
        self.plain, self.size = plain, size
        self.held = [[self.cut(layer, head, range(plain.seen)) for head in HEADS] for layer in LAYERS]

    def cut(self, layer, head, tokens):
        tokens = sorted(tokens)
        keys = self.plain.turned(self.plain.keys[layer][head, tokens], tokens).numpy()
        unit = [key / math.sqrt(sum(x * x for x in key)) for key in keys]
        anchor = sum(unit) / len(unit)
        cosine = [float(key @ anchor) / math.sqrt(float(anchor @ anchor)) for key in unit]
        return {tokens[place] for place in best([-one for one in cosine], self.size)}

    def step(self):
        self.held = [
            [self.cut(layer, head, self.held[layer][head] | {self.plain.seen - 1}) for head in HEADS]
            for layer in LAYERS
        ]


@pytest.mark.parametrize("keep", [0.4, 0.1, 0.02])
def test_keydiff_keeps_the_keys_least_like_the_mean_of_their_directions_at_every_step(keep, start, plain):
    state, rule = compress(start, KeyDiff(keep=keep)), Distinct(plain, int(keep * start.seen))
    gone = set()
    for step in decode(state, 30, forced=ANSWER):
        held = rule.held
        assert step.logprob == pytest.approx(plain.logprob(step.token), abs=1e-3)
        plain.step(step.token, held)
        rule.step()
        assert sets(held_tokens(state.cache)) == rule.held
        gone.update(step.evicted[0].flatten().tolist())
    assert min(gone) < start.seen <= max(gone), "tokens of the prompt went, and of the answer"


def test_keydiff_goes_by_where_keys_point_and_not_by_how_long_they_are():
    """Three keys to the right and one up: the mean points to the right and a little up; lengths do not count."""
    keys = torch.tensor([[[1.0, 0], [5, 0], [0, 0.1], [2, -0.1]]])
    for keep, kept in ((0.25, [2]), (0.5, [2, 3])):
        (choice,) = KeyDiff(keep=keep).compress([seen_once(keys)], 4)
        assert choice.owner.tolist() == [[token if token in kept else -1 for token in range(4)]]


def squared(one, other):
    return sum((a - b) ** 2 for a, b in zip(one.tolist(), other.tolist(), strict=True))


def centres(keys, count):
    """The oldest, and then always the key whose nearest centre is farthest away."""
    chosen, nearest = [0], [math.inf] * len(keys)
    while len(chosen) < count:
        nearest = [min(known, squared(key, keys[chosen[-1]])) for known, key in zip(nearest, keys, strict=True)]
        chosen.append(max((t for t in range(len(keys)) if t not in chosen), key=nearest.__getitem__))
    return chosen


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize(("keep", "recent"), [(0.1, 0.5), (0.05, 0.0), (0.05, 1.0)])
def test_subgen_keeps_the_newest_and_greedy_centres_of_the_other_keys(keep, recent, counted, start, plain):
    """Counted, a centre has the mean value of the tokens that are closest to it, and their number on its logit."""
    state = compress(start, SubGen(keep=keep, recent=recent, counted=counted))
    size = int(keep * start.seen)
    newest = range(start.seen - int(recent * size), start.seen)
    for layer in LAYERS:
        old_keys, old_values = (of[0].double() for of in start.cache.layers[layer].stored())
        keys, values = (of[0].double() for of in state.cache.layers[layer].stored())
        for head in HEADS:
            older = old_keys[head, : start.seen - len(newest)]
            chosen = sorted(centres(older, size - len(newest))) if len(newest) < size else []
            owner = [token if token in chosen or token in newest else -1 for token in range(start.seen)]
            if counted and chosen:
                near = [min(chosen, key=lambda c, key=key: (squared(key, older[c]), c)) for key in older]
                owner = [
                    near[token] if token < len(near) and token not in chosen else token for token in range(start.seen)
                ]
            assert state.cache.tables.owners()[layer, head].tolist() == owner
            kept = [*chosen, *newest]
            assert torch.equal(keys[head], old_keys[head, kept])
            groups = [[token for token in range(start.seen) if owner[token] == anchor] for anchor in kept]
            expected = torch.stack([old_values[head, group].mean(0) for group in groups])
            assert torch.allclose(values[head], expected, atol=1e-5)
            if counted and chosen:
                logs = [math.log(len(group)) for group in groups]
                assert state.cache.bias.table[layer, head, :size].tolist() == pytest.approx(logs, abs=1e-6)
                assert max(map(len, groups)) > 1
    assert (state.cache.bias is not None) == (counted and recent < 1)


def test_subgen_on_a_line_begins_with_the_oldest_and_takes_the_farthest_in_turn():
    """Keys at 0, 1, 10, 4 and 11, and a newest one at 99: the centres are 0, then 11, then 4; 1 goes to 0, 10 to 11."""
    keys = torch.tensor([[[0.0], [1], [10], [4], [11], [99]]])
    values = torch.tensor([[[1.0], [3], [5], [7], [9], [100]]])
    policy = SubGen(keep=0.7, recent=0.25)
    (choice,) = policy.compress([seen_once(keys, values=values)], 6)
    assert choice.owner.tolist() == [[0, -1, -1, 3, 4, 5]]
    (counted,) = SubGen(keep=0.7, recent=0.25, counted=True).compress([seen_once(keys, values=values)], 6)
    assert counted.owner.tolist() == [[0, 0, 4, 3, 4, 5]]


def test_a_counted_centre_of_equal_keys_gives_what_all_its_tokens_would():
    """Where the keys of a cluster are the same, one slot with their number and mean value is exact attention."""
    generator = torch.Generator().manual_seed(3)
    places, values, query = (torch.randn(n, 8, generator=generator) for n in (3, 12, 1))
    keys = places.repeat(4, 1)
    (choice,) = SubGen(keep=0.25, recent=0.0, counted=True).compress([seen_once(keys[None], values=values[None])], 12)
    assert choice.owner.tolist() == [[0, 1, 2] * 4]
    exact = (keys @ query[0]).softmax(0) @ values
    means = torch.stack([values[place::3].mean(0) for place in range(3)])
    assert torch.allclose((places @ query[0] + math.log(4)).softmax(0) @ means, exact, atol=1e-5)


def as_large_as(votes, x):
    """From 0 to 1 within the head, and then with the mean of the votes."""
    share = [(one - min(x)) / (max(x) - min(x)) for one in x]
    return [one * np.mean(votes) / np.mean(share) for one in share]


def mixed(votes, keys, values):
    """The paper's score of the tokens before the window, whose pooled votes are given; keys and values are of all."""
    unit = [key / math.sqrt(sum(x * x for x in key)) for key in keys]
    total, mean = len(keys), sum(unit) / len(keys)
    pairs = [unit[one] @ unit[other] for one in range(total) for other in range(one)]
    redundancy = sum(pairs) / len(pairs)
    longer = as_large_as(votes, [math.sqrt(sum(x * x for x in value)) for value in values[: len(votes)]])
    unlike = as_large_as(votes, [-float(key @ mean) for key in unit[: len(votes)]])
    return [
        redundancy * apart + (1 - redundancy) * (vote + length)
        for vote, length, apart in zip(votes, longer, unlike, strict=True)
    ]


@pytest.mark.parametrize(("keep", "options"), [(0.3, {}), (0.1, {"kernel": 7}), (0.1, {"window": 8, "kernel": 1})])
def test_mixkv_mixes_votes_and_long_values_with_unlike_keys_by_how_alike_a_heads_keys_are(keep, options, start, plain):
    policy, total, size = MixKV(keep=keep, **options), start.seen, int(keep * start.seen)
    window, half = min(policy.window, size // 2), policy.kernel // 2
    votes = grouped(plain.maps[:, :, -policy.window :], 2).sum(-2)
    held = sets(held_tokens(compress(start, policy).cache))
    voted = sets(held_tokens(compress(start, SnapKV(keep=keep, **options)).cache))
    for layer in LAYERS:
        for head in HEADS:
            prefix = votes[layer, head, : total - window]
            pooled = [sum(prefix[max(0, t - half) : t + half + 1]) / policy.kernel for t in range(len(prefix))]
            keys = plain.turned(plain.keys[layer][head], list(range(total))).numpy()
            score = mixed(pooled, keys, plain.values[layer][head].numpy())
            assert held[layer][head] == best(score, size - window) | set(range(total - window, total))
    assert held != voted


def test_of_heads_with_equal_votes_the_one_whose_keys_are_alike_keeps_the_odd_key_and_the_other_the_long_value():
    """Token 1 has the odd key, token 2 the long value; in the first head all other keys are the same."""
    generator = torch.Generator().manual_seed(2)
    keys = torch.stack([torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0]).repeat(8, 1), torch.eye(8)])
    keys[0, 1] = torch.tensor([0.9, 0.5, 0, 0, 0, 0, 0, 0])
    values = torch.ones(2, 8, 8) + torch.rand(2, 8, 8, generator=generator) / 100
    values[:, 2] *= 3
    layer = seen_once(keys, torch.ones(2, 8), values)
    (choice,) = MixKV(keep=0.25, window=1, kernel=1).compress([layer], 8)
    assert choice.owner[0, :7].argmax() == 1 and choice.owner[1, :7].argmax() == 2
    assert (choice.owner[:, 7] == 7).all() and ((choice.owner >= 0).sum(1) == 2).all()
