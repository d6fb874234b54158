"""The report of an evaluation: one file that says who is best, how sure that is, and what went wrong, word by word."""

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.report_rows import ANSWER, FULL_ANSWER, KEEPS, MEASURES, QUALITY, failures, listed, results, row
from viz.measures import ordered, verdict
from viz.report import marked, report_html


@pytest.fixture(scope="module")
def text():
    """The made-up evaluation's report."""
    return report_html(results() | listed(failures()))


def at(found, keep, **more):
    """Rows of some methods at a budget, by name."""
    return [row(label, keep, 0.5) | {"policy": label, **more, **own} for label, own in found.items()]


@pytest.mark.parametrize("name", QUALITY)
@pytest.mark.parametrize("keep", KEEPS[1:])
def test_the_best_is_the_best_and_those_level_with_it_overlap(name, keep):
    rows = [r | {"vs_elastic": {}} for r in results()["rows"]]
    own = [r for r in rows if r["keep"] == keep and not r["beyond_share"]]
    best = (max if MEASURES[name].better == "higher" else min)(own, key=lambda r: r[name])
    low, high = best[f"{name}_ci"]
    level = {r["policy"] for r in own if r[f"{name}_ci"][0] <= high and r[f"{name}_ci"][1] >= low} - {best["policy"]}
    found = verdict(rows, MEASURES[name], keep)
    assert [r["policy"] for r in found.best] == [best["policy"]]
    assert {r["policy"] for r in found.level} == level


@pytest.mark.parametrize("name, best", [("rouge_l", "h2o"), ("kl", "snapkv"), ("perplexity", "snapkv")])
def test_what_was_not_measured_is_never_best(name, best):
    numbers = {"h2o": 2.0, "snapkv": 1.0, "lookm": None, "corm": float("nan")}
    rows = at({label: {name: number, f"{name}_ci": None} for label, number in numbers.items()}, 0.2)
    found = verdict(rows, MEASURES[name], 0.2)
    assert [r["policy"] for r in found.best] == [best] and not found.level
    assert len(ordered(rows, MEASURES[name])) == 2 and verdict(rows, MEASURES[name], 0.5) == ([], [])


def test_equal_ones_are_all_best_and_the_full_cache_is_out_of_competition():
    rows = at({"full": {"exact": 0.9}, "h2o": {"exact": 0.8}, "knorm": {"exact": 0.8}, "corm": {"exact": 0.1}}, 0.2)
    assert [r["policy"] for r in verdict(rows, MEASURES["exact"], 0.2).best] == ["h2o", "knorm"]


@pytest.mark.parametrize("best", ["elastic", "h2o"])
def test_a_paired_difference_decides_before_intervals_that_overlap(best):
    other = "h2o" if best == "elastic" else "elastic"
    for ends, told_apart in (([0.01, 0.03], True), ([-0.03, -0.01], True), ([-0.01, 0.03], False)):
        against = {"exact": {"difference": 0.02, "ci": ends}}
        own = {best: {"exact": 0.8, "exact_ci": [0.7, 0.9]}, other: {"exact": 0.78, "exact_ci": [0.7, 0.9]}}
        own["h2o"]["vs_elastic"] = against
        assert bool(verdict(at(own, 0.2), MEASURES["exact"], 0.2).level) != told_apart


@pytest.mark.parametrize("name, sign", [("exact", 1), ("perplexity", -1)])
def test_no_cache_is_praised_that_may_lose_much(name, sign):
    for worst, is_safe in ((-0.04, True), (-0.06, False)):
        ends = sorted((sign * worst, sign * 0.5))
        rows = at({"h2o": {name: 1.0, "vs_full": {name: {"difference": 0.0, "ci": ends}}}}, 0.2)
        full = {"policy": "full", "keep": 1.0, name: 1.0}
        only = [full, *({key: r[key] for key in ("policy", "keep", name, "vs_full", "share_peak")} for r in rows)]
        text = report_html(results() | {"settings": {}, "rows": only})
        assert ("Smallest cache that surely loses less" in text) == is_safe
        assert ("No compressed cache surely loses less" in text) != is_safe


class Tags(HTMLParser):
    """Every tag of a file with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.seen = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))


def test_the_file_is_whole_html_that_asks_nobody(text):
    seen = Tags(text).seen
    assert not any(name in given for _, given in seen for name in ("src", "href", "srcset", "onload", "onerror"))
    policy = next(given["content"] for _, given in seen if given.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert all(given.get("alt") for tag, given in seen if tag == "img")


def test_without_intervals_nothing_is_called_sure():
    rows = [{name: r[name] for name in ("policy", "keep", "exact")} for r in results()["rows"]]
    text = report_html(results() | {"settings": {}, "rows": rows})
    assert "intervals are missing" in text and "beyond the intervals" not in text and "Not told apart" not in text


@pytest.mark.parametrize(
    "text, other, expected",
    [
        ("a b c", "a b c", "a b c"),
        ("a x c", "a b c", "a <mark>x</mark> c"),
        ("a x y c", "a c", "a <mark>x y</mark> c"),
        ("two\n x", "two y", "two\n <mark>x</mark>"),
        ("<b> a", "a", "<mark>&lt;b&gt;</mark> a"),
        ("</mark> <mark>", "</mark> <mark>", "&lt;/mark&gt; &lt;mark&gt;"),
        ("", "a", ""),
        ("a a a", "a", "a <mark>a a</mark>"),
    ],
)
def test_words_that_differ_are_marked(text, other, expected):
    assert marked(text, other) == expected


def test_what_is_not_marked_is_the_same_in_both_answers():
    def unmarked(text, other):
        return re.sub(r"<mark>.*?</mark>", "", marked(text, other), flags=re.DOTALL).split()

    words = np.array(["red", "blue", "an", "apple", "car"])
    texts = [" ".join(words[np.random.default_rng(seed).integers(0, 5, 12)]) for seed in range(6)]
    for one, other in itertools.permutations(texts, 2):
        assert len(unmarked(one, other)) > 0
        assert re.sub("</?mark>", "", marked(one, other)) == one
    assert unmarked(ANSWER, FULL_ANSWER) == unmarked(FULL_ANSWER, ANSWER)
    assert " ".join(unmarked(ANSWER, FULL_ANSWER)) == "There are red apples a blue car."


def test_half_a_character_does_not_stop_the_file_from_being_written(tmp_path):
    text = report_html({"settings": {"model": "\ud800"}, "rows": []})
    assert (tmp_path / "report.html").write_text(text, encoding="utf-8")


def test_a_paired_difference_decides_where_intervals_overlap():
    rows = [
        {"policy": "full", "keep": 1.0, "exact": 0.9},
        {"policy": "a", "keep": 0.2, "exact": 0.8, "exact_ci": [0.7, 0.9]},
        {"policy": "b", "keep": 0.2, "exact": 0.75, "exact_ci": [0.65, 0.85]},
    ]
    assert [row["policy"] for row in verdict(rows, MEASURES["exact"], 0.2).level] == ["b"]
    rows[2]["vs_best"] = {"exact": {"difference": -0.05, "ci": [-0.08, -0.02]}}
    assert not verdict(rows, MEASURES["exact"], 0.2).level
