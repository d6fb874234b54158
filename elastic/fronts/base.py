"""A front stands before the language model: of a picture's tokens it lets fewer in, before any of them is read.

A policy chooses of what was read, in every layer and head for itself. A front chooses once, for all of them, and by
what the vision tower saw alone: no question is known to it. Reading takes less for it, which no policy can say.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class PictureCells:
    """The P cells of one picture as the vision tower leaves them, row by row.

    `keys` and `looked` are of the attention in the layer whose output is read. Who looks is the tower's class token; in
    a tower without one it is every cell, and what counts is their mean.
    """

    hidden: Tensor  # (P, h), the output of that layer
    keys: Tensor  # (P, D) float32, mean over heads
    looked: Tensor  # (P,) float32, attention that each cell received there, summed over heads
    project: Callable[[Tensor], Tensor]  # hidden states (n, h) to what the language model is given for them, (n, d)


@dataclass(frozen=True)
class FewerCells:
    """What is left of a picture's P cells: n tokens, in the order in which the language model reads them."""

    kept: Tensor  # (n,) long, the cell that each stands at
    features: Tensor  # (n, d), what the language model is given for each
    owner: Tensor  # (P,) long, per cell the one whose token holds it: itself, another, or -1 where it is dropped


@dataclass(frozen=True)
class Front(ABC):
    """A rule by which fewer tokens of a picture reach the language model.

    `keep` is the share of a prompt's tokens that are left of it, words included: what a full cache then holds is that
    share of what it would hold.
    """

    title: ClassVar[str]
    rule: ClassVar[str]  # for people, in a few words
    about: ClassVar[str]  # the same in a sentence or two
    paper: ClassVar[str]

    keep: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must be above 0 and at most 1, not {self.keep}.")

    @abstractmethod
    def choose(self, cells: PictureCells, tokens: int) -> FewerCells:
        """At most that many tokens, 1 to P, of a picture's cells; with P it is the picture as it was."""
