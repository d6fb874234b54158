"""The picture under its light, in a browser: it stays a picture, and what is gone looks gone."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.browser.view_page import PAGE_MESSAGES, data, numbers, page_opener  # noqa: F401 (fixtures)
from tests.view_traces import FULL, make, whole

GONE, MERGED, KEPT = 5, 6, 0  # patches of side B in a later turn


def later_turn():
    """A side that dropped a patch and merged another in an earlier turn: neither held a slot when scores were taken."""
    trace = make(2, policy="h2o")
    owner = np.tile(np.arange(len(trace.pieces)), (3, 1, 1))
    gone, merged, kept = (trace.patches[patch] for patch in (GONE, MERGED, KEPT))
    owner[..., gone], owner[..., merged] = -1, kept
    score = np.ones_like(trace.score)
    score[:, [gone, merged]] = np.nan
    score[:, kept] = 9
    nothing = np.full_like(trace.dropped, -1)
    return replace(trace, owner=owner.astype(np.int32), score=score, dropped=nothing, joined=nothing)


PAGE_MESSAGES["later"] = [whole((FULL, later_turn()), name="later", history=[[("What?", "This.")]] * 2)]


def cells(page, side, grid=4, canvas="tv-patches"):
    """Per patch of a picture the pixels of its cell: (patches, height, width, 3)."""
    data(page)
    canvas = page.locator(f'.tv-picture[data-side="{side}"] canvas.{canvas}')
    # As it is painted: a screenshot of what lies between two pixels of the screen would be blurred.
    png = base64.b64decode(canvas.evaluate("canvas => canvas.toDataURL().split(',')[1]"))
    shown = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), float)
    high, wide = (size // grid for size in shown.shape[:2])
    cut = shown[: high * grid, : wide * grid].reshape(grid, high, grid, wide, 3)
    return cut.swapaxes(1, 2).reshape(grid * grid, high, wide, 3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("mode", ["importance", "kept"])
def test_in_a_later_turn_what_was_dropped_looks_dropped(show, mode, scheme):
    page = show("later", query=f"?mode={mode}&layer=2&t=0", color_scheme=scheme)
    ground = {"light": 255, "dark": 24}[scheme]
    # Between the lines of the hatching: the median of a cell, without the outline of an anchor.
    left = [abs(np.median(pixels[4:-4, 4:-4]) - ground) for pixels in cells(page, "b")]
    assert left[GONE] < 0.8 * min(distance for patch, distance in enumerate(left) if patch not in (GONE, MERGED))
    if mode == "importance":
        light = [pixels[4:-4, 4:-4].mean() for pixels in cells(page, "b")]
        assert light[KEPT] == max(light[patch] for patch in range(16) if patch != GONE)


def test_a_picture_stays_a_picture_under_every_heat(show):
    page = show("pair", query="?mode=none.none.none.plain")
    plain = cells(page, "a")
    for mode in ("importance.none.none.plain", "looked"):
        for step in (1, 9):
            page = show("pair", query=f"?mode={mode}&t={step}")
            for before, after in zip(plain, cells(page, "a"), strict=True):
                grey = [pixels.mean(2)[3:-3, 3:-3].ravel() for pixels in (before, after)]
                assert np.corrcoef(*grey)[0, 1] > 0.9
                assert grey[1].std() > 0.3 * grey[0].std()


def lit(colours, share, strength=0.7):
    """Pixels under a light, blended in float: colour taken away, dusk laid over, a lamp added as screens add."""
    grey, dark, bright = 0.6 * strength * (1 - share), 0.46 * strength * (1 - share), strength * share
    luma = colours @ [0.3, 0.59, 0.11]
    dusky = (colours + grey * (luma[..., None] - colours)) * (1 - dark) + np.array([18, 24, 48]) * dark
    return 255 - (255 - dusky) * (1 - bright * np.array([182, 153, 59]) / 255)


def test_every_patch_is_as_dim_and_as_colourless_as_its_light_says(show):
    plain = cells(show("pair", query="?mode=none.none.none.plain"), "a")
    page = show("pair", query="?mode=looked&t=1")
    shown, heat = cells(page, "a"), numbers(page, "a", "looked")
    low, high = data(page)["scale"]
    assert np.ptp(plain, axis=-1).mean() > 20, "there is colour to lose"
    for before, after, value in zip(plain, shown, heat, strict=True):
        expected = lit(before, np.clip((value - low) / (high - low), 0, 1))
        assert np.abs(after - expected)[4:-4, 4:-4].mean() < 2
