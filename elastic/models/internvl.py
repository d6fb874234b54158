"""InternVL: a picture in one to twelve square tiles, side by side as its shape wants it, and behind them the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

from elastic.models.llava import Llava
from elastic.models.pictures import runs, shown
from elastic.models.reading import PIXELS, WHOLE, View
from elastic.models.stills import InternVLStills


@dataclass(frozen=True)
class InternVL(Llava):
    """InternVL3, converted for the library."""

    @classmethod
    def open_processor(cls, name: str) -> Any:
        """The processor of a checkpoint, by name or folder."""
        return InternVLStills.from_pretrained(name, trust_remote_code=False)

    @property
    def _tile_tokens(self) -> int:
        """Tokens of a tile, which are set from what is known of the tower."""
        processor: Any = self.processor
        return int(processor.image_seq_length)

    def _views(self, pictures: Sequence[Image.Image], ids: Tensor, inputs: Mapping[str, Tensor]) -> list[View]:
        images, tokens = self.processor.image_processor, self._tile_tokens
        side, views = int(tokens**0.5), list[View]()
        seen = [shown(pixels, images) for pixels in inputs[PIXELS]]
        for number, (_, length) in enumerate(runs(ids == self.image_id)):
            tiles = length // tokens
            boxes = [WHOLE]
            if tiles > 1:
                columns, rows = self._tiling(pictures[number].size, tiles - 1)
                grid = [divmod(tile, columns) for tile in range(tiles - 1)]
                boxes = [(c / columns, r / rows, (c + 1) / columns, (r + 1) / rows) for r, c in grid] + boxes
            views += [View(seen[len(views) + at], side, side, box, number) for at, box in enumerate(boxes)]
        return views

    def _cap(self, images: Any, most: int) -> None:
        tokens = self._tile_tokens
        self._check_cap(most, tokens)
        images.max_patches = min(images.max_patches, max(1, most // tokens - 1))
        images.min_patches = min(images.min_patches, images.max_patches)

    def _tiling(self, size: tuple[int, int], tiles: int) -> tuple[int, int]:
        """Columns and rows that so many tiles of a picture (width, height) stand in."""
        images = self.processor.image_processor
        tile = images.size["height"], images.size["width"]
        columns, rows = get_optimal_tiled_canvas((size[1], size[0]), tile, images.min_patches, images.max_patches)
        if columns * rows != tiles:
            raise ValueError(
                f"A picture has {tiles} tiles for {self.title!r}, and its processor would make {columns * rows}: take "
                "preprocessor_config.json from where the weights were published."
            )
        return columns, rows
