"""Arrays that grow with every step of an answer; what was handed out of them stays as it is. Imports numpy only."""

import numpy as np


class Rows:
    """An array that grows at its end, from the rows that there are."""

    def __init__(self, rows: np.ndarray) -> None:
        self._room, self._count = rows, len(rows)

    def add(self, row: object) -> None:
        """One row more; the room for it is doubled now and then."""
        if self._count == len(self._room):
            room = np.zeros((max(64, 2 * self._count), *self._room.shape[1:]), self._room.dtype)
            room[: self._count] = self._room
            self._room = room
        self._room[self._count] = row
        self._count += 1

    def first(self, count: int) -> np.ndarray:
        """The first rows, (count, ...), without a copy."""
        return self._room[:count]


class TokenRows:
    """Per step and layer a number for every token so far, of which there is one more at each: (N, L, T + N).

    Args:
        layers: L.
        tokens: T, before the first step.
        dtype: of the numbers.
    """

    def __init__(self, layers: int, tokens: int, dtype: type) -> None:
        self._room: np.ndarray = np.zeros((0, layers, tokens), dtype)
        self._count, self._tokens = 0, tokens

    def add(self, numbers: np.ndarray) -> None:
        """One step more: its numbers (L, T + N') of the tokens that there were."""
        if self._count == len(self._room):
            more = max(64, 2 * self._count)
            room = np.zeros((more, self._room.shape[1], self._tokens + more), self._room.dtype)
            room[: self._count, :, : self._room.shape[2]] = self._room
            self._room = room
        self._room[self._count, :, : numbers.shape[1]] = numbers
        self._count += 1

    def first(self, count: int) -> np.ndarray:
        """The first steps, (count, L, T + count), without a copy."""
        return self._room[:count, :, : self._tokens + count]

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self._room.nbytes
