"""Fewer tokens before the language model reads, and fewer slots after: the same bytes, two moments to choose."""

import numpy as np
import torch
from PIL import Image

from benchmarks.kept import lost
from benchmarks.printed.paper import GREEN, INK, RED, VEIL, Paper
from elastic.engine import compress, decode, prefill
from elastic.fronts import FRONTS
from elastic.model import Llava
from elastic.policies import POLICIES
from elastic.policies.base import PATCH
from elastic.shortening import shorten
from scenes.scene import random_scene, render

SEED, KEEP = "2057", 0.2
QUESTIONS = ("Where is the tractor?", "Describe the image.")
BEFORE, AFTER = ("visionzip", "divprune"), ("snapkv", "elastic-plus")
SIDE, GAP = 460, 40


@torch.inference_mode()
def draw(llava: Llava) -> Image.Image:
    """A column for each way: what is left of the picture, and what is said, with as many bytes."""
    picture = render(random_scene(SEED))[0]
    policies = [POLICIES[name](keep=KEEP) for name in AFTER]
    needs = frozenset().union(*(policy.needs for policy in policies))
    paper = Paper(GAP + (len(BEFORE) + len(AFTER)) * (SIDE + GAP), 1110)
    paper.text(
        (GAP, 24), f"{KEEP:.0%} of the bytes: tokens left out before the language model reads, or compressed after", 34
    )
    for row, question in enumerate(QUESTIONS):
        prompt = llava.first_turn(picture, question)
        start = prefill(llava, prompt, needs, record_attention=False)
        right = llava.text([step.token for step in decode(compress(start, POLICIES["full"]()), 96)])
        is_patch, view = (start.cache.tables.kinds[0] == PATCH).numpy(), start.views[0]
        columns = []
        for name in BEFORE:
            front = FRONTS[name](keep=KEEP)
            shorter = shorten(llava, prompt, front)
            assert shorter.shortened is not None  # it has just been made so
            state = compress(prefill(llava, shorter, record_attention=False), POLICIES["full"]())
            owner = shorter.shortened.owner
            held = np.where(owner < 0, 0, np.where(owner == np.arange(len(owner)), 1, 0.5))
            columns.append((front.title, state, held))
        for policy in policies:
            state = compress(start, policy)
            columns.append((policy.title, state, 1 - lost(state)))
        for column, (title, state, held) in enumerate(columns):
            left, share = GAP + column * (SIDE + GAP), sum(state.cache.bytes_held) / sum(start.cache.bytes_held)
            top = 96
            if not row:
                read = prompt.ids.shape[1] if column >= len(BEFORE) else state.seen
                paper.text((left, top), f"{title}: {share:.1%} held, {read} tokens read", 22)
                cells = 1 - np.asarray(held, np.float32)[is_patch].reshape(view.rows, view.columns)
                paper.picture((left, top + 40), picture, SIDE, cells)
            said = llava.text([step.token for step in decode(state, 96)])
            top = 96 + 40 + SIDE + 24 + 110 * row
            top = paper.text((left, top), question, 21, INK, SIDE)
            paper.text((left, top), said, 21, GREEN if said == right else RED, SIDE)
    paper.text((GAP, paper.image.height - 46), VEIL, 22)
    return paper.image
