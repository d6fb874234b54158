"""Many methods on one picture and question: what is asked for, the rows that are measured, and what the page says."""

import asyncio
import csv
import io
import json
import threading
from contextlib import aclosing
from dataclasses import dataclass, replace
from types import SimpleNamespace

import gradio as gr
import pytest

from elastic.evaluate.measure import measure
from elastic.fronts.visionzip import VisionZip
from elastic.options import build_policy, title_of
from elastic.policies import POLICIES, Policy
from elastic.policies.base import option
from elastic.session import Comparison, run
from page.asking import SidePolicies
from page.callbacks import Callbacks
from page.compare_events import CompareEvents, describe, message
from page.comparing import COLUMNS, MOST_ROWS, Table, plan_rows, read_budgets, table_csv
from page.line import Line
from page.model import Model
from page.shown import Shown
from tests.unit.loops import run_alone

QUESTION = "How many rabbits are there?"


@dataclass(frozen=True)
class Picky(Policy):
    """Refuses small budgets, and fails on every question as `reason` says."""

    keep: float = option(0.75, "Share.", 0.5, 1.0)
    title = "<b>Picky</b>"
    about = "Is never content."
    paper = "arXiv 1234.56789, section 2"
    reason = RuntimeError("no rabbits today\nsecond line")

    def compress(self, layers, seen):
        raise self.reason


@dataclass(frozen=True)
class Stubborn(Policy):
    """Keeps what it likes."""

    keep: float = option(1.0, "No choice.", 1.0, 1.0)
    title = "Stubborn"
    about = "Chooses itself."


@pytest.fixture
def odd_methods(monkeypatch):
    monkeypatch.setitem(POLICIES, "picky", Picky)
    monkeypatch.setitem(POLICIES, "stubborn", Stubborn)


@pytest.fixture(scope="module")
def scene(tmp_path_factory, picture):
    path = tmp_path_factory.mktemp("scene") / "scene.png"
    picture.save(path)
    return str(path)


def table_of(picture, names, budgets=(0.5, 0.2), options=None, tokens=8, question=QUESTION):
    return Table("", picture, question, tokens, plan_rows(names, budgets, options or {}))


def filled(table, llava):
    for _ in table.fill(llava):
        pass
    return table.rows


def test_budgets_are_read_as_people_write_them():
    assert read_budgets(["20", "50 %", "12,5", 20, "100"]) == [1.0, 0.5, 0.2, 0.125]


@pytest.mark.parametrize("given", [["much"], ["4"], ["101"], ["nan"], ["-20"], [], [None], ["1e9"]])
def test_a_budget_that_is_none_gets_a_sentence(given):
    with pytest.raises(ValueError, match=r"budget.*such as 20"):
        read_budgets(given)


def test_the_full_cache_comes_first_and_then_every_method_in_the_order_of_the_menus(odd_methods):
    plans = plan_rows(["stubborn", "elastic-plus", "elastic", "full"], [0.5, 0.2], {})
    rows = [("full", None), ("elastic", 0.5), ("elastic", 0.2), ("elastic-plus", 0.5), ("elastic-plus", 0.2)]
    assert [(plan.name, plan.keep) for plan in plans] == [*rows, ("stubborn", None)]
    assert plans[2].line == "Elastic Cache at 20 %"
    assert plans[-1].line == "Stubborn"


@pytest.mark.parametrize(
    ("names", "budgets", "expected"),
    [
        ([], [0.5], "no method yet"),
        (["full"], [0.5], "no method yet"),
        (["best"], [0.5], "no policy named 'best'"),
        (["elastic"], [n / 1000 for n in range(50, 50 + MOST_ROWS)], f"{MOST_ROWS + 1} rows, at most"),
    ],
)
def test_methods_that_cannot_be_compared_get_a_sentence(names, budgets, expected):
    with pytest.raises(ValueError, match=expected):
        plan_rows(names, budgets, {})


def test_a_method_that_always_rounds_is_named_with_its_bits_and_one_that_may_only_where_it_does():
    named = {plan.line for plan in plan_rows(["kivi", "snapkv"], [0.5], {}, ["4"])}
    assert named >= {"KIVI in 2 bits at 50 %", "KIVI in 4 bits at 50 %", "SnapKV at 50 %", "SnapKV in 4 bits at 50 %"}
    assert title_of(POLICIES["kivi"]()) == "KIVI in 2 bits" and title_of(POLICIES["snapkv"]()) == "SnapKV"


def test_bits_make_rows_of_methods_that_have_them_and_are_named_and_held_by_the_same_bytes(tiny, picture):
    plans = plan_rows(["snapkv", "h2o"], [0.5, 0.2], {"snapkv": {"window": 8}}, ["4", "2"])
    lines = ["SnapKV at 50 %", "SnapKV in 4 bits at 50 %", "SnapKV in 2 bits at 50 %"]
    assert [plan.line for plan in plans if plan.name == "snapkv"] == [
        *lines,
        *(line.replace("50", "20") for line in lines),
    ]
    assert [plan.line for plan in plans if plan.name == "h2o"] == ["H2O at 50 %", "H2O at 20 %"]
    assert len(plan_rows(["snapkv"], [0.5], {}, ["2", "2"])) == 3, "the full cache, and one row for each number"
    assert all(plan.policy.window == 8 for plan in plans if plan.name == "snapkv")
    with pytest.raises(ValueError, match=r"None of these methods can be stored in fewer bits. These can: .*SnapKV"):
        plan_rows(["h2o"], [0.5], {}, ["4"])
    _, plain, coded = filled(Table("", picture, QUESTION, 4, plan_rows(["snapkv"], [0.2], {}, ["4"])), tiny)
    assert (plain["settings"], coded["settings"], coded["title"]) == ("", "", "SnapKV in 4 bits")
    assert coded["bytes_prompt"] <= plain["bytes_prompt"] * 1.01 and coded["slots"] > 2 * plain["slots"]
    assert plain["slots"] / plain["prompt"] == pytest.approx(0.2, abs=0.01)


def test_every_row_is_what_the_method_does_by_itself(tiny, picture):
    rows = filled(table_of(picture, ["elastic", "elastic-plus"]), tiny)
    assert [row["keep"] for row in rows] == [None, 0.5, 0.2, 0.5, 0.2]
    assert len({row["answer"] for row in rows}) > 1, "a tenth of an untrained model's cache makes no difference"
    for row in rows:
        policy = build_policy(row["policy"], row["keep"] or 1.0, {})
        alone = run(Comparison(tiny, picture, [policy]), QUESTION, 8).sides[0]
        assert row["answer"] == alone.answer
    assert (rows[0]["agreement"], rows[0]["kl"]) == (1, pytest.approx(0, abs=1e-6))
    assert rows[2]["bytes_peak"] < rows[1]["bytes_peak"] < rows[0]["bytes_peak"]
    assert rows[2]["bytes_peak"] / rows[0]["bytes_peak"] == pytest.approx(0.2, abs=0.02)
    assert rows[2]["kl"] > 0


def test_a_row_that_holds_more_than_its_share_says_so(tiny, picture):
    rows = filled(table_of(picture, ["h2o", "snapkv"], (0.5, 0.1), tokens=40), tiny)
    full = rows[0]
    for row in rows[1:]:
        share = row["bytes_peak"] / full["bytes_peak"]
        assert row["bytes_prompt"] / full["bytes_prompt"] < 1.25 * row["keep"], "each begins with its share"
        expected = f"holds {100 * share:.1f}\u00a0% at the peak, asked for {100 * row['keep']:g}\u00a0%"
        assert row["beyond_share"] == (expected if share > 1.25 * row["keep"] else "")
    beyond = [(row["policy"], row["keep"]) for row in rows if row["beyond_share"]]
    assert beyond == [("snapkv", 0.1)], "it keeps all forty tokens"


def test_a_row_that_begins_with_more_than_its_share_says_so(tiny, picture, monkeypatch):
    """As one does that protects much of a prompt; at the peak of a long answer it may be within its share."""

    def more_at_first(start, policy, base, tokens):
        outcome = measure(start, policy, base, tokens)
        return replace(outcome, bytes_prompt=2 * outcome.bytes_prompt) if policy.keep < 1 else outcome

    monkeypatch.setattr("elastic.evaluate.measure.measure", more_at_first)
    _, row = filled(table_of(picture, ["h2o"], (0.5,), tokens=2), tiny)
    assert "after the prompt, asked for 50" in row["beyond_share"]


def test_a_row_of_a_method_that_reads_a_part_says_that_it_holds_everything(tiny, picture):
    rows = filled(table_of(picture, ["quest"], (0.5, 0.2), tokens=2), tiny)
    assert [row["beyond_share"] for row in rows] == [
        "",
        *(f"holds everything, and reads {share}\u00a0% of it at a word" for share in (50, 20)),
    ]


def test_rows_of_fronts_are_what_they_leave_at_the_same_bytes_as_methods(pocket, picture):
    rows = filled(table_of(picture, ["divprune", "snapkv", "visionzip"], [0.3]), pocket)
    assert [row["title"] for row in rows] == ["Full cache", "SnapKV", "VisionZip", "DivPrune"]
    assert [row["keep"] for row in rows] == [None, 0.3, 0.3, 0.3]
    assert len({row["bytes_prompt"] for row in rows[1:]}) == 1 and not any(row["beyond_share"] for row in rows[1:])
    run = Comparison(pocket, picture, [build_policy("full", 1.0, {})] * 2)
    for _ in run.ask(QUESTION, 8, front=VisionZip(keep=0.3)):
        pass
    assert run.record().sides[1].answer == rows[2]["answer"]


def test_the_status_says_which_row_comes(tiny, picture):
    table = table_of(picture, ["elastic"])
    said = [table.status for _ in table.fill(tiny)]
    assert said[1:] == [
        *("1 of 3: Full cache", "2 of 3: Elastic Cache at 50 %", "3 of 3: Elastic Cache at 20 %"),
        "All 3 rows are there.",
    ]


def test_what_was_measured_stays_when_it_is_stopped(tiny, picture):
    table = table_of(picture, ["elastic"])
    steps = table.fill(tiny)
    for _ in range(3):  # reading, the full cache, what comes next
        next(steps)
    steps.close()
    assert [row["policy"] for row in table.rows] == ["full"]
    assert table.stopped_line == "Stopped: 1 of 3 rows are measured."


def test_a_refusal_and_a_failure_are_rows_and_the_others_go_on(tiny, picture, odd_methods, capsys):
    rows = filled(table_of(picture, ["picky", "stubborn"]), tiny)
    assert [row["refused"] for row in rows] == [
        "",
        "It failed on this question (no rabbits today).",
        "keep must be between 0.5 and 1, got 0.2.",
        "",
    ]
    assert rows[3]["answer"] == rows[0]["answer"]
    assert "second line" in capsys.readouterr().err, "whoever runs the program must learn of it"


def test_without_memory_no_row_is_made_up(tiny, picture, odd_methods, monkeypatch):
    monkeypatch.setattr(Picky, "reason", RuntimeError("CUDA out of memory"))
    table = table_of(picture, ["picky"])
    with pytest.raises(RuntimeError, match="out of memory"):
        filled(table, tiny)
    assert len(table.rows) == 1


def test_settings_that_are_not_the_defaults_are_used_and_named(tiny, picture):
    rows = filled(table_of(picture, ["elastic"], [0.2], {"elastic": {"protect_text": False}}), tiny)
    assert rows[1]["settings"] == "protect text: off"
    assert rows[1]["kl"] != filled(table_of(picture, ["elastic"], [0.2]), tiny)[1]["kl"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"question": " "}, "no question yet"), ({"tokens": 0}, "1 token or more"), ({"tokens": 10**5}, "can read")],
)
def test_a_question_that_cannot_be_asked_gets_a_sentence(tiny, picture, change, expected):
    with pytest.raises(ValueError, match=expected):
        filled(table_of(picture, ["elastic"], **change), tiny)


def test_the_file_has_every_row_with_all_digits(tiny, picture, odd_methods):
    rows = filled(table_of(picture, ["elastic", "picky"], [0.2]), tiny)
    read = list(csv.DictReader(io.StringIO(table_csv(rows))))
    assert list(read[0]) == list(COLUMNS)
    for row, line in zip(rows, read, strict=True):
        assert line["answer"] == row["answer"] and line["refused"] == row["refused"]
        for name in ("keep", "kl", "agreement", "ms_per_token", "bytes_peak"):
            assert row[name] is None if line[name] == "" else float(line[name]) == row[name]


def test_no_answer_becomes_a_formula(tiny, picture):
    row = filled(table_of(picture, ["elastic"], [0.2]), tiny)[0]
    for answer in ("=HYPERLINK(1)", "+1", "-1", "@x", 'say "hi",\nthen'):
        cell = next(csv.DictReader(io.StringIO(table_csv([row | {"answer": answer}]))))["answer"]
        assert cell == ("'" + answer if answer[0] in "=+-@" else answer)


def test_a_method_says_what_it_does_and_links_its_paper(odd_methods):
    text = describe(["picky", "elastic"])
    assert text.index("Elastic Cache") < text.index("Is never content.")
    assert "[arXiv 1234.56789](https://arxiv.org/abs/1234.56789), section 2" in text
    assert describe([]).startswith("Choose a method")


class Page:
    """The events of the tab for one visitor after the other, without a browser."""

    def __init__(self, llava, scene):
        from elastic import session

        self.model = Model.__new__(Model)
        self.model.llava, self.model.session, self.model.error, self.model.line = llava, session, "", Line()
        self.model.line.opened.set()
        self.events, self.scene = CompareEvents(Callbacks(self.model, Shown())), scene
        self.store = self.events.store

    def begin(
        self, visitor="me", question=QUESTION, methods=("elastic",), budgets=("50", "20"), b="elastic", bits=None
    ):
        chosen = SidePolicies(sides=["elastic:distance=3", b])
        return self.events.begin(asked_by(visitor), self.scene, question, methods, budgets, 8, chosen, bits)

    def run(self, visitor="me", until=lambda now: False):
        """Messages of the table that is filled, until one of them is as is wanted: then nobody follows any more."""
        messages = []

        async def follow():
            async with aclosing(self.events.run(asked_by(visitor))) as said:
                async for now in said:
                    messages.append(now)
                    if until(now):
                        break

        run_alone(follow())
        return messages

    def compare_all(self, *values, **named):
        further = {"further_images": [], "image_tokens": 0, "bits": "", "request": asked_by("program")}
        return run_alone(self.events.compare_all(*values, **further | named))


def asked_by(visitor):
    return SimpleNamespace(session_hash=visitor)


@pytest.fixture
def page(tiny, scene):
    return Page(tiny, scene)


def test_a_table_is_filled_row_by_row_and_then_has_its_figure(page):
    shown = page.begin()[0]
    assert shown["running"] and shown["total"] == 3 and shown["question"] == QUESTION
    counts = [len(now["rows"]) for now in page.run()]
    assert counts == sorted(counts) and set(counts) <= {0, 1, 2, 3} and counts[-1] == 3
    last, figure, start, stop = page.events.settle(asked_by("me"))
    assert not last["running"] and last["csv"].count("\n") == 4
    assert figure.value and start.interactive and not stop.interactive
    json.dumps(last, allow_nan=False)


def test_what_is_wrong_is_said_before_the_last_table_is_lost(page):
    page.begin()
    page.run()
    page.events.settle(asked_by("me"))
    for wrong, expected in (
        ({"question": ""}, "no question yet"),
        ({"methods": []}, "no method yet"),
        ({"budgets": ["x"]}, "no budget"),
    ):
        with pytest.raises(gr.Error, match=expected):
            page.begin(**wrong)
    page.scene = None
    with pytest.raises(gr.Error, match="no picture yet"):
        page.begin()
    assert len(page.events.settle(asked_by("me"))[0]["rows"]) == 3


def test_a_table_is_not_begun_twice_and_can_be_repeated_after_stop(page):
    page.begin()
    refused = []

    def once_more(now):
        with pytest.raises(gr.Error, match="still being filled"):
            page.begin()
        refused.append(now)
        return True

    page.run(until=once_more)
    assert refused
    settled = page.events.settle(asked_by("me"))[0]
    assert settled["status"] == f"Stopped: {len(settled['rows'])} of 3 rows are measured." and len(settled["rows"]) < 3
    page.begin()
    assert len(page.run()[-1]["rows"]) == 3


def test_two_visitors_have_their_own_tables_and_leaving_takes_one_along(page):
    page.begin("me")
    page.begin("you", question="Where is the dog?", methods=["elastic-plus"])

    async def both():
        async def last(visitor):
            return [now async for now in page.events.run(asked_by(visitor))][-1]

        return await asyncio.gather(last("me"), last("you"))

    mine, yours = run_alone(both())
    assert yours["question"] == "Where is the dog?"
    assert [row["policy"] for row in mine["rows"]] == ["full", "elastic", "elastic"]
    page.store.leave("me")
    assert page.events.settle(asked_by("me"))[0] == gr.skip()
    assert len(page.events.settle(asked_by("you"))[0]["rows"]) == 3


def test_a_table_of_somebody_who_left_is_not_filled(page):
    page.begin("third")
    said = page.run("third", until=lambda now: page.store.leave("third"))
    assert [now["running"] for now in said] == [True, False], "it goes on for nobody"
    page.begin("third")
    page.store.leave("third")
    assert page.run("third") == [] and not len(page.store)


def test_the_sides_settings_apply_to_their_methods(tiny, scene):
    page = Page(tiny, scene)
    page.begin(b="elastic:protect_text=false")
    rows = page.run()[-1]["rows"]
    assert [row["settings"] for row in rows] == ["", "protect text: off", "protect text: off"]
    page.begin(b="h2o:keep=0.9")
    assert [row["settings"] for row in page.run()[-1]["rows"]] == ["", "distance: 3", "distance: 3"]
    page.begin(b="elastic:keep=0.9")  # which is not a setting of the table's rows
    assert [(row["settings"], row["keep"]) for row in page.run()[-1]["rows"][1:]] == [("", 0.5), ("", 0.2)]


def test_without_memory_every_conversation_is_freed_and_it_is_said(page, odd_methods, monkeypatch):
    monkeypatch.setattr(Picky, "reason", RuntimeError("out of memory"))
    page.store.put(("caches", "somebody"), object(), page.store.visit("somebody"))
    page.begin(methods=["picky"], budgets=["60"])
    with pytest.raises(gr.Error, match="Out of memory"):
        page.run()
    assert page.store.get(("caches", "somebody")) is None
    assert page.store.lost("somebody", "caches") == "room"
    status = page.events.settle(asked_by("me"))[0]["status"]
    assert status.startswith("Broke off: 1 of 2 rows are measured. Out of memory.")


def test_a_table_that_is_stopped_ends_with_what_was_measured(page):
    page.begin()
    page.model.line.opened.clear()
    pressed = []
    messages = page.run(until=lambda now: pressed.append(page.events.stopping(asked_by("me"))))
    assert pressed and not pressed[0].interactive
    assert not messages[-1]["running"] and messages[-1]["status"] == "Stopped: 0 of 3 rows are measured."
    page.begin()
    page.events.stopping(asked_by("me"))  # before the table has come to the line
    assert page.run()[-1]["status"] == "Stopped: 0 of 3 rows are measured."
    page.model.line.opened.set()
    page.begin()
    assert len(page.run()[-1]["rows"]) == 3


def test_a_table_that_is_ended_for_others_reasons_says_why_with_its_last_message(page):
    page.begin()
    messages = []

    async def follow():
        async for now in page.events.run(asked_by("me")):
            messages.append(now)
            threading.Thread(target=page.model.line.close, args=("The server is being stopped.",)).start()

    with pytest.raises(gr.Error, match="is being stopped"):
        run_alone(follow())
    last = messages[-1]
    assert not last["running"] and last["status"].startswith("Ended: ")
    assert last["status"].endswith("rows are measured. The server is being stopped.")
    page.model.line.stop("me/table", 60)  # the step that was under way is over
    assert page.events.settle(asked_by("me"))[0]["status"] == last["status"]


def test_a_row_that_is_opened_is_asked_anew_as_it_was(tiny, scene):
    page = Page(tiny, scene)
    page.begin(b="elastic:protect_text=false")
    page.run()
    page.store.put(("caches", "me"), object(), page.store.visit("me"))

    def opened(row):
        return page.events.open_row(asked_by("me"), SimpleNamespace(_data={"row": row}))

    asked = opened(2)
    assert (asked.picture, asked.question, asked.tokens, asked.temperature) == (scene, QUESTION, 8, 0)
    assert asked.sides == ["full", "elastic:keep=0.2;protect_text=false"]
    assert opened(2).number != asked.number, "it can be asked twice"
    assert page.store.get(("caches", "me")) is None, "it would go on with an earlier conversation"
    for wrong in (0, 3, -1, "1", None, 1.5):
        with pytest.raises(gr.Error, match="no longer holds"):
            opened(wrong)
    page.model.line.opened.clear()
    page.model.line.join("me", iter(()), str)
    with pytest.raises(gr.Error, match="Still answering"):
        opened(2)


def test_programs_get_the_rows_or_a_sentence(page, scene):
    rows = page.compare_all(scene, QUESTION, "elastic, elastic-plus", "0.5, 0.2", 8)
    assert [(row["policy"], row["keep"]) for row in rows[:3]] == [("full", None), ("elastic", 0.5), ("elastic", 0.2)]
    assert len(rows) == 5
    asked = {"image": scene, "question": QUESTION, "policies": "elastic", "keeps": "0.5", "max_new_tokens": 8}
    for change, expected in (
        ({"image": None}, "no picture"),
        ({"question": ""}, "no question"),
        ({"policies": "best"}, "no policy named"),
        ({"keeps": "half"}, "no share of the cache"),
        ({"keeps": "20"}, "no share of the cache"),
        ({"max_new_tokens": 0}, "1 token or more"),
        ({"further_images": [scene]}, "one picture at a time"),
        ({"image_tokens": 64}, "not for anybody to choose"),
    ):
        with pytest.raises(gr.Error, match=expected):
            page.compare_all(**asked | change)


def test_a_message_holds_all_that_was_measured(tiny, picture):
    table = table_of(picture, ["elastic"])
    filled(table, tiny)
    shown = message(replace(table), running=True)
    assert shown["rows"] == table.rows and shown["csv"] == ""
    assert shown["picture"].startswith("data:image/jpeg;base64,") and len(shown["picture"]) < 10_000
