"""Which conversation a question goes on with, and how one begins."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL.Image import Image

from elastic.policies import Policy
from page.asking import AskedQuestion
from page.controls import name_of_example
from page.incoming import picture_of
from page.model import Model
from page.pictures import capped

if TYPE_CHECKING:  # which imports torch
    from elastic.session import Comparison


def going_on(comparison: "Comparison | None", asked: AskedQuestion, policies: list[Policy]) -> "Comparison | None":
    """The conversation that a question goes on with, None where there is none, or it is about something else.

    Pictures behind those that were asked about go on with it, where the model can be shown some later.
    """
    if comparison is None or comparison.policies != policies or comparison.picture_tokens != asked.picture_tokens:
        return None
    known = len(comparison.source)
    if comparison.source != asked.pictures[:known]:
        return None
    has_more = len(asked.pictures) > known
    return None if has_more and not comparison.llava.can_add_pictures else comparison


def opened(paths: Sequence[str], pocket: bool) -> list[tuple[Image, str | None]]:
    """The pictures in files, each with its name where it is one of those that come with the program.

    Raises:
        ValueError: if one cannot be read.
    """
    return [(picture_of(path), name_of_example(path, pocket)) for path in paths]


def begun(model: Model, asked: AskedQuestion, policies: list[Policy], pictures: list[Image]) -> "Comparison":
    """A new conversation.

    Raises:
        ValueError: if the model can not be asked about so many pictures, or not with so few tokens of each.
    """
    llava = capped(model.llava, asked.picture_tokens)
    comparison = model.session.Comparison(llava, pictures, policies, asked.pictures)
    comparison.picture_tokens = asked.picture_tokens
    return comparison
