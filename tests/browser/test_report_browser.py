"""The report of an evaluation in a browser: what is best is marked, and every text stays a text."""

import re

import pytest

from elastic.evaluate.aggregates import described
from tests.report_rows import (
    ANSWER,
    FULL_ANSWER,
    KEEPS,
    LABELS,
    MEASURES,
    SKILLS,
    failure,
    failures,
    listed,
    picture,
    results,
    row,
)
from viz.measures import ordered, verdict
from viz.report import report_html

END = "</title></script><script>window.hurt=1</script><!-- "
NASTY = END + '"><img src=x onerror="window.hurt=2"><a href="javascript:hurt()">&lt;b&gt;</a>'


@pytest.fixture(scope="module")
def opener(browser, tmp_path_factory):
    """Writes a report, opens it with no network, waits until it is drawn; fails on errors, dialogs and requests."""
    problems, contexts = [], []

    def opened(text, width=1366, **options):
        file = tmp_path_factory.mktemp("report") / "report.html"
        file.write_text(text, encoding="utf-8")
        context = browser.new_context(offline=True, viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(40_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
        page.on("request", lambda asked: problems.append(asked.url) if not asked.url.startswith("file:") else None)
        page.goto(file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not [problem for problem in problems if not problem.startswith("data:image/")]


@pytest.fixture(scope="module")
def text():
    """The made-up evaluation's report."""
    return report_html(results() | listed(failures()))


@pytest.fixture(scope="module")
def page(opener, text):
    """The same, opened; tests leave it as they like, and choose what they need themselves."""
    shown = opener(text)
    shown.wait_for_selector(".curves .main-svg")
    return shown


def column(page, keep):
    """Of the table that is shown: per method its text and class at a budget."""
    lines = page.evaluate(
        "place => [...document.querySelectorAll('[data-panel=measure]:not([hidden]) tbody tr')]"
        ".map(({cells}) => [cells[0].innerText, cells[place].innerText, cells[place].className])",
        1 + KEEPS.index(keep),
    )
    return {label: (text, kind) for label, text, kind in lines}


def test_a_method_that_holds_more_than_its_share_is_named_and_says_why_and_is_not_compared(page):
    page.select_option("[data-switch=measure]", "exact")
    shown = column(page, 0.2)
    (beyond,) = [r for r in results()["rows"] if r["policy"] == "corm" and r["keep"] == 0.2]
    assert {label for label, (_, kind) in shown.items() if kind == "beyond"} == {"corm"}
    assert beyond["beyond_share"] in shown["corm"][0] and f"{beyond['exact']:.1%}" in shown["corm"][0]
    said = page.inner_text(".short").splitlines()
    assert f"Not compared with 20% of the cache, as beyond their share: corm ({beyond['beyond_share']})." in said
    assert not any("corm" in line for line in said if "Not compared" not in line)


@pytest.mark.parametrize("name", ["exact", "kl", "repetition"])
def test_choosing_a_measure_changes_curves_and_table_and_the_best_is_marked(page, name):
    page.select_option("[data-switch=measure]", name)
    assert MEASURES[name].title in page.text_content(".curves .gtitle")
    assert page.locator("[data-panel=measure]:visible").count() == 1
    rows = results()["rows"]
    for keep in KEEPS:
        found = verdict(rows, MEASURES[name], keep) if keep < 1 else ([], [])
        shown = column(page, keep)
        for kind, expected in zip(("best", "level"), found, strict=True):
            assert {label for label, (_, given) in shown.items() if given == kind} == {r["policy"] for r in expected}
        for r in (r for r in rows if r["keep"] == keep):
            low, high = (f"{end:{MEASURES[name].format}}".rstrip("%") for end in r[f"{name}_ci"])
            text = shown[r["policy"]][0]
            assert f"{r[name]:{MEASURES[name].format}}" in text and f"[{low}, {high}]" in text


def test_the_summary_says_per_budget_who_is_best_and_who_may_be_as_good(page):
    said = page.inner_text(".short")
    rows = results()["rows"]
    for keep in KEEPS[1:]:
        line = next(line for line in said.splitlines() if f"With {100 * keep:g}%" in line)
        best, level = verdict(rows, MEASURES["exact"], keep)
        assert f": {best[0]['policy']}, {best[0]['exact']:.1%} [" in line
        assert set(re.findall(r"[a-z0-9-]+", line.partition("from it:")[2])) == {r["policy"] for r in level}
    little = [
        r for r in rows[1:] if r["keep"] < 1 and not r["beyond_share"] and r["vs_full"]["exact"]["ci"][0] > -0.05 * 0.94
    ]
    least = min(little, key=lambda r: r["share_peak"])
    assert len(little) > 1 and least is not little[0]
    assert f"{least['policy']} with keep {100 * least['keep']:g}%, which holds {least['share_peak']:.1%}" in said


def test_a_column_sorts_its_table_and_by_keys(page):
    page.select_option("[data-switch=measure]", "kl")
    expected = [r["policy"] for r in ordered([r for r in results()["rows"] if r["keep"] == 0.2], MEASURES["kl"])]
    assert list(column(page, 0.2)) == ["full", *expected, "corm"]  # as it opens
    button = page.locator("[data-panel=measure]:visible th button", has_text="keep 5%")
    expected = [r["policy"] for r in ordered([r for r in results()["rows"] if r["keep"] == 0.05], MEASURES["kl"])]
    for order, direction in ((expected, "ascending"), (expected[::-1], "descending")):
        button.focus()
        page.keyboard.press("Enter")
        assert list(column(page, 0.05)) == ["full", *order, "corm"], "what is not compared stays below"
        assert page.locator("[data-panel=measure]:visible th[aria-sort]").get_attribute("aria-sort") == direction


def test_skills_are_shown_for_the_chosen_budget(page):
    page.select_option("[data-switch=skill]", "0.05")
    lines = page.locator("[data-panel=skill]:visible tbody tr").all_inner_texts()
    rows = {r["policy"]: r for r in results()["rows"] if r["keep"] == 0.05 or r["policy"] == "full"}
    assert lines[0].startswith("full") and len(lines) == len(LABELS)
    for line in lines:
        label, *cells = line.split("\t")
        assert cells == [f"{rows[label]['exact_by_skill'][skill]:.0%}" for skill in SKILLS]


def test_failures_are_folded_by_method_and_their_pictures_come_when_looked_at(page):
    folds = page.locator("details")
    assert folds.count() == len(LABELS) - 1 and page.locator("details[open]").count() == 0
    assert page.locator("img[src]").count() == 0 and page.content().count(picture("teal")) == 1
    fold = folds.nth(3)
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('details[open] img[src]').length === 6")
    assert fold.locator("img").nth(1).get_attribute("src") == picture("teal")
    text = fold.locator("article").first.inner_text()
    assert all(part in text for part in ("keep 20%", "sample 1", "describe", FULL_ANSWER, ANSWER, "Reference"))
    assert "keep 5%" in fold.locator("article").last.inner_text()


def test_what_was_left_out_and_what_went_wrong_is_said(page):
    said = page.inner_text("main")
    for left_out in (
        {"left_out": {"think at 0.1": "too few channels"}},
        {"left_out": ["think at 0.1: too few channels"]},
    ):
        assert "<li>think at 0.1: too few channels</li>" in report_html({"settings": left_out, "rows": []})
    assert "fewer channels than the method can hold" in said and "Sample 17: the picture" in said
    head = page.inner_text("header")
    assert all(
        part in head
        for part in ("pocket-llava", "2026-11-21", "600", "transformers 5.23.0", "cpu", f"Methods: {len(LABELS)}")
    )


def test_the_line_under_the_pointer_stands_out(page):
    page.select_option("[data-switch=measure]", "exact")
    uid = page.evaluate("document.querySelector('.curves')._fullData.find(line => line.name === 'random').uid")
    page.locator(f".curves .trace{uid} .points path").first.hover(force=True)
    page.wait_for_selector(f".curves.looked-at .trace{uid}.near", state="attached")
    assert page.locator(".curves .near").count() == 1 and "random, keep 5%" in page.text_content(".hoverlayer")
    page.locator("h1").hover()
    page.wait_for_selector(".curves:not(.looked-at)")


def test_it_can_be_read_on_a_phone_and_in_the_dark(opener, text):
    page = opener(text, width=390, color_scheme="dark")
    page.wait_for_selector(".curves .main-svg")
    page.locator("summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    box = page.locator("[data-panel=measure]:visible .box")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth && box.tabIndex === 0")
    ink, ground = page.evaluate(
        "[getComputedStyle(document.querySelector('.curves .gtitle')).fill,"
        " getComputedStyle(document.body).backgroundColor]"
    )
    assert [min(map(int, re.findall(r"\d+", colour)[:3])) > 128 for colour in (ink, ground)] == [True, False]


def test_texts_stay_texts(opener):
    found = results()
    found["settings"] = dict.fromkeys(("model", "device", "date", "data", NASTY), NASTY)
    found["settings"] |= {"left_out": [NASTY], "errors": [NASTY], "versions": {NASTY: NASTY}}
    shares = {NASTY: 0.5}
    found["rows"] = [r | {"policy": NASTY if r["policy"] == "h2o" else r["policy"]} for r in found["rows"]]
    found["rows"] = [r | {"exact_by_skill": shares} for r in found["rows"] if r["keep"] in (1, 0.2)]
    texts = dict.fromkeys(("policy", "sample", "skill", "question", "reference", "full", "answer"), NASTY)
    pictures = ['x" onerror="window.hurt=3', "https://example.com/a.png", "data:image/svg+xml;base64,AAAA", picture()]
    failed = [failure(picture=given) | texts for given in pictures]
    failed.append(failure() | texts | {"full": "a b", "answer": f"a {NASTY} b"})
    page = opener(report_html(found | listed(failed)))
    page.wait_for_selector(".curves .main-svg")
    page.locator("summary").click()
    assert page.evaluate("window.hurt") is None
    assert page.locator("script").count() == 4 and page.locator("a[href]").count() == 0
    assert page.locator("img").count() == 2 and page.locator("[onerror]").count() == 0
    assert page.locator("article p").nth(1).inner_text() == NASTY
    assert page.locator("article mark").last.inner_text() == NASTY
    assert NASTY in page.inner_text("header") and page.title().endswith(NASTY.strip())
    assert page.inner_text("[data-panel=skill]:visible th >> nth=1") == NASTY
    named = page.locator(".legendtext").all_text_contents()
    assert sum("onerror" in name for name in named) == 1 and page.locator(".curves :is(a, img)").count() == 0


SINGLE = [row("h2o", 0.2, 0.5)]
EMPTY = [dict.fromkeys(r, None) | {"policy": r["policy"], "keep": r["keep"]} for r in results()["rows"]]


@pytest.mark.parametrize(
    "found, failed, curves",
    [
        ({"settings": {}, "rows": []}, [], 0),
        ({"settings": {}, "rows": EMPTY}, [failure() | dict.fromkeys(("full", "answer", "picture", "reference"))], 0),
        ({"settings": {"versions": {}}, "rows": SINGLE}, [failure(rouge_l=None, agreement=None)], 1),
    ],
    ids=["nothing", "nothing measured", "one method"],
)
def test_what_is_missing_does_not_break_it(opener, found, failed, curves):
    page = opener(report_html({"measures": described()} | found | listed(failed)))
    assert page.locator(".curves").count() == page.locator(".curves .main-svg >> nth=0").count() == curves
    assert ("No failure was recorded." in page.inner_text("main")) == (not failed)
    if failed:
        page.locator("summary").click()
        assert page.locator("article").is_visible()
    assert "None" not in page.inner_text("main") and "undefined" not in page.inner_text("main")
