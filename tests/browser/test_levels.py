"""How much of a run is told, and what its words mean, in a browser: what opens when, and what is remembered."""

import pytest

from tests.browser.test_story import PAGE_MESSAGES, PARTING
from tests.browser.view_page import data, page_opener, send  # noqa: F401 (fixtures)
from tests.view_traces import FULL, THIN, whole

PAGE_MESSAGES |= {
    "differing": [whole(PARTING, name="differing")],
    "thin keys": [whole((FULL, THIN), name="thin keys")],
}
SECOND = [".tv-modes:not(.tv-sizes)", ".tv-time", ".tv-says >> nth=0", ".tv-layer-name"]
THIRD = [".tv-layer", ".tv-layers", ".tv-certainty", ".tv-strips", ".tv-strip-legend", ".tv-show", ".tv-traffic"]
ALWAYS = [".tv-answers", ".tv-story", ".tv-patches >> nth=1", ".tv-bytes >> nth=1", ".tv-memory", ".tv-save"]
WHY, DETAILS = '.tv-level[data-level="2"]', '.tv-level[data-level="3"]'


def opened(page):
    """How many levels can be seen; what is always told is seen in any case."""
    data(page)
    assert all(page.is_visible(part) for part in ALWAYS)
    seen = [[page.is_visible(part) for part in parts] for parts in (SECOND, THIRD)]
    assert all(len(set(each)) == 1 for each in seen), seen
    return 1 + seen[0][0] + seen[1][0]


def test_at_first_only_what_happened_is_told_and_the_rest_opens_one_after_the_other(show):
    page = show("differing", new=True)
    assert opened(page) == 1 and not page.is_visible(DETAILS)
    assert page.inner_text(WHY) == "Why do they differ?" and page.get_attribute(WHY, "aria-expanded") == "false"
    page.focus(WHY)
    page.keyboard.press("Enter")
    assert opened(page) == 2 and page.get_attribute(WHY, "aria-expanded") == "true"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert opened(page) == 3 and page.get_attribute(DETAILS, "aria-expanded") == "true"
    page.keyboard.press("Enter")
    assert opened(page) == 2
    page.click(DETAILS)
    page.click(WHY)
    assert opened(page) == 1


def test_what_opens_is_drawn_in_its_full_size(show):
    page = show("thin keys", new=True)
    page.click(WHY)
    page.click(DETAILS)
    data(page)
    drawn = page.eval_on_selector(".tv-certainty", "box => box.viewBox.baseVal.width - box.clientWidth")
    assert abs(drawn) < 1
    box, inside = page.eval_on_selector('.tv-thin[data-side="b"] canvas', "box => [box.clientWidth, box.width]")
    assert box == inside > 100


def test_what_is_allocated_is_drawn_only_where_it_is_explained(show):
    page = show("differing", new=True)
    room = page.locator(".tv-memory .tv-room").first
    display = "line => getComputedStyle(line).display"  # a flat line has no area, by which visibility goes
    assert room.get_attribute("d") and room.evaluate(display) == "none"
    page.click(WHY)
    page.click(DETAILS)
    assert room.evaluate(display) != "none"


def test_where_nothing_differs_nobody_is_asked_why_it_does(show):
    assert show("pair", new=True).inner_text(WHY) == "Look inside"


def test_the_browser_remembers_how_much_was_opened(show):
    page = show("differing", new=True)
    page.click(WHY)
    page.reload()
    send(page, "differing")
    page.wait_for_selector('.trace-view[data-done="true"]')
    assert opened(page) == 2


def test_a_browser_that_remembers_nothing_shows_what_happened_and_opens_the_rest_all_the_same(show):
    page = show("differing", new=True)
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } })")
    page.reload()
    send(page, "differing")
    page.wait_for_selector('.trace-view[data-done="true"]')
    assert opened(page) == 1
    page.click(WHY)
    assert opened(page) == 2


@pytest.mark.parametrize(
    ("query", "level"),
    [("?layer=0", 1), ("?t=2", 2), ("?mode=kept", 2), ("?layer=2", 3), ("?layer=2&t=3&mode=groups&level=1", 1)],
)
def test_a_link_opens_what_it_asks_for(show, query, level):
    page = show("differing", query=query, new=True)
    assert opened(page) == level
    assert page.evaluate("localStorage.getItem('elastic-levels')") is None, "what a link opens is not remembered"


def test_words_beside_numbers_say_what_they_mean_to_mouse_keys_and_who_is_read_to(show):
    page = show("differing", new=True)
    tip, term = page.locator(".tv-tip"), page.locator('.tv-chip[data-name="bytes"] .tv-term').first
    assert not tip.is_visible()
    term.focus()
    assert "1,048,576 bytes" in tip.inner_text()
    assert (
        page.evaluate(
            "document.querySelector('#' + document.activeElement.getAttribute('aria-describedby')).textContent"
        )
        == tip.inner_text()
    )
    page.keyboard.press("Escape")
    assert not tip.is_visible() and page.evaluate("document.activeElement.className") == "tv-term"
    page.keyboard.press("Enter")
    assert tip.is_visible()
    term.blur()
    assert not tip.is_visible()
    term.hover()
    assert tip.is_visible()
    tip.hover()
    assert tip.is_visible(), "it can be read with the mouse on it"
    page.mouse.move(1, 1)
    assert not tip.is_visible()


def test_every_word_that_can_be_asked_has_a_meaning_and_a_place_on_the_screen(show):
    page = show("differing", viewport={"width": 390, "height": 844}, has_touch=True)
    terms = [term for term in page.locator(".tv-term").all() if term.is_visible()]
    assert len(terms) > 15
    for term in terms:
        term.tap()
        box = page.locator(".tv-tip").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, term.inner_text()
        assert len(page.inner_text(".tv-tip")) > 20, term.inner_text()
        page.keyboard.press("Escape")
    terms[0].tap()
    page.tap(".tv-story")
    assert not page.is_visible(".tv-tip")


def test_the_first_screen_is_free_of_what_only_those_who_know_caches_understand(show):
    page = show("differing", new=True)
    told = page.locator(".trace-view").inner_text()
    for jargon in ("overlap", "next to nothing", "slots held", "prefill", "mean of all"):
        assert jargon not in told, jargon
    # No bare number stands beside the pictures: the scale is in words.
    assert "little" in told and "much" in told and "e-" not in page.inner_text(".tv-scale")
