"""What a policy sees of a cache: after a prompt each layer of each sequence, after a step all layers at once.

And what the attention of a forward says of tokens: the scores of live policies, and what is recorded.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from elastic.cache.asking import ERASED
from elastic.cache.forward import Forward
from elastic.cache.remembering import check_memories
from elastic.cache.slots import SlotLayer
from elastic.cache.tables import EMPTY, Tables, wide
from elastic.cache.uneven import check_padding
from elastic.policies.base import NOTHING, WRITTEN, LayerView, Policy, StepView
from elastic.statistics import Attention, Statistic


def layer_views(
    policy: Policy, tables: Tables, layers: list[SlotLayer], of_layer: Mapping[Statistic, Tensor], asked: int = 0
) -> list[list[LayerView]]:
    """Per layer and sequence; the slots must be in the order of their tokens. `of_layer` are statistics of layers.

    `asked` tokens at the end are those that ask.

    Raises:
        ValueError: if heads hold different numbers, and the policy cannot choose among such; or if layers remember
            what was dropped, and it does not.
    """
    check_padding(policy, tables)
    check_memories(policy, layers)
    device = layers[0].device
    reads = (tables.kinds != WRITTEN) & (tables.kinds != ERASED)
    reads[:, : len(tables.reused)] &= ~tables.reused
    later = reads.long().flip(1).cumsum(1).flip(1)  # prompt tokens from here on
    queries = wide(later[None], tables.rows).expand(len(layers), -1, -1)
    queries = queries.gather(2, tables.source.clamp(max=tables.seen - 1))
    every = tables.source, tables.kind, tables.count, score(policy, tables), queries
    # One transfer to the model's device for all layers, not one for each.
    shown = [table.to(device) for table in every]
    views = []
    for index, layer in enumerate(layers):
        used, of_tokens = layer.used, []
        for table in shown:
            of_tokens.append(table[index, :, :used].to(layer.device).view(tables.batch, -1, used))
        statistics = _statistics(policy, tables, index, layer, of_layer)
        asking, number = [asked] * tables.batch, [index] * tables.batch
        shared = *layer.stored(), statistics, asking, number
        views.append([LayerView(*one) for one in zip(*of_tokens, *shared, strict=True)])
    return views


def _statistics(
    policy: Policy, tables: Tables, index: int, layer: SlotLayer, of_layer: Mapping[Statistic, Tensor]
) -> list[dict[Statistic, Tensor]]:
    """All that a policy needs to know of a layer, for each sequence."""
    found = {}
    for one in policy.needs:
        if one.is_of_layer:
            found[one] = of_layer[one][index].to(layer.device)
        elif one != policy.statistic:
            table = tables.scores[one][index, :, : layer.used]
            found[one] = table.to(layer.device).view(tables.batch, -1, layer.used)
    return [{one: table[sequence] for one, table in found.items()} for sequence in range(tables.batch)]


def for_the_record(tables: Tables, views: list[LayerView]) -> list[LayerView]:
    """The first sequence's views for the record: without keys, and with the attention summed over all queries.

    Where that was collected it is shown for every policy, whatever it goes by: two sides must have one scale.
    """
    shown = tables.scores.get(Attention())
    kept = []
    for index, view in enumerate(views):
        score = view.score if shown is None else shown[index, : shown.shape[1] // tables.batch, : view.slots]
        kept.append(replace(view, score=score, keys=NOTHING, values=NOTHING, statistics={}))
    return kept


def step_view(policy: Policy, tables: Tables, layers: list[SlotLayer], prompt: int, prompt_slots: Tensor) -> StepView:
    """All layers and sequences after a token; `prompt` tokens had been seen when `prompt_slots` (L,) were left."""
    position = torch.where(tables.is_used(), tables.source, EMPTY)
    held, left = (figure[:, None, None] for figure in (tables.used, prompt_slots))
    shown = position, tables.kind, tables.count, score(policy, tables)
    # Keys come as a function: taking a slice of every layer at every token costs more than most policies' whole rule.
    return StepView(*shown, held, left, prompt - 1, lambda: [of.stored()[0] for of in layers], tables.last_patch)


def score(policy: Policy, tables: Tables) -> Tensor:
    """The score a policy goes by, (L, R, C); zeros where it goes by none and none was collected.

    Raises:
        ValueError: if it was not collected when the prompt was read.
    """
    known = tables.scores
    if policy.statistic not in known and policy.statistic.is_of_rehearsal:
        check_driven(policy)
    if policy.statistic not in known and policy.statistic in policy.needs:
        raise ValueError(
            f"{type(policy).__name__} goes by {policy.statistic!r}, which was not collected when the prompt was read: "
            "pass needs=policy.needs to prefill."
        )
    return known[policy.statistic] if policy.statistic in known else torch.zeros(tables.source.shape)


def check_driven(policy: Policy) -> None:
    """See that a cache can compress by itself, which asks the model for nothing but what it reads.

    Raises:
        ValueError: if the policy needs a rehearsal.
    """
    if any(one.is_of_rehearsal for one in policy.needs):
        raise ValueError(
            f"{policy.title} has the model repeat all that it has read, which a cache cannot ask for while somebody "
            "else drives the model: use elastic.engine, whose compress() does it, or take another method."
        )


def attended_scores(policy: Policy, tables: Tables, forward: Forward) -> Tensor | None:
    """A live policy's score (L, R, C) with the attention of the token just read; None where no score goes on.

    That is the attention among slots, as LESS has it (arXiv 2402.09398), whatever went to what is forgotten.
    """
    if not policy.live or not forward.attended:
        return None
    old = score(policy, tables)
    heads, device, received = old.shape[1] // tables.batch, forward.layers[0].device, []
    for index, weights in forward.attended.items():
        used = int(tables.used[index])  # a captured step attends over more than is in use
        by_head = weights[..., :used].float().reshape(tables.batch, heads, -1, used).mean(2).flatten(0, 1)
        received.append(F.pad(by_head, (0, tables.capacity - used)).to(device))
    # One transfer for all layers: each would wait for the device.
    return policy.collect(old, torch.stack(received).cpu(), tables.used[:, None, None])


def attention_on_tokens(tables: Tables, forward: Forward) -> Tensor:
    """Attention of the first sequence's last query on every anchor, mean over heads, (L, seen).

    With what `attention_forgotten` says of the same query it sums up to 1.
    """
    total = torch.zeros(len(forward.layers), tables.seen)
    rows = tables.rows // tables.batch
    for index, weights in forward.attended.items():
        used = int(tables.used[index])
        source = tables.source[index, :rows, :used].clamp(max=tables.seen - 1)  # padding has no token, and no share
        share = weights[0, :, :used].float()
        if index in forward.forgotten:
            share = share * (1 - forward.forgotten[index][0, :, None])
        share = share.view(rows, -1, used).mean(1).cpu() / rows
        total[index].scatter_add_(0, source.flatten(), share.flatten())
    return total


def attention_forgotten(tables: Tables, forward: Forward) -> Tensor | None:
    """Of the first sequence's last query the share that went to what was forgotten, (L, R / B); None without a memory.

    Heads that share a row of the tables count as their mean. A layer that has no memory gave it nothing.
    """
    if not forward.forgotten:
        return None
    rows, device = tables.rows // tables.batch, forward.layers[0].device
    nothing = torch.zeros(rows, device=device)
    shares = [
        forward.forgotten[index][0].view(rows, -1).mean(1).to(device) if index in forward.forgotten else nothing
        for index in range(len(forward.layers))
    ]
    return torch.stack(shares).cpu()


def reads_on_tokens(tables: Tables, forward: Forward) -> Tensor | None:
    """Share of the first sequence's key heads in which its query read each anchor, (L, seen); None where all."""
    if not forward.read:
        return None
    total = torch.zeros(len(forward.layers), tables.seen)
    rows = tables.rows // tables.batch
    for index in range(len(forward.layers)):
        used, reads = int(tables.used[index]), forward.read.get(index)
        share = torch.ones(rows, used)
        if reads is not None:
            share = reads[: len(reads) // tables.batch].view(rows, -1, used).float().mean(1).cpu()
        source = tables.source[index, :rows, :used].clamp(max=tables.seen - 1)
        total[index].scatter_add_(0, source.flatten(), share.flatten() / rows)
    return total
