"""The live view in a browser, what is linked: gaze, words, tokens and patches."""

import numpy as np
import pytest

from tests.browser.view_page import (  # noqa: F401 (fixtures)
    ASKED,
    OTHER,
    RUNS,
    data,
    numbers,
    page_opener,
    point,
    send,
    side_data,
    slide,
    strip,
    word,
)
from tests.oracles import fates, gaze
from tests.view_traces import ELASTIC, FULL, PAIR

TOKENS = len(FULL.pieces)


def top(weights, among, count):
    """The largest of some weights, as the view lists them."""
    chosen = sorted((number for number in among if weights[number] > 0), key=lambda number: (-weights[number], number))
    return [int(number) for number in chosen[:count]]


def looked_most(trace, token):
    return top([gaze(trace, number)[token] for number in range(trace.steps)], range(trace.steps), 3)


# ---- gaze


def test_looked_at_is_the_gaze_of_the_last_token_on_one_scale(show):
    page = show("pair")
    page.click('.tv-mode[data-mode="looked"]')
    for step in (0, 1, 5, 9):
        slide(page, ".tv-step", step)
        expected = [gaze(trace, max(0, step - 1))[trace.patches] for trace in PAIR]
        for side, weights in zip("ab", expected, strict=True):
            assert np.allclose(numbers(page, side, "looked"), weights, atol=1e-4)
        scale = data(page)["scale"]
        assert np.allclose(scale, [np.min(expected), np.max(expected)], atol=1e-5)


def test_a_layer_is_fetched_from_the_server_and_its_gaze_shown(show):
    ASKED.clear()
    page = show("layers")
    page.click('.tv-mode[data-mode="looked"]')
    slide(page, ".tv-step", 6)
    for layer in (2, 0):
        slide(page, ".tv-layer", layer + 1)
        data(page)
        page.wait_for_function("!document.querySelector('.tv-unit').textContent.includes('mean')")
        assert np.allclose(numbers(page, "b", "looked"), gaze(ELASTIC, 5, layer)[ELASTIC.patches], atol=1e-4)
    slide(page, ".tv-layer", 3)
    data(page)
    assert ASKED == [("layer", "layers", 2, 0), ("layer", "layers", 0, 0)]  # what is here is not asked for again


def test_without_the_layer_the_mean_stands_in_and_says_so(show):
    page = show("pair")  # a run that the server does not have
    page.click('.tv-mode[data-mode="looked"]')
    slide(page, ".tv-layer", 2)
    assert np.allclose(numbers(page, "b", "looked"), gaze(ELASTIC, 8)[ELASTIC.patches], atol=1e-4)
    assert "mean of all layers" in page.inner_text(".tv-unit")


# ---- linked hover


@pytest.mark.parametrize("patch", [0, 5, 10])
def test_pointing_at_a_patch_names_and_lights_the_tokens_that_looked_at_it_most(show, patch):
    page = show("pair")
    point(page, "b", patch)
    expected = {side: looked_most(trace, trace.patches[patch]) for side, trace in zip("ab", PAIR, strict=True)}
    assert [side["lookers"] for side in data(page)["sides"]] == list(expected.values())
    for side, most in expected.items():
        shown = page.locator(f'.tv-strip[data-side="{side}"] .tv-looks').evaluate_all(
            "all => all.map(x => x.dataset.token)"
        )
        assert sorted(map(int, shown)) == sorted(TOKENS + number for number in most)
        first = FULL.answer_pieces[most[0]].strip()
        assert f"looked at most by “{first}”" in page.inner_text(f'.tv-says[data-side="{side}"]')


@pytest.mark.parametrize("where", ["strip", "word"])
def test_pointing_at_an_answer_token_shows_what_it_looked_at_on_both_sides(show, where):
    page = show("pair", query="?mode=importance")
    (strip(page, "b", TOKENS + 4) if where == "strip" else word(page, "b", "dog")).hover()
    state = data(page)
    assert (state["token"], state["heat"]) == (TOKENS + 4, "importance")
    words = np.flatnonzero(~FULL.is_image)
    for side, trace in zip("ab", PAIR, strict=True):
        weights = gaze(trace, 4)
        assert np.allclose(numbers(page, side, "looked"), weights[trace.patches], atol=1e-4)
        seen = side_data(page, side)["seen"]
        assert seen == top(weights, words, 5)
        lit = page.locator(f'.tv-strip[data-side="{side}"] .tv-looks').evaluate_all(
            "all => all.map(x => x.dataset.token)"
        )
        assert set(map(int, lit)) == set(seen)
        share = round(100 * weights[trace.patches].sum())
        assert f"{share} % of its attention on the image" in page.inner_text(f'.tv-says[data-side="{side}"]')
    assert "tv-lit" in word(page, "a", "dog").get_attribute("class")
    page.mouse.move(0, 0)
    assert side_data(page, "b")["looked"] is None  # importance again


def test_a_click_holds_a_token_and_escape_lets_go_from_anywhere(show):
    page = show("pair")
    strip(page, "b", 5 + 16).click()
    page.mouse.move(0, 0)
    state = data(page)
    assert (state["locked"], state["token"]) == (True, 21)
    page.focus(".tv-play")
    page.keyboard.press("Escape")
    state = data(page)
    assert (state["locked"], state["token"]) == (False, None)


# ---- strips


def test_the_image_unfolds_into_a_cell_for_each_patch(show):
    page = show("pair")
    slide(page, ".tv-layer", 1)
    page.click('.tv-strip[data-side="b"] .tv-image')
    names = {"kept": "a", "merged": "m", "dropped": "d", "evicted": "e"}
    for step in (9, 4, 0):
        slide(page, ".tv-step", step)
        data(page)
        cells = page.locator('.tv-strip[data-side="b"] .tv-cell').evaluate_all("all => all.map(x => x.dataset.fate)")
        assert "".join(names[fate] for fate in cells) == fates(ELASTIC, 0, 0, step).replace("t", "m")
    strip(page, "b", ELASTIC.patches[6]).hover()
    assert data(page)["patch"] == 6 and data(page)["anchor"] == ELASTIC.owner[0, 0, ELASTIC.patches[6]]
    page.focus('.tv-strip[data-side="b"] .tv-image')
    page.keyboard.press("Enter")
    data(page)
    assert page.locator(".tv-cell").count() == 0
    assert page.get_attribute('.tv-strip[data-side="b"] .tv-image', "data-open") == "false"


def test_keys_walk_through_the_strip_and_its_cells(show):
    page = show("pair")
    page.click('.tv-strip[data-side="a"] .tv-image')
    page.mouse.move(0, 0)
    strip(page, "a", 3).focus()
    for _ in range(3):  # over the image's block into its cells
        page.keyboard.press("ArrowRight")
    assert data(page)["patch"] == 1
    page.keyboard.press("End")
    assert data(page)["token"] == TOKENS + 8
    page.keyboard.press("Enter")
    assert data(page)["locked"] is True


def test_the_first_difference_is_marked_everywhere_and_one_click_away(show):
    page = show("other")
    assert data(page)["firstDifference"] == 4
    for side, piece in (("a", "dog"), ("b", "cat")):
        assert page.inner_text(f'.tv-strip[data-side="{side}"] .tv-fork-token') == piece
        assert page.inner_text(f'.tv-answer[data-side="{side}"] .tv-first').startswith(piece)
    assert page.inner_text(".tv-jump") == "First difference: token 5"
    page.click(".tv-latest")
    page.click(".tv-jump")
    assert data(page)["step"] == 5
    assert "tv-current" in strip(page, "b", TOKENS + 4).get_attribute("class")
    assert not page.is_visible(".tv-jump") or OTHER.steps > 5
