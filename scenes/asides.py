"""What is said beside the scene, and the one friendly sentence each is answered with."""

import random
from functools import cache
from pathlib import Path

from scenes.forms import ASIDE_FORMS, FORMS, NOUNS
from scenes.questions import Question, Typed, question
from scenes.said import DIRECTIONS, Drawn, Said
from scenes.scene import BACKGROUNDS, CATEGORIES, MATERIALS, OBJECTS, PLACES
from scenes.words import SYNONYMS

# What the model says when there is nothing of the scene to say.
OUT_OF_SCOPE = "I can only talk about emoji scenes: ask what is there, where it is or how many there are."
UNKNOWN_WORD = "I don't know that word: ask me about animals, food, vehicles, plants, tools, toys or a number."
NO_COLOR = "I cannot tell the color of a thing, only of the background: ask me where it is or how large."
NO_SCENE = "I only know emoji scenes, and this picture is none: try one of the examples."
GREETING = "Hello! Ask me what is in the picture, where it is or how many there are."
THANKS = "You are welcome! Ask me more about the picture."
GOODBYE = "Goodbye! Come back with another picture."
ASIDES = {
    "greeting": GREETING,
    "thanks": THANKS,
    "goodbye": GOODBYE,
    "no_color": NO_COLOR,
    "unknown_word": UNKNOWN_WORD,
    "out_of_scope": OUT_OF_SCOPE,
}
UNKNOWN_SKILLS = ("where", "is_there", "count_object", "size", "relation", "is_at", "next_to")
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

# Nouns that are questions or greetings by themselves.
SENTENCES = frozenset(["description", "farewell", "hello", "thanks"])


def nouns(held_out: bool = False) -> tuple[str, ...]:
    """Words for what no scene holds; every eighth is held out for tests."""
    known = {
        *OBJECTS,
        *CATEGORIES,
        *(word for words in SYNONYMS.values() for word in words),
        "thing",
        "object",
        "item",
    }
    known |= {
        "image",
        "picture",
        "photo",
        "scene",
        "number",
        "digit",
        "color",
        "colour",
        "background",
        "plate",
        "sign",
        "code",
    }
    words = [
        word for word in dict.fromkeys((*NOUNS, *lines("nouns.txt"))) if word not in known and word not in FORBIDDEN
    ]
    return tuple(word for place, word in enumerate(words) if (place % 8 == 7) == held_out and word not in SENTENCES)


@cache
def lines(name: str, materials: Path = MATERIALS) -> tuple[str, ...]:
    """The lines of a collected text, none where it was not collected."""
    path = materials / "text" / name
    return tuple(filter(None, path.read_text(encoding="utf-8").split("\n"))) if path.exists() else ()


def aside(kind: str, rng: random.Random, typed: Typed = None) -> Question:
    """Something that is said beside the scene, and the one sentence it is answered with."""
    name = rng.choice(OBJECTS)
    words = {"name": name, "a": str(rng.randint(0, 99)), "b": str(rng.randint(1, 20))}
    words["color_word"] = rng.choice((*BACKGROUNDS, "red", "brown", "black"))
    said = (Said(ASIDES[kind]),)
    if kind == "unknown_word":
        skill = rng.choice(UNKNOWN_SKILLS)
        words |= {"name": rng.choice(_seen_nouns()), "place": rng.choice(PLACES)}
        words["direction"] = rng.choice(tuple(DIRECTIONS))
        return question(kind, Drawn(words, said), rng.choice(FORMS[skill]), rng, typed)
    if kind == "out_of_scope" and (text := _any_text(rng)):
        return Question(kind, text, ASIDES[kind], said=said)
    return question(kind, Drawn(words, said), rng.choice(ASIDE_FORMS[kind]), rng, typed)


@cache
def _seen_nouns() -> tuple[str, ...]:
    return nouns()


def _any_text(rng: random.Random) -> str | None:
    """An ordinary sentence, another language, or no language at all; None to take a form instead."""
    how = rng.random()
    if how < 0.35 and lines("english.txt"):
        return rng.choice(lines("english.txt"))
    if how < 0.47 and lines("foreign.txt"):
        return rng.choice(lines("foreign.txt"))
    if how < 0.6:
        return nonsense(rng)
    return None


def nonsense(rng: random.Random) -> str:
    """Letters, digits, marks or words without sense."""
    how = rng.randrange(5)
    if how == 0:
        return " ".join(
            "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 8))) for _ in range(rng.randint(1, 4))
        )
    if how == 1:
        return "".join(
            rng.choices("asdfghjklqwertzuiopyxcvbnm", weights=[6] * 9 + [2] * 10 + [1] * 7, k=rng.randint(3, 14))
        )
    if how == 2:
        return "".join(rng.choices("?!.,;:-_#*+/()=%&$§\"'~", k=rng.randint(1, 6)))
    if how == 3:
        return " ".join(rng.choice(_seen_nouns()) for _ in range(rng.randint(2, 6)))
    return "".join(rng.choices("0123456789", k=rng.randint(1, 8)))
