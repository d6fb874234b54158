"""What training never sees, for the evaluation: talk beside the scene, words, and pictures that are no scenes."""

import json
import random
from pathlib import Path

from PIL import Image

from scenes.scene import IMAGE_SIZE, MATERIALS
from training.other_pictures import drawing, noise, photograph, photograph_files, plain, text

PHOTOS = Path(__file__).parent.parent / "assets" / "photos"  # the page's own examples
ASIDES_HELD_OUT: dict[str, list[str]] = json.loads(
    (Path(__file__).parent / "held_out_asides.json").read_text(encoding="utf-8")
)


def other_pictures_held_out(count: int, seed: int) -> list[tuple[Image.Image, str]]:
    """Pictures that are no scenes, and their kind; every other one is a photograph that was kept out of training."""
    rng = random.Random(f"other pictures {seed}")
    # Two of the page's photographs were trained on where they come from; the others were not.
    photos = [PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg", *photograph_files(MATERIALS / "photos" / "held")]
    made = []
    for number in range(count):
        kind = ("photograph", "text", "photograph", "drawing", "photograph", "noise", "photograph", "plain")[number % 8]
        if kind == "photograph":
            made.append((photograph(photos[number // 2 % len(photos)], rng), kind))
        else:
            draw = {"text": text, "drawing": drawing, "noise": noise, "plain": plain}[kind]
            made.append((draw(rng).resize((IMAGE_SIZE, IMAGE_SIZE)), kind))
    return made
