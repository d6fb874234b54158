"""Questions about emoji scenes and their exact answers: what a skill draws, in the words of a form."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scenes import groups, numbers, relations, things
from scenes.forms import FORMS, expand
from scenes.said import Drawn, Said
from scenes.scene import Scene, Thing
from scenes.typing import marked, neat, unmarked
from scenes.words import (
    ANY_FORMS,
    BEGIN_FORMS,
    COMPARED_FORMS,
    DIRECTION_FORMS,
    ORDINAL_FORMS,
    PLACE_FORMS,
    SPOT_FORMS,
    SYNONYMS,
    WAY_FORMS,
    located,
    plural,
    with_article,
)

SYNONYM = 0.25  # share of the names that are asked for by another word


@dataclass(frozen=True)
class Question:
    """A question, its one right answer, the skill it tests, and the things of the scene it is about.

    `sought` are the stretches of the text, from and to, that name something, with the numbers of what they name.
    """

    skill: str
    text: str
    answer: str
    about: tuple[Thing, ...] = ()
    sought: tuple[tuple[int, int, tuple[int, ...]], ...] = ()
    said: tuple[Said, ...] = ()


Skill = Callable[[Scene, random.Random], Drawn | None]
Typed = Callable[[str, random.Random], str] | None  # how a question is typed; None: neatly

SKILLS: dict[str, Skill] = {
    skill.__name__: skill
    for skill in (
        *(things.describe, things.what_at, things.where, groups.count_object, groups.count_category, groups.count_all),
        *(groups.list_category, groups.any_category, things.is_there, things.background, things.size, things.kind),
        *(relations.relation, relations.next_to, relations.is_at, relations.is_relation, groups.more, groups.biggest),
        *(groups.smallest, groups.only, groups.odd),
        *(numbers.number, numbers.number_at, numbers.number_where, numbers.number_there, numbers.digit),
    )
}
NUMBER_SKILLS = ("number", "number_at", "number_where", "number_there", "digit")
SHORT_SKILLS: tuple[str, ...] = tuple(skill for skill in SKILLS if skill != "describe" and skill not in NUMBER_SKILLS)
# A wording per skill: what the page suggests, recorded runs are asked and methods are judged by. So prompts are equally
# long and can share a batch.
PLAIN_FORMS: dict[str, tuple[str, ...]] = {
    "number": ("what is the number",),
    "what_at": ("what is {place}",),
    "where": ("where is the {name}",),
    "count_object": ("how many {names} are there",),
    "count_category": ("how many {kinds} are there",),
    "count_all": ("how many objects are there",),
    "list_category": ("which {kinds} are in the image",),
    "is_there": ("is there {a_name}",),
    "background": ("what color is the background",),
    "size": ("is the {name} small or large",),
    "relation": ("what is {direction} the {name}",),
    "any_category": ("are there any {kinds}",),
    "kind": ("what kind of thing is the {name}",),
    "next_to": ("what is next to the {name}",),
    "is_at": ("is the {name} {place}",),
    "is_relation": ("is the {name} {compared} the {other}",),
    "more": ("are there more {names} than {others}",),
    "biggest": ("which is the biggest thing",),
    "smallest": ("which is the smallest thing",),
    "only": ("which is the only {kind}",),
    "odd": ("which is the odd one out",),
    "describe": ("describe the image in detail",),
}


def ask(
    scene: Scene,
    skill: str,
    rng: random.Random,
    forms: Mapping[str, tuple[str, ...]] = FORMS,
    typed: Typed = None,
) -> Question:
    """One question of a skill; `background` instead where the scene has nothing to ask that skill about.

    Worded by one of the forms, neatly unless `typed` does otherwise (`typing.messy`).
    """
    drawn = SKILLS[skill](scene, rng)
    if drawn is None:
        return ask(scene, "background", rng, forms, typed)
    fitting = [form for form in forms[skill] if fits(form, drawn.words)]
    return question(skill, drawn, rng.choice(fitting), rng, typed)


def fits(form: str, words: Mapping[str, str]) -> bool:
    """Whether a form asks for no other words than there are."""
    return all(_base(part.split("}")[0]) in words for part in form.split("{")[1:])


BASES = {  # slots that put a word in another form
    **{"names": "name", "a_name": "name", "others": "other", "kinds": "kind", "a_kind": "kind", "any_kind": "kind"},
    **{"a_color_word": "color_word", "compared": "direction", "way": "direction", "spot": "place"},
}
# By slot, the many ways to say its words.
LOOSE_FORMS: dict[str, dict[str, str]] = {
    **{"place": PLACE_FORMS, "spot": SPOT_FORMS, "direction": DIRECTION_FORMS, "compared": COMPARED_FORMS},
    **{"way": WAY_FORMS, "ordinal": ORDINAL_FORMS, "begin": BEGIN_FORMS, "any_kind": ANY_FORMS},
}


def _base(slot: str) -> str:
    """The word behind a slot: {names} and {a_name} are forms of the name."""
    return BASES.get(slot, slot)


def worded(slot: str, word: str, rng: random.Random, loosely: bool) -> str:
    """A word of the scene as a slot of a form puts it; loosely, people have many words for the same."""
    forms = LOOSE_FORMS.get(slot, {})
    if loosely and word in forms:
        return expand(f"[{forms[word]}]", rng)
    if slot == "place":
        return located(word.removesuffix(" side"))
    if slot in ("spot", "way", "any_kind"):
        return forms[word].split("|")[0]
    if loosely and word in SYNONYMS and rng.random() < SYNONYM:
        word = rng.choice(SYNONYMS[word])
    if slot in ("names", "others", "kinds"):
        return plural(word)
    return with_article(word) if slot.startswith("a_") else word


def question(
    skill: str,
    drawn: Drawn,
    form: str,
    rng: random.Random,
    typed: Typed = None,
) -> Question:
    """What was drawn, asked in a form: neatly, or loosely and as `typed` has it."""
    sought = drawn.sought or {}
    # Expanded first: the words of a scene may hold what a form gives a meaning to.
    form, order, text = expand(form, rng), [], ""
    for number, part in enumerate(form.split("{")):
        slot, rest = part.split("}") if number else ("", part)
        word = worded(slot, drawn.words[_base(slot)], rng, loosely=typed is not None) if slot else ""
        if _base(slot) in sought:
            order.append(sought[_base(slot)])
            word = marked(word)
        text += word + rest
    text, spans = unmarked(typed(text, rng) if typed else neat(text))
    places = tuple((start, end, looks) for (start, end), looks in zip(spans, order, strict=True))
    return Question(skill, text, "".join(said.text for said in drawn.said), drawn.about, places, drawn.said)


def suggestions(scene: Scene, seed: int | str) -> list[str]:
    """Questions that show what can be asked about a scene: a short one that shows the point first."""
    rng = random.Random(f"suggestions {seed}")
    skills = [*(("number",) if scene.plate else ()), "where", "count_category", "relation", "is_there", "describe"]
    return list(dict.fromkeys(_of_what_is_there(scene, skill, rng).text for skill in skills))


def _of_what_is_there(scene: Scene, skill: str, rng: random.Random) -> Question:
    """A question of a skill about what can be seen: one about what is absent looks like a slip where it is offered."""
    drawn = ask(scene, skill, rng, PLAIN_FORMS)
    while skill not in ("number", "describe") and drawn.skill == skill and not drawn.about:
        drawn = ask(scene, skill, rng, PLAIN_FORMS)
    return drawn
