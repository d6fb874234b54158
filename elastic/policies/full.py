"""The full cache: what everything else is compared with."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Policy, option
from elastic.statistics import Statistic


@dataclass(frozen=True)
class Full(Policy):
    """Keep every token's key and value in every layer, at the prefill and while decoding."""

    keep: float = option(1.0, "The full cache keeps everything.", 1.0, 1.0)

    title: ClassVar[str] = "Full cache"
    about: ClassVar[str] = "Every token keeps its key and value, in every layer."

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset()
