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
from torch import Tensor
from torch.utils.data import Dataset
from transformers import LlavaProcessor

from scenes.asides import ASIDES, NO_SCENE, aside
from scenes.questions import NUMBER_SKILLS, SHORT_SKILLS, Question, ask
from scenes.said import Said
from scenes.scene import GRID, Scene, random_scene
from scenes.talk import conversation
from scenes.typing import messy
from training.views import IGNORED, PatchTargets, View, Views

DESCRIBED = 0.4  # share of the packs that hold a description, the longest answer and the slowest to learn
OFTEN = dict.fromkeys(SHORT_SKILLS, 2) | {  # how often a skill is asked about: what is hard to learn oftener
    **{"background": 1, "size": 1, "kind": 1, "count_all": 1, "only": 1, "odd": 1},
    **{"relation": 4, "next_to": 3, "count_object": 3, "count_category": 3, "list_category": 3, "more": 3},
}
FRIENDLY = ("greeting", "thanks", "goodbye")  # answered alike whatever the picture shows


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
