"""The live view in a browser, where slots are merged while the answer is written, and heads decide for themselves."""

import numpy as np

from tests.browser.view_page import (  # noqa: F401 (fixtures)
    data,
    numbers,
    page_opener,
    point,
    send,
    side_data,
    slide,
    strip,
)
from tests.oracles import all_owners, fates, gaze
from tests.view_traces import ELASTIC, LONG, PLUS

TOKENS = len(PLUS.pieces)


def choose(page, layer, head):
    """Show one layer and one head, both counted from 0."""
    slide(page, ".tv-layer", layer + 1)
    page.select_option(".tv-head-choice", str(head + 1))


def says(page):
    data(page)
    return page.inner_text('.tv-says[data-side="b"]')


def fate(trace, layer, head, token, step):
    """What became of a token, as the strip has it."""
    if token >= TOKENS + step:
        return "coming"
    now = all_owners(trace, step)[layer, head, token]
    return "kept" if now == token else "merged" if now >= 0 else "evicted"


# ---- merging while the answer is written


def test_a_sentence_tells_where_a_token_went_and_when(show):
    page = show("plus")
    for (layer, head, token), told in {
        # A chain of slots: 5 into 12, then 12 into 13.
        (2, 0, 5): {
            2: "Patch row 1, column 2 · keeps its own slot (anchor of 3 patches)",
            3: "merged into the anchor at row 3, column 1 after answer token 3, with 4 others ·",
            7: "merged into the anchor at row 3, column 1 after answer token 3, with 8 others ·",
            8: "merged into the anchor at row 3, column 2 after answer token 8, with 11 others ·",
        },
        (2, 0, 4): {2: "merged into the anchor at row 1, column 2, with 1 other ·"},  # from the beginning
        (0, 1, 5): {
            6: "keeps its own slot ·",
            7: "merged into the answer token “dog” after answer token 7 ·",
        },
        (0, 1, 30): {
            4: "Answer token 5 “dog” · not written yet",
            6: "Answer token 5 “dog” · keeps its own slot ·",
            7: "Answer token 5 “dog” · keeps its own slot, took in 1 patch ·",
        },
        (0, 0, 26): {
            3: "Answer token 1 “The” · merged into the text token “:” after answer token 3 ·",
            5: "Answer token 1 “The” · evicted after answer token 5 (“dog”) ·",
        },
        (0, 0, 7): {9: "keeps its own slot, took in 4 patches and 1 answer token ·"},
        (1, 0, 9): {9: "keeps its own slot, took in 8 patches, 6 words and 1 answer token ·"},
    }.items():
        choose(page, layer, head)
        for step, text in told.items():
            slide(page, ".tv-step", step)
            if token < TOKENS:
                point(page, "b", token - 4)
            else:
                strip(page, "b", token).hover()
            assert text in says(page) + " ·", (layer, head, token, step)


def test_an_anchor_lights_up_with_all_its_members(show):
    page = show("plus")
    choose(page, 1, 0)
    for step, token in ((9, 9), (9, 31), (4, 20), (3, 9)):
        slide(page, ".tv-step", step)
        (strip(page, "b", token).hover() if token >= 20 else point(page, "b", token - 4))
        state = data(page)
        owner = all_owners(PLUS, step)[1, 0]
        members = np.flatnonzero(owner == owner[token])
        assert (state["anchor"], state["members"]) == (owner[token], members.tolist())
        lit = page.locator('.tv-strip[data-side="b"] .tv-lit').evaluate_all("all => all.map(x => x.dataset.token)")
        assert sorted(map(int, lit)) == [member for member in members if member not in PLUS.patches]


def test_every_token_is_what_numpy_says_forth_and_back(show):
    page = show("plus")
    page.click('.tv-strip[data-side="b"] .tv-image')
    for layer, head in ((0, 0), (2, 1)):
        choose(page, layer, head)
        for step in (9, 0, 4, 8, 7, 3, 5):
            slide(page, ".tv-step", step)
            assert side_data(page, "b")["fates"] == fates(PLUS, layer, head, step)
            boxes = page.locator('.tv-strip[data-side="b"] [data-token]')
            shown = dict(boxes.evaluate_all("all => all.map(x => [x.dataset.token, x.dataset.fate])"))
            assert shown == {str(token): fate(PLUS, layer, head, token, step) for token in range(TOKENS + 9)}


def test_messages_that_come_bit_by_bit_tell_the_same(show):
    page = show("young", wait='[data-step="3"]')
    choose(page, 0, 1)
    send(page, "grown")
    page.wait_for_selector('.trace-view[data-step="70"]')
    for layer, head in ((0, 1), (1, 0)):
        choose(page, layer, head)
        for step in (70, 2, 66):
            slide(page, ".tv-step", step)
            assert side_data(page, "b")["fates"] == fates(LONG, layer, head, step)
            point(page, "b", 5)
            at = LONG.owner_after(step)[layer, head, LONG.patches[5]]
            assert data(page)["anchor"] == (at if at >= 0 else None)


def test_groups_and_their_borders_follow_what_is_merged(show):
    page = show("plus", query="?mode=none.colours.dot.borders")
    choose(page, 2, 0)
    for step in (2, 8):
        slide(page, ".tv-step", step)
        colours = side_data(page, "b")["colours"]
        owner = PLUS.owner_after(step)[2, 0][PLUS.patches]
        together = [(p, q) for p in range(16) for q in range(p) if owner[p] == owner[q] and owner[p] in PLUS.patches]
        assert len(together) > 10 and all(colours[p] == colours[q] != -1 for p, q in together)
    # Before, the first row's group and the second row's one were two.
    assert colours[0] == colours[4]
    page.click(".tv-show summary")
    page.select_option(".tv-choice-fill", "mean")
    means = side_data(page, "b")["means"]
    assert all(means[p] == means[q] is not None for p, q in together)


def test_the_readout_tells_merging_from_evicting(show):
    page = show("plus")
    choose(page, 0, 0)
    told = {0: "gives up nothing", 2: "merges “·” into “picture”", 5: "evicts “:”", 9: "evicts patch row 2, column 2"}
    for step, text in told.items():
        slide(page, ".tv-step", step)
        data(page)
        assert page.inner_text('.tv-gone[data-side="b"]') == text
    for head, layer, step, end in (
        (0, 1, 7, "merges patch row 1, column 2 into “dog” (head 2) and 1 more"),
        (0, 0, 2, "merges “:” into “The” (layer 3) and 5 more"),
    ):
        page.select_option(".tv-head-choice", str(head), force=True)
        slide(page, ".tv-layer", layer)
        slide(page, ".tv-step", step)
        data(page)
        assert page.inner_text('.tv-gone[data-side="b"]') == end


def test_what_was_looked_at_is_shared_among_a_slots_members_of_that_moment(show):
    page = show("plus")
    page.click('.tv-mode[data-mode="looked"]')
    for step in (1, 9, 4, 6):
        slide(page, ".tv-step", step)
        assert np.allclose(numbers(page, "b", "looked"), gaze(PLUS, step - 1)[PLUS.patches], atol=1e-4)
    for patch in (1, 9):
        point(page, "b", patch)
        weights = [gaze(PLUS, number)[PLUS.patches[patch]] for number in range(9)]
        most = np.argsort(weights)[::-1][:3].tolist()
        assert side_data(page, "b")["lookers"] == most


# ---- heads


def test_the_mean_of_heads_is_that_of_their_shares(show):
    page = show("plus")
    for layer in (0, 2):  # of all layers, of one
        slide(page, ".tv-layer", layer)
        for step in (9, 2, 7):
            slide(page, ".tv-step", step)
            now = PLUS.owner_after(step)[layer - 1 : layer or None] if layer else PLUS.owner_after(step)
            kept = (now == np.arange(TOKENS)).mean((0, 1))[PLUS.patches]
            shown = side_data(page, "b")["shares"]
            assert np.allclose(shown, kept, atol=1e-3)
    point(page, "b", 0)
    assert "in 0 of 2 heads" in says(page) or "in 1 of 2 heads" in says(page) or "in all 2 heads" in says(page)


def test_heads_are_chosen_by_mouse_and_keyboard_where_there_are_any(show):
    page = show("plus")
    assert not page.is_visible(".tv-heads")  # of the mean over layers there is one
    assert "mean of all 3 layers and 2 heads" in page.get_attribute('canvas[data-side="b"]', "aria-label")
    slide(page, ".tv-layer", 3)
    assert data(page)["head"] == 0 and page.inner_text(".tv-heads-name") == "Head of B"
    page.select_option(".tv-head-choice", "2")
    assert data(page)["head"] == 2
    page.focus(".tv-head-choice")
    page.keyboard.press("ArrowUp")
    assert data(page)["head"] == 1 and data(page)["step"] == 9
    assert side_data(page, "b")["fates"] == fates(PLUS, 2, 0, 9)
    labels = [page.get_attribute(f'canvas[data-side="{side}"]', "aria-label") for side in "ab"]
    assert "layer 3 of 3. " in labels[0] and "layer 3 of 3, head 1 of 2. " in labels[1]
    page.focus(".tv-layer")
    page.keyboard.press("Home")
    assert data(page)["head"] == 0 and not page.is_visible(".tv-heads")
    # Groups are those of one layer and one head, and say so.
    page.select_option(".tv-head-choice", "0", force=True)
    page.click('.tv-mode[data-mode="groups"]')
    assert (data(page)["layer"], data(page)["head"]) == (2, 1)
    assert page.locator(".tv-head-choice option").first.is_disabled()
    assert "no mean of them" in page.get_attribute(".tv-head-choice", "title")


def test_the_address_names_the_head(show):
    page = show("plus", query="?layer=3&head=2&t=8", permissions=["clipboard-read", "clipboard-write"])
    assert (data(page)["layer"], data(page)["head"]) == (3, 2)
    assert side_data(page, "b")["fates"] == fates(PLUS, 2, 1, 8)
    page.click('[data-save="link"]')
    page.wait_for_selector('.tv-save-says:has-text("Copied")')
    assert "layer=3&head=2&t=8" in page.evaluate("navigator.clipboard.readText()")
    assert data(show("plus", query="?layer=1&head=77"))["head"] == 2


def test_where_heads_share_their_slots_none_can_be_chosen(show):
    page = show("pair", query="?layer=2&head=2")
    assert data(page)["head"] == 0 and not page.is_visible(".tv-heads")
    assert "layer 2 of 3. " in page.get_attribute('canvas[data-side="b"]', "aria-label")


def test_sides_with_and_without_heads_stand_side_by_side(show):
    page = show("two")
    choose(page, 0, 1)
    for side, trace, head in (("a", ELASTIC, 0), ("b", PLUS, 1)):
        assert side_data(page, side)["fates"] == fates(trace, 0, head, 9)
