"""How runs go on and end, in words: the last that a visitor sees of a question is one of these sentences."""

from dataclasses import dataclass, field

from elastic.events import (
    Compressed,
    Compressing,
    Encoding,
    Ended,
    Event,
    Judging,
    Prefilling,
    Read,
    Rereading,
    Stepped,
)
from elastic.record import messages, said
from elastic.record.trace import Run
from page.coming import at
from page.job import Progress

NOT_BEGUN = "Stopped before it was begun: nothing was asked."
STOPPED_WHILE = {  # by the last that happened
    Encoding: "Stopped while the picture was being encoded: nothing was answered.",
    Prefilling: "Stopped while the prompt was being read: nothing was answered.",
    Read: "Stopped when the prompt had been read: nothing was answered.",
    Compressing: "Stopped while the caches were being compressed: nothing was answered.",
    Rereading: "Stopped while the conversation was being read again: nothing was answered.",
    Judging: "Stopped while the earlier answer was being judged: nothing was answered.",
    Compressed: "Stopped before the first word.",
    Stepped: "Stopped before the last word.",
}
NOT_ASKED = "The question did not reach the model. Ask again in a minute."
ENDS = {"end": "finished", "limit": "reached the longest answer allowed"}  # of a side that was not stopped
BACK = "Back in this conversation: the next question goes on with it."
NO_RUN = "Its pictures were put away to make room for other visitors; what was said stays."
PUT_AWAY = "This conversation was put away to make room for other visitors. Ask a new question."
FORGOTTEN = {  # by why an earlier conversation went
    "room": "Your earlier conversations were put away to make room for other visitors: this question begins a new one.",
    "time": "Your earlier conversations were put away after hours unused: this question begins a new one.",
    "away": "Your connection was lost and your conversation put away: this question begins a new one.",
}
PARTED = "The connection was lost {}. Press Retry to ask again."
READ_AGAIN = {  # by why the caches of a conversation went
    "room": "Its caches had been put away to make room for other visitors: the conversation was read again.",
    "time": "Its caches had been put away after half an hour: the conversation was read again.",
}


@dataclass
class Latest:
    """What was seen last of a run that goes on, for when it ends before its time, and the conversation around it."""

    run: Run | None = None
    event: Event | None = None
    coming: said.Coming | None = None
    note: str = ""
    earlier: list[said.SaidTurn] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    temperature: float = 0.0
    seed: int = 0

    def turns(self, run: Run) -> list[said.SaidTurn]:
        """The conversation, with a run as its last turn."""
        return [*self.earlier, said.turn_of(run, self.changes, self.temperature, self.seed)]

    @property
    def stopped(self) -> str:
        """What is said where its visitor has stopped it."""
        if self.run is not None:
            return f"{how_it_ended(self.run)}."
        return NOT_BEGUN if self.event is None else STOPPED_WHILE[type(self.event)]

    def told(self, progress: Progress, awaits: float | None = None) -> messages.Message:
        """How it goes; as long as there is nothing of an answer, where it will stand."""
        coming = at(self.coming, progress) if self.run is None else None
        return messages.of_status(str(progress), awaits, coming)

    def ended(self, sentence: str) -> messages.Message:
        """The last message of a run: a sentence, and all that there is of the answers."""
        status = f"{sentence} {self.note}".strip()
        if self.run is None:
            return messages.of_status(status)
        return messages.of_run(self.run, messages.LATE, 0, status=status, done=True, turns=self.turns(self.run))


def line_of(event: Event) -> str:
    """One line on what goes on."""
    match event:
        case Encoding():
            return "Encoding the picture"
        case Prefilling(together=True):
            return f"Reading the prompt: {event.tokens} tokens"
        case Prefilling():
            return f"Reading {event.tokens} more tokens on each side"
        case Read():
            return f"The prompt was read in {event.seconds:.2f} s"
        case Compressing():
            return f"Compressing the cache of {'AB'[event.side]}"
        case Judging():
            return f"How sure of the earlier answer: token {event.number} of {event.most}"
        case Rereading(turns=1):
            return "Reading the conversation again"
        case Rereading():
            return f"Reading the conversation again: turn {event.number} of {event.turns}"
        case Compressed():
            slots = ", ".join(f"{held:.0f}" for held in event.slots)
            return f"Compressed: {event.tokens} tokens, slots held per layer: {slots}"
        case Stepped():
            return f"Writing: token {event.number} of at most {event.most}"
        case Ended():
            return how_it_ended(event.record())


def how_it_ended(run: Run) -> str:
    """One line on a run that is over."""
    return "; ".join(
        f"{letter}: {ENDS.get(side.finish, 'stopped')} after {side.steps} tokens"
        for letter, side in zip("AB", run.sides, strict=False)
    )


def parted(run: Run | None) -> str:
    """One line on a run that was ended because its visitor was away for too long."""
    if run is None:
        return "The connection was lost before the answers began. Ask again."
    return PARTED.format(f"after token {max(side.steps for side in run.sides)}")


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on the processor or on a GPU."""
    return isinstance(error, MemoryError) or "memory" in str(error).lower()


def explain(error: Exception) -> str:
    """What a visitor should know of a run that broke."""
    if out_of_memory(error):
        return "Out of memory. All caches were freed: ask again, with a shorter answer or less of the cache kept."
    return (
        f"The model failed ({type(error).__name__}). Ask again: what was said before is read again. If it fails once "
        "more, begin a new conversation, or restart the program."
    )
