"""What of a side's prompt was taken over from another reading, for its record. Imports numpy only."""

from dataclasses import dataclass

import numpy as np

ALL = 10**9  # first tokens that are read anew where all are: more than any chunk has
CHOICES = {"off": None, "0": 0, "1": 1, "4": 4, "16": 16, "all": ALL}  # how many, by the words of page and links


@dataclass(frozen=True)
class Reuse:
    """Which keys and values were taken over, and of which chunks how many first tokens were read anew."""

    tokens: list[int]  # taken over, by their numbers; everything else of the prompt was read where it stands
    begins: list[int]  # the first token of each such chunk
    k: int | None  # first tokens of each that were read anew; None for all

    @property
    def choice(self) -> str:
        """How many first tokens were read anew, in the words of `CHOICES`, or a number."""
        return "all" if self.k is None else str(self.k)

    def check(self, tokens: int) -> None:
        """Raise ValueError unless it fits a prompt of so many tokens."""
        numbers = np.array([*self.tokens, *self.begins, 0])
        if numbers.min() < 0 or numbers.max() >= tokens or self.tokens != sorted(set(self.tokens)):
            raise ValueError("tokens were taken over that are not there")
        if len(self.tokens) == tokens or (self.k is None and self.tokens):
            raise ValueError("more was taken over than can have been")
