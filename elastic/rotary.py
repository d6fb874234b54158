"""Turning keys: under RoPE a key can be moved to another position after it was stored, exactly."""

import torch
from torch import Tensor


def turn(keys: Tensor, by: Tensor, inverse_frequency: Tensor) -> Tensor:
    """Keys (..., S, D) as if each stood `by` (..., S) positions further on, in their own type.

    RoPE turns pairs of channels by angles proportional to the position (RoFormer, arXiv 2104.09864), so turning again
    adds. Channels beyond twice the frequencies are not turned by the model either.
    """
    half = len(inverse_frequency)
    angle = by[..., None].float() * inverse_frequency.to(keys.device)
    cos, sin = angle.cos(), angle.sin()
    first, second, rest = keys.float().split((half, half, keys.shape[-1] - 2 * half), dim=-1)
    turned = torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)
    return turned.to(keys.dtype)
