"""How long somebody waits for the model, by what was measured on this server, and the words for it."""

from types import SimpleNamespace

import pytest

from page import line as line_module
from page.job import Job, Progress
from page.line import TURN
from page.pace import REMEMBERED, Pace, about
from page.waiting import SELDOM, LatestWord, place_in_line
from tests.unit.test_line import Hall


def job_of(caller, kind="question", about="a question of another visitor", by_rows=False, also=(), turn=None):
    job = Job(caller, None, lambda: about, by_rows, (caller, *also), 0.0, kind)
    job.turn = turn
    return job


def paced(**turns):
    """What was measured of turns, by kind."""
    pace = Pace()
    for kind, measured in turns.items():
        for seconds in measured:
            pace.over(job_of("x", kind, turn=0.0), seconds)
    return pace


def test_a_turn_takes_as_long_as_those_of_its_kind_took_in_the_middle():
    pace = paced(question=[2.0, 2.2, 9.0], row=[30.0])
    assert pace.turn_of(job_of("a")) == 2.2 and pace.turn_of(job_of("a", "row")) == 30.0
    for _ in range(REMEMBERED):
        pace.over(job_of("x", turn=0.0), 5.0)
    assert pace.turn_of(job_of("a")) == 5.0, "what was long ago counts no more"


def test_who_waits_waits_for_the_rest_of_a_turn_and_for_those_before_him():
    pace = paced(question=[2.0], row=[30.0])
    running = job_of("a", "row", turn=100.0)
    assert pace.until(running, [], now=112.0) == 18.0
    assert pace.until(running, [job_of("b"), job_of("c")], now=112.0) == 22.0
    assert pace.until(running, [job_of("b")], now=150.0) == 2.0, "a row that takes longer may be over at any time"
    assert pace.until(job_of("a", turn=None), [], now=112.0) == 0.0, "it may give the model away with its next step"


def test_where_something_was_never_measured_no_time_is_made_up():
    pace = paced(question=[2.0])
    unknown = job_of("b", "row", turn=0.0)
    assert pace.until(unknown, [], 1.0) is None and pace.until(job_of("a", turn=0.0), [unknown], 1.0) is None
    assert pace.until(job_of("a", "", turn=0.0), [], 1.0) is None, "nor of what is of no kind"
    assert about(None) == "" and place_in_line(job_of("c"), unknown, [], pace, 1.0).time == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, ""), (1.2, "about 1 s"), (7.9, "about 10 s"), (21, "about 20 s"), (44, "about 40 s"), (200, "about 3 min")],
)
def test_a_time_is_as_rough_as_it_is_known(seconds, words):
    assert about(seconds) == words


def test_who_waits_reads_his_place_about_how_long_and_who_is_before_him():
    pace = paced(question=[2.0], row=[30.0])
    own = job_of("me")
    running = job_of("t", "row", "a comparison of 6 methods, row 3 of 18", turn=0.0)
    others = [job_of("a"), job_of("me/table", "row", "a comparison of 2 methods, row 1 of 4", also=("me",))]
    assert str(place_in_line(own, running, [], pace, 10.0)) == (
        "Waiting: next in line, about 20 s. The model is busy with a comparison of 6 methods, row 3 of 18."
    )
    assert place_in_line(own, running, others, pace, 10.0) == Progress(
        "Waiting: 3rd in line",
        "about 50 s",
        "The model is busy with a comparison of 6 methods, row 3 of 18; then come a question of another visitor and "
        "a comparison of 2 methods, row 1 of 4 (your own).",
    )
    lines = [place_in_line(own, running, others[:1] * count, pace, 10.0).line for count in (1, 10, 20, 21)]
    assert lines == [f"Waiting: {place} in line" for place in ("2nd", "11th", "21st", "22nd")]


def test_words_come_no_more_often_than_they_can_be_read_and_the_last_of_them_in_any_case():
    latest, words = LatestWord(), [Progress(f"{number}") for number in range(3)]
    assert latest.due(words[0], 10.0) == words[0] and latest.due(words[0], 11.0) is None
    assert latest.due(words[1], 11.0) == words[1]
    assert latest.due(words[2], 11.0 + SELDOM / 2) is None and latest.due(words[2], 11.0 + SELDOM) == words[2]
    assert latest.due(words[0], 11.1 + SELDOM, at_once=True) == words[0], "who stops is told at once"


@pytest.fixture
def clock(monkeypatch):
    """The line's clock, which is put on by hand."""
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(line_module, "time", clock)
    return clock


def measured(clock, *seconds, by_rows=False):
    """What the line has learnt of a job whose steps take so long, while nobody waits."""
    hall = Hall()

    def steps():
        for each in seconds:
            clock.now += each
            yield "row" if by_rows else None

    hall.listeners.add("a")
    hall.over(hall.line.join("a", steps(), str, by_rows, kind="kind"))
    found = hall.line._pace.turn_of(job_of("a", "kind"))
    hall.line.close("over")
    return found


def test_the_line_measures_turns_as_they_are_where_others_wait(clock):
    assert measured(clock, 0.5) == 0.5, "one that is over before its turn is"
    assert TURN < 2.5 and measured(clock, 1.0, 1.5, 1.0, 1.0, 1.0) == 2.5, "one that goes on would have given way"
    assert measured(clock, 7.0, 8.0, 9.0, by_rows=True) == 8.0, "of a table, each row"
