"""What reuse leaves behind: where a question looks in a picture read elsewhere, and how reading anew ends it."""

import numpy as np
import torch
from PIL import Image

from benchmarks.link import FULL, ITSELF, prompts
from benchmarks.printed.paper import BLUE, FAINT, INK, ORANGE, Paper
from elastic.engine import link, prefill
from elastic.model import Llava
from elastic.statistics import Attention
from elastic.statistics.tokens import Queries

ANEW = {FULL: None, "k = 0, nothing is read anew": 0, "k = 1, the first token is": 1, "k = 16, the first 16 are": 16}
TOKENS, SCENES = 24, 8
WIDE, HIGH, GAP = 46, 150, 60


@torch.inference_mode()
def looks(llava: Llava, scenes: int = SCENES) -> dict[str, np.ndarray]:
    """The share of the question's attention on each of the chunk's first tokens (TOKENS,), the mean of some scenes."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in ANEW}
    for ways in prompts(llava, scenes):
        way = next(way for way in ways if way.how == ITSELF)
        first, words = way.before.ids.shape[1], way.behind.ids.shape[1]
        statistic = Attention(rows=Queries.LAST, n=words)
        for name, k in ANEW.items():
            parts = [way.before, way.chunk, way.behind]
            state = prefill(llava, way.whole, [statistic]) if k is None else link(llava, parts, k, [statistic])
            received = state.cache.tables.scores[statistic][:, 0, first : first + TOKENS]
            found[name].append(received.mean(0).numpy() / words)
    return {name: np.mean(each, 0) for name, each in found.items()}


def draw(llava: Llava) -> Image.Image:
    """A row of bars for a full reading and for each number of tokens that are read anew."""
    found = looks(llava)
    most = max(share.max() for share in found.values())
    paper = Paper(2 * GAP + TOKENS * WIDE, 150 + len(found) * (HIGH + 90) + 60)
    paper.text((GAP, 24), "A picture that was read before, put behind another question", 34)
    told = f"Share of the question's attention on each of the chunk's first {TOKENS} tokens, mean of {SCENES} scenes"
    paper.text((GAP, 78), told, 24)
    for row, (name, share) in enumerate(found.items()):
        top = 140 + row * (HIGH + 90)
        paper.text((GAP, top), f"{name}: {share[:4].sum():.1%} on the first four", 24)
        for token, value in enumerate(share):
            left, tall = GAP + token * WIDE, HIGH * float(value) / most
            colour = BLUE if name == FULL else ORANGE
            paper.draw.rectangle((left + 4, top + 40 + HIGH - tall, left + WIDE - 4, top + 40 + HIGH), fill=colour)
        paper.line([(GAP, top + 41 + HIGH), (GAP + TOKENS * WIDE, top + 41 + HIGH)], FAINT, 2)
    paper.text(
        (GAP, paper.image.height - 56), "The chunk begins with the beginning of a text; its patches follow.", 22, INK
    )
    return paper.image
