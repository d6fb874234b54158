"""How runs go on and end, in words: the last that a visitor sees of a question is one of these sentences."""

from dataclasses import dataclass

from elastic.events import Compressed, Encoding, Ended, Event, Prefilling, Read, Stepped
from elastic.record import messages
from elastic.record.trace import Run

NOT_BEGUN = "Stopped before the answers began."
NOT_ASKED = "The question did not reach the model. Ask again in a minute."
FORGOTTEN = {  # by why an earlier conversation went
    "room": "Your earlier conversation was put away to make room for other visitors: this question begins a new one.",
    "time": "Your earlier conversation was put away after half an hour: this question begins a new one.",
    "away": "Your connection was lost and your conversation put away: this question begins a new one.",
}


@dataclass
class Latest:
    """What was seen last of a run that goes on, for when it ends before its time."""

    run: Run | None = None
    note: str = ""

    def ended(self, sentence: str) -> messages.Message:
        """The last message of a run: a sentence, and all that there is of the answers."""
        status = f"{sentence} {self.note}".strip()
        if self.run is None:
            return messages.of_status(status)
        return messages.of_run(self.run, messages.LATE, 0, status=status, done=True)


def line_of(event: Event) -> str:
    """One line on what goes on."""
    match event:
        case Encoding():
            return "Encoding the picture"
        case Prefilling(together=True):
            return f"Prefill: reading {event.tokens} tokens"
        case Prefilling():
            return f"Prefill: reading {event.tokens} more tokens on each side"
        case Read():
            return f"Prefill done in {event.seconds:.2f} s, compressing"
        case Compressed():
            slots = ", ".join(f"{held:.0f}" for held in event.slots)
            return f"Compressed: {event.tokens} tokens, slots held per layer: {slots}"
        case Stepped():
            return f"Decoding {event.number}/{event.most}"
        case Ended():
            return how_it_ended(event.record())


def how_it_ended(run: Run) -> str:
    """One line on a run that is over."""
    ends = {"end": "finished", "limit": "reached the longest answer allowed"}
    return "; ".join(
        f"{letter}: {ends.get(side.finish, 'stopped')} after {side.steps} tokens"
        for letter, side in zip("AB", run.sides, strict=False)
    )


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on the processor or on a GPU."""
    return isinstance(error, MemoryError) or "memory" in str(error).lower()


def explain(error: Exception) -> str:
    """What a visitor should know of a run that broke."""
    if out_of_memory(error):
        return (
            "Out of memory. All conversations were freed: ask again, with a shorter answer or less of the cache kept."
        )
    return (
        f"The model failed ({type(error).__name__}). The conversation was cleared; ask again, or restart the program."
    )
