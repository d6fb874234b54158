"""LLaVA: a picture's patches between the words, through a vision tower of one picture at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from elastic.models.pictures import PictureReader, shown
from elastic.models.reading import PIXELS, WHOLE, Box, Reading, View


@dataclass(frozen=True)
class Llava(PictureReader):
    """LLaVA-1.5 and what shares its code: a picture is one square of equally large patches, row by row."""

    def _views(self, pictures: Sequence[Image.Image], inputs: Mapping[str, Tensor], first: int) -> list[View]:
        vision = self.model.config.vision_config
        side, processor = vision.image_size // vision.patch_size, self.processor.image_processor
        covered = side * vision.patch_size  # what is left over at the right and at the bottom, no patch sees
        views = []
        for number, (picture, pixels) in enumerate(zip(pictures, inputs[PIXELS], strict=True)):
            box = _seen_box(picture.size, processor)
            share = covered / vision.image_size
            right, bottom = box[0] + (box[2] - box[0]) * share, box[1] + (box[3] - box[1]) * share
            seen = shown(pixels[:, :covered, :covered], processor)
            views.append(View(seen, side, side, (box[0], box[1], right, bottom), first + number))
        return views

    def _tower_inputs(self, prompt: Reading) -> dict[str, Any]:
        config = self.model.config
        layer, strategy = config.vision_feature_layer, config.vision_feature_select_strategy
        chosen = {"vision_feature_layer": layer, "vision_feature_select_strategy": strategy}
        return super()._tower_inputs(prompt) | chosen


def _seen_box(size: tuple[int, int], processor: Any) -> Box:
    """What an image processor leaves of a picture (width, height): all, or the middle where it crops."""
    if not getattr(processor, "do_center_crop", False):
        return WHOLE
    width, height = size
    resized, crop = processor.size, processor.crop_size
    scale = 1.0
    if getattr(processor, "do_resize", True) and resized.get("shortest_edge"):
        scale = resized["shortest_edge"] / min(size)
    shares = min(1.0, crop["width"] / (width * scale)), min(1.0, crop["height"] / (height * scale))
    left, top = (1 - shares[0]) / 2, (1 - shares[1]) / 2
    return left, top, 1 - left, 1 - top
