"""Random models of a true size, made on the device that they run on, and prompts for them. Nothing is downloaded.

What a step costs does not depend on what the weights are, so random ones time like trained ones.
"""

import os
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PretrainedConfig,
    PreTrainedModel,
)

from elastic.command_line import AUTO, DTYPE
from elastic.model import Llava, Reading
from elastic.models.precision import half, named
from elastic.models.reading import PIXELS

WORDS_BEFORE, WORDS_AFTER = 1, 64  # of a prompt that is otherwise all picture


@dataclass(frozen=True)
class Shape:
    """A Llama's size, and that of the CLIP tower before it where there is one."""

    layers: int
    hidden: int
    heads: int
    intermediate: int
    vocab: int
    tower_layers: int = 24
    tower_hidden: int = 1024
    tower_heads: int = 16
    image_size: int = 336
    patch_size: int = 14

    @property
    def image_id(self) -> int:
        """The token of a patch; 32000 in LLaVA-1.5's vocabulary of 32064."""
        return self.vocab - 64

    @property
    def patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2

    def text(self) -> LlamaConfig:
        """The language model's config."""
        return LlamaConfig(
            vocab_size=self.vocab,
            hidden_size=self.hidden,
            intermediate_size=self.intermediate,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            max_position_embeddings=4096,
        )

    def kv_bytes(self, tokens: int, element_bytes: int) -> int:
        """Bytes of the keys and values of that many tokens, one sequence."""
        return 2 * self.layers * self.hidden * tokens * element_bytes


SHAPES = {  # the first two as in llava-1.5; the tower of the third is small, for it is not what is timed
    "7B": Shape(layers=32, hidden=4096, heads=32, intermediate=11008, vocab=32064),
    "13B": Shape(layers=40, hidden=5120, heads=40, intermediate=13824, vocab=32064),
    "mid-size": Shape(2, 2048, 16, 8192, 1024, tower_layers=2, tower_hidden=256, tower_heads=4),
}


def wanted_dtype() -> str:
    """What `--dtype` says, from the environment, which the processes of a measurement have in common."""
    return os.environ.get(DTYPE) or AUTO


def precision(device: str) -> torch.dtype:
    """The type a checkpoint is loaded in on that device, as `elastic.model.load` has it."""
    if wanted_dtype() != AUTO:
        return named(wanted_dtype())
    return torch.float32 if device == "cpu" else half()


def text_model(shape: Shape, device: str) -> LlamaForCausalLM:
    """A language model alone; its config names an image token, so that statistics know where a picture ends."""
    model = _build(LlamaForCausalLM, shape.text(), device)
    model.config.image_token_id = shape.image_id
    return model


def hollow_model(shape: Shape, layers: int, device: str) -> LlamaForCausalLM:
    """A model with the heads of a shape and next to nothing else: something for a cache to belong to."""
    config = shape.text()
    config.head_dim = shape.hidden // shape.heads
    config.hidden_size = config.intermediate_size = 8
    config.num_hidden_layers, config.vocab_size = layers, 8
    return _build(LlamaForCausalLM, config, device)


def llava_model(shape: Shape, name: str, device: str) -> Llava:
    """A LLaVA without a processor: `random_prompt` makes what it reads."""
    vision = CLIPVisionConfig(
        hidden_size=shape.tower_hidden,
        intermediate_size=4 * shape.tower_hidden,
        num_hidden_layers=shape.tower_layers,
        num_attention_heads=shape.tower_heads,
        image_size=shape.image_size,
        patch_size=shape.patch_size,
    )
    config = LlavaConfig(
        vision_config=vision, text_config=shape.text(), image_token_id=shape.image_id, image_seq_length=shape.patches
    )
    return Llava(_build(LlavaForConditionalGeneration, config, device), None, name)


def _build(kind: type[PreTrainedModel], config: PretrainedConfig, device: str) -> PreTrainedModel:
    """Weights are born on the device and in their final type: 13 billion would not fit into many a main memory."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(precision(device))
    torch.manual_seed(0)
    try:
        with torch.device(device):
            return kind(config).eval()
    finally:
        torch.set_default_dtype(before)


def random_ids(shape: Shape, tokens: int, batch: int, device: str, patches: int | None = None) -> Tensor:
    """Token ids (batch, tokens): a word, a picture, words; 64 of these where the picture's size is not given."""
    patches = tokens - WORDS_BEFORE - WORDS_AFTER if patches is None else patches
    if not 0 < patches < tokens:
        raise ValueError(f"A picture of {patches} patches does not fit into a prompt of {tokens} tokens.")
    ids = torch.randint(3, shape.image_id, (batch, tokens), generator=torch.Generator().manual_seed(1))
    ids[:, WORDS_BEFORE : WORDS_BEFORE + patches] = shape.image_id
    return ids.to(device)


def random_prompt(llava: Llava, shape: Shape, tokens: int, batch: int) -> Reading:
    """A prompt (batch, tokens) with one picture of noise in each sequence."""
    side = shape.image_size
    pixels = torch.randn(batch, 3, side, side, device=llava.device, dtype=llava.model.dtype)
    return Reading(random_ids(shape, tokens, batch, str(llava.device), shape.patches), {PIXELS: pixels})
