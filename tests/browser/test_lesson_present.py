"""The lesson on a projector, on a phone, on paper and in the real page."""

import re

import numpy as np
import pytest

from page.lesson import lesson_file
from tests.browser.contrast import CONTRASTS
from tests.browser.lesson_page import (
    ALL_DONE,
    FULL,
    LESSON,
    NUMBERS,
    STEPS,
    answered_state,
    box_pieces,
    check_view,
    filled,
    go,
    kept_progress,
    lesson_opener,  # noqa: F401 (fixture)
    lesson_pages,  # noqa: F401 (fixture)
    patch_at,
    place_of,
    reach_of,
    right_of,
    seen,
    slide_time,
    state_of,
)
from viz.facts import size
from viz.lesson_texts import plain

WORDS = LESSON["words"]
WIDE = {"viewport": {"width": 1920, "height": 1080}}
SMALL = {"viewport": {"width": 1024, "height": 768}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 1}

# What is not inside the window, or is in a box that has to be scrolled; and the smallest text of the card.
OUTSIDE = """
() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const page = document.querySelector('.ls-page');
  const found = [];
  const check = ({ left, top, right, bottom }, what) => {
    if (left < -1 || top < -1 || right > innerWidth + 1 || bottom > innerHeight + 1) {
      found.push(`${what}: ${[left, top, right, bottom].map(Math.round)}`);
    }
  };
  const texts = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
  const sizes = [];
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !node.checkVisibility() || node.closest('.tv-aloud, option')) continue;
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    [...range.getClientRects()].forEach((box) => check(box, texts.currentNode.textContent.trim().slice(0, 40)));
    if (node.closest('.ls-text, .ls-ask, .ls-box')) sizes.push(parseFloat(getComputedStyle(node).fontSize));
  }
  const boxes = [...page.querySelectorAll('canvas, svg, button')].filter((node) => node.checkVisibility());
  boxes.filter((node) => node.clientWidth).forEach((node) => {
    check(node.getBoundingClientRect(), node.getAttribute('class'));
  });
  const shown = [...page.querySelectorAll('*')].filter((node) => node.checkVisibility() && !node.closest('.tv-aloud'));
  shown.forEach((node) => {
    const { overflowX, overflowY } = getComputedStyle(node);
    const scrolls = [['scrollHeight', 'clientHeight', overflowY], ['scrollWidth', 'clientWidth', overflowX]]
      .some(([all, shown, way]) => node[all] > node[shown] + 1 && /auto|scroll|hidden/.test(way));
    if (scrolls) found.push(`scrolls: ${node.className}`);
  });
  const { scrollWidth, scrollHeight } = document.documentElement;
  if (scrollWidth > innerWidth || scrollHeight > innerHeight) found.push(`page: ${scrollWidth} x ${scrollHeight}`);
  done({ found, smallest: Math.min(...sizes) / innerHeight });
})))
"""


# ---- in front of a class


@pytest.mark.parametrize("window", [WIDE, SMALL], ids=["1920 x 1080", "1024 x 768"])
def test_all_of_a_step_can_be_seen_at_once(teach, window):
    page = teach("?present=1", **window)
    wrong = {}
    for number in NUMBERS:
        go(page, number)
        for phase, key in (("text", None), ("question", " "), ("answer", "r")):
            if key:
                page.keyboard.press(key)
            now = page.evaluate(OUTSIDE)
            if now["found"] or now["smallest"] < 0.02:
                wrong[f"step {number}, {phase}"] = now
    assert wrong == {}


def give_answer(page, number):
    """What somebody in the class might answer, wrong where it can be wrong."""
    ask = STEPS[number - 1]["ask"]
    if ask["kind"] == "point":
        page.mouse.click(*patch_at(page, 37, "a"))
    elif ask["kind"] == "line":
        box = page.locator(".ls-chart").bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.click(".ls-reveal")
    elif ask["kind"] == "pick":
        for patch in range(20, 20 + ask["count"]):
            page.mouse.click(*patch_at(page, patch))
        page.click(".ls-reveal")
    elif ask["kind"] == "reach":
        slide_time(page, reach_of(STEPS[number - 1]))
    else:
        page.keyboard.press(str(2 - right_of(ask)))  # another one


def check_nothing_is_given_away(page):
    """No mark, no reply, no box, no measured line and no anchors."""
    now = seen(page)
    assert now["lesson"]["answered"] == "false"
    assert now["reply"] == (WORDS["reveal_key"] if now["hidden"] else "") and not now["box"]
    assert all(mark == "" for _, mark in now["options"])
    assert page.locator(".ls-real, .ls-chart [data-end=real]").count() == 0
    assert now["line"].get("revealed") != "true" or not page.locator(".ls-chart").count()
    assert now["picks"]["fates"] is None
    step = STEPS[int(now["lesson"]["step"]) - 1]
    if step["ask"]["kind"] == "pick":
        check_view(now, state_of(step, acted=now["lesson"]["phase"] == "act"))
    return now


def test_answers_are_hidden_until_they_are_asked_for(teach):
    page = teach("?present=1", **SMALL)
    for number in NUMBERS:
        step = go(page, number)
        check_nothing_is_given_away(page)
        page.keyboard.press(" ")
        check_nothing_is_given_away(page)
        give_answer(page, number)
        assert check_nothing_is_given_away(page)["hidden"]
        page.keyboard.press("r")
        now = seen(page)
        assert now["lesson"]["answered"] == "true" and now["reply"] not in ("", WORDS["reveal_key"])
        assert now["box"] == bool(step["boxes"])
        assert page.evaluate(OUTSIDE)["found"] == [], number
        if step["ask"]["kind"] == "choose":
            right = right_of(step["ask"])
            assert now["options"][1 - right] == [True, "wrong"] and now["options"][right] == [False, "right"]
            assert now["reply"].startswith(WORDS["wrong"])
        # It is hidden again for the next class.
        go(page, 1 if number > 1 else 2)
        go(page, number)
        assert check_nothing_is_given_away(page)["hidden"]
    # Nor is anything of it kept for the next one.
    assert page.evaluate("localStorage.length") == 0


@pytest.mark.parametrize("keys", [(" ", "r"), ("PageDown", "PageDown")], ids=["R", "remote"])
def test_what_nobody_answered_can_be_revealed(teach, keys):
    page = teach("?present=1&lesson=1", **SMALL)
    total = int(FULL.prompt_bytes.sum())
    for number, step in enumerate(STEPS, start=1):
        ask = step["ask"]
        page.keyboard.press(keys[0])
        check_nothing_is_given_away(page)
        if ask["kind"] == "reach" and isinstance(ask["until"], int) and keys[1] == "PageDown":
            page.keyboard.press(keys[1])  # plays until there
            page.wait_for_function(
                "step => { const now = document.querySelector('.trace-view').view.inspect();"
                " return !now.playing && now.step === step; }",
                arg=ask["until"],
            )
        page.keyboard.press(keys[1])
        now = seen(page)
        if ask["kind"] == "choose":
            right = ask["options"][right_of(ask)]
            reply = f"{right['text']}. {plain(right['reply'])}"
            assert now["options"] == [[False, "right" if option["right"] else ""] for option in ask["options"]]
        elif ask["kind"] == "point":
            reply = filled(ask["reply"], place=place_of(0), number=str(FULL.patches[0] + 1))
        else:
            reply = filled(ask.get("unasked", ask["reply"]), measured=size(total))
        assert (now["lesson"]["step"], now["lesson"]["answered"], now["reply"]) == (str(number), "true", reply)
        assert now["box"] == bool(step["boxes"])
        if ask["kind"] == "line":
            assert (now["line"]["revealed"], now["line"]["guess"]) == ("true", "")
        check_view(now, answered_state(step), with_parts=False)  # some give way to what is revealed
        page.keyboard.press("ArrowRight")


def clickable(page):
    """A selector per kind of thing that can be clicked now."""
    kinds = page.locator(".ls-body :is(button, input, canvas, .ls-chart, .tv-token, .tv-memory)").evaluate_all(
        """all => all.filter((node) => node.checkVisibility() && !node.disabled && node.getClientRects().length)
          .filter((node) => !node.matches('.ls-over, .ls-explore-last')) // which leaves the lesson's keys on purpose
          .map((node) => {
            if (node.type === 'checkbox') return 'input[type=checkbox]';
            const own = node.matches('.ls-main, .ls-plain') ? [...node.classList].slice(0, 2) : [node.classList[0]];
            return '.' + own.join('.') + (node.dataset.side ? `[data-side="${node.dataset.side}"]` : '');
          })"""
    )
    return list(dict.fromkeys(kinds))


def test_keys_work_after_a_click_on_anything(teach):
    page = teach("?present=1", **SMALL)
    pressed, dead = set(), []
    for number in NUMBERS:
        for key in (" ", "r"):
            go(page, number)
            page.keyboard.press(key)
            for kind in [kind for kind in clickable(page) if kind not in pressed]:
                pressed.add(kind)
                go(page, number)
                if page.get_attribute(".ls-lesson", "data-phase") == "read":
                    page.keyboard.press(" ")
                if key == "r":
                    page.keyboard.press("r")
                thing = page.locator(f".ls-body {kind}").locator("visible=true").first
                if thing.count():
                    thing.click()
                if page.is_visible(".ls-dialog"):
                    page.keyboard.press("Escape")
                page.keyboard.press("r")
                if seen(page)["lesson"]["answered"] != "true":
                    dead.append(f"step {number}, {kind}: R")
                at = int(page.get_attribute(".ls-lesson", "data-step"))
                to = at - 1 if at == len(STEPS) else at + 1
                page.keyboard.press("PageUp" if at == len(STEPS) else "PageDown")
                if seen(page)["lesson"]["step"] != str(to):
                    dead.append(f"step {number}, {kind}: the remote control")
    assert dead == [] and len(pressed) > 6


def test_an_address_presents_a_step_at_once(teach):
    page = teach("?lesson=5&present=1", **SMALL)
    now = seen(page)
    assert (now["lesson"]["step"], now["lesson"]["phase"], now["address"]) == ("5", "read", "?lesson=5&present=1")
    assert "ls-present" in page.get_attribute(".ls-lesson", "class") and not page.is_visible(".ls-tools")
    page.keyboard.press(" ")
    assert seen(page)["asks"] == plain(STEPS[4]["ask"]["text"])
    page.keyboard.press("ArrowRight")
    assert seen(page)["address"] == "?lesson=6&present=1"
    page.keyboard.press("Escape")
    page.wait_for_selector('.ls-lesson:not(.ls-present)[data-step="6"]')
    assert page.evaluate("location.search") == "?lesson=6" and page.is_visible(".ls-tools")


# ---- on a phone

NARROW = """
() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const isScroller = (node) => /auto|scroll/.test(getComputedStyle(node).overflowX);
  const scrolls = (node) => node && (isScroller(node) || scrolls(node.parentElement));
  const isPart = (node) => node instanceof SVGElement && node.tagName !== 'svg';
  const seen = [...document.querySelectorAll('.ls-page *')]
    .filter((node) => node.checkVisibility() && !node.closest('.tv-aloud') && !isPart(node));
  const isWide = ({ left, right }) => left < -1 || right > innerWidth + 1;
  const wide = seen.filter((node) => isWide(node.getBoundingClientRect()) && !scrolls(node.parentElement))
    .map((node) => node.getAttribute('class'));
  const low = seen.filter((node) => node.matches('button:not(.ls-see, .ls-term)'))
    .map((node) => [node.className, Math.round(node.getBoundingClientRect().height)])
    .filter(([, height]) => height < 36).map((each) => each.join(': '));
  const page = document.documentElement.scrollWidth;
  done({ wide: [...new Set(wide)], low: [...new Set(low)], page: page > 390 ? page : 0 });
})))
"""


def tap_patch(page, patch, side):
    page.locator(f'canvas.tv-patches[data-side="{side}"]').scroll_into_view_if_needed()
    page.touchscreen.tap(*patch_at(page, patch, side))


def test_a_phone_has_room_for_every_step_and_fingers_do_for_all_of_it(teach):
    page = teach(**PHONE)
    wrong = {}
    for number, step in enumerate(STEPS, start=1):
        ask = step["ask"]
        assert page.get_attribute(".ls-lesson", "data-step") == str(number)

        def check(phase, number=number):
            now = page.evaluate(NARROW)
            if now["wide"] or now["low"] or now["page"]:
                wrong[f"step {number}, {phase}"] = now

        check("text")
        page.tap(".ls-go")
        check("question")
        if ask["kind"] == "point":
            tap_patch(page, 37, "a")
        elif ask["kind"] == "line":
            page.locator(".ls-chart").scroll_into_view_if_needed()
            box = page.locator(".ls-handle").bounding_box()
            page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] - 60)
            page.tap(".ls-reveal")
        elif ask["kind"] == "pick":
            for patch in range(20, 20 + ask["count"]):
                tap_patch(page, patch, "b")
            page.tap(".ls-reveal")
        elif ask["kind"] == "reach":
            while (at := int(page.get_attribute(".trace-view", "data-step"))) != reach_of(step):
                page.tap(".tv-next" if at < reach_of(step) else ".tv-time .tv-back")
                seen(page)
        else:
            page.tap(f'.ls-option[data-option="{right_of(ask)}"]')
        assert seen(page)["lesson"]["answered"] == "true", f"step {number} cannot be done by tapping"
        check("answer")
        if number < len(STEPS):
            page.tap(".ls-next")
    assert wrong == {}


# ---- on paper


def test_the_handout_has_a_card_per_step_on_one_page(teach):
    # A sheet of A4 on its side, less its margins, in CSS pixels.
    room = {"width": round((297 - 18) / 25.4 * 96), "height": round((210 - 18) / 25.4 * 96)}
    page = teach("?handout=1", wait=".ls-sheet:not([hidden])", viewport=room)
    assert not page.is_visible(".ls-page")
    cards = page.locator(".ls-sheet-card").evaluate_all(
        """all => all.map((card) => ({
          title: card.querySelector('h3').textContent, sentence: card.querySelector(':scope > p').textContent,
          canvases: [...card.querySelectorAll('canvas')].map((canvas) => {
            const small = Object.assign(document.createElement('canvas'), {width: 16, height: 16});
            const pen = small.getContext('2d', {willReadFrequently: true});
            pen.drawImage(canvas, 0, 0, 16, 16);
            return [...pen.getImageData(0, 0, 16, 16).data];
          }),
          lines: [...card.querySelectorAll('svg :is(path, line)')].filter((line) => line.getBBox().width > 50).length,
          words: [...card.querySelectorAll('.ls-sheet-words .tv-token')].map((box) => box.dataset.fate ?? ''),
        }))"""
    )
    assert len(cards) == len(STEPS)
    for number, (card, step) in enumerate(zip(cards, STEPS, strict=True), start=1):
        assert step["title"] in card["title"] and str(number) in card["title"]
        assert card["sentence"] == plain(step["sheet"]["text"])
        kind = step["sheet"]["picture"]
        assert len(card["canvases"]) == {"patches": 1, "layers": FULL.layers}.get(kind, 0)
        assert all(np.std(canvas) > 10 for canvas in card["canvases"])
        assert (card["lines"] > 2) == (kind in ("memory", "growth"))
        assert (len(card["words"]) > 5 and "merged" in card["words"]) == (kind == "words")
    pdf = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 1
    page.emulate_media(media="print")
    wrong = page.evaluate(
        """() => [...document.querySelectorAll('.ls-sheet-card, .ls-sheet-card *')].filter((node) => {
          const box = node.getBoundingClientRect();
          if (!box.width || !box.height) return false;
          const card = node.closest('.ls-sheet-card').getBoundingClientRect();
          const inPage = box.left >= -1 && box.right <= innerWidth + 1 && box.bottom <= innerHeight + 1;
          return !inPage || box.right > card.right + 1 || box.bottom > card.bottom + 1 || box.left < card.left - 1;
        }).map((node) => node.getAttribute('class') || node.tagName)"""
    )
    page.emulate_media(media="screen")
    assert wrong == []


# ---- colours


def test_every_text_of_the_lesson_stands_out_from_its_ground(teach):
    page = teach(kept=kept_progress(1, ALL_DONE))
    low, words = {}, set()
    for number in NUMBERS:
        go(page, number)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.wait_for_selector("body.dark" if theme == "dark" else "body:not(.dark)")
            contrasts = page.evaluate(CONTRASTS.replace("'.trace-view'", "'.ls-body'"))
            words |= {text for _, name, text in contrasts if name == "ls-see"}
            own = [entry for entry in contrasts if not entry[1].startswith("tv-")]
            low |= {f"{theme}, step {number}: {text} ({name})": ratio for ratio, name, text in own if ratio < 4.5}
    page.emulate_media(color_scheme="light")
    named = [piece for step in STEPS for piece in [*step["text"], *box_pieces(step)]]
    assert words >= {piece["text"] for piece in named if isinstance(piece, dict) and piece["kind"] == "see"}
    assert low == {}


# ---- in the real page


@pytest.fixture(scope="module")
def visitor(browser, recorded_only):
    """One visitor of the program with recorded runs; at the end nothing went wrong in it or left this machine."""
    wrong = []
    context = browser.new_context(viewport={"width": 1366, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Error" in line.text else None)
    local = (recorded_only, "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(local) else wrong.append(request.url))
    yield page, recorded_only
    context.close()
    assert wrong == []


def test_the_real_page_opens_the_step_that_the_address_asks_for(visitor):
    page, address = visitor
    page.goto(address + "?lesson=5")
    page.wait_for_selector('.ls-lesson[data-step="5"] .ls-page', timeout=60_000)
    page.wait_for_selector("#controls", state="hidden")
    now = seen(page)
    check_view(now, state_of(STEPS[4]))
    assert now["address"] == "?lesson=5" and page.is_visible(".ls-save")
    with page.expect_download() as download:
        page.click(".ls-save")
    assert download.value.suggested_filename == "lesson-en.html"
    assert download.value.path().read_text(encoding="utf-8") == lesson_file()
    page.wait_for_function("document.querySelector('.ls-note').textContent")
    assert page.inner_text(".ls-note") == WORDS["saved"].format(name="lesson-en.html")


def test_the_lesson_hides_the_inputs_only_while_it_is_there(visitor):
    page, address = visitor
    page.goto(address)
    page.wait_for_selector('#view .trace-view[data-done="true"]', timeout=60_000)
    assert page.is_visible("#controls") and "lesson" not in page.evaluate("location.search")
    page.click("#begin")
    page.wait_for_selector('.ls-lesson[data-step="5"] .ls-page', timeout=60_000)  # as it was left
    page.wait_for_selector("#controls", state="hidden")
    assert page.evaluate("new URLSearchParams(location.search).get('lesson')") == "5"
    page.keyboard.press("ArrowRight")
    check_view(seen(page), state_of(STEPS[5]))
    live = "({...document.querySelector('#view .trace-view').dataset})"
    before = page.evaluate(live)
    page.get_by_role("tab", name="Live view").click()
    page.wait_for_selector("#controls")
    page.wait_for_function("!location.search.includes('lesson')")
    # The keys are the live view's again, and it has its own state.
    assert page.evaluate(live)["run"] == before["run"]
    page.keyboard.press("PageDown")
    page.get_by_role("tab", name="Lesson").click()
    page.wait_for_selector("#controls", state="hidden")
    page.wait_for_function("new URLSearchParams(location.search).get('lesson') === '6'")
    assert seen(page)["lesson"]["step"] == "6"
