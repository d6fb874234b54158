"""Pictures that the model saw in tiles, several of them, and grids that are no squares: each view in its place."""

import numpy as np
import pytest

from tests.browser.view_page import data, page_opener, point, side_data, slide, strip  # noqa: F401
from tests.view_traces import GRID, TILED, TILES

FULL, ELASTIC = TILED
VIEWS = TILES + GRID


@pytest.fixture(name="tiled")
def shown_in_tiles(show):
    return show("tiled")


def place_of(page, patch, side="b"):
    """Where the middle of a patch is on the page, by what the view says of its views."""
    box = page.locator(f'canvas.tv-patches[data-side="{side}"]').bounding_box()
    for view in data(page)["views"]:
        own = patch - view["first"]
        if 0 <= own < view["rows"] * view["columns"]:
            x, y, w, h = view["box"]
            row, column = divmod(own, view["columns"])
            return (
                box["x"] + box["width"] * (x + w * (column + 0.5) / view["columns"]),
                box["y"] + box["height"] * (y + h * (row + 0.5) / view["rows"]),
            )
    raise AssertionError(patch)


def token_of(patch):
    return int(ELASTIC.patches[patch])


def named(patch):
    """What a patch is called, from the trace alone."""
    picture, view, row, column = ELASTIC.place[token_of(patch)]
    of = {4: "whole picture", 5: "whole picture", 6: "fine grid"}.get(view, f"tile {view + 1}")
    return f"picture {picture + 1}, {of}, row {row + 1}, column {column + 1}"


def test_every_patch_of_every_view_is_where_it_is_pointed_at(tiled):
    tiled.locator(".tv-says").first.scroll_into_view_if_needed()
    for patch in range(0, len(ELASTIC.patches), 7):
        tiled.mouse.move(*place_of(tiled, patch))
        shown = data(tiled)
        assert (shown["patch"], shown["token"]) == (patch, token_of(patch))
        assert tiled.locator('.tv-says[data-side="b"]').inner_text().startswith(f"Patch {named(patch)} ")


def test_members_of_a_slot_are_lit_in_all_views_and_a_click_holds_them(tiled):
    tiled.click('.tv-mode[data-mode="groups"]')
    layer = data(tiled)["layer"] - 1
    owner = ELASTIC.owner_after(ELASTIC.steps)[layer, 0]
    views = ELASTIC.place[:, 1]
    groups = [np.flatnonzero(owner == anchor) for anchor in np.unique(owner[owner >= 0])]
    group = next(each for each in groups if len(set(views[each][ELASTIC.is_image[each]])) > 1)
    first = int(np.flatnonzero(ELASTIC.patches == group[ELASTIC.is_image[group]][0])[0])
    tiled.locator(".tv-says").first.scroll_into_view_if_needed()
    tiled.mouse.click(*place_of(tiled, first))
    tiled.mouse.move(2, 2)
    shown = data(tiled)
    assert shown["locked"] and sorted(shown["members"]) == group.tolist()
    tiled.keyboard.press("Escape")
    assert not data(tiled)["locked"]


def test_arrows_walk_from_tile_to_tile_and_the_canvas_says_where(tiled):
    canvas = tiled.locator('canvas.tv-patches[data-side="b"]')
    canvas.focus()
    seen = []
    for key in ["ArrowRight"] * 6 + ["ArrowDown"] * 5 + ["ArrowLeft"] * 3:
        tiled.keyboard.press(key)
        seen.append(data(tiled)["patch"])
    views = [int(ELASTIC.place[token_of(patch)][1]) for patch in seen]
    assert views[:6] == [0, 0, 0, 1, 1, 1] and views[8:11] == [3, 3, 3] and views[-1] == 2
    assert named(seen[-1]) in canvas.get_attribute("aria-label")


def test_ends_of_rows_and_what_says_which_tile_comes_are_marked_in_the_strip(tiled):
    markers = np.flatnonzero((ELASTIC.place[:, 1] >= 0) & ~ELASTIC.is_image)
    heads = [token for token in markers if ELASTIC.place[token][2] < 0]
    for token in heads:
        assert "tv-marker" in strip(tiled, "b", token).get_attribute("class")
    blocks = tiled.locator('.tv-strip[data-side="b"] .tv-image')
    assert blocks.count() == len(VIEWS)
    assert blocks.nth(6).inner_text().startswith("picture 2, fine grid, 15 patches")
    blocks.nth(6).click()
    ends = [token for token in markers if ELASTIC.place[token][2] >= 0]
    assert len(ends) == 3
    strip(tiled, "b", ends[1]).hover()
    assert "End of row 2, picture 2, fine grid" in tiled.locator('.tv-says[data-side="b"]').inner_text()


@pytest.mark.parametrize("mode", ["importance", "looked", "groups", "kept"])
def test_every_mode_is_drawn_on_all_views_and_changes_what_is_painted(tiled, mode):
    tiled.click(f'.tv-mode[data-mode="{mode}"]')
    assert len(side_data(tiled, "b")["shares"]) == len(ELASTIC.patches) == sum(v.rows * v.columns for v in VIEWS)
    drawn = tiled.evaluate(
        """() => {
          const canvas = document.querySelector('canvas.tv-patches[data-side="b"]');
          const { views } = document.querySelector('.trace-view').view.inspect();
          const pen = canvas.getContext('2d');
          return views.map(({ box: [x, y, w, h] }) => {
            const { data } = pen.getImageData((x + w * 0.1) * canvas.width, (y + h * 0.1) * canvas.height,
              w * 0.8 * canvas.width, h * 0.8 * canvas.height);
            return new Set(data.filter((_, i) => i % 4 < 3)).size;
          });
        }"""
    )
    assert min(drawn) > 20, "a view is empty"


def test_importance_of_a_patch_is_told_for_the_right_token(tiled):
    tiled.click('.tv-mode[data-mode="importance"]')
    slide(tiled, ".tv-layer", 1)
    score = ELASTIC.score[0, ELASTIC.patches]
    brightest = int(np.nanargmax(score))
    tiled.locator(".tv-says").first.scroll_into_view_if_needed()
    tiled.mouse.move(*place_of(tiled, brightest))
    told = tiled.locator('.tv-says[data-side="b"]').inner_text()
    assert float(told.partition("attention received ")[2].split()[0]) == pytest.approx(
        float(score[brightest]), rel=0.02
    )


def test_one_view_has_no_name_and_fills_the_canvas(show):
    page = show("pair")
    shown = data(page)["views"]
    assert [(view["name"], view["box"]) for view in shown] == [("", [0, 0, 1, 1])]
    point(page, "a", 5)
    assert page.locator('.tv-says[data-side="a"]').inner_text().startswith("Patch row 2, column 2 ")
    assert page.locator(".tv-key-marker").is_hidden()
