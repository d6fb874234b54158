"""The order in which jobs that wait get their turns: callers alternate, each caller's own jobs come as they were asked.

A plain collection; whoever uses it from several threads holds a lock.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

from page.job import Job

MOST, MOST_EACH = 64, 16  # jobs in line, of all callers and of one


class Turns:
    """Jobs that wait, by caller."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()  # in the order of the callers' turns

    def __iter__(self) -> Iterator[Job]:
        return (job for jobs in self._waiting.values() for job in jobs)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def of(self, caller: str) -> int:
        """How many of them one caller has."""
        return len(self._waiting.get(caller, ()))

    def why_full(self, caller: str, others: int) -> str:
        """Why a further job of a caller is not taken where so many wait or run, empty where it is."""
        if self.of(caller) >= MOST_EACH:
            return f"{MOST_EACH} of your own calls wait for the model already. Fetch their answers first."
        return f"{others} others wait for the model already. Try again in a few minutes." if others >= MOST else ""

    def add(self, job: Job) -> None:
        """A job that is new: behind its caller's others."""
        self._waiting.setdefault(job.caller, deque()).append(job)

    def put_back(self, job: Job) -> None:
        """A job that goes on later: before its caller's others, which wait behind all other callers."""
        self._waiting.setdefault(job.caller, deque()).appendleft(job)
        self._waiting.move_to_end(job.caller)

    def remove(self, job: Job) -> None:
        """A job that need not wait any more."""
        jobs = self._waiting[job.caller]
        jobs.remove(job)
        if not jobs:
            del self._waiting[job.caller]

    def rename(self, caller: str, name: str) -> None:
        """A caller is known by another name from here on, in his old place."""
        self._waiting = OrderedDict((name if one == caller else one, jobs) for one, jobs in self._waiting.items())

    def take(self, hears: Callable[[Job], bool]) -> Job | None:
        """The first caller's first job that somebody listens to; the caller's others wait behind all other callers.

        Whoever is away keeps his place and lets others pass.
        """
        begun = [job for job in self if job.heard is not None]
        job = next((job for job in begun if job.grace == 0 or hears(job)), begun[0] if begun else None)
        if job is not None:
            self.remove(job)
            if self.of(job.caller):
                self._waiting.move_to_end(job.caller)
        return job

    def ahead(self, job: Job) -> list[Job]:
        """Whose turns come before this job's next one, after the turn that goes on; none for one that does not wait."""
        own = self._waiting.get(job.caller, deque())
        if job not in own:
            return []
        rounds, place = own.index(job), list(self._waiting).index(job.caller)
        return [
            jobs[turn]
            for turn in range(rounds + 1)
            for number, jobs in enumerate(self._waiting.values())
            if turn < len(jobs) and (turn < rounds or number < place)
        ]
