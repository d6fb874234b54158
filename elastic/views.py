"""What a policy sees of a cache: after a prompt each layer of each sequence, after a step all layers at once."""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from elastic.policies.base import WRITTEN, LayerView, Policy, StepView
from elastic.statistics import FREQUENCY, is_of_layer
from elastic.tables import EMPTY, wide

if TYPE_CHECKING:
    from elastic.cache import ElasticCache
    from elastic.slots import SlotLayer


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
        each = zip(*of_layer, *layer.stored(), _statistics(cache, policy, index, layer), strict=True)
        views.append([LayerView(*of_one) for of_one in each])
    return views


def _statistics(cache: "ElasticCache", policy: Policy, index: int, layer: "SlotLayer") -> list[dict[str, Tensor]]:
    """All that a policy needs to know of a layer, for each sequence."""
    found = {}
    for name in policy.needs:
        if is_of_layer(name):
            found[name] = cache.of_layer[name][index].to(layer.device)
        elif name != policy.statistic:
            table = cache.tables.scores[name][index, :, : layer.used]
            found[name] = table.to(layer.device).view(cache.batch, -1, layer.used)
    return [{name: table[sequence] for name, table in found.items()} for sequence in range(cache.batch)]


def for_the_record(cache: "ElasticCache", views: list[LayerView]) -> list[LayerView]:
    """The first sequence's views for the record: without keys, and with the attention summed over all queries.

    Where that was collected it is shown for every policy, whatever it goes by: two sides must have one scale.
    """
    shown = cache.tables.scores.get(FREQUENCY)
    kept = []
    for index, view in enumerate(views):
        score = view.score if shown is None else shown[index, : shown.shape[1] // cache.batch, : view.slots]
        kept.append(replace(view, score=score, keys=None, values=None, statistics={}))
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


def collect(cache: "ElasticCache") -> None:
    """Let a live policy's score go on with the attention of the decode step that has just been taken."""
    policy, tables = cache.policy, cache.tables
    if not policy.live or not cache.looked:
        return
    old = score(cache, policy)
    heads, device, received = old.shape[1] // cache.batch, cache.layers[0].device, []
    for index, weights in cache.looked.items():
        used = int(tables.used[index])  # a captured step attends over more than is in use
        by_head = weights[..., :used].float().reshape(cache.batch, heads, -1, used).mean(2).flatten(0, 1)
        received.append(F.pad(by_head, (0, tables.capacity - used)).to(device))
    # One transfer for all layers: each would wait for the device.
    tables.scores[policy.statistic] = policy.collect(old, torch.stack(received).cpu(), tables.used[:, None, None])


def looked_at(cache: "ElasticCache") -> Tensor:
    """Attention of the first sequence's last query on every anchor, mean over heads, (L, seen)."""
    tables = cache.tables
    total = torch.zeros(len(cache.layers), cache.seen)
    rows = tables.rows // cache.batch
    for index, weights in cache.looked.items():
        used = int(tables.used[index])
        source = tables.source[index, :rows, :used]
        share = weights[0, :, :used].float().view(rows, -1, used).mean(1).cpu() / rows
        total[index].scatter_add_(0, source.flatten(), share.flatten())
    return total
