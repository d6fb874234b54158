"""A complete run stands where its answers part and says in a sentence what happened, in a browser."""

from dataclasses import replace

import numpy as np
import pytest

from elastic.record.messages import Show, of_run
from tests.browser.test_light import cells
from tests.browser.view_page import PAGE_MESSAGES, data, page_opener, send, slide  # noqa: F401 (fixtures)
from tests.view_traces import FULL, HEADS, NASTY, PAIR, cut, run_of, steps_of, whole

FIRST = 5  # the token in which these two differ: dog, cat
PARTING = (FULL, replace(HEADS, answer="The picture shows a cat.", finish="end"))
LOOKED = (5, 10)  # the patches that the first side looks at, all the time


def looking():
    """The first side, which looks at two patches only."""
    looked = np.zeros_like(FULL.looked)
    looked[..., FULL.patches[list(LOOKED)]] = 0.5
    return replace(FULL, looked=looked)


PAGE_MESSAGES |= {
    "looking": [whole((looking(), PARTING[1]), name="looking")],
    "growing": [of_run(run_of("growing", [cut(side, 6) for side in PARTING]), 0, 0, status="at 6")],
    "grown up": [of_run(run_of("growing", PARTING), 1, 6, status="finished", done=True)],
    "parting": [whole(PARTING, name="parting")],
    "shown": [of_run(run_of("shown", PARTING), 0, 0, done=True, show=Show("kept", None, None, 2))],
    "hostile": [
        whole([FULL, replace(FULL, answer=f"The {NASTY}", answer_pieces=["The", *[f" {NASTY}"] * 8])], name="hostile")
    ],
}


def story(page):
    data(page)
    return page.inner_text(".tv-story")


def test_a_complete_run_stands_where_its_answers_part_and_says_so(show):
    page = show("parting")
    assert data(page)["step"] == FIRST
    assert story(page).startswith("A says “dog and a red …”, B says “cat”.")
    page.wait_for_function("document.querySelector('.tv-aloud').textContent.includes('B says “cat”. ')")


def test_a_live_run_is_followed_and_then_stands_where_its_answers_part(show):
    page = show("growing", wait='[data-step="6"]')
    assert story(page) == ""
    send(page, "grown up")
    page.wait_for_selector(f'.trace-view[data-done="true"][data-step="{FIRST}"]')
    assert "“cat”" in story(page)
    page.click(".tv-latest")
    assert data(page)["step"] == 9


def test_who_has_chosen_a_step_stays_there(show):
    page = show("growing", wait='[data-step="6"]')
    slide(page, ".tv-step", 2)
    send(page, "grown up")
    page.wait_for_selector('.trace-view[data-done="true"]')
    assert data(page)["step"] == 2 and story(page)


@pytest.mark.parametrize("step", [0, 3, 9])
def test_the_step_of_the_address_comes_first(show, step):
    page = show("parting", query=f"?t={step}")
    assert data(page)["step"] == step
    send(page, "parting")  # what comes twice moves nothing
    assert data(page)["step"] == step


def test_the_step_that_a_recorded_run_is_shown_with_comes_first(show):
    assert data(show("shown"))["step"] == 2
    assert data(show("shown", query="?t=7"))["step"] == 7


def test_answers_that_are_the_same_are_said_to_be_and_the_view_stays_at_the_end(show):
    page = show("pair")
    assert data(page)["step"] == 9
    assert story(page).startswith("Both say the same; B held ")


def test_the_next_run_has_its_own_sentence(show):
    page = show("parting")
    send(page, "pair")
    page.wait_for_selector('.trace-view[data-step="9"]')
    assert story(page).startswith("Both say the same")
    PAGE_MESSAGES["begun"] = list(steps_of("begun", PAIR, 3))[:1]
    send(page, "begun")
    page.wait_for_selector('.trace-view[data-run="begun"]')
    assert story(page) == ""


def test_words_of_an_answer_are_quoted_as_text(show):
    page = show("hostile")
    assert "<script>" in story(page)
    assert page.evaluate("window.hurt") is None
    assert page.locator(".tv-story *:not(span)").count() == 0


def test_the_patches_that_it_speaks_of_are_framed_while_it_is_pointed_at(show):
    page = show("looking", query="?mode=none.none.none.plain")
    assert "more than half of what it looks at in the picture is in two patches" in story(page)
    before = [cells(page, side) for side in "ab"]
    page.hover(".tv-points")
    for side, plain in zip("ab", before, strict=True):
        shown = cells(page, side)
        edges = [np.abs(shown[patch] - plain[patch])[:3].mean() for patch in range(16)]
        below = [patch + 4 for patch in LOOKED]  # whose edge is the framed one's, too
        assert min(edges[patch] for patch in LOOKED) > 20
        assert max(edges[patch] for patch in range(16) if patch not in (*LOOKED, *below)) < 5
    page.mouse.move(1, 1)
    assert np.allclose(cells(page, "b"), before[1])
    page.focus(".tv-points")
    assert not np.allclose(cells(page, "b"), before[1])


def test_the_exported_picture_says_it_too_and_stands_at_the_same_step(show):
    page = show("parting")
    sentence = story(page)
    page.evaluate(
        "() => { const pen = CanvasRenderingContext2D.prototype; const write = pen.fillText; window.written = [];"
        " pen.fillText = function (text, ...place) { window.written.push(text); write.call(this, text, ...place); }; }"
    )
    with page.expect_download():
        page.click('[data-save="png"]')
    written = " ".join(page.evaluate("window.written"))
    assert sentence.split("\n")[0] in written and f"after answer token {FIRST}" in written
