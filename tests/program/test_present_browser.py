"""The live view for projectors: all that matters is on the screen, the keyboard suffices to ask, and Escape leaves."""

import pytest

from tests.serving import answers, question_of, state, turns_of, visitors

SHOWN = (
    *('.tv-turn[data-shown="true"] .tv-question', ".tv-answers", '.tv-answer[data-side="b"] .tv-text', ".tv-story"),
    *('canvas.tv-patches[data-side="a"]', 'canvas.tv-patches[data-side="b"]', ".tv-memory", ".tv-bytes >> nth=1"),
    *(".tv-where .tv-legend", "#question textarea", "#ask", "#stop"),
)
HIDDEN = ("#badge", "#title p", "#controls", "#clear", ".tv-strips", ".tv-acts", ".tv-bar", ".tv-extras", "footer")


@pytest.fixture(scope="module")
def page(browser, live):
    """A visitor who presents."""
    with visitors(browser, live) as opened:
        yield opened("?present=1")


def box_of(page, selector):
    """Left, top, right, bottom of what is seen of an element."""
    box = page.locator(selector).bounding_box()
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def asked(page, question):
    """Ask with the keyboard alone, and wait for the end of the answers."""
    before = state(page)["run"]
    page.focus(".trace-view")
    page.keyboard.press("/")
    page.keyboard.type(question)
    page.keyboard.press("Enter")
    page.wait_for_function("run => document.querySelector('.trace-view').dataset.run !== run", arg=before)
    page.wait_for_selector('.trace-view[data-done="true"]')
    page.wait_for_selector("#ask:not([disabled])", timeout=60_000)


def test_all_that_matters_is_on_the_screen_and_one_asks_there(page):
    for question in ("What is at the bottom?", "Describe the image in detail."):
        asked(page, question)
        assert question_of(page) == question and all(answers(page))
        for width, height in ((1920, 1080), (1024, 768)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(
                "width => document.querySelector('.tv-patches').getBoundingClientRect().right < width", arg=width
            )
            boxes = {selector: box_of(page, selector) for selector in SHOWN}
            for selector, (left, top, right, bottom) in boxes.items():
                assert 0 <= left < right <= width and 0 <= top < bottom <= height, (width, selector)
            asking = boxes["#question textarea"][1]
            for selector in SHOWN[:-3]:
                assert boxes[selector][3] <= asking, f"{selector} lies behind the box at {width} x {height}"
            wide = boxes[SHOWN[4]][2] - boxes[SHOWN[4]][0]
            assert wide > 0.12 * width, "the picture can be seen from the last row"
            scrolled = "[document.documentElement, document.querySelector('.tv-talk')]"
            assert page.evaluate(f"{scrolled}.every((box) => box.scrollHeight <= box.clientHeight + 1)")
            legend = page.locator(".tv-where .tv-legend")
            keys = [key.bounding_box() for key in legend.locator(":scope > *").all() if key.is_visible()]
            line = legend.bounding_box()
            assert len(keys) >= 2 and all(key["x"] + key["width"] <= line["x"] + line["width"] for key in keys)
            assert max(key["y"] for key in keys) < min(key["y"] + key["height"] for key in keys), "one line"
            assert legend.locator(".tv-ramp").is_visible() and legend.locator(".tv-unit").inner_text()
            assert "dropped or evicted" in legend.inner_text()
            assert [selector for selector in HIDDEN if page.locator(selector).first.is_visible()] == []
            left, top, right, bottom = box_of(page, "#head")
            assert (right - left) * (bottom - top) <= 1, "its heading is there to be read aloud alone"
    assert turns_of(page) == 2 and not page.locator(".tv-turn").first.is_visible(), "the latest turn only"


def test_while_the_pictures_tell_their_light_and_rings_are_named(page):
    page.emulate_media(reduced_motion="no-preference")
    page.focus(".trace-view")
    page.keyboard.press("/")
    page.keyboard.type("What is in the center?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".tv-telling-now", timeout=60_000)
    legend = page.locator(".tv-where .tv-legend")
    assert legend.locator("[data-for=outline]").is_visible() and not legend.locator(".tv-unit").is_visible()
    page.wait_for_selector(".trace-view:not(.tv-telling-now)")
    assert not legend.locator("[data-for=outline]").is_visible() and legend.locator(".tv-unit").is_visible()
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_selector("#ask:not([disabled])", timeout=60_000)


def test_escape_leaves_and_the_address_says_so(page):
    page.focus(".trace-view")
    page.keyboard.press("/")
    page.keyboard.type("Where is it?")
    page.keyboard.press("Escape")
    page.wait_for_selector("#controls", state="visible")
    assert "present" not in page.url and page.locator(".tv-turn").first.is_visible()
    assert page.input_value("#question textarea") == "Where is it?"
