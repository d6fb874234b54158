"""Load a LLaVA and turn pictures and questions into what it reads.

The embedded pocket-llava and a 13-billion-parameter checkpoint go through the same lines; only the name differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    BitsAndBytesConfig,
    LlavaProcessor,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from elastic import __version__
from elastic.cache import ElasticCache
from elastic.cache.forward import Forward
from elastic.cache.hooks import prepare, read
from elastic.models.checkpoint import check_files
from elastic.models.decoder import Decoder
from elastic.models.processor import fit_processor

POCKET = Path(__file__).parent.parent / "assets" / "models" / "pocket-llava"
Message = dict[str, str | list[dict[str, str]]]  # of a conversation: who says it, and its parts
MARK = "\ufffc"  # stands for an answer while its surroundings are rendered; no tokenizer joins it with a neighbour


@dataclass(frozen=True)
class Prompt:
    """What the model reads: ids (B, T) and, where pictures come with them, pixels (B, 3, height, width).

    `encoded` is what the vision tower made of the pixels, once it has run.
    """

    ids: Tensor
    pixels: Tensor | None = None
    encoded: dict[str, BaseModelOutputWithPooling] | None = None


def together(prompts: Sequence[Prompt]) -> Prompt:
    """Several first prompts as one batch, B x (1, T) -> (B, T).

    Raises:
        ValueError: if they are not equally long, or one comes without a picture.
    """
    lengths = {prompt.ids.shape[1] for prompt in prompts}
    if len(lengths) > 1:
        raise ValueError(
            f"Prompts of {min(lengths)} to {max(lengths)} tokens cannot be read together: padding could not be told "
            "from tokens once slots are merged. Group prompts by their length."
        )
    pixels = [prompt.pixels for prompt in prompts if prompt.pixels is not None]
    if len(pixels) < len(prompts):
        raise ValueError("Later turns cannot be read together: give prompts of `first_turn`, which have a picture.")
    return Prompt(torch.cat([prompt.ids for prompt in prompts]), torch.cat(pixels))


@dataclass(frozen=True)
class Llava:
    """A model, its processor and the name it was loaded by."""

    model: PreTrainedModel
    processor: LlavaProcessor
    name: str

    @property
    def device(self) -> torch.device:
        return self.model.device

    @cached_property
    def decoder(self) -> Decoder | None:
        """The text model for one token at a time, where it can be run without the library's forward."""
        return Decoder(self.model) if Decoder.fits(self.model) else None

    def read(self, prompt: Prompt, cache: ElasticCache, forward: Forward) -> Tensor:
        """Logits (B, V) in float32 after a prompt that was entered into the cache as `forward`."""
        images = {"pixel_values": prompt.pixels} if prompt.encoded is None else {"mm_encoder_outputs": prompt.encoded}
        return read(self.model, cache, forward, prompt.ids, **images)

    def step(self, ids: Tensor, cache: ElasticCache, forward: Forward) -> Tensor:
        """Logits (B, V) in float32 after one more token (B, 1) per sequence, entered into the cache as `forward`."""
        if self.decoder is not None:
            return self.decoder.step(ids, cache, forward)
        return read(self.model, cache, forward, ids)

    @property
    def layers(self) -> int:
        return int(self.model.config.text_config.num_hidden_layers)

    @property
    def title(self) -> str:
        """A short name for people."""
        return Path(self.name).name

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Patches per column and per row of the picture the model sees."""
        vision = self.model.config.vision_config
        side = vision.image_size // vision.patch_size
        return side, side

    @cached_property
    def shape(self) -> dict[str, int]:
        """What a decode step's memory traffic follows from: the language model's shape and the bytes of its weights."""
        text = self.model.config.text_config
        language, head = self.model.model.language_model, self.model.lm_head
        # Of the embedding table a step reads one row; of the output layer, which may be the same tensor, everything.
        read = sum(p.nbytes for p in language.parameters()) - language.embed_tokens.weight.nbytes + head.weight.nbytes
        return {
            "layers": text.num_hidden_layers,
            "heads": text.num_attention_heads,
            "kv_heads": text.num_key_value_heads,
            "head_dim": getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
            "element_bytes": head.weight.element_size(),
            "weight_bytes": read,
        }

    @cached_property
    def about(self) -> dict[str, str]:
        """What a measurement was made with."""
        where = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        dtype = str(self.model.dtype).removeprefix("torch.")
        versions = {"elastic": __version__, "torch": torch.__version__, "transformers": transformers.__version__}
        return {"device": where, "dtype": dtype} | versions

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ids = self.model.generation_config.eos_token_id
        ids = ids if ids is not None else self.processor.tokenizer.eos_token_id
        return frozenset(ids if isinstance(ids, list) else [ids])

    def first_turn(self, picture: Image.Image, question: str, question_first: bool = False) -> Prompt:
        """The prompt of a conversation's first question: the picture, then the question, or the other way round."""
        question = self._spelled(question)
        text = self._render([_user(question, with_image=True)])
        if question_first:
            shown = f"{self.processor.image_token}\n"
            text = text.replace(shown, "", 1).replace(question, f"{question} {shown}", 1).replace(f"{shown} ", shown, 1)
        inputs = self.processor(images=picture, text=text, return_tensors="pt")
        return Prompt(inputs["input_ids"].to(self.device), inputs["pixel_values"].to(self.device, self.model.dtype))

    @torch.inference_mode()
    def encode_image(self, prompt: Prompt) -> Prompt:
        """The prompt with its picture gone through the vision tower, which `prefill` would do otherwise."""
        config = self.model.config
        encoded = self.model.model.get_image_features(
            pixel_values=prompt.pixels,
            vision_feature_layer=config.vision_feature_layer,
            vision_feature_select_strategy=config.vision_feature_select_strategy,
            return_dict=True,
        )
        return replace(prompt, encoded={"image": encoded})

    def next_turn(self, question: str) -> Prompt:
        """What follows an answer already in the cache: the end of that turn and the next question."""
        answer: Message = {"role": "assistant", "content": [{"type": "text", "text": MARK}]}
        text = self._render([_user("", with_image=True), answer, _user(self._spelled(question))])
        tail = text[text.index(MARK) :]
        encoded = self.processor.tokenizer(tail, add_special_tokens=False, return_offsets_mapping=True)
        ids = [i for i, (start, _) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True) if start]
        return Prompt(torch.tensor([ids], device=self.device))

    def _spelled(self, question: str) -> str:
        """The question with control tokens that somebody typed, such as `<image>`, broken up into plain text."""
        for token in {*self.processor.tokenizer.all_special_tokens, self.processor.image_token}:
            question = question.replace(token, f"{token[0]} {token[1:]}")
        return question

    def _render(self, messages: list[Message]) -> str:
        # The library's annotation knows messages of plain text only, its documentation those of several parts.
        render = self.processor.apply_chat_template
        return str(render(messages, add_generation_prompt=True, tokenize=False))  # type: ignore[arg-type]

    def pieces(self, ids: list[int]) -> list[str]:
        """What each token reads as on its own; bytes that are no whole character show as the replacement mark."""
        return [self.processor.tokenizer.decode([i]) for i in ids]

    def text(self, ids: list[int]) -> str:
        """An answer's tokens as text."""
        return str(self.processor.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def seen_image(self, prompt: Prompt) -> Image.Image:
        """The picture as the model sees it, resized and cropped, from the pixels it gets.

        Raises:
            ValueError: if the prompt comes without one.
        """
        if prompt.pixels is None:
            raise ValueError("A later turn has no picture of its own: give the prompt of `first_turn`.")
        images = self.processor.image_processor
        pixels = prompt.pixels[0].float().cpu().numpy().transpose(1, 2, 0)
        pixels = pixels * np.array(images.image_std) + np.array(images.image_mean)
        return Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8))


def _user(question: str, with_image: bool = False) -> Message:
    image = [{"type": "image"}] if with_image else []
    return {"role": "user", "content": [*image, {"type": "text", "text": question}]}


def load(name_or_path: str | None = None, device: str = "auto", four_bit: bool = False) -> Llava:
    """Load a LLaVA checkpoint by hub name or folder; the embedded pocket-llava when none is named.

    Args:
        device: `cpu`, `cuda`, or `auto` for a GPU where there is one. Weights are float32 on a CPU, where half
            precision is slow or missing, and bfloat16 (float16 on older GPUs) elsewhere. What does not fit on the GPU
            is spread over all GPUs, then memory, then disk.
        four_bit: keep the weights in 4 bits, through bitsandbytes; on a GPU only.

    Raises:
        ValueError: if none is named and none is embedded, a GPU is needed and there is none, the checkpoint cannot be
            read as a LLaVA, or its processor cannot serve it.
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
    try:
        if Path(name).is_dir():
            check_files(Path(name))
        processor = AutoProcessor.from_pretrained(name)
        loaded = AutoModelForImageTextToText.from_pretrained(name, output_loading_info=True, **options)
        # Asked what it found, the library returns a pair, which its types leave out.
        model, found = cast(tuple[PreTrainedModel, dict[str, set[str]]], loaded)
        if missing := sorted(found["missing_keys"]):
            raise ValueError(f"{len(missing)} of its weights are missing, {missing[0]} for one")
        if not four_bit:
            model = _moved(model, name, device, options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(
            f"Could not load {name!r} as a LLaVA checkpoint ({reason}). "
            "Give a hub name such as llava-hf/llava-1.5-7b-hf, or a folder with such a checkpoint."
        ) from error
    if model.config.model_type != "llava":
        raise ValueError(
            f"{name!r} is a {model.config.model_type} model. Only LLaVA-1.5-like checkpoints are shown here."
        )
    fit_processor(processor, model, name)
    prepare(model)
    return Llava(model.eval(), processor, name)


def _moved(model: PreTrainedModel, name: str, device: str, options: dict[str, object]) -> PreTrainedModel:
    """The model on a device, or spread over all there is where it does not fit."""
    try:
        model.to(device)  # type: ignore[arg-type]  # the library's decorator takes the device for `self`
        return model
    except torch.cuda.OutOfMemoryError:
        if find_spec("accelerate") is None:
            raise ValueError("it does not fit on the GPU; spreading it needs: pip install accelerate") from None
        del model
        torch.cuda.empty_cache()
        return cast(PreTrainedModel, AutoModelForImageTextToText.from_pretrained(name, device_map="auto", **options))
