"""What can be asked about a scene's number, and the answers: one function per skill."""

import random

from scenes.said import Drawn, Said, reached, the_number
from scenes.scene import PLACES, Scene
from scenes.words import ORDINALS, located

NO_NUMBER = (Said("There is no number in the image.", ()),)


def number(scene: Scene, rng: random.Random) -> Drawn:
    """The number of the plate, digit by digit."""
    if not scene.plate:
        return Drawn({}, NO_NUMBER)
    return Drawn({}, (Said("The number is ", (len(scene.things) + 1,)), *the_number(scene), Said(".")))


def number_at(scene: Scene, rng: random.Random) -> Drawn:
    """The number at a place, where there may be none."""
    plate = scene.plate
    free = sorted({*range(9)} - reached(scene))
    cell = plate.cell if plate and (rng.random() < 0.75 or not free) else rng.choice(free)
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
