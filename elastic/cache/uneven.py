"""Heads of a layer that hold different numbers of slots: where they may, and what is said where they may not.

They are filled up to the longest (see `Tables.padding`), so that a layer stays one tensor. A slot that is freed while
decoding is one of every head, and of a head that is all filled up there is none to free: so nothing may be evicted.
"""

from torch import Tensor

from elastic.cache.slots import SlotLayer
from elastic.cache.tables import Tables
from elastic.policies.base import Growth, Policy, Positions


def check_uneven(policy: Policy, kept: Tensor, number: int, layer: SlotLayer) -> None:
    """See that the rows of a layer, by its number from 0, may keep different numbers `kept` (R,) of its slots.

    Raises:
        ValueError: if they may not.
    """
    says = f"{type(policy).__name__} keeps {kept.tolist()} slots for the heads or sequences of layer {number + 1}"
    if len(kept) != layer.keys.shape[0] * layer.keys.shape[1]:
        raise ValueError(f"{says}: of heads that share their choice all sequences must keep equally many.")
    if policy.evicts or policy.growth != Growth.EVERY_NEW_TOKEN:
        raise ValueError(
            f'{says}: they must be equally many, unless every new token is kept (growth="{Growth.EVERY_NEW_TOKEN}") '
            "and nothing is evicted."
        )
    if policy.positions == Positions.CACHE_LENGTH:
        raise ValueError(
            f"{says}: how long its cache is differs from head to head, so new tokens cannot stand behind it: take "
            f'positions="{Positions.TRUE}".'
        )


def check_padding(policy: Policy, tables: Tables) -> None:
    """See that a policy can choose among slots of which some hold no token.

    Raises:
        ValueError: if there are such, and it cannot.
    """
    if tables.padding is not None and not policy.uneven_heads:
        raise ValueError(
            f"The heads of this cache hold different numbers of tokens, among which {policy.title} cannot choose: "
            "read the conversation into a new cache."
        )
