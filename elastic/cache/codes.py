"""Numbers in few bits: codes between the least and the greatest number of a group, or floating point of 8 bits.

The rule of codes is KIVI's (arXiv 2402.02750): of a group, `zero` is its least number and `step` a part of its range,
and a code is how many steps a number lies above zero, rounded.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple, Self

import torch
from torch import Tensor

from elastic.policies.bits import along_channels


class Packed(NamedTuple):
    """Numbers (B, H, n, D) as codes: `packed` (B, H, n, D x bits / 8) bytes, and per group its `zero` and `step`.

    Groups along tokens have (B, H, n / group, D) of these, groups along channels (B, H, n, D / group), in the type of
    the model.
    """

    packed: Tensor
    zero: Tensor
    step: Tensor


class Stored(ABC):
    """Keys or values (B, H, S, D) in fewer bits, to which further tokens are added behind the last."""

    tokens: int

    @abstractmethod
    def add(self, numbers: Tensor) -> None:
        """Store (B, H, n, D) behind the last."""

    @abstractmethod
    def read(self) -> Tensor:
        """The numbers, as far as they are still known, (B, H, S, D)."""

    @abstractmethod
    def reserve(self, tokens: int) -> None:
        """Room for that many tokens at least, doubling."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of what is in use."""

    @property
    @abstractmethod
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that takes memory."""

    @abstractmethod
    def to(self, device: torch.device) -> Self:
        """Itself, with all it holds on a device."""


class Codes(Stored):
    """Keys or values (B, H, S, D) in codes, to which further tokens are added behind the last.

    Args:
        bits: of a number: 2, 4 or 8.
        group: numbers that share a zero and a step; along channels the longest of at most so many that divides D.
        along_tokens: whether a group is one channel of so many tokens, as for keys, or channels of one token.
        like: numbers (B, H, n, D) of the kind that will be coded.

    Raises:
        ValueError: if codes of D numbers do not fill whole bytes.
    """

    def __init__(self, bits: int, group: int, along_tokens: bool, like: Tensor) -> None:
        batch, heads, _, dim = like.shape
        if dim * bits % 8:
            raise ValueError(f"{dim} numbers of {bits} bits do not fill whole bytes: take more bits.")
        self.bits, self.along_tokens = bits, along_tokens
        self.group = group if along_tokens else along_channels(group, dim)
        self.dtype, self.tokens = like.dtype, 0
        self.packed = torch.empty(batch, heads, 0, dim * bits // 8, dtype=torch.uint8, device=like.device)
        self.zero = like.new_empty(batch, heads, 0, dim if along_tokens else dim // self.group)
        self.step = torch.empty_like(self.zero)

    def add(self, numbers: Tensor) -> None:
        """Code (B, H, n, D); along tokens n must be whole groups."""
        parts = encode(numbers, self.bits, self.group, self.along_tokens)
        self.reserve(self.tokens + numbers.shape[2])
        for name, new in parts._asdict().items():
            first = self.tokens // self.group if self.along_tokens and name != "packed" else self.tokens
            getattr(self, name)[:, :, first : first + new.shape[2]] = new
        self.tokens += numbers.shape[2]

    def reserve(self, tokens: int) -> None:
        """Room for that many tokens at least, doubling."""
        room = self.packed.shape[2]
        if room < tokens:
            self._resize(max(tokens, 2 * room))

    def _resize(self, tokens: int) -> None:
        groups = -(-tokens // self.group) if self.along_tokens else tokens
        for name, count in (("packed", tokens), ("zero", groups), ("step", groups)):
            old = getattr(self, name)
            new = old.new_zeros(*old.shape[:2], count, old.shape[3])
            new[:, :, : old.shape[2]] = old
            setattr(self, name, new)

    def read(self) -> Tensor:
        """The numbers that the codes stand for, (B, H, S, D)."""
        groups = self.tokens // self.group if self.along_tokens else self.tokens
        parts = Packed(self.packed[:, :, : self.tokens], self.zero[:, :, :groups], self.step[:, :, :groups])
        return decode(parts, self.bits, self.group, self.along_tokens)

    @property
    def nbytes(self) -> int:
        """Bytes of the codes in use, with their zeros and steps."""
        batch, heads, _, width = self.packed.shape
        groups = self.tokens // self.group if self.along_tokens else self.tokens
        scalars = 2 * groups * self.zero.shape[3] * self.zero.element_size()
        return batch * heads * (self.tokens * width + scalars)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that takes memory."""
        return self.packed, self.zero, self.step

    def to(self, device: torch.device) -> Self:
        """Itself, with all it holds on a device."""
        self.packed, self.zero, self.step = (tensor.to(device) for tensor in self.tensors)
        return self


class Floats(Stored):
    """Keys or values (B, H, S, D) as floating point of 8 bits, e4m3, with one scale a sequence: that of the first.

    What comes later and is larger than they were is written as the largest there is.
    """

    def __init__(self, like: Tensor) -> None:
        self.dtype, self.tokens = like.dtype, 0
        self.scale = torch.ones(len(like), 1, 1, 1, device=like.device)
        # As bytes, which all that copies and saves tensors knows.
        self.packed = like.new_empty(*like.shape[:2], 0, like.shape[3], dtype=torch.uint8)

    def add(self, numbers: Tensor) -> None:
        """Store (B, H, n, D) behind the last."""
        most, least = torch.finfo(torch.float8_e4m3fn).max, torch.finfo(torch.float32).tiny
        if not self.tokens:
            self.scale = (numbers.abs().amax((1, 2, 3), keepdim=True).float() / most).clamp(min=least)
        self.reserve(self.tokens + numbers.shape[2])
        scaled = (numbers.float() / self.scale).clamp(-most, most).to(torch.float8_e4m3fn)
        self.packed[:, :, self.tokens : self.tokens + numbers.shape[2]] = scaled.view(torch.uint8)
        self.tokens += numbers.shape[2]

    def reserve(self, tokens: int) -> None:
        """Room for that many tokens at least, doubling."""
        old = self.packed
        if old.shape[2] < tokens:
            self.packed = old.new_zeros(*old.shape[:2], max(tokens, 2 * old.shape[2]), old.shape[3])
            self.packed[:, :, : old.shape[2]] = old

    def read(self) -> Tensor:
        """The numbers as they were rounded, (B, H, S, D)."""
        return (self.packed[:, :, : self.tokens].view(torch.float8_e4m3fn).float() * self.scale).to(self.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers in use, and of their scale."""
        batch, heads, _, dim = self.packed.shape
        return batch * heads * self.tokens * dim + (self.scale.nbytes if self.tokens else 0)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that takes memory."""
        return self.packed, self.scale

    def to(self, device: torch.device) -> Self:
        """Itself, with all it holds on a device."""
        self.packed, self.scale = self.packed.to(device), self.scale.to(device)
        return self


def encode(numbers: Tensor, bits: int, group: int, along_tokens: bool) -> Packed:
    """Numbers (B, H, n, D) in codes of so many bits; along tokens n must be whole groups, else D must."""
    grouped = _grouped(numbers.float(), group, along_tokens)
    axis = 3 if along_tokens else 4
    zero = grouped.amin(axis, keepdim=True).to(numbers.dtype)
    step = ((grouped.amax(axis, keepdim=True) - zero) / (2**bits - 1)).to(numbers.dtype)
    # By the zero and the step as they are stored; a group of equal numbers has no range, and all its codes are 0.
    codes = ((grouped - zero) / step.float().where(step > 0, 1.0)).round().clamp(0, 2**bits - 1)
    scalars = (each.squeeze(axis) for each in (zero, step))
    return Packed(_packed(codes.to(torch.uint8).view(numbers.shape), bits), *scalars)


def decode(parts: Packed, bits: int, group: int, along_tokens: bool) -> Tensor:
    """The numbers (B, H, n, D) that codes stand for, in the type of their zeros and steps."""
    codes, axis = _unpacked(parts.packed, bits), 3 if along_tokens else 4
    grouped = _grouped(codes.to(parts.step.dtype), group, along_tokens)
    return torch.addcmul(parts.zero.unsqueeze(axis), grouped, parts.step.unsqueeze(axis)).view(codes.shape)


def _grouped(numbers: Tensor, group: int, along_tokens: bool) -> Tensor:
    """(B, H, n, D) as (B, H, n / group, group, D), or along channels as (B, H, n, D / group, group)."""
    batch, heads, count, dim = numbers.shape
    if along_tokens:
        return numbers.reshape(batch, heads, count // group, group, dim)
    return numbers.reshape(batch, heads, count, dim // group, group)


def _packed(codes: Tensor, bits: int) -> Tensor:
    """Codes (..., D) in bytes (..., D x bits / 8), the first of a byte in its lowest bits."""
    each = codes.view(*codes.shape[:-1], -1, 8 // bits)
    return (each << _shifts(bits, codes)).sum(-1, dtype=torch.uint8)


def _unpacked(packed: Tensor, bits: int) -> Tensor:
    """The codes of bytes, (..., D)."""
    codes: Tensor = (packed[..., None] >> _shifts(bits, packed)) & (2**bits - 1)
    return codes.flatten(-2)


def _shifts(bits: int, like: Tensor) -> Tensor:
    """By how many bits the codes of a byte are moved, (8 / bits,)."""
    return torch.arange(0, 8, bits, device=like.device, dtype=torch.uint8)
