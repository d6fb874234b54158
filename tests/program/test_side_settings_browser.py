"""The settings of both sides on the real program: chosen by hand, by a link, by a row, and used wherever one asks."""

import pytest

from tests.serving import ask, choose_example, visitors


@pytest.fixture
def visit(browser, live):
    """Opens the page as a new visitor; at the end nothing may have gone wrong in it."""
    with visitors(browser, live) as opened:
        yield opened


def unfold(page, side):
    page.get_by_text(f"Settings of side {side}", exact=True).click()


def choose_method(page, side, title):
    page.click(f"#policy-{side} input")
    page.get_by_role("option", name=title, exact=True).click()


def sides_of(page):
    """What the address of the run that is shown says of side B."""
    said = page.evaluate("[...new URLSearchParams(location.search)]")
    return {name: value for name, value in said if name.startswith("b")}


def test_what_was_set_for_a_method_stays_while_one_looks_at_another_which_asks_the_server_nothing(visit):
    page = visit()
    choose_example(page, 5, "Describe")
    unfold(page, "B")
    page.get_by_label("Protect ends").uncheck()
    calls = []
    page.on("request", lambda request: calls.append(request.url) if request.method == "POST" else None)
    choose_method(page, "b", "SnapKV")
    page.get_by_label("Window", exact=True).fill("8")
    page.get_by_label("Bits", exact=True).select_option("8")
    choose_method(page, "b", "Elastic Cache")
    page.get_by_label("Protect ends").wait_for()
    assert not page.get_by_label("Protect ends").is_checked() and calls == []
    choose_method(page, "b", "SnapKV")
    page.get_by_label("Window", exact=True).wait_for()
    assert page.get_by_label("Window", exact=True).input_value() == "8"
    ask(page, "How many objects are there?")
    assert sides_of(page) == {"b": "snapkv", "b.bits": "8", "b.window": "8"}
    choose_method(page, "b", "Elastic Cache")
    ask(page, "How many objects are there?")
    assert sides_of(page) == {"b": "elastic", "b.protect_ends": "false"}


def test_settings_of_both_sides_are_those_of_their_methods_in_a_table_and_a_row_brings_its_own(visit):
    page = visit("?example=scene-2066&q=What is the number?&a=h2o&a.recent=0.25&b=elastic&b.distance=10&keep=20")
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-methods .wrap label").evaluate_all(
        """(labels) => labels.forEach((label) => {
          const box = label.querySelector('input');
          if (box.checked !== ['Elastic Cache', 'H2O', 'StreamingLLM'].includes(label.innerText.trim())) box.click();
        })"""
    )
    page.click("#compare")
    page.wait_for_selector('.compare[data-running="false"]:not([data-rows="0"])', timeout=120_000)
    rows = {row.split("\n")[0]: row.split("\n")[1:] for row in page.locator("tbody .cp-title").all_inner_texts()}
    assert "distance" in rows["Elastic Cache"][0] and "10" in rows["Elastic Cache"][0]
    assert "recent" in rows["H2O"][0] and "0.25" in rows["H2O"][0] and rows["StreamingLLM"] == []
    page.locator("tr", has_text="StreamingLLM").first.locator(".cp-look").click()
    page.wait_for_selector('#view .trace-view[data-sides="2"][data-done="true"]', timeout=60_000)
    unfold(page, "B")
    page.get_by_label("Sinks", exact=True).wait_for()
    choose_method(page, "b", "Elastic Cache")
    page.get_by_label("Distance", exact=True).wait_for()
    assert page.get_by_label("Distance", exact=True).input_value() == "10", "of the link, under the row's method"
