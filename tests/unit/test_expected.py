"""Expected Attention: queries to come, with rotations as whole matrices, position by position, in plain loops."""

import math

import numpy as np
import pytest
import torch

from elastic.cache import ElasticCache
from elastic.engine import compress, decode, extend, prefill
from elastic.model import load
from elastic.policies import LayerView
from elastic.policies.base import WORD
from elastic.policies.expected_attention import ExpectedAttention
from elastic.policies.full import Full
from elastic.statistics import ExpectedQuery
from elastic.statistics.rope import Rope
from tests.families import MAKERS
from tests.small_text import write
from tests.unit.plain_model import PlainModel, held_tokens

LAYERS, HEADS, DIM = range(3), range(2), 16
OPTIONS = [{}, {"future": 3, "sinks": 0}, {"covariance": False, "sinks": 12}, {"epsilon": 0.01, "future": 40}]


@pytest.fixture(scope="module")
def start(tiny, asked):
    return prefill(tiny, asked, set().union(*(ExpectedAttention(**options).needs for options in OPTIONS)))


@pytest.fixture(scope="module")
def plain(eager, asked):
    return PlainModel(eager, asked)


def queries_of(eager, prompt):
    """Per layer the prompt's queries before RoPE, (T, H, D), from the library's own layers."""
    made, hooks = {}, []
    for layer, block in enumerate(eager.model.language_model.layers):

        def note(module, inputs, output, layer=layer):
            made[layer] = output[0].double().view(output.shape[1], -1, DIM).numpy()

        hooks.append(block.self_attn.q_proj.register_forward_hook(note))
    with torch.no_grad():
        eager(input_ids=prompt.ids, **prompt.inputs)
    for hook in hooks:
        hook.remove()
    return made


def rotation(position, theta):
    """The matrix by which RoPE turns a query at a position."""
    matrix, half = np.zeros((DIM, DIM)), DIM // 2
    for pair in range(half):
        angle = position / theta ** (pair / half)
        matrix[pair, pair] = matrix[pair + half, pair + half] = math.cos(angle)
        matrix[pair, pair + half], matrix[pair + half, pair] = -math.sin(angle), math.sin(angle)
    return matrix


def expected(queries, first, positions, theta):
    """Mean (D,) and covariance (D, D) of a head's queries (n, D), turned by the mean of the rotations to come."""
    turning = sum(rotation(first + step, theta) for step in range(positions)) / positions
    mean = queries.mean(0)
    covariance = sum(np.outer(query - mean, query - mean) for query in queries) / len(queries)
    return turning @ mean, turning @ covariance @ turning.T


def scores(policy, keys, values, of_heads):
    """A head's score of every token; `of_heads` are mean and covariance of the query heads that share its keys."""
    share = np.zeros(len(keys))
    for mean, covariance in of_heads:
        logits = [key @ mean / math.sqrt(DIM) for key in keys]
        if policy.covariance:
            logits = [logit + key @ covariance @ key / (2 * DIM) for logit, key in zip(logits, keys, strict=True)]
        weights = [math.exp(logit - max(logits)) for logit in logits[policy.sinks :]]
        share[policy.sinks :] += np.array(weights) / sum(weights) / len(of_heads)
    return (share + policy.epsilon) * np.sqrt((values**2).sum(1))


@pytest.mark.parametrize("options", OPTIONS)
def test_what_queries_to_come_are_expected_to_look_at_is_kept_in_every_head(options, start, plain, eager, asked):
    policy, queries, total = ExpectedAttention(keep=0.2, **options), queries_of(eager, asked), start.seen
    held = held_tokens(compress(start, policy).cache)
    for layer in LAYERS:
        of_heads = [
            expected(queries[layer][policy.sinks :, head], total, policy.future, plain.theta) for head in range(4)
        ]
        for head in HEADS:
            keys = plain.turned(plain.keys[layer][head], list(range(total))).numpy()
            values = plain.values[layer][head].numpy()
            score = scores(policy, keys, values, of_heads[2 * head : 2 * head + 2])
            others = sorted(range(policy.sinks, total), key=lambda token: -score[token])
            assert set(held[layer][head]) == {*range(policy.sinks), *others[: int(0.2 * total) - policy.sinks]}


def test_mean_and_covariance_are_those_of_the_last_prompts_queries_in_a_further_turn(start, tiny, eager, asked, plain):
    state = compress(start, ExpectedAttention(keep=0.5))
    list(decode(state, 3, forced=[20, 30, 40]))
    more = tiny.next_turn("Where is the dog?")
    first = state.seen
    read = []
    for block in state.llava.model.model.language_model.layers:
        read.append(block.self_attn.q_proj.register_forward_hook(lambda m, i, out: kept.append(out[0].double())))
    kept = []
    extend(state, more)
    for hook in read:
        hook.remove()
    of_layer = state.cache.layer_statistics[ExpectedQuery()]
    assert state.seen == first + more.ids.shape[1]
    for layer in LAYERS:
        queries = kept[layer].view(more.ids.shape[1], -1, DIM).numpy()
        for head in range(4):
            mean, covariance = expected(queries[:, head], state.seen, 512, plain.theta)
            found = of_layer[layer, 0, head].double().numpy()
            assert found[:, 0] == pytest.approx(mean, abs=1e-3)
            assert found[:, 1:] == pytest.approx(covariance, abs=1e-3)


def test_a_query_that_is_turned_back_and_ahead_stands_where_it_will():
    """Two channels that turn by a right angle per position: at place 1 a query (1, 0) is (0, 1), at place 4 itself."""
    rope = Rope(torch.tensor([[[math.pi / 2]]]), torch.tensor([math.pi / 2]), 0, 4)
    before = rope.turned_back(torch.tensor([[[[0.0, 1.0]]]]))
    assert before.flatten().tolist() == pytest.approx([1, 0], abs=1e-6)
    assert rope.turned_ahead(before, 1).flatten().tolist() == pytest.approx([1, 0], abs=1e-5)
    assert rope.turned_ahead(before, 2).flatten().tolist() == pytest.approx([0.5, 0.5], abs=1e-5)
    assert rope.turned_ahead(before, 4).flatten().tolist() == pytest.approx([0, 0], abs=1e-5), "all round"


def test_of_equal_means_the_key_that_queries_spread_along_is_kept_if_the_spread_counts():
    """Queries spread along the first axis only, and on average nowhere: exp(q.k) is large now and then for key 5."""
    keys = torch.zeros(1, 6, 2)
    keys[0, 4, 1] = keys[0, 5, 0] = 3.0
    spread = torch.tensor([[[0.0, 2, 0], [0, 0, 0]]])  # mean 0, variance 2 along the first axis
    position, ones = torch.arange(6)[None], torch.ones(1, 6)
    values = torch.ones(1, 6, 2)
    values[0, 4] = 1.5  # without the spread the longer value decides

    def kept(policy):
        (need,) = policy.needs
        words = torch.full((1, 6), WORD)
        layer = LayerView(position, words, ones, 0 * ones, 6 - position, keys, values, {need: spread})
        return policy.compress([layer], 6)[0].owner.argmax().item()

    assert kept(ExpectedAttention(keep=1 / 6, sinks=0)) == 5
    assert kept(ExpectedAttention(keep=1 / 6, sinks=0, covariance=False)) == 4


@pytest.mark.parametrize("kind", ["qwen2-vl", "qwen3-vl"])
def test_of_tokens_in_rows_and_columns_the_same_queries_come_back_in_one_piece_or_several(kind, tmp_path, picture):
    """Both layouts of channels: sections one behind the other, and interleaved."""
    MAKERS[kind](tmp_path)
    reader = load(tmp_path, device="cpu")
    prompt = reader.first_turn(picture, "Where is the dog?")
    made, hooks = [], []
    for block in reader.model.model.language_model.layers:
        of_queries = getattr(block.self_attn, "q_norm", block.self_attn.q_proj)
        hooks.append(of_queries.register_forward_hook(lambda module, inputs, output: made.append(output)))
    state = prefill(reader, prompt, ExpectedAttention().needs)
    for hook in hooks:
        hook.remove()
    found, total = state.cache.layer_statistics[ExpectedQuery()], state.seen
    for layer, output in enumerate(made):
        queries = output.double().view(total, -1, DIM).numpy()
        for head in range(queries.shape[1]):
            mean, covariance = expected(queries[4:, head], total + state.cache.offset, 512, 1e4)
            of_head = found[layer, 0, head].double().numpy()
            assert of_head[:, 0] == pytest.approx(mean, abs=1e-4)
            assert of_head[:, 1:] == pytest.approx(covariance, abs=1e-4)
    assert state.cache.offset < 0, "the next token stands before its number"
    pieces = ElasticCache(Full(), reader.model, needs=ExpectedAttention().needs)
    write(reader.model, prompt.ids, pieces, prefill_chunk_size=19, **prompt.inputs)
    torch.testing.assert_close(pieces.layer_statistics[ExpectedQuery()], found, atol=1e-4, rtol=1e-3)
