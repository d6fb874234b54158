"""Whose turn it is with the model: one thread runs everybody's steps, a turn each, for as long as somebody listens.

A job stops within a step when nobody listens any more, at its deadline and at the end of the program. Nothing here
knows what a model is.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress

from page.chores import Chore, Chores
from page.job import Job, JobRefused, Progress, Steps, Stopped, Unheard
from page.pace import Pace
from page.turns import Turns
from page.waiting import LOADING, STARTING, LatestWord, place_in_line

TURN = 2.0  # seconds that a caller has the model while others wait; a step, or a row of a table, is always finished
UNHEARD = 10.0  # seconds in which somebody must begin to listen
GAP = 0.3  # seconds: a browser closes a stream and opens the next when it asks again
LISTEN_AGAIN = GAP / 3  # seconds after which it is noted again who listens, or a short gap would look like a long one
LONGEST_STEP = 10.0  # seconds that somebody who stopped a job waits for its last step
STOPPING, STOPPED = Progress("Stopping: the step under way is still finished"), "It was stopped."
STUCK = 180.0  # seconds without a finished step after which the line does not move


class Line:
    """The jobs of all callers; `hears` says whether somebody listens under one of some names."""

    def __init__(self, hears: Callable[..., bool] = lambda *names: True, deadline: float = 600.0) -> None:
        self.hears, self.deadline = hears, deadline
        self.opened = threading.Event()  # the model is there
        self.closed = ""  # why nothing is begun any more
        self.last_step = time.monotonic()
        self.ended = 0  # jobs that are over
        self._waiting, self._pace, self._chores = Turns(), Pace(), Chores()
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    def join(
        self, caller: str, steps: Steps, about: Callable[[], str], by_rows: bool = False, also: str = "", kind: str = ""
    ) -> Job:
        """Put a job at the end of the line; `also` is a further name under which somebody may listen; `kind` as `Job`.

        Raises:
            JobRefused: if the line is too long, or closed.
        """
        job = Job(caller, steps, about, by_rows, tuple(filter(None, (caller, also))), time.monotonic(), kind)
        with self._changed:
            if why := self.closed or self._waiting.why_full(caller, len(self)):
                raise JobRefused(why)
            if self._is_idle():
                self.last_step = time.monotonic()
            self._waiting.add(job)
            self._changed.notify_all()
        return job

    async def follow(self, job: Job) -> AsyncIterator[object]:
        """What a job says, and how it goes; whoever stops following stops the job, unless it has a grace.

        Raises:
            JobRefused: if it was not begun or not finished.
        """
        latest, clock, is_left = LatestWord(), asyncio.get_running_loop().time, False
        me = job.followed()
        try:
            while job.follower is me:
                job.changed.clear()
                is_over = job.over  # before what it said last is passed on
                for value in job.told_to(me):
                    latest.doing = value if isinstance(value, Progress) else None
                    if latest.doing is None:
                        yield value
                if is_over and job.follower is me:
                    break
                if self.closed:  # at the end of the program nobody waits for a step
                    raise JobRefused(self.closed)
                self._listen(job)
                with self._changed:  # a job that is over waits no more, though what it said last is still passed on
                    is_waiting = self._running is not job and not job.over
                word = self.where(job) if is_waiting else STOPPING if job.left else latest.doing
                if told := latest.due(word, clock(), at_once=word is STOPPING):
                    yield told
                await job.change(LISTEN_AGAIN)
        except (GeneratorExit, asyncio.CancelledError):
            is_left = job.grace > 0
            raise
        finally:
            if job.follower is me and not is_left:
                await self._end(job)
        if job.follower is me and job.error is not None:
            raise job.error

    async def result(self, job: Job) -> object:
        """What a job comes to; raises what went wrong with it."""
        async with aclosing(self.follow(job)) as values:
            async for _ in values:
                pass
        return job.result

    async def _end(self, job: Job) -> None:
        """Return when a job is over: within a step if it was still under way, after a while if that step is long."""
        self._leave([job])
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_STEP):
                while not job.over and not self.closed:
                    await job.changed.wait()
                    job.changed.clear()

    def where(self, job: Job) -> Progress:
        """What somebody should know who waits."""
        if not self.opened.is_set():
            return LOADING
        with self._changed:
            running = self._running
            if running is None or running is job:
                return STARTING
            ahead = [other for other in self._waiting.ahead(job) if not other.grace or self._listen(other)]
            return place_in_line(job, running, ahead, self._pace, time.monotonic())

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
            self._leave(jobs := [job for job in self._jobs() if job.caller == caller])
            while not all(job.over for job in jobs) and (left := until - time.monotonic()) > 0:
                self._changed.wait(min(left, 0.1))

    def _leave(self, jobs: list[Job]) -> None:
        """Nobody wants these any more: what is not begun is over at once, all else after the step that goes on."""
        with self._changed:
            for job in jobs:
                job.left = True
                if not job.begun and job in self._waiting:
                    self._waiting.remove(job)
                    self._finish(job, error=JobRefused(STOPPED))
        self.between(self._reap)

    def rename(self, caller: str, name: str) -> None:
        """What a caller has asked for so far is asked for, and listened to, under another name from here on."""
        with self._changed:
            for job in self._jobs():
                job.rename(caller, name)
            self._waiting.rename(caller, name)

    def between(self, chore: Chore) -> None:
        """Have something done soon in the model's thread, while no step is under way."""
        with self._changed:
            self._chores.add(chore)
            self._changed.notify_all()

    def beat(self, within_step: bool = False) -> None:
        """Note that it goes on, from within the job that runs; raises Stopped if it is to end."""
        job = self._running
        if job is None or threading.current_thread() is not self._thread:
            return
        self._note_step(job)
        if not within_step:
            self._chores.do()
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
            self._reap()
            with self._changed:
                job = self._running = self._waiting.take(self._listen) if self.opened.is_set() else None
                if job is None and not self._chores:
                    self._changed.wait(0.25 if self._waiting else 60)
            self._chores.do()
            if job is not None:
                self._advance(job)

    def _reap(self) -> None:
        """Take those out of the line who need not wait any more."""
        with self._changed:
            over = [(job, why) for job in self._waiting if (why := self._why_over(job))]
            for job, _ in over:
                self._waiting.remove(job)
        for job, why in over:
            self._finish(job, error=why)

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
        if now - (job.heard or job.joined) > (UNHEARD if job.heard is None else max(GAP, job.grace)):
            return Unheard("Nobody listened for the answer: fetch it as soon as it was asked for.")
        if job.held > self.deadline:
            return JobRefused(f"It took the model for more than {self.deadline:g} s and was ended. Ask for less.")
        if job is not self._running and now - job.joined - job.held > 2 * self.deadline + UNHEARD:
            return JobRefused("The model was busy for too long. Try again in a few minutes.")
        return None

    def _advance(self, job: Job) -> None:
        """Run a job for a turn, or to its end; put it back into the line if others wait."""
        # A turn that begins is a step forward, too: before the first one the model may have been loading for long.
        job.begun, began = True, time.monotonic()
        self.last_step, job.since, job.turn = began, began - job.held, began
        while True:
            try:
                value = next(job.steps)
            except StopIteration as end:
                self._pace.over(job, time.monotonic())
                return self._finish(job, result=end.value)
            except Stopped:
                return self._finish(job, error=self._why_over(job) or JobRefused(STOPPED))
            except BaseException as error:
                return self._finish(job, error=error)
            self._note_step(job)
            self._chores.do()
            if value is not None:
                job.values.append(value)
                job.tell()
            if why := self._why_over(job):
                return self._finish(job, error=why)
            if value is None if job.by_rows else self.last_step - began <= TURN:
                continue
            self._pace.over(job, self.last_step)
            with self._changed:
                if self._waiting and any(self._listen(other) for other in self._jobs() if other is not job):
                    self._running = None
                    self._waiting.put_back(job)
                    job.tell()
                    return None

    def _note_step(self, job: Job) -> None:
        self.last_step = time.monotonic()
        job.held = self.last_step - job.since

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
