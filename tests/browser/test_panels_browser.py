"""The layer strip and the charts, in a browser: they show what numpy computes from the same traces."""

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.browser.panels_page import panels_in, set_step
from tests.view_traces import ELASTIC, FULL, HEADS, PAIR, make, whole
from viz import view


@pytest.fixture
def show(browser):
    with panels_in(browser) as opened:
        yield opened


def column(page, layer):
    return page.locator(f'.tv-column[data-layer="{layer}"]')


def numbers(page, layer, name):
    """Per side, NaN where there is none."""
    text = column(page, layer).get_attribute(f"data-{name}")
    return [float(part or "nan") for part in text.split(",")]


def overlap(trace, layer):
    """Jaccard overlap of a layer's anchors with those of the layer before; heads count by their share."""
    shares = (trace.owner == np.arange(trace.owner.shape[2])).mean(1)[[layer - 1, layer]]
    return shares.min(0).sum() / shares.max(0).sum()


def points(page, selector):
    """The corners of a path, in pixels, (n, 2)."""
    d = page.get_attribute(selector, "d")
    return np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", d), float)


# ---- layers


@pytest.mark.parametrize("side", [ELASTIC, HEADS], ids=["one head", "two heads"])
def test_a_column_per_layer_shows_kept_overlap_and_sparsity(show, side):
    page = show(whole((FULL, side)))
    assert page.locator(".tv-column").count() == 4
    kept = np.stack([trace.prompt_slots / len(trace.pieces) for trace in (FULL, side)], 1)
    overlaps = [np.nan, *(overlap(side, layer) for layer in (1, 2))]
    for layer in range(3):
        assert np.allclose(numbers(page, layer + 1, "kept"), kept[layer], atol=1e-4)
        expected = [np.nan, overlaps[layer]]
        assert np.allclose(numbers(page, layer + 1, "overlap"), expected, atol=1e-4, equal_nan=True)
        expected = [FULL.sparsity[layer], side.sparsity[layer]]
        assert np.allclose(numbers(page, layer + 1, "sparsity"), expected, atol=1e-4)
    assert np.allclose(numbers(page, 0, "kept"), kept.mean(0), atol=1e-4)
    assert np.isclose(numbers(page, 0, "overlap")[1], np.nanmean(overlaps), atol=1e-4)
    bar = column(page, 2).locator('.tv-bar-kept[data-side="b"]').bounding_box()
    assert bar["height"] / column(page, 2).locator(".tv-bars").bounding_box()["height"] == pytest.approx(
        kept[1, 1], abs=0.06
    )


def test_a_column_says_its_numbers_in_words(show):
    page = show(whole(PAIR))
    column(page, 2).hover()
    said = page.inner_text(".tv-layer-says")
    for text in (said, column(page, 2).get_attribute("title"), column(page, 2).get_attribute("aria-label")):
        assert "Layer 2 of 3" in text and "A keeps 100 %" in text
        assert f"B keeps {100 * ELASTIC.prompt_slots[1] / 26:.0f} % of 26 tokens" in text
        assert f"anchors overlap {100 * overlap(ELASTIC, 1):.0f} % with layer 1’s" in text
        assert f"{100 * FULL.sparsity[1]:.0f} % of attention weights next to nothing" in text
    page.mouse.move(0, 800)
    assert "Mean of 3 layers" in page.inner_text(".tv-layer-says")


def test_click_and_keys_choose_a_layer(show):
    page = show(whole(PAIR))
    chosen = page.locator('.tv-column[aria-checked="true"]')
    assert chosen.get_attribute("data-layer") == "0"
    column(page, 2).click()
    assert page.evaluate("panels.state.layer") == 2
    for key, layer in (("ArrowRight", 3), ("ArrowRight", 0), ("ArrowLeft", 3), ("ArrowUp", 2), ("Home", 0), ("End", 3)):
        page.keyboard.press(key)
        assert page.evaluate("panels.state.layer") == layer
        assert page.evaluate("document.activeElement.dataset.layer") == str(layer)
        assert chosen.get_attribute("data-layer") == str(layer)
        assert page.locator('.tv-column[tabindex="0"]').count() == 1
    assert page.get_attribute(".tv-columns", "role") == "radiogroup"


def test_drawing_again_makes_no_new_columns(show):
    page = show(whole(PAIR))
    same = """() => {
      const [column, overlaps] = [document.querySelector('.tv-column'), panels.state.sides[1].overlaps];
      panels.drawAll();
      return column === document.querySelector('.tv-column') && overlaps === panels.state.sides[1].overlaps;
    }"""
    assert page.evaluate(same)
    # Overlaps, which take a while, are counted once per side, even for new columns.
    page.evaluate("panels.state.sides[1].overlaps.fill(0.5); document.querySelector('.tv-layers').shownSides = []")
    page.evaluate("panels.drawAll()")
    assert numbers(page, 2, "overlap")[1] == 0.5


def test_forty_layers_fit_one_row(show):
    page = show(whole((make(1, layers=40, policy="full"), make(2, layers=40))))
    tops = page.locator(".tv-column").evaluate_all("all => all.map(column => column.getBoundingClientRect().top)")
    assert len(tops) == 41 and len(set(tops)) == 1
    group = page.locator(".tv-columns")
    assert group.evaluate("box => box.scrollWidth <= box.clientWidth")
    assert group.bounding_box()["height"] < 70


# ---- charts


def test_the_limit_is_drawn_on_the_axis_of_the_bytes(show):
    page = show(whole(PAIR))
    # Where the full side's bytes are fixes the axis; the limit must lie on it.
    y = points(page, '.tv-line[data-side="a"]')[:, 1]
    slope, start = np.polyfit(FULL.total_bytes, y, 1)
    for kind, bytes_ in (("tv-limit", ELASTIC.limit_bytes), ("tv-line", ELASTIC.total_bytes)):
        drawn = points(page, f'path.{kind}[data-side="b"]')
        assert len(drawn) == ELASTIC.steps + 1
        assert np.allclose(drawn[:, 1], start + slope * bytes_, atol=0.2)
    assert page.locator('path.tv-limit[data-side="a"]').count() == 0
    assert "what Elastic cache aims at" in page.text_content(".tv-memory")
    set_step(page, 4)
    assert f"(aims at {ELASTIC.limit_bytes[4] / 1024:.0f} KiB)" in page.get_attribute(".tv-memory", "aria-label")


def certain():
    """Two sides that agree for five tokens; the other one nearly wrote something else at the third."""
    steps = np.arange(9)
    own = np.log(np.linspace(0.99, 0.8, 9)).astype(np.float32)
    other = np.where(steps < 5, own - 0.1, np.nan).astype(np.float32)
    other[2] = np.log(0.03)
    first = replace(FULL, logprob=own, reference_logprob=own)
    pieces = [*FULL.answer_pieces[:4], "b", "c", "d", "e", "f"]
    return first, replace(ELASTIC, reference_logprob=other, answer_pieces=pieces)


def test_certainty_is_the_probability_of_the_first_sides_token(show):
    first, second = certain()
    page = show(whole((first, second)))
    a, b = (points(page, f'path.tv-sure[data-side="{side}"]') for side in "ab")
    slope, start = np.polyfit(np.exp(first.logprob), a[:, 1], 1)
    assert np.allclose(a[:, 1], start + slope * np.exp(first.logprob), atol=0.3) and slope < 0
    assert np.allclose(b[:, 1], start + slope * np.exp(second.reference_logprob[:5]), atol=0.3)
    # The fall at the third token is plain to see, two tokens before the words differ.
    assert b[2, 1] - a[2, 1] > 40
    assert page.get_attribute(".tv-fork-ring", "data-step") == "5"
    assert "texts differ from here" in page.text_content(".tv-certainty")
    set_step(page, 3)
    label = page.get_attribute(".tv-certainty", "aria-label")
    assert "Full cache 97 %" not in label and "Full cache 94 %" in label and "Elastic cache 3 %" in label
    set_step(page, 7)
    assert "Elastic cache – (texts differ since token 5)" in page.get_attribute(".tv-certainty", "aria-label")


def test_equal_texts_have_no_mark(show):
    same = replace(FULL, policy="elastic", options={"keep": 0.4}, reference_logprob=FULL.logprob)
    page = show(whole((FULL, same)))
    assert page.locator(".tv-fork-ring").count() == 0
    assert len(points(page, 'path.tv-sure[data-side="b"]')) == FULL.steps


def test_charts_say_where_their_steps_are(show):
    page = show(whole(PAIR))
    for chart in (".tv-memory", ".tv-certainty"):
        place = page.eval_on_selector(chart, "box => box.chart")
        assert place["last"] == 9 and points(page, f"{chart} path[data-side='a']")[-1, 0] == pytest.approx(
            place["x1"], abs=0.1
        )
    assert points(page, '.tv-line[data-side="a"]')[0, 0] == pytest.approx(place["x0"], abs=0.1)


# ---- sources


def test_scripts_stay_small_and_write_texts_only():
    for path in (view.ASSETS / "web").rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300, path.name
        assert "innerHTML" not in text and "insertAdjacentHTML" not in text and "eval(" not in text, path.name
    for template in (view.style(), view.template()):
        assert not any(sign in template for sign in ("`", "${", "{{", "\\"))
