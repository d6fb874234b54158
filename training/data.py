"""Training samples: one picture with many questions, each able to see the picture and itself only.

Packing questions behind one shared picture makes the picture's tokens cheap, and hiding the questions from one another
keeps the model from copying an answer that stands in an earlier one: it must look. A share of the samples are
conversations instead, seen whole. Sample `i` is the same whatever was drawn before it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from transformers import LlavaProcessor

from training.questions import NUMBERS, SHORT_SKILLS, Question, ask, conversation, located
from training.scenes import BACKGROUNDS, CATEGORIES, GRID, OBJECTS, SIZES, Scene, patch_things, random_scene, render

IGNORED = -100  # label of a position without a loss
EASY = ("background", "size", "is_there", "count_all")  # learned early; the others are asked three times as often
DESCRIBED = 0.6  # share of the packs that hold a description, the longest answer and the slowest to learn
PREFIXES = ("Please tell me: ", "Tell me, ", "Now, ", "And ", "OK. ", "Please: ")

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


def patch_targets(scene: Scene, covered: np.ndarray) -> PatchTargets:
    """What each patch shows: thing, category, row, column, size, colour where free, and whether it is a thing's middle.

    Every array is (GRID * GRID,) of class numbers, IGNORED where the question makes no sense.
    """
    shown = patch_things(covered)
    kinds, sizes = tuple(CATEGORIES), tuple(SIZES)
    of_thing = {
        "name": [OBJECTS.index(thing.name) + 1 for thing in scene.things],
        "category": [kinds.index(thing.category) for thing in scene.things],
        "row": [thing.cell // 3 for thing in scene.things],
        "column": [thing.cell % 3 for thing in scene.things],
        "size": [sizes.index(thing.size) for thing in scene.things],
    }
    targets = {key: np.array([IGNORED, *values])[shown] for key, values in of_thing.items()}
    targets["name"] = np.where(shown > 0, targets["name"], 0)
    targets["color"] = np.where(shown == 0, tuple(BACKGROUNDS).index(scene.background), IGNORED)
    targets["middle"] = np.zeros(GRID * GRID, np.int64)
    for number in np.unique(shown[shown > 0]):
        at = np.flatnonzero(shown == number)
        rows, columns = np.divmod(at, GRID)
        nearest = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
        targets["middle"][at[nearest.argmin()]] = 1
    return targets


def loosely_typed(text: str, rng: random.Random) -> str:
    """The question as visitors type it: sometimes with a word in front, in lower case, without its last mark."""
    if rng.random() < 0.1:
        text = rng.choice(PREFIXES) + text[0].lower() + text[1:]
    if rng.random() < 0.1:
        text = text[0].lower() + text[1:]
    return text[:-1] if rng.random() < 0.1 else text


class Packer:
    """Puts questions about a scene behind its picture."""

    def __init__(self, processor: LlavaProcessor, length: int) -> None:
        self.tokenizer, self.length = processor.tokenizer, length
        self.encode = cache(lambda text: tuple(self.tokenizer.encode(text, add_special_tokens=False)))
        self.mean = np.array(processor.image_processor.image_mean, np.float32)
        self.std = np.array(processor.image_processor.image_std, np.float32)
        self.image_id = processor.image_token_id

    def pixels(self, picture: Image.Image) -> np.ndarray:
        """What the processor makes of a picture that has the model's size, at a tenth of its time: (3, 224, 224)."""
        return ((np.asarray(picture, np.float32) / 255 - self.mean) / self.std).transpose(2, 0, 1)

    def pack(self, scene: Scene, questions: list[Question], alone: bool) -> Sample:
        """As many of the questions as fit into `length` tokens, hidden from one another if `alone`."""
        picture, covered = render(scene)
        ids = [self.tokenizer.bos_token_id, *self.encode("USER: "), *[self.image_id] * GRID**2]
        prefix = len(ids)
        labels, positions, turn = [IGNORED] * prefix, list(range(prefix)), [0] * prefix
        skills, looks = [], []
        for number, question in enumerate(questions, start=1):
            lead = "\n" if alone or number == 1 else "USER: "
            asked = self.encode(f"{lead}{question.text} ASSISTANT:")
            answer = (*self.encode(f" {question.answer}"), self.tokenizer.eos_token_id)
            size = len(asked) + len(answer)
            if len(ids) + size > self.length:
                break
            first = prefix if alone else len(ids)
            looks += self._looks(scene, question, asked, answer, len(ids))
            ids += asked + answer
            labels += [IGNORED] * len(asked) + list(answer)
            positions += range(first, first + size)
            turn += [number] * size
            skills.append(question.skill)
        patches, shown = patch_targets(scene, covered), patch_things(covered)
        return Sample(self.pixels(picture), ids, labels, positions, turn, alone, skills, patches, shown, looks)

    def _looks(
        self, scene: Scene, question: Question, asked: tuple[int, ...], answer: tuple[int, ...], start: int
    ) -> list[Look]:
        """Where the words of a question and its answer should look, `start` being the question's first token."""
        numbers = [scene.things.index(thing) + 1 for thing in question.about]
        looks = []
        word = self.encode(f" {question.subject}")[0] if question.subject else None
        if word in asked:
            sought = numbers[:1] if question.skill == "relation" else numbers
            at = len(asked) - 1 - asked[::-1].index(word)
            looks.append(Look("subject", start + at, tuple(sought)))
        # A word is written from the token before it.
        before = start + len(asked) - 1
        for first, last, things in self._spoken(question, numbers, answer):
            looks += [Look("answer", before + at, things) for at in range(first, last + 1)]
        for at, things in self._counted(scene, question, numbers, answer):
            looks.append(Look("count", before + at, things))
        return looks

    def _counted(
        self, scene: Scene, question: Question, numbers: list[int], answer: tuple[int, ...]
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Tokens of the answer that depend on a number, with the things it counts."""
        if question.skill.startswith("count"):
            at = answer.index(self.encode(f" {NUMBERS[len(numbers)]}")[0])
            # "is" or "are" depends on the number already.
            yield at - 1, tuple(numbers)
            yield at, tuple(numbers)
        elif question.skill == "where" and numbers:
            yield 1, tuple(numbers)  # one thing or several: "The dog", "The dogs"
        elif question.skill == "list_category" and numbers:
            at = 0
            for named, thing in enumerate(question.about, start=1):
                at = answer.index(self.encode(f" {thing.name}")[0], at) + 1
                yield at, tuple(numbers[named:])  # what is still to come: a comma, "and" or the end
        elif question.skill == "describe":
            groups = [[thing.category == kind for thing in scene.things] for kind in CATEGORIES]
            groups = [group for group in groups if any(group)]
            groups += [[thing.size == size for thing in scene.things] for size in ("large", "small")]
            counts = [[True] * len(scene.things), *groups]
            words = {self.encode(f" {word}")[0] for word in NUMBERS}
            at = [place for place, token in enumerate(answer) if token in words]
            for place, group in zip(at, counts, strict=True):
                yield place, tuple(n for n, counted in enumerate(group, start=1) if counted)

    def _spoken(
        self, question: Question, numbers: list[int], answer: tuple[int, ...]
    ) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """Stretches of the answer, from one token to another, that speak of certain things."""
        if question.skill == "background":
            return
        if question.skill == "is_there":
            yield 0, 0, tuple(numbers)
        elif question.skill.startswith("count"):
            return
        elif not numbers:
            word = {"what_at": "nothing"}.get(question.skill, "no")
            yield 0, answer.index(self.encode(f" {word}")[0]), ()
        elif question.skill in ("describe", "list_category", "where"):
            at = 0
            for number, thing in zip(numbers, question.about, strict=True):
                word = located(thing.place).split()[-1] if question.skill == "where" else thing.name
                last = answer.index(self.encode(f" {word}")[0], at)
                # What comes before the word already depends on the thing: its size, its article, its preposition.
                yield max(at, last - {"describe": 1, "list_category": 1, "where": 4}[question.skill]), last, (number,)
                at = last + 1
        else:
            spoken = numbers[1:] if question.skill == "relation" else numbers
            name = question.about[-1].name if spoken else "nothing"
            word = question.about[0].size if question.skill == "size" else name
            yield 0, answer.index(self.encode(f" {word}")[0]), tuple(spoken)


class Packs(Dataset):
    """Packed samples of about `length` tokens; a share `chats` of them are conversations."""

    def __init__(self, processor: LlavaProcessor, length: int, chats: float, start: int, count: int) -> None:
        self.packer, self.chats = Packer(processor, length), chats
        self.start, self.count = start, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        index += self.start
        rng = random.Random(f"train {index}")
        scene = random_scene(f"train {index}")
        alone = rng.random() >= self.chats
        questions = self._alone(scene, rng) if alone else conversation(scene, rng.randint(4, 8), rng)
        typed = [replace(question, text=loosely_typed(question.text, rng)) for question in questions]
        return self.packer.pack(scene, typed, alone)

    def _alone(self, scene: Scene, rng: random.Random) -> list[Question]:
        times = dict.fromkeys(EASY, 1) | {"relation": 5}
        skills = [skill for skill in SHORT_SKILLS for _ in range(times.get(skill, 3))]
        rng.shuffle(skills)
        if rng.random() < DESCRIBED:
            skills.insert(0, "describe")
        return [ask(scene, skill, rng) for skill in skills]


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
