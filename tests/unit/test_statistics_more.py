"""The statistics of the newer methods against the library's own eager maps, in first and in later prompts."""

import itertools
import math
from functools import partial

import pytest
import torch

from elastic.cache import ElasticCache
from elastic.policies.full import Full
from elastic.statistics import Attention, Fading, Guided, Peak, QueryEnergy, SinceMajor, Sparsity
from elastic.statistics.weights import TILE
from tests.unit.test_statistics import IMAGE, model_of, prompt

SUMS = {  # by the words of this test's own formulas
    "fading 8": partial(Fading, n=8),
    "fading 64": partial(Fading, n=64),
    "last 5": partial(Attention, rows="last", n=5),
    "last 100": partial(Attention, rows="last", n=100),
    "guided by text": Guided,
}
ENERGY = (7, 100)  # last queries
EVERY = {kind(per_head=heads) for kind in (*SUMS.values(), SinceMajor) for heads in (False, True)}
EVERY |= {QueryEnergy(n=queries) for queries in ENERGY}


def read(kv_heads, prompts, implementation="sdpa"):
    """A cache that has read prompts with everything collected; eager maps (L, B, H, T, T) and queries of all of it."""
    model, oracle = model_of(kv_heads, implementation), model_of(kv_heads, "eager")
    cache, queries = ElasticCache(Full(), model, needs=EVERY), []
    for layer in oracle.model.layers:
        layer.self_attn.q_proj.register_forward_hook(lambda module, inputs, output: queries.append(output))
    with torch.no_grad():
        for ids in prompts:
            model(ids, past_key_values=cache)
        maps = oracle(torch.cat(prompts, 1), output_attentions=True).attentions
    return cache, torch.stack(maps).double(), [turned(oracle, query) for query in queries]


def turned(oracle, query):
    """Queries (B, T, d) as RoPE turns them, per head (B, H, T, D): pairs of channels (i, i + 8) by t / theta^(i/8)."""
    query = query.double().view(*query.shape[:2], -1, 16).transpose(1, 2)
    theta = oracle.config.rope_parameters["rope_theta"]
    angle = torch.arange(query.shape[2]).double()[:, None] * theta ** (-torch.arange(8).double() / 8)
    first, second = query.split(8, -1)
    return torch.cat([first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()], -1)


def per_head(maps, kv_heads):
    """The mean over all heads, and over those that share a key: (L, B, 1 or H_kv, T, T) by whether it is per head."""
    grouped = maps.unflatten(2, (kv_heads, -1)).mean(3)
    return {False: maps.mean(2, keepdim=True), True: grouped}


def words_after_the_image(prompts):
    """Per sequence the queries of the last prompt behind the last patch; its last 32 where there are none."""
    found, last = [], prompts[-1].shape[1]
    for row in torch.cat(prompts, 1).tolist():
        patches = [t - (len(row) - last) for t, one in enumerate(row) if one == IMAGE]
        begins = max(0, patches[-1] + 1) if patches and patches[-1] + 1 < last else max(0, last - 32)
        found.append(range(begins, last))
    return found


def weights_of_queries(name, first, last, words, mean):
    """How much each query of a prompt, tokens `first` to `last`, counts for one sequence; `mean` (T, T) over heads."""
    if name.startswith("last"):
        return dict.fromkeys(range(max(first, last - int(name.split()[1])), last), 1.0)
    if name.startswith("fading"):  # all prompts
        return {q: 100 ** (-(last - 1 - q) / int(name.split()[1])) for q in range(last)}
    weight = {j: sum(mean[i, j] for i in words if i >= j) / sum(i >= j for i in words) for j in words}
    return {j: w / sum(weight.values()) for j, w in weight.items()}


def check_sums(cache, maps, kv_heads, prompts):
    """Every sum of the last prompt, in every layer and sequence."""
    first, last = sum(ids.shape[1] for ids in prompts[:-1]), maps.shape[-1]
    words = [[first + t for t in of_one] for of_one in words_after_the_image(prompts)]
    batch = maps.shape[1]
    for name, kind in SUMS.items():
        for heads, of_heads in per_head(maps, kv_heads).items():
            scores = cache.tables.scores[kind(per_head=heads)][..., :last].unflatten(1, (batch, -1))
            for layer, sequence in ((layer, sequence) for layer in range(2) for sequence in range(batch)):
                mean = maps[layer, sequence].mean(0)
                weights = weights_of_queries(name, first, last, words[sequence], mean)
                expected = sum(weight * of_heads[layer, sequence, :, query] for query, weight in weights.items())
                assert torch.allclose(scores[layer, sequence].double(), expected, atol=1e-4), (name, heads)


def check_major(cache, maps, kv_heads, prompts):
    """Queries since one gave a token an even share, or since the token's prompt began; near the threshold left open."""
    begins = [sum(ids.shape[1] for ids in prompts[:number]) for number, ids in enumerate(prompts) for _ in ids[0]]
    total = len(begins)
    for heads, mean in per_head(maps, kv_heads).items():
        found = cache.tables.scores[SinceMajor(per_head=heads)][..., :total].flatten(0, 1).tolist()
        shares = mean.flatten(0, 2) * torch.arange(1, total + 1)[:, None]
        for ages, columns in zip(found, shares.mT.tolist(), strict=True):
            for token, (age, column) in enumerate(zip(ages, columns, strict=True)):
                most, least = (
                    next(
                        (total - 1 - q for q in range(total - 1, token - 1, -1) if column[q] >= even),
                        total - begins[token],
                    )
                    for even in (1 + 1e-4, 1 - 1e-4)
                )
                assert least <= age <= most
        assert len(set(itertools.chain(*found))) > 5


def check_energy(cache, queries, kv_heads, asked):
    """Mean squares of the last queries of the last prompt, over the query heads that share a key."""
    for energy in ENERGY:
        count = min(asked, energy)
        for layer, query in enumerate(queries):
            square = query[:, :, -count:].square().mean(2).unflatten(1, (kv_heads, -1)).mean(2)
            assert torch.allclose(
                cache.layer_statistics[QueryEnergy(n=energy)][layer].double(), square, atol=1e-4, rtol=1e-4
            )


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_every_statistic_of_a_prompt_equals_that_of_eager_attention(kv_heads, implementation):
    ids = prompt(100)
    cache, maps, queries = read(kv_heads, [ids], implementation)
    check_sums(cache, maps, kv_heads, [ids])
    check_major(cache, maps, kv_heads, [ids])
    check_energy(cache, queries, kv_heads, 100)


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_a_later_prompt_carries_them_on_or_begins_anew_as_each_means(kv_heads):
    """Fading and major go on over all queries; last, guided and energy are about the last prompt alone."""
    more = torch.randint(8, 50, (1, 20), generator=torch.Generator().manual_seed(1))
    prompts = [prompt(60), more, more.flip(1)[:, :9]]
    for number in (2, 3):
        cache, maps, queries = read(kv_heads, prompts[:number])
        check_sums(cache, maps, kv_heads, prompts[:number])
        check_major(cache, maps, kv_heads, prompts[:number])
        check_energy(cache, queries, kv_heads, prompts[number - 1].shape[1])


def test_sequences_of_a_batch_have_statistics_of_their_own():
    ids = prompt(60, batch=4)
    ids[1, 30:40] = IMAGE
    ids[2, -1] = IMAGE  # no word after the image at all
    ids[3][ids[3] == IMAGE] = 8  # no image
    cache, maps, queries = read(2, [ids])
    check_energy(cache, queries, 2, 60)
    check_major(cache, maps, 2, [ids[:1]])
    check_sums(cache, maps, 2, [ids])


def test_tiles_of_any_size_give_the_same_statistics(monkeypatch):
    ids = prompt(100)
    monkeypatch.setitem(TILE, "cpu", 4 * 64 * 17)
    monkeypatch.setattr("elastic.statistics.weights.BLOCK", 37)
    for implementation in ("sdpa", "eager"):
        cache, maps, _ = read(2, [ids], implementation)
        check_sums(cache, maps, 2, [ids])
        check_major(cache, maps, 2, [ids])


def test_a_fading_weight_is_a_hundredth_after_so_many_queries():
    cache, maps, _ = read(4, [prompt(40)])
    received = maps[0, 0].mean(0)
    expected = [sum(received[q, t] * math.exp(-math.log(100) * (39 - q) / 8) for q in range(40)) for t in range(40)]
    assert cache.tables.scores[Fading(n=8)][0, 0].tolist() == pytest.approx([float(e) for e in expected], abs=1e-4)


@pytest.mark.parametrize("wrong", [{"rows": "last"}, {"n": 3}, {"rows": "after image", "n": -1}, {"rows": "first"}])
def test_rows_that_do_not_exist_or_have_no_number_are_refused(wrong):
    with pytest.raises(ValueError, match="give both, or neither" if wrong != {"rows": "first"} else "first"):
        Attention(**wrong)
    with pytest.raises(ValueError):
        Peak(**wrong)
    with pytest.raises(ValueError, match="and of no others"):
        Sparsity(rows="last")
