"""Fewer picture tokens before side B reads, in a real browser on the real program."""

import pytest

from tests.program.test_before_question_browser import link_of
from tests.serving import answers, ask, visitors


@pytest.fixture
def visit(browser, live):
    """Opens the page as a new visitor; at the end nothing may have gone wrong in it."""
    with visitors(browser, live) as opened:
        yield opened


def choose(page, text):
    page.locator("#front input").click()
    page.get_by_role("option", name=text).click()


def test_the_choice_is_followed_said_shown_and_carried_by_a_link(visit):
    page = visit("?example=scene-2066&q=What is the number?&a=full&b=full&keep=30")
    answers(page)
    assert page.inner_text(".tv-before") == "" and "front" not in link_of(page)
    page.click("#clear")
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    choose(page, "VisionZip")
    ask(page)
    found = answers(page)
    said = page.inner_text(".tv-before")
    assert said.startswith("VisionZip gave B’s language model ") and " of 256 picture tokens" in said
    assert "VisionZip" in page.text_content('[data-side="b"] .tv-title')
    link = link_of(page)
    assert "front=visionzip" in link and "keep=30" in link
    other = visit(link)
    assert answers(other) == found and other.inner_text(".tv-before") == said
    assert other.input_value("#front input").startswith("VisionZip:")


def test_before_another_method_both_names_are_there_and_a_later_turn_goes_on(visit):
    page = visit("?example=scene-2066&q=What is the number?&a=full&b=snapkv&keep=20&front=divprune")
    answers(page)
    assert "DivPrune, then SnapKV" in page.text_content('[data-side="b"] .tv-title')
    page.fill("#question textarea", "How many objects are there?")
    ask(page)
    answers(page)
    assert "DivPrune, then SnapKV" in page.text_content('[data-side="b"] .tv-title')
    assert page.inner_text(".tv-before").startswith("DivPrune gave B’s language model ")
