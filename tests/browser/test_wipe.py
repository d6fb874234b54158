"""The wipe, in a browser: left of its bar what side A has, right of it what side B has left."""

import base64
import io
from dataclasses import replace

import numpy as np
from PIL import Image

from elastic.picture import small_jpegs
from elastic.record.messages import of_run
from tests.browser.view_page import PAGE_MESSAGES, data, page_opener, send, slide  # noqa: F401 (fixtures)
from tests.view_traces import ELASTIC, FULL, make, run_of

NOTHING = np.full((9, 3, 1), -1, np.int32)
DROPS = replace(make(3, policy="h2o"), dropped=NOTHING, joined=NOTHING)
COLOURS = np.random.default_rng(4).integers(0, 255, (16, 3))  # one for each patch
PICTURE = COLOURS.reshape(4, 4, 3).repeat(56, 0).repeat(56, 1).astype(np.uint8)
for name, other in (("merges", ELASTIC), ("drops", DROPS)):
    run = replace(run_of(name, (FULL, other)), pictures=small_jpegs([PICTURE]))
    PAGE_MESSAGES[name] = [of_run(run, 0, 0, done=True)]


def wiped(show, name="merges", **options):
    page = show(name, query="?layer=2&t=0", viewport={"width": 948, "height": 1400}, **options)
    page.click('.tv-size[data-size="wipe"]')
    assert data(page)["size"] == "wipe"
    return page


def set_bar(page, share):
    slide(page, ".tv-wipe", share)
    data(page)


def patches(page):
    """The mean colour of every patch on the canvas, without its edges: (16, 3)."""
    address = page.evaluate("document.querySelector('.tv-wipe-canvas').toDataURL()")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"), float)
    size = len(shown) // 4
    cut = shown[: 4 * size, : 4 * size].reshape(4, size, 4, size, 3).swapaxes(1, 2).reshape(16, size, size, 3)
    return cut[:, 6:-6, 6:-6].mean((1, 2))


def left_of(trace, ground=255):
    """What a trace's second layer leaves, mean colours by plain loops; None where the slot is a word's."""
    owner = trace.owner[1, 0][trace.patches]
    found = []
    for patch in range(16):
        if owner[patch] in trace.patches:
            found.append(np.mean([COLOURS[other] for other in range(16) if owner[other] == owner[patch]], 0))
        else:
            found.append(0.22 * COLOURS[patch] + 0.78 * ground)
    return np.array(found)


def test_the_whole_bar_shows_one_side_and_then_the_other(show):
    page = wiped(show)
    for share, trace in ((0, ELASTIC), (100, FULL)):
        set_bar(page, share)
        assert np.allclose(patches(page)[[5, 6, 9, 10]], left_of(trace)[[5, 6, 9, 10]], atol=10)
    set_bar(page, 50)
    columns = np.arange(16) % 4
    shown = patches(page)
    assert np.allclose(shown[columns == 0], left_of(FULL)[columns == 0], atol=10)
    assert np.allclose(shown[columns == 3], left_of(ELASTIC)[columns == 3], atol=10)


def test_what_was_dropped_is_faded(show):
    page = wiped(show, "drops")
    set_bar(page, 0)
    assert (DROPS.owner[1, 0][DROPS.patches] < 0).any()
    assert np.allclose(patches(page)[1:], left_of(DROPS)[1:], atol=10)


def test_a_run_of_one_side_has_its_picture_though_the_one_before_was_wiped(show):
    page = wiped(show)
    send(page, "alone")
    page.wait_for_selector('.trace-view[data-run="alone"]')
    assert page.is_visible('canvas.tv-patches[data-side="a"]') and not page.is_visible(".tv-wipe")


def test_keys_move_the_bar_and_say_where_it_is(show):
    page = wiped(show)
    page.focus(".tv-wipe")
    before = page.get_attribute(".tv-wipe", "aria-valuetext")
    step = data(page)["step"]
    page.keyboard.press("ArrowRight")
    assert page.get_attribute(".tv-wipe", "aria-valuetext") != before
    assert page.get_attribute(".tv-wipe", "aria-valuetext").startswith("A left of 51 %")
    assert data(page)["step"] == step  # the bar's own key
    page.keyboard.press("Home")
    assert page.get_attribute(".tv-wipe", "aria-valuetext").startswith("A left of 0 %")


def test_a_finger_moves_the_bar(show):
    page = wiped(show, has_touch=True)
    box = page.locator(".tv-wipe-canvas").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.3)
    text = page.get_attribute(".tv-wipe", "aria-valuetext")
    assert abs(int(text.removeprefix("A left of ").partition(" ")[0]) - 80) < 4


def test_the_bar_is_drawn_where_the_slider_is(show):
    page = wiped(show)
    for share in (0.2, 0.7):
        box = page.locator(".tv-wipe-canvas").bounding_box()
        page.mouse.click(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
        at = page.evaluate("document.querySelector('.tv-wipe').value / 100")
        assert abs(at - share) < 0.02


def test_groups_of_one_layer_are_wiped_and_the_other_pictures_give_way(show):
    page = show("pair", viewport={"width": 948, "height": 1400})
    assert not page.is_visible(".tv-wipe")
    page.click('.tv-size[data-size="wipe"]')
    assert data(page)["layer"] == 2 and "layer 2 of 3" in page.inner_text(".tv-wipe-says")
    assert not page.is_visible('canvas.tv-patches[data-side="a"]')
    page.click('.tv-size[data-size="both"]')
    data(page)
    assert page.is_visible('canvas.tv-patches[data-side="a"]') and not page.is_visible(".tv-wipe")
