"""A tab whose page is loaded anew: what it says of itself, and what it finds again. Importing it imports no torch.

Its key is a secret of the tab's. It is sent with the loading of the page only, and goes no further than the store.
"""

from pathlib import Path
from typing import Annotated

import gradio as gr
from pydantic import Field

from elastic.options import read_policy
from elastic.record import messages
from elastic.record.messages import Message
from page import incoming
from page.asking import AskedQuestion
from page.endings import ENDS, NO_RUN, how_it_ended
from page.gate import MAX_TEXT, RequestPart
from page.line import Line
from page.looking import ViewEvents
from page.pending import Pending
from page.shown import Shown
from page.visitor import Visitor
from viz.joiner import joined

ASSETS = Path(__file__).parent.parent / "assets"
COME_BACK = f"async () => {{\n{joined(ASSETS / 'web' / 'tab' / 'main.js')}\nreturn [await comeBack()];\n}}"
ARRIVED = "() => { document.dispatchEvent(new Event('elastic-arrived')); }"  # from here on the tab keeps its inputs
HERE = "Back where you were."
ANSWERING = "Back where you were: the answer went on meanwhile."
COPY = "This tab is a copy of one that is still open: the conversation stays there. Here a new one begins."
LOST = (
    "The server no longer holds this conversation, as after a restart or half an hour away; what was said is shown as "
    "it was. Your next question begins a new one about {}."
)
LEFT = "The question that was not answered yet when this link was opened is not asked any more: “{}”"
SAME, LACKING = "the same picture", "a picture of your choice: this one could not be kept"


class Tab(RequestPart):
    """What a tab says of itself when its page is loaded."""

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    copied: bool = False  # another tab that is open had this one's key, which is a new one now
    opened: bool = False  # its address is one that it did not write itself
    run: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""  # its own one that stood at this place of its history
    words: bool = False  # it still has what was said
    lacking: bool = False  # the picture in its inputs is gone
    typed: Annotated[str, Field(max_length=MAX_TEXT)] = ""  # an `AskedQuestion`: its inputs as they were

    @property
    def asked(self) -> AskedQuestion | None:
        """Its inputs, None where it has none that can be."""
        try:
            asked = AskedQuestion.read(self.typed)
            for side in asked.sides:
                read_policy(side)
            first, *further = [str(incoming.as_upload(path)) for path in asked.pictures] or [None]
        except ValueError:  # of another version, or of a picture that is gone
            return None
        return asked.model_copy(update={"picture": first, "further": further})


class ComingBack:
    """Finds what a tab had before its page was loaded anew."""

    def __init__(self, shown: Shown, view_events: ViewEvents, line: Line) -> None:
        self.shown, self.view_events, self.line = shown, view_events, line

    def known(self, said: str, name: str) -> Tab | None:
        """The tab, whose visitor has that name now, and from here on all that he had; None where it says nothing."""
        try:
            tab = Tab.model_validate_json(said or "")
        except ValueError:
            return None
        earlier = self.shown.store.come_back(tab.key, name)
        if earlier is None:
            self.shown.store.know(name, tab.key)
        elif earlier != name:
            self.line.rename(earlier, name)
        return tab

    def begin_anew(self, name: str) -> list[str]:
        """Put aside what was said, for a link: it stays in the list. A sentence on a question that is left with it."""
        visitor = Visitor.acting(self.shown.store, name)
        pending = self._end(visitor)
        visitor.comparison = visitor.current = None
        return [LEFT.format(pending.question)] if pending and pending.latest.run is None else []

    def go_back(self, run: str, name: str) -> AskedQuestion | None:
        """Take up the conversation of that run, to which the browser's way back leads; its last question.

        None where nothing changes, or it is no longer held: then nothing is looked at.
        """
        visitor = Visitor.known(self.shown.store, name)
        held = visitor.conversations or []
        conversation = next((one for one in held if any(turn.run == run for turn in one.said)), None)
        runs = [turn.run for turn in conversation.said] if conversation else [run]
        is_current = conversation is None or conversation.name == visitor.current
        # A tab has not been told yet of the run of what it asked just now.
        if is_current and (visitor.looks_at in runs or visitor.pending is not None):
            return None
        if not is_current:
            self._end(visitor)
            visitor.comparison = None
        visitor.take_up(conversation)
        visitor.looks_at = runs[-1]
        return conversation and conversation.asked

    def _end(self, visitor: Visitor) -> Pending | None:
        """End the question that is under way, and return it; what was written of its answer stays."""
        pending = visitor.pending
        if pending is not None:
            self.view_events.make_way(visitor.name)
            visitor.pending = visitor.under_way = visitor.wish = None
        return pending

    def has_begun(self, asked: AskedQuestion, name: str) -> bool:
        """Whether that very question is under way or answered, and need not stand in its box any more."""
        visitor = Visitor.known(self.shown.store, name)
        begun = [
            visitor.pending.asked if visitor.pending else None,
            *(one.asked for one in visitor.conversations or []),
        ]
        return any(one is not None and one.number == asked.number for one in begun)

    def message(self, tab: Tab, request: gr.Request) -> Message | None:
        """What its view shows; None where it had nothing of its own, or is to show what its address names."""
        visitor = Visitor.known(self.shown.store, request.session_hash)
        if tab.opened:
            return None
        if tab.copied:
            return messages.of_turns([], COPY) if tab.words else None
        run, conversation = self.shown.get(visitor.looks_at), visitor.conversation
        said = conversation.said if conversation else []
        if run is not None and (pending := visitor.pending) is not None and pending.is_writing(run):
            return messages.of_run(run, 0, 0, status=ANSWERING, turns=pending.latest.turns(run))
        if run is not None and run.name in self.shown.lasting:
            return self.view_events.show(run.name, request)
        if run is not None:
            turns = said if any(turn.run == run.name for turn in said) else None
            ended = [] if all(side.finish in ENDS for side in run.sides) else [f"{how_it_ended(run)}."]
            return messages.of_run(run, messages.LATE, 0, status=" ".join([HERE, *ended]), done=True, turns=turns)
        if said:
            return messages.of_turns(said, f"{HERE} {NO_RUN}")
        return messages.of_status(LOST.format(LACKING if tab.lacking else SAME)) if tab.words else None
