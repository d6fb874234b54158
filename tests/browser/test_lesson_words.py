"""The lesson's words that name things, its glossary and code, small pictures, switches and the way out of the steps."""

from pathlib import Path

import numpy as np

from tests.browser.lesson_page import (
    ALL_DONE,
    FULL,
    GRID,
    LESSON,
    NUMBERS,
    SIDES,
    STEPS,
    answered_state,
    box_pieces,
    check_view,
    go,
    kept_progress,
    lesson_opener,  # noqa: F401 (fixture)
    lesson_pages,  # noqa: F401 (fixture)
    scores_of,
    seen,
    slide_time,
    state_of,
)
from tests.oracles import fates, gaze
from viz.lesson_texts import plain

ROOT = Path(__file__).parents[2]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 1}


TELLING = ("anchor", "merged", "gone")  # words that would tell what somebody is to guess


# ---- exploring


def test_exploring_shows_the_whole_view_and_coming_back_restores_the_step(teach):
    page = teach(kept=kept_progress(1, {number: answer for number, answer in ALL_DONE.items() if int(number) % 2}))
    for number in (1, 5, 6, 8):
        go(page, number)
        before = seen(page)
        page.click(".ls-explore")
        now = seen(page)
        every = page.evaluate(
            "[...new Set([...document.querySelectorAll('[data-part]')].map((n) => n.dataset.part))].sort()"
        )
        assert now["parts"] == every and now["lesson"]["free"] == "true" and now["view"]["size"] == "both"
        assert not page.is_visible(".ls-says") and not page.is_visible(".ls-go") and now["asks"] == ""
        # The view's own keys and controls.
        for key, t in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("PageDown", 1), ("r", 1)):
            page.keyboard.press(key)
            assert seen(page)["view"]["step"] == t
        page.click('.tv-mode[data-mode="importance"]')
        page.locator(".tv-layer").evaluate("(box) => { box.value = 2; box.dispatchEvent(new Event('input')) }")
        if len(now["view"]["sides"]) == 2:
            page.click('.tv-size[data-size="a"]')
        page.locator(".tv-image").first.click()  # fold the strip's picture, or unfold it
        slide_time(page, 4)
        now = seen(page)
        assert (now["view"]["layer"], now["view"]["mode"], now["view"]["step"]) == (2, "importance", 4)
        assert (now["lesson"]["step"], now["lesson"]["free"]) == (str(number), "true")
        if number % 2:
            page.click(".ls-return button")
        else:
            page.keyboard.press("Escape")
        now = seen(page)
        for name in (
            "lesson",
            "view",
            "shown",
            "parts",
            "cells",
            "says",
            "asks",
            "reply",
            "go",
            "box",
            "many",
            "memory",
        ):
            assert now[name] == before[name], (number, name)
        for side in before["shown"]:
            assert now["view"]["sides"]["ab".index(side)] == before["view"]["sides"]["ab".index(side)], (number, side)
        assert now["lesson"]["answered"] == str(bool(number % 2)).lower()
        # And the lesson's keys.
        page.keyboard.press("PageUp")
        assert seen(page)["lesson"]["step"] == str(max(1, number - 1))


# ---- words that name things


def words_of(step):
    """What the step's text names, in order, without repeats."""
    pieces = [*step["text"], *step["ask"]["text"]]
    return named(pieces)


def named(pieces):
    return list(dict.fromkeys(piece["to"] for piece in pieces if isinstance(piece, dict) and piece["kind"] == "see"))


def lit_tokens(name, trace, state):
    """Which tokens of a side a word names."""
    t, layer = state["t"], state["layer"]
    patches, words = trace.patches, np.flatnonzero(~trace.is_image)
    planes = trace.owner_after(min(t, trace.steps))
    planes = planes[layer - 1 : layer] if layer else planes
    kept = (planes == np.arange(planes.shape[2])).mean((0, 1))
    merged = ((planes >= 0) & (planes != np.arange(planes.shape[2]))).mean((0, 1))
    heat = {"importance": lambda: scores_of(trace, layer), "looked": lambda: gaze(trace, max(0, t - 1))[patches]}
    if name == "heat" and state["heat"] != "none":
        values = heat[state["heat"]]()
        return patches[values > values.max() / 2]
    found = {
        "patch": patches,
        "words": words,
        "question": words[words > patches[-1]],
        "first": [0],
        "anchor": patches[kept[patches] > 0.5] if trace is not FULL else [],
        "merged": patches[merged[patches] > 0.5],
        "gone": patches[(planes < 0).mean((0, 1))[patches] > 0.5],
    }
    return found.get(name, [])


# Of every line between two patches whether the middle of it is another colour than before.
EDGES = """
([side, rows, columns, keep]) => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const canvas = document.querySelector(`canvas.tv-patches[data-side="${side}"]`);
  if (!canvas.width || !canvas.checkVisibility()) return done(null);
  const { width, height } = canvas;
  const copy = Object.assign(document.createElement('canvas'), { width, height });
  const pen = copy.getContext('2d', { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const { data } = pen.getImageData(0, 0, width, height);
  if (keep) window.dark = { ...window.dark, [side]: data };
  const at = (x, y) => {
    const i = 4 * (Math.round(y) * width + Math.round(x));
    return [0, 1, 2].reduce((sum, part) => sum + Math.abs(data[i + part] - window.dark[side][i + part]), 0);
  };
  const found = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [x, y] = [(column + 1) * width / columns, (row + 1) * height / rows];
      const [inX, inY] = [x - width / columns / 2, y - height / rows / 2];
      const patch = row * columns + column;
      const most = (points) => Math.max(...points.map(([px, py]) => at(px, py)));
      // At several places along the line: what is shown may have the line's colour at one of them.
      const beside = [-2, -1, 0, 1].flatMap((by) => [-0.25, 0, 0.25].map((along) => [by, along]));
      const right = beside.map(([by, along]) => [x + by, inY + along * height / rows]);
      const below = beside.map(([by, along]) => [inX + along * width / columns, y + by]);
      if (column + 1 < columns && most(right) > 90) found.push([patch, patch + 1]);
      if (row + 1 < rows && most(below) > 90) found.push([patch, patch + columns]);
    }
  }
  done(found);
})))
"""


def edges(page, side, keep=False):
    return page.evaluate(EDGES, [side, *GRID, keep])


def outline_of(patches):
    """Between which neighbours a line must be: every patch has a frame of its own."""
    inside = set(patches)
    rows, columns = GRID
    beside = [(p, p + 1) for p in range(rows * columns) if (p + 1) % columns]
    beside += [(p, p + columns) for p in range((rows - 1) * columns)]
    return {(p, q) for p, q in beside if p in inside or q in inside}


def lit(page):
    return page.evaluate(
        """() => {
          const all = (selector) => [...document.querySelectorAll(selector)];
          const boxes = (side) => all(`.tv-strip[data-side="${side}"] .tv-lit`);
          const tokens = (side) => boxes(side).map((box) => Number(box.dataset.token));
          const isPale = (node) => getComputedStyle(node).opacity < 0.5;
          const isFramed = (node) => node.checkVisibility() && getComputedStyle(node).outlineStyle !== 'none';
          return {
            name: document.querySelector('.trace-view').dataset.lit ?? '',
            boxes: { a: tokens('a'), b: tokens('b') },
            pale: all('.tv-picture, .tv-moment, .tv-line, .tv-answer').filter(isPale).map((node) => node.dataset.side),
            framed: all('.tv-memory, .tv-scale').filter(isFramed).map((node) => node.classList[0]),
          };
        }"""
    )


def check_lit(page, name, state, guessing=False):
    """Exactly what the word names is lit up; of what is to be guessed nothing is."""
    if guessing and name in TELLING:
        name = ""
    sides = [FULL] if state["side"] == "full" else [FULL, SIDES[state["side"]]]
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    now = lit(page)
    assert now["name"] == name
    for letter, trace in zip("ab", sides, strict=False):
        tokens = [int(token) for token in lit_tokens(name, trace, state)]
        boxes = [token for token in tokens if state["unfold"] or not trace.is_image[token]]
        assert sorted(now["boxes"][letter]) == boxes, (name, letter)
        found = edges(page, letter)
        if found is not None:
            patches = np.flatnonzero(np.isin(trace.patches, tokens)).tolist()
            assert set(map(tuple, found)) == outline_of(patches), (name, letter)
    other = {"a": "b", "b": "a"}.get(name)
    assert set(now["pale"]) == ({other} if other else set())
    assert now["framed"] == {"memory": ["tv-memory"], "heat": ["tv-scale"] * (state["heat"] != "none")}.get(name, [])


def test_a_word_that_names_something_lights_it_up(teach):
    page = teach()
    kinds = set()
    for number in NUMBERS:
        step = go(page, number, acts=True)
        state = state_of(step, acted=True)
        page.focus(".ls-text")
        seen(page)
        for side in "ab":
            edges(page, side, keep=True)
        guessing = step["ask"]["kind"] == "pick"
        for name in words_of(step):
            kinds.add(name)
            word = page.locator(f'.ls-text .ls-see[data-see="{name}"], .ls-ask .ls-see[data-see="{name}"]').first
            word.hover()
            check_lit(page, name, state, guessing)
            page.mouse.move(0, 0)
            check_lit(page, "", state, guessing)
            # The same with the keyboard; and a press of the mouse does not put it out while the mouse is there.
            hides = guessing and name in TELLING
            word.focus()
            assert seen(page)["view"]["lit"] == ("" if hides else name)
            page.focus(".ls-text")
            assert seen(page)["view"]["lit"] == ""
            word.click()
            assert seen(page)["view"]["lit"] == ("" if hides else name)
            page.mouse.move(0, 0)
            page.focus(".ls-text")
    assert kinds == {name for step in STEPS for name in words_of(step)} and len(kinds) >= 5


def test_words_beside_an_answer_light_up_too(teach):
    """Also while the patch that was clicked, or that the reply is about, is held."""
    page = teach(kept=kept_progress(1, ALL_DONE))
    for number in NUMBERS:
        step = go(page, number)
        pieces = [*step["text"], *box_pieces(step)]
        for name in named(pieces):
            page.locator(f'.ls-body .ls-see[data-see="{name}"]').first.hover()
            seen(page)
            state = answered_state(step)
            sides = [FULL] if state["side"] == "full" else [FULL, SIDES[state["side"]]]
            for letter, trace in zip("ab", sides, strict=False):
                tokens = [int(token) for token in lit_tokens(name, trace, state)]
                boxes = {token for token in tokens if state["unfold"] or not trace.is_image[token]}
                assert boxes <= set(lit(page)["boxes"][letter]), (number, name, letter)
            assert lit(page)["name"] == name
            page.mouse.move(0, 0)


def test_a_tap_on_a_word_lights_it_up(teach):
    page = teach(**PHONE)
    tapped = set(TELLING)
    for number in NUMBERS:
        names = [name for name in words_of(STEPS[number - 1]) if name not in tapped]
        if names:
            go(page, number, acts=True)
        for name in names:
            tapped.add(name)
            page.locator(f'.ls-see[data-see="{name}"]').first.tap()
            assert seen(page)["view"]["lit"] == name
            page.locator(".ls-heading").tap()
            assert seen(page)["view"]["lit"] == "", name
    assert len(tapped) > len(TELLING) + 3


def test_what_is_lit_goes_out_when_the_step_goes_on(teach):
    page = teach()
    for number in NUMBERS:
        names = [name for name in words_of(STEPS[number - 1]) if name not in TELLING]
        for name in names[:1]:
            go(page, number)
            page.focus(f'.ls-see[data-see="{name}"]')
            assert seen(page)["view"]["lit"] == name
            page.keyboard.press("r")
            assert seen(page)["view"]["lit"] == "", (number, name)


# ---- glossary and code


def terms_in(value):
    """All names of the glossary that texts lead to."""
    if isinstance(value, dict):
        own = {value["to"]} if value.get("kind") == "term" else set()
        return own.union(*map(terms_in, value.values()))
    return set().union(*map(terms_in, value)) if isinstance(value, list) else set()


def test_every_term_opens_at_its_entry_and_keys_wait_meanwhile(teach):
    page = teach(kept=kept_progress(1, ALL_DONE))
    entries = {term["name"]: term for term in LESSON["glossary"]}
    opened = set()

    def check_entry(name):
        meant = page.locator(".ls-terms .ls-meant")
        assert (meant.count(), meant.get_attribute("data-term"), meant.text_content()) == (
            1,
            name,
            entries[name]["term"],
        )
        assert meant.locator("xpath=following-sibling::dd[1]").text_content() == plain(entries[name]["text"])
        inside = "(node) => { const [a, b] = [node, node.closest('dialog')].map((n) => n.getBoundingClientRect());"
        assert meant.evaluate(inside + " return a.top >= b.top && a.bottom <= b.bottom && b.bottom <= innerHeight }")
        opened.add(name)

    def check_terms():
        words = page.locator(".ls-body .ls-term[data-term]")
        for i, name in enumerate(words.evaluate_all("all => all.map((word) => word.dataset.term)")):
            if name in opened:
                continue
            words.nth(i).click()
            check_entry(name)
            if len(opened) == 1:
                before = seen(page)
                for key in ("ArrowRight", "PageDown", "PageUp", "1", "r"):
                    page.keyboard.press(key)
                assert seen(page) == before and page.is_visible(".ls-dialog")
            page.keyboard.press("Escape")
            assert not page.is_visible(".ls-dialog")

    for number in NUMBERS:
        ask = go(page, number)["ask"]
        check_terms()
        for key in [*map(str, range(1, 1 + len(ask.get("options", [])))), *(["r"] if "unasked" in ask else [])]:
            page.click(".ls-again")
            page.keyboard.press(key)
            check_terms()
    page.keyboard.press("g")
    assert page.is_visible(".ls-dialog") and page.locator(".ls-meant").count() == 0
    shown = page.locator(".ls-terms dt").evaluate_all("all => all.map((n) => n.dataset.term)")
    assert shown == list(entries)
    for name in terms_in(LESSON["glossary"]) - opened:
        page.locator(f'.ls-terms .ls-term[data-term="{name}"]').first.click()
        check_entry(name)
    page.locator(".ls-dialog-head button").click()
    assert not page.is_visible(".ls-dialog")
    assert opened == terms_in([LESSON["steps"], LESSON["glossary"]])


def test_the_line_of_the_program_is_shown(teach):
    page = teach()
    for number in NUMBERS:
        code = go(page, number)["code"]
        page.locator(".ls-links .ls-term").click()
        assert page.inner_text(".ls-dialog h3") == f"{code['file']}, {code['number']}"
        lines = (ROOT / code["file"]).read_text(encoding="utf-8").splitlines()
        first = int(page.get_attribute(".ls-code", "start"))
        shown = page.locator(".ls-code li").all_text_contents()
        assert [line.rstrip() for line in shown] == lines[first - 1 : first - 1 + len(shown)] and len(shown) > 4
        marked = page.locator(".ls-code li").evaluate_all("all => all.map((n) => n.className).indexOf('ls-meant')")
        assert page.locator(".ls-code .ls-meant").count() == 1 and first + marked == code["number"]
        page.keyboard.press("Escape")
        paper = page.locator(".ls-links a").get_attribute("href")
        assert paper == LESSON["paper"]


# ---- small pictures and switches

# Per small picture the mean brightness of every patch.
SMALL = """
([rows, columns]) => [...document.querySelectorAll('.ls-one canvas')].map((canvas) => {
  const small = Object.assign(document.createElement('canvas'), {width: columns, height: rows});
  const pen = small.getContext('2d', {willReadFrequently: true});
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(canvas, 0, 0, columns, rows);
  const { data } = pen.getImageData(0, 0, columns, rows);
  return Array.from({length: rows * columns}, (_, i) => (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3);
})
"""


def test_small_pictures_of_layers_show_each_layer_and_lead_to_it(teach):
    page = teach()
    for number in NUMBERS:
        if (STEPS[number - 1]["multiples"] or {}).get("of") != "layers":
            continue
        step = go(page, number, acts=True)
        seen(page)
        shown = np.array(page.evaluate(SMALL, list(GRID)))
        scores = np.array([scores_of(FULL, layer) for layer in range(1, FULL.layers + 1)])
        low, high = scores.min(1, keepdims=True), scores.max(1, keepdims=True)
        heat = (scores - low) / (high - low)
        assert len(shown) == FULL.layers
        for i in range(FULL.layers):
            for j in range(i):
                # The picture is behind all of them: what differs between two is their heat.
                assert np.corrcoef(shown[i] - shown[j], heat[i] - heat[j])[0, 1] > 0.9, (i, j)
        for layer in (*range(1, FULL.layers + 1), step["look"]["layer"]):
            page.click(f'.ls-one[data-layer="{layer}"]')
            now = seen(page)
            check_view(now, state_of(step, acted=True, layer=layer))
            pressed = page.locator('.ls-one[aria-pressed="true"]').evaluate_all(
                "all => all.map((n) => n.dataset.layer)"
            )
            assert pressed == [str(layer)]


def test_small_pictures_of_sides_show_each_side_with_its_answer(teach):
    page = teach()
    for number in NUMBERS:
        multiples = STEPS[number - 1]["multiples"] or {}
        if multiples.get("of") != "sides":
            continue
        step = go(page, number, acts=True)
        seen(page)
        shown = np.array(page.evaluate(SMALL, list(GRID)))
        letters = [list(fates(SIDES[name], step["look"]["layer"] - 1, 0, 0)) for name in multiples["sides"]]
        for i in range(len(shown)):
            for j in range(i):
                apart = np.abs(shown[i] - shown[j])
                gone = [np.isin(letters[k], ["d", "e"]) for k in (i, j)]
                assert apart[gone[0] != gone[1]].mean() > 2 * apart[~gone[0] & ~gone[1]].mean(), (i, j)
        labels = page.locator(".ls-one .ls-label")
        told = zip(multiples["sides"], multiples["titles"], multiples["notes"], strict=True)
        for i, (name, title, note) in enumerate(told):
            answer = SIDES[name].answer
            assert labels.nth(i).text_content() == f"{title}{note}“{answer}” {'✓' if answer == FULL.answer else '✗'}"
            assert labels.nth(i).locator(".ls-differs").count() == (answer != FULL.answer)
        for name in reversed(multiples["sides"]):
            page.click(f'.ls-one[data-side="{name}"]')
            now = seen(page)
            check_view(now, state_of(step, acted=True, side=name))
            pressed = page.locator('.ls-one[aria-pressed="true"]').evaluate_all("all => all.map((n) => n.dataset.side)")
            assert pressed == [name]


def test_switches_show_another_side_and_leave_the_rest(teach):
    page = teach()
    for number in NUMBERS:
        if not STEPS[number - 1]["switches"]:
            continue
        step = go(page, number, acts=True)
        slide_time(page, 7)
        for switch in [*step["switches"], step["switches"][0]]:
            page.click(f'.ls-switch[data-side="{switch["side"]}"]')
            now = seen(page)
            check_view(now, state_of(step, acted=True, side=switch["side"], t=7))
            pressed = page.locator('.ls-switch[aria-pressed="true"]').all_text_contents()
            assert pressed == [switch["text"]] and now["asks"] == plain(step["ask"]["text"])
            assert page.locator(".ls-switch-note").all_text_contents() == [switch["note"]]
        # Coming back begins with the step's own side.
        page.click(f'.ls-switch[data-side="{step["switches"][-1]["side"]}"]')
        go(page, 1)
        go(page, number)
        check_view(seen(page), state_of(step))
