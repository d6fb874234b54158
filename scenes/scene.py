"""Emoji scenes: what is in them, where, and how they look. The seed of a scene determines every pixel of it.

Nothing here knows of questions, tokens or models.
"""

import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

SPRITES = Path(__file__).parent.parent / "assets" / "sprites"
MATERIALS = Path("runs/materials")  # what `python -m training.materials` collects for training; elsewhere absent

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
CELL = IMAGE_SIZE / 3  # pixels
# A digit has four patches to itself: reading it is a matter of memory, not of eyesight.
DIGIT = 2 * PATCH_SIZE  # side of a digit, pixels
PLATES = 0.4  # share of the scenes that hold a number, where there is room


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
class Plate:
    """A number of three to five keycap digits in a row; its middle lies in its cell.

    It is exact where things are forgiving: a dog half forgotten is still a dog, a digit is right or wrong.
    """

    digits: str
    cell: int
    pixels: int  # side of a digit
    corner: tuple[int, int]  # left and top, pixels

    @property
    def place(self) -> str:
        return PLACES[self.cell]


@dataclass(frozen=True)
class Scene:
    """A coloured background, two to six things ordered by cell, and perhaps a number, which counts as no thing."""

    background: str
    color: tuple[int, int, int]
    things: tuple[Thing, ...]
    plate: Plate | None = None

    def find(self, name: str) -> list[Thing]:
        """All things of that name."""
        return [thing for thing in self.things if thing.name == name]

    def at(self, cell: int) -> Thing | None:
        """The thing in a cell, or None."""
        return next((thing for thing in self.things if thing.cell == cell), None)


def random_scene(seed: int | str, plates: float = PLATES) -> Scene:
    """The scene of a seed; equal seeds give equal scenes, whatever else was drawn before.

    `plates` is the share that holds a number where there is room; it changes nothing else of a scene.
    """
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
    # Drawn last: the things of a seed are the same with a number and without.
    plate = _random_plate(rng, {thing.cell for thing in things}) if rng.random() < plates else None
    return Scene(background, color, tuple(things), plate)


def alike_scene(seed: int | str, plates: float = PLATES) -> Scene:
    """A scene whose things are of one category, most often but for one of them: the odd one out."""
    scene, rng = random_scene(seed, plates), random.Random(f"alike {seed}")
    shared, other = rng.sample(tuple(CATEGORIES), 2)
    names = [rng.choice(CATEGORIES[shared]) for _ in scene.things]
    if rng.random() < 0.7:
        names[rng.randrange(len(names))] = rng.choice(CATEGORIES[other])
    things = tuple(replace(thing, name=name) for thing, name in zip(scene.things, names, strict=True))
    return replace(scene, things=things)


def _random_plate(rng: random.Random, taken: set[int]) -> Plate | None:
    """A number in free cells, in step with the patches; None without room for three digits."""
    rooms: dict[int, list[tuple[int, tuple[int, int]]]] = {}
    for digits in range(3, 6):
        found = [
            (cell, (x, y))
            for x in range(0, IMAGE_SIZE - digits * DIGIT + 1, PATCH_SIZE)
            for y in range(0, IMAGE_SIZE - DIGIT + 1, PATCH_SIZE)
            if (cell := _cell_of_plate(x, y, digits, taken)) is not None
        ]
        if found:
            rooms[digits] = found
    if not rooms:
        return None
    digits = rng.choice(tuple(rooms))
    cell, corner = rng.choice(rooms[digits])
    return Plate("".join(rng.choice("0123456789") for _ in range(digits)), cell, DIGIT, corner)


def _cell_of_plate(x: int, y: int, digits: int, taken: set[int]) -> int | None:
    """The cell of a number with that left and top; None where it is in the way or nobody could say which it is."""
    middle, row = x + digits * DIGIT / 2, int(y // CELL)
    if y + DIGIT > (row + 1) * CELL:
        return None
    if min(abs(middle - border * CELL) for border in (1, 2)) < PATCH_SIZE:
        return None
    touched = {3 * row + column for column in range(int(x // CELL), int((x + digits * DIGIT - 1) // CELL) + 1)}
    return None if touched & taken else 3 * row + int(middle // CELL)


@cache
def sprite(name: str, pixels: int, folder: Path = SPRITES) -> np.ndarray:
    """The picture of an object or a digit, its longest side `pixels` long: (height, width, 4) uint8."""
    picture = Image.open(folder / f"{name}.png").convert("RGBA")
    scale = pixels / max(picture.size)
    size = [max(1, round(side * scale)) for side in picture.size]
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def corner(thing: Thing, width: int, height: int) -> tuple[int, int]:
    """Left and top, in pixels, of a thing that is drawn with that width and height."""
    row, column = divmod(thing.cell, 3)
    across, down = thing.offset
    return int(column * CELL + (CELL - width) * across), int(row * CELL + (CELL - height) * down)


def render(scene: Scene) -> tuple[Image.Image, np.ndarray]:
    """Draw a scene: the picture, and per pixel the number of what covers it.

    0 is the background, i + 1 is things[i]; the digits of the plate are counted on from the things.
    """
    canvas = np.empty((IMAGE_SIZE, IMAGE_SIZE, 3), np.float32)
    canvas[:] = scene.color
    covered = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for number, thing in enumerate(scene.things, start=1):
        picture = sprite(thing.name, thing.pixels)
        lay(canvas, covered, picture, corner(thing, picture.shape[1], picture.shape[0]), number)
    if scene.plate:
        left, top = scene.plate.corner
        for place, digit in enumerate(scene.plate.digits):
            at = left + place * scene.plate.pixels, top
            lay(canvas, covered, sprite(digit, scene.plate.pixels), at, len(scene.things) + 1 + place)
    return Image.fromarray(canvas.round().astype(np.uint8)), covered


def lay(canvas: np.ndarray, covered: np.ndarray, picture: np.ndarray, at: tuple[int, int], number: int) -> None:
    """Lay a sprite on the canvas with its left and top `at`, cutting off what lies outside."""
    x, y = at
    cut = picture[max(0, -y) : IMAGE_SIZE - y, max(0, -x) : IMAGE_SIZE - x]
    window = slice(max(0, y), max(0, y) + cut.shape[0]), slice(max(0, x), max(0, x) + cut.shape[1])
    alpha = cut[..., 3:].astype(np.float32) / 255
    canvas[window] += (cut[..., :3] - canvas[window]) * alpha
    covered[window][cut[..., 3] > 128] = number


def patch_things(covered: np.ndarray) -> np.ndarray:
    """Per patch the number of what covers most of it, 0 where nothing covers a sixth: (GRID * GRID,)."""
    blocks = covered.reshape(GRID, PATCH_SIZE, GRID, PATCH_SIZE).swapaxes(1, 2).reshape(GRID * GRID, -1)
    counts = np.stack([(blocks == number).sum(1) for number in range(1, max(1, covered.max()) + 1)], axis=1)
    return np.where(counts.max(1) > PATCH_SIZE**2 / 6, counts.argmax(1) + 1, 0)
