"""A cache in the library's own code: driven by `model.generate`, or by a person who calls the model.

`prepare` readies a model once; other caches, and no cache at all, work with it as before. What the library does to
caches and a compressed one cannot follow is refused here, in `elastic.cache.slots`, or by `enter`: never done wrong.
The engine needs none of it: it enters tokens itself, hands the forward on through `read`, then observes, compresses or
evicts by name. For those who do not, `leave` does all that after a forward.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from copy import deepcopy
from inspect import signature
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from elastic.cache.attention import KEYWORD, not_compiled
from elastic.cache.forward import Forward
from elastic.cache.generation import cache_in, watch_generate
from elastic.cache.history import UNKNOWN
from elastic.cache.identity import MadeFor
from elastic.cache.positions import of_pictures
from elastic.cache.protocol import CacheProtocol
from elastic.cache.structure import check_structure
from elastic.cache.views import check_driven

Arguments = dict[str, Any]  # by name, of a call of the library's
# Of text models, by `model_type`: those it was seen on that a cache of everything writes what the library's writes.
FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "qwen2_vl_text", "qwen2_5_vl_text", "qwen3_vl_text")
# The library's implementation of attention, and ours in its place, which tells a cache what was attended.
PREPARED = {"sdpa": "elastic", "eager": "elastic_eager", "flash_attention_2": "elastic"}


class DrivenCache(CacheProtocol, ABC):
    """A cache that takes part in every forward of its model: before it with `enter`, after it with `leave`."""

    made_for: MadeFor  # the text decoder whose keys it holds
    axes: int  # positions that a token has
    offset: int  # of a token's position from its number
    image_id: int | None = None  # the token that stands for a picture's patches

    @abstractmethod
    def enter(self, ids: Tensor, is_prompt: bool, *, positions: Tensor | None = None) -> Forward:
        """Before the model reads tokens (B, n): where they go, and what attention must know of them."""

    @abstractmethod
    def leave(self, forward: Forward) -> None:
        """After the model has read them: take in what was attended, and compress or evict."""

    @not_compiled
    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Store a layer's keys and values (B, H, n, D) of the tokens entered; returns all it holds, (B, H, S, D) each.

        Raises:
            ValueError: if no tokens were entered, or others.
        """
        forward = self.forward
        is_awaited = forward is not None and not forward.has_failed and layer_idx not in forward.written
        if forward is None or not is_awaited or key_states.shape[2] != forward.kinds.shape[1]:
            raise ValueError(
                "Keys came to this cache past its model, so it cannot tell which tokens they are of: call the model "
                "that the cache was made for, as a whole, and where its hooks were removed make a cache anew."
            )
        forward.heed()
        forward.written.add(layer_idx)
        return forward.write(layer_idx, key_states, value_states)

    def ready(self) -> None:
        """Before anything is written: bring layers back that were offloaded, and leave inference mode where it ended.

        Outside of inference mode nothing that was made in it can be written to: the cache goes on with a copy of it.
        """
        if not self.layers[0].is_initialized:
            return
        for layer in self.layers:
            if layer.keys.device != layer.device:
                layer.prefetch()
        if not torch.is_inference_mode_enabled():
            made = (value for value in (*vars(self.layers[0]).values(), *vars(self.tables).values()))
            if any(isinstance(value, Tensor) and value.is_inference() for value in made):
                self.__dict__.update(deepcopy(self.__dict__))


def read(model: PreTrainedModel, cache: DrivenCache, forward: Forward, ids: Tensor | None, **given: Any) -> Tensor:
    """Logits (B, V) in float32 after tokens (B, n) that were entered into a cache as `forward`.

    What is `given` besides goes to the model under its name: pictures, or the tokens as embeddings in place of ids.
    """
    positions = forward.positions
    # `forward` and not the call: the hooks of `prepare` are for those who do not enter tokens themselves.
    output = model.forward(
        input_ids=ids,
        past_key_values=cache,
        position_ids=positions if positions.ndim == 3 else positions.expand(len(forward.kinds), -1),
        use_cache=True,
        logits_to_keep=1,
        **{KEYWORD: forward},
        **given,
    )
    check_passed(cache, forward)
    logits: Tensor = output.logits[:, -1].float()
    return logits


class _Given(Exception):
    """Ends a forward once it is known what its text model is given: embeddings (B, T, d)."""


def given_to_text(model: PreTrainedModel, ids: Tensor, **images: Any) -> Tensor:
    """What a model makes of tokens (B, T) and pictures for its text model, (B, T, d): no layer of that is run."""

    def end(decoder: object, args: tuple[Any, ...], kwargs: Arguments) -> None:
        raise _Given(kwargs["inputs_embeds"])

    hook = model.get_decoder().register_forward_pre_hook(end, with_kwargs=True)
    try:
        model.forward(input_ids=ids, use_cache=False, **images)
    except _Given as found:
        embeddings: Tensor = found.args[0]
        return embeddings
    finally:
        hook.remove()
    raise ValueError("The text model of this checkpoint was never called: its pictures cannot be read in parts.")


def check_passed(cache: DrivenCache, forward: Forward) -> None:
    """See that every layer's keys came to the cache, and that its attention knew what the cache had to say.

    Raises:
        ValueError: if some did not.
    """
    if len(forward.written) != len(cache):
        raise ValueError(
            f"{len(cache) - len(forward.written)} of {len(cache)} layers gave the cache no keys, so it does not hold "
            "what was read: gradient checkpointing does that while training, so call model.eval()."
        )
    if len(forward.passed) != len(cache):
        raise ValueError(
            f"The attention of {len(cache) - len(forward.passed)} of {len(cache)} layers did not hear of the cache, so "
            "what was read is not what it holds: this model's code passes nothing on to attention. It cannot be used."
        )


def prepare(model: PreTrainedModel) -> Any:
    """Let a model's attention and forward know of compressed caches; returns its text decoder.

    Raises:
        ValueError: if the text decoder is of a family, or made in a way, that is not known here.
    """
    decoder: Any = model.get_decoder()
    check_structure(model, decoder)
    if decoder.config.model_type not in FAMILIES:
        raise ValueError(
            f"The text model is a {decoder.config.model_type}; a compressed cache works with {', '.join(FAMILIES)}."
        )
    attention = decoder.config._attn_implementation
    if attention in PREPARED:
        name = PREPARED[attention]
        model.set_attn_implementation(name if decoder.config is model.config else {"text_config": name})
    elif attention not in PREPARED.values():
        raise ValueError(
            f"The model attends by {attention!r}, which hears nothing of a compressed cache: load it with "
            'attn_implementation="sdpa".'
        )
    if _before not in model._forward_pre_hooks.values():
        model.register_forward_pre_hook(_before, with_kwargs=True)
    if _after not in model._forward_hooks.values():
        model.register_forward_hook(_after, with_kwargs=True, always_call=True)
    watch_generate(model)
    return decoder


def _before(model: PreTrainedModel, args: tuple[Any, ...], kwargs: Arguments) -> tuple[tuple[()], Arguments] | None:
    if args:  # a cache may come by its place in the call: the hook after the forward looks for its name, too
        kwargs = dict(zip(signature(model.forward).parameters, args, strict=False)) | kwargs
    cache = cast(DrivenCache | None, cache_in(kwargs))
    ids, embeddings = kwargs.get("input_ids"), kwargs.get("inputs_embeds")
    given = embeddings if ids is None else ids
    # Nothing at all is refused by the library, in its own words; what was entered may pass another watched module.
    if cache is None or given is None or kwargs.get(KEYWORD) is not None:
        return None
    return (), _entered(model, cache, ids, given, kwargs)


@not_compiled
def _entered(
    model: PreTrainedModel, cache: DrivenCache, ids: Tensor | None, given: Tensor, kwargs: Arguments
) -> Arguments:
    """The arguments of a call once its tokens, or embeddings, `given` are entered into the cache."""
    is_prompt = cache.get_seq_length() == 0 or given.shape[1] > 1 or cache.pieces is not None
    if ids is None:
        if cache.image_id is not None and is_prompt:
            raise ValueError(
                "From embeddings it cannot be told which tokens are the picture's: pass input_ids and pixel_values."
            )
        ids = torch.full(given.shape[:2], UNKNOWN, device=given.device)
    _check(model, cache, ids, kwargs)
    if is_prompt:
        check_driven(cache.chosen)
    positions = None
    if cache.axes > 1 and is_prompt:
        first = cache.get_seq_length() + cache.offset
        positions = of_pictures(model, ids, first, kwargs, cache.is_within_a_picture())
    forward = cache.enter(ids, is_prompt, positions=positions)
    # Left to itself the library counts positions its own way; a policy may want another.
    if positions is None:
        positions = forward.positions.expand(len(ids), -1)
    forward.driver = id(model)
    return kwargs | {"position_ids": positions, KEYWORD: forward}


def _check(model: PreTrainedModel, cache: DrivenCache, ids: Tensor, kwargs: Arguments) -> None:
    """Refuse what the cache would otherwise pass over in silence."""
    cache.policy.check_batch(len(ids))
    text: Any = model.get_decoder()
    layers = text.config.num_hidden_layers
    if text.config._attn_implementation not in PREPARED.values():
        prepare(model)  # somebody has set another one since
    if len(cache) != layers:
        raise ValueError(f"This cache is for a model of {len(cache)} layers, this one has {layers}: make one for it.")
    if not cache.made_for.is_same(text):
        raise ValueError("This cache was made for another model, whose keys it holds: make one for this model.")
    if kwargs.get("use_cache") is False:
        raise ValueError("A cache is given and use_cache is False: leave one of them out.")
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
    if given is not None and given.ndim == 3 and cache.axes > 1:
        # Of four rows the first are numbers. Three, or one, are positions: `of_pictures` takes those of pictures, and
        # where all others stand the cache knows better than the model, which keeps the last conversation's offset.
        given = given[0] if len(given) == 4 else true
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


def _tensors(kwargs: Arguments) -> Iterator[Tensor]:
    return (value for value in kwargs.values() if isinstance(value, Tensor))


def _after(model: PreTrainedModel, args: tuple[Any, ...], kwargs: Arguments, output: object) -> None:
    cache, forward = cast(DrivenCache | None, cache_in(kwargs)), kwargs.get(KEYWORD)
    if cache is not None and forward is not None and forward.driver == id(model):
        _left(cache, forward, has_failed=output is None)  # called all the same after an exception, which goes on


@not_compiled
def _left(cache: DrivenCache, forward: Forward, has_failed: bool) -> None:
    forward.has_failed = has_failed
    if not has_failed:
        check_passed(cache, forward)
        cache.leave(forward)
