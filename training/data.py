"""Training samples: one picture with many questions, each able to see the picture and itself only.

Packing questions behind one shared picture makes the picture's tokens cheap, and hiding the questions from one another
keeps the model from copying an answer that stands in an earlier one: it must look. A share of the samples are
conversations instead, seen whole. Sample `i` is the same whatever was drawn before it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import LlavaProcessor

from scenes.questions import Question
from scenes.said import Said
from scenes.scene import GRID, random_scene
from training.mixture import FRIENDLY, chat, of_no_scene, questions_alone
from training.views import IGNORED, PatchTargets, SceneView, Views

QUESTIONS_FIRST = 0.35  # share of the packs whose questions stand before the picture
DECISIVE = 5.0  # how many times as much a token counts on which everything asked for hangs


@dataclass(frozen=True)
class AttentionTarget:
    """A token that should look at the patches of some things (numbered from 1), or at the first token if there is none.

    Looking at the first token is how "it is not there" shows itself to the words that follow.
    """

    stage: str  # one of STAGES
    token: int
    things: tuple[int, ...]


# The word that is asked about; a token from which a word of the answer is written; one from which a number is.
STAGES = ("subject", "answer", "count")


@dataclass
class PackedText:
    """The tokens of a sample in their order; `turn` numbers the answer a token belongs to, 0 for what all can see."""

    ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)  # how much a label counts in the loss
    positions: list[int] = field(default_factory=list)
    turn: list[int] = field(default_factory=list)

    def add(self, ids: list[int], turn: int, position: int) -> None:
        """Tokens that are read, the first of them at a position."""
        self.ids += ids
        self.labels += [IGNORED] * len(ids)
        self.weights += [0.0] * len(ids)
        self.positions += range(position, position + len(ids))
        self.turn += [turn] * len(ids)

    def add_answer(self, ids: list[int], weights: list[float]) -> None:
        """Tokens that are written, right behind the last token."""
        self.add(ids, self.turn[-1], self.positions[-1] + 1)
        self.labels[-len(ids) :] = ids
        self.weights[-len(ids) :] = weights


@dataclass(frozen=True)
class PackedSample:
    """One picture with its packed text, a `PackedText`."""

    pixels: np.ndarray  # (3, 224, 224) float32
    ids: list[int]
    labels: list[int]
    weights: list[float]
    positions: list[int]
    turn: list[int]
    alone: bool  # whether the turns are hidden from each other
    first: bool  # whether all questions, or that of the first turn, stand before the picture
    skills: list[str]  # of turn 1, 2, ...
    patches: PatchTargets
    shown: np.ndarray  # (P,) number of the thing each patch shows, 0 for none
    targets: list["AttentionTarget"]


class Packer:
    """Puts questions about a picture behind it or before it."""

    def __init__(self, processor: LlavaProcessor, length: int) -> None:
        # The tokenizer beneath the library's: a tenth of its time.
        self.tokenizer, self.length = processor.tokenizer.backend_tokenizer, length
        self.start_id, self.end_id = processor.tokenizer.bos_token_id, processor.tokenizer.eos_token_id
        self.picture = [processor.image_token_id] * GRID**2

    def encode(self, text: str) -> tuple[list[int], list[int]]:
        """Tokens of a text, and for each the place of its last letter."""
        encoded = self.tokenizer.encode(text, add_special_tokens=False)
        return encoded.ids, [end - 1 for _, end in encoded.offsets]

    def pack(
        self, view: SceneView, questions: list[Question], alone: bool, question_first: bool = False
    ) -> PackedSample:
        """As many of the questions as fit into `length` tokens, hidden from one another if `alone`.

        With `question_first` all of those that are alone stand before the picture, of a conversation the first.
        """
        if alone and question_first:
            return self._questions_before(view, questions)
        row, skills, targets = PackedText(), [], []
        lead = f"USER: {questions[0].text} " if question_first else "USER: "
        row.add([self.start_id, *self.encode(lead)[0], *self.picture], 0, 0)
        prefix = len(row.ids)
        for number, question in enumerate(questions, start=1):
            lead, text = "\n" if alone or number == 1 else "USER: ", f"{question.text} ASSISTANT:"
            if question_first and number == 1:
                text = "ASSISTANT:"
            asked, ends = self.encode(lead + text)
            answer, ends_in_text, weights = self._answer(question)
            if len(row.ids) + len(asked) + len(answer) > self.length:
                if alone:
                    continue
                break
            if text != "ASSISTANT:":
                targets += _sought(question, [end - len(lead) for end in ends], len(row.ids))
            skills.append(question.skill)
            row.add(asked, len(skills), prefix if alone else len(row.ids))
            targets += _spoken(question, ends_in_text, len(row.ids) - 1)
            row.add_answer(answer, weights)
        return self._sample(view, row, alone, question_first, skills, targets)

    def _questions_before(self, view: SceneView, questions: list[Question]) -> PackedSample:
        """Each question ends right before the picture, which sees none of them, as if it stood there alone."""
        asked, lead = [], self.encode("\nASSISTANT:")[0]
        room = self.length - 1 - len(self.picture)
        for question in questions:
            before, (answer, ends_in_text, weights) = self.encode(f"USER: {question.text} ")[0], self._answer(question)
            if (size := len(before) + len(lead) + len(answer)) <= room:
                asked.append((question, before, answer, ends_in_text, weights))
                room -= size
        row, targets = PackedText(), []
        picture_at = 1 + max(len(before) for _, before, *_ in asked)
        row.add([self.start_id], 0, 0)
        for number, (_, before, *_) in enumerate(asked, start=1):
            row.add(before, number, picture_at - len(before))
        row.add(self.picture, 0, picture_at)
        for number, (question, _, answer, ends_in_text, weights) in enumerate(asked, start=1):
            row.add(lead, number, picture_at + len(self.picture))
            targets += _spoken(question, ends_in_text, len(row.ids) - 1)
            row.add_answer(answer, weights)
        return self._sample(view, row, True, True, [question.skill for question, *_ in asked], targets)

    def _sample(
        self,
        view: SceneView,
        row: PackedText,
        alone: bool,
        first: bool,
        skills: list[str],
        targets: list[AttentionTarget],
    ) -> PackedSample:
        text = {"alone": alone, "first": first, "skills": skills, "targets": targets}
        return PackedSample(view.pixels, **vars(row), **text, patches=view.patches, shown=view.shown)

    def _answer(self, question: Question) -> tuple[list[int], list[int], list[float]]:
        """Tokens of an answer with its end, where each but that ends in its text, and how much each counts."""
        ids, ends = self.encode(f" {question.answer}")
        ends = [max(0, end - 1) for end in ends]
        weights = [DECISIVE if stretch.decides else 1.0 for stretch in _stretches(question, ends)]
        return [*ids, self.end_id], ends, weights + [1.0] * (len(ids) + 1 - len(weights))


def _sought(question: Question, ends: list[int], start: int) -> Iterator[AttentionTarget]:
    """The last token of every word that names something, `start` being the question's first token."""
    for _, last, things in question.sought:
        yield AttentionTarget("subject", start + next(at for at, end in enumerate(ends) if end >= last - 1), things)


def _stretches(question: Question, ends: list[int]) -> Iterator[Said]:
    """The stretch of an answer that each of its tokens ends in; none where it is not known what is said."""
    stretches = iter(question.said)
    stretch, reach = None, 0
    for end in ends:
        while end >= reach:
            stretch = next(stretches, None)
            if stretch is None:
                return
            reach += len(stretch.text)
        yield stretch


def _spoken(question: Question, ends: list[int], before: int) -> Iterator[AttentionTarget]:
    """Where the words of an answer look: every token is written from the one before it, the first from `before`."""
    for at, stretch in enumerate(_stretches(question, ends)):
        if stretch.looks is not None:
            yield AttentionTarget("count" if stretch.counts else "answer", before + at, stretch.looks)


class Packs(Dataset):
    """Packed samples of about `length` tokens; a share `chats` of them are conversations.

    Half of these put their first question before the picture, a share QUESTIONS_FIRST of the others all of them.
    """

    def __init__(
        self, processor: LlavaProcessor, views: Views, length: int, chats: float, start: int, count: int
    ) -> None:
        self.packer, self.views, self.chats = Packer(processor, length), views, chats
        self.start, self.count = start, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> PackedSample:
        name = f"train {self.start + index}"
        rng = random.Random(f"pack {name}")
        view = self.views.drawn(name)
        scene = view.scene or random_scene(name)
        alone = rng.random() >= self.chats
        questions = questions_alone(scene, rng) if alone else chat(scene, rng)
        if view.scene is None:
            questions = [q if q.skill in FRIENDLY else of_no_scene(q) for q in questions]
        return self.packer.pack(view, questions, alone, rng.random() < (QUESTIONS_FIRST if alone else 0.5))


@dataclass(frozen=True)
class Batch:
    """Samples side by side: B samples, T tokens, P patches."""

    pixels: Tensor  # (B, 3, 224, 224)
    ids: Tensor  # (B, T)
    labels: Tensor  # (B, T)
    weights: Tensor  # (B, T) float32, how much each label counts
    positions: Tensor  # (B, T)
    turn: Tensor  # (B, T), -1 on padding
    visible: Tensor  # (B, 1, T, T) bool
    alone: list[bool]
    first: list[bool]
    skills: list[list[str]]
    patches: dict[str, Tensor]  # each (B, P)
    targets: dict[str, tuple[Tensor, Tensor]]  # per stage: token (B, R), -1 on padding; where to look (B, R, 1 + P)


def collate(samples: list[PackedSample]) -> Batch:
    """Pad samples on the right and say which token may see which."""
    length = max(len(sample.ids) for sample in samples)

    def padded(lists: list[list[int]] | list[list[float]], fill: float) -> Tensor:
        return torch.tensor([[*values, *[fill] * (length - len(values))] for values in lists])

    turn = padded([sample.turn for sample in samples], -1)
    shown_to_all = turn.eq(0) | ~torch.tensor([[sample.alone] for sample in samples])
    visible = (turn[:, None, :] == turn[:, :, None]) | shown_to_all[:, None, :]
    visible &= torch.ones(length, length, dtype=torch.bool).tril()
    return Batch(
        pixels=torch.from_numpy(np.stack([sample.pixels for sample in samples])),
        ids=padded([sample.ids for sample in samples], 0),
        labels=padded([sample.labels for sample in samples], IGNORED),
        weights=padded([sample.weights for sample in samples], 0.0),
        positions=padded([sample.positions for sample in samples], 0),
        turn=turn,
        visible=visible[:, None],
        alone=[sample.alone for sample in samples],
        first=[sample.first for sample in samples],
        skills=[sample.skills for sample in samples],
        patches={
            key: torch.from_numpy(np.stack([sample.patches[key] for sample in samples])) for key in samples[0].patches
        },
        targets={stage: _collate_targets(samples, stage) for stage in STAGES},
    )


def _collate_targets(samples: list[PackedSample], stage: str) -> tuple[Tensor, Tensor]:
    targets = [[target for target in sample.targets if target.stage == stage] for sample in samples]
    most = max(map(len, targets))
    tokens = torch.full((len(samples), most), -1)
    wanted_at = torch.zeros(len(samples), most, 1 + GRID * GRID)  # of the first token and of the patches
    for row, (sample, wanted) in enumerate(zip(samples, targets, strict=True)):
        for column, target in enumerate(wanted):
            tokens[row, column] = target.token
            shown = np.isin(sample.shown, target.things)
            if stage == "count":
                # One part to each thing's middle and one to the first token: the shares tell how many there are.
                shown &= sample.patches["middle"] == 1
            wanted_at[row, column, 1:] = torch.from_numpy(shown)
            wanted_at[row, column, 0] = not target.things or stage == "count"
    return tokens, wanted_at
