"""Who is compared: the rule against bytes worked out by hand, and that everything that compares goes by it."""

import pytest

from elastic.evaluate import advice
from elastic.evaluate.aggregates import described
from elastic.evaluate.summary import Draws, rows
from elastic.fairness import beyond_share
from tests.unit.test_evaluate_summary import answer
from viz.measures import ordered, read_measures, verdict
from viz.report import report_html

PROMPT, TOKEN = 200, 100  # tokens of every prompt; bytes of a token


def slots_after(kind, keep, written):
    """Slots that a method holds of a prompt and so many tokens more, by what it is defined to do."""
    return {
        "constant": keep * PROMPT,
        "proportional": keep * (PROMPT + written),
        "growing": keep * PROMPT + written,  # every new token is kept, as SnapKV does
        "greedy": 1.6 * keep * PROMPT,  # too much at once, and nothing more
        "full": PROMPT + written,
    }[kind]


def held(kind, keep, length):
    """The shares of the full cache's bytes after the prompt and at the peak of an answer."""
    return [slots_after(kind, keep, written) / (PROMPT + written) for written in (0, length)]


@pytest.mark.parametrize(
    ("kind", "keep", "length", "expected"),
    [
        ("full", 1.0, 500, ""),
        ("constant", 0.1, 500, ""),
        ("proportional", 0.1, 500, ""),
        # 20 + 5 of 205 tokens are 12.2 %, 20 + 6 of 206 are 12.6 %: a quarter more than a tenth is 12.5 %.
        ("growing", 0.1, 5, ""),
        ("growing", 0.1, 6, "holds 12.6% at the peak, asked for 10%"),
        # 40 + 13 of 213 are 24.9 %, 40 + 14 of 214 are 25.2 %; at one half the first too many is the 67th.
        ("growing", 0.2, 13, ""),
        ("growing", 0.2, 14, "holds 25.2% at the peak, asked for 20%"),
        ("growing", 0.5, 66, ""),
        ("growing", 0.5, 67, "holds 62.5% at the peak, asked for 50%"),
        # 64 of 200 tokens are 32 %; a long answer hides it (64 of 400 are 16 %), and it counts all the same.
        ("greedy", 0.2, 200, "holds 32.0% after the prompt, asked for 20%"),
        ("greedy", 0.125, 0, "holds 20.0% after the prompt, asked for 12.5%"),
    ],
)
def test_a_share_is_held_by_bytes_at_both_moments(kind, keep, length, expected):
    assert beyond_share(keep, *held(kind, keep, length)) == expected


def test_what_was_not_measured_is_not_held_against_a_method():
    assert beyond_share(0.2, None, None) == "" and beyond_share(0.2, None, 0.2) == ""
    assert beyond_share(0.2, 0.4, None) == "holds 40.0% after the prompt, asked for 20%"


def test_a_quarter_more_is_still_fair():
    assert beyond_share(0.2, 0.25, 0.25) == "" and beyond_share(0.2, 0.2501, 0.2) and beyond_share(0.2, 0.2, 0.2501)
    for hundredths in range(1, 101):  # also of budgets that are no binary fractions
        assert beyond_share(hundredths / 100, 5 * hundredths / 400, None) == ""


def test_padding_counts_as_it_is_measured():
    """A method whose heads differ holds as much of every head as its largest does: 30 of 100 slots, asked for 20."""
    heads = [10, 20, 30]
    asked, padded = sum(heads) / 300, len(heads) * max(heads) / 300
    assert beyond_share(0.2, asked, asked) == "" and beyond_share(0.2, padded, padded).startswith("holds 30.0%")


RIGHT = {"full": (1.0, 40), "growing": (0.1, 35), "proportional": (0.1, 30), "constant": (0.1, 9)}


def contest(length):
    """Answers of a length to forty questions: the one that keeps every new token is right most often."""
    answers = []
    for number in range(40):
        for kind, (keep, right) in RIGHT.items():
            first, last = (int(TOKEN * slots_after(kind, keep, written)) for written in (0, length))
            figures = {"bytes_prompt": first, "bytes_peak": max(first, last), "bytes_full": TOKEN * PROMPT}
            answers.append(answer(f"s{number:02}", kind, keep, exact=number < right, **figures))
    return answers


@pytest.mark.parametrize(("length", "best"), [(5, "growing"), (60, "proportional")])
def test_report_table_and_advice_call_the_same_one_best(length, best):
    draws = Draws(contest(length))
    found = rows(draws)
    exact = read_measures(described())["exact"]
    assert [row["policy"] for row in verdict(found, exact, 0.1).best] == [best]
    (advised,) = advice.advice(draws, found)
    assert f"At 0.1 of the cache: {best} (" in advised
    said = "all others that are compared are worse" if best == "proportional" else "all others are worse"
    assert (said in advised) == ("cannot be told apart" not in advised)
    marked = {line.split()[0] for line in advice.table(found).splitlines() if line.endswith(" !")}
    beyond = {row["policy"]: row["beyond_share"] for row in found if row["beyond_share"]}
    assert marked == {*beyond} == ({"growing"} if best == "proportional" else set())
    assert all(f"{policy} ({why})" in advised for policy, why in beyond.items())
    assert ("not compared" in advice.table(found)) == bool(beyond)
    # It has no rank, and nothing is measured against it; its numbers stay.
    assert len(ordered(found, exact)) == 4 - len(beyond) and len(found) == 4
    for row in found:
        is_compared = row["keep"] < 1 and not row["beyond_share"]
        assert ("vs_best" in row) == is_compared and row["exact"] is not None
        if is_compared and row["policy"] == best:
            assert row["vs_best"]["exact"]["difference"] == 0


@pytest.mark.parametrize(
    ("read", "why"), [(0.12, ""), (0.2, "reads 20.0% at a word, its index included, asked for 10%")]
)
def test_a_method_that_holds_everything_is_judged_by_what_a_word_reads(read, why):
    figures = {"bytes_prompt": 1.1 * TOKEN * PROMPT, "bytes_peak": 1.1 * TOKEN * PROMPT, "bytes_full": TOKEN * PROMPT}
    full = [answer(f"s{number:02}", "full", 1.0) for number in range(40)]
    bytes_read = int(read * full[0]["bytes_peak"])
    reading = [answer(f"s{number:02}", "reading", 0.1, bytes_read=bytes_read, **figures) for number in range(40)]
    found = rows(Draws([*full, *reading]))
    assert [row["beyond_share"] for row in found] == ["", why]
    assert found[0]["share_read"] is None and found[1]["share_read"] == pytest.approx(read, abs=1e-4)
    assert "read at a word" in advice.table(found)
    advised = advice.advice(Draws([*full, *reading]), found)[0]
    assert ("reading reads its share, and holds 110%." in advised) == (not why)


def test_methods_that_have_no_answer_in_common_cannot_be_told_apart():
    """A stopped run may hold the first questions of one method and the last ones of another."""
    names = [f"s{number:02}" for number in range(40)]
    answers = [answer(name, "full", 1.0) for name in names]
    answers += [answer(name, "early", 0.1) for name in names[:20]]
    answers += [answer(name, "late", 0.1, exact=False) for name in names[20:]]
    draws = Draws(answers)
    found = rows(draws)
    (advised,) = advice.advice(draws, found)
    assert "late cannot be told apart" in advised
    best, level = verdict(found, read_measures(described())["exact"], 0.1)
    assert ([row["policy"] for row in best], [row["policy"] for row in level]) == (["early"], ["late"])


def test_that_no_cache_loses_little_is_said_of_those_that_are_compared():
    """One that loses nothing and holds too much is there: the report must not say that there is none."""
    answers = [answer(f"s{number:02}", "full", 1.0) for number in range(40)]
    answers += [answer(f"s{number:02}", "worse", 0.1, exact=number < 3) for number in range(40)]
    report = report_html({"rows": rows(Draws(answers)), "measures": described()})
    assert "No compressed cache surely loses less than a twentieth" in report
    answers += [answer(f"s{number:02}", "large", 0.1, bytes_peak=200) for number in range(40)]
    report = report_html({"rows": rows(Draws(answers)), "measures": described()})
    assert "No compressed cache of those compared surely loses less than a twentieth" in report
    assert "as beyond their share: large (holds 18.2% at the peak, asked for 10%)." in report
