"""Conversations: which one a question goes on with, from which turn on, and what is otherwise from there.

A conversation is what was said, in tokens and words, with its pictures. The caches that went on with it are a thing of
their own, which may be given up: they are made again when the next question comes.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PIL.Image import Image

from elastic.options import options_of, percent, write_value
from elastic.policies import Policy
from elastic.record.messages import SaidTurn
from elastic.record.reuse import ALL
from page.asking import AskedQuestion
from page.incoming import FileGone, picture_of

if TYPE_CHECKING:  # which imports torch
    from elastic.rereading import Asking, PastTurn

LONGEST_TITLE = 60  # characters
GONE = (
    "The server no longer holds the conversation of this turn, so that nothing can be asked from there. "
    "Ask it as a new question."
)
PICTURE_GONE = (
    "The picture is no longer on the server, where files are kept for a while only. Drop it here once more and press "
    "Ask: your question is still there."
)


@dataclass
class Conversation:
    """What was asked and answered about pictures, whose files are at `paths`; the same turns for caches and people."""

    paths: tuple[str, ...]
    pictures: list[Image]
    turns: "list[PastTurn]" = field(default_factory=list)
    said: list[SaidTurn] = field(default_factory=list)
    asked: AskedQuestion | None = None  # the last question
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def nbytes(self) -> int:
        """Bytes of memory it holds."""
        pixels = sum(width * height for width, height in (picture.size for picture in self.pictures))
        tokens = sum(len(answer) for turn in self.turns for answer in turn.answers)
        letters = sum(len(turn.question) + sum(len(side.answer) for side in turn.sides) for turn in self.said)
        return 3 * pixels + 40 * tokens + 8 * letters

    @property
    def title(self) -> str:
        """A line that tells it from others."""
        if not self.said:
            return "nothing asked yet"
        first, count = self.said[0].question, len(self.said)
        cut = first if len(first) <= LONGEST_TITLE else first[: LONGEST_TITLE - 1] + "…"
        return f"{cut} · 1 turn" if count == 1 else f"{cut} · {count} turns"

    def shown_until(self, turns: int) -> int:
        """How many of its pictures had been shown when so many turns were over; those of the first are always."""
        return sum(len(turn.asked.pictures) for turn in self.turns[: max(1, turns)])

    def until(self, turns: int) -> "Conversation":
        """Another one that begins with so many of its turns."""
        shown = self.shown_until(turns)
        parts = {"paths": self.paths[:shown], "pictures": self.pictures[:shown]}
        parts |= {"turns": self.turns[:turns], "said": self.said[:turns]}
        return replace(self, **parts, name=uuid.uuid4().hex)


def place_of(
    asked: AskedQuestion, current: Conversation | None, held: Sequence[Conversation], can_add_pictures: bool
) -> tuple[Conversation | None, int]:
    """The conversation that a question goes on with, and how many of its turns stay; None where it begins one.

    A question that asks from a turn on goes on with that turn's, about its pictures. Another goes on with the current
    one if it is about the same pictures, or about more, where the model can be shown some later.

    Raises:
        ValueError: if the turn is in none that is held.
    """
    if asked.again:
        for conversation in held:
            for number, turn in enumerate(conversation.said):
                if turn.run == asked.again:
                    return conversation, number
        raise ValueError(GONE)
    known = len(current.paths) if current else 0
    if current is None or asked.pictures[:known] != current.paths:
        return None, 0
    has_more = len(asked.pictures) > known
    return (None, 0) if has_more and not can_add_pictures else (current, len(current.said))


def opened(paths: Sequence[str]) -> list[Image]:
    """The pictures in files.

    Raises:
        ValueError: if one cannot be read; FileGone where it is not there any more.
    """
    try:
        return [picture_of(path) for path in paths]
    except FileGone as error:
        raise FileGone(PICTURE_GONE) from error


def changes(before: "Asking", now: "Asking") -> list[str]:
    """What is otherwise for a question than it was for the one before it, a sentence for each thing."""
    pairs = zip("AB", before.policies, now.policies, strict=False)
    said = [f"From here {letter} {_change(old, new)}." for letter, old, new in pairs if old != new]
    if now.before_question != before.before_question:
        when = "before" if now.before_question else "after"
        said.append(f"From here caches are compressed {when} the question is read.")
    if now.reuse != before.reuse:
        said.append(f"From here {_reuse(now.reuse)}.")
    if now.front != before.front:
        tokens = "all tokens of pictures" if now.front is None else f"what {now.front.title} leaves of pictures"
        said.append(f"From here B is given {tokens}.")
    if now.picture_tokens != before.picture_tokens:
        most = f"at most {now.picture_tokens:,} tokens" if now.picture_tokens else "as many tokens as the model likes"
        said.append(f"From here a picture has {most}.")
    return said


def _reuse(first: int | None) -> str:
    """What becomes of the picture where another part of it is read anew."""
    if first is None:
        return "both sides read the picture, before the question"
    anew = "all" if first == ALL else f"the first {first}" if first else "none"
    return f"the first question stands before the picture, of which B reuses a reading, {anew} of its tokens read anew"


def _change(old: Policy, new: Policy) -> str:
    """What a side does otherwise, behind its letter."""
    options = options_of(type(new))
    verb = "reads" if new.keep_is_read else "keeps"
    keeps = f"{verb} {percent(new.keep)} %" if options["keep"].is_free else "keeps everything"
    if type(old) is not type(new):
        return f"is {new.title} and {keeps}"
    parts = [keeps] if old.keep != new.keep else []
    for name, option in options.items():
        value = getattr(new, name)
        if name != "keep" and value != getattr(old, name):
            parts.append(f"has “{option.label}” {_as_said(value)}")
    return " and ".join(parts)


def _as_said(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else f"at {write_value(value)}"
