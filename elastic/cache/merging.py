"""From what a policy chose to smaller layers."""

import torch
from torch import Tensor

from elastic.cache.coded import CodedLayer
from elastic.cache.indexed import IndexedLayer
from elastic.cache.kernels import Kernels
from elastic.cache.remembering import RememberingLayer
from elastic.cache.slots import SlotLayer
from elastic.cache.tables import Tables, wide
from elastic.cache.thin import ThinLayer
from elastic.cache.uneven import check_uneven
from elastic.merge import anchors
from elastic.policies.base import Choice, Merged, Policy


def merge_layers(
    layers: list[SlotLayer],
    tables: Tables,
    policy: Policy,
    choices: list[Choice],
    inverse_frequency: Tensor,
    kernels: Kernels | None,
) -> list[Tensor]:
    """Merge every layer as chosen, in place; returns the owners of their slots, (R, S) each.

    Where what is dropped is to be remembered, it is by the model's `kernels`.

    Raises:
        ValueError: if heads or sequences of a layer would hold different numbers, and may not; if keys that an index is
            made of would not be stored as they are; or if keys in fewer channels would be changed in another way, too.
    """
    for index, (layer, choice) in enumerate(zip(layers, choices, strict=True)):
        if choice.index is not None and (choice.channels is not None or choice.bits is not None):
            raise ValueError(
                f"{type(policy).__name__} would have the keys of layer {index + 1} looked up in an index and hold them "
                "in fewer channels or bits: one or the other."
            )
        kept = anchors(choice.owner).sum(1)
        if choice.channels is not None and (choice.bits is not None or choice.memory or int(kept.min()) < layer.used):
            raise ValueError(
                f"{type(policy).__name__} would hold keys of layer {index + 1} in fewer channels and also in fewer "
                "bits, or join, drop or remember slots: fewer channels go alone."
            )
        if (kept != kept[0]).any():
            check_uneven(policy, kept, index, layer)
        if choice.channels is not None:
            layers[index] = ThinLayer(layer, choice.channels, layer.used - choice.whole)
        if choice.memory and kernels is not None and not isinstance(layer, RememberingLayer):
            layer = layers[index] = RememberingLayer(layer, kernels.layers[index])
        if int(kept.min()) < layer.used:
            _compress(layer, index, tables, policy, choice, inverse_frequency)
        if choice.bits is not None:
            layers[index] = CodedLayer(layer, choice.bits)
        if choice.index is not None:
            layers[index] = IndexedLayer(layer, choice.index)
    return [choice.owner.cpu() for choice in choices]


def _compress(
    layer: SlotLayer, index: int, tables: Tables, policy: Policy, choice: Choice, inverse_frequency: Tensor
) -> None:
    """Keep the anchors of a layer, by its number from 0, and merge their members into them."""
    turns = None
    count, source = (table[index, :, : layer.used].to(choice.owner.device) for table in (tables.count, tables.source))
    if policy.align and choice.pairs is None:
        rows = max(len(choice.owner), len(source))
        owner, source = wide(choice.owner[None], rows)[0], wide(source[None], rows)[0]
        turns = torch.where(owner >= 0, source.gather(1, owner.clamp(min=0)) - source, 0)
    weight = None if policy.merged == Merged.NOTHING else count
    layer.compress(choice, weight, turns, policy.merged, inverse_frequency)


def absorb(layers: list[SlotLayer], tables: Tables, slot: Tensor, into: Tensor) -> Tensor:
    """Average slots (L, R), -1 for none, into others, each weighted by the number of tokens it stands for.

    Returns how many tokens the others then stand for, (L, R).
    """
    evicted, kept = (tables.count.gather(2, at.clamp(min=0)[..., None])[..., 0] for at in (slot, into))
    for layer, *of_layer in zip(layers, slot, into, evicted / (evicted + kept), strict=True):
        if of_layer[0][0] >= 0:
            layer.absorb(*of_layer)
    return evicted + kept


def forget(layers: list[SlotLayer], slot: Tensor) -> None:
    """Let layers that remember take in slots (L, R), -1 for none, before others take their places."""
    for layer, of_layer in zip(layers, slot, strict=True):
        if isinstance(layer, RememberingLayer):
            layer.forget(of_layer)
