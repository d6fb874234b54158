"""The library's `generate` with a compressed cache: a prompt in pieces is one prompt, and no cache stays unused."""

from functools import partial
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from elastic.cache.protocol import CacheProtocol


def cache_in(kwargs: dict[str, Any]) -> CacheProtocol | None:
    """The compressed cache among a call's arguments, under whatever name the library gives it."""
    return next((value for value in kwargs.values() if isinstance(value, CacheProtocol)), None)


def watch_generate(model: PreTrainedModel) -> None:
    """Have a model's `generate` tell caches of prompts that come in pieces; a model that does not write stays as is."""
    current = getattr(model, "generate", None)
    if current is not None and getattr(current, "func", None) is not _generate:
        own = vars(model).get("generate")  # whoever has put another in its place keeps it
        model.generate = partial(_generate, model, own)  # type: ignore[assignment]  # a module may have any attribute


def _generate(model: PreTrainedModel, own: Any, *args: Any, **kwargs: Any) -> Any:
    """What the library's `generate` gives, or its `own` replacement.

    Raises:
        ValueError: if the cache has read another text, a prompt in pieces comes as embeddings, or the cache was given
            for nothing.
    """
    generate = own or partial(type(model).generate, model)  # type: ignore[attr-defined]  # not of all models
    cache = cache_in(kwargs)
    if cache is None:
        return generate(*args, **kwargs)
    before, text, unread = cache.seen, *_texts(cache, args, kwargs)
    if text is not None and not cache.history.begins(text):
        raise ValueError(
            f"This cache has read {cache.seen} tokens of another text than the one that is given: pass all that was "
            "read and written so far, and what is new, or begin with reset() of the cache."
        )
    if _comes_in_pieces(model, args, kwargs):
        if unread is None:
            raise ValueError("Only tokens can be read in pieces: pass input_ids, or leave prefill_chunk_size out.")
        if cache.pieces is None or cache.pieces.has_begun:  # else a `generate` around this one has told it already
            cache.expect(unread)
    try:
        written = generate(*args, **kwargs)
    finally:
        cache.expect_nothing()
    if cache.seen == before:
        raise ValueError(
            "The answer was written without the cache that was given, which is as it was: this way of generating has "
            "a cache of its own, so leave past_key_values out, or generate in another way."
        )
    return written


def _comes_in_pieces(model: PreTrainedModel, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    given = kwargs.get("generation_config") or (args[1] if len(args) > 1 else None)
    defaults = getattr(model, "generation_config", None)
    sizes = [kwargs.get("prefill_chunk_size"), *(of and of.prefill_chunk_size for of in (given, defaults))]
    return any(size is not None for size in sizes)


def _texts(cache: CacheProtocol, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor | None, Tensor | None]:
    """Of a call the whole text (B, T) so far and the tokens that are to be read, each None where it is not known.

    The library passes on those behind what the cache has, or all where the mask says that there are more before them.
    """
    ids: Tensor | None = kwargs.get("input_ids", kwargs.get("inputs", args[0] if args else None))
    if ids is None or kwargs.get("inputs_embeds") is not None:
        return None, None
    mask = kwargs.get("attention_mask")
    if isinstance(mask, Tensor) and mask.shape[-1] != ids.shape[1]:
        return None, ids
    return ids, ids[:, cache.seen :]
