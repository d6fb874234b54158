"""A conversation on the page, in a real browser on the real program: its turns, what is done with them, and many."""

import re

import pytest

from benchmarks.callers import PageVisitor
from tests.serving import answers, ask, choose_example, question_of, slide, state, turns_of, visitors

QUESTIONS = ("How many objects are there?", "What is in the center?", "Where is the dog?")


@pytest.fixture(scope="module")
def page(browser, live):
    """A visitor who stays, with leave to copy."""
    with visitors(browser, live) as opened:
        page = opened()
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_text("Answer", exact=True).click()
        yield page


@pytest.fixture
def begun(page):
    """The same, before the first question about a picture, with half of the cache kept."""
    choose_example(page, 5, "Describe")
    slide(page, "#tokens", 128)
    return page


def asked_in(page):
    """The questions of all turns, from the first to the last."""
    return page.locator(".tv-question").all_text_contents()


def said_in(page, number):
    """What both sides say in a turn, whether it is looked at or not."""
    return page.locator(".tv-turn").nth(number).locator(".tv-said-text, .tv-text").all_text_contents()


def act(page, number, name):
    """Press a button of a turn."""
    page.locator(".tv-turn").nth(number).locator(f".tv-{name}").click()


def when_done(page, action):
    """Do what begins a run, and wait for its end."""
    before = state(page)["run"]
    action()
    page.wait_for_function("run => document.querySelector('.trace-view').dataset.run !== run", arg=before)
    page.wait_for_selector('.trace-view[data-done="true"]')
    page.wait_for_selector("#ask:not([disabled])")


def rewrite(page, number, question):
    """Ask something else from a turn on."""
    act(page, number, "edit")
    page.fill(".tv-edit-box", question)
    when_done(page, lambda: page.press(".tv-edit-box", "Enter"))


def test_seven_turns_with_edits_and_a_divider(begun):
    page = begun
    for question in QUESTIONS:
        ask(page, question)
    assert asked_in(page) == list(QUESTIONS) and page.input_value("#question textarea") == ""
    first = said_in(page, 0)
    rewrite(page, 1, "How many animals are there?")
    assert asked_in(page) == [QUESTIONS[0], "How many animals are there?"] and said_in(page, 0) == first
    slide(page, "#keep", 10)
    for number in range(5):
        ask(page, QUESTIONS[number % 3])
    expected = [QUESTIONS[0], "How many animals are there?", *[QUESTIONS[number % 3] for number in range(5)]]
    assert asked_in(page) == expected
    assert page.locator(".tv-change").all_inner_texts() == ["From here B keeps 10 %."]
    divider = page.locator(".tv-turn").nth(2).locator(".tv-change")
    assert divider.is_visible() and said_in(page, 0) == first, "the turns stay"
    holds = page.locator(".tv-turn").nth(1).locator('.tv-said[data-side="b"] .tv-holds').inner_text()
    assert re.fullmatch(r"Elastic Cache · asked to keep 50 % · [\d.]+ MiB · (49|50|51) % saved", holds)
    assert "asked to keep 10 %" in page.inner_text('.tv-answer[data-side="b"] .tv-head')
    rewrite(page, 6, "Is there a pig?")
    assert asked_in(page) == [*expected[:6], "Is there a pig?"]
    assert len(page.locator(".tv-change").all()) == 1


def test_a_turn_is_looked_into_and_the_next_one_is_shown_by_itself(begun):
    page = begun
    for question in QUESTIONS[:2]:
        ask(page, question)
    last, shown = state(page)["run"], page.evaluate("document.querySelector('canvas.tv-patches').toDataURL()")
    texts = [said_in(page, number) for number in range(2)]
    act(page, 0, "look")
    page.wait_for_selector('.tv-turn[data-shown="true"]:first-child')
    page.wait_for_function("run => document.querySelector('.trace-view').dataset.run !== run", arg=last)
    assert question_of(page) == QUESTIONS[0] and answers(page) == texts[0]
    assert [said_in(page, number) for number in range(2)] == texts, "what was said stays as it is"
    page.wait_for_function("was => document.querySelector('canvas.tv-patches').toDataURL() !== was", arg=shown)
    assert page.locator(".tv-turn").nth(0).locator(".tv-look").get_attribute("aria-pressed") == "true"
    act(page, 1, "look")
    page.wait_for_function("run => document.querySelector('.trace-view').dataset.run === run", arg=last)
    act(page, 0, "look")
    page.wait_for_selector('.tv-turn[data-shown="true"]:first-child')
    ask(page, QUESTIONS[2])
    page.wait_for_selector('.tv-turn[data-shown="true"]:last-child')
    assert question_of(page) == QUESTIONS[2]


def test_who_looks_at_an_earlier_turn_while_an_answer_grows_is_left_there_and_it_grows_above(begun):
    page = begun
    ask(page, QUESTIONS[0])
    first = state(page)["run"]
    ask(page, "Describe the image in detail.", wait=False)
    act(page, 0, "look")
    page.wait_for_function("run => document.querySelector('.trace-view').dataset.run === run", arg=first)
    page.wait_for_selector("#ask:not([disabled])", timeout=60_000)
    assert state(page)["run"] == first and question_of(page) == QUESTIONS[0]
    page.wait_for_function("document.querySelector('.tv-status').textContent.includes('finished after')")
    grown = said_in(page, 1)
    act(page, 1, "look")
    page.wait_for_selector('.tv-turn[data-shown="true"]:last-child')
    page.wait_for_selector('.trace-view[data-done="true"]')
    assert answers(page) == grown and all(text.endswith(".") for text in grown)


def test_a_turn_can_be_copied_asked_again_and_drawn_anew(begun):
    page = begun
    ask(page, "What is in the center?")
    before = said_in(page, 0)
    act(page, 0, "copy")
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split("\n\n") == [
        "What is in the center?",
        f"A (Full cache): {before[0]}",
        f"B (Elastic Cache, asked to keep 50 %): {before[1]}\n",
    ]
    when_done(page, lambda: act(page, 0, "retry"))
    assert said_in(page, 0) == before and turns_of(page) == 1 and not page.inner_text(".tv-drawn")
    when_done(page, lambda: act(page, 0, "draw"))
    assert re.fullmatch(r"drawn at temperature 0\.7, seed \d+", page.inner_text(".tv-drawn"))
    assert asked_in(page) == ["What is in the center?"]


def test_enter_sends_shift_and_enter_breaks_the_line_and_what_is_refused_comes_back(begun):
    page, box = begun, "#question textarea"
    page.fill(box, "How many")
    page.press(box, "Shift+Enter")
    page.type(box, "objects are there?")
    when_done(page, lambda: page.press(box, "Enter"))
    assert question_of(page) == "How many\nobjects are there?" and page.input_value(box) == ""
    page.fill(box, "x" * 3000)
    page.press(box, "Enter")
    page.get_by_text("3,000 characters").first.wait_for()
    page.wait_for_function("document.querySelector('#question textarea').value.length === 3000")
    assert turns_of(page) == 1
    page.fill(box, "")


def test_an_empty_box_asks_the_last_question_again_with_the_settings_as_they_are_now(begun):
    page = begun
    for question in QUESTIONS[:2]:
        ask(page, question)
    kept = said_in(page, 0)
    slide(page, "#keep", 30)
    assert page.input_value("#question textarea") == ""
    when_done(page, lambda: page.click("#ask"))
    assert asked_in(page) == list(QUESTIONS[:2]) and said_in(page, 0) == kept
    assert "asked to keep 30 %" in page.locator(".tv-turn").nth(1).inner_text()
    assert page.input_value("#question textarea") == ""


def test_an_edit_that_is_given_up_or_refused_changes_nothing(begun):
    page = begun
    ask(page, QUESTIONS[0])
    act(page, 0, "edit")
    assert page.input_value(".tv-edit-box") == QUESTIONS[0]
    page.press(".tv-edit-box", "Escape")
    assert page.locator(".tv-edit-box").count() == 0 and asked_in(page) == [QUESTIONS[0]]
    assert page.evaluate("document.activeElement.className").endswith("tv-edit")
    act(page, 0, "edit")
    page.fill(".tv-edit-box", " ")
    page.press(".tv-edit-box", "Enter")
    page.get_by_text("no question yet").first.wait_for()
    page.wait_for_selector("#ask:not([disabled])")
    assert page.locator(".tv-edit-box").count() == 1, "what was written stays until it is taken"
    page.get_by_role("button", name="Cancel").click()
    assert asked_in(page) == [QUESTIONS[0]]


def test_another_picture_begins_a_conversation_and_the_first_can_be_gone_on_with(begun):
    page = begun
    page.click("#clear")
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    title = "What is at the very top? · 2 turns"
    ask(page, "What is at the very top?")
    ask(page, QUESTIONS[1])
    first, texts = page.get_attribute("#picture img", "src"), [said_in(page, number) for number in range(2)]
    choose_example(page, 2, "rabbits")
    ask(page, "How many rabbits are there?")
    assert turns_of(page) == 1
    page.locator("#conversations").get_by_text(title).click()
    page.wait_for_function("document.querySelectorAll('.tv-turn').length === 2")
    same = "src => document.querySelector('#picture img').src.endsWith(src.split('/').pop())"
    page.wait_for_function(same, arg=first)
    assert [said_in(page, number) for number in range(2)] == texts
    assert "Back in this conversation" in page.inner_text(".tv-status")
    assert page.input_value("#scene-seed input") == "", "no seed of the other picture stands beside it"
    assert page.locator("#suggestions").get_by_text("rabbit").count() == 0
    assert page.locator("#conversations").get_by_text("How many rabbits are there? · 1 turn").is_visible()
    ask(page, QUESTIONS[2])
    assert asked_in(page) == ["What is at the very top?", QUESTIONS[1], QUESTIONS[2]]
    assert [said_in(page, number) for number in range(2)] == texts


def test_after_thirty_turns_all_is_there_and_what_nobody_sees_is_not_laid_out(browser, live):
    """The first of them are asked without a browser, under the key of the tab that then comes back to them."""
    key = "0123456789abcdef" * 2
    before = PageVisitor(live)
    before.arrive(key)
    for number in range(26):
        assert before.ask(f"{number}?", tokens=1)[-1]["success"]
    with visitors(browser, live) as opened:
        thirty_turns(opened(kept={"elastic.key": key}))
    before.close()


def thirty_turns(page):
    """The last four are asked on the page, and then it is looked at."""
    page.wait_for_function("document.querySelectorAll('.tv-turn').length === 26", timeout=60_000)
    page.wait_for_selector("#ask:not([disabled])")
    for number in range(26, 30):
        ask(page, f"{number}?")
    assert asked_in(page) == [f"{number}?" for number in range(30)]
    drawn = "turn => turn.firstElementChild.checkVisibility({ contentVisibilityAuto: true })"
    seen = page.evaluate(f"[...document.querySelectorAll('.tv-turn')].filter({drawn}).length")
    assert 1 <= seen < 20
    last = page.locator(".tv-turn").last
    assert last.locator(".tv-answers").bounding_box()["y"] < 768, "the newest is in sight"
    page.locator(".tv-turn").first.scroll_into_view_if_needed()
    assert all(said_in(page, 0)), "and what was said first"
    act(page, 0, "look")
    page.wait_for_selector('.tv-turn[data-shown="true"]:first-child')
    assert question_of(page) == "0?"


def test_nothing_of_a_turn_is_clipped(begun):
    page = begun
    question = "Describe the image in detail. " + "And tell me what is where. " * 20
    ask(page, question)
    ask(page, QUESTIONS[0])
    clipped = """[...document.querySelectorAll('.tv-talk *')].filter((node) => {
      const { overflowY } = getComputedStyle(node);
      return !node.closest('.tv-for-ears') && overflowY !== 'visible' && node.scrollHeight > node.clientHeight + 1;
    }).map((node) => node.className)"""
    assert page.evaluate(clipped) == []
    assert page.locator(".tv-question").first.inner_text() == question.strip()
    box = page.locator(".tv-turn").last.locator(".tv-question").bounding_box()
    dock = page.locator("#asking").bounding_box()
    assert box["y"] + box["height"] <= dock["y"], "the newest question is seen"
    assert abs(dock["y"] + dock["height"] - 768) <= 1, "the box to write in is at the bottom"
