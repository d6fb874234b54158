"""LLaVA-NeXT and LLaVA-OneVision: the whole picture first, then its tiles put together to one finer grid.

The grid is cut to the picture's own shape, in OneVision also made smaller where it would be large, and behind each of
its rows stands a token that ends it. All of these are image tokens; the ends of rows are no cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers.models.llava_next.modeling_llava_next import get_anyres_image_grid_shape, unpad_image

from elastic.models.llava import Llava, squared
from elastic.models.pictures import shown
from elastic.models.reading import PIXELS, WHOLE, Box, Reading, View, cells
from elastic.models.stills import OnevisionStills


@dataclass(frozen=True)
class LlavaNext(Llava):
    """LLaVA-NeXT."""

    def _views(self, pictures: Sequence[Image.Image], ids: Tensor, inputs: Mapping[str, Tensor]) -> list[View]:
        views = []
        for number, picture in enumerate(pictures):
            tiles = inputs[PIXELS][number]
            views += [self._base(tiles[0], number), self._grid(picture.size, tiles[1:], number)]
        return views

    def _base(self, pixels: Tensor, number: int, box: Box = WHOLE) -> View:
        """The whole picture, as one tile."""
        side, covered = self._tile
        seen = shown(pixels[:, :covered, :covered], self.processor.image_processor)
        left, top, right, bottom = box
        share = covered / pixels.shape[1]
        return View(seen, side, side, (left, top, left + (right - left) * share, top + (bottom - top) * share), number)

    @property
    def _tile(self) -> tuple[int, int]:
        """Cells along a side of a tile, and the pixels that they cover."""
        vision = self.model.config.vision_config
        side = vision.image_size // vision.patch_size
        return side, side * vision.patch_size

    def _grid(self, size: tuple[int, int], tiles: Tensor, number: int) -> View:
        """The tiles of a picture (width, height) put together, without what was only added to fill them."""
        config, (side, covered) = self.model.config, self._tile
        original = [size[1], size[0]]
        full = config.vision_config.image_size
        high, wide = get_anyres_image_grid_shape(original, config.image_grid_pinpoints, full)
        # Which cells are left is the library's to say: it is asked about their numbers.
        numbers = torch.arange(high * wide * side * side).view(1, high * side, wide * side)
        left = unpad_image(numbers, original)[0]
        if not left.numel():
            raise ValueError(
                f"A picture of {size[0]} x {size[1]} pixels is too narrow for {self.title!r}, nothing would be left of "
                "its tiles: cut a part of it out."
            )
        (top, first), (bottom, last) = (divmod(int(corner), wide * side) for corner in (left[0, 0], left[-1, -1]))
        patch = covered // side
        parts = tiles[: high * wide, :, :covered, :covered].view(high, wide, 3, covered, covered)
        canvas = parts.permute(2, 0, 3, 1, 4).reshape(3, high * covered, wide * covered)
        canvas = canvas[:, top * patch : (bottom + 1) * patch, first * patch : (last + 1) * patch]
        rows, columns = self._resampled(*left.shape)

        def edge(cell: int) -> int:
            """Where a cell begins in the tiles as they were cut."""
            return int(cell // side * full + cell % side * patch)

        # The picture stands in the middle of the tiles, as large as they allow, in whole pixels.
        scale = min(high * full / size[1], wide * full / size[0])
        resized = [min(ceil(scale * of), tiles * full) for of, tiles in zip(size, (wide, high), strict=True)]
        before = [(tiles * full - of) // 2 for of, tiles in zip(resized, (wide, high), strict=True)]
        edges = edge(first), edge(top), edge(last) + patch, edge(bottom) + patch
        box = [(at - before[side % 2]) / resized[side % 2] for side, at in enumerate(edges)]
        seen = shown(canvas, self.processor.image_processor)
        return View(seen, rows, columns, (box[0], box[1], box[2], box[3]), number)

    def _resampled(self, rows: int, columns: int) -> tuple[int, int]:
        """What is made of a grid of so many rows and columns."""
        return rows, columns

    def _cells(self, number: int, views: Sequence[View]) -> np.ndarray:
        """Cells of a view; with the ends of its rows, but for the first of a picture that goes on."""
        place, view = cells(number, views[number]), views[number]
        goes_on = number + 1 < len(views) and views[number + 1].picture == view.picture
        if goes_on:
            return place
        place = np.pad(place.reshape(view.rows, view.columns, 4), ((0, 0), (0, 1), (0, 0)), mode="edge")
        place[:, -1, 3] = -1
        return place.reshape(-1, 4)


@dataclass(frozen=True)
class Onevision(LlavaNext):
    """LLaVA-OneVision; of several pictures each is one tile, filled up to a square, with one end behind it."""

    @classmethod
    def open_processor(cls, name: str) -> Any:
        """The processor of a checkpoint, by name or folder."""
        return OnevisionStills.from_pretrained(name, trust_remote_code=False)

    def _views(self, pictures: Sequence[Image.Image], ids: Tensor, inputs: Mapping[str, Tensor]) -> list[View]:
        if len(pictures) == 1:
            return super()._views(pictures, ids, inputs)
        return [
            self._base(tiles[0], number, squared(picture.size))
            for number, (picture, tiles) in enumerate(zip(pictures, inputs[PIXELS], strict=True))
        ]

    @property
    def can_add_pictures(self) -> bool:
        """Not here, see `next_turn`."""
        return False

    def next_turn(self, question: str, pictures: Sequence[Image.Image] = ()) -> Reading:
        """What follows an answer already in the cache: the end of that turn and the next question.

        Raises:
            ValueError: if pictures come with it: a model of this kind sees several otherwise than one.
        """
        if pictures:
            raise ValueError(
                f"{self.title!r} sees one picture in tiles and each of several as a whole, so none can be added to a "
                "conversation: ask about all of them at first."
            )
        return super().next_turn(question)

    def _resampled(self, rows: int, columns: int) -> tuple[int, int]:
        side, _ = self._tile
        most = int(self.model.config.vision_aspect_ratio.removeprefix("anyres_max_"))
        ratio = (rows * columns / (most * side**2)) ** 0.5
        return (int(rows // ratio), int(columns // ratio)) if ratio > 1.1 else (rows, columns)

    def _cells(self, number: int, views: Sequence[View]) -> np.ndarray:
        if len({view.picture for view in views}) == 1:
            return super()._cells(number, views)
        place = cells(number, views[number])
        return np.concatenate([place, [[*place[-1, :3], -1]]])
