"""A question that is under way: what its visitor saw of it last, and the job that answers it."""

from dataclasses import dataclass, field

from elastic.record.trace import Run
from page.asking import AskedQuestion
from page.endings import Latest
from page.job import Job
from page.wish import Wish

MESSAGE_BYTES = 10_000  # about, of one that nobody has fetched yet


@dataclass
class Pending:
    """A question under way: what of it was seen last, and the job that answers it, once there is one."""

    asked: AskedQuestion
    latest: Latest = field(default_factory=Latest)
    job: Job | None = None
    wish: Wish | None = None  # what its visitor wanted of it, who may have asked the next by the time it has ended

    @property
    def question(self) -> str:
        """Its text."""
        return self.asked.question

    @property
    def unanswered(self) -> str | None:
        """Its text where that is to stand in its box again; a turn that is asked again stands where it stood."""
        return None if self.latest.run or self.asked.again else self.question

    @property
    def nbytes(self) -> int:
        """Bytes of memory it holds, about."""
        return MESSAGE_BYTES * len(self.job.values) if self.job else 0

    def is_writing(self, run: Run) -> bool:
        """Whether its answer goes on, in that run."""
        begun = self.latest.run
        return begun is not None and begun.name == run.name and self.job is not None and not self.job.over
