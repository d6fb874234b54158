"""An answer while it is given: its steps for the line, with messages for the view between them.

Here runs become what is seen, and conversations are kept up to date. Importing it imports no torch.
"""

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from PIL.Image import Image

from elastic.events import Answering, Ended, Event
from elastic.policies import Policy
from elastic.record import messages
from elastic.record.messages import Message
from elastic.record.reuse import CHOICES
from elastic.record.trace import Run
from page.asking import AskedQuestion, front_before
from page.conversing import Conversation, changes
from page.endings import Latest, how_it_ended, line_of
from page.job import Progress
from page.model import Model
from page.shown import Shown
from page.visitor import Visitor

if TYPE_CHECKING:  # which imports torch
    from elastic.session import Comparison

UPDATES_PER_SECOND = 8  # more make the browser slower, not the answers faster
WORTH_SAYING = 0.5  # seconds in line


class Answer:
    """One question, and where it goes on: with the first `kept` turns of a conversation, or of none.

    `conversation` is None where one begins; `pictures` are those that come with the question.
    """

    def __init__(
        self,
        model: Model,
        shown: Shown,
        visitor: Visitor,
        asked: AskedQuestion,
        policies: list[Policy],
        conversation: Conversation | None,
        kept: int,
        pictures: list[Image],
        link: dict[str, str],
        latest: Latest,
    ) -> None:
        self.model, self.shown, self.visitor, self.asked, self.policies = model, shown, visitor, asked, policies
        self.before, self.kept, self.pictures, self.link, self.latest = conversation, kept, pictures, link, latest

    def steps(self) -> Iterator[Message | Progress | None]:
        """The steps of the answer, begun once the model is there; so is the visitor."""
        visitor = Visitor.acting(self.shown.store, self.visitor.name)
        self.conversation, comparison = self._begun(visitor)
        visitor.comparison = comparison
        asked, latest = self.asked, self.latest
        latest.earlier, latest.temperature, latest.seed = list(self.conversation.said), asked.temperature, asked.seed
        comparison.link, comparison.note = self.link, latest.note
        try:
            wanted = asked.question, asked.tokens, asked.temperature, asked.seed, asked.before_question
            source = asked.pictures[len(comparison.source) :] if self.pictures else ()
            front = front_before(asked.front, asked.share, self.policies[-1])
            how = {"reuse": CHOICES[asked.reuse], "front": front}
            with closing(comparison.ask(*wanted, self.pictures, source, **how)) as events:
                yield from self._followed(visitor, comparison, events)
        except BaseException:
            if latest.run:  # ended in the midst: what was written since it was last seen belongs to it
                with suppress(Exception):  # after a failure there may be no more to be had
                    latest.run = comparison.record()
                    self.shown.update(latest.run)
                    self._note(visitor, comparison, latest.run)
            elif self.before is not self.conversation:  # nothing came of it: all is as it was before
                visitor.comparison = None
            raise
        waited = self.model.line.waited
        if waited > WORTH_SAYING:
            comparison.note = f"{comparison.note} The question waited {waited:.1f} s in line for the model.".strip()
        # The whole record of the turn, so that a view that missed messages is complete again.
        run = comparison.record()
        self.shown.update(run)
        self._note(visitor, comparison, run)
        said = " ".join(filter(None, (comparison.beyond_share, comparison.note)))
        status = f"{how_it_ended(run)}. {said}" if said else how_it_ended(run)
        yield messages.of_run(run, messages.LATE, 0, status=status, done=True, turns=latest.turns(run))

    def _begun(self, visitor: Visitor) -> "tuple[Conversation, Comparison]":
        """The conversation as it is before the question, and its caches, or what makes them."""
        asked, before = self.asked, self.before
        llava = self.model.heeding(asked.picture_tokens)
        if before is None:
            conversation, new = Conversation(asked.pictures, self.pictures), []
        else:
            is_whole = self.kept == len(before.said)
            conversation, new = before if is_whole else before.until(self.kept), self.pictures
        comparison = visitor.comparison if before is not None and before.name == visitor.current else None
        if comparison is not None:
            comparison.go_back(self.kept)
            comparison.change(self.policies, llava, asked.picture_tokens)
        else:
            parts = conversation.pictures, self.policies, conversation.paths, conversation.turns
            comparison = self.model.session.Comparison(llava, *parts)
            comparison.picture_tokens = asked.picture_tokens
        self.pictures = new
        return conversation, comparison

    def _followed(
        self, visitor: Visitor, comparison: "Comparison", events: Iterator[Event]
    ) -> Iterator[Message | Progress | None]:
        """What happens: how it goes, and then answers as messages, about eight a second."""
        number, sent, due, latest = 0, 0, 0.0, self.latest
        for event in events:
            latest.event = event
            if not isinstance(event, Answering):
                yield Progress(line_of(event))
            elif time.monotonic() >= due and not isinstance(event, Ended):
                run = latest.run = event.record()
                if not number:
                    self._take_up(visitor, comparison, run)
                else:
                    self.shown.update(run)
                yield messages.of_run(run, number, sent, status=line_of(event), turns=latest.turns(run))
                # What a side that has ended wrote is sent; only those that go on have more to come.
                going_on = [side.steps for side in run.sides if side.finish == "running"]
                number, sent = number + 1, min(going_on, default=sent)
                due = time.monotonic() + 1 / UPDATES_PER_SECOND
            else:
                yield None

    def _take_up(self, visitor: Visitor, comparison: "Comparison", run: Run) -> None:
        """The first that is seen of the answer: from here on its conversation is the current one.

        Of a conversation that lost but its last turn the new one takes the place; else it is kept beside the new one.
        """
        self.shown.put(visitor, run)
        turns, conversation = comparison.turns, self.conversation
        self.latest.changes = changes(turns[-2].asked, turns[-1].asked) if len(turns) > 1 else []
        is_replaced = self.before is not None and len(self.before.said) - self.kept <= 1
        conversation.asked = self.asked
        visitor.take_up(conversation, self.before.name if is_replaced else "")

    def _note(self, visitor: Visitor, comparison: "Comparison", run: Run) -> None:
        """The turn becomes part of the conversation, however it ended; what is held is as large as it has become."""
        conversation = self.conversation
        conversation.turns, conversation.said = comparison.turns, self.latest.turns(run)
        conversation.paths, conversation.pictures = comparison.source, comparison.pictures
        conversation.asked = self.asked
        if visitor.comparison is comparison:
            visitor.comparison = comparison
        if visitor.conversation is conversation:  # last: its caches, which can be made again, are to go first
            visitor.take_up(conversation)
