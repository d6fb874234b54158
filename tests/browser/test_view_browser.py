"""The live view in a browser: pictures, strips and answers show what numpy computes from the same traces."""

import numpy as np
import pytest

from tests.browser.view_page import data, page_opener, point, send, side_data, slide  # noqa: F401 (fixtures)
from tests.oracles import fates
from tests.view_traces import ELASTIC, FULL, HEADS, LARGE, NASTY, PAIR


@pytest.mark.parametrize("mode", ["importance", "looked", "groups", "kept"])
def test_every_layer_shows_what_became_of_its_patches(show, mode):
    page = show("pair")
    page.click(f'.tv-mode[data-mode="{mode}"]')
    for layer in range(3):
        slide(page, ".tv-layer", layer + 1)
        state = data(page)
        assert (state["mode"], state["layer"]) == (mode, layer + 1)
        for side, trace in zip("ab", PAIR, strict=True):
            assert side_data(page, side)["fates"] == fates(trace, layer, 0, trace.steps)


def test_mean_of_layers_shows_the_share_that_keeps_a_patch(show):
    page = show("heads")
    for side, trace in zip("ab", (FULL, HEADS), strict=True):
        now = trace.owner_after(trace.steps)
        share = (now == np.arange(now.shape[2])).mean((0, 1))[trace.patches]
        shown = side_data(page, side)["shares"]
        assert np.allclose(shown, share, atol=1e-3)


def test_importance_scale_is_that_of_the_patches_with_and_without_sinks(show):
    page = show("pair")
    page.click('.tv-mode[data-mode="importance"]')
    page.click(".tv-show summary")
    scores = np.stack([trace.score[:, trace.patches] for trace in PAIR])  # side, layer, patch
    for layer in range(4):
        slide(page, ".tv-layer", layer)
        chosen = scores.mean(1) if layer == 0 else scores[:, layer - 1]
        for hide, high in ((False, chosen.max()), (True, np.percentile(chosen, 99))):
            page.set_checked(".tv-hide-sinks", hide)
            shown = data(page)["scale"]
            assert np.allclose(shown, [chosen.min(), high], rtol=1e-5)


def test_evictions_are_those_of_the_shown_step(show):
    page = show("heads")
    slide(page, ".tv-layer", 1)
    page.select_option(".tv-head-choice", "2")
    seen = set()
    for step in range(HEADS.steps + 1):
        slide(page, ".tv-step", step)
        assert data(page)["step"] == step
        shown = side_data(page, "b")["fates"]
        assert shown == fates(HEADS, 0, 1, step)
        seen.add(shown)
    assert len(seen) > 1  # the trace does evict patches


@pytest.mark.parametrize("patch", range(0, 16, 3))
def test_pointing_at_a_patch_shows_its_anchor_and_members(show, patch):
    page = show("pair")
    page.click('.tv-mode[data-mode="groups"]')
    slide(page, ".tv-layer", 1)
    slide(page, ".tv-step", 0)
    owner = ELASTIC.owner[0, 0]
    token = ELASTIC.patches[patch]
    members = np.flatnonzero(owner == owner[token])
    point(page, "b", patch)
    state = data(page)
    assert state["patch"] == patch and state["anchor"] == owner[token]
    assert state["members"] == members.tolist()
    says = page.inner_text('.tv-says[data-side="b"]')
    assert says.startswith(f"Patch row {patch // 4 + 1}, column {patch % 4 + 1} · ")
    if owner[token] == token:
        assert "keeps its own slot" in says and (len(members) == 1 or f"anchor of {len(members)} " in says)
    else:
        row, column = divmod(int(np.searchsorted(ELASTIC.patches, owner[token])), 4)
        is_image = ELASTIC.is_image[owner[token]]
        anchor = f"anchor at row {row + 1}, column {column + 1}" if is_image else "text token"
        assert "merged into the " + anchor in says
        assert len(members) < 3 or f"with {len(members) - 2} other" in says
    assert "keeps its own slot" in page.inner_text('.tv-says[data-side="a"]')


def test_an_evicted_patch_names_the_word_after_which_it_went(show):
    page = show("heads")
    slide(page, ".tv-layer", 1)
    page.select_option(".tv-head-choice", "1")
    gone = [(step, token) for step, token in enumerate(HEADS.dropped[:, 0, 0]) if token in HEADS.patches]
    step, token = gone[0]
    point(page, "b", int(np.flatnonzero(HEADS.patches == token)[0]))
    assert data(page)["anchor"] is None
    word = HEADS.answer_pieces[step].strip()
    assert f"evicted after answer token {step + 1} (“{word}”)" in page.inner_text('.tv-says[data-side="b"]')


def test_keys_move_hold_and_let_go_of_a_patch(show):
    page = show("pair")
    canvas = page.locator('canvas[data-side="b"]')
    canvas.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown"):  # the first only enters
        page.keyboard.press(key)
    assert data(page)["patch"] == 5
    page.keyboard.press("Enter")
    point(page, "b", 9)
    assert data(page)["patch"] == 5 and data(page)["locked"] is True
    canvas.focus()
    page.keyboard.press("Escape")
    page.mouse.click(*point(page, "b", 9))
    assert data(page)["patch"] == 9
    page.mouse.move(0, 0)
    assert data(page)["patch"] == 9  # a click, or a tap, holds it


@pytest.mark.parametrize("layer", [1, 2])
def test_neighbouring_groups_have_different_colours(show, layer):
    page = show("large", query="?mode=none.colours.dot.borders")
    slide(page, ".tv-layer", layer)
    data(page)
    owner = LARGE.owner_after(LARGE.steps)[layer - 1, 0][LARGE.patches].reshape(24, 24)
    colours = np.array(side_data(page, "b")["colours"], int).reshape(24, 24)
    for own, other, first, second in (
        (owner[:, :-1], owner[:, 1:], colours[:, :-1], colours[:, 1:]),
        (owner[:-1], owner[1:], colours[:-1], colours[1:]),
    ):
        coloured = (first >= 0) & (second >= 0)
        assert coloured.sum() > 100
        assert np.array_equal((own == other)[coloured], (first == second)[coloured])


def test_strip_shows_what_became_of_words_and_of_the_answer(show):
    page = show("pair")
    slide(page, ".tv-layer", 1)
    data(page)
    now = ELASTIC.owner_after(ELASTIC.steps)[0, 0]
    for token in np.flatnonzero(~ELASTIC.is_image):
        fate = "evicted" if now[token] < 0 else "kept" if now[token] == token else "merged"
        box = page.locator(f'.tv-strip[data-side="b"] [data-token="{token}"]')
        assert box.get_attribute("data-fate") == fate
    tokens = ELASTIC.owner.shape[2]
    assert page.get_attribute(f'.tv-strip[data-side="b"] [data-token="{tokens + 1}"]', "data-fate") == "evicted"
    strip = page.inner_text('.tv-strip[data-side="b"]')
    kept = fates(ELASTIC, 0, 0, ELASTIC.steps)
    assert f"16 image patches: {kept.count('a')} kept, {kept.count('m') + kept.count('t')} merged, 0 dropped" in strip
    assert "⏎" in strip and "·" in strip


def test_differing_words_are_marked_in_both_answers(show):
    page = show("differ")
    for side, words in (("a", ["b", "a"]), ("b", ["b", "one"])):
        marks = page.locator(f'.tv-answer[data-side="{side}"] mark')
        assert marks.all_inner_texts() == words
        assert "tv-first" in marks.first.get_attribute("class") and "differs" in marks.first.get_attribute("title")


def test_text_is_shown_as_text_and_nothing_runs(show):
    page = show("nasty")
    for part in (".tv-text", ".tv-title"):
        assert page.text_content(f'.tv-answer[data-side="b"] {part}') == NASTY
    assert page.locator(".tv-question").all_text_contents() == [NASTY] * 2
    assert page.text_content(".tv-said-text") == NASTY
    assert page.text_content(".tv-status") == NASTY
    assert page.evaluate("window.hurt") is None
    assert page.locator(".trace-view script, .trace-view img").count() == 0


def test_while_an_answer_runs_the_view_follows_unless_the_step_was_moved(show):
    page = show("half", wait='[data-step="6"]')
    assert (data(page)["step"], data(page)["done"]) == (6, False)
    slide(page, ".tv-step", 2)
    send(page, "rest")
    page.wait_for_function("document.querySelector('.trace-view').view.inspect().sides[1].tokens === 8")
    assert data(page)["step"] == 2
    page.click(".tv-latest")
    assert data(page)["step"] == 8


def test_memory_is_that_of_the_shown_step(show):
    page = show("pair")
    lines = {side: page.get_attribute(f'.tv-line[data-side="{side}"]', "d").count("L") for side in "ab"}
    assert lines == {"a": FULL.steps, "b": ELASTIC.steps}
    for step in (0, 4, 9):
        slide(page, ".tv-step", step)
        data(page)
        label = page.get_attribute(".tv-memory", "aria-label")
        assert f"Full cache {FULL.total_bytes[step] / 1024:.0f} KiB" in label
        assert f"Elastic Cache {ELASTIC.total_bytes[step] / 1024:.0f} KiB" in label


def test_of_a_run_that_was_left_nothing_more_is_shown(show):
    page = show("young", wait='[data-sides="2"]')
    page.evaluate("receive(null)")
    send(page, "young")
    assert data(page)["sides"] == [] and not page.inner_text(".tv-status")


def test_what_stands_below_stays_where_it_is_when_the_pointer_leaves(show):
    page = show("pair", viewport={"width": 640, "height": 900})
    point(page, "a", 5)
    page.wait_for_selector(".tv-says:not(.tv-idle)")
    pointed = page.locator(".tv-legend").first.bounding_box()
    page.mouse.move(1, 1)
    page.wait_for_selector('.tv-says.tv-idle[data-side="a"]')
    assert page.locator(".tv-legend").first.bounding_box() == pointed


def test_nothing_yet_invites(show):
    page = show("empty", wait=None)
    assert "both answers appear here" in page.inner_text(".tv-empty")
    assert not page.is_visible(".tv-page")
