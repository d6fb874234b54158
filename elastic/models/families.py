"""Kinds of models, by `model_type`: who reads which, what else has to be installed, and what cannot be read, and why.

All of it is known from `config.json` alone, so that nobody waits for weights to be told that they are of no use here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from elastic.models.idefics import Idefics, SmolVLM
from elastic.models.internvl import InternVL
from elastic.models.llava import Llava, Pixtral, VipLlava
from elastic.models.llava_next import LlavaNext, Onevision
from elastic.models.pictures import PictureReader
from elastic.models.qwen_vl import Qwen2VL, Qwen3VL, Qwen25VL
from elastic.models.text import TextModel

LONGEST_KIND = 60  # characters of what a sentence says of a kind
Settings = Mapping[str, Any]  # what a checkpoint's `config.json` holds


@dataclass(frozen=True)
class Family:
    """Who reads models of a kind, and the packages that the library wants for them besides its own."""

    reader: type[PictureReader] | type[TextModel]
    packages: tuple[str, ...] = ()


READERS = {
    "idefics3": Family(Idefics),
    "llama": Family(TextModel),
    "internvl": Family(InternVL),
    "llava": Family(Llava),
    "llava_next": Family(LlavaNext),
    "llava_onevision": Family(Onevision),
    "mistral": Family(TextModel),
    "qwen2": Family(TextModel),
    "qwen2_5_vl": Family(Qwen25VL),
    "qwen2_vl": Family(Qwen2VL),
    "qwen3": Family(TextModel),
    "qwen3_vl": Family(Qwen3VL),
    "smolvlm": Family(SmolVLM),
    "vipllava": Family(VipLlava),
}
# Of towers that come with the code of another family and read pictures their own way.
TOWERS = {"pixtral": Family(Pixtral)}
# Of weights in few bits, by the `quant_method` of `quantization_config`.
QUANTIZED = {
    "awq": ("accelerate", "gptqmodel"),
    "bitsandbytes": ("accelerate", "bitsandbytes"),
    "compressed-tensors": ("compressed-tensors",),
    "fp8": ("accelerate",),
    "gptq": ("optimum", "gptqmodel"),
    "hqq": ("hqq",),
    "quanto": ("optimum-quanto",),
    "torchao": ("torchao",),
}
MODULES = {"compressed-tensors": "compressed_tensors", "optimum-quanto": "optimum.quanto"}  # that a package holds

BOTH_WAYS = "the tokens of a picture see each other in both directions, and most of its layers see a window that slides"
PREFIX = "the whole prompt sees itself in both directions, and the tokens of a cache see only what is before them"
WINDOW = "most of its layers see a window that slides, and a cache here holds tokens from wherever a policy keeps them"
SHARED = "its layers take keys and values from one another, and most see a window that slides"
LINEAR = (
    "most of its layers are linear attention, which holds a state and no keys of tokens: there is little to compress"
)
NO_KEYS = "it has no attention, so that there are no keys and values to compress"
ASIDE = "its words look at a picture through layers of their own, so that no token of the cache stands for a patch"
QUERIES = "a few learned queries stand for a picture, so that no token of the cache stands for a patch"
CODEBOOK = "it reads a picture as words of a codebook, and no vision tower stands before its cache"
TWO_HALVES = "an encoder reads what is asked, and the cache holds what is written by a decoder: nothing to compress"
AUDIO = "it listens, and what is asked about here is a picture or a text"
OWN_CODE = (
    "its code comes with the checkpoint, and code of strangers is not run here: name a checkpoint that was converted "
    "for transformers, often one whose name ends in -hf"
)
UNCONVERTED = (
    "it is in the layout of the original release: name the checkpoint that was converted for transformers, such as "
    "llava-hf/llava-1.5-7b-hf in place of liuhaotian/llava-v1.5-7b"
)
# True reasons of kinds that people have and that cannot be read.
REFUSED = {
    "gemma3": BOTH_WAYS,
    "gemma3n": SHARED,
    "paligemma": PREFIX,
    **dict.fromkeys(("cohere2", "gemma2", "gemma3_text", "gemma4", "gemma4_text", "gpt_oss"), WINDOW),
    **dict.fromkeys(("qwen3_5", "qwen3_5_moe", "qwen3_5_text", "qwen3_next"), LINEAR),
    **dict.fromkeys(("falcon_mamba", "mamba", "mamba2"), NO_KEYS),
    **dict.fromkeys(("idefics", "mllama"), ASIDE),
    **dict.fromkeys(("blip-2", "idefics2", "instructblip", "kosmos-2"), QUERIES),
    **dict.fromkeys(("chameleon", "emu3"), CODEBOOK),
    **dict.fromkeys(("qwen2_audio", "voxtral", "whisper"), AUDIO),
    **dict.fromkeys(("llava_llama", "llava_mistral", "llava_qwen"), UNCONVERTED),
}
# Of layers of kinds that are not known, by the names of `layer_types`.
LAYERS = {
    "chunked_attention": "some of its layers attend within pieces, and a cache here holds tokens from all of them",
    "conv": "some of its layers are convolutions, which hold no keys to compress",
    "linear_attention": LINEAR,
    "sliding_attention": WINDOW,
}


def family_of(name: str, settings: Settings) -> Family:
    """The family of a checkpoint, by its settings alone.

    Raises:
        ValueError: if it is none that can be read, or packages for it are missing; one sentence that says why.
    """
    kind = settings.get("model_type")
    if not isinstance(kind, str):
        raise ValueError(
            f"The config.json of {name!r} names no model_type, so it is not that of a model: name a checkpoint in the "
            "layout of transformers."
        )
    reason = None if kind in READERS else _reason(kind, settings)
    if reason is not None:
        raise ValueError(f"{name!r} is a {_short(kind)} model, which cannot be read here: {reason}.")
    if kind not in READERS:
        known = ", ".join(sorted(READERS))
        raise ValueError(f"{name!r} is a {_short(kind)} model, which is not known here. Models that are read: {known}.")
    if kind == "llava" and not isinstance(settings.get("text_config"), dict):
        raise ValueError(f"{name!r} cannot be read here: {UNCONVERTED}.")
    tower = vision.get("model_type") if isinstance(vision := settings.get("vision_config"), dict) else None
    family = TOWERS.get(str(tower), READERS[kind])
    _check_packages(name, kind, settings, family.packages)
    return family


def _short(kind: str) -> str:
    """A kind as words within a sentence, whatever a file says it is."""
    words = " ".join(kind.split())
    return words if len(words) <= LONGEST_KIND else f"{words[:LONGEST_KIND]}..."


def _reason(kind: str, settings: Settings) -> str | None:
    """Why a model of a kind without a reader cannot have one, where that is known."""
    if kind in REFUSED:
        return REFUSED[kind]
    text = settings.get("text_config")
    for one in (settings, text if isinstance(text, dict) else {}):
        if one.get("is_encoder_decoder"):
            return TWO_HALVES
        types = one.get("layer_types")
        for layer in types if isinstance(types, list) else ():
            if layer in LAYERS:
                return LAYERS[layer]
    return OWN_CODE if "auto_map" in settings else None


def _check_packages(name: str, kind: str, settings: Settings, packages: tuple[str, ...]) -> None:
    """See that what is needed to load a checkpoint is installed."""
    needed = list(packages)
    why = f"a {kind} model"
    if isinstance(quantized := settings.get("quantization_config"), dict):
        method = str(quantized.get("quant_method"))
        needed += QUANTIZED.get(method, ())
        why += f" whose weights are quantized by {method}" if QUANTIZED.get(method) else ""
    missing = [package for package in dict.fromkeys(needed) if not is_installed(package)]
    if missing:
        raise ValueError(f"{name!r} is {why}, which needs packages that are not here: pip install {' '.join(missing)}")


def is_installed(package: str) -> bool:
    """Whether a package is there, by the module that it holds."""
    module = MODULES.get(package, package)
    parent = module.partition(".")[0]
    return find_spec(parent) is not None and find_spec(module) is not None
