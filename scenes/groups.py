"""What can be asked about several things at once, and the answers: one function per skill."""

import random

from scenes.said import Drawn, Said, absent, listed, numbered, present_or_absent, some_category, there_are
from scenes.scene import CATEGORIES, Scene, Thing
from scenes.words import NUMBERS, plural, with_article


def count_object(scene: Scene, rng: random.Random) -> Drawn:
    """How many of one object; repeated objects are asked about more often than chance would."""
    repeated = [thing.name for thing in scene.things if len(scene.find(thing.name)) > 1]
    name = rng.choice(repeated) if repeated and rng.random() < 0.6 else present_or_absent(scene, rng, 0.75)
    found = scene.find(name)
    return Drawn({"name": name}, tuple(there_are(scene, found, name)), tuple(found), {"name": numbered(scene, found)})


def count_category(scene: Scene, rng: random.Random) -> Drawn:
    """How many of a category."""
    kind, _ = some_category(scene, rng)
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
    kind, _ = some_category(scene, rng)
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
    kind, found = some_category(scene, rng, 0.5)
    numbers = numbered(scene, found)
    said = [Said(f"No, there are no {plural(kind)} in the image.", ())]
    if found:
        said = [Said("Yes", numbers), Said(", I can see "), *listed(scene, found, lambda t: with_article(t.name))]
        said += [Said(".", (), True)]
    return Drawn({"kind": kind}, tuple(said), found, {"kind": numbers})


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
        two = rng.choice(others) if others and rng.random() < 0.7 else absent(scene, rng)
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
    kind, found = some_category(scene, rng, 0.85)
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
        return Drawn({}, (Said("No object", (), decides=True), Said(" is the odd one out.")))
    other = next(other.category for other in scene.things if other is not thing)
    said = (
        Said(f"The {thing.name}", numbered(scene, [thing]), decides=True),
        Said(f" is the odd one out: the others are {plural(other)}."),
    )
    return Drawn({}, said, (thing,))
