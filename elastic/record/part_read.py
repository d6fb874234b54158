"""What an answer read of what was held, where its method reads a part. Imports numpy only."""

from dataclasses import dataclass

import numpy as np

from elastic.record.arrays import MOST_BYTES

# Its arrays as in `elastic.record.arrays`, by their names in a file.
PART_ARRAYS = {
    "read_slots": ("N,L", np.float32),
    "read_bytes": ("N,L", np.int64),
    "read_tokens": ("N,L,T+N", np.uint8),
}
WHOLE = 255  # stands for all heads


@dataclass(frozen=True, eq=False)
class PartRead:
    """Of N answer tokens behind T others, in L layers, how much each step read, and which of it."""

    read_slots: np.ndarray  # (N, L) float32, of each step's token, the mean of heads
    read_bytes: np.ndarray  # (N, L) int64, of these slots, and of the index that says which
    read_tokens: np.ndarray  # (N, L, T + N) uint8: of 255, heads in which the query that wrote the token read each

    def check(self, slots: np.ndarray) -> None:
        """Raise ValueError unless it fits a trace that holds those slots (N, L)."""
        if not ((self.read_slots >= 0) & (self.read_slots <= slots + 0.01)).all():
            raise ValueError("more slots are read than there are")
        if (self.read_bytes < 0).any() or (self.read_bytes > MOST_BYTES).any():
            raise ValueError("read_bytes is out of its range")
