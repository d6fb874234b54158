"""A small untrained text model, and what is done with a cache of it, for tests of the library's own ways."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from elastic.cache import ElasticCache
from elastic.policies import POLICIES
from tests.drawn_kernels import given

SHAPE = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2}
REHEARSING = [name for name, policy in POLICIES.items() if any(need.is_of_rehearsal for need in policy().needs)]
# The model here sees no pictures, and whoever drives it does not let it rehearse.
OF_TEXT = [name for name, policy in POLICIES.items() if not policy.needs_image and name not in REHEARSING]
MODEST = {name: {} if name == "full" else {"keep": 0.6} for name in POLICIES}


def text_model(layers=3, seed=0):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=97, num_hidden_layers=layers, initializer_range=0.2, bos_token_id=None, eos_token_id=None, **SHAPE
    )
    model = LlamaForCausalLM(config).eval()
    model.generation_config.pad_token_id = 0
    return given(model)


def tokens(count, seed=1, batch=1):
    return torch.randint(1, 97, (batch, count), generator=torch.Generator().manual_seed(seed))


def made(name, model):
    return ElasticCache(POLICIES[name](**MODEST[name]), model)


def write(model, ids, cache, new=5, **how):
    # Without a mask the library takes a token 0 for padding.
    how = {"attention_mask": torch.ones_like(ids), "do_sample": False} | how
    found = model.generate(ids, past_key_values=cache, max_new_tokens=new, **how)
    return found[:, ids.shape[1] :].tolist()


@torch.no_grad()
def read(model, ids, cache):
    return model(ids, past_key_values=cache, use_cache=True).logits


def books(cache):
    """All that a cache holds and knows, for comparing before and after."""
    sums = [tensor.double().sum().item() for layer in cache.layers for tensor in layer.stored()]
    return cache.seen, cache.slots, cache.tables.owners().tolist(), sums
