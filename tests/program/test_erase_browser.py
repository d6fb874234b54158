"""Erase and ask, in a real browser: what is brushed away, and what became of both answers, against the engine."""

import pytest

from elastic.model import load
from elastic.policies import POLICIES
from elastic.session import Comparison, run
from tests.serving import answers, ask, state, visitors

QUESTION = "What is in the center?"
LINK = f"?example=scene-2022&keep=30&q={QUESTION}"
OWL = (5, 11)  # rows and columns of the patches that show it, of 16 x 16


@pytest.fixture(scope="module")
def visit(browser, live):
    """Opens the page as a new visitor."""
    with visitors(browser, live) as opened:
        yield opened


def asked(visit, **options):
    """A page on which a first question was answered, ready to be erased from."""
    page = visit(LINK, **options)
    page.set_default_timeout(120_000)
    page.wait_for_function("document.querySelector('.trace-view').dataset.run.length === 32")
    page.wait_for_selector('.trace-view[data-done="true"]')
    page.wait_for_selector("#ask:not([disabled])")
    page.click(".tv-erase-begin")
    return page


@pytest.fixture(scope="module")
def regular(visit):
    """A visitor who stays."""
    return asked(visit)


def brush(page, rows, columns):
    """Brush over patches of A's picture, a stroke per row, with the mouse."""
    canvas = page.locator('.tv-patches[data-side="a"]')
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    cell = box["width"] / 16
    for row in range(*rows):
        y = box["y"] + (row + 0.5) * cell
        page.mouse.move(box["x"] + (columns[0] + 0.5) * cell, y)
        page.mouse.down()
        page.mouse.move(box["x"] + (columns[1] - 0.5) * cell, y, steps=4 * (columns[1] - columns[0]))
        page.mouse.up()


def marked(page, text):
    """Until the view says what is marked."""
    page.wait_for_function("text => document.querySelector('.tv-erase-says').textContent === text", arg=text)


def ask_without(page):
    """Ask, and wait for what became of the answers."""
    before = page.locator(".tv-erase-result").get_attribute("data-key") or ""
    page.click(".tv-erase-ask")
    page.wait_for_function(
        "before => (document.querySelector('.tv-erase-result').dataset.key ?? '') !== before", arg=before
    )
    page.wait_for_selector("#ask:not([disabled])")


def said(page):
    """Per side, the answer with all of the prompt and the one without, and the sentence."""
    sides = page.locator(".tv-erase-side").all()
    lines = [[line.inner_text() for line in side.locator(".tv-erase-line").all()] for side in sides]
    texts = [side.locator(".tv-erase-text").inner_text() for side in sides]
    return [(was.partition(" ")[2], now, text) for (was, now), text in zip(lines, texts, strict=True)]


def clear(page):
    if page.locator(".tv-erase-none").is_enabled():
        page.click(".tv-erase-none")


@pytest.fixture(scope="module")
def expected():
    """What the engine answers without the owl's patches."""
    from scenes.scene import random_scene, render

    llava, sides = load(), [POLICIES["full"](), POLICIES["elastic"](keep=0.3)]
    picture = render(random_scene(2022))[0]
    earlier = run(Comparison(llava, picture, sides), QUESTION, 128)
    first = int(earlier.sides[0].patches[0])
    tokens = [first + 16 * row + column for row in range(*OWL) for column in range(*OWL)]
    comparison = Comparison(llava, picture, sides)
    for _ in comparison.ask(QUESTION, 128, erased=tokens, earlier=earlier.sides):
        pass
    return comparison.record()


def test_what_is_brushed_away_changes_both_answers_as_the_engine_says(regular, expected):
    page = regular
    before = answers(page)
    brush(page, OWL, OWL)
    marked(page, "36 patches marked.")
    ask_without(page)
    assert page.inner_text(".tv-erase-head") == "Without 36 patches"
    assert "Asked without 36 tokens of the prompt." in page.inner_text(".tv-status")
    for (was, now, text), side, letter in zip(said(page), expected.sides, "AB", strict=True):
        assert side.erasure.answer in was and side.answer in now and side.answer != side.erasure.answer
        assert text.startswith(f"{letter} says something else.")
    assert answers(page) == before, "what was asked is still looked at"
    noticed = page.locator('.tv-erase-side[data-side="a"] .tv-noticed bdi').all_inner_texts()
    assert "owl" in noticed and "center" not in noticed


def test_the_erased_run_can_be_looked_into_and_left_again(regular, expected):
    page = regular
    run_before = state(page)["run"]
    page.click(".tv-erase-look")
    page.wait_for_function("before => document.querySelector('.trace-view').dataset.run !== before", arg=run_before)
    assert answers(page) == [side.answer for side in expected.sides]
    assert (
        page.inner_text(".tv-erase-head") == "Without 36 patches" and not page.locator(".tv-erase-begin").is_visible()
    )
    page.click(".tv-erase-back")
    page.wait_for_function("before => document.querySelector('.trace-view').dataset.run === before", arg=run_before)
    assert answers(page) == [side.erasure.answer for side in expected.sides]
    page.click(".tv-erase-begin")


def test_what_asks_without_the_marked_comes_into_sight_when_marking_begins(regular):
    page = regular
    begin = page.locator(".tv-erase-begin")
    if begin.get_attribute("aria-pressed") == "true":
        begin.click()
    page.evaluate("""() => {
        const bar = document.querySelector('#asking').getBoundingClientRect().top;
        window.scrollBy(0, document.querySelector('.tv-erase-begin').getBoundingClientRect().bottom - bar + 4);
    }""")
    begin.click()
    page.wait_for_function("""() => {
        const bottom = document.querySelector('.tv-erase-ask').getBoundingClientRect().bottom;
        return bottom > 0 && bottom < document.querySelector('#asking').getBoundingClientRect().top;
    }""")


def test_a_stroke_that_begins_on_a_mark_takes_marks_away(regular):
    page = regular
    clear(page)
    brush(page, (2, 3), (2, 8))
    marked(page, "6 patches marked.")
    brush(page, (2, 3), (2, 5))
    marked(page, "3 patches marked.")
    clear(page)
    page.locator(".tv-erase-says", has_text="Brush over patches").wait_for()
    assert not page.locator(".tv-erase-ask").is_enabled()


def test_with_keys_alone_patches_and_words_are_erased(regular):
    page = regular
    clear(page)
    page.locator('.tv-patches[data-side="a"]').focus()
    for key in ("ArrowRight", "e", "ArrowDown", "e", "ArrowDown", "e", "e"):
        page.keyboard.press(key)
    marked(page, "2 patches marked.")
    strip = page.locator('.tv-strip[data-side="a"]')
    word = strip.locator(".tv-token", has_text="center").first
    word.focus()
    page.keyboard.press("e")
    marked(page, "2 patches and 1 piece of the text marked.")
    page.locator(".tv-erase-ask").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('.tv-erase-head').textContent === 'Without 2 patches and 1 piece of the text'"
    )
    page.wait_for_selector("#ask:not([disabled])")


NAMES = (".tv-erased", ".tv-looks:not(.tv-erased, .tv-image)")
LOOKS = "(box) => ({ mark: getComputedStyle(box, '::before').content, ground: getComputedStyle(box).backgroundColor })"


def test_a_pressed_word_is_marked_in_both_strips_and_an_answers_word_is_not(regular):
    page = regular
    clear(page)
    page.locator('.tv-strip[data-side="a"] .tv-token', has_text="What").click()
    marked(page, "1 piece of the text marked.")
    assert page.locator(".tv-strip .tv-erased").all_inner_texts() == ["What", "What"]
    page.locator('.tv-strip[data-side="a"] [data-by="model"]').first.hover()
    page.wait_for_selector(".tv-looks:not(.tv-erased)")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=scheme == "dark")
        looks = {name: page.locator(f".tv-strip {name}").first.evaluate(LOOKS) for name in NAMES}
        assert looks[NAMES[0]]["mark"] == '"✕"' and looks[NAMES[1]]["mark"] == "none", "a cross is for what is marked"
        assert looks[NAMES[0]]["ground"] != looks[NAMES[1]]["ground"], "and so is a ground of its own"
    page.locator('.tv-strip[data-side="a"] [data-by="model"]').first.click()
    marked(page, "1 piece of the text marked.")


def test_a_finger_erases_too(visit):
    page = asked(visit, has_touch=True, viewport={"width": 390, "height": 844})
    canvas = page.locator('.tv-patches[data-side="a"]')
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("document.querySelector('.tv-erase-says').textContent === '1 patch marked.'")
    assert canvas.evaluate("canvas => getComputedStyle(canvas).touchAction") == "none"


def test_what_would_leave_nothing_is_refused_in_a_sentence_and_all_stays(regular):
    page = regular
    clear(page)
    before, run_before = answers(page), state(page)["run"]
    brush(page, (0, 16), (0, 16))
    marked(page, "256 patches marked.")
    page.click(".tv-erase-ask")
    page.get_by_text("Nothing would be left of a picture. Leave some of its patches there.").first.wait_for()
    page.wait_for_selector("#ask:not([disabled])")
    assert answers(page) == before and state(page)["run"] == run_before
    marked(page, "256 patches marked.")
    clear(page)


def test_the_conversation_goes_on_untouched_and_its_first_turn_can_still_be_erased_from(regular):
    page = regular
    brush(page, (0, 1), (0, 4))
    marked(page, "4 patches marked.")
    assert page.locator(".tv-erase-over").count() == 2
    ask(page, "Where is the penguin?", wait=False)
    assert not page.locator(".tv-erase-over").count(), "marks belonged to what was looked at"
    page.wait_for_selector('.trace-view[data-done="true"]')
    page.wait_for_selector("#ask:not([disabled])")
    assert state(page)["turns"] == "2"
    assert "first question" in page.inner_text(".tv-erase-why") and not page.locator(".tv-erase-begin").is_visible()
    page.locator(".tv-turn").first.locator(".tv-look").click()
    page.locator(".tv-erase-begin").wait_for()
    page.click(".tv-erase-begin")
    brush(page, OWL, OWL)
    ask_without(page)
    assert state(page)["turns"] == "2" and "nothing" in said(page)[0][1]


def test_of_a_recorded_run_it_is_said_what_to_do(visit):
    page = visit("?example=faithful-merge")
    assert "Ask this yourself" in page.inner_text(".tv-erase-why")
    assert not page.locator(".tv-erase-begin").is_visible()
