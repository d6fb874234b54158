"""The full cache: what everything else is compared with."""

from dataclasses import dataclass

from elastic.policies.base import Policy


@dataclass(frozen=True)
class Full(Policy):
    """Keep every token's key and value in every layer, at the prefill and while decoding."""
