"""LLaVA: a picture's patches between the words, through a vision tower of one picture at a time."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import LlavaProcessor, PreTrainedTokenizerBase

from elastic.models.prompt import Prompt
from elastic.models.reader import Message, Reader


@dataclass(frozen=True)
class Llava(Reader):
    """A model, its processor and the name it was loaded by; the context of its questions is a picture."""

    processor: LlavaProcessor

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """What turns words into tokens and back."""
        return self.processor.tokenizer  # type: ignore[no-any-return]  # the library does not say what it is

    def _images(self, prompt: Prompt) -> dict[str, Any]:
        return {"pixel_values": prompt.pixels} if prompt.encoded is None else {"mm_encoder_outputs": prompt.encoded}

    @cached_property  # a value that is kept may stand for one that is computed
    def grid(self) -> tuple[int, int]:
        """Patches per column and per row of the picture the model sees."""
        vision = self.model.config.vision_config
        side = vision.image_size // vision.patch_size
        return side, side

    def first_turn(self, context: Image.Image, question: str, question_first: bool = False) -> Prompt:
        """The prompt of a conversation's first question: the picture, then the question, or the other way round.

        Raises:
            ValueError: if the context is no picture.
        """
        if not isinstance(context, Image.Image):
            raise ValueError(f"{self.name!r} is asked about a picture: open it first, as elastic.picture does.")
        question = self._spelled(question)
        text = self._render([self._message("user", question, is_first=True)])
        if question_first:
            shown = f"{self.processor.image_token}\n"
            text = text.replace(shown, "", 1).replace(question, f"{question} {shown}", 1).replace(f"{shown} ", shown, 1)
        inputs = self.processor(images=context, text=text, return_tensors="pt")
        ids, pixels = inputs["input_ids"].to(self.device), inputs["pixel_values"].to(self.device, self.model.dtype)
        last_patch = int((ids[0] == self.model.config.image_token_id).nonzero()[-1])
        return Prompt(ids, pixels, asked=ids.shape[1] - 1 - last_patch)

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

    @cached_property
    def _controls(self) -> frozenset[str]:
        return super()._controls | {self.processor.image_token}

    def _message(self, role: str, text: str, is_first: bool = False) -> Message:
        image = [{"type": "image"}] if is_first else []
        return {"role": role, "content": [*image, {"type": "text", "text": text}]}

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
