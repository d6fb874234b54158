"""What the reader of the lesson draws and picks, and the quick movements over a picture, in a browser."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from viz import view
from viz.joiner import joined

HARNESS = Path(__file__).parent.parent / "web" / "draw.js"
ROWS, COLUMNS = 4, 6
# A colour of its own per patch.
COLOURS = np.array([(30 + 9 * patch, 250 - 8 * patch, 40 * (patch % 6)) for patch in range(ROWS * COLUMNS)], np.uint8)

BODY = """
<div id="box"><div class="trace-view" data-sides="2" tabindex="-1"><div class="tv-page">
  <div class="line"></div>
  <div class="tv-pictures" style="max-width: 640px">
    <figure class="tv-picture"><figcaption>A</figcaption>
      <canvas class="tv-patches" data-side="a" tabindex="0"></canvas></figure>
  </div>
</div></div></div>
"""

GIVEN = {
    "tokens": 634,
    "perToken": 12288,
    "total": 634 * 12288,
    "texts": {
        "axis": "tokens read",
        "start": "one token: 12 KiB",
        "yours": "you expect",
        "measured": "measured",
        "handle": "Memory you expect, in bytes",
    },
}
NEAR, FAR = GIVEN["total"] * 1.02, GIVEN["total"] * 0.1


def picture():
    """The patches as an image of 20 pixels each, as a data address."""
    pixels = COLOURS.reshape(ROWS, COLUMNS, 3).repeat(20, 0).repeat(20, 1)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "png")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def draw_page():
    """The page as HTML."""
    css = view.style() + (view.ASSETS / "lesson" / "draw.css").read_text(encoding="utf-8")
    given = json.dumps({"picture": picture(), "rows": ROWS, "columns": COLUMNS})
    return (
        f"<!doctype html><html lang=en><title>draw</title>"
        f"<style>body {{ margin: 0; font-family: sans-serif; }} #box {{ {css} }}</style>"
        f"<body>{BODY}<script>((element, props, server, watch, trigger) => {{ {joined(HARNESS)}\n}})"
        f"(document.querySelector('#box'), {given});</script></body></html>"
    )


@pytest.fixture(scope="module")
def pages(browser):
    """A function for pages that several tests use one after the other, and one for a page alone; and their errors."""
    errors, contexts, shared = [], [], {}

    def fresh(**options):
        contexts.append(browser.new_context(**options))
        # An address of its own: in a document that is written anew a pointer cannot be captured.
        answer = {"body": draw_page(), "content_type": "text/html; charset=utf-8"}
        contexts[-1].route("**/*", lambda route: route.fulfill(**answer))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        return page

    def again(**options):
        key = tuple(options.items())
        if key not in shared:
            shared[key] = fresh(**options)
        return shared[key]

    yield again, fresh, errors
    for context in contexts:
        context.close()


@pytest.fixture
def show(pages):
    """A function that opens the page; fails on errors in it. With `clock`, time stands still until told to go on."""
    again, fresh, errors = pages
    errors.clear()

    def opened(width=600, clock=False, **options):
        page = fresh(**options) if clock else again(**options)
        page.set_viewport_size({"width": width, "height": 900})
        page.mouse.move(0, 890)  # where nothing is
        if clock:
            page.clock.install(time=0)
        page.goto("http://localhost/draw")
        page.wait_for_function("draw.state.pictures[0].complete")
        if clock:
            page.clock.pause_at(3600 * 1000)
        return page

    yield opened
    assert not errors


# ---- the line


def line(page, **given):
    """Build a line and wait until it has its size."""
    page.evaluate(
        """given => {
          draw.line = draw.buildLine(document.querySelector('.line'), given, (bytes) => draw.heard.push(bytes));
        }""",
        GIVEN | given,
    )
    page.wait_for_selector(".ls-chart[viewBox] .tv-grid", state="attached")
    return page.locator(".ls-chart").bounding_box()


def noted(page):
    """What the line's box says about itself."""
    return page.eval_on_selector(".line", "box => ({...box.dataset})")


def top_of(page):
    """The top of the axis, in bytes."""
    return float(page.get_attribute(".ls-handle", "aria-valuemax"))


def y_of(page, selector, end="y2"):
    """Where the end of a line is, in pixels of the chart."""
    return float(page.get_attribute(selector, end))


def axis(page):
    """The place of 0 bytes and how many bytes a pixel is."""
    low, high = y_of(page, ".ls-track"), y_of(page, ".ls-track", "y1")
    return low, top_of(page) / (low - high)


def test_nothing_is_guessed_at_first(show):
    page = show()
    line(page)
    assert noted(page) == {"guess": "", "revealed": "false"}
    assert page.evaluate("draw.line.guess()") is None and page.evaluate("draw.heard") == []
    assert page.locator(".ls-guess").count() == 0 and page.locator(".ls-hint").count() == 1
    handle = page.locator(".ls-handle")
    assert handle.get_attribute("role") == "slider" and handle.get_attribute("tabindex") == "0"
    assert handle.get_attribute("aria-label") == GIVEN["texts"]["handle"]
    assert handle.get_attribute("aria-valuenow") == "0" and handle.get_attribute("aria-valuetext") == "–"
    assert "one token: 12 KiB" in page.locator(".ls-chart").text_content()


@pytest.mark.parametrize(
    "keys, hundredths",
    [
        ("ArrowUp", 1),
        ("ArrowRight ArrowUp ArrowDown", 1),
        ("PageUp PageUp PageDown ArrowLeft", 9),
        ("ArrowDown", 0),
        ("End PageUp", 100),
        ("PageUp Home", 0),
    ],
)
def test_keys_move_the_guess_and_nothing_else(show, keys, hundredths):
    page = show()
    line(page)
    page.focus(".ls-handle")
    for key in keys.split():
        page.keyboard.press(key)
    guess = hundredths / 100 * top_of(page)
    assert page.evaluate("draw.line.guess()") == pytest.approx(guess)
    assert float(noted(page)["guess"]) == pytest.approx(guess)
    assert page.evaluate("draw.heard")[-1] == pytest.approx(guess)
    assert float(page.get_attribute(".ls-handle", "aria-valuenow")) == pytest.approx(guess)
    assert page.evaluate("draw.keys") == [] and page.evaluate("scrollY") == 0
    page.keyboard.press("x")
    assert page.evaluate("draw.keys") == ["x"]


def test_a_drag_from_anywhere_moves_the_guess(show):
    page = show()
    box = line(page)
    zero, bytes_per_pixel = axis(page)
    page.mouse.move(box["x"] + 80, box["y"] + 50)
    assert page.evaluate("draw.heard") == []
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 120)
    expected = (zero - 120) * bytes_per_pixel
    assert page.evaluate("draw.line.guess()") == pytest.approx(expected, abs=bytes_per_pixel)
    assert y_of(page, ".ls-guess") == pytest.approx(120, abs=1)
    value = page.text_content('.tv-label[data-end="guess"]')
    assert value == page.get_attribute(".ls-handle", "aria-valuetext")
    assert float(value.split()[0]) == pytest.approx(expected / 2**20, abs=0.15) and value.endswith("MiB")
    page.mouse.move(box["x"] + 300, -50)  # captured: outside counts too
    assert page.evaluate("draw.line.guess()") == pytest.approx(top_of(page))
    page.mouse.up()
    page.mouse.move(box["x"] + 300, box["y"] + 150)
    assert page.evaluate("draw.line.guess()") == pytest.approx(top_of(page))
    assert len(page.evaluate("draw.heard")) == 3
    assert page.evaluate("document.activeElement.getAttribute('role')") == "slider"


def test_a_finger_drags_up_and_down_without_scrolling(show):
    page = show(width=300, has_touch=True)
    line(page)
    assert page.eval_on_selector(".ls-chart", "box => getComputedStyle(box).touchAction") == "pan-x pinch-zoom"
    page.evaluate("draw.line.reveal(true)")
    assert page.eval_on_selector(".ls-chart", "box => getComputedStyle(box).touchAction") == "auto"


def test_a_guess_can_be_set_and_taken_back(show):
    page = show()
    line(page)
    page.evaluate("draw.line.set(4 * 2 ** 20)")
    assert page.evaluate("draw.line.guess()") == pytest.approx(4 * 2**20, rel=0.02)
    assert page.locator(".ls-hint").count() == 0
    page.evaluate("draw.line.set(1e12)")
    assert page.evaluate("draw.line.guess()") == pytest.approx(top_of(page))
    page.evaluate("draw.line.set(null)")
    assert page.evaluate("draw.line.guess()") is None and page.locator(".ls-guess").count() == 0
    assert page.evaluate("draw.heard") == []


def test_revealed_the_true_total_and_the_distance_are_drawn(show):
    page = show()
    box = line(page)
    page.evaluate("bytes => draw.line.set(bytes)", FAR)
    total = f"{GIVEN['total'] / 2**20:.2f} MiB"
    assert page.locator(".ls-real").count() == 0 and total not in page.locator(".line text").all_text_contents()
    page.evaluate("draw.line.reveal(true)")
    assert noted(page)["revealed"] == "true"
    zero, bytes_per_pixel = axis(page)
    assert y_of(page, ".ls-real") == pytest.approx(zero - GIVEN["total"] / bytes_per_pixel, abs=0.1)
    assert page.text_content('.tv-label[data-end="real"]') == total
    assert total in page.locator(".line text").all_text_contents()
    assert page.text_content('.ls-name[data-end="real"]') == "measured"
    start, end = (float(y) for y in re.search(r"M\S+ (\S+?)V([\d.]+)", page.get_attribute(".ls-gap", "d")).groups())
    assert (end - start) * bytes_per_pixel == pytest.approx(GIVEN["total"] - page.evaluate("draw.line.guess()"))
    page.focus(".ls-handle")
    page.keyboard.press("ArrowUp")
    page.mouse.click(box["x"] + 100, box["y"] + 60)
    assert page.evaluate("draw.heard") == [] and page.evaluate("draw.keys") == []
    page.evaluate("draw.line.reveal(false)")
    page.mouse.move(box["x"] + 100, box["y"] + 60)
    page.mouse.down()
    heard = page.evaluate("draw.line.reveal(true) || draw.heard.length")
    page.mouse.move(box["x"] + 100, box["y"] + 90)  # shown in the middle of a drag
    page.mouse.up()
    assert page.evaluate("draw.heard.length") == heard == 1
    page.evaluate("draw.line.reveal(false)")
    page.focus(".ls-handle")
    assert page.locator(".ls-real").count() == 0
    page.keyboard.press("ArrowUp")
    assert page.evaluate("draw.heard.length") == 2


def test_revealed_without_a_guess_only_the_measured_line_stands(show):
    page = show()
    line(page)
    page.evaluate("draw.line.reveal(true)")
    assert page.locator(".ls-real").count() == 1 and page.locator(".ls-gap, .ls-guess, .ls-hint").count() == 0
    assert page.locator(".ls-name[data-end]").all_text_contents() == ["measured"]
    assert not page.is_visible(".ls-handle")


@pytest.mark.parametrize("motion, count", [("no-preference", 1), ("reduce", 0)])
def test_the_measured_line_is_drawn_on_unless_motion_is_unwanted(show, motion, count):
    page = show(reduced_motion=motion)
    line(page)
    page.evaluate("draw.line.reveal(true)")
    assert page.eval_on_selector(".ls-real", "line => line.getAnimations().length") == count


LONG = {
    "axis": "gelesene Tokens",
    "start": "ein einziges Token: 12 KiB",
    "yours": "Ihre Erwartung",
    "measured": "gemessen",
    "handle": "Speicher",
}


@pytest.mark.parametrize("width", [300, 600, 1000])
@pytest.mark.parametrize("texts", [GIVEN["texts"], LONG], ids=["short", "long"])
def test_labels_stay_inside_and_apart(show, width, texts):
    page = show(width=width)
    chart = line(page, texts=texts)
    assert 200 <= chart["height"] <= 260 and chart["width"] == width
    for guess in (None, 0, FAR, NEAR, GIVEN["total"] * 0.98, GIVEN["total"], top_of(page)):
        for shown in (False, True):
            page.evaluate("([bytes, shown]) => { draw.line.set(bytes); draw.line.reveal(shown); }", [guess, shown])
            boxes = page.locator(".ls-chart text").evaluate_all(
                "all => all.map(text => { const box = text.getBoundingClientRect();"
                " return [text.textContent, box.left, box.top, box.right, box.bottom]; })"
            )
            for name, left, top, right, bottom in boxes:
                assert left >= 0 and right <= width, name
                assert top >= chart["y"] and bottom <= chart["y"] + chart["height"], name
            for i, (name, left, top, right, bottom) in enumerate(boxes):
                for other, left2, top2, right2, bottom2 in boxes[:i]:
                    across = min(right, right2) - max(left, left2)
                    # Boxes of texts are higher than their letters.
                    down = min(bottom, bottom2) - max(top, top2)
                    assert across <= 0 or down <= 0.35 * min(bottom - top, bottom2 - top2), (name, other, guess)


def test_lines_end_before_the_labels(show):
    page = show(width=300)
    line(page)
    page.evaluate("bytes => { draw.line.set(bytes); draw.line.reveal(true); }", FAR)
    ends = page.locator(".ls-real, .ls-guess").evaluate_all("all => all.map(line => Number(line.getAttribute('x2')))")
    starts = page.locator("text[data-end]").evaluate_all("all => all.map(text => Number(text.getAttribute('x')))")
    assert max(ends) < min(starts) and page.locator(".ls-track").bounding_box()["x"] > 130


def test_the_line_follows_size_and_font(show):
    page = show(width=600)
    line(page)
    page.evaluate("bytes => draw.line.set(bytes)", FAR)
    before = y_of(page, ".ls-guess", "x2")
    page.set_viewport_size({"width": 400, "height": 900})
    page.wait_for_function("document.querySelector('.ls-chart').getAttribute('viewBox').startsWith('0 0 400 ')")
    narrow = y_of(page, ".ls-guess", "x2")
    assert before - narrow == pytest.approx(200, abs=5)
    font = "size => { document.querySelector('.line').style.fontSize = size; }"
    page.evaluate(font, "20px")
    page.wait_for_function("x => Number(document.querySelector('.ls-guess').getAttribute('x2')) < x", arg=narrow - 10)
    larger = y_of(page, ".ls-guess", "x2"), page.locator(".ls-chart").bounding_box()
    page.evaluate(font, "24px")  # as high as before
    page.wait_for_function(
        "x => Number(document.querySelector('.ls-guess').getAttribute('x2')) < x", arg=larger[0] - 10
    )
    assert page.locator(".ls-chart").bounding_box()["height"] == larger[1]["height"]


# ---- picks


def pick(page, count=3):
    """Start picking."""
    page.evaluate(
        "count => { draw.picks = draw.buildPicks(draw.canvas, count, (picks) => draw.heard.push(picks.join())); }",
        count,
    )


def place(page, patch, columns=COLUMNS, rows=ROWS):
    """The middle of a patch on the canvas, in pixels."""
    box = page.locator(".tv-patches").bounding_box()
    return box["width"] * (patch % columns + 0.5) / columns, box["height"] * (patch // columns + 0.5) / rows


def click(page, *patches):
    for patch in patches:
        x, y = place(page, patch)
        page.locator(".tv-patches").click(position={"x": x, "y": y})


def picked(page):
    """The patches that are picked, in their order."""
    return page.evaluate("draw.picks.picks()")


def fates_of(page):
    """What became of each of them; None while that is not revealed."""
    return page.evaluate("draw.picks.fates()")


def pixels(page, *points):
    """The colours of a sheet over the canvas at places in pixels of the page, (n, 4)."""
    given = page.evaluate(
        """points => {
          const sheet = document.querySelector('.ls-over');
          const pen = sheet.getContext('2d');
          return points.map(([x, y]) => [...pen.getImageData(x * sheet.ratio, y * sheet.ratio, 1, 1).data]);
        }""",
        [[float(x), float(y)] for x, y in points],
    )
    return np.array(given)


def over_canvas(page):
    """Whether the sheet lies exactly over the canvas."""
    canvas, sheet = (page.locator(name).bounding_box() for name in (".tv-patches", ".ls-over"))
    return canvas == pytest.approx(sheet, abs=0.1) and canvas["width"] > 0


ANCHOR = (216, 27, 114, 255)


def test_a_click_picks_and_another_one_unpicks(show):
    page = show()
    pick(page)
    assert picked(page) == []
    click(page, 8, 3, 20)
    assert picked(page) == [8, 3, 20]
    click(page, 3)
    assert picked(page) == [8, 20]
    assert page.evaluate("draw.heard") == ["8", "8,3", "8,3,20", "8,20"]
    assert page.evaluate("draw.state.locked") is False


def test_more_than_the_asked_for_patches_are_ignored(show):
    page = show()
    pick(page, 2)
    click(page, 1, 2, 5)
    assert picked(page) == [1, 2] and page.evaluate("draw.heard") == ["1", "1,2"]
    assert page.evaluate("draw.state.locked") is False
    click(page, 1, 5)
    assert picked(page) == [2, 5]


def test_enter_picks_the_patch_that_keys_point_at(show):
    page = show()
    pick(page)
    page.focus(".tv-patches")
    page.keyboard.press("Enter")  # none is pointed at yet
    assert picked(page) == [] and page.evaluate("draw.keys") == ["Enter"]
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert picked(page) == [COLUMNS + 1, COLUMNS + 2]
    assert page.evaluate("draw.state.locked") is False and page.evaluate("draw.keys").count("Enter") == 1
    page.keyboard.down("Enter")
    page.keyboard.down("Enter")  # repeats while it is down
    page.keyboard.up("Enter")
    assert picked(page) == [COLUMNS + 1]


def test_picks_can_be_set(show):
    page = show()
    pick(page)
    page.evaluate("draw.picks.set([7, 7, -1, 24, 5, 6, 9])")
    assert picked(page) == [7, 5, 6] and page.evaluate("draw.heard") == []


def test_a_pick_is_a_light_ring_on_a_dark_disc(show):
    page = show()
    pick(page)
    page.evaluate("draw.picks.set([8])")
    x, y = place(page, 8)
    disc, ring, edge, outside, other = pixels(page, (x - 15, y), (x - 20, y), (x - 22, y), (x - 25, y), place(page, 9))
    assert disc[:3].max() < 60 and disc[3] > 230
    assert ring[:3].min() > 240 and ring[3] == 255
    assert edge[:3].max() < 60 and edge[3] > 150
    assert outside[3] == other[3] == 0
    around = pixels(page, *((x + dx, y + dy) for dx in range(-8, 9, 2) for dy in range(-10, 11, 2)))
    assert (around[:, :3].min(1) > 240).any(), "its number is white"


def test_rings_of_small_patches_at_the_edge_are_whole(show):
    page = show(width=300)
    page.evaluate("Object.assign(draw.state, draw.oneView(24, 36))")
    pick(page)
    page.evaluate("draw.picks.set([0, 35, 24 * 36 - 1])")
    width, height = (page.locator(".tv-patches").bounding_box()[name] for name in ("width", "height"))
    points = [(x, y) for x in range(int(width)) for y in (0, height - 1)]
    points += [(x, y) for x in (0, width - 1) for y in range(int(height))]
    # The grid's lines end at the edge, and are fainter than any ring.
    assert pixels(page, *points)[:, 3].max() < 80
    middles = pixels(page, (13, 6), (width - 13, 6), (width - 13, height - 6))
    assert (middles[:, 3] > 200).all()


def test_the_sheet_stays_over_the_canvas(show):
    page = show()
    pick(page)
    page.evaluate("draw.picks.set([8])")
    assert over_canvas(page)
    page.set_viewport_size({"width": 420, "height": 900})
    page.wait_for_function("document.querySelector('.ls-over').width === 420")
    assert over_canvas(page) and pixels(page, place(page, 8))[0, 3] > 200
    page.evaluate("document.querySelector('figcaption').style.height = '90px'")
    page.wait_for_function("parseFloat(document.querySelector('.ls-over').style.top) > 90")
    assert over_canvas(page)
    page.evaluate("document.querySelector('.line').style.height = '150px'")
    assert over_canvas(page)
    page.evaluate("document.querySelector('.tv-picture').style.display = 'none'")
    page.evaluate("draw.picks.set([8, 9])")
    page.evaluate("document.querySelector('.tv-picture').style.display = ''")
    page.wait_for_function("document.querySelector('.ls-over').width === 420")
    assert over_canvas(page) and pixels(page, place(page, 9))[0, 3] > 200


def fates(seed):
    """Made-up owners: per patch the patch in whose slot it is, -1 for text, None where it was dropped."""
    rng = np.random.default_rng(seed)
    anchors = sorted(rng.choice(ROWS * COLUMNS, 6, replace=False).tolist())
    owners = [rng.choice([*anchors, -1, -2]).item() for _ in range(ROWS * COLUMNS)]
    return anchors, [p if p in anchors else None if owner == -2 else owner for p, owner in enumerate(owners)]


def reveal(page, anchors, owners):
    page.evaluate(
        "([anchors, owners]) => draw.picks.reveal({ anchors: new Set(anchors), ownerOf: (patch) => owners[patch] })",
        [anchors, owners],
    )


@pytest.mark.parametrize("seed", range(3))
def test_revealed_picks_are_hits_or_say_where_their_tokens_went(show, seed):
    page = show()
    anchors, owners = fates(seed)
    picks = np.random.default_rng(seed + 50).permutation(ROWS * COLUMNS)[:12].tolist()
    pick(page, 12)
    page.evaluate("picks => draw.picks.set(picks)", picks)
    assert fates_of(page) is None
    reveal(page, anchors, owners)
    hits = [patch for patch in picks if patch in anchors]
    words = {None: "dropped", -1: "text"}
    went = ["hit" if patch in anchors else words.get(owners[patch], owners[patch]) for patch in picks]
    assert fates_of(page) == [[patch, fate] for patch, fate in zip(picks, went, strict=True)]
    for patch in picks:
        x, y = place(page, patch)
        (colour,) = pixels(page, (x - 15, y))
        assert (tuple(colour) == ANCHOR) == (patch in hits), patch


def test_a_line_leads_from_a_missed_pick_to_its_anchor(show):
    page = show()
    pick(page)
    page.evaluate("draw.picks.set([6, 1, 20])")
    reveal(page, [10], [10 if patch in (6, 10) else None if patch == 1 else -1 for patch in range(ROWS * COLUMNS)])
    x, y = place(page, 8)  # midway from patch 6 to patch 10
    line_, edge, beside = pixels(page, (x, y), (x, y - 2.5), (x, y - 6))
    assert tuple(line_) == (0x5B, 0x5B, 0x66, 255) and edge[:3].min() > 230 and beside[3] == 0
    x, y = place(page, 10)
    assert tuple(pixels(page, (x - 48, y - 20))[0]) == ANCHOR
    for patch in (1, 20):
        x, y = place(page, patch)
        ways = [(x + 30 * np.cos(angle), y + 30 * np.sin(angle)) for angle in np.linspace(0, 6, 60)]
        assert not pixels(page, *ways)[:, 3].any(), "no line where there is no anchor"


def test_once_revealed_clicks_are_the_views_again(show):
    page = show()
    pick(page)
    click(page, 4)
    reveal(page, [4], [4] * (ROWS * COLUMNS))
    click(page, 9)
    assert picked(page) == [4] and fates_of(page) == [[4, "hit"]]
    assert page.evaluate("[draw.state.locked, draw.state.hover.patch]") == [True, 9]


def test_stopped_nothing_is_left(show):
    page = show()
    pick(page)
    click(page, 4)
    page.evaluate("draw.picks.stop()")
    assert page.locator(".ls-over, .ls-under").count() == 0
    click(page, 9)
    assert page.evaluate("draw.heard") == ["4"] and page.evaluate("draw.state.locked") is True


# ---- motion

# Two anchors with a piece each that slides to them; the rest went into text or was dropped.
OWNERS = [{7: 7, 5: 7, 16: 16, 23: 16}.get(patch, -1 if patch < 14 else None) for patch in range(ROWS * COLUMNS)]
PLAIN = (0xD9, 0xD9, 0xDE, 255)
KINDS = ("cut", "slide")


def play(page, kind):
    """Start a movement; how often it is done and how many sheets there are at once."""
    return page.evaluate(
        """([kind, owners]) => {
          draw.done = 0;
          const done = () => draw.done++;
          draw.cancel = kind === 'cut' ? draw.cutMotion(draw.canvas, done)
            : draw.slideMotion(draw.canvas, (patch) => owners[patch], done);
          return [draw.done, document.querySelectorAll('.ls-over').length];
        }""",
        [kind, OWNERS],
    )


def ended(page):
    return page.evaluate("draw.done"), page.locator(".ls-over").count()


def test_a_movement_ends_once_and_leaves_nothing(show):
    page = show(clock=True)
    for kind in KINDS:
        assert play(page, kind) == [0, 1] and over_canvas(page)
        page.clock.run_for(500)
        assert ended(page) == (0, 1)
        page.clock.run_for(700)
        assert ended(page) == (1, 0) and page.locator(".ls-under").count() == 0
        page.evaluate("draw.cancel()")
        page.clock.run_for(1500)
        assert ended(page) == (1, 0)


def test_a_cancelled_movement_is_done_once(show):
    page = show(clock=True)
    for kind in KINDS:
        play(page, kind)
        page.clock.run_for(300)
        page.evaluate("draw.cancel()")
        assert ended(page) == (1, 0)
        page.evaluate("draw.cancel()")
        page.clock.run_for(1500)
        assert ended(page) == (1, 0)


def test_a_movement_without_frames_ends_too(show):
    page = show(clock=True)
    page.evaluate("window.requestAnimationFrame = () => 0")
    for kind in KINDS:
        play(page, kind)
        page.clock.run_for(1200)
        assert ended(page) == (1, 0)


def test_unwanted_motion_is_done_at_once(show):
    page = show(reduced_motion="reduce")
    for kind in KINDS:
        assert play(page, kind) == [1, 0]
        page.evaluate("draw.cancel()")
        assert ended(page) == (1, 0)


@pytest.mark.parametrize(
    "hinder",
    [
        "document.querySelector('.tv-picture').style.display = 'none'",
        "draw.state.pictures = [null]",
        "draw.state.pictures = [new Image()]",
    ],
    ids=["hidden", "no picture", "picture not loaded"],
)
def test_where_nothing_would_be_seen_nothing_moves(show, hinder):
    page = show()
    page.evaluate(hinder)
    for kind in KINDS:
        assert play(page, kind) == [1, 0]


def test_the_cut_picture_has_gaps_between_its_patches(show):
    page = show(clock=True)
    play(page, "cut")
    middles = [place(page, patch) for patch in range(ROWS * COLUMNS)]

    def gap():
        x, y = middles[8]
        row = pixels(page, *((x + dx, y) for dx in range(100)))
        return (row == PLAIN).all(1).sum()

    gaps = [gap()]
    for _ in range(4):
        page.clock.run_for(250)
        gaps.append(gap())
        assert np.abs(pixels(page, *middles)[:, :3] - COLOURS).max() <= 6
    assert gaps[0] == 0 and max(gaps) > 20 and 5 < gaps[-1] < 16


def test_pieces_slide_to_their_anchors_and_others_fade(show):
    page = show(clock=True)
    play(page, "slide")
    middles = [place(page, patch) for patch in range(ROWS * COLUMNS)]
    page.clock.run_for(550)
    # Midway patch 5, in the top right corner, has left its place for patch 7 and is on the line to it.
    (start, end), steps = np.array([middles[5], middles[7]]), np.linspace(0, 1, 40)[:, None]
    seen = np.abs(pixels(page, *(start + (end - start) * steps))[:, :3] - COLOURS[5]).max(1) < 4
    assert seen.any() and not seen[0] and not seen[-1]
    gone = [patch for patch, owner in enumerate(OWNERS) if owner in (-1, None)]
    away = np.abs(pixels(page, *(middles[patch] for patch in gone))[:, :3] - COLOURS[gone]).max(1) > 15
    assert away.mean() > 0.8
    page.clock.run_for(450)
    colours = pixels(page, *middles)
    for patch, owner in enumerate(OWNERS):
        assert tuple(colours[patch]) == ((*COLOURS[patch], 255) if owner == patch else PLAIN), patch
    x, y = middles[7]
    assert np.abs(pixels(page, (x - 49, y))[0] - ANCHOR).max() < 80


def test_picks_stay_in_place_while_a_movement_comes_and_goes(show):
    page = show(clock=True)
    pick(page)
    page.evaluate("draw.picks.set([8])")
    assert play(page, "cut") == [0, 2]
    page.clock.run_for(1300)
    assert ended(page) == (1, 1) and over_canvas(page)
