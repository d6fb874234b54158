"""The live view in a browser, method by method: what is dropped, heads, layers of unequal size, thinner keys."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from elastic.picture import small_jpeg
from elastic.record.reuse import Reuse
from tests.browser.view_page import data, side_data, slide
from tests.oracles import fates
from tests.serving import ALL_LEVELS
from tests.view_traces import ELASTIC, FULL, HEADS, NASTY, REMEMBERS, THIN, make, run_of
from viz.replay import replay_html

# Of one colour: all that varies was painted over it.
PLAIN = small_jpeg(Image.new("RGB", (224, 224), (120, 160, 90)))
DROPS = make(3, policy="h2o")


@pytest.fixture
def show(browser, tmp_path):
    """Opens a saved run of a full cache and another side on a page of its own; fails on any error in it."""
    errors, pages = [], []

    def opened(side, query="", **options):
        file = tmp_path / "replay.html"
        file.write_text(
            replay_html(replace(run_of("run", (replace(FULL, asked_after=side.asked_after), side)), pictures=[PLAIN])),
            encoding="utf-8",
        )
        page = browser.new_page(viewport={"width": 948, "height": 900}, reduced_motion="reduce", **options)
        page.add_init_script(ALL_LEVELS)
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(file.as_uri() + query)
        page.wait_for_selector('.trace-view[data-done="true"]')
        return page

    yield opened
    for page in pages:
        page.close()
    assert not errors, errors


def stripes(page, selector, rows, columns):
    """Per cell of a canvas how much lightness varies, 0 to 255, along a line through its upper quarter."""
    lines = page.locator(selector).evaluate(
        """(canvas, rows) => Array.from({length: rows}, (_, row) => {
            const y = Math.round((row + 0.25) * canvas.height / rows);
            const { data } = canvas.getContext('2d').getImageData(0, y, canvas.width, 1);
            return Array.from({length: canvas.width}, (_, x) =>
                0.2126 * data[4 * x] + 0.7152 * data[4 * x + 1] + 0.0722 * data[4 * x + 2]);
        })""",
        rows,
    )
    width = len(lines[0]) / columns
    # Without a sixth at both ends, where cells have borders and frames.
    middles = [
        line[round((column + 1 / 6) * width) : round((column + 5 / 6) * width)]
        for line in lines
        for column in range(columns)
    ]
    return np.array([max(middle) - min(middle) for middle in middles])


def text(page, selector):
    """What is written there after the next frame."""
    data(page)
    return page.inner_text(selector)


# ---- what is dropped


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_patch_without_a_slot_is_hatched_in_every_mode(show, theme):
    page = show(DROPS, color_scheme=theme)
    slide(page, ".tv-layer", 2)
    for mode in ("importance", "looked", "groups", "kept"):
        page.click(f'.tv-mode[data-mode="{mode}"]')
        for step in (3, 9):
            slide(page, ".tv-step", step)
            given = side_data(page, "b")["fates"]
            assert given == fates(DROPS, 1, 0, step) and set(given) >= {"a", "d"}
            gone = np.array([fate in "de" for fate in given])
            varies = stripes(page, 'canvas.tv-patches[data-side="b"]', 4, 4)
            assert varies[gone].min() > 25 and varies[~gone].max() < 8, (mode, step)


def test_a_dropped_word_is_struck_through_in_the_strip(show):
    page = show(DROPS)
    slide(page, ".tv-layer", 1)
    slide(page, ".tv-step", 0)
    page.click('.tv-strip[data-side="b"] .tv-image')
    data(page)
    boxes = page.locator('.tv-strip[data-side="b"] [data-token]')
    looks = "all => all.map(x => [+x.dataset.token, x.dataset.fate, getComputedStyle(x).textDecorationLine])"
    for token, fate, line in boxes.evaluate_all(looks):
        if token < 26:
            is_kept = DROPS.owner[0, 0, token] == token
            assert fate == ("kept" if is_kept else "dropped")
            assert DROPS.is_image[token] or (line == "line-through") != is_kept


# ---- heads


def test_of_heads_that_drop_the_mean_is_shown_until_one_is_chosen(show):
    page = show(HEADS)
    assert not page.is_visible(".tv-heads")
    kept = (HEADS.owner_after(7) == np.arange(26)).mean((0, 1))[HEADS.patches]
    said = text(page, '.tv-says[data-side="b"]')
    assert f"On average of all layers and heads, {round(kept.sum(), 1):g} of 16 patches kept" in said
    slide(page, ".tv-layer", 2)
    kept = (HEADS.owner_after(7)[1] == np.arange(26)).mean(0)[HEADS.patches]
    assert f"On average of all heads, {round(kept.sum(), 1):g} of" in text(page, '.tv-says[data-side="b"]')
    for head in (2, 1):
        page.select_option(".tv-head-choice", str(head))
        for step in (7, 0, 4):
            slide(page, ".tv-step", step)
            expected = fates(HEADS, 1, head - 1, step)
            assert side_data(page, "b")["fates"] == expected
            assert text(page, '.tv-says[data-side="b"]').startswith(f"{expected.count('a')} of 16 patches kept")
            gone = HEADS.dropped[step - 1, 1, head - 1] if step else -1
            assert (text(page, '.tv-gone[data-side="b"]') == "gives up nothing") == (gone < 0)


# ---- layers


def test_layers_of_unequal_size_say_how_many_slots_they_hold(show):
    page = show(ELASTIC)
    for layer, slots in enumerate([ELASTIC.prompt_slots.mean(), *ELASTIC.prompt_slots]):
        column = page.locator(f'.tv-column[data-layer="{layer}"]')
        assert column.locator(".tv-counts").inner_text() == f"{slots:.0f}"
        assert f"of 26 tokens ({slots:.3g})" in column.get_attribute("title")
    bars = [page.locator(f'.tv-column[data-layer="{n}"] .tv-bar-kept[data-side="b"]').bounding_box() for n in (1, 2, 3)]
    assert np.array_equal(np.argsort([bar["height"] for bar in bars]), np.argsort(ELASTIC.prompt_slots, kind="stable"))
    page = show(THIN)
    assert not page.locator(".tv-counts").all_inner_texts()[1] and "(26)" not in page.inner_text(".tv-layer-says")


# ---- channels of keys


def test_the_channels_that_keys_hold_are_those_of_the_trace(show):
    page = show(THIN)
    assert not page.is_visible('.tv-thin[data-side="a"]') and page.is_visible('.tv-thin[data-side="b"]')
    for layer in (0, 3, 1):
        slide(page, ".tv-layer", layer)
        expected = THIN.channels[layer - 1] if layer else THIN.channels.mean(0)
        assert np.allclose(numbers_of(page), expected.ravel(), atol=0.006)
        said = text(page, '.tv-thin[data-side="b"]')
        held = f"{round(expected.sum() / 2, 1):g} of 8 channels"
        assert f"Keys hold {held} per head, {'layer' if layer else 'mean of all 3 layers'}" in said
        assert "values are whole" in said and said in page.get_attribute(".tv-channels:visible", "aria-label")
        assert f"B’s keys hold {held}" in page.inner_text(".tv-layer-says")


def numbers_of(page):
    return np.array(side_data(page, "b")["channels"])


def test_a_channel_that_is_gone_is_hatched_and_one_that_is_held_is_not(show):
    page = show(THIN)
    slide(page, ".tv-layer", 2)
    data(page)
    varies, held = stripes(page, '.tv-thin[data-side="b"] canvas', 2, 8), THIN.channels[1].ravel()
    assert varies[held].max() < 4 and varies[~held].min() > 25


def test_where_every_channel_is_held_nothing_is_said_of_them(show):
    page = show(ELASTIC)
    assert page.locator(".tv-thin:visible").count() == 0 and "channels" not in page.inner_text(".trace-view")
    assert page.inner_text('.tv-chip[data-name="merging"] dt') == "merging"


# ---- a memory of what was dropped


def test_how_much_attention_went_to_what_was_forgotten_is_said_of_a_word_and_drawn_of_all(show):
    page, shares = show(REMEMBERS), REMEMBERS.forgotten.astype(float).mean(2)
    assert not page.is_visible('.tv-forgot[data-side="a"]')
    says, bars = '.tv-forgot[data-side="b"] .tv-forgot-says', page.locator('.tv-forgot[data-side="b"] i')
    slide(page, ".tv-step", 7)
    mean = round(100 * shares[1:].mean())
    assert text(page, says) == f"On average {mean} % of each word’s attention went to the memory of what was dropped."
    for layer in (0, 2):
        slide(page, ".tv-layer", layer)
        expected = shares[:, layer - 1] if layer else shares.mean(1)
        slide(page, ".tv-step", 5)
        where = ", in layer 2" if layer else ""
        share = f"{round(100 * expected[4])} % of this word’s attention"
        assert text(page, says) == f"“cat”: {share} went to the memory of what was dropped{where}."
        heights = np.array(bars.evaluate_all("all => all.map(bar => bar.getBoundingClientRect().height)"))
        assert len(heights) == 7 and np.allclose(heights / heights.max(), expected / expected.max(), atol=0.06)
        now = bars.evaluate_all("all => all.map(bar => +bar.classList.contains('tv-forgot-now'))")
        assert now == [0, 0, 0, 0, 1, 0, 0]
    slide(page, ".tv-layer", 0)
    page.hover('.tv-answer[data-side="b"] .tv-word >> nth=0')
    assert text(page, says) == "“The”: chosen when nothing was dropped yet."


def test_a_word_stays_a_text_where_its_share_is_said(show):
    page = show(replace(REMEMBERS, answer_pieces=[NASTY, *REMEMBERS.answer_pieces[1:]]))
    slide(page, ".tv-step", 1)
    assert "window.hurt" in text(page, '.tv-forgot[data-side="b"] .tv-forgot-says')
    assert page.evaluate("window.hurt") is None


# ---- what is not shown


def test_what_the_pictures_do_not_show_is_said_beside_them_as_it_was_recorded(show):
    page = show(THIN)
    assert page.inner_text('.tv-unseen[data-side="b"]') == THIN.unseen
    assert page.inner_text('.tv-unseen[data-side="a"]') == ""


def test_what_is_said_stays_a_text(show):
    page = show(replace(HEADS, unseen=NASTY))
    shown = page.text_content('.tv-unseen[data-side="b"]')
    assert re.sub(r"\s+", " ", shown) == re.sub(r"\s+", " ", NASTY) and page.evaluate("window.hurt") is None
    # Nothing is merged there, so the time it takes to choose is not called so.
    assert page.inner_text('.tv-chip[data-name="merging"] dt') == "choosing"


@pytest.mark.parametrize(
    ("asked_after", "beginning"),
    [
        (0, ""),
        (1, "Compressed before the question: its token, read afterwards, had no vote and holds a slot beyond"),
        (5, "Compressed before the question: its 5 tokens, read afterwards, had no vote and hold a slot each beyond"),
    ],
)
def test_it_is_said_above_the_answers_where_caches_were_compressed_before_the_question(show, asked_after, beginning):
    page = show(replace(ELASTIC, asked_after=asked_after))
    line = page.locator(".tv-before")
    assert line.inner_text().startswith(beginning) and line.is_visible() == bool(asked_after)
    assert not asked_after or line.bounding_box()["y"] < page.locator(".tv-answers").bounding_box()["y"]


def painted(page, selector):
    """A canvas as it stands, (h, w, 4); as a file, since a million numbers take seconds to come one by one."""
    address = page.locator(selector).evaluate("canvas => canvas.toDataURL()")
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGBA"), np.int16)


def test_what_was_taken_over_is_ruled_with_lines_and_named_and_nothing_else_changes(show):
    patches = ELASTIC.patches.tolist()
    reuse = Reuse(patches[3:], patches[:1], 3)
    canvas = '.tv-patches[data-side="b"]'
    with_it, without = show(replace(ELASTIC, reuse=reuse)), show(ELASTIC)
    changed = np.abs(painted(with_it, canvas) - painted(without, canvas)).max(2) > 8
    (view,) = ELASTIC.views
    height, width = changed.shape
    rows, columns = np.arange(height) * view.rows // height, np.arange(width) * view.columns // width
    share = np.zeros(view.rows * view.columns)
    np.add.at(share, rows[:, None] * view.columns + columns, changed)
    # Where cells meet, a line of pixels is of both.
    assert (share > 0.1 * changed.size / len(patches)).tolist() == [patch >= 3 for patch in range(len(patches))]
    assert (
        with_it.locator(".tv-key-reuse").first.is_visible() and not without.locator(".tv-key-reuse").first.is_visible()
    )
    text = with_it.inner_text(".tv-before")
    assert f"B reuses {len(patches) - 3} of its tokens and reads the first 3 anew" in text
    assert with_it.locator('.tv-strip[data-side="b"] .tv-image.tv-reused').count() == 1
    assert without.locator(".tv-strip .tv-reused").count() == 0 and without.inner_text(".tv-before") == ""
