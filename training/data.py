"""Training samples: one picture with many questions, each able to see the picture and itself only.

Packing questions behind one shared picture makes the picture's tokens cheap, and hiding the questions from one another
keeps the model from copying an answer that stands in an earlier one: it must look. A share of the samples are
conversations instead, seen whole. Sample `i` is the same whatever was drawn before it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from transformers import LlavaProcessor

from training.other_pictures import other_picture
from training.questions import NO_SCENE, NUMBER_SKILLS, SHORT_SKILLS, Question, Said, ask
from training.scenes import (
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
from training.styles import draw_styled
from training.talk import ASIDES, aside, conversation
from training.typing import messy

IGNORED = -100  # label of a position without a loss
DESCRIBED = 0.4  # share of the packs that hold a description, the longest answer and the slowest to learn
OFTEN = dict.fromkeys(SHORT_SKILLS, 2) | {  # how often a skill is asked about: what is hard to learn oftener
    **{"background": 1, "size": 1, "kind": 1, "count_all": 1, "only": 1, "odd": 1},
    **{"relation": 4, "next_to": 3, "count_object": 3, "count_category": 3, "list_category": 3, "more": 3},
}
NUMBERS_ONLY = 0.4  # share of the pictures without text that show nothing but numbers
ALIKE = 0.12  # share of the scenes in which one thing may be the odd one out
FRIENDLY = ("greeting", "thanks", "goodbye")  # answered alike whatever the picture shows

NAMES = ("nothing", *OBJECTS, "number", "photo")  # what a patch can show

PatchTargets = dict[str, np.ndarray]


@dataclass(frozen=True)
class Look:
    """A token that should look at the patches of some things (numbered from 1), or at the first token if there is none.

    Looking at the first token is how "it is not there" shows itself to the words that follow.
    """

    stage: str  # one of STAGES
    token: int
    things: tuple[int, ...]


# The word that is asked about; a token from which a word of the answer is written; one from which a number is.
STAGES = ("subject", "answer", "count")


@dataclass(frozen=True)
class Sample:
    """One picture with its packed text; `turn` numbers the answer a token belongs to, 0 for what all can see."""

    pixels: np.ndarray  # (3, 224, 224) float32
    ids: list[int]
    labels: list[int]
    positions: list[int]
    turn: list[int]
    alone: bool  # whether the turns are hidden from each other
    skills: list[str]  # of turn 1, 2, ...
    patches: PatchTargets
    shown: np.ndarray  # (P,) number of the thing each patch shows, 0 for none
    looks: list["Look"]


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


def numbers_view(views: "Views", rng: random.Random) -> "View":
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
    return View(None, views.pixels(picture), _targets(of_number, shown, tuple(BACKGROUNDS).index(color), 0), shown)


@dataclass(frozen=True)
class View:
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

    def of(self, scene: Scene, rng: random.Random | None = None) -> View:
        """A scene as the page draws it; in another style at times, if there is chance."""
        picture, covered = draw_styled(scene, rng) if rng and rng.random() < self.styled else render(scene)
        return View(scene, self.pixels(picture), patch_targets(scene, covered), patch_things(covered))

    def drawn(self, name: str) -> View:
        """The view of that name, a scene or something else."""
        rng = random.Random(f"view {name}")
        if rng.random() >= self.others:
            return self.of((alike_scene if rng.random() < ALIKE else random_scene)(name, self.plates), rng)
        picture, _ = other_picture(rng)
        nothing = np.zeros((GRID * PATCH_SIZE, GRID * PATCH_SIZE), np.uint8)
        return View(None, self.pixels(picture), patch_targets(None, nothing), patch_things(nothing))


class Pictures(Dataset):
    """Views without any text, for the stage in which only the tower learns."""

    def __init__(self, views: Views, start: int, count: int) -> None:
        self.views, self.start, self.count = views, start, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> View:
        name = f"train {self.start + index}"
        rng = random.Random(f"picture {name}")
        return numbers_view(self.views, rng) if rng.random() < NUMBERS_ONLY else self.views.drawn(name)


def collate_views(views: list[View]) -> tuple[Tensor, dict[str, Tensor]]:
    """Pixels (B, 3, 224, 224) and, per question to a patch, classes (B, P)."""
    keys = views[0].patches
    patches = {key: torch.from_numpy(np.stack([view.patches[key] for view in views])) for key in keys}
    return torch.from_numpy(np.stack([view.pixels for view in views])), patches


class Packer:
    """Puts questions about a picture behind it, or the first of them before it."""

    def __init__(self, processor: LlavaProcessor, length: int) -> None:
        # The tokenizer beneath the library's: a tenth of its time.
        self.tokenizer, self.length = processor.tokenizer.backend_tokenizer, length
        self.start_id, self.end_id = processor.tokenizer.bos_token_id, processor.tokenizer.eos_token_id
        self.image_id = processor.image_token_id

    def encode(self, text: str) -> tuple[list[int], list[int]]:
        """Tokens of a text, and for each the place of its last letter."""
        encoded = self.tokenizer.encode(text, add_special_tokens=False)
        return encoded.ids, [end - 1 for _, end in encoded.offsets]

    def pack(self, view: View, questions: list[Question], alone: bool, question_first: bool = False) -> Sample:
        """As many of the questions as fit into `length` tokens, hidden from one another if `alone`."""
        lead = f"USER: {questions[0].text} " if question_first else "USER: "
        ids = [self.start_id, *self.encode(lead)[0], *[self.image_id] * GRID**2]
        prefix = len(ids)
        labels, positions, turn = [IGNORED] * prefix, list(range(prefix)), [0] * prefix
        skills, looks = [], []
        for number, question in enumerate(questions, start=1):
            lead, text = "\n" if alone or number == 1 else "USER: ", f"{question.text} ASSISTANT:"
            if question_first and number == 1:
                text = "ASSISTANT:"
            asked, ends = self.encode(lead + text)
            answer, said = self.encode(f" {question.answer}")
            size = len(asked) + len(answer) + 1
            if len(ids) + size > self.length:
                if alone:
                    continue
                break
            if text != "ASSISTANT:":
                looks += _sought(question, [end - len(lead) for end in ends], len(ids))
            looks += _spoken(question, [max(0, end - 1) for end in said], len(ids) + len(asked) - 1)
            first = prefix if alone else len(ids)
            ids += [*asked, *answer, self.end_id]
            labels += [IGNORED] * len(asked) + [*answer, self.end_id]
            positions += range(first, first + size)
            turn += [len(skills) + 1] * size
            skills.append(question.skill)
        return Sample(view.pixels, ids, labels, positions, turn, alone, skills, view.patches, view.shown, looks)


def _sought(question: Question, ends: list[int], start: int) -> Iterator[Look]:
    """The last token of every word that names something, `start` being the question's first token."""
    for _, last, things in question.sought:
        yield Look("subject", start + next(at for at, end in enumerate(ends) if end >= last - 1), things)


def _spoken(question: Question, ends: list[int], before: int) -> Iterator[Look]:
    """Where the words of an answer look: every token is written from the one before it, the first from `before`."""
    stretches = iter(question.said)
    stretch, reach = None, 0
    for at, end in enumerate(ends):
        while end >= reach:
            stretch = next(stretches, None)
            if stretch is None:
                return
            reach += len(stretch.text)
        if stretch.looks is not None:
            yield Look("count" if stretch.counts else "answer", before + at, stretch.looks)


class Packs(Dataset):
    """Packed samples of about `length` tokens; a share `chats` of them are conversations.

    Half of these put their first question before the picture.
    """

    def __init__(
        self, processor: LlavaProcessor, views: Views, length: int, chats: float, start: int, count: int
    ) -> None:
        self.packer, self.views, self.chats = Packer(processor, length), views, chats
        self.start, self.count = start, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        name = f"train {self.start + index}"
        rng = random.Random(f"pack {name}")
        view = self.views.drawn(name)
        scene = view.scene or random_scene(name)
        alone = rng.random() >= self.chats
        if alone:
            questions = questions_alone(scene, rng)
        else:
            skills = SHORT_SKILLS + NUMBER_SKILLS * 2 if scene.plate else (*SHORT_SKILLS, "number", "number_there")
            questions = conversation(scene, 12, rng, typed=messy, asides=0.25, skills=skills)
        if view.scene is None:
            questions = [q if q.skill in FRIENDLY else of_no_scene(q) for q in questions]
        return self.packer.pack(view, questions, alone, question_first=not alone and rng.random() < 0.5)


def of_no_scene(question: Question) -> Question:
    """The question about a picture that is no emoji scene."""
    return replace(question, skill="no_scene", answer=NO_SCENE, about=(), sought=(), said=(Said(NO_SCENE),))


def questions_alone(scene: Scene, rng: random.Random) -> list[Question]:
    """More questions than fit into a pack, in any order, the hard ones oftener."""
    skills = rng.choices(tuple(OFTEN), weights=tuple(OFTEN.values()), k=22)
    if scene.plate:
        skills += ["number", "number", rng.choice(NUMBER_SKILLS), rng.choice(NUMBER_SKILLS)]
    else:
        skills += [rng.choice(NUMBER_SKILLS)]
    asides = ["out_of_scope", "out_of_scope", "unknown_word", rng.choice(tuple(ASIDES))]
    questions = [ask(scene, skill, rng, typed=messy) for skill in skills]
    questions += [aside(kind, rng, typed=messy) for kind in asides]
    rng.shuffle(questions)
    if rng.random() < DESCRIBED:
        questions.insert(0, ask(scene, "describe", rng, typed=messy))
    return questions


@dataclass(frozen=True)
class Batch:
    """Samples side by side: B samples, T tokens, P patches."""

    pixels: Tensor  # (B, 3, 224, 224)
    ids: Tensor  # (B, T)
    labels: Tensor  # (B, T)
    positions: Tensor  # (B, T)
    turn: Tensor  # (B, T), -1 on padding
    visible: Tensor  # (B, 1, T, T) bool
    alone: list[bool]
    skills: list[list[str]]
    patches: dict[str, Tensor]  # each (B, P)
    looks: dict[str, tuple[Tensor, Tensor]]  # per stage: token (B, R), -1 on padding; where to look (B, R, 1 + P)


def collate(samples: list[Sample]) -> Batch:
    """Pad samples on the right and say which token may see which."""
    length = max(len(sample.ids) for sample in samples)

    def padded(rows: list[list[int]], fill: int) -> Tensor:
        return torch.tensor([[*row, *[fill] * (length - len(row))] for row in rows])

    turn = padded([sample.turn for sample in samples], -1)
    shown_to_all = turn.eq(0) | ~torch.tensor([[sample.alone] for sample in samples])
    visible = (turn[:, None, :] == turn[:, :, None]) | shown_to_all[:, None, :]
    visible &= torch.ones(length, length, dtype=torch.bool).tril()
    return Batch(
        pixels=torch.from_numpy(np.stack([sample.pixels for sample in samples])),
        ids=padded([sample.ids for sample in samples], 0),
        labels=padded([sample.labels for sample in samples], IGNORED),
        positions=padded([sample.positions for sample in samples], 0),
        turn=turn,
        visible=visible[:, None],
        alone=[sample.alone for sample in samples],
        skills=[sample.skills for sample in samples],
        patches={
            key: torch.from_numpy(np.stack([sample.patches[key] for sample in samples])) for key in samples[0].patches
        },
        looks={stage: _collate_looks(samples, stage) for stage in STAGES},
    )


def _collate_looks(samples: list[Sample], stage: str) -> tuple[Tensor, Tensor]:
    looks = [[look for look in sample.looks if look.stage == stage] for sample in samples]
    most = max(map(len, looks))
    tokens = torch.full((len(samples), most), -1)
    wanted_at = torch.zeros(len(samples), most, 1 + GRID * GRID)  # of the first token and of the patches
    for row, (sample, wanted) in enumerate(zip(samples, looks, strict=True)):
        for column, look in enumerate(wanted):
            tokens[row, column] = look.token
            shown = np.isin(sample.shown, look.things)
            if stage == "count":
                # One part to each thing's middle and one to the first token: the shares tell how many there are.
                shown &= sample.patches["middle"] == 1
            wanted_at[row, column, 1:] = torch.from_numpy(shown)
            wanted_at[row, column, 0] = not look.things or stage == "count"
    return tokens, wanted_at
