"""Prose that belongs to everybody, for models that read text: what it is, where it begins, and how it is cut.

The texts and where they come from: `texts/LICENSES.md`. Even and odd seeds read from different books, so that what was
found on one kind of seeds can be tested on the other.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "texts"
# By the parity of the seed.
WORKS = (
    ("northanger-abbey", "sherlock-holmes", "time-machine"),
    ("sailing-alone", "three-men-in-a-boat", "wind-in-the-willows"),
)
APART = 3600  # characters from one beginning to the next at least: about 850 tokens


@cache
def beginnings(parity: int) -> tuple[tuple[str, int], ...]:
    """Where a text may begin: works and places in them, from paragraphs that lie apart, the works in turn."""
    by_work = []
    for name in WORKS[parity]:
        text, places = _text(name), [0]
        while (after := text.find("\n", places[-1] + APART)) >= 0 and len(text) - after > APART:
            places.append(after + 1)
        by_work.append([(name, place) for place in places])
    rounds = range(max(map(len, by_work)))
    return tuple(places[number] for number in rounds for places in by_work if number < len(places))


def prose(beginning: tuple[str, int]) -> str:
    """What stands in a work from a place on; behind its end it begins again, so that there is always enough."""
    name, place = beginning
    text = _text(name)
    return text[place:] + text[:place]


@cache
def _text(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def digest() -> str:
    """A short checksum of all texts: what is asked about them depends on every letter."""
    contents = (path.read_bytes() for path in sorted(FOLDER.glob("*.txt")))
    return hashlib.sha256(b"".join(contents)).hexdigest()[:12]


class Words:
    """How a tokenizer cuts texts."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def first(self, text: str, tokens: int) -> str:
        """The beginning of a text that has so many tokens, or a few less: no word is cut.

        Raises:
            ValueError: if the text has fewer.
        """
        # Enough of it, for a long text takes long: no token is that long on average.
        text = text[: 12 * tokens + 100]
        stretches = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        if len(stretches) <= tokens:
            raise ValueError(f"The texts that are here have no {tokens} tokens in a row: ask for fewer.")
        ends = (start for start, _ in reversed(stretches[: tokens + 1]))
        return text[: next((end for end in ends if end and (text[end].isspace() or text[end - 1].isspace())), 0)]
