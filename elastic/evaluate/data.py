"""Samples: a picture, what is asked about it, and the answer where the data has one. Here: emoji scenes, drawn anew."""

import io
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from elastic.picture import open_picture
from scenes.questions import PLAIN_FORMS, SHORT_SKILLS, ask
from scenes.scene import random_scene, render
from scenes.talk import conversation

SHORT_TOKENS = 48  # more than any short answer about a scene has
TURNS = 3
DESCRIBE = "describe"
# A number is exact where a thing is forgiving: averaged digits are wrong ones.
JUDGED = (*SHORT_SKILLS, "number")


@dataclass(frozen=True)
class Turn:
    """A question of a sample."""

    question: str
    answer: str | None  # the data's, which is fed; None: the full cache's own is
    skill: str
    most_tokens: int | None = None  # to write at most, where that is less than for all


@dataclass(frozen=True)
class Sample:
    """One picture and what is asked about it, one question after the other."""

    name: str  # tells it from all others of its data
    picture: str | Path | bytes  # the seed of a scene, or a picture file or its contents
    turns: tuple[Turn, ...]
    is_exact: bool = True  # whether an answer is right only if it is the data's to the letter

    def open(self) -> Image.Image:
        """The picture.

        Raises:
            ValueError: if it cannot be read.
        """
        if isinstance(self.picture, str):
            return render(random_scene(self.picture))[0]
        return open_picture(io.BytesIO(self.picture) if isinstance(self.picture, bytes) else self.picture)


def scene_samples(seed: int, questions: int, descriptions: int, conversations: int) -> list[Sample]:
    """The held-out scenes of `training.evaluate`: short questions spread evenly over the skills, and the rest.

    The first samples of a seed are the same however many are asked for.
    """
    samples: list[Sample] = []
    per_scene = len(JUDGED)
    for number in range(max(-(-questions // per_scene), descriptions, conversations)):
        name = f"evaluate {seed} {number}"
        scene, rng = random_scene(name), random.Random(name)
        asked = {skill: ask(scene, skill, rng, PLAIN_FORMS) for skill in (*JUDGED, DESCRIBE)}
        wanted = [*JUDGED[: max(0, questions - number * per_scene)], *[DESCRIBE] * (number < descriptions)]
        for skill in wanted:
            question = asked[skill]
            most = None if skill == DESCRIBE else SHORT_TOKENS
            turn = Turn(question.text, question.answer, question.skill, most)
            samples.append(Sample(f"scene {number} {skill}", name, (turn,)))
        if number < conversations:
            said = conversation(scene, TURNS, random.Random(f"conversation {name}"))
            turns = (Turn(q.text, q.answer, f"turn {n}", SHORT_TOKENS) for n, q in enumerate(said, start=1))
            samples.append(Sample(f"scene {number} conversation", name, tuple(turns)))
    return samples
