"""Held-out scenes and what is asked about them, as plain values: the built-in data of an evaluation of methods."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from PIL import Image

from scenes.forms import FORMS
from scenes.questions import PLAIN_FORMS, SHORT_SKILLS, Question, ask
from scenes.scene import GRID, PLATES, Scene, patch_things, random_scene, render
from scenes.talk import conversation

SHORT_TOKENS = 48  # more than any short answer about a scene has
TURNS = 3
DESCRIBE = "describe"
# A number is exact where a thing is forgiving: averaged digits are wrong ones.
JUDGED = (*SHORT_SKILLS, "number")
RECALLED = ("number", "number_at", "number_there", "digit")  # skills whose answers hold digits


@dataclass(frozen=True)
class Drawing:
    """The picture of the scene of a seed, drawn whenever it is called for; a chunk of work carries the seed alone."""

    seed: str
    plates: float = PLATES

    @property
    def scene(self) -> Scene:
        return random_scene(self.seed, self.plates)

    def __call__(self) -> Image.Image:
        return render(self.scene)[0]


def samples(seed: int, questions: int, descriptions: int, conversations: int) -> list[dict]:
    """The held-out scenes of `training.evaluate`: short questions spread evenly over the skills, and the rest.

    The first samples of a seed are the same however many are asked for. Each is a dictionary with a `name`, a `picture`
    (a `Drawing`) that it is `about`, and its `turns`: dictionaries with `question`, `answer`, `skill`, `most_tokens`
    (None: no limit) and `needs`, points of the picture (x, y), 0 to 1, that the answer is taken from.
    """
    made: list[dict] = []
    per_scene = len(JUDGED)
    for number in range(max(-(-questions // per_scene), descriptions, conversations)):
        name = f"evaluate {seed} {number}"
        picture, rng = Drawing(name), random.Random(name)
        patches = looked_at(picture.scene)
        asked = {skill: ask(picture.scene, skill, rng, PLAIN_FORMS) for skill in (*JUDGED, DESCRIBE)}
        wanted = [*JUDGED[: max(0, questions - number * per_scene)], *[DESCRIBE] * (number < descriptions)]
        turns = {skill: [_turn(asked[skill], asked[skill].skill, patches)] for skill in wanted}
        if number < conversations:
            talk = conversation(picture.scene, TURNS, random.Random(f"conversation {name}"))
            turns["conversation"] = [
                _turn(question, f"turn {place}", patches) for place, question in enumerate(talk, start=1)
            ]
        scene = {"about": f"scene {number}", "picture": picture}
        made += [scene | {"name": f"scene {number} {kind}", "turns": own} for kind, own in turns.items()]
    return made


def recalled(seed: int, questions: int, descriptions: int, conversations: int) -> list[dict]:
    """Numbers that stand in scenes, asked for in turn by each skill whose answer holds digits: these are judged.

    Descriptions and conversations there are none. Numbers are those of the scenes: scenes of other seeds may share one.
    """
    return [
        {
            "name": f"scene {number} {question.skill}",
            "about": f"scene {number}",
            "picture": picture,
            "turns": [_digits(question, patches)],
        }
        for number, picture, question, patches in islice(_plates(seed), questions)
    ]


def passages(seed: int, questions: int, descriptions: int, conversations: int) -> list[dict]:
    """So many (`questions`) descriptions of scenes: what follows a picture and the request to describe it."""
    return [
        sample | {"turns": [turn | {"is_written": False} for turn in sample["turns"]], "is_exact": False}
        for sample in samples(seed, 0, questions, 0)
    ]


def looked_at(scene: Scene) -> dict[int, tuple[int, ...]]:
    """By the number of a thing, or of a digit, the patches that it covers."""
    found: dict[int, list[int]] = {}
    for patch, number in enumerate(patch_things(render(scene)[1]).tolist()):
        found.setdefault(number, []).append(patch)
    return {number: tuple(patches) for number, patches in found.items() if number}


def _plates(seed: int) -> Iterator[tuple[int, Drawing, Question, dict[int, tuple[int, ...]]]]:
    """Scenes that hold a number, each with a question for it."""
    for number in count():
        for skill in RECALLED:
            name = f"recall {seed} {number}"
            picture, rng = Drawing(name, plates=1.0), random.Random(f"{name} {skill}")
            question = ask(picture.scene, skill, rng, {skill: FORMS[skill]} | PLAIN_FORMS)
            if re.search(r"\d", question.answer):  # not of a place without one
                yield number, picture, question, looked_at(picture.scene)


def _digits(question: Question, patches: dict[int, tuple[int, ...]]) -> dict:
    """A turn of which the digits are judged, and nothing is written."""
    digits = re.search(r"\d+", question.answer)
    turn = _turn(question, question.skill, patches)
    return turn | {"answer": question.answer[: digits.end()], "value": digits.span(), "is_written": False}


def _turn(question: Question, skill: str, patches: dict[int, tuple[int, ...]]) -> dict:
    most = None if skill == DESCRIBE else SHORT_TOKENS
    numbers = {number for said in question.said for number in said.looks or ()}
    numbers |= {number for *_, looks in question.sought for number in looks or ()}
    seen = sorted(patch for number in numbers for patch in patches.get(number, ()))
    # The middle of each square, so that a model with squares of another size finds what it sees there.
    needs = tuple(((patch % GRID + 0.5) / GRID, (patch // GRID + 0.5) / GRID) for patch in seen)
    return {"question": question.text, "answer": question.answer, "skill": skill, "most_tokens": most, "needs": needs}
