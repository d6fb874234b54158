"""RoPE turns pairs of channels by angles that grow with the position (RoFormer, arXiv 2104.09864)."""

from dataclasses import dataclass

import torch
from torch import Tensor


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn channel pairs (i, i + half) of x (..., D) by angles of which cos and sin (..., half) are given, in float32.

    Channels behind these pairs stay as they are, as in the model. Means of cosines and sines make a mean of rotations.
    """
    half = cos.shape[-1]
    first, second, rest = x.float().split((half, half, x.shape[-1] - 2 * half), dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)


@dataclass(frozen=True)
class Rope:
    """How the Q queries of a prompt were turned, and how those that follow will be."""

    angles: Tensor  # (1 or B, Q, half) radians
    frequency: Tensor  # (half,) radians per position
    past: int  # tokens that were there before the prompt
    ahead: int  # position of the next token

    def followed_by(self, piece: "Rope") -> "Rope":
        """With the next piece of the same prompt."""
        angles = torch.cat([self.angles, piece.angles], 1)
        return Rope(angles, self.frequency, self.past, max(self.ahead, piece.ahead))

    def turned_back(self, query: Tensor) -> Tensor:
        """The queries (B, H, Q, D) as they were before, in float32."""
        angles = self.angles[:, None].to(query.device)
        return rotate(query, angles.cos(), -angles.sin())

    def turned_ahead(self, x: Tensor, positions: int) -> Tensor:
        """x (..., D) as it would be at the next positions, the mean over so many of them."""
        angles = (self.ahead + torch.arange(positions, device=x.device))[:, None] * self.frequency.to(x.device).float()
        return rotate(x, angles.cos().mean(0), angles.sin().mean(0))
