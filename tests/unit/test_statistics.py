"""Statistics of attention against the library's own eager maps, which share no code with ours."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from elastic.cache import ElasticCache
from elastic.policies.full import Full
from elastic.statistics import Attention, Observer, Sparsity
from elastic.statistics.layers import FAINT
from elastic.statistics.weights import TILE

WINDOW = 16
# Which queries a sum is about: its arguments, and the first of them in a prompt of so many tokens.
SUMS = {
    "all": ({}, lambda tokens: 0),
    "after image": ({"rows": "after image"}, lambda tokens: tokens // 2),
    "last 16": ({"rows": "last", "n": WINDOW}, lambda tokens: max(0, tokens - WINDOW)),
}
SPARSITIES = {"all": Sparsity(), "after image": Sparsity(rows="after image")}
EVERY = {Attention(**rows, per_head=heads) for rows, _ in SUMS.values() for heads in (False, True)}
EVERY |= {*SPARSITIES.values()}
IMAGE = 7  # token that stands for a patch


def model_of(kv_heads, implementation):
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        initializer_range=0.3,
        attn_implementation=implementation,
    )
    config.image_token_id = IMAGE
    return LlamaForCausalLM(config).eval()


def read(kv_heads, ids, implementation="sdpa"):
    """A cache that has read a prompt with everything collected, and the eager maps of the same prompt."""
    model = model_of(kv_heads, implementation)
    cache = ElasticCache(Full(), model, needs=EVERY)
    with torch.no_grad():
        logits = model(ids, past_key_values=cache).logits
        output = model_of(kv_heads, "eager")(ids, output_attentions=True)
    assert torch.allclose(logits, output.logits, atol=1e-4)
    return cache, torch.stack(output.attentions)


def prompt(tokens, batch=1):
    ids = torch.randint(8, 50, (batch, tokens), generator=torch.Generator().manual_seed(tokens))
    ids[:, 3 : tokens // 2] = IMAGE
    return ids


def expected(maps, ids, name):
    """A statistic computed from whole maps (L, B, H, T, T): sums over the queries that its name stands for."""
    return maps[:, :, :, SUMS[name][1](ids.shape[1]) :].sum(3)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("tokens", [40, 300])
def test_every_sum_equals_that_of_eager_attention(kv_heads, tokens, implementation):
    ids = prompt(tokens)
    cache, maps = read(kv_heads, ids, implementation)
    for name, (rows, _) in SUMS.items():
        sums = expected(maps, ids, name)
        assert torch.allclose(cache.tables.scores[Attention(**rows)], sums.mean(2), atol=1e-5, rtol=1e-5), name
        per_head = sums.view(2, kv_heads, 4 // kv_heads, tokens).mean(2)
        assert torch.allclose(cache.tables.scores[Attention(**rows, per_head=True)], per_head, atol=1e-5, rtol=1e-5), (
            name
        )


def test_tiles_of_any_size_give_the_same_sums(monkeypatch):
    """Tiles cut rows and columns; what they hold must not depend on where."""
    ids = prompt(300)
    whole, _ = read(2, ids)
    monkeypatch.setitem(TILE, "cpu", 4 * 64 * 70)
    monkeypatch.setattr("elastic.statistics.weights.BLOCK", 37)
    cut, _ = read(2, ids)
    for name, sums in whole.tables.scores.items():
        assert torch.allclose(cut.tables.scores[name], sums, atol=1e-5, rtol=1e-5), name
    assert torch.equal(cut.layer_statistics[Sparsity()], whole.layer_statistics[Sparsity()])


@pytest.mark.parametrize("name", SPARSITIES)
def test_sparsity_is_the_share_of_weights_below_a_hundredth_of_their_rows_strongest(name):
    ids = prompt(200)
    cache, maps = read(2, ids)
    visible = torch.ones(200, 200, dtype=torch.bool).tril()
    if "after" in name:
        visible[:100] = False
    faint = maps < FAINT * maps.amax(-1, keepdim=True)
    share = (faint & visible).sum((2, 3, 4)) / (4 * visible.sum())
    assert torch.allclose(cache.layer_statistics[SPARSITIES[name]], share.float(), atol=1e-4)


def test_sequences_of_a_batch_are_summed_apart():
    ids = prompt(60, batch=3)
    cache, maps = read(2, ids)
    assert cache.tables.scores[Attention()].shape == (2, 3, 60)
    assert torch.allclose(cache.tables.scores[Attention()], maps.mean(2).sum(2), atol=1e-5, rtol=1e-5)
    alone, _ = read(2, ids[1:2])
    after = Attention(rows="after image")
    assert torch.allclose(cache.tables.scores[after][:, 1], alone.tables.scores[after][:, 0], atol=1e-4)


def test_pictures_at_different_places_in_a_batch_have_their_own_rows_after_the_image():
    ids = prompt(60, batch=2)
    ids[1, 30:40] = IMAGE
    cache, maps = read(4, ids)
    sums, after = maps.mean(2), Attention(rows="after image")
    assert torch.allclose(cache.tables.scores[after][:, 0], sums[:, 0, 30:].sum(1), atol=1e-5, rtol=1e-5)
    assert torch.allclose(cache.tables.scores[after][:, 1], sums[:, 1, 40:].sum(1), atol=1e-5, rtol=1e-5)


def test_later_prompts_add_up_but_the_window_is_the_last_prompts():
    ids, more = prompt(60), torch.randint(8, 50, (1, 20), generator=torch.Generator().manual_seed(1))
    model = model_of(2, "sdpa")
    cache = ElasticCache(Full(), model, needs=EVERY)
    with torch.no_grad():
        model(ids, past_key_values=cache)
        model(more, past_key_values=cache)
        maps = model_of(2, "eager")(torch.cat([ids, more], 1), output_attentions=True).attentions
    maps = torch.stack(maps).mean(2)[:, 0]
    scores = {name: cache.tables.scores[Attention(**rows)][:, 0, :80] for name, (rows, _) in SUMS.items()}
    assert torch.allclose(scores["all"], maps.sum(1), atol=1e-4)
    assert torch.allclose(scores["after image"], maps[:, 30:].sum(1), atol=1e-4)
    assert torch.allclose(scores["last 16"], maps[:, -WINDOW:].sum(1), atol=1e-4)


def test_nothing_is_computed_that_nobody_asked_for(monkeypatch):
    """Rows after the image alone: the queries before it are never multiplied with keys."""
    seen = []
    real = torch.bmm
    monkeypatch.setattr(
        torch, "bmm", lambda a, b, **kwargs: seen.append(a.shape[1] * b.shape[2]) or real(a, b, **kwargs)
    )
    model, ids = model_of(4, "sdpa"), prompt(300)
    products = {}
    after, every = (Attention(rows="after image"),), (Attention(),)
    for needs in ((), after, every):
        seen.clear()
        with torch.no_grad():
            model(ids, past_key_values=ElasticCache(Full(), model, needs=needs))
        products[needs] = sum(seen)
    # Two layers; half of the queries stand behind the image, and each of those sees all keys of its block.
    assert products[()] == 0
    assert 0 < products[after] <= 2 * 150 * 300
    assert products[after] < products[every]


def test_no_map_of_all_queries_and_keys_is_held():
    tokens, biggest = 4096, 0

    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal biggest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                biggest = max(biggest, result.untyped_storage().nbytes())
            return result

    query, key = torch.randn(2, 1, 2, tokens, 16).unbind(0)
    after = torch.zeros(1, tokens, dtype=torch.bool)
    with Largest(), torch.inference_mode():
        Observer({Attention()}, after).see(0, query, key, 0.25, None, torch.zeros(1, 2, tokens))
        Observer({Sparsity(), Attention()}, after).see(0, query, key, 0.25, None, None)
    assert biggest < tokens * tokens  # a quarter of one head's map
