"""What the arrays of a `Trace` are like: shapes, types, and the values that can be. Numpy only."""

import numpy as np

# Every array of a trace: its shape, in the letters of `Trace`, and its type.
ARRAYS = {
    "place": ("T,4", np.int32),
    "is_prompt": ("T", np.bool_),
    "owner": ("L,H,T", np.int32),
    "score": ("L,T", np.float32),
    "prompt_slots": ("L", np.float32),
    "prompt_bytes": ("L", np.int64),
    "answer_ids": ("N", np.int32),
    "logprob": ("N", np.float32),
    "seconds": ("N", np.float32),
    "slots": ("N,L", np.float32),
    "bytes_held": ("N,L", np.int64),
    "bytes_allocated": ("N", np.int64),
    "dropped": ("N,L,H", np.int32),
    "joined": ("N,L,H", np.int32),
    "limit_bytes": ("N+1", np.int64),
    "sparsity": ("L", np.float32),
    "channels": ("L,K,D", np.bool_),
    "looked": ("N,L,T+N", np.float16),
    "reference_logprob": ("N", np.float32),
    "divergence": ("N", np.float32),
}

MOST_BYTES = 10**13  # more than any machine has
# The lowest and the highest value of what is counted and measured, and whether it may be unknown (NaN).
LIMITS = {
    **dict.fromkeys(("prompt_bytes", "bytes_held", "bytes_allocated", "limit_bytes"), (0, MOST_BYTES, False)),
    **dict.fromkeys(("prompt_slots", "slots", "seconds"), (0, 10**6, False)),
    "answer_ids": (0, 10**7, False),
    "score": (0, 1e9, True),
    "sparsity": (0, 1, True),
    "looked": (0, 1.01, False),
    "logprob": (-1e6, 0.01, False),
    "reference_logprob": (-1e6, 0.01, True),
    "divergence": (-0.01, 1e6, True),
}


def shape_of(letters: str, sizes: dict[str, int]) -> tuple[int, ...] | None:
    """The shape that those letters stand for, None where one is not among `sizes`: `N,T+N` is (N, T + N)."""
    terms = [side.split("+") for side in letters.split(",")]
    known = sizes | {"1": 1, "4": 4}
    if not all(term in known for side in terms for term in side):
        return None
    return tuple(sum(known[term] for term in side) for side in terms)
