"""The live view of a method that reads a part of what it holds: what a word did not read, and two figures."""

import numpy as np
import pytest

from tests.browser.test_view_methods import stripes
from tests.browser.view_page import RUNS, data, page_opener, side_data, slide, word  # noqa: F401 (fixtures)
from tests.view_traces import FULL, READING, run_of

RUNS["reading"] = run_of("reading", (FULL, READING))
LEGEND = '.tv-where .tv-legend [data-for="unread"]'
READ = READING.part_read.read_tokens[..., READING.patches] / 255  # (N, L, 16)


def unread(page, side="b"):
    """Per patch the share that was not read, as the view says; None where it says nothing."""
    found = side_data(page, side)["unread"]
    return None if found is None else np.array(found)


@pytest.mark.parametrize("layer", [0, 2])
def test_the_picture_hatches_what_the_word_at_the_shown_step_did_not_read(show, layer):
    page = show("reading", query="?mode=kept")
    slide(page, ".tv-layer", layer)
    # The server is asked for a layer once, and its answer is awaited.
    page.wait_for_function(
        "layer => !layer || document.querySelector('.trace-view').view.inspect().sides[1].readLayers.includes(layer)",
        arg=layer,
    )
    for step in (9, 2, 5):
        slide(page, ".tv-step", step)
        data(page)
        row = READ[step - 1, layer - 1] if layer else READ[step - 1].mean(0)
        assert np.allclose(unread(page), 1 - row, atol=0.006)
        assert unread(page, "a") is None
        says = page.inner_text('.tv-says[data-side="b"]')
        where = "the heads of this layer" if layer else "all layers"
        assert f"{round(row.sum())} of 16 patches read for this word, mean of {where}" in says
        assert "read for this word" not in page.inner_text('.tv-says[data-side="a"]')
        assert page.is_visible(LEGEND)


def test_what_is_not_read_is_hatched_and_what_every_head_reads_is_not(show):
    page = show("reading", query="?mode=kept")
    slide(page, ".tv-layer", 2)
    for step in (4, 7):
        slide(page, ".tv-step", step)
        page.wait_for_function("document.querySelector('.trace-view').view.inspect().sides[1].readLayers.includes(2)")
        data(page)
        row, varies = READ[step - 1, 1], stripes(page, 'canvas.tv-patches[data-side="b"]', 4, 4)
        plain = stripes(page, 'canvas.tv-patches[data-side="a"]', 4, 4)
        assert (row == 0).any()
        # The picture is noise: under the veil it varies less but for the lines.
        assert (np.abs(varies - plain)[row > 0.99] < 3).all() and (np.abs(varies - plain)[row == 0] > 8).mean() > 0.5


def test_the_first_word_read_everything_and_nothing_is_hatched(show):
    page = show("reading", query="?mode=kept")
    for step in (0, 1):
        slide(page, ".tv-step", step)
        data(page)
        assert not unread(page).any() and not page.is_visible(LEGEND)
    assert "16 of 16 patches read for this word" in page.inner_text('.tv-says[data-side="b"]')


def test_what_a_word_reads_stands_behind_what_is_held_also_for_projectors(show):
    page = show("reading", query="?present=1")
    chips = page.locator('.tv-answer[data-side="b"] .tv-chip')
    assert [chip.get_attribute("data-name") for chip in chips.all() if chip.is_visible()] == ["bytes", "saved", "read"]


def test_a_word_that_is_pointed_at_shows_what_it_read_itself(show):
    page = show("reading")
    word(page, "b", "dog").hover()
    data(page)
    assert np.allclose(unread(page), 1 - READ[4].mean(0), atol=0.006)


def test_two_figures_stand_under_the_picture_in_the_chart_and_below_the_answer(show):
    page = show("reading")
    bar = page.inner_text('.tv-bytes[data-side="b"]')
    held, read = READING.bytes_held[-1].sum(), READING.part_read.read_bytes[-1].sum()
    assert bar.startswith(f"{held / 1024:.0f} KiB of memory, {read / 1024:.1f} KiB read per word")
    assert "read per word" not in page.inner_text('.tv-bytes[data-side="a"]')
    bar = page.locator('.tv-bytes[data-side="b"] .tv-bytes-bar')
    share = bar.evaluate("box => box.style.getPropertyValue('--tv-read')")
    assert float(share) == pytest.approx(read / held)
    assert page.inner_text('.tv-answer[data-side="b"] .tv-chip[data-name="read"] dd') == f"{read / 1024:.1f} KiB"
    assert page.locator('.tv-answer[data-side="a"] .tv-chip[data-name="read"]').count() == 0
    assert page.locator('.tv-memory path.tv-read[data-side="b"]').count() == 1
    assert page.locator('.tv-memory path.tv-read[data-side="a"]').count() == 0
    assert f"reads {read / 1024:.1f} KiB" in page.locator(".tv-memory").text_content()
    assert "of which a word reads" in page.get_attribute(".tv-memory", "aria-label")
    assert page.inner_text('.tv-answer[data-side="b"] .tv-kept') == "asked to read 40 %"
    assert "B drops nothing: of what it holds a word reads" in page.inner_text(".tv-story")


def test_what_is_said_of_such_a_method_stays_a_text(show):
    page = show("reading")
    assert page.inner_text('.tv-unseen[data-side="b"]') == READING.unseen
