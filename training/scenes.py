"""Emoji scenes: what is in them, where, and how they look. The seed of a scene determines every pixel of it.

Nothing here knows of questions, tokens or models.
"""

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

SPRITES = Path(__file__).parent.parent / "assets" / "sprites"

IMAGE_SIZE = 224  # pixels
PATCH_SIZE = 14  # pixels
GRID = IMAGE_SIZE // PATCH_SIZE  # patches per side

CATEGORIES: dict[str, tuple[str, ...]] = {
    "animal": (
        *("dog", "cat", "horse", "cow", "pig", "frog", "monkey", "elephant"),
        *("penguin", "fish", "octopus", "bee", "turtle", "owl", "rabbit", "lion"),
    ),
    "food": (
        *("pizza", "apple", "banana", "carrot", "burger", "donut", "cheese"),
        *("cake", "lemon", "pear", "cookie", "egg", "pretzel", "strawberry"),
    ),
    "vehicle": (
        *("car", "bus", "train", "bicycle", "rocket", "airplane"),
        *("boat", "tractor", "helicopter", "truck", "scooter"),
    ),
    "plant": ("tree", "cactus", "rose", "sunflower", "mushroom", "palm"),
    "tool": ("hammer", "wrench", "axe", "key", "pencil", "magnet", "broom", "ladder", "camera"),
    "toy": ("ball", "balloon", "kite", "teddy", "robot", "puzzle", "yoyo", "doll"),
}
CATEGORY_OF: dict[str, str] = {name: category for category, names in CATEGORIES.items() for name in names}
OBJECTS: tuple[str, ...] = tuple(CATEGORY_OF)

BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (250, 250, 250),
    "gray": (185, 185, 185),
    "yellow": (250, 236, 150),
    "blue": (160, 200, 245),
    "pink": (250, 190, 210),
    "green": (175, 230, 165),
    "purple": (200, 175, 240),
    "orange": (250, 200, 145),
}
# Cells of the 3 x 3 grid in reading order.
PLACES = (
    *("top left", "top", "top right"),
    *("left", "center", "right"),
    *("bottom left", "bottom", "bottom right"),
)
SIZES: dict[str, tuple[int, int]] = {"small": (34, 42), "large": (60, 70)}  # longest side, pixels


@dataclass(frozen=True)
class Thing:
    """One object of a scene: its name, its cell (0..8 in reading order), its size and where its pixels go."""

    name: str
    cell: int
    size: str
    pixels: int  # longest side
    offset: tuple[float, float]  # position inside the free room of the cell, 0..1 across and down

    @property
    def category(self) -> str:
        return CATEGORY_OF[self.name]

    @property
    def place(self) -> str:
        return PLACES[self.cell]


@dataclass(frozen=True)
class Scene:
    """A coloured background and two to six things, ordered by cell."""

    background: str
    color: tuple[int, int, int]
    things: tuple[Thing, ...]

    def find(self, name: str) -> list[Thing]:
        """All things of that name."""
        return [thing for thing in self.things if thing.name == name]

    def at(self, cell: int) -> Thing | None:
        """The thing in a cell, or None."""
        return next((thing for thing in self.things if thing.cell == cell), None)


def random_scene(seed: int | str) -> Scene:
    """The scene of a seed; equal seeds give equal scenes, whatever else was drawn before."""
    rng = random.Random(f"scene {seed}")
    background = rng.choice(tuple(BACKGROUNDS))
    color = tuple(min(255, max(0, c + rng.randint(-10, 10))) for c in BACKGROUNDS[background])
    names: list[str] = []
    things = []
    for cell in sorted(rng.sample(range(9), rng.randint(2, 6))):
        # Repeats are drawn on purpose: without them every count would be one.
        names.append(rng.choice(names) if names and rng.random() < 0.25 else rng.choice(OBJECTS))
        size = rng.choice(tuple(SIZES))
        things.append(Thing(names[-1], cell, size, rng.randint(*SIZES[size]), (rng.random(), rng.random())))
    return Scene(background, color, tuple(things))


@cache
def sprite(name: str, pixels: int) -> np.ndarray:
    """The picture of an object, its longest side `pixels` long: (height, width, 4) uint8."""
    picture = Image.open(SPRITES / f"{name}.png").convert("RGBA")
    scale = pixels / max(picture.size)
    size = [max(1, round(side * scale)) for side in picture.size]
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def render(scene: Scene) -> tuple[Image.Image, np.ndarray]:
    """Draw a scene: the picture, and per pixel the number of the thing that covers it (0 none, i + 1 for things[i])."""
    canvas = np.empty((IMAGE_SIZE, IMAGE_SIZE, 3), np.float32)
    canvas[:] = scene.color
    covered = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    cell_size = IMAGE_SIZE / 3
    for number, thing in enumerate(scene.things, start=1):
        picture = sprite(thing.name, thing.pixels)
        height, width = picture.shape[:2]
        row, column = divmod(thing.cell, 3)
        x = int(column * cell_size + (cell_size - width) * thing.offset[0])
        y = int(row * cell_size + (cell_size - height) * thing.offset[1])
        window = slice(y, y + height), slice(x, x + width)
        alpha = picture[..., 3:].astype(np.float32) / 255
        canvas[window] += (picture[..., :3] - canvas[window]) * alpha
        covered[window][picture[..., 3] > 128] = number
    return Image.fromarray(canvas.round().astype(np.uint8)), covered


def patch_things(covered: np.ndarray) -> np.ndarray:
    """Per patch the number of the thing that covers most of it, 0 where none covers a sixth: (GRID * GRID,)."""
    blocks = covered.reshape(GRID, PATCH_SIZE, GRID, PATCH_SIZE).swapaxes(1, 2).reshape(GRID * GRID, -1)
    counts = np.stack([(blocks == number).sum(1) for number in range(1, covered.max() + 1)], axis=1)
    return np.where(counts.max(1) > PATCH_SIZE**2 / 6, counts.argmax(1) + 1, 0)
