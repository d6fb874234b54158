"""From what a policy chose to smaller layers."""

import torch
from torch import Tensor

from elastic.cache.slots import SlotLayer
from elastic.cache.tables import Tables, wide
from elastic.cache.thin import ThinLayer
from elastic.merge import anchors
from elastic.policies.base import Choice, Merged, Policy


def merge_layers(
    layers: list[SlotLayer], tables: Tables, policy: Policy, choices: list[Choice], inverse_frequency: Tensor
) -> list[Tensor]:
    """Merge every layer as chosen, in place; returns the owners of their slots, (R, S) each.

    Raises:
        ValueError: if heads or sequences of a layer would hold different numbers.
    """
    for index, (layer, choice) in enumerate(zip(layers, choices, strict=True)):
        kept = anchors(choice.owner).sum(1)
        if (kept != kept[0]).any():
            raise ValueError(
                f"{type(policy).__name__} keeps {kept.tolist()} slots for the heads or sequences of layer "
                f"{index + 1}: they must be equally many."
            )
        if choice.channels is not None:
            layers[index] = ThinLayer(layer, choice.channels, layer.used - choice.whole)
        if int(kept[0]) == layer.used:
            continue
        turns = None
        count, source = (
            table[index, :, : layer.used].to(choice.owner.device) for table in (tables.count, tables.source)
        )
        if policy.align and choice.pairs is None:
            rows = max(len(choice.owner), len(source))
            owner, source = wide(choice.owner[None], rows)[0], wide(source[None], rows)[0]
            turns = torch.where(owner >= 0, source.gather(1, owner.clamp(min=0)) - source, 0)
        weight = None if policy.merged == Merged.NOTHING else count
        layer.compress(choice, weight, turns, policy.merged, inverse_frequency)
    return [choice.owner.cpu() for choice in choices]
