"""The words of questions and answers: names and their synonyms, plurals, places, numbers."""

import re

from scenes.scene import CATEGORIES, OBJECTS

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
PLURALS = {
    **{word: word for word in ("fish", "aircraft", "cattle", "sheep", "deer", "means of transport", "stairs")},
    **{word: word for word in ("scissors", "trousers", "news")},
    **{"cactus plant": "cacti", "thing to eat": "things to eat", "thing to ride": "things to ride", "mouse": "mice"},
    **{"man": "men", "woman": "women", "child": "children", "person": "people", "wife": "wives", "knife": "knives"},
    **{"wolf": "wolves", "shelf": "shelves", "leaf": "leaves", "foot": "feet", "tooth": "teeth"},
    **{"potato": "potatoes", "tomato": "tomatoes"},
}
SYNONYMS: dict[str, tuple[str, ...]] = {
    "dog": ("puppy", "doggy", "doggie", "hound"),
    "cat": ("kitty", "kitten", "pussycat"),
    "horse": ("pony",),
    "cow": ("cattle",),
    "pig": ("piglet", "piggy"),
    "frog": ("toad", "frog face"),
    "monkey": ("ape",),
    "octopus": ("squid",),
    "bee": ("honeybee", "bumblebee"),
    "turtle": ("tortoise",),
    "rabbit": ("bunny", "hare", "bunny rabbit"),
    "burger": ("hamburger", "cheeseburger"),
    "donut": ("doughnut",),
    "cheese": ("piece of cheese", "cheese wedge"),
    "pizza": ("slice of pizza", "pizza slice"),
    "cake": ("birthday cake",),
    "cookie": ("biscuit",),
    "car": ("automobile", "auto"),
    "train": ("locomotive", "railway", "steam train"),
    "bicycle": ("bike", "cycle"),
    "rocket": ("spaceship", "space ship", "rocket ship"),
    "airplane": ("plane", "aeroplane", "aircraft", "jet"),
    "boat": ("sailboat", "sailing boat", "ship", "yacht"),
    "helicopter": ("chopper", "heli"),
    "truck": ("lorry",),
    "scooter": ("moped", "motor scooter", "vespa"),
    "mushroom": ("toadstool",),
    "palm": ("palm tree",),
    "cactus": ("cactus plant",),
    "wrench": ("spanner",),
    "axe": ("hatchet", "ax"),
    "broom": ("broomstick",),
    "pencil": ("crayon",),
    "camera": ("photo camera",),
    "ball": ("football", "soccer ball"),
    "teddy": ("teddy bear", "bear"),
    "puzzle": ("jigsaw", "puzzle piece", "jigsaw piece"),
    "yoyo": ("yo-yo", "yo yo"),
    "doll": ("matryoshka", "russian doll", "nesting doll"),
    "lemon": ("citrus",),
    "animal": ("creature", "beast", "critter"),
    "food": ("thing to eat", "edible thing", "snack", "food item", "piece of food"),
    "vehicle": ("means of transport", "thing to ride"),
    "tool": ("hand tool",),
    "toy": ("plaything",),
}
# A side of the picture: all that lies along it, its corners too.
SIDE_FORMS: dict[str, str] = {
    "top side": "[at|on] [the |]top|[at|on] the very top|[at|on] the [top|top|upper] side",
    "left side": "[on|at|to] the left|[on|at] the left [side|hand side|edge]",
    "right side": "[on|at|to] the right|[on|at] the right [side|hand side|edge]",
    "bottom side": "[at|on] the [bottom|bottom|very bottom]|[at|on] the [bottom|lower|lower] side",
}
# One of the nine places; whoever names a side and no more means the middle of it.
PLACE_FORMS: dict[str, str] = {
    "top left": "[in|at|on] the [top left|upper left|top left|left upper|top-left|upper-left][| corner]",
    "top": f"[{SIDE_FORMS['top side']}]|[at|in] the [top middle|top center|top centre|upper middle]|"
    "at the top in the [middle|center]|in the middle at the top",
    "top right": "[in|at|on] the [top right|upper right|top right|right upper|top-right|upper-right][| corner]",
    "left": f"[{SIDE_FORMS['left side']}]|[in|on|at] the [middle left|center left|left middle|left center]|"
    "in the middle of the left side|on the left in the middle",
    "center": "[in|at] the [center|middle|centre|very middle|very center|middle of the <pic>|center of the <pic>]|"
    "[in|at] the exact [center|middle]",
    "right": f"[{SIDE_FORMS['right side']}]|[in|on|at] the [middle right|center right|right middle|right center]|"
    "in the middle of the right side|on the right in the middle",
    "bottom left": "[in|at|on] the [bottom left|lower left|bottom left|left lower|bottom-left|lower-left][| corner]",
    "bottom": f"[{SIDE_FORMS['bottom side']}]|[at|in] the [bottom middle|bottom center|bottom centre|lower middle]|"
    "at the bottom in the [middle|center]|in the middle at the bottom",
    "bottom right": "[in|at|on] the [bottom right|lower right|bottom right|right lower|bottom-right|lower-right][| corner]",
} | SIDE_FORMS
# The same as adjectives, but for "left" and "right": each has another meaning alone.
SPOT_FORMS: dict[str, str] = {
    "top left": "top left|upper left|top-left|upper-left|top left corner|upper left corner",
    "top": "top|top middle|top center|upper middle",
    "top right": "top right|upper right|top-right|upper-right|top right corner|upper right corner",
    "left": "middle left|left middle|center left",
    "center": "center|center|middle|middle|centre",
    "right": "middle right|right middle|center right",
    "bottom left": "bottom left|lower left|bottom-left|lower-left|bottom left corner|lower left corner",
    "bottom": "bottom|bottom middle|bottom center|lower middle",
    "bottom right": "bottom right|lower right|bottom-right|lower-right|bottom right corner|lower right corner",
    **{"top side": "top", "left side": "left", "right side": "right", "bottom side": "bottom"},
}
# Where to look from a thing, along its row or column.
DIRECTION_FORMS: dict[str, str] = {
    "left of": "[|to the |on the ]left of|on the left side of|to the left side of|left from",
    "right of": "[|to the |on the ]right of|on the right side of|to the right side of|right from",
    "above": "above|above|over|on top of",
    "below": "below|below|under|beneath|underneath",
}
# The same without a thing, which was named before.
WAY_FORMS: dict[str, str] = {
    "left of": "left|to the left|on its left",
    "right of": "right|to the right|on its right",
    "above": "above|over it|on top",
    "below": "below|under it|underneath",
}
# How two things lie, whatever stands between them or beside.
COMPARED_FORMS: dict[str, str] = {
    "left of": f"{DIRECTION_FORMS['left of']}|[further left|more to the left] than",
    "right of": f"{DIRECTION_FORMS['right of']}|[further right|more to the right] than",
    "above": "above|above|over|higher than",
    "below": "below|below|under|beneath|underneath|lower than",
}
ORDINALS = ("first", "second", "third", "fourth", "fifth")
ORDINAL_FORMS = {
    **{"first": "first|first|1st", "second": "second|second|2nd", "third": "third|third|3rd"},
    **{"fourth": "fourth|4th", "fifth": "fifth|5th", "last": "last|last|final"},
}
BEGIN_FORMS = {"begin with": "begin with|start with", "end with": "end with|end in"}
# What one can do with any of a category.
ANY_FORMS = {
    "food": "any food|some food|anything to eat|something to eat|anything edible",
    "vehicle": "any vehicle|anything to ride|something to drive",
    "toy": "any toy|anything to play with|something to play with",
    "animal": "any animal|some animal",
    "plant": "any plant|anything that grows",
    "tool": "any tool|anything to work with",
}


def plural(word: str) -> str:
    """The plural of an object, a category or a synonym."""
    if word in PLURALS:
        return PLURALS[word]
    if word.startswith(("piece of", "slice of")):
        return word.replace(" of", "s of", 1)
    if re.search("[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def with_article(name: str) -> str:
    """`a dog`, `an owl`."""
    if name in ("food", "cattle"):
        return name
    return f"{'an' if re.match('(?!uni|use|eu|one)[aeiou]|hour|hono', name) else 'a'} {name}"


def located(place: str) -> str:
    """`in the top left`, `at the top`, `on the left`."""
    preposition = {"top": "at", "bottom": "at", "left": "on", "right": "on"}.get(place, "in")
    return f"{preposition} the {place}"


def counted(number: int, word: str) -> str:
    """`no dogs`, `one dog`, `two dogs`."""
    return f"{NUMBERS[number]} {word if number == 1 else plural(word)}"


def vocabulary() -> list[str]:
    """Words a tokenizer must hold whole, so that what is asked about is one token."""
    nouns = (*OBJECTS, *CATEGORIES, "object", "thing", "number", "photo")
    places = ("top", "bottom", "left", "right", "center", "above", "below", "middle", "centre", "upper", "lower")
    single = [word for words in SYNONYMS.values() for word in words if word.isalpha()]
    colors = ("white", "gray", "yellow", "blue", "pink", "green", "purple", "orange", "grey", "color", "colour")
    words = [*nouns, *map(plural, nouns), *places, *NUMBERS, *colors, "small", "large", "nothing", "big", "biggest"]
    return list(dict.fromkeys([*words, *single, *ORDINALS, "largest", "smallest", "only", "odd", "plate", "digit"]))
