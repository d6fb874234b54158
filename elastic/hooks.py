"""What a cache needs around a forward of the model: to know the tokens before, and to act after.

`watch` prepares a model once; other caches, and no cache at all, work with it as before. What the library does to
caches and a compressed one cannot follow is refused here, in `elastic.slots`, or by `begin`: never done wrong.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from copy import deepcopy
from inspect import signature
from types import MethodType
from typing import NoReturn

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

import elastic.attention  # noqa: F401  registers what WATCHING names

FAMILIES = ("llama", "mistral", "qwen2")
WATCHING = {"sdpa": "elastic", "eager": "elastic_eager", "flash_attention_2": "elastic"}


class WatchingCache(Cache, ABC):
    """A cache that is told of every forward of its model; its layers know it as `cache`."""

    image_id: int | None = None  # the token that stands for a picture's patches

    @abstractmethod
    def begin(self, ids: Tensor, is_prompt: bool) -> Tensor:
        """Before the model reads tokens (B, n): the positions they take, (1, n)."""

    @abstractmethod
    def end(self) -> None:
        """After the model has read them."""

    def __copy__(self) -> NoReturn:
        raise ValueError("copy.copy would give two caches the same slots: use copy.deepcopy.")

    def __getstate__(self) -> dict:
        """What `copy.deepcopy` and pickling take along: all but a captured step, which is about these very tensors."""
        return self.__dict__ | {"static": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for layer in self.layers:
            layer.cache = self

    def leave_inference_mode(self) -> None:
        """Outside of inference mode nothing that was made in it can be written to: go on with a copy of it."""
        if self.layers[0].is_initialized and not torch.is_inference_mode_enabled():
            made = (value for value in (*vars(self.layers[0]).values(), *vars(self.tables).values()))
            if any(isinstance(value, Tensor) and value.is_inference() for value in made):
                self.__setstate__(deepcopy(self.__getstate__()))

    def activate_past_recording(self) -> NoReturn:
        """Refused: whoever wants the past recorded will ask for tokens back.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "Assisted decoding takes tokens back that its model did not want, which a compressed cache cannot: "
            "generate without an assistant and without prompt_lookup_num_tokens."
        )


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
        if hasattr(model, "generate"):
            model.generate = MethodType(_generate, model)
        model.is_watched = True
    return decoder


def _generate(model: PreTrainedModel, *args: object, **kwargs: object) -> object:
    """The library's `generate`, but that a prompt for a watching cache is not cut into pieces.

    The forward cannot tell a piece from a prompt, and each would be compressed for itself.
    """
    if isinstance(kwargs.get("past_key_values"), WatchingCache):
        given = kwargs.get("generation_config") or (args[1] if len(args) > 1 else None)
        settings = (
            kwargs.get("prefill_chunk_size"),
            *(of and of.prefill_chunk_size for of in (given, model.generation_config)),
        )
        if any(size is not None for size in settings):
            raise ValueError(
                "A compressed cache chooses from the whole prompt, so it cannot be read in pieces: "
                "leave prefill_chunk_size out."
            )
    return type(model).generate(model, *args, **kwargs)


def _before(model: PreTrainedModel, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
    if args:  # a cache may come by its place in the call: the hook after the forward looks for its name, too
        kwargs = dict(zip(signature(model.forward).parameters, args, strict=False)) | kwargs
    cache = kwargs.get("past_key_values")
    if not isinstance(cache, WatchingCache):
        return None
    ids, embeddings = kwargs.get("input_ids"), kwargs.get("inputs_embeds")
    is_prompt = cache.get_seq_length() == 0 or (embeddings if ids is None else ids).shape[1] > 1
    if ids is None:
        if cache.image_id is not None and is_prompt:
            raise ValueError(
                "From embeddings it cannot be told which tokens are the picture's: pass input_ids and pixel_values."
            )
        ids = torch.zeros(embeddings.shape[:2], dtype=torch.long, device=embeddings.device)
    _check(model, cache, ids, kwargs)
    positions = cache.begin(ids, is_prompt)
    # Left to itself the library counts positions its own way; a policy may want another.
    return (), kwargs | {"position_ids": positions.expand(len(ids), -1)}


def _check(model: PreTrainedModel, cache: WatchingCache, ids: Tensor, kwargs: dict) -> None:
    """Refuse what the cache would otherwise pass over in silence."""
    layers = model.get_decoder().config.num_hidden_layers
    if len(cache) != layers:
        raise ValueError(f"This cache is for a model of {len(cache)} layers, this one has {layers}: make one for it.")
    text = model.get_decoder()
    rotary, window = getattr(text, "rotary_emb", None), getattr(text.config, "sliding_window", None)
    # Some models change their frequencies with the length; of all others they tell one model from another.
    is_steady = rotary is not None and getattr(rotary, "rope_type", "default") not in ("dynamic", "longrope")
    if window != cache.window or (is_steady and not torch.equal(rotary.inv_freq, cache.inverse_frequency)):
        raise ValueError(
            "This cache was made for another model, with other positions or another window: make one for it."
        )
    mask, given = kwargs.get("attention_mask"), kwargs.get("position_ids")
    if mask is not None and (not isinstance(mask, Tensor) or mask.ndim != 2):
        raise ValueError(
            "A compressed cache makes its own masks, as its layers hold different slots: "
            "pass an attention_mask of one number per token, or none."
        )
    if mask is not None and not mask.all():
        raise ValueError(
            "A prompt is padded. Once slots are merged, padding can no longer be told from tokens: "
            "pass prompts of equal length without padding, or one at a time."
        )
    true = torch.arange(ids.shape[1]) + cache.get_seq_length()
    if given is not None and (given.shape[-1] != len(true) or given.ndim > 2 or (given.cpu() != true).any()):
        raise ValueError(
            f"The cache has read {cache.get_seq_length()} tokens, and the positions of what comes do not go on from "
            "there: pass the whole text so far, or begin with reset() of the cache."
        )
    if kwargs.get("output_attentions"):
        raise ValueError("A compressed cache gives no maps of attention: read without output_attentions.")
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*model.parameters(), *_tensors(kwargs))):
        raise ValueError(
            "A compressed cache writes over its slots, so no gradients can be taken through it: "
            "call the model within torch.no_grad()."
        )


def _tensors(kwargs: dict) -> Iterator[Tensor]:
    return (value for value in kwargs.values() if isinstance(value, Tensor))


def _after(model: PreTrainedModel, args: tuple, kwargs: dict, output: object) -> None:
    cache = kwargs.get("past_key_values")
    if isinstance(cache, WatchingCache):
        cache.end()
