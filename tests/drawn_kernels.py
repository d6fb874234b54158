"""Kernels for models of the tests: drawn at random, such that a memory gets some of the attention and not all of it.

No file here may be called `kernels`: the library looks for a package of that name, and would take it.
"""

import torch
from safetensors.torch import save_file

from elastic.cache.kernels import SHAPES, Kernels, give
from elastic.models.kernel_file import KERNEL_FILE, WEIGHTS, stored_weights

WIDTH, RANK = 12, 8


def drawn(text, seed=0, scale=1.0):
    """Tensors for a text decoder, as a file holds them."""
    generator = torch.Generator().manual_seed(seed)
    config = text.config
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    sizes = {"L": config.num_hidden_layers, "H": config.num_attention_heads, "K": config.num_key_value_heads}
    sizes |= {"D": dim, "W": WIDTH, "R": RANK}
    shapes = {name: [sizes[letter] for letter in letters] for name, letters in SHAPES.items()}
    found = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    found["key_scale"] *= scale
    return found


def given(model, **how):
    """A model of the library's with kernels."""
    text = model.get_decoder()
    give(text, Kernels.of(drawn(text, **how), text))
    return model


def write(folder, tensors, weights=None):
    """Put tensors into a checkpoint's folder, by default as those that belong to its weights."""
    path = folder / KERNEL_FILE
    path.parent.mkdir(exist_ok=True)
    save_file(tensors, path, {WEIGHTS: stored_weights(folder) if weights is None else weights})
    return path
