"""The live view in a browser, time, switches, the page's address; for everyone, and fast."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.browser.view_page import (  # noqa: F401 (fixtures)
    OTHER,
    RUNS,
    data,
    page_opener,
    point,
    send,
    side_data,
    slide,
    strip,
    word,
)
from tests.view_traces import ELASTIC, FULL, NASTY

TOKENS = len(FULL.pieces)


# ---- time


def test_an_answer_whose_end_is_out_of_sight_is_whole_though_no_message_follows(show):
    page = show("young", wait='[data-step="3"]')
    send(page, "grown")
    page.wait_for_selector('.trace-view[data-step="70"][data-done="false"]')
    for selector in ('.tv-answer[data-side="b"] .tv-text', '.tv-strip[data-side="b"]'):
        ends = "selector => document.querySelector(selector).textContent.trim().endsWith('w69')"
        page.wait_for_function(ends, arg=selector)


PICTURE_B = "document.querySelector('canvas.tv-patches[data-side=\"b\"]').toDataURL()"


def shown_picture(page):
    """The picture of side B, its pixels as text, after the next frame."""
    data(page)
    return page.evaluate(PICTURE_B)


def test_a_picture_is_as_it_was_once_what_changed_it_is_gone(show):
    page = show("pair")
    before = shown_picture(page)

    def comes_back():
        data(page)
        page.wait_for_function(f"before => {PICTURE_B} === before", arg=before)

    point(page, "b", 5)
    assert shown_picture(page) != before
    page.mouse.move(1, 1)
    comes_back()
    slide(page, ".tv-step", 0)
    assert shown_picture(page) != before, "what was evicted is back"
    slide(page, ".tv-step", 9)
    comes_back()
    page.click('.tv-size[data-size="a"]')
    data(page)
    page.click('.tv-size[data-size="both"]')
    comes_back()
    page.set_viewport_size({"width": 700, "height": 900})
    page.wait_for_function(f"before => {PICTURE_B} !== before", arg=before)
    page.set_viewport_size({"width": 948, "height": 900})
    comes_back()


def test_it_plays_to_the_end_and_keys_step(show):
    page = show("pair")
    page.select_option(".tv-speed", "4")
    page.click(".tv-play")
    assert data(page)["playing"] and data(page)["step"] < 9
    page.wait_for_selector('.tv-play[aria-pressed="false"]')
    assert data(page)["step"] == 9
    for key, step in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 9)):
        page.keyboard.press(key)
        assert data(page)["step"] == step
    page.locator(".trace-view").evaluate("root => root.focus()")
    for playing in (True, False):
        page.keyboard.press("Space")
        assert data(page)["playing"] == playing
    page.focus('canvas[data-side="a"]')
    step = data(page)["step"]
    page.keyboard.press("ArrowRight")
    assert data(page)["step"] == step  # the picture's own key


def test_the_readout_says_what_a_step_did(show):
    page = show("pair")
    says = {}
    for step in range(10):
        slide(page, ".tv-step", step)
        data(page)
        moment = page.inner_text('.tv-moment[data-side="b"]')
        slots = (ELASTIC.slots[step - 1] if step else ELASTIC.prompt_slots).mean()
        held = page.inner_text('.tv-moment[data-side="b"] .tv-held')
        assert held == f"{ELASTIC.total_bytes[step] / 1024:.0f} KiB"
        assert float(page.inner_text('.tv-moment[data-side="b"] .tv-slots')) == pytest.approx(slots, abs=0.06)
        assert (f"“{ELASTIC.answer_pieces[step - 1].strip()}”" if step else "prompt read") in moment
        says[step] = page.inner_text('.tv-gone[data-side="b"]')
        gone = (ELASTIC.dropped[step - 1] if step else np.array([-1])).ravel()
        assert (says[step] == "gives up nothing") == (gone < 0).all()
    step, layer = next((s, lay) for s, lay in np.argwhere(np.isin(ELASTIC.dropped[:, :, 0], ELASTIC.patches)))
    row, column = divmod(int(np.searchsorted(ELASTIC.patches, ELASTIC.dropped[step, layer, 0])), 4)
    slide(page, ".tv-layer", layer + 1)
    slide(page, ".tv-step", step + 1)
    data(page)
    assert page.inner_text('.tv-gone[data-side="b"]') == f"evicts patch row {row + 1}, column {column + 1}"


def test_both_charts_go_to_the_step_that_is_clicked(show):
    page = show("pair")
    for chart in (".tv-memory", ".tv-certainty"):
        page.locator(chart).scroll_into_view_if_needed()
        box = page.locator(chart).bounding_box()
        ends = page.locator(chart).evaluate("box => [box.chart.x0, box.chart.x1]")
        for step in (3, 7):
            page.mouse.click(box["x"] + ends[0] + (ends[1] - ends[0]) * step / 9, box["y"] + box["height"] / 2)
            assert data(page)["step"] == step


# ---- switches


def test_switches_are_single_and_presets_set_them(show):
    page = show("pair")
    page.click(".tv-show summary")
    presets = {
        "importance": ("importance", "none", "outline", False),
        "looked": ("looked", "none", "none", False),
        "groups": ("none", "mean", "dot", True),
        "kept": ("none", "fade", "outline", False),
    }
    for mode, switches in presets.items():
        page.click(f'.tv-mode[data-mode="{mode}"]')
        state = data(page)
        assert tuple(state[name] for name in ("heat", "fill", "anchors", "groups")) == switches
        assert page.get_attribute(f'.tv-mode[data-mode="{mode}"]', "aria-pressed") == "true"
    page.select_option(".tv-choice-heat", "looked")
    page.check(".tv-choice-groups")
    slide(page, ".tv-choice-opacity", 0.3)
    state = data(page)
    assert (state["mode"], state["heat"], state["groups"], state["opacity"]) == ("own", "looked", True, 0.3)
    assert state["layer"] == 2  # groups exist per layer: the middle one of three


def test_groups_take_the_mean_colour_of_their_patches(show):
    page = show("pair")
    page.click(".tv-show summary")
    page.select_option(".tv-choice-fill", "mean")
    picture = np.asarray(Image.open(io.BytesIO(RUNS["layers"].pictures[0])).convert("RGB"), float)
    patches = picture.reshape(4, 56, 4, 56, 3).mean((1, 3)).reshape(16, 3)
    owner = ELASTIC.owner_after(ELASTIC.steps)[1, 0][ELASTIC.patches]
    shown = side_data(page, "b")["means"]
    for patch, mean in enumerate(shown):
        if owner[patch] < 0 or not ELASTIC.is_image[owner[patch]]:
            assert mean is None
        else:
            assert np.allclose(mean, patches[owner == owner[patch]].mean(0), atol=4)


def test_one_picture_can_be_large(show):
    page = show("pair")
    small = page.locator('canvas[data-side="b"]').bounding_box()["width"]
    page.click('.tv-size[data-size="b"]')
    assert data(page)["size"] == "b" and not page.is_visible('canvas[data-side="a"]')
    assert page.locator('canvas[data-side="b"]').bounding_box()["width"] > 1.5 * small
    point(page, "b", 9)
    assert data(page)["patch"] == 9


# ---- address


def test_the_address_sets_layer_step_and_mode_of_the_first_run(show):
    page = show("pair", query="?layer=3&t=7&mode=groups")
    state = data(page)
    assert (state["layer"], state["step"], state["mode"]) == (3, 7, "groups")
    send(page, "other")
    page.wait_for_selector('.trace-view[data-run="other"]')
    assert data(page)["step"] == 5  # where its answers part


def test_the_address_can_name_single_switches_and_nonsense_does_nothing(show):
    state = data(show("pair", query="?mode=looked.mean.dot.borders&t=99999&layer=77"))
    shown = tuple(state[name] for name in ("heat", "fill", "anchors", "groups", "step", "layer"))
    assert shown == ("looked", "mean", "dot", True, 9, 3)
    state = data(show("pair", query="?mode=__proto__&t=-1&layer=x<b>"))
    assert (state["mode"], state["step"], state["layer"]) == ("looked", 9, 0)


def test_presenting_makes_it_large(show):
    size = "getComputedStyle(document.querySelector('.tv-text')).fontSize"
    plain = float(show("pair").evaluate(size)[:-2])
    page = show("pair", query="?present=1", viewport={"width": 1920, "height": 1080})
    assert float(page.evaluate(size)[:-2]) > 1.4 * plain
    assert page.evaluate("document.body.classList.contains('present')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1920


def test_on_a_projector_the_pictures_take_the_room_that_there_is(show):
    page = show("pair", query="?present=1", viewport={"width": 1366, "height": 768})
    where, legend, picture, frame = (
        page.locator(f".tv-where{inner}").bounding_box()
        for inner in ("", " .tv-legend", ' .tv-picture[data-side="a"]', ' .tv-picture[data-side="a"] .tv-frame')
    )
    # Both fill the width together, or one fills the height but for its name and its bar.
    is_wide = 2 * frame["width"] > 0.9 * where["width"]
    assert is_wide or frame["height"] > 0.7 * (legend["y"] - picture["y"])


# ---- for everyone, and fast


def test_what_is_shown_is_said(show):
    page = show("pair")
    slide(page, ".tv-step", 3)
    slide(page, ".tv-layer", 2)
    data(page)
    label = page.get_attribute('canvas[data-side="b"]', "aria-label")
    assert "after token 3, layer 2 of 3" in label and "patches kept" in label
    page.wait_for_function("document.querySelector('.tv-aloud').textContent.startsWith('After token 3 of 9')")
    page.focus('canvas[data-side="b"]')
    page.keyboard.press("ArrowRight")
    data(page)
    assert "Patch row 1, column 1" in page.get_attribute('canvas[data-side="b"]', "aria-label")
    assert page.text_content(".tv-aloud").startswith("After token 3")  # once a second
    page.wait_for_function("document.querySelector('.tv-aloud').textContent.startsWith('Patch row 1')")


def test_untrusted_pieces_stay_text_when_pointed_at(show):
    page = show("nasty")
    strip(page, "b", TOKENS).hover()
    data(page)
    assert NASTY.split()[0] in page.inner_text('.tv-says[data-side="b"]')
    page.locator('.tv-answer[data-side="a"] .tv-word').first.hover()
    data(page)
    assert page.evaluate("window.hurt") is None
    assert page.locator(".trace-view script, .trace-view img").count() == 0


def test_fifty_runs_leave_nothing_behind(show):
    page = show("layers")
    page.click('.tv-strip[data-side="b"] .tv-image')
    send(page, "fifty")
    page.wait_for_selector('.trace-view[data-run="run 49"]')
    data(page)
    before = page.evaluate("document.querySelectorAll('*').length")
    send(page, "layers")
    page.wait_for_selector('.trace-view[data-run="layers"]')
    data(page)
    assert abs(page.evaluate("document.querySelectorAll('*').length") - before) < 10
