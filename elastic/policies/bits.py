"""How the numbers of slots may be stored, as a policy says it."""

from dataclasses import dataclass


def along_channels(group: int, dim: int) -> int:
    """The longest group, of at most so many of a head's D channels, into which these can be divided."""
    return max(size for size in range(1, min(group, dim) + 1) if dim % size == 0)


@dataclass(frozen=True)
class Bits:
    """How the numbers of slots are stored: as codes of so many `bits`, a `group` of them between two numbers.

    The `newest` slots, whole groups of them, stay as they are. A group of 0 is for floating point: 8 bits, e4m3, with
    one scale for a layer's keys and one for its values.
    """

    bits: int
    group: int
    newest: int
