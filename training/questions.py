"""Questions about emoji scenes and their exact answers: one function per skill, wordings apart.

An answer is said in stretches, each with what it speaks of, so that training can show the model where to look and a
reader can see that every word comes from the scene.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from training.forms import FORMS, expand
from training.scenes import BACKGROUNDS, CATEGORIES, OBJECTS, PLACES, Plate, Scene, Thing
from training.typing import marked, neat, unmarked
from training.words import (
    DIRECTION_FORMS,
    NUMBERS,
    ORDINALS,
    PLACE_FORMS,
    SYNONYMS,
    located,
    plural,
    with_article,
)

DIRECTIONS: dict[str, tuple[int, int]] = {  # words -> step in (row, column)
    "left of": (0, -1),
    "right of": (0, 1),
    "above": (-1, 0),
    "below": (1, 0),
}
# Words that no question about something unknown may hold: they are asked about in another sense.
FORBIDDEN = frozenset(
    [
        "left",
        "right",
        "top",
        "bottom",
        "center",
        "middle",
        "side",
        "corner",
        "small",
        "large",
        "size",
        "kind",
        "sort",
        "place",
        "part",
        "position",
    ]
)
SYNONYM = 0.25  # share of the names that are asked for by another word


@dataclass(frozen=True)
class Said:
    """A stretch of an answer; `looks` are the numbers of what it speaks of, from 1: () for what is not there.

    None leaves the model to itself. `counts` says that the stretch depends on how many they are.
    """

    text: str
    looks: tuple[int, ...] | None = None
    counts: bool = False


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


@dataclass(frozen=True)
class Drawn:
    """What a skill draws from a scene: words for the form, what is said, and what it is about.

    Words are those of the scene: how a form puts them, in the plural or by another name, is `worded`. `sought` tells
    for some of them the numbers of what they name.
    """

    words: dict[str, str]
    said: tuple[Said, ...]
    about: tuple[Thing, ...] = ()
    sought: Mapping[str, tuple[int, ...]] | None = None


# What the model says when there is nothing of the scene to say.
OUT_OF_SCOPE = "I can only talk about emoji scenes: ask what is there, where it is or how many there are."
UNKNOWN_WORD = "I don't know that word: ask me about animals, food, vehicles, plants, tools, toys or a number."
NO_COLOR = "I cannot tell the color of a thing, only of the background: ask me where it is or how large."
NO_SCENE = "I only know emoji scenes, and this picture is none: try one of the examples."
GREETING = "Hello! Ask me what is in the picture, where it is or how many there are."
THANKS = "You are welcome! Ask me more about the picture."
GOODBYE = "Goodbye! Come back with another picture."


def joined(items: list[str]) -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def numbered(scene: Scene, things: Sequence[Thing]) -> tuple[int, ...]:
    """The numbers of things in their scene, from 1."""
    # By identity: twins may be equal in everything but their place.
    return tuple(number for number, thing in enumerate(scene.things, start=1) if any(thing is t for t in things))


def neighbour(scene: Scene, thing: Thing, direction: str) -> Thing | Plate | None:
    """What is nearest in the same row or column, in that direction: another thing, the number, or nothing."""
    row_step, column_step = DIRECTIONS[direction]
    row, column = divmod(thing.cell, 3)
    while 0 <= (row := row + row_step) < 3 and 0 <= (column := column + column_step) < 3:
        if found := what_is_at(scene, 3 * row + column):
            return found
    return None


def what_is_at(scene: Scene, cell: int) -> Thing | Plate | None:
    """What is in a cell: a thing, the number, or nothing."""
    return scene.at(cell) or (scene.plate if scene.plate and scene.plate.cell == cell else None)


def reached(scene: Scene) -> set[int]:
    """The cells that hold something, or into which a long number reaches."""
    cells = {thing.cell for thing in scene.things}
    if plate := scene.plate:
        left, width = plate.corner[0], plate.pixels * len(plate.digits)
        cells |= {
            plate.cell // 3 * 3 + column
            for column in range(3)
            if left < (column + 1) * 224 / 3 - 1 and left + width > column * 224 / 3 + 1
        }
    return cells


# --- stretches of answers ---


def listed(scene: Scene, things: Sequence[Thing], say: Callable[[Thing], str]) -> list[Said]:
    """`a dog, an owl and a pig`: after each, how many are still to come decides between a comma, "and" and the end."""
    numbers, said = numbered(scene, things), []
    for place, thing in enumerate(things):
        said.append(Said(say(thing), numbers[place : place + 1]))
        left = len(things) - place - 1
        if left:
            said.append(Said(" and " if left == 1 else ", ", numbers[place + 1 :], counts=True))
    return said


def the_number(scene: Scene) -> list[Said]:
    """The digits of the plate, one by one."""
    first = len(scene.things) + 1
    return [Said(digit, (first + place,)) for place, digit in enumerate(scene.plate.digits)]


def named(scene: Scene, found: Thing | Plate | None) -> list[Said]:
    """` a dog`, ` the number 471`, ` nothing`."""
    if found is None:
        return [Said(" nothing", ())]
    if isinstance(found, Plate):
        return [Said(" the number ", (len(scene.things) + 1,)), *the_number(scene)]
    return [Said(f" {with_article(found.name)}", numbered(scene, [found]))]


def there_are(scene: Scene, things: Sequence[Thing], word: str) -> list[Said]:
    """`There is one dog.`, `There are two dogs.`"""
    numbers = numbered(scene, things)
    number = len(numbers)
    said = f" {'is' if number == 1 else 'are'} {NUMBERS[number]}"
    return [Said("There"), Said(said, numbers, counts=True), Said(f" {word if number == 1 else plural(word)}.")]


def said_at(scene: Scene, name: str, found: Sequence[Thing]) -> list[Said]:
    """`The dog is on the left`, `The dogs are on the left and at the top`, without the full stop."""
    subject = f"The {name} is" if len(found) == 1 else f"The {plural(name)} are"
    said = [Said(subject, numbered(scene, found), counts=True), Said(" ")]
    return said + listed(scene, found, lambda thing: located(thing.place))


# --- skills ---


def _absent(scene: Scene, rng: random.Random) -> str:
    return rng.choice([name for name in OBJECTS if not scene.find(name)])


def _present_or_absent(scene: Scene, rng: random.Random, chance_present: float) -> str:
    return rng.choice(scene.things).name if rng.random() < chance_present else _absent(scene, rng)


def _category(scene: Scene, rng: random.Random, chance_present: float = 0.75) -> tuple[str, tuple[Thing, ...]]:
    kind = rng.choice(scene.things).category if rng.random() < chance_present else rng.choice(tuple(CATEGORIES))
    return kind, tuple(thing for thing in scene.things if thing.category == kind)


def _unique(scene: Scene) -> list[Thing]:
    return [thing for thing in scene.things if len(scene.find(thing.name)) == 1]


def describe(scene: Scene, rng: random.Random) -> Drawn:
    """Every fact of the scene: background, number of things, each with size, name and place, and which places are free.

    The free places close it, not counts per category: what can be looked up is right, what must be summed often not.
    """
    numbers, plate = numbered(scene, scene.things), scene.plate
    word = "object" if len(numbers) == 1 else "objects"
    said = [Said("The image shows"), Said(f" {NUMBERS[len(numbers)]}", numbers, counts=True), Said(f" {word}")]
    said += [Said(" and a number" if plate else " on", (len(numbers) + 1,) if plate else ())]
    said += [Said(f"{' on' if plate else ''} {with_article(scene.background)} background.")]
    for cell in range(9):
        if found := scene.at(cell):
            said += [Said(f" There is a {found.size} {found.name}", numbered(scene, [found]))]
        elif plate and plate.cell == cell:
            said += [Said(" There is the number ", (len(numbers) + 1,)), *the_number(scene)]
        else:
            continue
        said += [Said(f" {located(PLACES[cell])}.")]
    free = [located(PLACES[cell]) for cell in range(9) if cell not in reached(scene)]
    if free:
        said += [Said(f" There is nothing {joined(free)}.")]
    return Drawn({}, tuple(said), scene.things)


def what_at(scene: Scene, rng: random.Random) -> Drawn:
    """What is at a place; now and then nothing."""
    cells = [cell for cell in range(9) if what_is_at(scene, cell)]
    free = [cell for cell in range(9) if cell not in reached(scene)]
    cell = rng.choice(cells) if rng.random() < 0.8 or not free else rng.choice(free)
    found = what_is_at(scene, cell)
    what = named(scene, found)
    looks = what[0].looks
    said = Said("There is", looks), *what, Said(f" {located(PLACES[cell])}.")
    about = (found,) if isinstance(found, Thing) else ()
    return Drawn({"place": PLACES[cell]}, said, about, {"place": looks})


def where(scene: Scene, rng: random.Random) -> Drawn:
    """Where a thing is; all its places when there are several, and now and then it is not there."""
    return where_is(scene, _present_or_absent(scene, rng, 0.9), rng)


def where_is(scene: Scene, name: str, rng: random.Random) -> Drawn:
    """Where the things of this name are."""
    found = scene.find(name)
    numbers = numbered(scene, found)
    said = [*said_at(scene, name, found), Said(".")] if found else [Said(f"There is no {name} in the image.", ())]
    return Drawn({"name": name}, tuple(said), tuple(found), {"name": numbers})


def count_object(scene: Scene, rng: random.Random) -> Drawn:
    """How many of one object; repeated objects are asked about more often than chance would."""
    repeated = [thing.name for thing in scene.things if len(scene.find(thing.name)) > 1]
    name = rng.choice(repeated) if repeated and rng.random() < 0.6 else _present_or_absent(scene, rng, 0.75)
    found = scene.find(name)
    return Drawn({"name": name}, tuple(there_are(scene, found, name)), tuple(found), {"name": numbered(scene, found)})


def count_category(scene: Scene, rng: random.Random) -> Drawn:
    """How many of a category."""
    kind, _ = _category(scene, rng)
    return count_kind(scene, kind, rng)


def count_kind(scene: Scene, kind: str, rng: random.Random) -> Drawn:
    """How many of this category."""
    found = tuple(thing for thing in scene.things if thing.category == kind)
    return Drawn({"kind": kind}, tuple(there_are(scene, found, kind)), found, {"kind": numbered(scene, found)})


def count_all(scene: Scene, rng: random.Random) -> Drawn:
    """How many things in all."""
    return Drawn({}, tuple(there_are(scene, scene.things, "object")), scene.things)


def list_category(scene: Scene, rng: random.Random) -> Drawn:
    """Every thing of a category, in reading order."""
    kind, _ = _category(scene, rng)
    return list_kind(scene, kind, rng)


def list_kind(scene: Scene, kind: str, rng: random.Random) -> Drawn:
    """Every thing of this category, in reading order."""
    found = tuple(thing for thing in scene.things if thing.category == kind)
    numbers = numbered(scene, found)
    if not found:
        return Drawn({"kind": kind}, (Said(f"There are no {plural(kind)} in the image.", ()),), (), {"kind": ()})
    said = [Said("I can see ", numbers), *listed(scene, found, lambda t: with_article(t.name)), Said(".", (), True)]
    return Drawn({"kind": kind}, tuple(said), found, {"kind": numbers})


def any_category(scene: Scene, rng: random.Random) -> Drawn:
    """Whether there is anything of a category, and what."""
    kind, found = _category(scene, rng, 0.5)
    numbers = numbered(scene, found)
    said = [Said(f"No, there are no {plural(kind)} in the image.", ())]
    if found:
        said = [Said("Yes", numbers), Said(", I can see "), *listed(scene, found, lambda t: with_article(t.name))]
        said += [Said(".", (), True)]
    return Drawn({"kind": kind}, tuple(said), found, {"kind": numbers})


def is_there(scene: Scene, rng: random.Random) -> Drawn:
    """Whether an object is in the scene."""
    name = _present_or_absent(scene, rng, 0.5)
    found = scene.find(name)
    numbers = numbered(scene, found)
    said = [Said("Yes" if found else "No", numbers)]
    said += [Said(f", there is {with_article(name)} in the image." if found else f", there is no {name} in the image.")]
    return Drawn({"name": name}, tuple(said), tuple(found), {"name": numbers})


def background(scene: Scene, rng: random.Random) -> Drawn:
    """The colour of the background."""
    color = rng.choice((scene.background, *BACKGROUNDS, "red", "black", "grey", "brown"))
    return Drawn({"color_word": color}, (Said(f"The background is {scene.background}."),))


def size(scene: Scene, rng: random.Random) -> Drawn | None:
    """Small or large, of a thing that is there once."""
    if not (unique := _unique(scene)):
        return None
    return size_of(scene, rng.choice(unique), rng)


def size_of(scene: Scene, thing: Thing, rng: random.Random) -> Drawn:
    """Whether this thing is small or large."""
    numbers = numbered(scene, [thing])
    said = Said(f"The {thing.name} is {thing.size}", numbers), Said(".")
    return Drawn({"name": thing.name}, said, (thing,), {"name": numbers})


def kind(scene: Scene, rng: random.Random) -> Drawn:
    """What kind of thing an object is."""
    return kind_of(scene, _present_or_absent(scene, rng, 0.85), rng)


def kind_of(scene: Scene, name: str, rng: random.Random) -> Drawn:
    """What kind of thing this is."""
    own = next(kind for kind, names in CATEGORIES.items() if name in names)
    claimed = own if rng.random() < 0.6 else rng.choice(tuple(CATEGORIES))
    words = {"name": name, "kind": claimed}
    said = Said(f"{with_article(name).capitalize()} is {with_article(own)}.")
    found = scene.find(name)
    return Drawn(words, (said,), tuple(found), {"name": numbered(scene, found)})


def relation(scene: Scene, rng: random.Random) -> Drawn | None:
    """What is next to a thing in one direction; a third of the time that may be nothing."""
    if not (unique := _unique(scene)):
        return None
    pairs = [(thing, direction) for thing in unique for direction in DIRECTIONS]
    filled = [pair for pair in pairs if neighbour(scene, *pair)]
    return relation_of(scene, *rng.choice(filled if filled and rng.random() < 0.7 else pairs), rng)


def relation_of(scene: Scene, thing: Thing, direction: str, rng: random.Random) -> Drawn:
    """What is next to this thing in this direction."""
    found = neighbour(scene, thing, direction)
    what = named(scene, found)
    said = Said("There is", what[0].looks), *what, Said(f" {direction} the {thing.name}.")
    about = (thing, found) if isinstance(found, Thing) else (thing,)
    numbers = numbered(scene, [thing])
    return Drawn({"name": thing.name, "direction": direction}, said, about, {"name": numbers})


def next_to(scene: Scene, rng: random.Random) -> Drawn | None:
    """What is directly beside a thing, on each of its four sides."""
    if not (unique := _unique(scene)):
        return None
    beside = [thing for thing in unique if _beside(scene, thing)]
    return next_to_of(scene, rng.choice(beside if beside and rng.random() < 0.8 else unique), rng)


def _beside(scene: Scene, thing: Thing) -> list[tuple[str, Thing | Plate]]:
    row, column = divmod(thing.cell, 3)
    steps = {way: (row + down, column + across) for way, (down, across) in DIRECTIONS.items()}
    inside = {way: 3 * r + c for way, (r, c) in steps.items() if 0 <= r < 3 and 0 <= c < 3}
    return [(way, found) for way, cell in inside.items() if (found := what_is_at(scene, cell))]


def next_to_of(scene: Scene, thing: Thing, rng: random.Random) -> Drawn:
    """What is directly beside this thing."""
    beside, numbers = _beside(scene, thing), numbered(scene, [thing])
    if not beside:
        said = [Said("There is nothing", ()), Said(f" next to the {thing.name}.")]
        return Drawn({"name": thing.name}, tuple(said), (thing,), {"name": numbers})
    said = []
    for place, (way, found) in enumerate(beside):
        what = named(scene, found)
        before = "There is" if place == 0 else " and" if place == len(beside) - 1 else ","
        said += [Said(before, what[0].looks), *what, Said(f" {way} {f'the {thing.name}' if place == 0 else 'it'}")]
    about = (thing, *(found for _, found in beside if isinstance(found, Thing)))
    return Drawn({"name": thing.name}, (*said, Said(".")), about, {"name": numbers})


def is_at(scene: Scene, rng: random.Random) -> Drawn | None:
    """Whether a thing is at a place; a thing in the top left is on the left, and at the top."""
    if not (unique := _unique(scene)):
        return None
    thing = rng.choice(unique)
    sides = [place for place in ("top", "bottom", "left", "right") if place in thing.place.split()]
    right = rng.random() < 0.5
    place = rng.choice([thing.place, thing.place, *sides] if right else PLACES)
    holds = place == thing.place or place in sides
    numbers = numbered(scene, [thing])
    said = (
        Said("Yes" if holds else "No", numbers),
        Said(f", the {thing.name} is"),
        Said(f" {located(thing.place)}", numbers),
    )
    return Drawn({"name": thing.name, "place": place}, (*said, Said(".")), (thing,), {"name": numbers})


def is_relation(scene: Scene, rng: random.Random) -> Drawn | None:
    """Whether a thing is left of, right of, above or below another, which its row or column tells."""
    if len(unique := _unique(scene)) < 2:
        return None
    thing, other = rng.sample(unique, 2)
    direction = rng.choice(tuple(DIRECTIONS))
    places = [divmod(t.cell, 3) for t in (thing, other)]
    down, across = places[0][0] - places[1][0], places[0][1] - places[1][1]
    row_step, column_step = DIRECTIONS[direction]
    holds = down * row_step + across * column_step > 0
    words = {"name": thing.name, "direction": direction, "other": other.name}
    mine, theirs = numbered(scene, [thing]), numbered(scene, [other])
    said = (
        Said(f"The {thing.name} is"),
        Said(f" {located(thing.place)}", mine),
        Said(f" and the {other.name} is"),
        Said(f" {located(other.place)}", theirs),
        Said(f", so {'yes' if holds else 'no'}."),
    )
    return Drawn(words, said, (thing, other), {"name": mine, "other": theirs})


def more(scene: Scene, rng: random.Random) -> Drawn:
    """Whether there are more of one than of another, objects or categories; both numbers first, so that one can see."""
    if rng.random() < 0.65:
        one = rng.choice(scene.things).category
        two = rng.choice([k for k in CATEGORIES if k != one])
        others = [t.category for t in scene.things if t.category != one]
        two = rng.choice(others) if others and rng.random() < 0.7 else two
        groups = [tuple(t for t in scene.things if t.category == k) for k in (one, two)]
    else:
        one = rng.choice(scene.things).name
        others = [t.name for t in scene.things if t.name != one]
        two = rng.choice(others) if others and rng.random() < 0.7 else _absent(scene, rng)
        groups = [scene.find(one), scene.find(two)]
    if rng.random() < 0.5:
        one, two, groups = two, one, groups[::-1]
    first, second = (numbered(scene, group) for group in groups)
    said = (
        Said("There"),
        Said(f" {'is' if len(first) == 1 else 'are'} {NUMBERS[len(first)]}", first, counts=True),
        Said(f" {one if len(first) == 1 else plural(one)} and"),
        Said(f" {NUMBERS[len(second)]}", second, counts=True),
        Said(f" {two if len(second) == 1 else plural(two)}."),
    )
    return Drawn({"name": one, "other": two}, said, (*groups[0], *groups[1]), {"name": first, "other": second})


def _by_size(scene: Scene, size: str, most: str) -> Drawn:
    found = [thing for thing in scene.things if thing.size == size]
    numbers = numbered(scene, found)
    if len(found) in (0, len(scene.things)):
        said = [Said(f"All objects are {'small' if (size == 'large') == (not found) else 'large'}.", numbers)]
        return Drawn({}, tuple(said), scene.things)
    if len(found) == 1:
        return Drawn({}, (Said(f"The {most} object is the {found[0].name}", numbers), Said(".")), tuple(found))
    said = [Said(f"The {size} objects are ", numbers), *listed(scene, found, lambda t: with_article(t.name))]
    return Drawn({}, (*said, Said(".", (), True)), tuple(found))


def biggest(scene: Scene, rng: random.Random) -> Drawn:
    """What is large: one thing, several, all or none."""
    return _by_size(scene, "large", "largest")


def smallest(scene: Scene, rng: random.Random) -> Drawn:
    """What is small: one thing, several, all or none."""
    return _by_size(scene, "small", "smallest")


def only(scene: Scene, rng: random.Random) -> Drawn:
    """The only thing of a category, or that it is not alone."""
    alone = [t for t in scene.things if sum(o.category == t.category for o in scene.things) == 1]
    kind, found = _category(scene, rng, 0.85)
    if alone and rng.random() < 0.6:
        found = (rng.choice(alone),)
        kind = found[0].category
    numbers = numbered(scene, found)
    if not found:
        said = [Said(f"There are no {plural(kind)} in the image.", ())]
    elif len(found) == 1:
        said = [Said(f"The only {kind} is the {found[0].name}", numbers), Said(".")]
    else:
        said = [Said("I can see ", numbers), *listed(scene, found, lambda t: with_article(t.name)), Said(".", (), True)]
    return Drawn({"kind": kind}, tuple(said), found, {"kind": numbers})


def odd_one(scene: Scene) -> Thing | None:
    """The thing whose category is unlike that of all others, which share theirs; None where there is no such thing."""
    for thing in scene.things:
        others = [other.category for other in scene.things if other is not thing]
        if len(others) > 1 and len(set(others)) == 1 and others[0] != thing.category:
            return thing
    return None


def odd(scene: Scene, rng: random.Random) -> Drawn:
    """Which thing does not fit, if there is one that does not."""
    if not (thing := odd_one(scene)):
        return Drawn({}, (Said("No object is the odd one out."),))
    other = next(other.category for other in scene.things if other is not thing)
    said = (
        Said(f"The {thing.name}", numbered(scene, [thing])),
        Said(f" is the odd one out: the others are {plural(other)}."),
    )
    return Drawn({}, said, (thing,))


NO_NUMBER = (Said("There is no number in the image.", ()),)


def number(scene: Scene, rng: random.Random) -> Drawn:
    """The number of the plate, digit by digit."""
    if not scene.plate:
        return Drawn({}, NO_NUMBER)
    return Drawn({}, (Said("The number is ", (len(scene.things) + 1,)), *the_number(scene), Said(".")))


def number_at(scene: Scene, rng: random.Random) -> Drawn:
    """The number at a place, where there may be none."""
    plate = scene.plate
    cell = plate.cell if plate and rng.random() < 0.75 else rng.choice(sorted({*range(9)} - reached(scene)))
    words = {"place": PLACES[cell]}
    if not plate or plate.cell != cell:
        return Drawn(words, (Said("There is no number", ()), Said(f" {located(PLACES[cell])}.")), (), {"place": ()})
    first = (len(scene.things) + 1,)
    return Drawn(words, (Said("The number is ", first), *the_number(scene), Said(".")), (), {"place": first})


def number_where(scene: Scene, rng: random.Random) -> Drawn:
    """Where the number is."""
    if not scene.plate:
        return Drawn({}, NO_NUMBER)
    return Drawn(
        {}, (Said("The number is"), Said(f" {located(scene.plate.place)}", (len(scene.things) + 1,)), Said("."))
    )


def number_there(scene: Scene, rng: random.Random) -> Drawn:
    """Whether there is a number, and which."""
    if not scene.plate:
        return Drawn({}, (Said("No", ()), Said(", there is no number in the image.")))
    return Drawn({}, (Said("Yes", (len(scene.things) + 1,)), Said(", the number is "), *the_number(scene), Said(".")))


def digit(scene: Scene, rng: random.Random) -> Drawn:
    """One digit of the number."""
    plate = scene.plate
    place = rng.randrange(len(plate.digits) if plate else 5)
    word = "last" if plate and place == len(plate.digits) - 1 and rng.random() < 0.7 else ORDINALS[place]
    if word not in ("first", "last") and rng.random() < 0.3:
        place, word = 0, "first"
    words = {"ordinal": word, "begin": "end with" if word == "last" else "begin with"}
    if word not in ("first", "last"):
        words.pop("begin")
    if not plate:
        return Drawn(words, NO_NUMBER)
    said = Said(f"The {word} digit is "), Said(plate.digits[place], (len(scene.things) + 1 + place,)), Said(".")
    return Drawn(words, said)


SKILLS: dict[str, Callable[[Scene, random.Random], Drawn | None]] = {
    skill.__name__: skill
    for skill in (
        *(describe, what_at, where, count_object, count_category, count_all, list_category, any_category, is_there),
        *(background, size, kind, relation, next_to, is_at, is_relation, more, biggest, smallest, only, odd),
        *(number, number_at, number_where, number_there, digit),
    )
}
NUMBER_SKILLS = ("number", "number_at", "number_where", "number_there", "digit")
SHORT_SKILLS: tuple[str, ...] = tuple(skill for skill in SKILLS if skill != "describe" and skill not in NUMBER_SKILLS)


def ask(
    scene: Scene,
    skill: str,
    rng: random.Random,
    forms: Mapping[str, tuple[str, ...]] = FORMS,
    typed: Callable[[str, random.Random], str] | None = None,
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


def _base(slot: str) -> str:
    """The word behind a slot: {names} and {a_name} are forms of the name."""
    return {"names": "name", "a_name": "name", "others": "other", "kinds": "kind", "a_kind": "kind"}.get(slot, slot)


def worded(slot: str, word: str, rng: random.Random, loosely: bool) -> str:
    """A word of the scene as a slot of a form puts it; loosely, people have many words for the same."""
    if slot in ("place", "direction"):
        plain, forms = (located(word), PLACE_FORMS) if slot == "place" else (word, DIRECTION_FORMS)
        return expand(f"[{forms[word]}]", rng) if loosely else plain
    if loosely and word in SYNONYMS and rng.random() < SYNONYM:
        word = rng.choice(SYNONYMS[word])
    if slot in ("names", "others", "kinds"):
        return plural(word)
    return with_article(word) if slot in ("a_name", "a_kind") else word


def question(
    skill: str,
    drawn: Drawn,
    form: str,
    rng: random.Random,
    typed: Callable[[str, random.Random], str] | None = None,
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
    return list(dict.fromkeys(ask(scene, skill, rng, PLAIN_FORMS).text for skill in skills))


# How the page words what it suggests.
PLAIN_FORMS: dict[str, tuple[str, ...]] = {
    "number": ("what is the number",),
    "where": ("where is the {name}",),
    "count_category": ("how many {kinds} are there",),
    "relation": ("what is {direction} the {name}",),
    "is_there": ("is there {a_name}",),
    "describe": ("describe the image in detail",),
}
