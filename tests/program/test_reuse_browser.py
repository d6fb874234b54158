"""The picture that side B takes over, in a real browser on the real program."""

import pytest

from tests.program.test_before_question_browser import link_of
from tests.serving import answers, ask, visitors

SAYS = "Here the first question comes before the picture, which had been read without it, as the beginning of a text: A"


@pytest.fixture
def visit(browser, live):
    """Opens the page as a new visitor; at the end nothing may have gone wrong in it."""
    with visitors(browser, live) as opened:
        yield opened


def choose(page, text):
    page.locator("#reuse input").click()
    page.get_by_role("option", name=text).click()


def test_the_choice_is_followed_said_shown_and_carried_by_a_link(visit):
    page = visit("?example=scene-2066&q=What is the number?&a=full&b=full")
    answers(page)
    assert page.inner_text(".tv-before") == "" and not page.is_visible(".tv-key-reuse") and "reuse" not in link_of(page)
    page.click("#clear")
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    choose(page, "its first 4 tokens")
    ask(page)
    found = answers(page)
    assert page.inner_text(".tv-before").startswith(SAYS) and page.is_visible(".tv-key-reuse")
    assert "on the first 4 tokens of the reused part" in page.inner_text(".tv-story")
    link = link_of(page)
    assert "reuse=4" in link
    other = visit(link)
    assert answers(other) == found and other.inner_text(".tv-before").startswith(SAYS)
    assert "first 4 tokens" in other.input_value("#reuse input")


def test_a_link_with_another_number_reads_the_picture_and_says_what_is_wrong(visit):
    page = visit("?example=scene-2066&q=What is the number?&reuse=5")
    assert "The link sets reuse to '5': write one of off, 0, 1, 4, 16, all" in page.inner_text(".tv-wrong")
    assert page.inner_text(".tv-before") == ""
