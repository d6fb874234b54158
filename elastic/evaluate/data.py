"""Samples: a picture, what is asked about it, and the answer where the data has one. Files of them: see `files`."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from elastic.evaluate.registry import DATA, load
from elastic.picture import open_picture

DESCRIBE = "describe"  # the skill of a description, which is judged apart from short answers


@dataclass(frozen=True)
class Turn:
    """A question of a sample."""

    question: str
    answer: str | None  # the data's, which is fed; None: the full cache's own is
    skill: str
    most_tokens: int | None = None  # to write at most, where that is less than for all


@dataclass(frozen=True)
class Sample:
    """One picture and what is asked about it, one question after the other."""

    name: str  # tells it from all others of its data
    picture: Path | bytes | Callable[[], Image.Image]  # a picture file, its contents, or what draws it
    turns: tuple[Turn, ...]
    is_exact: bool = True  # whether an answer is right only if it is the data's to the letter

    def open(self) -> Image.Image:
        """The picture.

        Raises:
            ValueError: if it cannot be read.
        """
        if callable(self.picture):
            return self.picture()
        return open_picture(io.BytesIO(self.picture) if isinstance(self.picture, bytes) else self.picture)


def registered_samples(name: str, seed: int, questions: int, descriptions: int, conversations: int) -> list[Sample]:
    """The samples of data that are registered by a name: so many short questions, descriptions and conversations.

    What is registered is a function of the same numbers. It needs to import nothing of this package: for each sample
    it returns the fields of `Sample`, its turns as those of `Turn`, as dictionaries. The picture it draws is a callable
    that can be pickled.

    Raises:
        ValueError: if nobody has registered such data, or what has is not installed; one sentence.
    """
    try:
        make = load(DATA, name)
    except ValueError as error:
        raise ValueError(f"{error} Give a file of your own with --data, or run in the project's checkout.") from error
    made = make(seed, questions, descriptions, conversations)
    return [Sample(**one | {"turns": tuple(Turn(**turn) for turn in one["turns"])}) for one in made]
