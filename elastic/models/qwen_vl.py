"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: a picture as large as it is, in squares of two by two patches, row by row.

Each token has three positions, in time, row and column. They are the library's own; what comes behind a picture stands
at other positions than its number says, see `elastic.cache.positions`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from elastic.models.pictures import PictureReader, shown
from elastic.models.reading import PIXELS, WHOLE, Reading, View
from elastic.models.stills import Qwen2VLStills, Qwen3VLStills, Qwen25VLStills

GRIDS = "image_grid_thw"  # of every picture its patches in time, height and width


@dataclass(frozen=True)
class Qwen2VL(PictureReader):
    """Qwen2-VL."""

    @classmethod
    def open_processor(cls, name: str) -> Any:
        """The processor of a checkpoint, by name or folder."""
        return Qwen2VLStills.from_pretrained(name, trust_remote_code=False)

    def _views(self, pictures: Sequence[Image.Image], ids: Tensor, inputs: Mapping[str, Tensor]) -> list[View]:
        processor = self.processor.image_processor
        merged, grids = int(processor.merge_size), inputs[GRIDS].tolist()
        views, begin = [], 0
        for number, (_, rows, columns) in enumerate(grids):
            patches = inputs[PIXELS][begin : begin + rows * columns]
            begin += rows * columns
            pixels = unfolded(patches, rows, columns, merged, int(processor.temporal_patch_size))
            views.append(View(shown(pixels, processor), rows // merged, columns // merged, WHOLE, number))
        return views

    def _cap(self, images: Any, most: int) -> None:
        self._check_cap(most, 4)
        cell = (images.patch_size * images.merge_size) ** 2
        images.size = {
            "shortest_edge": min(images.size["shortest_edge"], most * cell // 4),
            "longest_edge": min(images.size["longest_edge"], most * cell),
        }

    @torch.inference_mode()
    def _positions(self, reading: Reading) -> Tensor | None:
        kinds, grids = reading.inputs["mm_token_type_ids"], reading.inputs[GRIDS]
        positions: Tensor = self.model.model.get_rope_index(reading.ids, mm_token_type_ids=kinds, image_grid_thw=grids)[
            0
        ]
        return positions


@dataclass(frozen=True)
class Qwen25VL(Qwen2VL):
    """Qwen2.5-VL."""

    @classmethod
    def open_processor(cls, name: str) -> Any:
        """The processor of a checkpoint, by name or folder."""
        return Qwen25VLStills.from_pretrained(name, trust_remote_code=False)


@dataclass(frozen=True)
class Qwen3VL(Qwen2VL):
    """Qwen3-VL; what its tower adds to the first layers comes with what it made of the pictures."""

    @classmethod
    def open_processor(cls, name: str) -> Any:
        """The processor of a checkpoint, by name or folder."""
        return Qwen3VLStills.from_pretrained(name, trust_remote_code=False)


def unfolded(patches: Tensor, rows: int, columns: int, merged: int, times: int) -> Tensor:
    """A picture (C, h, w) in three colours of its patches (rows x columns, C x times x p x p), square by square.

    A picture is a film of as many equal frames as a patch spans: the first is taken.
    """
    side = int((patches.shape[1] // (3 * times)) ** 0.5)
    apart = patches.view(rows // merged, columns // merged, merged, merged, 3, times, side, side)[:, :, :, :, :, 0]
    return apart.permute(4, 0, 2, 5, 1, 3, 6).reshape(3, rows * side, columns * side)
