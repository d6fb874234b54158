"""What can be asked about how things lie to one another, and the answers: one function per skill."""

import random

from scenes.said import DIRECTIONS, Drawn, Said, named, neighbour, numbered, unique_things, what_is_at
from scenes.scene import PLACES, Plate, Scene, Thing
from scenes.words import located


def relation(scene: Scene, rng: random.Random) -> Drawn | None:
    """What is next to a thing in one direction; a third of the time that may be nothing."""
    if not (unique := unique_things(scene)):
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
    if not (unique := unique_things(scene)):
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
    if not (unique := unique_things(scene)):
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
    if len(unique := unique_things(scene)) < 2:
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
