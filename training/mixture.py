"""What training asks about a picture, and how often: the mixture of skills, refusals and small talk.

What the model did not learn is asked oftener, and where two answers are possible both are due about equally often.
"""

import random
from dataclasses import replace

from scenes.asides import ASIDES, NO_SCENE, aside
from scenes.groups import odd_one
from scenes.questions import NUMBER_SKILLS, SHORT_SKILLS, Question, ask
from scenes.said import Said
from scenes.scene import Scene
from scenes.talk import conversation
from scenes.typing import messy
from training.held_out import ASIDES_HELD_OUT

ASKED = 22  # questions of skills that are drawn for a pack
DESCRIBED = 0.25  # share of the packs that hold a description, the longest answer
OFTEN = dict.fromkeys(SHORT_SKILLS, 2) | {  # how often a skill is asked about: what is hard to learn oftener
    **{"background": 1, "size": 1, "kind": 1, "count_all": 1, "only": 1, "odd": 1},
    **{"relation": 3, "next_to": 3, "count_object": 3, "count_category": 3, "list_category": 3, "more": 3},
    **{"biggest": 3, "smallest": 4, "is_relation": 12},
}
ODD = 4  # more questions for the odd one out where there is one: in most scenes there is none
FRIENDLY = ("greeting", "thanks", "goodbye")  # answered alike whatever the picture shows
CHAT = 12  # turns of a conversation


def bare(text: str) -> str:
    """A text as it is compared: in lower case, without marks at its end."""
    return text.lower().strip(" .!?") or text


# A single word such as "hi" or "thanks" is what everybody says: the evaluation asks it, and so does training.
_HELD_OUT = {
    bare(text)
    for kind, texts in ASIDES_HELD_OUT.items()
    for text in texts
    if kind not in FRIENDLY or len(text.split()) > 1
}


def is_held_out(text: str) -> bool:
    """Whether the evaluation keeps a text to itself, however it is capitalised and ended."""
    return bare(text) in _HELD_OUT


def questions_alone(scene: Scene, rng: random.Random) -> list[Question]:
    """More questions than fit into a pack, in any order, the hard ones oftener."""
    skills = rng.choices(tuple(OFTEN), weights=tuple(OFTEN.values()), k=ASKED)
    skills += ["odd"] * ODD if odd_one(scene) else []
    if scene.plate:
        skills += ["number", "number", rng.choice(NUMBER_SKILLS), rng.choice(NUMBER_SKILLS)]
    else:
        skills += [rng.choice(NUMBER_SKILLS)]
    asides = ["out_of_scope", "out_of_scope", "unknown_word", rng.choice(FRIENDLY), rng.choice(tuple(ASIDES))]
    questions = [ask(scene, skill, rng, typed=messy) for skill in skills]
    questions += [aside(kind, rng, typed=messy) for kind in asides]
    rng.shuffle(questions)
    if rng.random() < DESCRIBED:
        questions.insert(0, ask(scene, "describe", rng, typed=messy))
    return [question for question in questions if not is_held_out(question.text)]


def chat(scene: Scene, rng: random.Random) -> list[Question]:
    """A conversation; numbers come up oftener where there is one, and the odd one out where there is one."""
    skills = SHORT_SKILLS + NUMBER_SKILLS * 2 if scene.plate else (*SHORT_SKILLS, "number", "number_there")
    skills += ("is_relation", "smallest", *["odd"] * bool(odd_one(scene)))
    turns = conversation(scene, CHAT, rng, typed=messy, asides=0.25, skills=skills)
    # No turn leans on what is said beside the scene, so one may be left out.
    return [turn for turn in turns if not is_held_out(turn.text)]


def of_no_scene(question: Question) -> Question:
    """The question about a picture that is no emoji scene."""
    return replace(question, skill="no_scene", answer=NO_SCENE, about=(), sought=(), said=(Said(NO_SCENE),))
