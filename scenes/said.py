"""What is said of a scene: answers in stretches, each with what it speaks of.

So training can show the model where to look, and a reader can see that every word comes from the scene.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scenes.scene import CATEGORIES, CELL, OBJECTS, Plate, Scene, Thing
from scenes.words import NUMBERS, located, plural, with_article

ABSENT = 0.1  # share of the questions about one thing that ask about something that is not there
DIRECTIONS: dict[str, tuple[int, int]] = {  # words -> step in (row, column)
    "left of": (0, -1),
    "right of": (0, 1),
    "above": (-1, 0),
    "below": (1, 0),
}


@dataclass(frozen=True)
class Said:
    """A stretch of an answer; `looks` are the numbers of what it speaks of, from 1: () for what is not there.

    None leaves the model to itself. `counts` says that the stretch depends on how many they are, `decides` that
    everything asked for hangs on it.
    """

    text: str
    looks: tuple[int, ...] | None = None
    counts: bool = False
    decides: bool = False


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


def joined(items: list[str]) -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def numbered(scene: Scene, things: Sequence[Thing]) -> tuple[int, ...]:
    """The numbers of things in their scene, from 1."""
    # By identity: twins may be equal in everything but their place.
    return tuple(number for number, thing in enumerate(scene.things, start=1) if any(thing is t for t in things))


def cells_towards(thing: Thing, direction: str) -> list[int]:
    """The cells of a thing's row or column that lie in that direction, nearest first."""
    row_step, column_step = DIRECTIONS[direction]
    row, column = divmod(thing.cell, 3)
    steps = [(row + far * row_step, column + far * column_step) for far in (1, 2)]
    return [3 * r + c for r, c in steps if 0 <= r < 3 and 0 <= c < 3]


def neighbour(scene: Scene, thing: Thing, direction: str) -> Thing | Plate | None:
    """What is nearest in the same row or column, in that direction: another thing, the number, or nothing."""
    cells = cells_towards(thing, direction)
    return next((found for cell in cells if (found := what_is_at(scene, cell))), None)


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
            if left < (column + 1) * CELL - 1 and left + width > column * CELL + 1
        }
    return cells


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


def absent(scene: Scene, rng: random.Random) -> str:
    """An object that is not in the scene."""
    return rng.choice([name for name in OBJECTS if not scene.find(name)])


def not_there(scene: Scene, rng: random.Random, **words: str) -> Drawn:
    """What is said where somebody asks more about an object that is not in the scene."""
    name = absent(scene, rng)
    return Drawn({"name": name, **words}, (Said(f"There is no {name} in the image.", ()),), (), {"name": ()})


def present_or_absent(scene: Scene, rng: random.Random, chance_present: float) -> str:
    """An object that is in the scene with that chance."""
    return rng.choice(scene.things).name if rng.random() < chance_present else absent(scene, rng)


def some_category(scene: Scene, rng: random.Random, chance_present: float = 0.75) -> tuple[str, tuple[Thing, ...]]:
    """A category with its things; with that chance one that is there."""
    kind = rng.choice(scene.things).category if rng.random() < chance_present else rng.choice(tuple(CATEGORIES))
    return kind, tuple(thing for thing in scene.things if thing.category == kind)


def unique_things(scene: Scene) -> list[Thing]:
    """The things of which there is just one."""
    return [thing for thing in scene.things if len(scene.find(thing.name)) == 1]
