"""In which numbers a model's weights are held: as somebody wants, or as its device computes them best.

On a CPU that is float32, which all of them compute, and which every method was measured in. Half the memory, and on a
CPU with instructions for it half the time of a decode step and a fourth of that of a prompt, is bfloat16; without such
instructions a prompt takes about twice as long as in float32. float16 is slower than float32 on most
(`benchmarks/RESULTS.md`).
"""

import logging

import torch
from transformers import PreTrainedModel

from elastic.command_line import AUTO, DTYPES
from elastic.memory import free_bytes, size

ROOM = 0.9  # of the memory that is free: the share that weights may take, as caches need some, too
log = logging.getLogger(__name__)


def check_dtype(dtype: str, device: str) -> None:
    """See that a device computes in numbers of a type, before anything is loaded.

    Raises:
        ValueError: if it does not, or the type is none of those of command lines.
    """
    if dtype not in DTYPES:
        raise ValueError(f"{dtype!r} is no type of numbers for weights. Choose one of: {', '.join(DTYPES)}.")
    if dtype == "float16" and device == "cpu":
        raise ValueError(
            "float16 is for GPUs: a CPU computes it slower than float32, and its largest number is 65504. "
            "Take bfloat16, which is as small, or float32."
        )
    if dtype == "bfloat16" and device == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ValueError("This GPU does not compute in bfloat16: take float16, or float32.")


def dtype_for(dtype: str, device: str, skeleton: PreTrainedModel, name: str) -> torch.dtype:
    """The type that weights are held in: the one that is asked for, or by `auto` what fits device and checkpoint.

    That is bfloat16 on a GPU (float16 on older ones), and of weights in few bits what their checkpoint says. On a CPU
    it is float32, but bfloat16 where the checkpoint is stored so and the CPU has instructions for it, or where float32
    would not fit into what memory is free, which is told. `skeleton` is the model without its weights.
    """
    if dtype != AUTO:
        return named(dtype)
    config = skeleton.config
    stored = config.dtype if isinstance(config.dtype, torch.dtype) else None
    if getattr(config, "quantization_config", None) is not None:
        # Weights in few bits: what they are computed in is for those who made them to say.
        return torch.bfloat16 if device == "cpu" else stored or half()
    if device != "cpu":
        return half()
    if stored == torch.bfloat16 and has_bfloat16():
        return torch.bfloat16
    count, free = sum(parameter.numel() for parameter in skeleton.parameters()), free_bytes()
    needed = {each: count * each.itemsize for each in (torch.float32, torch.bfloat16)}
    if needed[torch.float32] <= ROOM * free:
        return torch.float32
    log.warning(
        "%s takes %s in float32 and %s are free, so its weights are held in bfloat16%s.",
        name,
        size(needed[torch.float32]),
        size(free),
        "" if needed[torch.bfloat16] <= free else f", and those {size(needed[torch.bfloat16])} may not fit either",
    )
    return torch.bfloat16


def named(dtype: str) -> torch.dtype:
    """The type of a name that is not `auto`."""
    found: torch.dtype = getattr(torch, dtype)
    return found


def half() -> torch.dtype:
    """The type of 16 bits that the GPU computes in."""
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16; otherwise it is computed by way of float32."""
    found = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(is_there is not None and is_there() for is_there in found)
