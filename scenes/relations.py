"""What can be asked about how things lie to one another, and the answers: one function per skill."""

import random

from scenes.said import (
    ABSENT,
    DIRECTIONS,
    Drawn,
    Said,
    absent,
    cells_towards,
    named,
    neighbour,
    not_there,
    numbered,
    reached,
    unique_things,
    what_is_at,
)
from scenes.scene import PLACES, Plate, Scene, Thing
from scenes.words import located

OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def relation(scene: Scene, rng: random.Random) -> Drawn | None:
    """What is next to a thing in one direction; a third of the time that may be nothing."""
    if not (unique := unique_things(scene)):
        return None
    if rng.random() < ABSENT:
        return not_there(scene, rng, direction=rng.choice(tuple(DIRECTIONS)))
    pairs = [(thing, direction) for thing in unique for direction in DIRECTIONS]
    filled = [pair for pair in pairs if neighbour(scene, *pair)]
    return relation_of(scene, *rng.choice(filled if filled and rng.random() < 0.7 else pairs), rng)


def _only_an_end(scene: Scene, cells: list[int]) -> bool:
    """Whether what comes first in these cells is the end of a long number, whose middle is in none of them.

    That is neither nothing nor the number: nothing is asked there.
    """
    held = reached(scene)
    first = next((cell for cell in cells if cell in held), None)
    found = next((found for cell in cells if (found := what_is_at(scene, cell))), None)
    return first is not None and not what_is_at(scene, first) and not isinstance(found, Plate)


def relation_of(scene: Scene, thing: Thing, direction: str, rng: random.Random) -> Drawn | None:
    """What is next to this thing in this direction; None where that is but the end of a number."""
    if _only_an_end(scene, cells_towards(thing, direction)):
        return None
    found = neighbour(scene, thing, direction)
    what = named(scene, found)
    said = Said("There is", what[0].looks), *what, Said(f" {direction} the {thing.name}.")
    about = (thing, found) if isinstance(found, Thing) else (thing,)
    numbers = numbered(scene, [thing])
    return Drawn({"name": thing.name, "direction": direction}, said, about, {"name": numbers})


def next_to(scene: Scene, rng: random.Random) -> Drawn | None:
    """What is directly beside a thing, on each of its four sides."""
    if not (unique := unique_things(scene)):
        return None
    if rng.random() < ABSENT:
        return not_there(scene, rng)
    beside = [thing for thing in unique if _beside(scene, thing)]
    return next_to_of(scene, rng.choice(beside if beside and rng.random() < 0.8 else unique), rng)


def _beside(scene: Scene, thing: Thing) -> list[tuple[str, Thing | Plate]]:
    cells = {way: cells_towards(thing, way)[:1] for way in DIRECTIONS}
    return [(way, found) for way, near in cells.items() for cell in near if (found := what_is_at(scene, cell))]


def next_to_of(scene: Scene, thing: Thing, rng: random.Random) -> Drawn | None:
    """What is directly beside this thing; None where that is, on some side, but the end of a number."""
    if any(_only_an_end(scene, cells_towards(thing, way)[:1]) for way in DIRECTIONS):
        return None
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
    if not (unique := unique_things(scene)):
        return None
    if rng.random() < ABSENT:
        return not_there(scene, rng, place=rng.choice(PLACES))
    return is_at_of(scene, rng.choice(unique), rng)


def is_at_of(scene: Scene, thing: Thing, rng: random.Random) -> Drawn:
    """Whether this thing is at a place."""
    sides = [place for place in ("top", "bottom", "left", "right") if place in thing.place.split()]
    right = rng.random() < 0.5
    place = rng.choice([thing.place, thing.place, *sides] if right else PLACES)
    holds = place == thing.place or place in sides
    # "At the top" is true of the top left, "in the top middle" is not.
    words = {"name": thing.name, "place": f"{place} side" if place in sides and place != thing.place else place}
    numbers = numbered(scene, [thing])
    said = (
        Said("Yes" if holds else "No", numbers),
        Said(f", the {thing.name} is"),
        Said(f" {located(thing.place)}", numbers),
    )
    return Drawn(words, (*said, Said(".")), (thing,), {"name": numbers})


def _lies(thing: Thing, direction: str, other: Thing) -> bool:
    """Whether a thing lies in that direction of another: its row or column tells, not whether they share one."""
    (row, column), (other_row, other_column) = divmod(thing.cell, 3), divmod(other.cell, 3)
    row_step, column_step = DIRECTIONS[direction]
    return (row - other_row) * row_step + (column - other_column) * column_step > 0


def is_relation(scene: Scene, rng: random.Random) -> Drawn | None:
    """Whether a thing is left of, right of, above or below another: as often yes as no."""
    if len(unique := unique_things(scene)) < 2:
        return None
    thing, other = rng.sample(unique, 2)
    direction, chance = rng.choice(tuple(DIRECTIONS)), rng.random()
    if chance < ABSENT:
        name = absent(scene, rng)
        words = {"name": name, "direction": direction, "other": other.name}
        sought = {"name": (), "other": numbered(scene, [other])}
        if rng.random() < 0.5:  # the second one is not there
            words |= {"name": other.name, "other": name}
            sought = {"name": sought["other"], "other": ()}
        return Drawn(words, (Said(f"There is no {name} in the image.", ()),), (other,), sought)
    # Directions drawn blindly hold in a third of the cases, and who always says no is right in the rest.
    holds = chance < (1 + ABSENT) / 2
    if _lies(thing, direction, other) != holds:
        turned = (OPPOSITE[direction], *DIRECTIONS)
        direction = next(way for way in turned if _lies(thing, way, other) == holds)
    words = {"name": thing.name, "direction": direction, "other": other.name}
    mine, theirs = numbered(scene, [thing]), numbered(scene, [other])
    said = (
        Said(f"The {thing.name} is"),
        Said(f" {located(thing.place)}", mine),
        Said(f" and the {other.name} is"),
        Said(f" {located(other.place)}", theirs),
        Said(", so"),
        Said(" yes" if holds else " no", decides=True),
        Said("."),
    )
    return Drawn(words, said, (thing, other), {"name": mine, "other": theirs})
