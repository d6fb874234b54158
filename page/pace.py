"""How long turns with the model take, as measured on this server, and how long somebody waits for his own."""

from collections.abc import Sequence
from statistics import median

from page.job import Job

REMEMBERED = 15  # turns of a kind


class Pace:
    """The lengths of the latest turns, by kinds of jobs: noted by one thread, read by others."""

    def __init__(self) -> None:
        self._turns: dict[str, tuple[float, ...]] = {}

    def over(self, job: Job, now: float) -> None:
        """A turn of a job is over, or as long as it is where others wait; a table goes on with its next row."""
        if job.kind and job.turn is not None and now > job.turn:
            self._turns[job.kind] = (*self._turns.get(job.kind, ())[1 - REMEMBERED :], now - job.turn)
        job.turn = now if job.by_rows else None

    def turn_of(self, job: Job) -> float | None:
        """Seconds that a turn of such a job takes in the median; None where none was measured yet."""
        turns = self._turns.get(job.kind)
        return median(turns) if turns else None

    def until(self, running: Job, ahead: Sequence[Job], now: float) -> float | None:
        """Seconds until all their turns are over, of which one goes on; None where one of them is not known."""
        turns = [self.turn_of(job) for job in (running, *ahead)]
        known = [turn for turn in turns if turn is not None]
        if len(known) < len(turns):
            return None
        # Where it could have given the model away long ago, it does so with its next step.
        began = running.turn
        return (0.0 if began is None else max(0.0, known[0] - (now - began))) + sum(known[1:])


def about(seconds: float | None) -> str:
    """A time as nobody would take it for exact; empty where it is not known, or not worth a number."""
    if seconds is None or seconds < 1:
        return ""
    if seconds < 90:
        step = 1 if seconds < 5 else 5 if seconds < 30 else 10
        return f"about {step * round(seconds / step)} s"
    return f"about {round(seconds / 60)} min"
