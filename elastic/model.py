"""Load a model by name: the embedded pocket-llava, a LLaVA, SmolLM2, or a text model of a person's own.

What they have in common is a `Reader`. The embedded model and a checkpoint of 13 billion parameters go through the same
lines; only the name differs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    BitsAndBytesConfig,
    PretrainedConfig,
)

from elastic.cache.hooks import prepare
from elastic.command_line import AUTO
from elastic.models import smollm2
from elastic.models.bounds import check_amount, check_settings
from elastic.models.checkpoint import SMOLLM2, Unfit, check_files, reason_of
from elastic.models.families import OWN_CODE, family_of
from elastic.models.kernel_file import take_kernels
from elastic.models.llava import Llava
from elastic.models.pictures import PictureReader
from elastic.models.precision import check_dtype, dtype_for, half, named
from elastic.models.processor import fit_processor
from elastic.models.proof import prove
from elastic.models.reader import Reader
from elastic.models.reading import Reading, together
from elastic.models.text import TextModel
from elastic.models.weights import open_weights, without_weights

__all__ = ["POCKET", "Llava", "PictureReader", "Reader", "Reading", "TextModel", "load", "together"]

POCKET = Path(__file__).parent.parent / "assets" / "models" / "pocket-llava"


def load(
    name_or_path: str | None = None, device: str = "auto", four_bit: bool = False, dtype: str = AUTO
) -> PictureReader | TextModel:
    """Load a vision-language or text model by hub name or folder; SmolLM2 as `smollm2`, pocket-llava if none is named.

    What its settings rule out is refused before any weight is fetched; a model that is returned has read a prompt as
    the library reads it, see `elastic.models.proof`.

    Args:
        device: `cpu`, `cuda`, or `auto` for a GPU where there is one. What does not fit on the GPU is spread over all
            GPUs, then memory, then disk.
        four_bit: keep the weights in 4 bits, through bitsandbytes; on a GPU only.
        dtype: `float32`, `bfloat16` or `float16` for the weights, or `auto` for what suits device and checkpoint, see
            `elastic.models.precision`.

    Raises:
        ValueError: if none is named and none is embedded, a GPU is needed and there is none, the device does not
            compute in that type, the checkpoint cannot be read as one of these, its weights or its processor
            are not whole, it reads otherwise than by the library, it has kernels of another model, or packages are
            missing; one sentence.
    """
    if not name_or_path and not POCKET.is_dir():
        raise ValueError(
            f"There is no pocket-llava in {POCKET}: it comes with a checkout of the project, not with the installed "
            "package. Name a checkpoint, by folder or hub name such as HuggingFaceTB/SmolVLM-256M-Instruct, or run in "
            "a checkout."
        )
    name = str(name_or_path or POCKET)
    device = _device(device, four_bit)
    check_dtype(dtype, device)
    if name == SMOLLM2:
        best = half() if device == "cuda" else torch.float32
        return smollm2.load(device, _options(best if dtype == AUTO else named(dtype), four_bit))
    reader = _opened(name, device, four_bit, dtype)
    prove(reader)
    return reader


def _opened(name: str, device: str, four_bit: bool, dtype: str) -> PictureReader | TextModel:
    """A checkpoint's reader, what is small first: what cannot be used is told before weights are fetched."""
    if Path(name).is_dir() or name.startswith(("/", "./", "../", "~")):
        check_files(Path(name))
    with _in_one_sentence(name):
        settings, _ = PretrainedConfig.get_config_dict(name)
    family = family_of(name, settings)
    check_settings(name, settings)
    is_text = issubclass(family.reader, TextModel)
    kind = AutoModelForCausalLM if is_text else AutoModelForImageTextToText
    with _in_one_sentence(name):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
        skeleton = without_weights(kind, config)
        check_amount(name, skeleton)
        processor: Any = family.reader.open_processor(name)
        if not is_text:
            fit_processor(processor, config, name)
    try:
        prepare(skeleton)
    except ValueError as error:
        raise ValueError(f"{name!r} cannot be used. {error}") from error
    with _in_one_sentence(name):
        options = _options(dtype_for(dtype, device, skeleton, name), four_bit)
        if "quantization_config" in settings and device == "cuda":
            options["device_map"] = {"": 0}  # weights in few bits are put in their place while they are read
        model = open_weights(kind, name, device, options)
    take_kernels(model, Path(name))
    return family.reader(model.eval(), processor, name)


def _device(device: str, four_bit: bool) -> str:
    """Where to compute, of what there is.

    Raises:
        ValueError: if a GPU or a package is needed that is not there.
    """
    has_gpu = torch.cuda.is_available()
    if (device == "cuda" or four_bit) and not has_gpu:
        wanted = "4-bit weights need a CUDA device, and none" if four_bit else "No CUDA device"
        raise ValueError(f"{wanted} was found. Use --device cpu, or install a CUDA build of torch.")
    missing = [package for package in ("accelerate", "bitsandbytes") if find_spec(package) is None]
    if four_bit and missing:
        raise ValueError(f"4-bit weights need packages that are not here: pip install {' '.join(missing)}")
    return ("cuda" if has_gpu else "cpu") if device == "auto" else device


def _options(dtype: torch.dtype, four_bit: bool) -> dict[str, object]:
    """Those of the library's loading."""
    if not four_bit:
        return {"dtype": dtype}
    quantized = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=dtype)
    return {"dtype": dtype, "quantization_config": quantized, "device_map": {"": 0}}


@contextmanager
def _in_one_sentence(name: str) -> Iterator[None]:
    """What goes wrong in the library while a checkpoint is read, as a sentence that names it."""
    try:
        yield
    except Unfit:
        raise
    except Exception as error:  # files can be wrong in more ways than can be listed
        if "trust_remote_code" in str(error):  # the library's sentence is for who writes the call
            raise ValueError(f"{name!r} cannot be read here: {OWN_CODE}.") from error
        raise ValueError(
            f"Could not load {name!r} as a vision-language or a text model ({reason_of(error)}). "
            "Give a hub name such as HuggingFaceTB/SmolVLM-256M-Instruct, or a folder with such a checkpoint."
        ) from error
