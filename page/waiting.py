"""What somebody reads who waits for the model: his place in line, about how long, and who is before him."""

from collections.abc import Sequence

from page.job import Job, Progress
from page.pace import Pace, about

LOADING = Progress("Waiting for the model to load")
STARTING = Progress("Starting")
NAMED = 2  # of those who are before him, besides the one whose turn it is
ENDINGS = {1: "st", 2: "nd", 3: "rd"}
SELDOM = 0.5  # seconds between two words on how it goes: more often than that nobody reads


class LatestWord:
    """What somebody is told of how it goes: the latest word, as often as can be read, and never one twice in a row."""

    def __init__(self) -> None:
        self.doing: Progress | None = None  # what the job itself said last, where it has not gone on since
        self._told: Progress | None = None
        self._due = 0.0

    def due(self, word: Progress | None, now: float, at_once: bool = False) -> Progress | None:
        """The word, if it is to be told now."""
        if word is None or word == self._told or (now < self._due and not at_once):
            return None
        self._told, self._due = word, now + SELDOM
        return word


def place_in_line(job: Job, running: Job, ahead: Sequence[Job], pace: Pace, now: float) -> Progress:
    """Where a job stands in line: behind the one that runs, and behind those `ahead` of it."""
    place = "next in line" if not ahead else f"{_ordinal(len(ahead) + 1)} in line"
    line = f"{'Sharing the model' if job.begun else 'Waiting'}: {place}"
    return Progress(line, about(pace.until(running, ahead, now)), _before(job, running, ahead))


def _before(job: Job, running: Job, ahead: Sequence[Job]) -> str:
    """Who is before him, in words."""
    busy = f"The model is busy with {_named(running, job)}"
    if not ahead:
        return f"{busy}."
    left = len(ahead) - NAMED
    named = [_named(other, job) for other in ahead[:NAMED]] + ([f"{left} more"] if left > 0 else [])
    listed = " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
    return f"{busy}; then {'come' if len(ahead) > 1 else 'comes'} {listed}."


def _named(other: Job, job: Job) -> str:
    """What another job is, and whether it is of the same visitor."""
    return f"{other.about()} (your own)" if set(other.names) & set(job.names) else other.about()


def _ordinal(number: int) -> str:
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ENDINGS.get(number % 10, 'th')}"
