"""What a front left of prompts, for whoever draws all of a picture: tokens that nobody read, too. Numpy only.

Of W tokens that prompts would have had, T were read. Whoever works with a cache counts the T; whoever draws counts all
W, as if those left out had been merged, or dropped, in every layer and head at once.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fewer:
    """For a record: whose doing it was that tokens were never read, and which ones these are."""

    front: str  # its name for people
    keep: float  # share of the cache that was asked for, of it and the side's policy together
    tokens: list[int]

    def check(self, owner: np.ndarray) -> None:
        """Raise ValueError unless it fits owners (L, H, W)."""
        numbers = self.tokens
        if not numbers or numbers != sorted(set(numbers)) or numbers[0] < 0 or numbers[-1] >= owner.shape[2]:
            raise ValueError("tokens were left out that are not there")
        if (owner[..., numbers] == np.array(numbers)).any():
            raise ValueError("tokens that were never read hold slots")


@dataclass(frozen=True, eq=False)
class Shortened:
    """Of the W tokens of prompts those that are read; `front` is the name for people of what left the others out."""

    front: str
    keep: float  # share of them that the front was asked for
    place: np.ndarray  # (W, 4) int32, as in `Reading`
    number: np.ndarray  # (T,) int64, which of the W each is that is read, in the order of reading
    owner: np.ndarray  # (W,) int64, the one whose token holds it: itself, another one, or -1

    @classmethod
    def nothing(cls, place: np.ndarray) -> "Shortened":
        """Of tokens with those places (W, 4), all of which are read."""
        every = np.arange(len(place))
        return cls("", 1.0, place, every, every)

    def followed_by(self, other: "Shortened") -> "Shortened":
        """The same, and what was read behind it."""
        more = len(self.place)
        return Shortened(
            self.front or other.front,
            min(self.keep, other.keep),
            np.concatenate([self.place, other.place]),
            np.concatenate([self.number, other.number + more]),
            np.concatenate([self.owner, np.where(other.owner < 0, -1, other.owner + more)]),
        )

    def up_to(self, seen: int) -> "Shortened":
        """The same with words behind it, so that `seen` tokens are read."""
        return self.followed_by(Shortened.nothing(np.full((seen - len(self.number), 4), -1, np.int32)))

    def among_all(self, seen: int) -> int:
        """How many tokens there would be where `seen` were read, these and others behind them."""
        return seen - len(self.number) + len(self.place)

    @property
    def left_out(self) -> list[int]:
        """Those of the W that are not read."""
        unread: list[int] = np.setdiff1d(np.arange(len(self.place)), self.number).tolist()
        return unread

    def fewer(self, keep: float) -> Fewer | None:
        """For the record of a side whose policy was asked to keep a share; None where nothing was left out."""
        left_out = self.left_out
        return Fewer(self.front, min(keep, self.keep), left_out) if left_out else None

    def numbered(self, tokens: np.ndarray) -> np.ndarray:
        """What tokens of the T, and those behind them, are among the W; -1 stays what it is."""
        read = len(self.number)
        found = self.number[np.clip(tokens, 0, read - 1)]
        return np.where(tokens < 0, -1, np.where(tokens < read, found, tokens - read + len(self.place)))

    def owners(self, owner: np.ndarray) -> np.ndarray:
        """Owners (L, H, W) from those of the tokens that are read (L, H, T)."""
        every = np.full((*owner.shape[:2], len(self.place) + 1), -1, owner.dtype)  # the last one stands for nobody
        every[..., self.number] = self.numbered(owner)
        found: np.ndarray = every[..., self.owner]
        return found

    def shared(self, values: np.ndarray) -> np.ndarray:
        """Values (..., T and more) as `spread`, where what was left out has those of the token that holds it."""
        wide, every = self.spread(values), len(self.place)
        wide[..., :every] = np.where(self.owner < 0, 0, wide[..., self.owner])
        return wide

    def spread(self, values: np.ndarray, missing: float = 0) -> np.ndarray:
        """Values (..., T and more) with those of the W in the place of the T; `missing` is of what was not read."""
        read, every = len(self.number), len(self.place)
        wide = np.full((*values.shape[:-1], every + values.shape[-1] - read), missing, values.dtype)
        wide[..., self.number] = values[..., :read]
        wide[..., every:] = values[..., read:]
        return wide
