"""Held-out scenes and what is asked about them, as plain values: the built-in data of an evaluation of methods."""

import random
from dataclasses import dataclass

from PIL import Image

from scenes.questions import PLAIN_FORMS, SHORT_SKILLS, Question, ask
from scenes.scene import random_scene, render
from scenes.talk import conversation

SHORT_TOKENS = 48  # more than any short answer about a scene has
TURNS = 3
DESCRIBE = "describe"
# A number is exact where a thing is forgiving: averaged digits are wrong ones.
JUDGED = (*SHORT_SKILLS, "number")


@dataclass(frozen=True)
class Drawing:
    """The picture of the scene of a seed, drawn whenever it is called for; a chunk of work carries the seed alone."""

    seed: str

    def __call__(self) -> Image.Image:
        return render(random_scene(self.seed))[0]


def samples(seed: int, questions: int, descriptions: int, conversations: int) -> list[dict]:
    """The held-out scenes of `training.evaluate`: short questions spread evenly over the skills, and the rest.

    The first samples of a seed are the same however many are asked for. Each is a dictionary with a `name`, a `picture`
    (a `Drawing`) and its `turns`: dictionaries with `question`, `answer`, `skill` and `most_tokens` (None: no limit).
    """
    made: list[dict] = []
    per_scene = len(JUDGED)
    for number in range(max(-(-questions // per_scene), descriptions, conversations)):
        name = f"evaluate {seed} {number}"
        scene, rng = random_scene(name), random.Random(name)
        asked = {skill: ask(scene, skill, rng, PLAIN_FORMS) for skill in (*JUDGED, DESCRIBE)}
        wanted = [*JUDGED[: max(0, questions - number * per_scene)], *[DESCRIBE] * (number < descriptions)]
        turns = {skill: [_turn(asked[skill], asked[skill].skill)] for skill in wanted}
        if number < conversations:
            talk = conversation(scene, TURNS, random.Random(f"conversation {name}"))
            turns["conversation"] = [_turn(question, f"turn {place}") for place, question in enumerate(talk, start=1)]
        picture = Drawing(name)
        made += [{"name": f"scene {number} {kind}", "picture": picture, "turns": own} for kind, own in turns.items()]
    return made


def _turn(question: Question, skill: str) -> dict:
    most = None if skill == DESCRIBE else SHORT_TOKENS
    return {"question": question.text, "answer": question.answer, "skill": skill, "most_tokens": most}
