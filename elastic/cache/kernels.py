"""The kernels of a memory: small networks of every head, trained for one model (LESS, arXiv 2402.09398).

A query and a key become a few numbers each, none below 0, whose product stands for exp(q.k / sqrt D). So the sum of
that over many keys needs no more of them than the sum of their numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from elastic.policies.base import Policy

PLACE = "elastic_kernels"  # of a model's kernels, among the attributes of its text decoder


@dataclass(frozen=True, eq=False)
class LayerKernels:
    """Those of one layer: H heads of queries, K of keys with D channels, W hidden numbers, R features; in float32."""

    query_in: Tensor  # (H, D, W)
    query_out: Tensor  # (H, W, R)
    key_in: Tensor  # (K, D, W)
    key_out: Tensor  # (K, W, R)
    key_scale: Tensor  # (K, R)
    key_mix: Tensor  # (K, R, R)
    key_second: Tensor  # (K, R)

    @property
    def rank(self) -> int:
        """Features of a key, R."""
        return self.key_scale.shape[-1]

    def of_queries(self, query: Tensor) -> Tensor:
        """Features of queries (B, H, Q, D) as they are after RoPE, (B, H, Q, R) float32."""
        return F.gelu(self.hidden(query.float() @ self.query_in) @ self.query_out).abs()

    def of_keys(self, key: Tensor) -> Tensor:
        """Features of keys (B, K, S, D) as they are stored, after RoPE, (B, K, S, R) float32."""
        first = F.gelu(self.hidden(key.float() @ self.key_in) @ self.key_out) * self.key_scale.abs()[:, None]
        return (first + (first @ self.key_mix) * self.key_second[:, None]).abs()

    def hidden(self, numbers: Tensor) -> Tensor:
        """What becomes of the hidden numbers (..., W); training leaves some of them out."""
        return F.gelu(numbers)

    def to(self, device: torch.device) -> "LayerKernels":
        """The same on a device."""
        return LayerKernels(**{one.name: getattr(self, one.name).to(device) for one in fields(LayerKernels)})

    def __deepcopy__(self, memo: object) -> "LayerKernels":
        return self  # never written to, and the same for every copy of a cache


NAMES = tuple(one.name for one in fields(LayerKernels))
SHAPES = dict(zip(NAMES, ("LHDW", "LHWR", "LKDW", "LKWR", "LKR", "LKRR", "LKR"), strict=True))  # of all L layers


@dataclass(frozen=True, eq=False)
class Kernels:
    """Those of all layers of a model."""

    layers: tuple[LayerKernels, ...]

    @property
    def rank(self) -> int:
        """Features of a key, R."""
        return self.layers[0].rank

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], text: Any) -> "Kernels":
        """Of the tensors of a file, each (L, ...), for a text decoder.

        Raises:
            ValueError: if some are missing, are no numbers, or are for a model of another shape; words that say which.
        """
        if set(tensors) != set(NAMES):
            odd = sorted(set(tensors) ^ set(NAMES))
            raise ValueError(f"{odd[0]} is {'missing' if odd[0] in NAMES else 'no part of kernels'}")
        sizes = _sizes(text)
        for name, letters in SHAPES.items():
            tensor = tensors[name]
            for letter, size in zip(letters, tensor.shape, strict=False):
                sizes.setdefault(letter, size)
            wanted = tuple(sizes.get(letter, 0) for letter in letters)
            if tuple(tensor.shape) != wanted:
                raise ValueError(f"{name} is {_shape(tensor.shape)}, and should be {_shape(wanted)}")
            if not tensor.is_floating_point() or not tensor.isfinite().all():
                raise ValueError(f"{name} holds what is no number")
        whole = {name: tensors[name].float() for name in NAMES}
        return cls(tuple(LayerKernels(**{name: whole[name][at] for name in NAMES}) for at in range(sizes["L"])))

    def __deepcopy__(self, memo: object) -> "Kernels":
        return self


def _sizes(text: Any) -> dict[str, int]:
    """What a text decoder fixes of the shapes of its kernels."""
    config = text.config
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    heads, keys = config.num_attention_heads, config.num_key_value_heads
    return {"L": config.num_hidden_layers, "H": heads, "K": keys, "D": dim}


def _shape(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))


def give(text: nn.Module, kernels: Kernels) -> None:
    """Let caches of a text decoder have kernels."""
    setattr(text, PLACE, kernels)  # no module: what the model's weights are does not change


def kernels_of(text: nn.Module) -> Kernels | None:
    """The kernels that a text decoder was given, if it was."""
    found: Kernels | None = getattr(text, PLACE, None)
    return found


def check_kernels(policy: Policy, kernels: Kernels | None) -> None:
    """See that a policy has the kernels it needs.

    Raises:
        ValueError: if there are none for the model, or they have other numbers of features.
    """
    if policy.memory and kernels is None:
        raise ValueError(NO_KERNELS.format(policy.title))
    if policy.memory and kernels is not None and kernels.rank != policy.memory:
        raise ValueError(
            f"{policy.title} remembers by {policy.memory} features, and this model's kernels have {kernels.rank}: "
            "train them again with python -m training.less, or take another method."
        )


NO_KERNELS = (
    "{} remembers what it drops by kernels that are trained for a model, and there are none for this one: take another "
    "method, or train some with python -m training.less."
)
