"""How much attention went to what was forgotten: LESS, word by word and layer by layer."""

import torch
from PIL import Image

from benchmarks.printed.paper import INK, ORANGE, Paper
from elastic.engine import compress, decode, prefill
from elastic.model import Llava
from elastic.policies.h2o import H2O
from elastic.policies.less import LESS
from scenes.scene import random_scene, render

SEED, QUESTION, KEEP = "2057", "Describe the image.", 0.1
MOST, GAP, CELL = 40, 60, (44, 90)


@torch.inference_mode()
def draw(llava: Llava) -> Image.Image:
    """A table of layers and words, and what the same cache writes without a memory."""
    picture = render(random_scene(SEED))[0]
    policies = LESS(keep=KEEP), H2O(keep=KEEP)
    start = prefill(llava, llava.first_turn(picture, QUESTION), policies[0].needs | policies[1].needs)
    steps, without = (list(decode(compress(start, policy, 200), MOST)) for policy in policies)
    # The first word was chosen when all of the prompt had been read.
    shares = torch.stack([step.forgotten.mean(1) for step in steps if step.forgotten is not None], 1).numpy()
    words = [llava.pieces([step.token])[0] for step in steps if step.forgotten is not None]
    most = float(shares.max())
    paper = Paper(2 * GAP + 110 + CELL[0] * MOST, 1010)
    told = f"LESS keeps {KEEP:.0%} of the tokens, and of all others one memory: the attention that went to it"
    paper.text((GAP, 24), told, 34)
    left = GAP + 110
    paper.table((left, 190), shares / most, CELL, ORANGE)
    for layer in range(len(shares)):
        paper.text((GAP, 190 + CELL[1] * layer + 26), f"layer {layer + 1}", 24)
    for column, word in enumerate(words):
        _upright(paper, (left + column * CELL[0] + 8, 70), word.strip())
        for layer, share in enumerate(shares[:, column]):
            paper.text((left + column * CELL[0] + 5, 190 + CELL[1] * layer + 30), f"{share:.0%}", 16)
    below = 190 + CELL[1] * len(shares) + 24
    paper.text((GAP, below), f"Mean of all layers and words: {shares.mean():.0%}; the darkest cell: {most:.0%}.", 24)
    for row, (policy, said) in enumerate(zip(policies, (steps, without), strict=True)):
        text = llava.text([step.token for step in said])
        paper.text((GAP, below + 50 + 84 * row), f"{policy.title}: {text}", 24, INK, paper.image.width - 2 * GAP)
    return paper.image


def _upright(paper: Paper, at: tuple[int, int], word: str) -> None:
    """A word that is read from below."""
    strip = Paper(120, 30)
    strip.text((2, 2), word, 20)
    paper.image.paste(strip.image.rotate(90, expand=True), at)
