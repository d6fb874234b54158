"""Whose turn it is with the model: who waits, who goes first, and when a run ends."""

import asyncio
import threading
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from page import health
from page import line as line_module
from page.job import JobRefused, Progress, Stopped
from page.line import GAP, STUCK, TURN, UNHEARD, Line
from page.store import Store
from page.turns import MOST, MOST_EACH
from page.waiting import LOADING, STARTING
from tests.unit.loops import run_alone

HANG = 30  # seconds: nothing here takes one


class Hall:
    """Who listens, and a line in it; steps are written down as they are made."""

    def __init__(self, **options):
        self.listeners, self.made, self.checked = set(), [], Counter()
        self.line = Line(self.hears, **options)
        self.line.opened.set()

    def hears(self, *names):
        self.checked.update(names)
        return bool(self.listeners & set(names))

    def look_again(self, *names):
        """Wait until the line has gone through those who wait with all that is so now."""
        before = Counter(self.checked)
        # The first look may have begun earlier, and what follows from the second is done before the third.
        self.wait(lambda: self.line.between(int) or all(self.checked[name] >= before[name] + 3 for name in names))

    def steps(self, name, count, seconds=0.002, says=None):
        for number in range(count):
            time.sleep(seconds)
            self.made.append(name)
            yield says and f"{name}{number}"
        return f"{name} is done"

    def join(self, name, count=3, listens=True, **options):
        steps = self.steps(name, count, **{key: options.pop(key) for key in ("seconds", "says") if key in options})
        if listens:
            self.listeners.add(name)
        return self.line.join(name, steps, lambda: f"what {name} wants", **options)

    def wait(self, until):
        limit = time.monotonic() + HANG
        while not until():
            assert time.monotonic() < limit, "it hangs"
            time.sleep(0.005)

    def over(self, *jobs):
        self.wait(lambda: all(job.over for job in jobs))


@pytest.fixture
def clock(monkeypatch):
    """The line's clock, which is put on by hand."""
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(line_module, "time", clock)
    return clock


@pytest.fixture
def hall():
    hall = Hall()
    yield hall
    hall.line.close("The test is over.")


@pytest.fixture
def short_turns(monkeypatch):
    monkeypatch.setattr(line_module, "TURN", 0.03)


@pytest.fixture
def little_patience(monkeypatch):
    monkeypatch.setattr(line_module, "UNHEARD", 0.3)


def test_a_job_is_done_in_one_thread_and_its_result_and_words_arrive(hall):
    async def follow():
        job = hall.join("a", 3, says=True)
        said = [value async for value in hall.line.follow(job)]
        return said, job.result

    said, result = run_alone(follow())
    assert [value for value in said if not isinstance(value, Progress)] == ["a0", "a1", "a2"]
    assert result == "a is done" and not hall.line.has("a")


def test_whoever_has_waited_hears_nothing_after_the_last_word(hall):
    heard = threading.Event()

    def steps():
        yield "the last word"
        heard.wait(HANG)

    async def follow():
        first, said = hall.join("a", 20, seconds=0.01), []
        await asyncio.to_thread(hall.wait, lambda: hall.made)
        hall.listeners.add("b")
        job = hall.line.join("b", steps(), str)
        async for value in hall.line.follow(job):
            said.append(value)
            if value == "the last word":  # passed on slowly: meanwhile the job is over
                heard.set()
                await asyncio.to_thread(hall.over, first, job)
        return said

    said = run_alone(follow())
    assert said[0].line == "Waiting: next in line" and said[-1] == "the last word"


def test_what_was_said_before_anybody_followed_is_heard_in_order(hall):
    async def follow():
        job = hall.join("a", 4, says=True)
        while not job.over:
            await asyncio.sleep(0.005)
        return [value async for value in hall.line.follow(job)]

    assert run_alone(follow()) == ["a0", "a1", "a2", "a3"]


def test_whoever_follows_sleeps_until_there_is_something_to_hear(hall):
    async def follow():
        job, go_on = held_up(hall, "a", before=["said"])
        while not hall.made:
            await asyncio.sleep(0.005)
        said = hall.line.follow(job)
        assert await anext(said) == "said"
        more, before = asyncio.create_task(anext(said, "nothing")), hall.checked["a"]
        while hall.checked["a"] < before + 2:
            await asyncio.sleep(0.005)
        sleeps = not job.changed.is_set()
        go_on.set()
        return sleeps, await more

    assert run_alone(follow()) == (True, "nothing")


def test_whoever_waits_is_told_once_what_stays_as_it_is(hall):
    hall.line.opened.clear()

    async def follow():
        job, before = hall.join("a", 1), hall.checked["a"]
        said = asyncio.create_task(collected(hall.line.follow(job)))
        while hall.checked["a"] < before + 8:
            await asyncio.sleep(0.005)
        hall.line.opened.set()
        return await said

    async def collected(said):
        return [value async for value in said]

    said = run_alone(follow())
    assert said[0] == LOADING and len(said) == len(set(said))


def test_whoever_wants_the_result_gets_it_or_what_went_wrong(hall):
    async def result(job):
        return await hall.line.result(job)

    assert run_alone(result(hall.join("a", 2))) == "a is done"
    hall.line.opened.clear()
    job = hall.join("a", 2)
    hall.line.close("The server is being stopped.")
    with pytest.raises(JobRefused, match="The server is being stopped"):
        run_alone(result(job))


def test_nobody_has_the_model_while_another_has_it(hall):
    inside, most = [], []

    def steps():
        for _ in range(5):
            inside.append(1)
            most.append((len(inside), threading.current_thread().name))
            time.sleep(0.002)
            inside.pop()
            yield None

    hall.listeners.update("abc")
    hall.over(*(hall.line.join(name, steps(), str) for name in "abc"))
    assert len(most) == 15 and set(most) == {(1, "model")}


def test_a_table_gives_the_model_away_between_rows_and_gets_it_back(hall):
    table = hall.join("table", 20, seconds=0.02, says=True, by_rows=True)
    hall.wait(lambda: hall.made)
    question = hall.join("question", 1)
    hall.over(table, question)
    assert hall.made.index("question") < 19 and hall.made.count("table") == 20 and table.result == "table is done"
    assert question.waited < table.waited + table.held


def test_within_a_row_nobody_comes_between(hall):
    def rows():
        for row in range(3):
            for _ in range(4):
                hall.made.append(f"row{row}")
                time.sleep(0.01)
                yield None
            yield f"row{row}"

    hall.listeners.update(("table", "question"))
    table = hall.line.join("table", rows(), str, by_rows=True)
    hall.wait(lambda: len(hall.made) > 1)
    hall.over(table, hall.join("question", 2))
    place = hall.made.index("question")
    assert hall.made[place - 1] != hall.made[min(place + 2, len(hall.made) - 1)]


def test_long_answers_alternate_once_their_turn_is_over(hall, short_turns):
    jobs = [hall.join(name, 60) for name in "ab"]
    hall.over(*jobs)
    changes = sum(one != other for one, other in zip(hall.made, hall.made[1:], strict=False))
    assert changes >= 3 and all(job.result for job in jobs)


def test_whoever_asks_for_much_waits_behind_the_others_with_the_rest(hall):
    first = hall.join("other", 30, seconds=0.01)
    hall.wait(lambda: hall.made)
    many = [hall.join("greedy", 1) for _ in range(8)]
    few = [hall.join("modest", 1)]
    hall.over(first, *many, *few)
    order = [name for name in hall.made if name != "other"]
    assert order.index("modest") == 1, order


@pytest.mark.parametrize("comes_back", [False, True])
def test_whoever_is_away_and_may_come_back_keeps_his_place_and_lets_others_pass(hall, comes_back, monkeypatch):
    monkeypatch.setattr(line_module, "TURN", HANG)
    gate = threading.Event()

    def held():
        while not gate.wait(0.005):
            yield

    hall.listeners.add("first")
    first = hall.line.join("first", held(), lambda: "something")
    hall.wait(lambda: first.begun)
    away = hall.join("away")
    away.grace, away.heard = 60.0, time.monotonic()
    hall.listeners.discard("away")
    others = [hall.join("second"), hall.join("third")]
    assert hall.line.where(others[1]).line == "Waiting: 2nd in line", "who is away is not before him"
    if comes_back:
        hall.listeners.add("away")
        assert hall.line.where(others[1]).line == "Waiting: 3rd in line"
    gate.set()
    hall.over(first, away, *others)
    order = ["away", "second", "third"] if comes_back else ["second", "third", "away"]
    assert list(dict.fromkeys(hall.made)) == order


def test_a_job_ends_within_a_step_when_nobody_listens_any_more(hall):
    closed = []

    def steps():
        try:
            while True:
                time.sleep(0.002)
                hall.made.append("a")
                yield None
        finally:
            closed.append(threading.current_thread().name)

    hall.listeners.add("a")
    job = hall.line.join("a", steps(), str)
    hall.wait(lambda: len(hall.made) > 3)
    hall.listeners.clear()
    hall.over(job)
    assert closed == ["model"] and isinstance(job.error, JobRefused) and not len(hall.line)


def test_a_long_row_ends_at_its_next_step_when_nobody_listens_any_more(hall):
    def row():
        try:
            while True:
                time.sleep(0.002)
                hall.line.beat()
                hall.made.append("step")
        except Exception:
            hall.made.append("taken for a fault of the method")
        yield "row"

    hall.listeners.add("a")
    job = hall.line.join("a", row(), str, by_rows=True)
    hall.wait(lambda: len(hall.made) > 3)
    hall.listeners.clear()
    hall.over(job)
    assert set(hall.made) == {"step"} and isinstance(job.error, JobRefused)
    assert not issubclass(Stopped, Exception)


def test_what_nobody_ever_listens_to_is_never_begun_and_holds_nobody_up(hall, little_patience):
    unheard = [hall.join(f"unheard{number}", 50, listens=False) for number in range(10)]
    heard = hall.join("heard", 2)
    hall.over(heard)
    assert not any(job.over for job in unheard), "they still might listen"
    hall.over(*unheard)
    assert set(hall.made) == {"heard"} and all("Nobody listened" in str(job.error) for job in unheard)
    assert not len(hall.line)


def test_whoever_listens_a_little_later_is_answered(hall):
    job = hall.join("late", 2, listens=False)
    hall.look_again("late")
    assert not job.over
    hall.listeners.add("late")
    hall.over(job)
    assert job.result == "late is done" and job.names == ("late",)


def test_whoever_has_listened_and_left_is_waited_for_as_long_as_a_stream_takes_to_open_again(clock, hall):
    hall.line.opened.clear()
    jobs = left, back = [hall.join(name) for name in ("left", "back")]
    hall.wait(lambda: all(job.heard for job in jobs))
    hall.listeners.clear()
    clock.now += GAP
    hall.look_again("left", "back")
    assert not left.over and not back.over
    hall.listeners.add("back")
    hall.look_again("back")
    clock.now += 0.01
    hall.over(left)
    assert "Nobody listened" in str(left.error) and not back.over
    hall.line.opened.set()
    hall.over(back)
    assert back.result == "back is done"


def test_whoever_has_not_listened_yet_is_waited_for_as_long_as_fetching_an_answer_takes(clock, hall):
    job = hall.join("never", listens=False)
    clock.now += UNHEARD
    hall.look_again("never")
    assert not job.over, "longer than a stream takes that was open"
    clock.now += 0.01
    hall.over(job)
    assert "Nobody listened" in str(job.error) and not hall.made


def test_whoever_listens_under_the_number_of_the_call_is_answered_too(hall):
    hall.listeners.add("call")
    job = hall.join("session", 2, listens=False, also="call")
    assert hall.line.has_visitor("session") and hall.line.has_visitor("call") and not hall.line.has_visitor("other")
    hall.over(job)
    assert job.result == "session is done" and job.names == ("session", "call")
    assert not hall.line.has_visitor("session") and not hall.line.has_visitor("call")


def test_whoever_leaves_the_line_is_not_answered(hall):
    first = hall.join("first", 40, seconds=0.01)
    hall.wait(lambda: hall.made)

    async def leave():
        job = hall.join("second", 5)
        said = hall.line.follow(job)
        words = await anext(said)
        await said.aclose()
        return job, words

    job, words = run_alone(leave())
    assert job.over and "second" not in hall.made
    assert str(words) == "Waiting: next in line. The model is busy with what first wants."
    hall.over(first)


def test_a_cancelled_task_ends_its_job_within_a_step(hall):
    async def cancelled():
        job = hall.join("a", 100_000, seconds=0.001)
        task = asyncio.create_task(hall.line.result(job))
        while not hall.made:
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return job

    job = run_alone(cancelled())
    assert job.over and len(hall.made) < 50_000


def test_those_who_wait_are_told_their_place_and_what_goes_on(hall):
    hall.line.opened.clear()
    jobs = {name: hall.join(name, 1) for name in "abc"}
    every = [*jobs.values(), more := hall.join("a", 1)]
    assert {hall.line.where(job) for job in jobs.values()} == {LOADING}
    assert [hall.line._waiting.ahead(job) for job in every] == [every[:place] for place in range(4)]
    hall.line.opened.set()
    hall.over(*jobs.values(), more)
    assert hall.made == ["a", "b", "c", "a"]


def held_up(hall, name, before=(), **options):
    """A job whose step lasts until the event is set that comes with it."""
    go = threading.Event()

    def steps():
        yield from before
        hall.made.append(name)
        go.wait(HANG)
        yield None

    hall.listeners.add(name)
    job = hall.line.join(name, steps(), lambda: f"what {name} wants", **options)
    return job, go


def test_the_place_in_line_is_said_in_words(hall):
    first, go_on = held_up(hall, "first", before=["a row"], by_rows=True)
    hall.wait(lambda: hall.made)
    others = [hall.join(name, 1) for name in "abcd"]
    busy = "The model is busy with what first wants"
    assert [str(hall.line.where(job)) for job in others] == [
        f"Waiting: next in line. {busy}.",
        f"Waiting: 2nd in line. {busy}; then comes what a wants.",
        f"Waiting: 3rd in line. {busy}; then come what a wants and what b wants.",
        f"Waiting: 4th in line. {busy}; then come what a wants, what b wants and 1 more.",
    ]
    assert hall.line.where(first) == STARTING
    go_on.set()
    hall.over(first, *others)


def test_whoever_has_begun_and_waits_again_shares_the_model(hall):
    hall.line.opened.clear()
    table = hall.join("table", 2, says=True, by_rows=True)
    question, go_on = held_up(hall, "question")
    hall.line.opened.set()
    hall.wait(lambda: "question" in hall.made)
    assert str(hall.line.where(table)) == (
        "Sharing the model: next in line. The model is busy with what question wants."
    )
    assert hall.line.has("table") and hall.line.has("question") and not hall.line.has("other")
    go_on.set()
    hall.over(table, question)
    assert not hall.line.has("table") and not hall.line.has("question")


def test_whoever_stops_a_job_does_not_wait_for_a_long_last_step(hall, monkeypatch):
    monkeypatch.setattr(line_module, "LONGEST_STEP", 0.05)

    async def stop():
        job, go_on = held_up(hall, "a", before=["said"])
        said = hall.line.follow(job)
        while isinstance(await anext(said), Progress):
            pass
        hall.wait(lambda: hall.made)  # the long step is under way
        await said.aclose()
        return job, go_on

    job, go_on = run_alone(stop())
    assert not job.over
    go_on.set()
    hall.over(job)
    assert str(job.error) == "It was stopped."


def test_the_end_of_the_program_does_not_wait_for_a_step_that_does_not_end(hall):
    job, go_on = held_up(hall, "a")
    hall.wait(lambda: hall.made)
    hall.line.close("The server is being stopped.", 0.05)
    assert not job.over
    go_on.set()
    hall.over(job)
    assert str(job.error) == "The server is being stopped."


def test_a_request_is_ended_at_its_deadline_and_what_it_said_stays():
    hall = Hall(deadline=0.1)
    job = hall.join("a", 10**6, says=True)
    hall.over(job)
    assert "more than 0.1 s" in str(job.error) and job.values
    hall.line.close("over")


def counted(hall, clock, name, count):
    """Steps of a second each."""
    for _ in range(count):
        clock.now += 1.0
        hall.made.append(name)
        yield None
    return f"{name} is done"


def test_the_deadline_counts_the_seconds_of_the_model_over_all_turns_and_no_others(clock):
    hall = Hall(deadline=10.0)
    hall.line.opened.clear()
    wanted = {"a": 99, "b": 99, "c": 10}
    hall.listeners.update(wanted)
    jobs = [hall.line.join(name, counted(hall, clock, name, count), str) for name, count in wanted.items()]
    hall.line.opened.set()
    hall.over(*jobs)
    assert Counter(hall.made) == {"a": 11, "b": 11, "c": 10}
    assert jobs[2].result == "c is done" and jobs[2].held == 10, "others had the model for longer meanwhile"
    assert ["more than 10 s" in str(job.error) for job in jobs] == [True, True, False]
    hall.line.close("over")


def test_a_row_of_a_table_ends_at_the_deadline_too(clock):
    hall = Hall(deadline=10.0)

    def row():
        for _ in range(99):
            clock.now += 1.0
            hall.line.beat()
            hall.made.append("step")
        yield "row"

    hall.listeners.add("a")
    job = hall.line.join("a", row(), str, by_rows=True)
    hall.over(job)
    assert len(hall.made) == 10 and "more than 10 s" in str(job.error)
    hall.line.close("over")


def test_whoever_has_waited_in_vain_for_too_long_is_told_so(clock):
    hall = Hall(deadline=10.0)
    hall.line.opened.clear()
    job = hall.join("patient")
    clock.now += 20 + UNHEARD
    hall.look_again("patient")
    assert not job.over, "two others may have had all that they can have"
    clock.now += 0.01
    hall.over(job)
    assert str(job.error) == "The model was busy for too long. Try again in a few minutes."
    hall.line.close("over")


def test_what_a_job_has_had_of_the_model_is_no_waiting(clock):
    hall = Hall(deadline=10.0)
    hall.line.opened.clear()
    hall.listeners.update(("a", "b"))
    job, other = (hall.line.join(name, counted(hall, clock, name, 10), str) for name in "ab")
    assert 2 * 10 + UNHEARD < 32
    hall.look_again("a", "b")
    clock.now += 12
    hall.line.opened.set()
    hall.over(job, other)
    assert job.result and other.result, "32 s have passed, more than anybody waits, but none has waited for so long"


def test_the_seconds_in_line_are_told_to_those_who_run(clock, hall):
    hall.line.opened.clear()
    told = []

    def steps():
        for _ in range(2):
            told.append(hall.line.waited)
            clock.now += 4.0
            yield None

    hall.listeners.update(("a", "b"))
    jobs = [hall.line.join(name, steps(), str) for name in "ab"]
    hall.look_again("a", "b")
    clock.now += 7.0
    hall.line.opened.set()
    hall.over(*jobs)
    # A turn is over after a step of 4 s; of the 23 s that passed each had 8.
    assert TURN < 4 and told == [7, 11, 11, 15] and [job.waited for job in jobs] == [15, 15]
    assert hall.line.waited == 0


def test_a_table_that_gave_the_model_away_comes_before_its_callers_next(hall):
    first = hall.join("table", 6, seconds=0.02, says=True, by_rows=True)
    hall.wait(lambda: hall.made)

    def next_table():
        hall.made.append("next")
        yield "row"

    then = hall.line.join("table", next_table(), str, by_rows=True)
    question = hall.join("question", 1)
    hall.over(first, then, question)
    assert hall.made.index("question") < 5, "it was given away"
    assert [name for name in hall.made if name != "question"] == ["table"] * 6 + ["next"]


def test_one_caller_cannot_fill_the_line(hall):
    hall.line.opened.clear()
    for _ in range(MOST_EACH):
        hall.join("greedy", 1)
    with pytest.raises(JobRefused, match=f"^{MOST_EACH} of your own calls wait for the model already"):
        hall.join("greedy", 1)
    modest = hall.join("modest", 1)
    hall.line.opened.set()
    hall.over(modest)


def test_a_line_that_is_full_takes_nobody(hall):
    hall.line.opened.clear()
    for number in range(MOST):
        hall.join(f"{number}", 1)
    with pytest.raises(JobRefused, match=f"^{MOST} others wait for the model already"):
        hall.join("late", 1)


def test_what_a_caller_has_asked_for_can_be_stopped_and_others_go_on(hall):
    running, waiting = hall.join("a", 10**6), hall.join("a", 3)
    hall.wait(lambda: "a" in hall.made)
    other = hall.join("b", 3)
    hall.line.stop("a", HANG)
    assert running.over and waiting.over and {str(job.error) for job in (running, waiting)} == {"It was stopped."}
    hall.over(other, later := hall.join("a", 1))
    assert other.result == "b is done" and later.result == "a is done"


def test_whoever_stops_a_long_step_is_told_that_it_is_still_finished(hall):
    begun, going = threading.Event(), threading.Event()

    def steps():
        begun.set()
        going.wait(HANG)
        yield None

    async def follow():
        hall.listeners.add("a")
        job, said = hall.line.join("a", steps(), str), []
        with pytest.raises(JobRefused, match="It was stopped"):
            async for value in hall.line.follow(job):
                said.append(value)
                hall.wait(begun.is_set)
                hall.line.stop("a") if value != line_module.STOPPING else going.set()
        return said

    assert run_alone(follow())[-1] == line_module.STOPPING


def test_at_the_end_of_the_program_everybody_is_told_and_nothing_is_begun(hall):
    hall.line.opened.clear()
    waiting = hall.join("waiting", 1)
    hall.line.opened.set()
    running = hall.join("running", 10**6)
    hall.wait(lambda: "running" in hall.made)
    hall.line.close("The server is being stopped.")
    assert running.over and str(running.error) == "The server is being stopped." and waiting.over
    with pytest.raises(JobRefused, match="being stopped"):
        hall.join("late")


def test_at_the_end_of_the_program_nobody_waits_for_a_step_to_be_told(hall):
    begun, going = threading.Event(), threading.Event()

    def steps():
        begun.set()
        yield going.wait(HANG)

    async def follow():
        hall.listeners.add("a")
        job = hall.line.join("a", steps(), str)
        with pytest.raises(JobRefused, match="is being stopped"):
            async for _ in hall.line.follow(job):
                hall.wait(begun.is_set)
                hall.line.close("The server is being stopped.", 0)
        return job.over

    assert run_alone(follow()) is False
    going.set()


def test_what_must_not_come_into_a_step_is_done_between_steps(hall):
    inside, found = [], []

    def steps():
        while not found:
            inside.append(1)
            time.sleep(0.005)
            inside.pop()
            yield None

    def chore():
        found.append((len(inside), threading.current_thread().name))

    hall.listeners.add("a")
    job = hall.line.join("a", steps(), str)
    hall.wait(lambda: hall.line.health()["running"])
    hall.line.between(lambda: 1 / 0)
    hall.line.between(chore)
    hall.over(job)
    hall.line.between(chore)
    hall.wait(lambda: len(found) == 2)
    assert found == [(0, "model")] * 2, "also where nobody asks"


def test_a_fault_of_one_job_is_its_own(hall):
    def broken():
        yield None
        raise RuntimeError("broken")

    hall.listeners.add("a")
    job = hall.line.join("a", broken(), str)
    hall.over(job, hall.join("b", 2))
    assert str(job.error) == "broken" and hall.made == ["b", "b"]


def test_health_says_whether_the_model_is_there_the_line_moves_and_what_is_held(hall, monkeypatch):
    store = Store(limit=1000)
    store.put(("thing", "a"), "A", store.visit("a"), size=lambda: 10)
    held = {"visitors": 1, "things": 1, "bytes": 10, "limit": 1000}
    nothing = {"queue": None, "seconds_since_last_step": None}
    assert health.health("none", None, store) == (200, {"status": "ok", "model": "none", "held": held, **nothing})
    assert [health.health(state, hall.line, store)[0] for state in ("ready", "loading", "failed")] == [200, 503, 503]
    job = hall.join("slow", 3, seconds=0.3)
    hall.wait(lambda: hall.line.health()["running"])
    monkeypatch.setattr(line_module, "STUCK", 0.05)
    hall.wait(lambda: health.health("ready", hall.line, store)[0] == 503)
    hall.over(job)
    code, said = health.health("ready", hall.line, store)
    del said["queue"]["seconds_since_last_step"]
    assert code == 200 and said["queue"] == {"waiting": 0, "running": False, "moving": True}


def moving(hall):
    return hall.line.health()["moving"]


def test_after_hours_without_anybody_the_line_is_not_taken_for_stuck_and_a_step_that_lasts_is(clock, hall):
    hall.over(hall.join("first", 1))
    clock.now += 10 * STUCK
    assert moving(hall) and hall.line.health()["seconds_since_last_step"] == 10 * STUCK
    job, go_on = held_up(hall, "a")
    hall.wait(lambda: "a" in hall.made)
    assert hall.line.health() == {"waiting": 0, "running": True, "moving": True, "seconds_since_last_step": 0}
    clock.now += STUCK
    hall.join("b", 1)
    said = {"waiting": 1, "running": True, "moving": False, "seconds_since_last_step": STUCK}
    assert hall.line.health() == said, "nor is it less stuck when others come"
    go_on.set()
    hall.over(job)
    hall.wait(lambda: moving(hall))


def test_a_model_that_took_long_to_load_is_not_taken_for_stuck(clock, hall):
    hall.line.opened.clear()
    job, go_on = held_up(hall, "early")
    hall.look_again("early")
    clock.now += 2 * STUCK
    assert moving(hall), "it is being loaded"
    hall.line.opened.set()
    hall.wait(lambda: hall.made)
    assert moving(hall), "and then it has just begun"
    go_on.set()
    hall.over(job)


def test_a_chore_that_does_not_end_is_noticed_as_soon_as_somebody_waits_for_it(clock, hall):
    begun, go_on = threading.Event(), threading.Event()
    hall.line.between(lambda: (begun.set(), go_on.wait(HANG)))
    assert begun.wait(HANG)
    clock.now += 10 * STUCK
    assert moving(hall), "nobody waits"

    async def wait():
        said = hall.line.follow(hall.join("a", 1))
        assert await anext(said) == STARTING
        first = moving(hall)
        clock.now += STUCK
        then = moving(hall)
        go_on.set()
        await said.aclose()
        return first, then

    assert run_alone(wait()) == (True, False)


def test_calls_whose_answers_nobody_fetches_do_not_make_a_line_look_stuck(clock, hall):
    for number in range(30):
        hall.join(f"{number}", listens=False)
        clock.now += UNHEARD
        assert moving(hall)
        hall.look_again(f"{number}")
    assert not hall.made


def test_a_line_without_its_thread_does_not_move(hall, monkeypatch):
    assert moving(hall)
    monkeypatch.setattr(hall.line, "_thread", threading.Thread())
    assert not moving(hall)
