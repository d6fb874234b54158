"""Erase and ask, as an answer: a first question asked anew beside its run, without some tokens of its prompt.

The conversation, its caches and what is looked at stay as they are. Importing it imports no torch.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from elastic.record import messages
from elastic.record.messages import Message
from page.conversing import Conversation
from page.endings import Latest, how_it_ended, line_of
from page.job import Progress
from page.model import Model
from page.shown import Shown
from page.visitor import Visitor

ONLY_FIRST = (
    "Only of a conversation's first question something can be erased. Ask this one first, in a new conversation."
)
NOT_OF_REUSED = "B has not read this picture but taken it over. Ask with Reuse the picture off, then erase."
NOT_OF_FEWER = "B was given fewer tokens of this picture. Ask with Fewer picture tokens off, then erase."
SHARE = "A side that compresses may hold as many slots as of the whole prompt."
NOT_HELD = "The record of this answer was put away to make room for other visitors. Ask the question again, then erase."


class ErasedAnswer:
    """The question of a conversation's first turn, without the tokens `erased` of its prompt, on the same sides.

    Raises:
        ValueError: if it is another turn, or what was answered to it is no longer held.
    """

    def __init__(
        self,
        model: Model,
        shown: Shown,
        visitor: Visitor,
        conversation: Conversation | None,
        number: int,
        erased: Sequence[int],
        latest: Latest,
    ) -> None:
        if conversation is None or number:
            raise ValueError(ONLY_FIRST)
        before = shown.get(conversation.said[0].run)
        if before is None:
            raise ValueError(NOT_HELD)
        self.model, self.shown, self.visitor = model, shown, visitor
        self.asking, self.said = conversation.turns[0].asked, conversation.said[0]
        if self.asking.reuse is not None:
            raise ValueError(NOT_OF_REUSED)
        if self.asking.front is not None:
            raise ValueError(NOT_OF_FEWER)
        self.erased, self.before, self.latest = erased, before, latest

    def steps(self) -> Iterator[Message | Progress | None]:
        """What is done for it, for the line: how it goes, and in the end the whole run."""
        asking, said = self.asking, self.said
        llava = self.model.heeding(asking.picture_tokens)
        comparison = self.model.session.Comparison(llava, list(asking.pictures), asking.policies)
        wanted = asking.question, asking.reserve, said.temperature, said.seed, asking.before_question
        with closing(comparison.ask(*wanted, erased=self.erased, earlier=self.before.sides)) as events:
            for event in events:
                self.latest.event = event
                yield Progress(line_of(event))
        run = comparison.record()
        self.shown.keep(self.visitor, run)
        message = messages.of_run(run, messages.LATE, 0, status=self._status(how_it_ended(run)), done=True)
        yield replace(message, beside=said.run)

    def _status(self, ended: str) -> str:
        count = len(set(self.erased))
        tokens = "token" if count == 1 else "tokens"
        return f"Asked without {count} {tokens} of the prompt. {ended}. {SHARE}"
