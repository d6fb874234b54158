"""What a word reads of a cache that holds everything: a strip of words, and beside each what was fetched for it."""

import numpy as np
import torch
from PIL import Image

from benchmarks.printed.paper import BLUE, FAINT, INK, Paper
from elastic.engine import compress, decode, prefill
from elastic.model import Llava
from elastic.policies import POLICIES
from elastic.policies.base import PATCH
from scenes.scene import random_scene, render

SEED, QUESTION, KEEP = "2057", "Describe the image.", 0.2
METHODS = ("quest", "pqcache")
WORDS, SIDE, GAP = 6, 300, 30


@torch.inference_mode()
def draw(llava: Llava) -> Image.Image:
    """A row for each method: at six words of its answer, how many heads read each patch at that word."""
    picture = render(random_scene(SEED))[0]
    chosen = [POLICIES[name](keep=KEEP) for name in METHODS]
    needs = frozenset().union(*(policy.needs for policy in chosen))
    start = prefill(llava, llava.first_turn(picture, QUESTION), needs)
    is_patch, view = (start.cache.tables.kinds[0] == PATCH).numpy(), start.views[0]
    paper = Paper(GAP + WORDS * (SIDE + GAP), 1100)
    paper.text((GAP, 24), f"Everything is held, and each word is asked to read {KEEP:.0%} of it", 34)
    for row, policy in enumerate(chosen):
        top = 90 + row * 490
        steps = list(decode(compress(start, policy, 200), 96))
        told = [
            number for number, step in enumerate(steps) if number and llava.pieces([step.token])[0].strip().isalpha()
        ]
        shown = [told[len(told) * number // WORDS] for number in range(WORDS)]
        share = [sum(steps[number].bytes_read) / sum(steps[number].bytes_held) for number in shown]
        held = sum(steps[shown[0]].bytes_held) / sum(start.cache.bytes_held)
        paper.text(
            (GAP, top),
            f"{policy.title}: holds {held:.0%} of the full cache, its index included; "
            f"a word reads {min(share):.0%} to {max(share):.0%} of that",
            26,
        )
        for column, number in enumerate(shown):
            left = GAP + column * (SIDE + GAP)
            read = steps[number].read
            assert read is not None  # both methods read a part
            of_patches = read.mean(0).numpy()[: len(is_patch)][is_patch].reshape(view.rows, view.columns)
            paper.picture((left, top + 44), picture, SIDE, 1 - of_patches)
            word = llava.pieces([steps[number].token])[0].strip()
            paper.text((left, top + 52 + SIDE), f"word {number + 1}: “{word}”", 24)
            _layers(paper, (left, top + 92 + SIDE), read.numpy()[:, : len(is_patch)])
    paper.text(
        (GAP, 1060),
        "Strips: one row per layer, one column per token of the prompt; the darker, the more heads read it.",
        20,
        INK,
    )
    return paper.image


def _layers(paper: Paper, at: tuple[int, int], read: np.ndarray) -> None:
    """Which tokens (L, T) each layer read, as wide as a picture."""
    columns = np.array_split(np.arange(read.shape[1]), SIDE // 2)
    paper.table(at, np.stack([read[:, some].mean(1) for some in columns], 1), (2, 60 // len(read)), BLUE)
    paper.draw.rectangle((*at, at[0] + SIDE, at[1] + 60 // len(read) * len(read)), outline=FAINT)
