"""Load a model by name: the embedded pocket-llava, a LLaVA, SmolLM2, or a text model of a person's own.

What they have in common is a `Reader`. The embedded model and a checkpoint of 13 billion parameters go through the same
lines; only the name differs.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    BitsAndBytesConfig,
    PretrainedConfig,
)

from elastic.cache.hooks import prepare
from elastic.models import smollm2
from elastic.models.checkpoint import SMOLLM2, check_files
from elastic.models.families import family_of
from elastic.models.llava import Llava
from elastic.models.pictures import PictureReader
from elastic.models.processor import fit_processor
from elastic.models.reader import Reader
from elastic.models.reading import Reading, together
from elastic.models.text import TextModel
from elastic.models.weights import open_weights

__all__ = ["POCKET", "Llava", "PictureReader", "Reader", "Reading", "TextModel", "load", "together"]

POCKET = Path(__file__).parent.parent / "assets" / "models" / "pocket-llava"


def load(name_or_path: str | None = None, device: str = "auto", four_bit: bool = False) -> PictureReader | TextModel:
    """Load a LLaVA or a text model by hub name or folder, or SmolLM2 as `smollm2`; pocket-llava when none is named.

    Args:
        device: `cpu`, `cuda`, or `auto` for a GPU where there is one. Weights are float32 on a CPU, where half
            precision is slow or missing, and bfloat16 (float16 on older GPUs) elsewhere. What does not fit on the GPU
            is spread over all GPUs, then memory, then disk.
        four_bit: keep the weights in 4 bits, through bitsandbytes; on a GPU only.

    Raises:
        ValueError: if none is named and none is embedded, a GPU is needed and there is none, the checkpoint cannot be
            read as a LLaVA or a text model, its processor cannot serve it, or the packages of SmolLM2 are missing.
    """
    if not name_or_path and not POCKET.is_dir():
        raise ValueError(
            f"There is no pocket-llava in {POCKET}: it comes with a checkout of the project, not with the installed "
            "package. Name a checkpoint, by folder or hub name such as llava-hf/llava-1.5-7b-hf, or run in a checkout."
        )
    name = str(name_or_path or POCKET)
    has_gpu = torch.cuda.is_available()
    if (device == "cuda" or four_bit) and not has_gpu:
        wanted = "4-bit weights need a CUDA device, and none" if four_bit else "No CUDA device"
        raise ValueError(f"{wanted} was found. Use --device cpu, or install a CUDA build of torch.")
    missing = [package for package in ("accelerate", "bitsandbytes") if find_spec(package) is None]
    if four_bit and missing:
        raise ValueError(f"4-bit weights need packages that are not here: pip install {' '.join(missing)}")
    device = ("cuda" if has_gpu else "cpu") if device == "auto" else device
    half = torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else torch.float16
    options: dict[str, object] = {"dtype": half if device == "cuda" else torch.float32}
    if four_bit:
        quantized = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=half)
        options |= {"quantization_config": quantized, "device_map": {"": 0}}
    if name == SMOLLM2:
        return smollm2.load(device, options)
    try:
        if Path(name).is_dir():
            check_files(Path(name))
        AutoConfig.from_pretrained(name)  # refuses what it does not know
        family = family_of(name, PretrainedConfig.get_config_dict(name)[0])
        is_text = issubclass(family.reader, TextModel)
        processor: Any = family.reader.open_processor(name)
        model = open_weights(AutoModelForCausalLM if is_text else AutoModelForImageTextToText, name, device, options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(
            f"Could not load {name!r} as a LLaVA or a text model ({reason}). "
            "Give a hub name such as llava-hf/llava-1.5-7b-hf, or a folder with such a checkpoint."
        ) from error
    prepare(model)
    if not is_text:
        fit_processor(processor, model, name)
    return family.reader(model.eval(), processor, name)
