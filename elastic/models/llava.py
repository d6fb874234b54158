"""LLaVA and what shares its code: a picture's patches between the words, through a tower of one picture at a time.

The tower is CLIP's or SigLIP's, which see squares of one size, or Pixtral's, which sees pictures as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from elastic.fronts.base import PictureCells
from elastic.models.pictures import PictureReader, shown
from elastic.models.reading import PIXELS, WHOLE, Box, Reading, View
from elastic.models.stills import PixtralStills


@dataclass(frozen=True)
class Llava(PictureReader):
    """LLaVA-1.5 and its kin: a picture is one square of equally large patches, row by row."""

    def _views(self, pictures: Sequence[Image.Image], ids: Tensor, inputs: Mapping[str, Tensor]) -> list[View]:
        vision = self.model.config.vision_config
        side, processor = vision.image_size // vision.patch_size, self.processor.image_processor
        covered = side * vision.patch_size  # what is left over at the right and at the bottom, no patch sees
        share = covered / vision.image_size
        views = []
        for number, (picture, pixels) in enumerate(zip(pictures, inputs[PIXELS], strict=True)):
            left, top, right, bottom = seen_box(picture.size, processor)
            box = left, top, left + (right - left) * share, top + (bottom - top) * share
            views.append(View(shown(pixels[:, :covered, :covered], processor), side, side, box, number))
        return views

    @property
    def most_pictures(self) -> int:
        """One for towers of CLIP's: of this code only llava-interleave, whose tower is SigLIP's, was shown several."""
        return 1 if self.model.config.vision_config.model_type == "clip_vision_model" else super().most_pictures

    @torch.inference_mode()
    def picture_cells(self, prompt: Reading) -> list[PictureCells]:
        """What the vision tower makes of the cells of each picture, all sequences' behind each other.

        Raises:
            ValueError: if several of its layers are read, or it has more tokens than cells and a class token.
        """
        model: Any = self.model.model
        number, tower = self.model.config.vision_feature_layer, model.vision_tower
        blocks = getattr(tower, "vision_model", tower).encoder.layers
        if not isinstance(number, int):
            raise ValueError(
                f"{self.title} reads several layers of its vision tower, and fronts go by one: compress its cache "
                "instead."
            )
        # Outputs of layers are counted from what the first one is given.
        block = blocks[number if number < 0 else number - 1].self_attn
        noted: dict[str, Tensor] = {}
        hooks = [
            block.q_proj.register_forward_hook(lambda _, given, made: noted.update(queries=made)),
            block.k_proj.register_forward_hook(lambda _, given, made: noted.update(keys=made)),
            model.multi_modal_projector.register_forward_pre_hook(lambda _, given: noted.update(hidden=given[0])),
        ]
        try:
            model.get_image_features(**self._tower_inputs(prompt), return_dict=True)
        finally:
            for hook in hooks:
                hook.remove()
        hidden, heads = noted["hidden"], block.num_heads
        queries, keys = (noted[name].float().unflatten(-1, (heads, -1)) for name in ("queries", "keys"))
        classes = keys.shape[1] - hidden.shape[1]  # class tokens, which stand first
        if classes not in (0, 1):
            raise ValueError(
                f"The vision tower of {self.title} has {keys.shape[1]} tokens for {hidden.shape[1]} cells, so that "
                "nobody knows which is which: compress its cache instead."
            )
        looking = queries[:, :classes] if classes else queries
        weights = (torch.einsum("bqhd,bkhd->bhqk", looking, keys) * block.scale).softmax(-1)
        looked = weights.mean(2).sum(1)[:, classes:]
        projector = model.multi_modal_projector
        return [
            PictureCells(of[0], of[1].mean(1), of[2], projector)
            for of in zip(hidden, keys[:, classes:], looked, strict=True)
        ]

    def _tower_inputs(self, prompt: Reading) -> dict[str, Any]:
        config = self.model.config
        layer, strategy = config.vision_feature_layer, config.vision_feature_select_strategy
        chosen = {"vision_feature_layer": layer, "vision_feature_select_strategy": strategy}
        return super()._tower_inputs(prompt) | chosen


@dataclass(frozen=True)
class VipLlava(Llava):
    """ViP-LLaVA: as LLaVA-1.5, with what several layers of the tower see side by side."""

    def _tower_inputs(self, prompt: Reading) -> dict[str, Any]:
        return PictureReader._tower_inputs(self, prompt) | {
            "vision_feature_layer": self.model.config.vision_feature_layer
        }


@dataclass(frozen=True)
class Pixtral(Llava):
    """Pixtral: a picture has as many rows and columns as it is large, and a token behind each of its rows."""

    @classmethod
    def open_processor(cls, name: str) -> Any:
        """The processor of a checkpoint, by name or folder."""
        return PixtralStills.from_pretrained(name, trust_remote_code=False)

    def _views(self, pictures: Sequence[Image.Image], ids: Tensor, inputs: Mapping[str, Tensor]) -> list[View]:
        patch, processor = self.model.config.vision_config.patch_size, self.processor.image_processor
        views = []
        for number, (pixels, size) in enumerate(zip(inputs[PIXELS], inputs["image_sizes"].tolist(), strict=True)):
            height, width = size
            seen = shown(pixels[:, :height, :width], processor)
            views.append(View(seen, height // patch, width // patch, WHOLE, number))
        return views

    def picture_cells(self, prompt: Reading) -> list[PictureCells]:
        """Refused: a picture has as many rows as it has, and ends of rows between its cells."""
        return PictureReader.picture_cells(self, prompt)

    def _cap(self, images: Any, most: int) -> None:
        self._check_cap(most, 1)
        most_pixels = isqrt(most) * self.model.config.vision_config.patch_size
        images.size = {"longest_edge": min(images.size["longest_edge"], most_pixels)}

    def _place(self, ids: Tensor, views: Sequence[View]) -> np.ndarray:
        place = super()._place(ids, views)
        # Behind the last cell of every row stands a token that ends it.
        ends = np.flatnonzero((place[:-1, 3] >= 0) & (place[1:, 3] < 0)) + 1
        place[ends, :3] = place[ends - 1, :3]
        return place


def seen_box(size: tuple[int, int], processor: Any) -> Box:
    """What an image processor takes of a picture (width, height): all, the middle where it crops, more where it pads.

    A picture is first filled up to a square, then made smaller, then cropped, as far as the processor does each.
    """
    left, top, right, bottom = WHOLE
    if getattr(processor, "do_pad", False) and hasattr(processor, "pad_to_square"):
        (left, top, right, bottom), size = squared(size), (max(size), max(size))
    if not getattr(processor, "do_center_crop", False):
        return left, top, right, bottom
    resized, crop = processor.size, processor.crop_size
    scale = 1.0
    if getattr(processor, "do_resize", True) and resized.get("shortest_edge"):
        scale = resized["shortest_edge"] / min(size)
    # What is cut off at each side, as a share of what there was.
    cut_x, cut_y = (
        max(0.0, 1 - crop[name] / (length * scale)) / 2 for name, length in zip(("width", "height"), size, strict=True)
    )
    wide, high = right - left, bottom - top
    return left + cut_x * wide, top + cut_y * high, right - cut_x * wide, bottom - cut_y * high


def squared(size: tuple[int, int]) -> Box:
    """A square in the middle of which a picture (width, height) lies, as a box in that picture."""
    beyond_x, beyond_y = ((max(size) / length - 1) / 2 for length in size)
    return -beyond_x, -beyond_y, 1 + beyond_x, 1 + beyond_y
