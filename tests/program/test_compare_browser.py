"""The Compare tab as visitors use it, in a real browser: on the real program, and its table fed by hand."""

import csv

import pytest

from page.compare_tab import CompareTable
from page.comparing import FIGURES, table_csv
from tests.serving import ROOT, answers, choose_example, slide, state, visitors

NASTY = '<img src=x onerror=window.hurt=1> "q" `${1+1}` {{x}} </td></table> \u202eright\u202c \U0001f415'
DONE = '.compare[data-running="false"]:not([data-rows="0"])'


@pytest.fixture
def visit(browser, live):
    """Opens the Compare tab as a new visitor; at the end nothing may have gone wrong in it."""
    with visitors(browser, live) as opened:

        def visited():
            page = opened()
            to_compare(page)
            slide(page, "#compare-tokens", 8)
            return page

        yield visited


def to_compare(page):
    page.get_by_role("tab", name="Compare").click()
    page.wait_for_selector(".compare")


@pytest.fixture(scope="module")
def regular(browser, live):
    """A visitor who stays, with a table of two methods; its row counts while it grew are in `window.grown`."""
    with visitors(browser, live) as opened:
        page = opened()
        to_compare(page)
        choose(page, "Elastic Cache", "Elastic Cache plus")
        page.evaluate(
            """() => { window.grown = []; const table = document.querySelector('.compare');
            new MutationObserver(() => window.grown.push(+table.dataset.rows)).observe(table, {attributes: true}) }"""
        )
        compare(page)
        yield page


@pytest.fixture
def filled(regular):
    """That visitor at the table."""
    to_compare(regular)
    return regular


def choose(page, *methods):
    """Have these methods ticked, by their titles or `all`, and no others."""
    page.locator("#compare-methods .wrap label").evaluate_all(
        """(labels, methods) => labels.forEach((label) => {
          const box = label.querySelector('input');
          if (box.checked !== (methods.includes('all') || methods.includes(label.innerText.trim()))) box.click();
        })""",
        list(methods),
    )


def compare(page, wait=True):
    before = page.get_attribute(".compare", "data-name")
    page.click("#compare")
    page.wait_for_function("before => document.querySelector('.compare').dataset.name !== before", arg=before)
    if wait:
        page.wait_for_selector(DONE, timeout=120_000)
        page.wait_for_selector("#compare:not([disabled])")


def column(page, name):
    """What the rows show in a column, from top to bottom."""
    return page.locator(f"tbody .cp-{name}").all_inner_texts()


def saved(page):
    with page.expect_download() as download:
        page.click(".cp-save")
    with download.value.path().open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_press_fills_a_table_that_is_sorted_saved_and_drawn(filled):
    page = filled
    grown = set(page.evaluate("window.grown"))  # two that come close together may be drawn at once
    assert len(grown & set(range(1, 7))) >= 3, "the rows came at once"
    assert page.inner_text(".cp-status") == "All 7 rows are there."
    assert column(page, "keep") == ["100 %", "50 %", "20 %", "10 %", "50 %", "20 %", "10 %"]
    # The figure is there, the file holds what the table shows.
    page.wait_for_selector("#compare-figure .js-plotly-plot .main-svg", state="attached", timeout=60_000)
    rows = saved(page)
    assert [row["title"] for row in rows] == [text.split("\n")[0] for text in column(page, "title")]
    assert [row["answer"] for row in rows] == page.locator(".cp-words").all_inner_texts()
    full = float(rows[0]["bytes_peak"])
    for row, memory, agreement in zip(rows, column(page, "bytes_peak"), column(page, "agreement"), strict=True):
        assert memory.startswith(f"{float(row['bytes_peak']) / 2**20:.2f} MiB")
        assert float(agreement.removesuffix(" %")) == pytest.approx(100 * float(row["agreement"]), abs=0.5)
        share = float(row["bytes_peak"]) / full
        said = memory.split("\n")
        assert row is rows[0] or float(said[0].split("·")[1].strip(" %")) == pytest.approx(100 * share, abs=0.5)
        tokens = 100 * float(row["slots"]) / float(row["prompt"])
        assert row is rows[0] or float(said[1].removesuffix(" % of the tokens")) == pytest.approx(tokens, abs=0.5)
    # Other words than the full cache's are marked, and it is said in words.
    reference = set(rows[0]["answer"].split())
    for row in page.locator(".cp-table tbody tr").all()[1:]:
        words = row.locator(".cp-words").inner_text().split()
        assert set(words) - reference <= set(row.locator("mark").all_inner_texts())
        says = row.locator("td.cp-answer small").inner_text()
        assert says.startswith("=" if words == rows[0]["answer"].split() else "≠")
    assert page.locator(".cp-words mark").count()
    # Sorted by memory, and back; the full cache stays on top.
    page.click('[data-sort="bytes_peak"]')
    shown = [float(text.split()[0]) for text in column(page, "bytes_peak")]
    assert shown[1:] == sorted(shown[1:]) and shown[0] == max(shown)
    assert page.get_attribute("thead .cp-bytes_peak", "aria-sort") == "ascending"
    page.click('[data-sort="bytes_peak"]')
    assert [float(text.split()[0]) for text in column(page, "bytes_peak")][1:] == sorted(shown[1:], reverse=True)


def test_a_row_is_looked_into_in_the_live_view(filled):
    page = filled
    said = [row["answer"] for row in saved(page)]
    before = state(page)["run"]
    page.click('tr[data-row="3"] .cp-look')
    page.wait_for_function("run => document.querySelector('.trace-view').dataset.run !== run", arg=before)
    page.wait_for_selector('.trace-view[data-done="true"]', timeout=60_000)
    assert page.locator("#view").is_visible() and answers(page) == [said[0], said[3]]
    head = page.inner_text('.tv-answer[data-side="b"] .tv-head')
    assert "Elastic Cache" in head and "asked to keep 10 %" in head
    assert page.input_value("#keep input[type=number]") == "10"


def test_stop_leaves_what_was_measured_and_it_can_be_pressed_again(visit):
    page = visit()
    choose_example(page, 5, "Describe")
    choose(page, "all")
    slide(page, "#compare-tokens", 256)
    compare(page, wait=False)
    page.wait_for_function("document.querySelector('.compare').dataset.rows >= 2", timeout=60_000)
    assert page.locator('tr[data-row="1"] .cp-look').is_disabled()
    page.click("#compare-stop")
    page.wait_for_selector(DONE, timeout=60_000)
    count = int(page.get_attribute(".compare", "data-rows"))
    assert page.inner_text(".cp-status").startswith(f"Stopped: {count} of ")
    page.wait_for_timeout(1000)  # a row takes less: for that long no further one comes
    assert int(page.get_attribute(".compare", "data-rows")) == count, "it went on measuring"
    assert len(saved(page)) == count
    choose(page, "Elastic Cache")
    slide(page, "#compare-tokens", 4)
    compare(page)
    assert page.inner_text(".cp-status") == "All 4 rows are there."


def test_what_cannot_be_compared_gets_a_sentence_and_the_page_goes_on(visit):
    page = visit()
    choose(page)
    page.click("#compare")
    page.get_by_text("no method yet").first.wait_for(timeout=30_000)
    choose(page, "Elastic Cache")
    page.fill("#compare-budgets input", "much")
    page.press("#compare-budgets input", "Enter")
    page.click("#compare")
    page.get_by_text("'much' is no budget").first.wait_for(timeout=30_000)
    page.press("#compare-budgets input", "Backspace")
    page.fill("#question textarea", NASTY)
    compare(page)
    assert page.inner_text(".cp-question") == NASTY
    assert page.evaluate("window.hurt") is None


def test_two_visitors_at_once_get_their_own_tables(visit):
    first, second = visit(), visit()
    second.fill("#question textarea", "How many objects are there?")
    for page, title in ((first, "Elastic Cache"), (second, "Elastic Cache plus")):
        choose(page, title)
        compare(page, wait=False)
    for page, title in ((first, "Elastic Cache"), (second, "Elastic Cache plus")):
        page.wait_for_selector(DONE, timeout=120_000)
        assert {text.split("\n")[0] for text in column(page, "title")} == {"Full cache", title}
    assert second.inner_text(".cp-question") == "How many objects are there?" != first.inner_text(".cp-question")


def test_a_method_comes_once_more_in_the_bits_that_are_chosen(visit):
    page = visit()
    choose(page, "SnapKV", "H2O")
    page.click("#compare-bits input")
    page.get_by_role("option", name="4 bits").click()
    page.keyboard.press("Escape")
    compare(page)
    titles = [text.split("\n")[0] for text in column(page, "title")]
    assert titles.count("SnapKV") == titles.count("SnapKV in 4 bits") == titles.count("H2O") == 3
    ways = dict(zip(titles, column(page, "bytes_peak"), strict=True))
    assert "of the tokens × " in ways["SnapKV in 4 bits"] and "×" not in ways["SnapKV"]
    rows = [row for row in saved(page) if row["bits"]]
    assert {row["title"] for row in rows} == {"SnapKV in 4 bits"}
    page.wait_for_selector("#compare-figure .js-plotly-plot .main-svg", state="attached", timeout=60_000)


def test_programs_get_all_rows(live):
    from gradio_client import Client, handle_file

    client = Client(live, verbose=False)
    described = client.view_api(return_format="dict")["named_endpoints"]["/compare_all"]
    names = [p["parameter_name"] for p in described["parameters"]]
    assert names == [
        "image",
        "question",
        "policies",
        "keeps",
        "max_new_tokens",
        "further_images",
        "image_tokens",
        "bits",
    ]
    scene = handle_file(ROOT / "assets" / "scenes" / "scene-2057.png")
    rows = client.predict(scene, "Where?", "elastic,think", "0.6,0.2", 8, api_name="/compare_all")
    assert [(row["policy"], row["keep"]) for row in rows[:3]] == [("full", None), ("elastic", 0.6), ("elastic", 0.2)]
    assert rows[0]["agreement"] == 1 and rows[4]["refused"].startswith("keep must be between")
    rows = client.predict(scene, "Where?", "snapkv", "0.2", 8, bits="4", api_name="/compare_all")
    assert [row["title"] for row in rows] == ["Full cache", "SnapKV", "SnapKV in 4 bits"]
    assert rows[2]["bytes_prompt"] <= rows[1]["bytes_prompt"] and rows[2]["slots"] > 2 * rows[1]["slots"]
    with pytest.raises(Exception, match="no policy named"):
        client.predict(scene, "Where?", "best", "0.5", 8, api_name="/compare_all")
    with pytest.raises(Exception, match="one picture at a time, not about 2"):
        client.predict(scene, "Where?", "elastic", "0.5", 8, [scene], api_name="/compare_all")


def row_of(**change):
    figures = dict.fromkeys(FIGURES, 0.5) | {"bytes_peak": 2**20, "agreement": 0.9996, "kl": 1e-7}
    plain = {"policy": "elastic", "title": "Elastic Cache", "keep": 0.2, "bits": "", "settings": "", "refused": ""}
    plain["beyond_share"] = ""
    return plain | {"answer": "Two small dogs.", **figures} | change


ROWS = [
    row_of(policy="full", title="Full cache", keep=None, bytes_peak=2**21, kl=0.0, agreement=1.0),
    row_of(answer="Two dogs."),
    row_of(answer=f"Two big dogs. {NASTY}", title=NASTY, settings=NASTY),
    row_of(answer="", kl=1e-9, beyond_share=NASTY),
    row_of(answer="", refused=NASTY, **dict.fromkeys(FIGURES)),
]


@pytest.fixture(scope="module")
def table_address():
    """A page with the table alone and a way to fill it."""
    import gradio

    with gradio.Blocks(fill_width=True) as page:
        button = gradio.Button("Fill", elem_id="fill")
        shown = CompareTable(elem_id="compare-table")
        value = {"name": "x", "running": False, "status": NASTY, "total": len(ROWS), "question": NASTY}
        value |= {"picture": "data:,", "rows": ROWS, "csv": table_csv(ROWS)}
        button.click(lambda: value, None, shown)
    url = page.launch(prevent_thread_lock=True, quiet=True)[1]
    yield url
    page.close()


def test_hostile_texts_stay_texts_and_nothing_is_cut_off(browser, table_address):
    page = browser.new_page()
    page.goto(table_address)
    page.click("#fill")
    page.wait_for_selector(DONE)
    assert page.locator("tbody tr").count() == len(ROWS)
    assert page.evaluate("window.hurt") is None and page.locator("tbody img").count() == 0
    row = page.locator('tr[data-row="2"]')
    assert NASTY in row.locator(".cp-words").inner_text() and row.locator("b").inner_text() == NASTY
    assert page.inner_text('tr[data-row="4"] .cp-reason') == f"Not measured: {NASTY}"
    assert page.inner_text(".cp-question") == NASTY
    says = page.locator("td.cp-answer small").all_inner_texts()
    assert says[0] == "≠ 1 word missing" and says[2] == "≠ 3 words missing"
    assert row.locator("mark").first.inner_text() == "big"
    # What is nearly all or nearly nothing is not rounded to it.
    assert page.inner_text('tr[data-row="1"] .cp-agreement').endswith("99.9 %")
    assert page.inner_text('tr[data-row="1"] .cp-kl').endswith("< 0.001")
    for width in (1000, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        reaches = "cells => Math.max(...cells.map((c) => c.getBoundingClientRect().right))"
        assert page.locator("tbody :is(td, th, button, p)").evaluate_all(reaches) <= width
        fits = "cells => cells.every((c) => c.scrollWidth <= c.clientWidth + 1)"
        assert page.locator("tbody :is(td, th)").evaluate_all(fits)
    assert page.inner_text('tr[data-row="3"] .cp-beyond') == f"! Not compared: {NASTY}"
    # A row that has no figure, or holds more than its share, goes to the end, whatever the order.
    for _ in range(2):
        page.click('[data-sort="kl"]')
        assert [row.get_attribute("data-row") for row in page.locator("tbody tr").all()][-2:] == ["3", "4"]
    page.close()


def test_a_page_that_is_loaded_anew_has_its_table_again_or_says_that_it_is_gone(filled):
    page = filled
    rows = page.locator(".compare tbody tr").all_inner_texts()
    page.reload()
    to_compare(page)
    page.wait_for_selector(DONE, timeout=60_000)
    assert sorted(page.locator(".compare tbody tr").all_inner_texts()) == sorted(rows) and len(rows) > 2
    page.wait_for_selector("#compare-figure .js-plotly-plot")
    page.evaluate("sessionStorage.setItem('elastic.key', '0'.repeat(32))")  # as if the server had forgotten the tab
    page.reload()
    to_compare(page)
    page.get_by_text("no longer holds this table").wait_for(timeout=60_000)
    assert page.locator(".cp-question").inner_text() and not page.locator(".compare tbody tr").count()
