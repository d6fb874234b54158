"""A cache driven step by step, as the engine does, for tests that look in between."""

import torch

from elastic.cache.hooks import read


@torch.no_grad()
def read_by_hand(model, ids, cache, is_prompt):
    """Logits (B, V) after tokens that enter a cache; it is neither compressed nor does it evict."""
    forward = cache.enter(ids, is_prompt)
    logits = read(model, cache, forward, ids)
    cache.observe(forward)
    return logits


def entered(cache, keys, values, is_prompt=False):
    """Enter made-up keys and values (1, H, n, D) into the first layer; what the layer then holds."""
    cache.enter(torch.zeros(1, keys.shape[2], dtype=torch.long), is_prompt)
    return cache.update(keys, values, 0)
