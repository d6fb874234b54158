"""Conversations about a scene, in which some questions only what was said before makes clear."""

import random
from collections.abc import Sequence

from scenes import groups, numbers, relations, things
from scenes.asides import ASIDES, aside
from scenes.forms import LATER, LEADS_TO, PRONOUN_FORMS, SAME_FORMS
from scenes.questions import SHORT_SKILLS, SKILLS, Question, Typed, ask, fits, question
from scenes.said import DIRECTIONS, Drawn
from scenes.scene import Scene, Thing

# Skills whose answer may name a single thing.
NAMING = ("where", "what_at", "size", "is_there", "kind", "is_at", "only", "biggest", "smallest", "odd")


def conversation(
    scene: Scene,
    turns: int,
    rng: random.Random,
    typed: Typed = None,
    asides: float = 0.0,
    skills: tuple[str, ...] = SHORT_SKILLS,
    begun: Sequence[Question] = (),
) -> list[Question]:
    """Several questions about one scene, some of which only what was said before makes clear.

    A share `asides` of them are descriptions, greetings, thanks and what the model cannot answer. The first are those
    that it was `begun` with.
    """
    asked = list(begun)
    clear: list[Question] = []  # by themselves, so that they can be repeated anywhere
    while len(asked) < turns:
        chance = rng.random()
        if chance < asides:
            kind = rng.choice(("describe", "describe", *ASIDES))
            clear.append(ask(scene, kind, rng, LATER, typed) if kind == "describe" else aside(kind, rng, typed))
            asked.append(clear[-1])
        elif chance < asides + 0.05 and clear:
            asked.append(rng.choice(clear))
        elif chance < asides + 0.45 and (following := follow_up(scene, asked, rng, typed)):
            # "And what are they?" asks for a description, which counts as an aside.
            if asides or following.skill != "describe":
                asked.append(following)
        else:
            clear.append(ask(scene, rng.choice(skills), rng, LATER, typed))
            asked.append(clear[-1])
    return asked


def follow_up(scene: Scene, asked: list[Question], rng: random.Random, typed: Typed = None) -> Question | None:
    """A question that only the one before makes clear; None where there is nothing to go on from."""
    if not asked:
        return None
    before = asked[-1]
    choices: list[tuple[str, Drawn | None, tuple[str, ...]]] = []
    if thing := named_last(scene, before):
        for skill, drawn in {
            "where": things.where_is(scene, thing.name, rng),
            "size": things.size_of(scene, thing, rng),
            "kind": things.kind_of(scene, thing.name, rng),
            "relation": relations.relation_of(scene, thing, rng.choice(tuple(DIRECTIONS)), rng),
            "next_to": relations.next_to_of(scene, thing, rng),
            "is_at": relations.is_at_of(scene, thing, rng),
        }.items():
            # After "What is left of the dog?" it is what was found, but "left of it" would still mean the dog.
            if skill != before.skill and not (before.skill == "relation" and skill in ("relation", "next_to")):
                choices.append((skill, drawn, PRONOUN_FORMS[skill]))
    if before.skill in ("number", "number_there") and scene.plate:
        choices.append(("number_where", numbers.number_where(scene, rng), PRONOUN_FORMS["number_where"]))
    if before.skill == "number_where" and scene.plate:
        choices.append(("number", numbers.number(scene, rng), PRONOUN_FORMS["number"]))
    if before.skill == "relation" and before.about:
        drawn = relations.relation_of(scene, before.about[0], rng.choice(tuple(DIRECTIONS)), rng)
        choices.append(("relation", drawn, SAME_FORMS["relation"]))
    elif before.skill != "relation" and before.skill in SAME_FORMS:
        choices.append((before.skill, SKILLS[before.skill](scene, rng), SAME_FORMS[before.skill]))
    for skill, forms in LEADS_TO.get(before.skill, {}).items():
        drawn = SKILLS[skill](scene, rng)
        if skill != "describe" and before.about:
            draw = {"count_category": groups.count_kind, "list_category": groups.list_kind}[skill]
            drawn = draw(scene, before.about[0].category, rng)
        if skill == "describe" or before.about:
            choices.append((skill, drawn, forms))
    choices = [choice for choice in choices if choice[1] is not None]
    if not choices:
        return None
    skill, drawn, forms = rng.choice(choices)
    return question(skill, drawn, rng.choice([form for form in forms if fits(form, drawn.words)]), rng, typed)


def named_last(scene: Scene, before: Question) -> Thing | None:
    """The one thing that "it" means after a question and its answer, if there is just one."""
    if before.skill == "relation":
        named = before.about[1:]
    elif before.skill in NAMING:
        named = before.about
    else:
        named = ()
    return named[0] if len(named) == 1 and len(scene.find(named[0].name)) == 1 else None
