"""What a policy sees of a cache: after a prompt each layer of each sequence, after a step all layers at once."""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from elastic.policies.base import WRITTEN, LayerView, Policy, StepView
from elastic.statistics import FREQUENCY
from elastic.tables import EMPTY, wide

if TYPE_CHECKING:
    from elastic.cache import ElasticCache


def layer_views(cache: "ElasticCache", policy: Policy) -> list[list[LayerView]]:
    """Per layer and sequence; the slots must be in the order of their tokens."""
    tables, device = cache.tables, cache.layers[0].device
    later = (tables.kinds != WRITTEN).long().flip(1).cumsum(1).flip(1)  # prompt tokens from here on
    queries = wide(later[None], tables.rows).expand(len(cache.layers), -1, -1)
    queries = queries.gather(2, tables.source.clamp(max=cache.seen - 1))
    shown = tables.source, tables.kind, tables.count, score(cache, policy), queries
    # One transfer to the model's device for all layers, not one for each.
    shown = [table.to(device) for table in shown]
    views = []
    for index, layer in enumerate(cache.layers):
        of_layer = [table[index, :, : layer.used].to(layer.device).view(cache.batch, -1, layer.used) for table in shown]
        each = zip(*of_layer, *layer.stored(), strict=True)
        views.append([LayerView(*of_one, keys=keys, values=values) for *of_one, keys, values in each])
    return views


def for_the_record(cache: "ElasticCache", views: list[LayerView]) -> list[LayerView]:
    """The first sequence's views for the record: without keys, and with the attention summed over all queries.

    Where that was collected it is shown for every policy, whatever it goes by: two sides must have one scale.
    """
    shown = cache.tables.scores.get(FREQUENCY)
    kept = []
    for index, view in enumerate(views):
        score = view.score if shown is None else shown[index, : shown.shape[1] // cache.batch, : view.slots]
        kept.append(replace(view, score=score, keys=None, values=None))
    return kept


def step_view(cache: "ElasticCache") -> StepView:
    """All layers and sequences."""
    tables = cache.tables
    position = torch.where(tables.is_used(), tables.source, EMPTY)
    held, prompt_slots = (figure[:, None, None] for figure in (tables.used, cache.prompt_slots))
    shown = position, tables.kind, tables.count, score(cache, cache.policy)
    # Asked for by few policies, and not for nothing: a slice per layer and step.
    return StepView(*shown, held, prompt_slots, cache.prompt - 1, lambda: [layer.stored()[0] for layer in cache.layers])


def score(cache: "ElasticCache", policy: Policy) -> Tensor:
    """The score a policy goes by, (L, R, C); zeros where it goes by none and none was collected.

    Raises:
        ValueError: if it was not collected when the prompt was read.
    """
    known = cache.tables.scores
    if policy.statistic not in known and policy.statistic in policy.needs:
        raise ValueError(
            f"{type(policy).__name__} goes by {policy.statistic!r}, which was not collected when the prompt was read: "
            "pass needs=policy.needs to prefill."
        )
    return known[policy.statistic] if policy.statistic in known else torch.zeros(cache.tables.source.shape)
