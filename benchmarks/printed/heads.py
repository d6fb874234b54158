"""Who needs the room? How many tokens each head holds of one prompt, where heads may hold different numbers."""

import numpy as np
import torch
from PIL import Image

from benchmarks.printed.sheet import BLUE, INK, Sheet
from elastic.engine import compress, prefill
from elastic.model import Llava
from elastic.options import read_policy
from scenes.scene import random_scene, render

SEED, KEEP, QUESTION = "2057", 0.2, "Where is the tractor?"
METHODS = {
    "snapkv": "SnapKV: all alike",
    "adakv": "Ada-KV: heads of a layer share",
    "sparsemm": "SparseMM: those that look at things have more",
    "kvzip:shared=all layers": "KVzip: all heads of all layers share",
}
CELL, GAP = (96, 62), 60


def held(llava: Llava, text: str) -> tuple[np.ndarray, int]:
    """Tokens that each head of each layer holds (L, H), and how many there are."""
    policy = read_policy(f"{text}{';' if ':' in text else ':'}keep={KEEP}")
    start = prefill(llava, llava.first_turn(render(random_scene(SEED))[0], QUESTION), policy.needs, False)
    tables = compress(start, policy).cache.tables
    heads = llava.model.config.text_config.num_key_value_heads
    return tables.filled.expand(-1, heads).numpy() if tables.rows == 1 else tables.filled.numpy(), start.seen


@torch.inference_mode()
def draw(llava: Llava) -> Image.Image:
    """A table for each method, a row per layer and a column per head."""
    found = {text: held(llava, text) for text in METHODS}
    most = max(numbers.max() for numbers, _ in found.values())
    layers, heads = next(iter(found.values()))[0].shape
    wide = max(heads * CELL[0], 440) + GAP
    sheet = Sheet(GAP + len(found) * wide, 200 + layers * CELL[1] + 130)
    seen = next(iter(found.values()))[1]
    sheet.text((GAP, 24), f"Tokens that each head holds of a prompt of {seen}, with {KEEP:.0%} of the bytes in all", 34)
    for number, (text, title) in enumerate(METHODS.items()):
        numbers, left = found[text][0], GAP + number * wide
        sheet.text((left, 92), title, 24, INK, wide - GAP)
        sheet.table((left, 170), numbers / most, CELL, BLUE)
        for layer, head in np.ndindex(numbers.shape):
            dark = numbers[layer, head] > 0.7 * most
            at = (left + head * CELL[0] + 26, 170 + layer * CELL[1] + 18)
            sheet.text(at, f"{numbers[layer, head]:.0f}", 24, (255, 255, 255) if dark else INK)
        below = 170 + layers * CELL[1] + 12
        sheet.text(
            (left, below), f"{numbers.mean():.1f} on average, from {numbers.min():.0f} to {numbers.max():.0f}", 24
        )
    sheet.text((GAP, sheet.image.height - 56), "A row is a layer, the first on top; a column is a head with keys.", 22)
    return sheet.image
