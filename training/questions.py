"""The questions that the embedded weights were trained on, for page and evaluation, and their exact answers.

One function per skill, phrasings apart. `scenes` holds the grammar that training goes on with; once weights trained on
it are embedded, page and evaluation go over to it and this file, `phrasings` and `scenes` beside it end.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from training.phrasings import PHRASINGS
from training.scenes import BACKGROUNDS, CATEGORIES, OBJECTS, PLACES, Scene, Thing

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
PLURALS = {
    **{"fish": "fish", "octopus": "octopuses", "bus": "buses", "cactus": "cactuses", "strawberry": "strawberries"},
    **{"teddy": "teddies", "cherry": "cherries", "toy": "toys", "key": "keys"},
}
DIRECTIONS: dict[str, tuple[int, int]] = {  # words -> step in (row, column)
    "left of": (0, -1),
    "right of": (0, 1),
    "above": (-1, 0),
    "below": (1, 0),
}

SHORT_SKILLS: tuple[str, ...] = tuple(skill for skill in PHRASINGS if skill != "describe")


@dataclass(frozen=True)
class Question:
    """A question, its one right answer, the skill it tests, the things of the scene it is about, and its subject.

    The subject is the word of the question that says what to look for: an object, a category, a place.
    """

    skill: str
    text: str
    answer: str
    about: tuple[Thing, ...] = ()
    subject: str = ""


Drawn = tuple[dict[str, str], str, tuple[Thing, ...]]  # words for the phrasing, answer, things asked about


def plural(word: str) -> str:
    """The plural of an object or category."""
    return PLURALS.get(word, word + "s")


def with_article(name: str) -> str:
    """`a dog`, `an owl`."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def located(place: str) -> str:
    """`in the top left`, `at the top`, `on the left`."""
    preposition = {"top": "at", "bottom": "at", "left": "on", "right": "on"}.get(place, "in")
    return f"{preposition} the {place}"


def counted(number: int, word: str) -> str:
    """`no dogs`, `one dog`, `two dogs`."""
    return f"{NUMBERS[number]} {word if number == 1 else plural(word)}"


def joined(items: list[str]) -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def there_are(number: int, word: str) -> str:
    """`There is one dog.`, `There are two dogs.`"""
    return f"There {'is' if number == 1 else 'are'} {counted(number, word)}."


def neighbour(scene: Scene, thing: Thing, direction: str) -> Thing | None:
    """The nearest other thing in the same row or column, in that direction."""
    row_step, column_step = DIRECTIONS[direction]
    row, column = divmod(thing.cell, 3)
    while 0 <= (row := row + row_step) < 3 and 0 <= (column := column + column_step) < 3:
        if found := scene.at(3 * row + column):
            return found
    return None


def _absent(scene: Scene, rng: random.Random) -> str:
    return rng.choice([name for name in OBJECTS if not scene.find(name)])


def _present_or_absent(scene: Scene, rng: random.Random, chance_present: float) -> str:
    return rng.choice(scene.things).name if rng.random() < chance_present else _absent(scene, rng)


def _category(scene: Scene, rng: random.Random) -> tuple[str, tuple[Thing, ...]]:
    kind = rng.choice(scene.things).category if rng.random() < 0.75 else rng.choice(tuple(CATEGORIES))
    return kind, tuple(thing for thing in scene.things if thing.category == kind)


def describe(scene: Scene, rng: random.Random) -> Drawn:
    """Every fact of the scene: background, number of things, each with size, name and place, counts per category."""
    sentences = [f"The image shows {NUMBERS[len(scene.things)]} objects on a {scene.background} background."]
    for thing in scene.things:
        sentences.append(f"There is a {thing.size} {thing.name} {located(thing.place)}.")
    totals = [sum(thing.category == kind for thing in scene.things) for kind in CATEGORIES]
    parts = [counted(total, kind) for kind, total in zip(CATEGORIES, totals, strict=True) if total]
    sentences.append(f"In total I can see {joined(parts)}.")
    large = sum(thing.size == "large" for thing in scene.things)
    small = len(scene.things) - large
    sentences.append(f"Of these objects, {NUMBERS[large]} {'is' if large == 1 else 'are'} large")
    sentences[-1] += f" and {NUMBERS[small]} {'is' if small == 1 else 'are'} small."
    return {}, " ".join(sentences), scene.things


def what_at(scene: Scene, rng: random.Random) -> Drawn:
    """What is at a place; now and then nothing."""
    cell = rng.choice(scene.things).cell if rng.random() < 0.8 else rng.randrange(9)
    place, thing = located(PLACES[cell]), scene.at(cell)
    what = with_article(thing.name) if thing else "nothing"
    return {"place": place}, f"There is {what} {place}.", (thing,) if thing else ()


def where(scene: Scene, rng: random.Random) -> Drawn:
    """Where a thing is; all its places when there are several, and now and then it is not there."""
    name = _present_or_absent(scene, rng, 0.92)
    found = scene.find(name)
    if not found:
        return {"name": name}, f"There is no {name} in the image.", ()
    places = joined([located(thing.place) for thing in found])
    subject = f"The {name} is" if len(found) == 1 else f"The {plural(name)} are"
    return {"name": name}, f"{subject} {places}.", tuple(found)


def count_object(scene: Scene, rng: random.Random) -> Drawn:
    """How many of one object; repeated objects are asked about more often than chance would."""
    repeated = [thing.name for thing in scene.things if len(scene.find(thing.name)) > 1]
    name = rng.choice(repeated) if repeated and rng.random() < 0.6 else _present_or_absent(scene, rng, 0.75)
    found = scene.find(name)
    return {"names": plural(name)}, there_are(len(found), name), tuple(found)


def count_category(scene: Scene, rng: random.Random) -> Drawn:
    """How many of a category."""
    kind, found = _category(scene, rng)
    return {"kinds": plural(kind)}, there_are(len(found), kind), found


def count_all(scene: Scene, rng: random.Random) -> Drawn:
    """How many things in all."""
    return {}, there_are(len(scene.things), "object"), scene.things


def list_category(scene: Scene, rng: random.Random) -> Drawn:
    """Every thing of a category, in reading order."""
    kind, found = _category(scene, rng)
    if not found:
        return {"kinds": plural(kind)}, f"There are no {plural(kind)} in the image.", ()
    return {"kinds": plural(kind)}, f"I can see {joined([with_article(t.name) for t in found])}.", found


def is_there(scene: Scene, rng: random.Random) -> Drawn:
    """Whether an object is in the scene."""
    name = _present_or_absent(scene, rng, 0.5)
    found = scene.find(name)
    a_name = with_article(name)
    answer = f"Yes, there is {a_name} in the image." if found else f"No, there is no {name} in the image."
    return {"a_name": a_name}, answer, tuple(found)


def background(scene: Scene, rng: random.Random) -> Drawn:
    """The colour of the background."""
    return {}, f"The background is {scene.background}.", ()


def _unique(scene: Scene) -> list[Thing]:
    return [thing for thing in scene.things if len(scene.find(thing.name)) == 1]


def size(scene: Scene, rng: random.Random) -> Drawn | None:
    """Small or large, of a thing that is there once."""
    if not (unique := _unique(scene)):
        return None
    thing = rng.choice(unique)
    return {"name": thing.name}, f"The {thing.name} is {thing.size}.", (thing,)


def relation(scene: Scene, rng: random.Random) -> Drawn | None:
    """What is next to a thing in one direction; a third of the time that may be nothing."""
    if not (unique := _unique(scene)):
        return None
    pairs = [(thing, direction) for thing in unique for direction in DIRECTIONS]
    filled = [pair for pair in pairs if neighbour(scene, *pair)]
    thing, direction = rng.choice(filled if filled and rng.random() < 0.7 else pairs)
    found = neighbour(scene, thing, direction)
    what = with_article(found.name) if found else "nothing"
    about = (thing, found) if found else (thing,)
    return {"direction": direction, "name": thing.name}, f"There is {what} {direction} the {thing.name}.", about


SKILLS: dict[str, Callable[[Scene, random.Random], Drawn | None]] = {
    skill.__name__: skill
    for skill in (
        *(describe, what_at, where, count_object, count_category, count_all),
        *(list_category, is_there, background, size, relation),
    )
}


def ask(scene: Scene, skill: str, rng: random.Random, phrasings: dict[str, tuple[str, ...]] = PHRASINGS) -> Question:
    """One question of a skill; `background` instead where the scene has nothing to ask that skill about."""
    drawn = SKILLS[skill](scene, rng)
    if drawn is None:
        return ask(scene, "background", rng, phrasings)
    words, answer, about = drawn
    subject = next((word.split()[-1] for key, word in words.items() if key != "direction"), "")
    return Question(skill, rng.choice(phrasings[skill]).format(**words), answer, about, subject)


def conversation(
    scene: Scene, turns: int, rng: random.Random, phrasings: dict[str, tuple[str, ...]] = PHRASINGS
) -> list[Question]:
    """Several questions about one scene; a question of size may refer back to the thing asked about just before."""
    asked: list[Question] = []
    for _ in range(turns):
        before = asked[-1] if asked else None
        refers = before is not None and before.skill in ("where", "what_at") and len(before.about) == 1
        if refers and rng.random() < 0.4:
            thing = before.about[0]
            asked.append(Question("size", "Is it small or large?", f"The {thing.name} is {thing.size}.", (thing,)))
            continue
        question = ask(scene, rng.choice(SHORT_SKILLS), rng, phrasings)
        asked.append(question)
    return asked


def vocabulary() -> list[str]:
    """Words a tokenizer must hold whole, so that what is asked about is one token."""
    nouns = (*OBJECTS, *CATEGORIES, "object", "thing")
    places = ("top", "bottom", "left", "right", "center", "above", "below")
    words = [*nouns, *map(plural, nouns), *places, *NUMBERS, *BACKGROUNDS, "small", "large", "nothing"]
    return list(dict.fromkeys(words))


def suggestions(scene: Scene, seed: int | str) -> list[str]:
    """Questions that show what can be asked about a scene, a description first."""
    rng = random.Random(f"suggestions {seed}")
    skills = ["describe", "where", "count_object", "relation", "list_category"]
    return list(dict.fromkeys(ask(scene, skill, rng).text for skill in skills))
