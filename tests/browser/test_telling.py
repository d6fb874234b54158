"""The pictures tell how a prompt became a smaller cache, in a browser: once, as long as wanted, and nothing is lost."""

import numpy as np
import pytest

from tests.browser.test_light import cells
from tests.browser.test_wipe import COLOURS
from tests.browser.view_page import PAGE_MESSAGES, data, page_opener, send  # noqa: F401 (fixtures)
from tests.view_traces import ELASTIC, PAIR, steps_of

PAGE_MESSAGES |= {
    "begins": list(steps_of("told", PAIR, 1, 4))[:1],
    "goes on": list(steps_of("told", PAIR, 1, 4))[1:2],
    "ends": list(steps_of("told", PAIR, 1, 4))[2:],
}
TELLING, TOLD = ".trace-view.tv-telling-now", ".trace-view:not(.tv-telling-now)"
MOVING = {"viewport": {"width": 948, "height": 1500}, "reduced_motion": "no-preference"}


def begun(show, **options):
    page = show("begins", wait='[data-step="1"]', **MOVING | options)
    page.wait_for_selector(TELLING)
    return page


def hidden(page):
    return page.evaluate("getComputedStyle(document.querySelector('.tv-text')).opacity") == "0"


def test_a_run_that_begins_is_told_once_and_then_its_words_are_shown(show):
    page = begun(show)
    assert hidden(page) and page.is_visible(".tv-telling") and page.inner_text(".tv-tell") == "Skip"
    held = page.locator(".tv-held-back")
    assert held.all_inner_texts() == ["First the pictures tell what this cache keeps …"] * 2
    assert page.inner_text(".tv-status").startswith("First the pictures tell what each cache keeps.")
    said = page.inner_text(".tv-tell-says")
    page.wait_for_function("said => document.querySelector('.tv-tell-says').textContent !== said", arg=said)
    send(page, "goes on")
    page.wait_for_selector(TOLD)
    assert not hidden(page) and not page.is_visible(".tv-telling") and not held.first.is_visible()
    assert page.text_content('.tv-answer[data-side="b"] .tv-text').startswith("The picture shows")
    send(page, "ends")
    page.wait_for_selector('.trace-view[data-done="true"]')
    assert page.text_content('.tv-answer[data-side="b"] .tv-text') == ELASTIC.answer
    data(page)
    assert not page.locator(TELLING).count() and page.inner_text(".tv-tell") == "Watch it happen"


@pytest.mark.parametrize("way", ["button", "key", "click"])
def test_whoever_does_something_goes_on(show, way):
    page = begun(show)
    send(page, "ends")
    page.wait_for_function("document.querySelector('.trace-view').view.inspect().done")
    assert page.inner_text(".tv-status").startswith("First the pictures"), "what is not seen is not said to be finished"
    if way == "button":
        page.click(".tv-tell")
    elif way == "key":
        page.keyboard.press("a")
    else:
        page.mouse.click(3, 3)
    assert not page.locator(TELLING).count() and not hidden(page)
    assert page.inner_text('.tv-answer[data-side="b"] .tv-text') == ELASTIC.answer
    assert not page.inner_text(".tv-status").startswith("First the pictures")


def test_the_button_tells_it_again_and_holds_no_words_back(show):
    page = show("pair", **MOVING)
    data(page)
    assert not page.locator(TELLING).count()  # a complete run waits to be asked
    page.click(".tv-tell")
    page.wait_for_selector(TELLING)
    assert not hidden(page)
    page.click(".tv-tell")
    assert not page.locator(TELLING).count()


def test_another_run_ends_the_telling_of_the_one_before(show):
    page = begun(show)
    send(page, "pair")
    page.wait_for_selector('.trace-view[data-run="run"]')
    assert not page.locator(TELLING).count() and not hidden(page)


def test_no_word_waits_for_a_picture_that_is_out_of_sight(show):
    page = show("begins", wait='[data-step="1"]', **MOVING | {"viewport": {"width": 948, "height": 300}})
    send(page, "goes on")
    page.wait_for_selector('.trace-view[data-step="4"]')
    assert not page.locator(TELLING).count() and not hidden(page)


def test_words_wait_no_longer_once_the_pictures_are_scrolled_away(show):
    page = begun(show, viewport={"width": 948, "height": 900})
    page.evaluate("document.querySelector('.tv-extras').style.marginBottom = '2000px'")
    page.evaluate("window.scrollTo(0, 3000)")
    page.wait_for_function("!document.querySelector('.tv-words-wait')", timeout=3000)  # the telling itself takes longer


def test_who_wants_nothing_to_move_sees_where_it_ends_when_they_ask(show):
    page = show("begins", wait='[data-step="1"]', viewport={"width": 948, "height": 1500})
    send(page, "ends")
    page.wait_for_selector('.trace-view[data-done="true"]')
    assert not page.locator(TELLING).count()
    page.click(".tv-tell")
    page.wait_for_selector(TELLING)
    still = page.locator(".tv-picture .tv-telling").last.screenshot()
    data(page)
    assert page.locator(".tv-picture .tv-telling").last.screenshot() == still
    page.keyboard.press("Escape")
    assert not page.locator(TELLING).count()


def test_in_the_end_patches_have_the_mean_colour_of_those_they_share_a_slot_with(show):
    page = show("merges", query="?layer=2", viewport={"width": 948, "height": 1500})
    page.click(".tv-tell")
    page.wait_for_selector(TELLING)
    owner = ELASTIC.owner[1, 0][ELASTIC.patches]
    shown = cells(page, "b", canvas="tv-telling")
    for patch in range(16):
        group = owner == owner[patch]
        if owner[patch] in ELASTIC.patches and group.sum() > 1:
            seen = shown[patch][8:-8, 8:-8].mean((0, 1))
            assert np.allclose(seen, 0.8 * COLOURS[group].mean(0) + 0.2 * COLOURS[patch], atol=10)


def test_bars_hold_the_bytes_of_the_step(show):
    page = show("pair")
    data(page)
    held = f"{ELASTIC.total_bytes[-1] / 1024:.0f} KiB of memory"
    assert page.inner_text('.tv-bytes[data-side="b"]') == held
    style = "bar => parseFloat(bar.style.getPropertyValue('--tv-share'))"
    shares = [page.eval_on_selector(f'.tv-bytes[data-side="{side}"] i', style) for side in "ab"]
    assert shares[0] == 1 and shares[1] == pytest.approx(ELASTIC.total_bytes[-1] / PAIR[0].total_bytes[-1], abs=1e-3)
