"""The order in which jobs that wait get their turns: callers alternate, each caller's own jobs come as they were asked.

A plain collection; whoever uses it from several threads holds a lock.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator

from page.job import Job


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

    def take(self) -> Job | None:
        """The first caller's first job that somebody listens to; the caller's others wait behind all other callers."""
        job = next((job for job in self if job.heard is not None), None)
        if job is not None:
            self.remove(job)
            if self.of(job.caller):
                self._waiting.move_to_end(job.caller)
        return job

    def ahead(self, job: Job) -> int:
        """Turns before this job's next one, after the turn that goes on; 0 for one that does not wait."""
        own = self._waiting.get(job.caller, deque())
        if job not in own:
            return 0
        turns, callers = own.index(job), list(self._waiting)
        place = callers.index(job.caller)
        counts = [min(len(jobs), turns + (number < place)) for number, jobs in enumerate(self._waiting.values())]
        return sum(counts) - counts[place] + turns
