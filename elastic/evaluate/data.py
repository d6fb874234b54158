"""Samples: a picture or a text, what is asked about it, and the answer where there is one. Of files: see `files`."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from pathlib import Path

from PIL import Image

from elastic.evaluate.registry import DATA, load
from elastic.picture import open_picture

Point = tuple[float, float]  # of a picture: from the left, from the top, each 0 to 1
DESCRIBE = "describe"  # the skill of a description, which is judged apart from short answers


@dataclass(frozen=True)
class Turn:
    """A question of a sample; an empty one asks nothing: what follows the text is judged."""

    question: str
    answer: str | None  # the data's, which is fed; None: the full cache's own is
    skill: str
    most_tokens: int | None = None  # to write at most, where that is less than for all
    # Where every method writes an answer of its own beside the one that is fed. Where it does not, the data's answer
    # is fed as it is, with no end token, and its tokens tell whether it is right.
    is_written: bool = True
    value: tuple[int, int] | None = None  # the stretch of the answer that is to be right; None: all of it
    lead: str = ""  # the answer's first words, where they are read with the question instead of being fed
    # What the answer is taken from: points of the picture (x, y), each 0 to 1, or words of the text.
    needs: tuple[Point, ...] | str = ()


@dataclass(frozen=True)
class Sample:
    """One picture or text and what is asked about it, one question after the other."""

    name: str  # tells it from all others of its data
    picture: Path | bytes | Callable[[], Image.Image] | None  # a picture file, its contents, or what draws it
    turns: tuple[Turn, ...]
    is_exact: bool = True  # whether an answer is right only if it is the data's to the letter
    text: str | None = None  # in place of a picture
    about: str = ""  # a name for its picture or text, by which several samples may be about the same

    @property
    def context(self) -> object:
        """Equal for samples about the same picture or text."""
        return self.picture if self.text is None else self.text

    @property
    def digest(self) -> str | None:
        """A short checksum of a picture that is a file, whose name another one may take; None where nothing is read."""
        contents = self.picture
        if isinstance(contents, Path):
            try:
                contents = contents.read_bytes()
            except OSError:
                return None
        return hashlib.sha256(contents).hexdigest()[:12] if isinstance(contents, bytes) else None

    def open(self) -> Image.Image | str:
        """The picture, or the text.

        Raises:
            ValueError: if the picture cannot be read, or there is neither.
        """
        if self.text is not None:
            return self.text
        if self.picture is None:
            raise ValueError("A sample needs a picture or a text.")
        if callable(self.picture):
            return self.picture()
        return open_picture(io.BytesIO(self.picture) if isinstance(self.picture, bytes) else self.picture)


def registered_samples(
    name: str, seed: int, questions: int, descriptions: int, conversations: int, group: str = DATA, **more: object
) -> list[Sample]:
    """The samples of data that are registered by a name: so many short questions, descriptions and conversations.

    What is registered is a function of the same numbers. It needs to import nothing of this package: for each sample
    it returns the fields of `Sample`, its turns as those of `Turn`, as dictionaries. The picture it draws is a callable
    that can be pickled. What there is `more` to say is said to functions that ask for it by its name.

    Raises:
        ValueError: if nobody has registered such data, or what has is not installed; one sentence.
    """
    try:
        make = load(group, name)
    except ValueError as error:
        raise ValueError(f"{error} Give a file of your own with --data, or run in the project's checkout.") from error
    asked_for = {name: value for name, value in more.items() if name in signature(make).parameters}
    made = make(seed, questions, descriptions, conversations, **asked_for)
    return [Sample(**{"picture": None} | one | {"turns": tuple(Turn(**turn) for turn in one["turns"])}) for one in made]
