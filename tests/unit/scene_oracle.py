"""A second account of emoji scenes, by which the tests tell whether an answer is true and complete.

It finds the words of a question with the grammar's forms, takes them at their plain meaning, and says what the whole
answer claims; an answer it reads by its plain words. Of how `scenes` draws and answers it shares the tables of names.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from scenes.forms import FORMS, INNERMOST, LATER, LEADS_TO, PRONOUN_FORMS, RULE, RULES, SAME_FORMS, pattern
from scenes.questions import Question
from scenes.scene import BACKGROUNDS, CATEGORIES, CELL, OBJECTS, PLACES, Scene, render
from scenes.words import (
    ANY_FORMS,
    BEGIN_FORMS,
    COMPARED_FORMS,
    DIRECTION_FORMS,
    ORDINAL_FORMS,
    ORDINALS,
    PLACE_FORMS,
    SPOT_FORMS,
    SYNONYMS,
    WAY_FORMS,
    plural,
)

COUNTS = ("no", "one", "two", "three", "four", "five", "six")
LOCATED = "(?:in|at|on) the (?:top left|top right|bottom left|bottom right|top|bottom|left|right|center)"
WAYS = "left of|right of|above|below"
Claim = tuple[str | int, ...]
Words = dict[str, str]  # what stands in the slots of a form, in the scene's words; places and directions as they stand


def every(form: str) -> set[str]:
    """All wordings of a form, its words in braces left as they are."""
    while RULE.search(form):
        form = RULE.sub(lambda found: f"[{RULES[found[1]]}]", form)
    choices: dict[str, set[str]] = {}

    def filled(part: str) -> set[str]:
        pieces = [choices.get(piece, {piece}) for piece in re.split(r"(#\d+#)", part)]
        return {"".join(chosen) for chosen in product(*pieces)}

    while found := INNERMOST.search(form):
        key = f"#{len(choices)}#"
        choices[key] = set().union(*map(filled, found[1].split("|")))
        form = form[: found.start()] + key + form[found.end() :]
    return {re.sub(" +", " ", wording).strip() for wording in filled(form)}


def articled(word: str) -> str:
    """`a dog`, `an owl`, `food`."""
    return word if word in ("food", "cattle") else f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def meanings(words: Iterable[str]) -> Words:
    """What these words and all others for the same mean."""
    return {word: word for word in words} | {other: word for word in words for other in SYNONYMS.get(word, ())}


SINGULAR: Words = {plural(word): word for word in (*OBJECTS, *CATEGORIES, "object")}
KIND: Words = {name: kind for kind, names in CATEGORIES.items() for name in names}
ABOUT_THINGS = ("size", "relation", "next_to", "is_at", "is_relation")  # of which there is just one


@cache
def slots() -> dict[str, Words]:
    """By slot: what may stand there, and what it means."""
    names, kinds = meanings(OBJECTS), meanings(CATEGORIES)
    places = set().union(*(every(f"[{forms}]") for forms in PLACE_FORMS.values()))
    places |= {f"{at} the {place}" for place in PLACES for at in ("in", "at", "on")}
    ways = set().union(
        *(every(f"[{forms}]") for table in (DIRECTION_FORMS, COMPARED_FORMS, WAY_FORMS) for forms in table.values())
    )
    colors = {*BACKGROUNDS, "red", "black", "grey", "brown"}
    themselves = {"place": places, "direction": ways, "compared": ways, "way": ways, "color_word": colors}
    themselves["spot"] = set().union(*(every(f"[{forms}]") for forms in SPOT_FORMS.values()))
    themselves["a_color_word"] = set(map(articled, colors))
    others = {"ordinal": ORDINAL_FORMS, "begin": BEGIN_FORMS, "any_kind": ANY_FORMS}
    return {slot: {word: word for word in words} for slot, words in themselves.items()} | {
        **{slot: {way: word for word in forms for way in forms[word].split("|")} for slot, forms in others.items()},
        **{"name": names, "other": names, "names": in_form(plural, names), "a_name": in_form(articled, names)},
        **{"kind": kinds, "kinds": in_form(plural, kinds), "a_kind": in_form(articled, kinds)},
        "others": in_form(plural, names | kinds),
    }


def in_form(way: Callable[[str], str], meant: Words) -> Words:
    """The words in another form, meaning the same."""
    return {way(word): meaning for word, meaning in meant.items()}


@cache
def reader(form: str) -> re.Pattern[str]:
    """What every text worded by the form matches, a group for each of its words."""

    def group(found: re.Match[str]) -> str:
        # Whether there are more of one than of another is asked of categories as well.
        words = slots()["others" if "{others}" in form else found[1]]
        some = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
        # A form may name a slot in several of its choices; a group's name must be its own.
        return f"(?P<{found[1]}__{found.start()}>{some})"

    return re.compile(re.sub(r"\\{(\w+)\\}", group, pattern(form).pattern))


BASE = {"names": "name", "a_name": "name", "others": "other", "kinds": "kind", "a_kind": "kind", "any_kind": "kind"}
BASE |= {"compared": "direction", "way": "direction", "spot": "place", "a_color_word": "color_word"}


def read(form: str, text: str) -> Words | None:
    """The words that a text, typed neatly, puts into a form; None where it is not worded by that form."""
    if not (found := reader(form).fullmatch(text.lower()[:-1])):
        return None
    put = {group.split("__")[0]: word for group, word in found.groupdict().items() if word}
    meant = slots() | ({"names": slots()["others"]} if "{others}" in form else {})
    return {BASE.get(slot, slot): meant[slot][word] for slot, word in put.items()}


def cells_of(wording: str) -> set[int]:
    """The cells that the words of a place name: one, or the three along a side."""
    words = set(re.findall("[a-z]+", wording))
    rows = [0] if words & {"top", "upper"} else [2] if words & {"bottom", "lower"} else [0, 1, 2]
    columns = [0] if "left" in words else [2] if "right" in words else [0, 1, 2]
    if words & {"middle", "center", "centre"}:
        rows, columns = ([1] if len(line) == 3 else line for line in (rows, columns))
    return {3 * row + column for row in rows for column in columns}


def way_of(wording: str) -> tuple[int, int]:
    """The step, down and across, that the words of a direction name."""
    words = set(re.findall("[a-z]+", wording))
    signs = {"left": (0, -1), "right": (0, 1)}
    signs |= dict.fromkeys(("above", "over", "top", "higher"), (-1, 0))
    signs |= dict.fromkeys(("below", "under", "beneath", "underneath", "lower"), (1, 0))
    (sign,) = {sign for word, sign in signs.items() if word in words}
    return sign


def listed(text: str) -> list[str]:
    """`a dog, an owl and a pig` -> three."""
    return re.split(", | and ", text)


def cells_in(text: str) -> list[int]:
    """`in the top left and on the right` -> 0, 5"""
    return [PLACES.index(found.split(" the ")[1]) for found in re.findall(LOCATED, text)]


def what(text: str) -> str:
    """`a dog` -> `dog`, `the number 471` -> `number 471`, `nothing` -> `nothing`; a wrong article stays."""
    name = text.split(" ", 1)[-1]
    return name if text in (f"the {name}", articled(name)) else text


def claims(answer: str) -> list[Claim]:
    """What an answer claims, in its order; what it says in a way that is not known here is a claim of its own."""
    return [claim for sentence in answer.removesuffix(".").split(". ") for claim in _claims(sentence)]


def _claims(sentence: str) -> Iterator[Claim]:
    if found := re.fullmatch("(Yes|No), (.+)", sentence):
        yield (found[1].lower(),)
        sentence = found[2][0].upper() + found[2][1:]
    if found := re.fullmatch("(.+), so (yes|no)", sentence):
        for part in found[1].split(" and "):
            yield from _claims(part[0].upper() + part[1:])
        yield (found[2],)
    elif found := re.fullmatch(rf"There is (.+ (?:{WAYS}|next to) .+)", sentence):
        landmark = re.search(rf"(?:{WAYS}|next to) the (\w+)", sentence)[1]
        for part in listed(found[1]):
            one, way, other = re.fullmatch(rf"(.+) ({WAYS}|next to) (.+)", part).groups()
            yield "towards", what(one), way, landmark if other == "it" else what(other)
    elif found := re.fullmatch(r"The image shows (\w+) objects?( and a number)? on (an? \w+) background", sentence):
        yield "count", "object", COUNTS.index(found[1])
        yield "count", "number", int(bool(found[2]))
        yield "background", what(found[3])
    elif found := re.fullmatch(r"There (?:is|are) no (\w+) in the image", sentence):
        yield "count", SINGULAR.get(found[1], found[1]), 0
    elif found := re.fullmatch(rf"There is (.+?) ((?:(?:, | and |){LOCATED})+)", sentence):
        yield from (("at", what(found[1]), cell) for cell in cells_in(found[2]))
    elif found := re.fullmatch(r"There is (an? \w+) in the image", sentence):
        yield "there", what(found[1])
    elif re.fullmatch(r"There (?:is|are) (?:\w+ \w+)(?: and \w+ \w+)*", sentence):
        for number, word in re.findall(rf"({'|'.join(COUNTS)}) (\w+)", sentence):
            yield "count", word if number == "one" else SINGULAR[word], COUNTS.index(number)
    elif found := re.fullmatch(r"The number is (\d+)", sentence):
        yield "number", found[1]
    elif found := re.fullmatch(r"The (\w+) digit is (\d)", sentence):
        yield "digit", found[1], found[2]
    elif found := re.fullmatch(rf"The (\w+) (?:is|are) ((?:(?:, | and |){LOCATED})+)", sentence):
        cells = cells_in(found[2])
        yield from (("where", found[1] if len(cells) == 1 else SINGULAR[found[1]], cell) for cell in cells)
    elif found := re.fullmatch("I can see (.+)", sentence):
        yield from (("sees", what(one)) for one in listed(found[1]))
    elif found := re.fullmatch(r"The background is (\w+)", sentence):
        yield "background", found[1]
    elif found := re.fullmatch(r"All objects are (small|large)", sentence):
        yield "all", found[1]
    elif found := re.fullmatch(r"The (largest|smallest) object is the (\w+)", sentence):
        yield found[1], found[2]
    elif found := re.fullmatch("The (large|small) objects are (.+)", sentence):
        yield from ((found[1], what(one)) for one in listed(found[2]))
    elif found := re.fullmatch(r"The only (\w+) is the (\w+)", sentence):
        yield "only", found[1], found[2]
    elif found := re.fullmatch(r"The (\w+) is the odd one out: the others are (\w+)", sentence):
        yield "odd", found[1], SINGULAR[found[2]]
    elif found := re.fullmatch(r"The (\w+) is (small|large)", sentence):
        yield "size", found[1], found[2]
    elif found := re.fullmatch(r"(An? \w+|Food|Cattle) is (an? \w+|food)", sentence):
        yield "is a", what(found[1].lower()), what(found[2])
    else:
        yield "said", sentence


class Facts:
    """What a scene holds, and per skill the whole answer to what is asked in some words."""

    def __init__(self, scene: Scene) -> None:
        self.background, self.plate = scene.background, scene.plate
        self.at = {thing.cell: thing.name for thing in scene.things}
        self.size = {thing.cell: thing.size for thing in scene.things}
        self.names = [self.at[cell] for cell in sorted(self.at)]
        # Where digits are drawn; what a pixel or two of the next cell hold counts for nothing.
        drawn = render(replace(scene, things=()))[1]
        edges = [slice(int(CELL * n) + 2, int(CELL * (n + 1)) - 1) for n in range(3)]
        digits = [cell for cell in range(9) if drawn[edges[cell // 3], edges[cell % 3]].any()]
        self.free = [cell for cell in range(9) if cell not in self.at and cell not in digits]

    def what(self, cell: int) -> str:
        if self.plate and self.plate.cell == cell:
            return f"number {self.plate.digits}"
        return self.at.get(cell) or ("nothing" if cell in self.free else "the end of a number")

    def cells(self, name: str) -> list[int]:
        return [cell for cell in sorted(self.at) if self.at[cell] == name]

    def cell(self, name: str) -> int:
        (cell,) = self.cells(name)
        return cell

    def of(self, word: str) -> list[str]:
        """The things of a name or a category, in reading order."""
        return [name for name in self.names if word in (name, KIND[name], "object")]

    def beside(self, name: str, way: str, far: Iterable[int]) -> list[str]:
        """What lies that many steps from a thing, as far as there are cells."""
        (down, across), (row, column) = way_of(way), divmod(self.cell(name), 3)
        steps = [(row + n * down, column + n * across) for n in far]
        return [self.what(3 * r + c) for r, c in steps if r in range(3) and c in range(3)]

    def due(self, skill: str, words: Words) -> list[Claim]:
        """The claims of the one true and complete answer, in its order."""
        asked = [words[key] for key in ("name", "other") if skill in ABOUT_THINGS and key in words]
        if missing := [name for name in asked if name not in self.names]:
            return [("count", missing[0], 0)]
        return list(getattr(self, f"_{skill}")(**words))

    def _describe(self) -> Iterator[Claim]:
        yield "count", "object", len(self.at)
        yield "count", "number", int(bool(self.plate))
        yield "background", self.background
        for cell in range(9):
            if cell in self.at or (self.plate and cell == self.plate.cell):
                yield "at", f"{self.size[cell]} {self.at[cell]}" if cell in self.at else self.what(cell), cell
        yield from (("at", "nothing", cell) for cell in self.free)

    def _what_at(self, place: str) -> Iterator[Claim]:
        cells = sorted(cells_of(place))
        # Whoever names a side and no more means the middle of it.
        yield "at", self.what(cells[len(cells) // 2]), cells[len(cells) // 2]

    def _where(self, name: str) -> Iterator[Claim]:
        yield from [("where", name, cell) for cell in self.cells(name)] or [("count", name, 0)]

    def _count(self, word: str) -> Iterator[Claim]:
        yield "count", word, len(self.of(word))

    def _count_object(self, name: str) -> Iterator[Claim]:
        return self._count(name)

    def _count_category(self, kind: str) -> Iterator[Claim]:
        return self._count(kind)

    def _count_all(self) -> Iterator[Claim]:
        return self._count("object")

    def _list_category(self, kind: str) -> Iterator[Claim]:
        yield from [("sees", name) for name in self.of(kind)] or [("count", kind, 0)]

    def _any_category(self, kind: str) -> Iterator[Claim]:
        yield ("yes",) if self.of(kind) else ("no",)
        yield from self._list_category(kind)

    def _is_there(self, name: str) -> Iterator[Claim]:
        yield from [("yes",), ("there", name)] if self.of(name) else [("no",), ("count", name, 0)]

    def _background(self, color_word: str = "") -> Iterator[Claim]:
        yield "background", self.background

    def _size(self, name: str) -> Iterator[Claim]:
        yield "size", name, self.size[self.cell(name)]

    def _kind(self, name: str, kind: str = "") -> Iterator[Claim]:
        yield "is a", name, KIND[name]

    def _relation(self, name: str, direction: str) -> Iterator[Claim]:
        found = [one for one in self.beside(name, direction, (1, 2)) if one != "nothing"]
        number = [one for one in found if one.startswith("number")]
        # The end of a number is the number where its middle lies on the same line.
        first = number[0] if number and found[0].startswith("the end") else [*found, "nothing"][0]
        steps = {(0, -1): "left of", (0, 1): "right of", (-1, 0): "above", (1, 0): "below"}
        yield "towards", first, steps[way_of(direction)], name

    def _next_to(self, name: str) -> Iterator[Claim]:
        near = [(one, way) for way in WAYS.split("|") for one in self.beside(name, way, (1,)) if one != "nothing"]
        yield from [("towards", *one, name) for one in near] or [("towards", "nothing", "next to", name)]

    def _is_at(self, name: str, place: str) -> Iterator[Claim]:
        yield ("yes",) if self.cell(name) in cells_of(place) else ("no",)
        yield "where", name, self.cell(name)

    def _is_relation(self, name: str, direction: str, other: str) -> Iterator[Claim]:
        (down, across), (row, column) = way_of(direction), divmod(self.cell(name), 3)
        far_down, far_across = row - self.cell(other) // 3, column - self.cell(other) % 3
        holds = far_down * down > 0 or far_across * across > 0
        if "directly" in direction or "on top" in direction:
            holds &= far_across == 0 if down else far_down == 0
        yield from [("where", name, self.cell(name)), ("where", other, self.cell(other)), ("yes" if holds else "no",)]

    def _more(self, name: str, other: str) -> Iterator[Claim]:
        yield from (*self._count(name), *self._count(other))

    def _of_size(self, size: str, most: str) -> Iterator[Claim]:
        of_size = [self.at[cell] for cell in sorted(self.at) if self.size[cell] == size]
        if len(of_size) in (0, len(self.at)):
            yield "all", self.size[min(self.at)]
        else:
            yield from [(most, *of_size)] if len(of_size) == 1 else [(size, name) for name in of_size]

    def _biggest(self) -> Iterator[Claim]:
        return self._of_size("large", "largest")

    def _smallest(self) -> Iterator[Claim]:
        return self._of_size("small", "smallest")

    def _only(self, kind: str) -> Iterator[Claim]:
        found = self.of(kind)
        yield from [("only", kind, *found)] if len(found) == 1 else self._list_category(kind)

    def _odd(self) -> Iterator[Claim]:
        kinds = Counter(KIND[name] for name in self.names)
        if len(self.names) > 2 and sorted(kinds.values()) == [1, len(self.names) - 1]:
            (shared, _), (single, _) = kinds.most_common()
            yield "odd", *self.of(single), shared
        else:
            yield "said", "No object is the odd one out"

    def _number(self) -> Iterator[Claim]:
        yield ("number", self.plate.digits) if self.plate else ("count", "number", 0)

    def _number_at(self, place: str) -> Iterator[Claim]:
        cells = sorted(cells_of(place))
        cell = cells[len(cells) // 2]
        assert self.what(cell) != "the end of a number"
        yield from self._number() if self.plate and self.plate.cell == cell else [("at", "no number", cell)]

    def _number_where(self) -> Iterator[Claim]:
        yield ("where", "number", self.plate.cell) if self.plate else ("count", "number", 0)

    def _number_there(self) -> Iterator[Claim]:
        yield ("yes",) if self.plate else ("no",)
        yield from self._number()

    def _digit(self, ordinal: str = "", begin: str = "") -> Iterator[Claim]:
        word = ordinal or {"begin with": "first", "end with": "last"}[begin]
        place = {"last": -1}.get(word, (*ORDINALS, "last").index(word))
        yield ("digit", word, self.plate.digits[place]) if self.plate else ("count", "number", 0)


@dataclass(frozen=True)
class Turn:
    """A question that was answered: its skill, its words, and what its answer claims."""

    skill: str
    words: Words
    said: list[Claim]

    @property
    def it(self) -> str | None:
        """What "it" means behind this turn: the one thing that was named."""
        if self.skill == "is_relation":
            return None
        named = {"towards": 1, "at": 1, "where": 1, "there": 1, "size": 1, "is a": 1, "odd": 1, "only": 2}
        named |= {"largest": 1, "smallest": 1}
        things = [claim[named[claim[0]]] for claim in self.said if claim[0] in named]
        return things[0] if len(things) == 1 and things[0] in KIND else None

    @property
    def kind(self) -> str | None:
        """The category that was spoken of."""
        return self.words.get("kind")


def readings(text: str, before: Turn | None) -> Iterator[tuple[str, Words]]:
    """All that a text can ask behind a turn: skills and their words."""
    for skill, forms in (LATER if before else FORMS).items():
        yield from ((skill, words) for form in forms if (words := read(form, text)) is not None)
    if before:
        for skill, form, more in _leaning(before):
            if (words := read(form, text)) is not None:
                yield skill, more | words


def _leaning(before: Turn) -> Iterator[tuple[str, str, Words]]:
    """Skills and forms that a turn makes clear, and the words that it lends them."""
    about_number = before.skill in ("number", "number_there", "number_where")
    for skill, forms in PRONOUN_FORMS.items():
        # Behind "What is left of the dog?" it is what was found, but "left of it" still means the dog.
        lent = {"name": before.it} if before.it and (before.skill, skill) not in FIXED else None
        if skill in ("number", "number_where"):
            lent = {} if about_number and ("number", before.said[-1][1]) != ("count", 0) else None
        if lent is not None:
            yield from ((skill, form, lent) for form in forms)
    for form in SAME_FORMS.get(before.skill, ()):
        lent = {"name": before.words["name"]} if before.skill == "relation" else {}
        yield before.skill, form, lent
    for skill, forms in LEADS_TO.get(before.skill, {}).items():
        yield from ((skill, form, {"kind": before.kind} if before.kind else {}) for form in forms)


FIXED = (("relation", "relation"), ("relation", "next_to"))


def walk(questions: Iterable[Question]) -> Iterator[tuple[Turn | None, Question, list[tuple[str, Words]]]]:
    """A conversation turn by turn: the turn before, the question, and all that it can ask there.

    What is said beside the scene is passed over, and leaves nothing to go on from.
    """
    before = None
    for question in questions:
        if question.skill in FORMS:
            ways = list(readings(question.text, before))
            yield before, question, ways
            words = next((words for skill, words in ways if skill == question.skill), {})
            before = Turn(question.skill, words, claims(question.answer))
        else:
            before = Turn(question.skill, {}, [])
