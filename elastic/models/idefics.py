"""Idefics3 and SmolVLM: a picture in square tiles, each with its row and column in words before it, then the whole."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from elastic.models.pictures import PictureReader, runs, shown
from elastic.models.reading import PIXELS, WHOLE, View
from elastic.models.stills import SmolVLMStills

TILE = re.compile(r"<row_(\d+)_col_(\d+)>\s*$")  # what stands before a tile's tokens


@dataclass(frozen=True)
class Idefics(PictureReader):
    """Idefics3 and the first SmolVLM: tiles as wide as the tower sees, in as many rows as the picture needs."""

    def _views(self, pictures: Sequence[Image.Image], ids: Tensor, inputs: Mapping[str, Tensor]) -> list[View]:
        tiles, views = list[tuple[int, int]](), list[View]()
        seen = [shown(pixels, self.processor.image_processor) for pixels in inputs[PIXELS][0]]
        picture = 0
        for start, tokens in runs(ids == self.image_id):
            side, before = int(tokens**0.5), str(self.tokenizer.decode(ids[max(0, start - 24) : start].tolist()))
            views.append(View(seen[len(views)], side, side, WHOLE, picture))
            if place := TILE.search(before):
                tiles.append((int(place[1]), int(place[2])))
                continue
            # The whole picture, with which it ends: only now it is known of how many tiles it was.
            if tiles:
                rows, columns = map(max, zip(*tiles, strict=True))
                for number, (row, column) in enumerate(tiles, len(views) - 1 - len(tiles)):
                    box = (column - 1) / columns, (row - 1) / rows, column / columns, row / rows
                    views[number] = replace(views[number], box=box)
            tiles, picture = [], picture + 1
        return views

    def _cap(self, images: Any, most: int) -> None:
        """So many tiles in a row and a column that they, and the whole picture, are few enough."""
        config = self.model.config
        tokens = (config.vision_config.image_size // config.vision_config.patch_size // config.scale_factor) ** 2
        self._check_cap(most, tokens)
        # Of one tile it is the whole picture alone.
        most_pixels = max(1, isqrt(most // tokens - 1)) * images.max_image_size["longest_edge"]
        images.size = {"longest_edge": min(images.size["longest_edge"], most_pixels)}

    def _place(self, ids: Tensor, views: Sequence[View]) -> np.ndarray:
        place = super()._place(ids, views)
        # Before a tile's tokens stand those that say where it is; the first of them is the same for all.
        first = self.tokenizer.convert_tokens_to_ids("<fake_token_around_image>")
        begins = np.flatnonzero(ids.numpy() == first)
        for view, (start, _) in enumerate(runs(ids == self.image_id)):
            place[begins[begins < start][-1] : start, :2] = views[view].picture, view
        return place


@dataclass(frozen=True)
class SmolVLM(Idefics):
    """SmolVLM2, whose processor reads films as well."""

    @classmethod
    def open_processor(cls, name: str) -> Any:
        """The processor of a checkpoint, by name or folder."""
        return SmolVLMStills.from_pretrained(name, trust_remote_code=False)
