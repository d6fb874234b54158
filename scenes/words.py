"""The words of questions and answers: names and their synonyms, plurals, places, numbers."""

from scenes.scene import CATEGORIES, OBJECTS

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
PLURALS = {
    **{"fish": "fish", "octopus": "octopuses", "bus": "buses", "cactus": "cactuses", "strawberry": "strawberries"},
    **{"teddy": "teddies", "cherry": "cherries", "toy": "toys", "key": "keys", "puppy": "puppies", "bunny": "bunnies"},
    **{"kitty": "kitties", "lorry": "lorries", "matryoshka": "matryoshkas", "box": "boxes", "axe": "axes"},
    **{"airplane": "airplanes", "aircraft": "aircraft", "pony": "ponies", "fungus": "fungi", "goldfish": "goldfish"},
    **{
        "wrench": "wrenches",
        "toy car": "toy cars",
        "jelly": "jellies",
        "tree": "trees",
        "something to eat": "things to eat",
    },
    **{"thing to eat": "things to eat", "creature": "creatures", "food": "foods", "transport": "means of transport"},
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
    "rose": ("red rose",),
    "mushroom": ("toadstool",),
    "palm": ("palm tree",),
    "cactus": ("cacti plant",),
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
    "balloon": ("red balloon",),
    "lemon": ("citrus",),
    "animal": ("creature", "beast", "critter"),
    "food": ("thing to eat", "edible thing", "snack"),
    "vehicle": ("means of transport", "thing to ride"),
    "tool": ("hand tool",),
    "toy": ("plaything",),
}
PLACE_FORMS: dict[str, str] = {
    "top left": "[in|at|on] the [top left|upper left|top left|left upper|top-left|upper-left][| corner]",
    "top": "[at|on] [the |]top|[at|in] the [top middle|top center|top centre|upper middle]|on the upper side|"
    "at the top [in|of] the [middle|center]|in the middle at the top",
    "top right": "[in|at|on] the [top right|upper right|top right|right upper|top-right|upper-right][| corner]",
    "left": "[on|at|to] the left[| side| hand side| edge]|[in|on|at] the [middle left|center left|left middle|left center]|"
    "left in the middle|on the left in the middle",
    "center": "[in|at] the [center|middle|centre|very middle|very center|middle of the <pic>|center of the <pic>]|"
    "[in|at] the exact [center|middle]",
    "right": "[on|at|to] the right[| side| hand side| edge]|[in|on|at] the [middle right|center right|right middle|right center]|"
    "right in the middle of the right side|on the right in the middle",
    "bottom left": "[in|at|on] the [bottom left|lower left|bottom left|left lower|bottom-left|lower-left][| corner]",
    "bottom": "[at|on] the [bottom|bottom|very bottom]|[at|in] the [bottom middle|bottom center|bottom centre|lower middle]|"
    "on the lower side|at the bottom [in|of] the [middle|center]|in the middle at the bottom",
    "bottom right": "[in|at|on] the [bottom right|lower right|bottom right|right lower|bottom-right|lower-right][| corner]",
}
DIRECTION_FORMS: dict[str, str] = {
    "left of": "[|to the |on the ]left of|on the left side of|to the left side of|left from",
    "right of": "[|to the |on the ]right of|on the right side of|to the right side of|right from",
    "above": "above|above|over|on top of|higher than|directly above",
    "below": "below|below|under|beneath|underneath|lower than|directly below",
}
ORDINALS = ("first", "second", "third", "fourth", "fifth")


def plural(word: str) -> str:
    """The plural of an object, a category or a synonym."""
    if word.startswith(("piece of", "slice of", "means of")):
        return word if word.startswith("means") else word.replace(" of", "s of", 1)
    return PLURALS.get(word, word + "s")


def with_article(name: str) -> str:
    """`a dog`, `an owl`."""
    return name if name in ("food", "cattle") else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


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
