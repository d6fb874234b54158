"""Whose turn it is with the model: one thread runs everybody's steps, a turn each, for as long as somebody listens.

A job stops within a step when nobody listens any more, at its deadline and at the end of the program. Nothing here
knows what a model is.
"""

import asyncio
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress

from page.job import Job, JobRefused, Steps, Stopped, Waiting
from page.turns import Turns

TURN = 2.0  # seconds that a caller has the model while others wait; a step, or a row of a table, is always finished
UNHEARD = 10.0  # seconds in which somebody must begin to listen
GAP = 0.3  # seconds: a browser closes a stream and opens the next when it asks again
LISTEN_AGAIN = GAP / 3  # seconds after which it is noted again who listens, or a short gap would look like a long one
LONGEST_STEP = 10.0  # seconds that somebody who stopped a job waits for its last step
STOPPING, STOPPED = "Stopping: the step under way is still finished", "It was stopped."
STUCK = 180.0  # seconds without a finished step after which the line does not move
MOST, MOST_EACH = 64, 16  # jobs in line, of all callers and of one


class Line:
    """The jobs of all callers; `hears` says whether somebody listens under one of some names."""

    def __init__(self, hears: Callable[..., bool] = lambda *names: True, deadline: float = 600.0) -> None:
        self.hears, self.deadline = hears, deadline
        self.opened = threading.Event()  # the model is there
        self.closed = ""  # why nothing is begun any more
        self.last_step = time.monotonic()
        self.ended = 0  # jobs that are over
        self._waiting = Turns()
        self._running: Job | None = None
        self._chores: deque[Callable[[], object]] = deque()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    def join(self, caller: str, steps: Steps, about: Callable[[], str], by_rows: bool = False, also: str = "") -> Job:
        """Put a job at the end of the line; `also` is a further name under which somebody may listen.

        Raises:
            JobRefused: if the line is too long, or closed.
        """
        loop = None
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
        job = Job(caller, steps, about, by_rows, tuple(filter(None, (caller, also))), time.monotonic(), loop)
        with self._changed:
            if self.closed:
                raise JobRefused(self.closed)
            if self._waiting.of(caller) >= MOST_EACH:
                raise JobRefused(
                    f"{MOST_EACH} of your own calls wait for the model already. Fetch their answers first."
                )
            if len(self) >= MOST:
                raise JobRefused(f"{len(self)} others wait for the model already. Try again in a few minutes.")
            if self._is_idle():
                self.last_step = time.monotonic()
            self._waiting.add(job)
            self._changed.notify_all()
        return job

    async def follow(self, job: Job) -> AsyncIterator[object]:
        """What a job says, and sentences while it waits for its turn; whoever stops following stops the job.

        Raises:
            JobRefused: if it was not begun or not finished.
        """
        shown = ""
        try:
            while True:
                job.changed.clear()
                is_over = job.over  # before what it said last is passed on
                while job.values:
                    yield job.values.popleft()
                if is_over:
                    break
                if self.closed:  # at the end of the program nobody waits for a step
                    raise JobRefused(self.closed)
                self._listen(job)
                with self._changed:  # a job that is over waits no more, though what it said last is still passed on
                    is_waiting = self._running is not job and not job.over
                line = STOPPING if job.left else self.waiting_line(job) if is_waiting else shown
                if line != shown:
                    shown = line
                    yield Waiting(line)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LISTEN_AGAIN):
                        await job.changed.wait()
        finally:
            await self._end(job)
        if job.error is not None:
            raise job.error

    async def result(self, job: Job) -> object:
        """What a job comes to; raises what went wrong with it."""
        async with aclosing(self.follow(job)) as values:
            async for _ in values:
                pass
        return job.result

    async def _end(self, job: Job) -> None:
        """Return when a job is over: within a step if it was still under way, after a while if that step is long."""
        job.left = True
        with self._changed:
            self._changed.notify_all()
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_STEP):
                while not job.over and not self.closed:
                    await job.changed.wait()
                    job.changed.clear()

    def waiting_line(self, job: Job) -> str:
        """What somebody should know who waits."""
        if not self.opened.is_set():
            return "Waiting for the model to load"
        with self._changed:
            running, ahead = self._running, self._waiting.ahead(job)
        if running is None or running is job:
            return "Starting"
        whom = ("you are next in line", "1 is ahead of you in line", f"{ahead} are ahead of you in line")[min(ahead, 2)]
        begun = "Sharing the model" if job.begun else "Waiting for the model"
        return f"{begun}: {whom}. It is busy with {running.about()}."

    def _jobs(self) -> list[Job]:
        """All that wait, and the one that runs."""
        with self._changed:
            return [job for job in (*self._waiting, self._running) if job is not None and not job.over]

    def has(self, caller: str) -> bool:
        """Whether a job of that caller waits or runs."""
        return any(job.caller == caller for job in self._jobs())

    def has_visitor(self, name: str) -> bool:
        """Whether something waits or runs that somebody would listen to under that name."""
        return any(name in job.names for job in self._jobs())

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting) + (self._running is not None)

    def stop(self, caller: str, seconds: float = 0.0) -> None:
        """End what a caller has asked for so far, within a step; return when that is done or time is up."""
        until = time.monotonic() + seconds
        with self._changed:
            for job in (jobs := [job for job in self._jobs() if job.caller == caller]):
                job.left = True
            self._changed.notify_all()
            while not all(job.over for job in jobs) and (left := until - time.monotonic()) > 0:
                self._changed.wait(min(left, 0.1))

    def between(self, chore: Callable[[], object]) -> None:
        """Have something done soon in the model's thread, while no step is under way."""
        with self._changed:
            self._chores.append(chore)
            self._changed.notify_all()

    def beat(self) -> None:
        """Note that a step is finished, from within the job that runs; raises Stopped if it is to end."""
        job = self._running
        if job is None or threading.current_thread() is not self._thread:
            return
        self._step_is_finished(job)
        if self._why_over(job):
            raise Stopped

    @property
    def waited(self) -> float:
        """Seconds that the job that runs has waited in line; from within it."""
        return self._running.waited if self._running else 0.0

    def close(self, why: str, seconds: float = 4.0) -> None:
        """Begin nothing any more, end everything that goes on, and return when that is done or time is up."""
        until = time.monotonic() + seconds
        with self._changed:
            self.closed = why
            self._changed.notify_all()
            while len(self) and (left := until - time.monotonic()) > 0:
                self._changed.wait(min(left, 0.1))

    def health(self) -> dict[str, object]:
        """How the line is doing, for JSON: `moving` is False where something waits and no step was finished lately."""
        with self._changed:
            running, since = self._running is not None, time.monotonic() - self.last_step
            moving = self._thread.is_alive() and (self._is_idle() or since < STUCK or not self.opened.is_set())
            waiting = len(self) - running
        return {"waiting": waiting, "running": running, "moving": moving, "seconds_since_last_step": round(since, 1)}

    def _is_idle(self) -> bool:
        """Whether there is nothing to do: what nobody has listened to yet is not begun."""
        with self._changed:
            return self._running is None and not any(job.heard for job in self._waiting)

    # All below runs in the model's thread.

    def _work(self) -> None:
        while True:
            with self._changed:
                over = self._reap()
                job = self._running = self._waiting.take() if self.opened.is_set() else None
                if job is None and not over and not self._chores:
                    self._changed.wait(0.25 if self._waiting else 60)
            for ended, why in over:
                self._finish(ended, error=why)
            self._do_chores()
            if job is not None:
                self._advance(job)

    def _do_chores(self) -> None:
        while self._chores and threading.current_thread() is self._thread:
            try:
                self._chores.popleft()()
            except Exception:  # of a chore, which is no reason to stop anybody
                traceback.print_exc()

    def _reap(self) -> list[tuple[Job, BaseException]]:
        """Take those out of the line who need not wait any more, with the reason."""
        over = [(job, why) for job in self._waiting if (why := self._why_over(job))]
        for job, _ in over:
            self._waiting.remove(job)
        return over

    def _listen(self, job: Job) -> bool:
        """Whether somebody listens to a job now; noted."""
        if hears := self.hears(*job.names):
            job.heard = time.monotonic()
        return hears

    def _why_over(self, job: Job) -> BaseException | None:
        self._listen(job)
        now = time.monotonic()
        if self.closed:
            return JobRefused(self.closed)
        if job.left:
            return JobRefused(STOPPED)
        if now - (job.heard or job.joined) > (UNHEARD if job.heard is None else GAP):
            return JobRefused("Nobody listened for the answer: fetch it as soon as it was asked for.")
        if job.held > self.deadline:
            return JobRefused(f"It took the model for more than {self.deadline:g} s and was ended. Ask for less.")
        if job is not self._running and now - job.joined - job.held > 2 * self.deadline + UNHEARD:
            return JobRefused("The model was busy for too long. Try again in a few minutes.")
        return None

    def _advance(self, job: Job) -> None:
        """Run a job for a turn, or to its end; put it back into the line if others wait."""
        # A turn that begins is a step forward, too: before the first one the model may have been loading for long.
        job.begun, began = True, time.monotonic()
        self.last_step, job.since = began, began - job.held
        while True:
            try:
                value = next(job.steps)
            except StopIteration as end:
                return self._finish(job, result=end.value)
            except Stopped:
                return self._finish(job, error=self._why_over(job) or JobRefused(STOPPED))
            except BaseException as error:
                return self._finish(job, error=error)
            self._step_is_finished(job)
            if value is not None:
                job.values.append(value)
                job.tell()
            if why := self._why_over(job):
                return self._finish(job, error=why)
            if (value is not None if job.by_rows else self.last_step - began > TURN) and self._waiting:
                with self._changed:
                    if any(self._listen(other) for other in self._jobs() if other is not job):
                        self._running = None
                        self._waiting.put_back(job)
                        job.tell()
                        return None

    def _step_is_finished(self, job: Job) -> None:
        self.last_step = time.monotonic()
        job.held = self.last_step - job.since
        self._do_chores()

    def _finish(self, job: Job, result: object = None, error: BaseException | None = None) -> None:
        try:
            job.steps.close()
        except Exception as failure:
            error = error or failure
        job.steps, job.result, job.error = None, result, error
        with self._changed:
            if self._running is job:
                self._running = None
            job.over, self.ended = True, self.ended + 1
            self._changed.notify_all()
        job.tell()
