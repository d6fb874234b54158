"""What a cache needs around a forward of the model: to know the tokens before, and to act after.

`watch` prepares a model once; other caches, and no cache at all, work with it as before.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

import elastic.attention  # noqa: F401  registers what WATCHING names

FAMILIES = ("llama", "mistral", "qwen2")
WATCHING = {"sdpa": "elastic", "eager": "elastic_eager", "flash_attention_2": "elastic"}


class WatchingCache(Cache, ABC):
    """A cache that is told of every forward of its model."""

    @abstractmethod
    def begin(self, ids: Tensor, is_prompt: bool) -> Tensor:
        """Before the model reads tokens (B, n): the positions they take, (1, n)."""

    @abstractmethod
    def end(self) -> None:
        """After the model has read them."""


def watch(model: PreTrainedModel) -> nn.Module:
    """Let a model's attention and forward know of watching caches; returns its text decoder.

    Raises:
        ValueError: if the text decoder is of a family whose attention is not known here.
    """
    decoder = model.get_decoder()
    if decoder.config.model_type not in FAMILIES:
        raise ValueError(
            f"The text model is a {decoder.config.model_type}; a compressed cache works with {', '.join(FAMILIES)}."
        )
    attention = decoder.config._attn_implementation
    if attention in WATCHING:
        name = WATCHING[attention]
        model.set_attn_implementation(name if decoder.config is model.config else {"text_config": name})
    if not getattr(model, "is_watched", False):
        model.register_forward_pre_hook(_before, with_kwargs=True)
        model.register_forward_hook(_after, with_kwargs=True)
        model.is_watched = True
    return decoder


def _before(model: PreTrainedModel, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
    cache = kwargs.get("past_key_values")
    if not isinstance(cache, WatchingCache):
        return None
    mask = kwargs.get("attention_mask")
    if mask is not None and not mask.all():
        raise ValueError(
            "A prompt is padded. Once slots are merged, padding can no longer be told from tokens: "
            "pass prompts of equal length without padding, or one at a time."
        )
    ids = args[0] if args else kwargs.get("input_ids")
    ids = kwargs["inputs_embeds"][..., 0].long() if ids is None else ids
    positions = cache.begin(ids, is_prompt=cache.get_seq_length() == 0 or ids.shape[1] > 1)
    # Left to itself the library counts positions its own way; a policy may want another.
    return args, kwargs | {"position_ids": positions.expand(len(ids), -1)}


def _after(model: PreTrainedModel, args: tuple, kwargs: dict, output: object) -> None:
    cache = kwargs.get("past_key_values")
    if isinstance(cache, WatchingCache):
        cache.end()
