"""Turning keys: under RoPE a key can be moved to another position after it was stored, exactly."""

from torch import Tensor

from elastic.statistics.rope import rotate


def turn(keys: Tensor, by: Tensor, inverse_frequency: Tensor) -> Tensor:
    """Keys (..., S, D) as if each stood `by` (..., S) positions further on, in their own type.

    RoPE turns pairs of channels by angles proportional to the position (RoFormer, arXiv 2104.09864), so turning again
    adds. Channels beyond twice the frequencies are not turned by the model either.
    """
    angle = by[..., None].float() * inverse_frequency.to(keys.device)
    return rotate(keys, angle.cos(), angle.sin()).to(keys.dtype)


def turn_all(keys: Tensor, by: Tensor, inverse_frequency: Tensor) -> Tensor:
    """Keys (B, H, S, D) turned by positions (R, S), one row for a sequence's heads or one for each of them."""
    batch, heads, _, _ = keys.shape
    rows = by.to(keys.device).repeat_interleave(batch * heads // len(by), 0)
    return turn(keys.flatten(0, 1), rows, inverse_frequency).view_as(keys)
