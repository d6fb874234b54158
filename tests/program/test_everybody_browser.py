"""The page for everybody: by keyboard, by ear, on a phone, enlarged, with few colours or without motion."""

import re

import pytest

from tests.axe import violations
from tests.serving import ask, choose_example, state, visitors

SMALL = {"a phone": (390, 844), "200 % on a laptop": (683, 384), "the narrowest": (320, 640)}
LARGE = {"width": 1366, "height": 768}
SETTINGS = ("Settings of side A", "Settings of side B", "Answer", "Recorded runs")
LONG = "Describe the image in detail."


@pytest.fixture(scope="module")
def page(browser, live):
    """A visitor who stays; each test begins with a large screen."""
    with visitors(browser, live) as opened:
        page = opened()
        page.set_default_timeout(120_000)
        page.locator("#badge").filter(has_text="Live").wait_for()
        page.wait_for_selector(".skip-link", state="attached")
        ask(page, "What is at the bottom?")
        yield page


@pytest.fixture(autouse=True)
def as_at_first(page):
    """A large, light screen that shows the live view."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce", forced_colors="none")
    page.set_viewport_size(LARGE)
    open_tab(page, "Live view")
    page.evaluate("window.scrollTo(0, 0)")


def open_tab(page, name):
    """Go to a tab, and wait for what is in it."""
    page.get_by_role("tab", name=name, exact=True).click()
    drawn = {"Lesson": "#lesson .trace-view", "Compare": "#compare", "Plots": "#plots .js-plotly-plot >> nth=5"}
    page.wait_for_selector(drawn.get(name, "#view .trace-view"), state="attached")


def resize(page, name):
    """One of the small screens, as a page is that begins on it."""
    width, height = SMALL[name]
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_function("getComputedStyle(document.querySelector('#drawer')).display !== 'none'")


def box_of(page, selector):
    """Where something is on the screen: left, top, right, bottom."""
    box = page.locator(selector).first.bounding_box()
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def focused(page):
    """What has the focus: its id, or its class, or its name."""
    return page.evaluate(
        "(({ id, className, ariaLabel, tagName }) => id || className || ariaLabel || tagName)(document.activeElement)"
    )


def test_axe_finds_nothing_to_complain_of_in_light_and_in_dark_on_any_tab(page):
    for name in SETTINGS:
        page.get_by_text(name, exact=True).first.click()
    page.get_by_label("Longest answer (tokens)").first.wait_for()
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=scheme == "dark")
        for tab in ("Live view", "Lesson", "Compare", "Plots"):
            open_tab(page, tab)
            found[scheme, tab] = violations(page)
    for name in SETTINGS:
        page.get_by_text(name, exact=True).first.click()
    assert {where: what for where, what in found.items() if what} == {}


def test_axe_finds_nothing_to_complain_of_on_a_phone_and_for_projectors(page, browser, live):
    resize(page, "a phone")
    found = {"phone": violations(page)}
    page.click("#drawer")
    found["settings of a phone"] = violations(page)
    page.click("#drawer")
    with visitors(browser, live) as opened:
        found["projector"] = violations(opened("?present=1"))
    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.parametrize("screen", SMALL)
def test_a_small_screen_begins_with_question_and_both_answers_and_nothing_is_cut_off_at_its_side(page, screen):
    choose_example(page, 5, "Describe")
    resize(page, screen)
    ask(page, "What is at the bottom?")
    width, height = SMALL[screen]
    dock = box_of(page, "#asking")
    assert dock[3] <= height and box_of(page, "#question")[1] >= dock[1]
    for part in ('.tv-turn[data-shown="true"] .tv-question', '.tv-answer[data-side="a"]', '.tv-answer[data-side="b"]'):
        left, top, right, bottom = box_of(page, part)
        assert left >= 0 and right <= width and top >= 0 and bottom <= dock[1], part
    for tab in ("Live view", "Lesson", "Compare"):
        if page.get_by_role("tab", name=tab, exact=True).is_visible():
            open_tab(page, tab)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, tab


def test_on_a_small_screen_settings_are_put_away_behind_a_button_that_says_so(page):
    resize(page, "a phone")
    button = page.locator("#drawer")
    assert button.get_attribute("aria-expanded") == "false" and not page.locator("#keep").is_visible()
    assert page.locator("#examples").is_visible() and page.locator("#picture img").is_visible()
    button.click()
    assert button.get_attribute("aria-expanded") == "true" and page.locator("#policy-b").is_visible()
    page.locator("#keep input[type=number]").focus()
    page.keyboard.press("Escape")
    assert button.get_attribute("aria-expanded") == "false" and focused(page) == "drawer"
    with page.expect_file_chooser():
        page.get_by_role("button", name="Choose a picture of your own").click()


def test_by_keys_alone_one_skips_chooses_asks_looks_and_asks_again(page):
    page.evaluate("document.activeElement.blur()")
    page.locator(".skip-link").focus()
    page.keyboard.press("Enter")
    assert "trace-view" in focused(page)
    page.locator("#examples button").nth(2).focus()
    assert "rabbits" in page.locator("#examples button").nth(2).get_attribute("aria-label")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#question textarea').value.includes('rabbits')")
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    for question in ("How many rabbits are there?", "What is in the center?"):
        page.locator("#question textarea").focus()
        page.keyboard.press("Control+a")
        page.keyboard.type(question)
        before = state(page)["run"]
        page.keyboard.press("Enter")
        finished(page, before)
    turns = page.locator("#view .tv-turn")  # the lesson's view, once it was opened, has one of its own
    assert turns.count() == 2
    turns.nth(0).locator(".tv-look").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector('#view .tv-turn[data-shown="true"]:first-child')
    assert "tv-look" in focused(page)
    before = state(page)["run"]
    turns.nth(1).locator(".tv-retry").focus()
    page.keyboard.press("Enter")
    finished(page, before)
    assert "tv-retry" in focused(page), "the button of the turn that took its place"
    page.locator("#controls").get_by_text("Answer", exact=True).locator("xpath=ancestor::button").focus()
    page.keyboard.press("Enter")
    page.locator("#tokens").wait_for()
    page.keyboard.press("Enter")
    page.locator("#tokens").wait_for(state="hidden")


def finished(page, before):
    """Until another run than `before` is complete and the next question can be asked."""
    page.wait_for_function("run => document.querySelector('.trace-view').dataset.run !== run", arg=before)
    page.wait_for_selector('.trace-view[data-done="true"]')
    page.wait_for_selector("#ask:not([disabled])")


def test_the_focus_is_never_lost(page):
    choose_example(page, 5, "Describe")
    lost = "document.activeElement === document.body"
    page.locator("#ask").focus()
    before = state(page)["run"]
    page.keyboard.press("Enter")
    finished(page, before)
    page.wait_for_function(f"!({lost})")
    assert page.evaluate("document.activeElement.closest('#asking') !== null")
    page.locator(".tv-turn .tv-edit").focus()
    page.keyboard.press("Enter")
    assert "tv-edit-box" in focused(page)
    before = state(page)["run"]
    page.keyboard.press("Enter")
    finished(page, before)
    page.wait_for_function(f"!({lost})")
    assert page.evaluate("document.activeElement.closest('.tv-turn, #asking') !== null")
    page.locator("#clear").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    assert focused(page) == "clear"
    page.locator("#policy-b input").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('#policy-b') !== null")
    page.wait_for_selector('#policy-b input[aria-expanded="false"]', state="attached")
    page.get_by_label("Remove Image").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('#picture') !== null")
    choose_example(page, 5, "Describe")


# What WCAG 2.2, 2.5.8, leaves out: words of a sentence that can be pointed at or followed, tokens of which each has a
# neighbour (a list of them is stepped through with arrows), what the browser itself draws, and what has room around it.
TARGETS = """() => {
  const pressed = 'button, a[href], input, select, textarea, summary, [role=button], [role=tab], [role=radio]';
  const isSeen = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const isLeftOut = (node) => node.matches('p a, li a, .tv-strip *, input[type=range], input[type=checkbox]');
  const isMeant = (node) => isSeen(node) && !node.closest(".skip-link, .visually-hidden");
  const seen = [...document.querySelectorAll(pressed)].filter(isMeant);
  const boxes = seen.map((node) => node.getBoundingClientRect());
  const near = (a, b) => {
    const [x, y] = [a.left + a.width / 2, a.top + a.height / 2];
    return Math.hypot(Math.max(b.left - x, 0, x - b.right), Math.max(b.top - y, 0, y - b.bottom)) < 12;
  };
  const isOther = (node, other) => node !== other && !node.contains(other) && !other.contains(node);
  return seen.filter((node, i) => {
    const box = boxes[i];
    if (!box.width || !box.height || Math.min(box.width, box.height) >= 23.5 || isLeftOut(node)) return false;
    return boxes.some((other, j) => isOther(node, seen[j]) && other.width && near(box, other));
  }).map((node) => node.outerHTML.slice(0, 120));
}"""


def test_what_is_pressed_is_at_least_24_pixels_large_or_has_room_around_it(page):
    small = {"a large screen": page.evaluate(TARGETS)}
    open_tab(page, "Compare")
    small["Compare"] = page.evaluate(TARGETS)
    open_tab(page, "Live view")
    resize(page, "a phone")
    page.click("#drawer")
    small["a phone"] = page.evaluate(TARGETS)
    page.click("#drawer")
    assert {where: what for where, what in small.items() if what} == {}


WATCH = """() => {
  [window.eye, ...window.ears ?? []].forEach((one) => one?.disconnect());
  window.ears = [];
  window.shifts = [];
  window.eye = new PerformanceObserver((list) => {
    const moved = ({ sources }) => sources.map(({ node }) => node?.className ?? node?.nodeName).join(', ');
    const own = list.getEntries().filter((one) => !one.hadRecentInput);
    window.shifts.push(...own.map((one) => [one.value, moved(one)]));
  });
  window.eye.observe({ type: 'layout-shift' });
  window.told = false;
  new MutationObserver(() => { window.told ||= Boolean(document.querySelector('.tv-telling-now')); })
    .observe(document.querySelector('#view .trace-view'), { attributeFilter: ['class'] });
  window.heard = [];
  const live = '[aria-live]:not([aria-live=off]), [role=status], [role=alert], output:not([aria-live])';
  document.querySelectorAll(live).forEach((box) => {
    let was = box.textContent;
    const ear = new MutationObserver(() => {
      if (box.textContent !== was) window.heard.push(was = box.textContent);
    });
    ear.observe(box, { childList: true, characterData: true, subtree: true });
    window.ears.push(ear);
  });
}"""


@pytest.mark.parametrize("screen", ["a laptop", "a phone"])
def test_hardly_anything_jumps_from_ask_to_the_end_and_who_listens_is_told_of_both(page, screen):
    choose_example(page, 5, "Describe")
    if screen != "a laptop":
        resize(page, screen)
    page.emulate_media(reduced_motion="no-preference")  # so that the pictures tell
    ask(page, "How many objects are there?")
    page.wait_for_selector(".trace-view:not(.tv-telling-now)")
    page.wait_for_function("document.querySelector('.tv-aloud').textContent.includes('finished after')")
    page.evaluate(WATCH)
    ask(page, LONG)
    page.wait_for_selector(".trace-view:not(.tv-telling-now)")
    page.wait_for_function("window.heard.at(-1)?.includes('finished after')")
    assert page.evaluate("window.told"), "the pictures told what the caches keep"
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < 0.05, [shift for shift in shifts if shift[0] > 0.003]
    heard = [text for text in page.evaluate("window.heard") if text]
    assert 2 <= len(heard) <= 9, heard
    assert len({text.translate(str.maketrans("", "", "0123456789")) for text in heard}) == len(heard), (
        "numbers are read out"
    )


MOVED = """() => new Promise((resolve) => {
  new PerformanceObserver((list) => resolve(list.getEntries().map(({ value }) => value)))
    .observe({ type: 'layout-shift', buffered: true });
})"""


@pytest.mark.parametrize("screen", [(390, 844), (1366, 768), (1440, 900)])
def test_a_page_that_is_loaded_has_room_for_what_comes_and_its_first_answer_stands_whole(browser, live, screen):
    with visitors(browser, live) as opened:
        page = opened("?level=1", viewport=dict(zip(("width", "height"), screen, strict=True)))
        page.locator("#badge").filter(has_text="Live").wait_for()
        page.wait_for_selector("#suggestions .gallery-item", state="attached")
        page.wait_for_selector(".tv-story > span")
        assert sum(page.evaluate(MOVED)) < 0.1
        if screen[0] < 760:
            return
        for _ in range(2):  # of the recorded run, and of what is asked
            bar, asking = box_of(page, ".tv-sizes"), box_of(page, "#asking")
            assert bar[3] <= asking[1] or bar[1] >= asking[3], "the buttons over the pictures are cut"
            ask(page, "What is at the bottom?")


def test_what_is_said_of_the_page_is_true_where_all_stands_in_one_column(page):
    resize(page, "a phone")
    open_tab(page, "Compare")
    said = page.inner_text("#compare-tab")
    assert "the chosen picture" in said and not re.search(r"\bon the (left|right)\b", said)


def test_where_nothing_is_told_yet_no_line_stands_for_it(page):
    ask(page, "What is at the bottom?")
    page.evaluate("document.querySelector('.tv-story').replaceChildren()")
    assert page.locator(".tv-told > *").evaluate_all("(all) => all.every((one) => !one.checkVisibility())")


def test_without_motion_nothing_moves_by_itself(page):
    ask(page, LONG, wait=False)
    moving = "document.getAnimations().filter((one) => one.effect.getTiming().duration > 10).length"
    assert page.evaluate(moving) == 0
    page.wait_for_selector("#ask:not([disabled])")


def test_with_forced_colours_cards_bars_and_heat_are_still_seen(page):
    page.emulate_media(forced_colors="active", color_scheme="dark")
    seen = """() => {
      const style = (selector) => getComputedStyle(document.querySelector('#view ' + selector));
      const bar = getComputedStyle(document.querySelector('#view .tv-bytes-bar'), '::before').backgroundColor;
      const canvas = document.querySelector('#view .tv-patches');
      const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      return { border: style('.tv-answer').borderLeftColor, ground: style('.tv-answer').backgroundColor, bar,
        colours: new Set([...new Uint32Array(pixels.buffer)]).size };
    }"""
    found = page.evaluate(seen)
    assert found["border"] != found["ground"] and found["bar"] not in (found["ground"], "rgba(0, 0, 0, 0)")
    assert found["colours"] > 10, "the picture and its heat"
