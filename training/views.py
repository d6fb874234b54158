"""Pictures as the model gets them, with what each patch shows: scenes in any style, numbers, and what is no scene."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from transformers import LlavaProcessor

from scenes.scene import (
    BACKGROUNDS,
    CATEGORIES,
    CELL,
    GRID,
    OBJECTS,
    PATCH_SIZE,
    PLATES,
    SIZES,
    Plate,
    Scene,
    alike_scene,
    patch_things,
    random_scene,
    render,
)
from training.other_pictures import other_picture
from training.styles import draw_styled

IGNORED = -100  # label of a position without a loss
NAMES = ("nothing", *OBJECTS, "number", "photo")  # what a patch can show
NUMBERS_ONLY = 0.4  # share of the pictures without text that show nothing but numbers
ALIKE = 0.3  # share of the scenes in which one thing may be the odd one out

PatchTargets = dict[str, np.ndarray]


def patch_targets(scene: Scene | None, covered: np.ndarray) -> PatchTargets:
    """What each patch shows: thing, category, row, column, size, colour where free, whether it is a thing's middle.

    Of a number: its digit and which of the number's digits it is. A picture that is no scene shows "photo" everywhere.
    Every array is (GRID * GRID,) of class numbers, IGNORED where the question makes no sense.
    """
    nowhere = np.full(GRID * GRID, IGNORED, np.int64)
    if scene is None:
        targets = dict.fromkeys(("category", "row", "column", "size", "color", "digit", "order", "middle"), nowhere)
        return {"name": np.full(GRID * GRID, NAMES.index("photo"))} | targets
    shown = patch_things(covered)
    kinds, sizes = tuple(CATEGORIES), tuple(SIZES)
    things, plate = scene.things, scene.plate
    digits = plate.digits if plate else ""
    cells = [thing.cell for thing in things] + [plate.cell for _ in digits]
    none = [IGNORED] * len(digits)
    of_number = {  # of things[0], things[1], ..., then of each digit
        "name": [NAMES.index(thing.name) for thing in things] + [NAMES.index("number")] * len(digits),
        "category": [kinds.index(thing.category) for thing in things] + none,
        "row": [cell // 3 for cell in cells],
        "column": [cell % 3 for cell in cells],
        "size": [sizes.index(thing.size) for thing in things] + none,
        "digit": [IGNORED] * len(things) + [int(digit) for digit in digits],
        "order": [IGNORED] * len(things) + list(range(len(digits))),
    }
    return _targets(of_number, shown, tuple(BACKGROUNDS).index(scene.background), len(things))


def _targets(of_number: dict[str, list[int]], shown: np.ndarray, color: int, things: int) -> PatchTargets:
    """What is told of everything that is shown, laid out per patch; the first `things` numbers are things."""
    targets = {key: np.array([IGNORED, *values])[shown] for key, values in of_number.items()}
    targets["name"] = np.where(shown > 0, targets["name"], 0)
    targets["color"] = np.where(shown == 0, color, IGNORED)
    targets["middle"] = np.zeros(GRID * GRID, np.int64)
    for number in np.unique(shown[(shown > 0) & (shown <= things)]):
        at = np.flatnonzero(shown == number)
        rows, columns = np.divmod(at, GRID)
        nearest = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
        targets["middle"][at[nearest.argmin()]] = 1
    return targets


def numbers_view(views: "Views", rng: random.Random) -> "SceneView":
    """A picture full of numbers, for the stage without text: ten times as many digits to learn from as a scene has."""
    color = rng.choice(tuple(BACKGROUNDS))
    # Half of them in step with the patches, each digit on four: shapes are learned there first, then anywhere.
    in_step = rng.random() < 0.5
    cells = [(row, column) for row in range(4) for column in range(2)] if in_step else [divmod(n, 3) for n in range(9)]
    plates = []
    for row, column in cells:
        if in_step:
            side, count = 2 * PATCH_SIZE, 3
            corner = (column * 8 + rng.randint(0, 1)) * PATCH_SIZE, row * 4 * PATCH_SIZE
        else:
            side = rng.randint(14, 25)
            count = min(rng.randint(3, 5), int(CELL) // side)
            room = int(CELL) - count * side
            corner = int(column * CELL) + rng.randint(0, room), int(row * CELL) + rng.randint(0, int(CELL) - side)
        plates.append(Plate("".join(rng.choices("0123456789", k=count)), 0, side, corner))
    picture, covered = draw_styled(Scene(color, BACKGROUNDS[color], ()), rng, plates)
    digits = [(plate, place) for plate in plates for place in range(len(plate.digits))]
    none = [IGNORED] * len(digits)
    of_number = {
        "name": [NAMES.index("number")] * len(digits),
        "category": none,
        "row": none,  # here numbers stand anywhere
        "column": none,
        "size": none,
        "digit": [int(plate.digits[place]) for plate, place in digits],
        "order": [place for _, place in digits],
    }
    shown = patch_things(covered)
    return SceneView(None, views.pixels(picture), _targets(of_number, shown, tuple(BACKGROUNDS).index(color), 0), shown)


@dataclass(frozen=True)
class SceneView:
    """A picture as the model gets it, with what each patch shows; `scene` is None for what is no scene."""

    scene: Scene | None
    pixels: np.ndarray  # (3, 224, 224) float32
    patches: PatchTargets
    shown: np.ndarray  # (P,) number of what each patch shows, 0 for nothing


class Views:
    """Draws views; `others` is the share of pictures that are no scenes, `styled` of scenes drawn in another style.

    `plates` is the share of scenes that hold a number.
    """

    def __init__(
        self, processor: LlavaProcessor, others: float = 0.0, styled: float = 0.0, plates: float = PLATES
    ) -> None:
        self.others, self.styled, self.plates = others, styled, plates
        self.mean = np.array(processor.image_processor.image_mean, np.float32)
        self.std = np.array(processor.image_processor.image_std, np.float32)

    def pixels(self, picture: Image.Image) -> np.ndarray:
        """What the processor makes of a picture that has the model's size, at a tenth of its time: (3, 224, 224)."""
        return ((np.asarray(picture, np.float32) / 255 - self.mean) / self.std).transpose(2, 0, 1)

    def of(self, scene: Scene, rng: random.Random | None = None) -> SceneView:
        """A scene as the page draws it; in another style at times, if there is chance."""
        picture, covered = draw_styled(scene, rng) if rng and rng.random() < self.styled else render(scene)
        return SceneView(scene, self.pixels(picture), patch_targets(scene, covered), patch_things(covered))

    def drawn(self, name: str) -> SceneView:
        """The view of that name, a scene or something else."""
        rng = random.Random(f"view {name}")
        if rng.random() >= self.others:
            return self.of((alike_scene if rng.random() < ALIKE else random_scene)(name, self.plates), rng)
        picture, _ = other_picture(rng)
        nothing = np.zeros((GRID * PATCH_SIZE, GRID * PATCH_SIZE), np.uint8)
        return SceneView(None, self.pixels(picture), patch_targets(None, nothing), patch_things(nothing))


class Pictures(Dataset):
    """Views without any text, for the stage in which only the tower learns."""

    def __init__(self, views: Views, start: int, count: int) -> None:
        self.views, self.start, self.count = views, start, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> SceneView:
        name = f"train {self.start + index}"
        rng = random.Random(f"picture {name}")
        return numbers_view(self.views, rng) if rng.random() < NUMBERS_ONLY else self.views.drawn(name)


def collate_views(views: list[SceneView]) -> tuple[Tensor, dict[str, Tensor]]:
    """Pixels (B, 3, 224, 224) and, per question to a patch, classes (B, P)."""
    keys = views[0].patches
    patches = {key: torch.from_numpy(np.stack([view.patches[key] for view in views])) for key in keys}
    return torch.from_numpy(np.stack([view.pixels for view in views])), patches
