"""What can be asked about single things and the scene as a whole, and the answers: one function per skill."""

import random

from scenes.said import (
    ABSENT,
    Drawn,
    Said,
    joined,
    named,
    not_there,
    numbered,
    present_or_absent,
    reached,
    said_at,
    the_number,
    unique_things,
    what_is_at,
)
from scenes.scene import BACKGROUNDS, CATEGORIES, PLACES, Scene, Thing
from scenes.words import NUMBERS, located, with_article


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
    return where_is(scene, present_or_absent(scene, rng, 0.9), rng)


def where_is(scene: Scene, name: str, rng: random.Random) -> Drawn:
    """Where the things of this name are."""
    found = scene.find(name)
    numbers = numbered(scene, found)
    said = [*said_at(scene, name, found), Said(".")] if found else [Said(f"There is no {name} in the image.", ())]
    return Drawn({"name": name}, tuple(said), tuple(found), {"name": numbers})


def is_there(scene: Scene, rng: random.Random) -> Drawn:
    """Whether an object is in the scene."""
    name = present_or_absent(scene, rng, 0.5)
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
    if not (unique := unique_things(scene)):
        return None
    return not_there(scene, rng) if rng.random() < ABSENT else size_of(scene, rng.choice(unique), rng)


def size_of(scene: Scene, thing: Thing, rng: random.Random) -> Drawn:
    """Whether this thing is small or large."""
    numbers = numbered(scene, [thing])
    said = Said(f"The {thing.name} is {thing.size}", numbers), Said(".")
    return Drawn({"name": thing.name}, said, (thing,), {"name": numbers})


def kind(scene: Scene, rng: random.Random) -> Drawn:
    """What kind of thing an object is."""
    return kind_of(scene, present_or_absent(scene, rng, 0.85), rng)


def kind_of(scene: Scene, name: str, rng: random.Random) -> Drawn:
    """What kind of thing this is."""
    own = next(kind for kind, names in CATEGORIES.items() if name in names)
    claimed = own if rng.random() < 0.6 else rng.choice(tuple(CATEGORIES))
    words = {"name": name, "kind": claimed}
    said = Said(f"{with_article(name).capitalize()} is {with_article(own)}.")
    found = scene.find(name)
    return Drawn(words, (said,), tuple(found), {"name": numbered(scene, found)})
