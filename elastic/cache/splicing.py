"""A cache that begins with slots written elsewhere, of which a model then reads some tokens anew, in their places."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elastic.cache.asking import after_image, asking
from elastic.cache.elastic_cache import ElasticCache
from elastic.cache.forward import Forward, check_sight
from elastic.cache.positions import check_steady, rope_of
from elastic.cache.tables import Tables
from elastic.statistics import Observer


def splice(
    cache: ElasticCache,
    ids: Tensor,
    kinds: Tensor,
    stored: Sequence[tuple[Tensor, Tensor]],
    chosen: Tensor,
    asked: int = 0,
) -> Forward:
    """Fill an empty cache with the keys and values of tokens (B, T); the forward in which the `chosen` are read anew.

    `stored` holds them per layer, (B, H, T, D) each, turned to where the tokens now stand; what the chosen (n,) have
    there, by their numbers in order, is written over. The last token is always one of them. Statistics are those of
    their queries, and of nobody else's: the others asked when they stood elsewhere. What `asked` says, and which
    queries are after the image, is decided by all T tokens.

    Raises:
        ValueError: if a sliding window ends, or RoPE's frequencies would change.
    """
    tokens, device = ids.shape[1], ids.device
    check_steady(cache.steady_until, tokens)
    check_sight(cache.window, tokens)
    cache.history.add(ids)
    cache.tables = Tables(len(cache.layers), len(ids))
    slots = cache.tables.enter(kinds)
    cache.tables.reused = torch.ones(tokens, dtype=torch.bool).index_fill(0, chosen, False)
    for layer, (keys, values) in zip(cache.layers, stored, strict=True):
        layer.hold(keys, values)
    rows, asks = (which(kinds, tokens, asked)[:, chosen].to(device) for which in (after_image, asking))
    observer = Observer(cache.needs, rows, asks, sees=chosen)
    positions = chosen[None].to(device)
    if observer.goes_by_rope:
        read = torch.ones(int(chosen[0]) + len(chosen), dtype=torch.bool)
        observer.place(rope_of(positions, cache.inverse_frequency, cache.channel_axis, read))
    cache.forward = Forward(
        layers=cache.layers,
        kinds=kinds[:, chosen],
        positions=positions,
        slots=slots[..., chosen],
        freed=[None] * len(cache.layers),
        bias=[None] * len(cache.layers),
        turns=[None] * len(cache.layers),
        inverse_frequency=cache.inverse_frequency,
        observer=observer,
        is_whole=True,
        keeps_attention=cache.records_attention,
        into=chosen.to(device),
    )
    return cache.forward
