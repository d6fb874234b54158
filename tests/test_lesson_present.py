"""The lesson on a projector, on a phone, on paper and in the real page."""

import re

import numpy as np
import pytest

from page.lesson import lesson_file
from tests.lesson_page import (
    FULL,
    LESSON,
    NUMBERS,
    STEPS,
    check_view,
    filled,
    go,
    lesson_opener,  # noqa: F401 (fixture)
    lesson_pages,  # noqa: F401 (fixture)
    patch_at,
    place_of,
    reach_of,
    right_of,
    seen,
    slide_time,
    solve,
    state_of,
)
from tests.program import served
from tests.test_view_contrast import CONTRASTS
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
  [...page.querySelectorAll('canvas, svg, button')].filter((node) => node.checkVisibility() && node.clientWidth)
    .forEach((node) => check(node.getBoundingClientRect(), node.getAttribute('class')));
  [...page.querySelectorAll('*')].filter((node) => node.checkVisibility() && !node.closest('.tv-aloud')).forEach((node) => {
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
            if page.get_attribute(".trace-view", "data-playing") == "true":
                slide_time(page, STEPS[number - 1]["look"]["t"])
            now = page.evaluate(OUTSIDE)
            if now["found"] or now["smallest"] < 0.02:
                wrong[f"step {number}, {phase}"] = now
    assert wrong == {}


def give_answer(page, number):
    """What somebody in the class might answer, wrong where it can be wrong; by mouse, and by keys where there are some."""
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
    assert "hits" not in now["pictures"]["b"] and "owners" not in now["pictures"]["b"]
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
        assert now["box"] == bool(step["box"])
        if step["ask"]["kind"] == "choose":
            right = right_of(step["ask"])
            assert now["options"][1 - right] == [True, "wrong"] and now["options"][right] == [False, "right"]
            assert now["reply"].startswith(WORDS["wrong"])
        # It is hidden again for the next class.
        go(page, 1 if number > 1 else 2)
        go(page, number)
        assert check_nothing_is_given_away(page)["hidden"]


@pytest.mark.parametrize("phase", ["read", "act"])
def test_what_nobody_answered_can_be_revealed(teach, phase):
    page = teach("?present=1&lesson=1", **SMALL)
    for number in NUMBERS:
        step = STEPS[number - 1]
        ask = step["ask"]
        if phase == "act":
            page.keyboard.press(" ")
        page.keyboard.press("r")
        seen(page)
        now = seen(page)
        total = int(FULL.prompt_bytes.sum())
        place = {"place": place_of(0), "number": str(FULL.patches[0] + 1)}
        right = f"{WORDS['right']} {plain(ask['options'][right_of(ask)]['reply'])}" if ask["kind"] == "choose" else ""
        replies = {
            "point": lambda ask=ask, place=place: filled(ask["reply"], **place),
            "line": lambda ask=ask, total=total: filled(ask["unasked"], measured=size(total)),
            "pick": lambda ask=ask: plain(ask["unasked"]),
            "reach": lambda ask=ask: plain(ask["reply"]),
            "choose": lambda right=right: right,
        }
        assert (now["lesson"]["step"], now["lesson"]["answered"], now["reply"]) == (
            str(number),
            "true",
            replies[ask["kind"]](),
        )
        assert now["box"] == bool(step["box"])
        if ask["kind"] == "line":
            assert (now["line"]["revealed"], now["line"]["total"]) == ("true", str(total))
        if ask["kind"] == "pick":
            check_view(now, state_of(step, acted=True, mode=ask["mode"]))
        page.keyboard.press("PageDown")


def test_keys_work_after_a_click_on_anything(teach):
    page = teach("?present=1", **SMALL)
    pressed = set()
    for number in NUMBERS:
        for ready in (False, True):
            kinds = None
            while kinds is None or kinds:
                go(page, number)
                page.keyboard.press("r" if ready else " ")
                seen(page)
                clickable = "button, input, canvas, .ls-chart, .tv-token, .tv-memory"
                if kinds is None:
                    kinds = page.locator(f".ls-page :is({clickable})").evaluate_all(
                        "all => all.filter((n) => n.checkVisibility() && n.clientWidth && !n.disabled).map((n) => n.getAttribute('class') || n.type)"
                    )
                    kinds = [kind for kind in dict.fromkeys(kinds) if kind.split()[0] not in ("ls-dot", "ls-over")]
                    kinds = [kind for kind in kinds if kind not in pressed]
                if not kinds:
                    break
                kind = kinds.pop()
                pressed.add(kind)
                one = f'[class="{kind}"]' if kind != "checkbox" else "input[type=checkbox]"
                page.locator(f".ls-page {one}").locator("visible=true").first.click()
                if page.is_visible(".ls-dialog"):
                    page.keyboard.press("Escape")
                page.keyboard.press("r")
                assert seen(page)["lesson"]["answered"] == "true", f"step {number}, {kind}: R"
                at = int(page.get_attribute(".ls-lesson", "data-step"))
                page.keyboard.press("PageUp" if at == len(STEPS) else "PageDown")
                to = seen(page)["lesson"]["step"]
                assert to == str(at - 1 if at == len(STEPS) else at + 1), f"step {number}, {kind}: PageDown"
    assert len(pressed) > 6


def test_an_address_presents_a_step_at_once(teach):
    page = teach("?lesson=5&present=1", **SMALL)
    now = seen(page)
    assert (now["lesson"]["step"], now["lesson"]["phase"], now["address"]) == ("5", "read", "?lesson=5&present=1")
    assert "ls-present" in page.get_attribute(".ls-lesson", "class") and not page.is_visible(".ls-tools")
    page.keyboard.press(" ")
    assert seen(page)["asks"] == plain(STEPS[4]["ask"]["text"])
    page.keyboard.press("PageDown")
    assert seen(page)["address"] == "?lesson=6&present=1"


# ---- on a phone

NARROW = """
() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const scrolls = (node) => node && (/auto|scroll/.test(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  const seen = [...document.querySelectorAll('.ls-page *')].filter((node) => node.checkVisibility() && !node.closest('.tv-aloud'));
  const wide = seen.filter((node) => !(node instanceof SVGElement) || node.tagName === 'svg')
    .filter((node) => { const box = node.getBoundingClientRect(); return box.left < -1 || box.right > innerWidth + 1; })
    .filter((node) => !scrolls(node.parentElement)).map((node) => node.className);
  const low = seen.filter((node) => node.matches('button:not(.ls-see, .ls-term)') && node.getBoundingClientRect().height < 36)
    .map((node) => `${node.className}: ${Math.round(node.getBoundingClientRect().height)}`);
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
        if page.get_attribute(".trace-view", "data-playing") == "true":
            page.tap(".tv-play")
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
          const card = node.closest('.ls-sheet-card').getBoundingClientRect();
          const inPage = box.left >= -1 && box.right <= innerWidth + 1 && box.bottom <= innerHeight + 1;
          return !inPage || box.right > card.right + 1 || box.bottom > card.bottom + 1 || box.left < card.left - 1;
        }).map((node) => node.getAttribute('class') || node.tagName)"""
    )
    page.emulate_media(media="screen")
    assert wrong == []


# ---- colours


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_of_the_lesson_stands_out_from_its_ground(teach, theme):
    page = teach(color_scheme=theme)
    low, words = {}, set()
    for number in NUMBERS:
        solve(page, number)
        contrasts = page.evaluate(CONTRASTS.replace("'.trace-view'", "'.ls-body'"))
        words |= {name for _, name, _ in contrasts if name == "ls-see"}
        own = [entry for entry in contrasts if "ls-" in entry[1] or entry[1] == ""]
        low |= {f"step {number}: {text} ({name})": round(ratio, 2) for ratio, name, text in own if ratio < 4.5}
    assert low == {} and words == {"ls-see"}


# ---- in the real page


@pytest.fixture(scope="module")
def visitor(browser):
    """One visitor of the program with recorded runs; at the end nothing went wrong in it or left this machine."""
    wrong = []
    with served("--recorded") as address:
        context = browser.new_context(viewport={"width": 1366, "height": 900}, reduced_motion="reduce")
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if "Error" in line.text else None)
        local = (address, "data:", "blob:")
        page.on("request", lambda request: None if request.url.startswith(local) else wrong.append(request.url))
        yield page, address
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
    assert page.evaluate("location.search") == "?lesson=5"
    page.keyboard.press("PageDown")
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
    page.wait_for_function("location.search === '?lesson=6'")
    assert seen(page)["lesson"]["step"] == "6"
