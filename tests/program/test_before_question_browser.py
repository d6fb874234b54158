"""The switch that compresses before the question, in a real browser on the real program."""

import pytest

from tests.serving import answers, ask, choose_example, slide, visitors

SWITCH = "#before-question input"
SAYS = "Compressed before the question: its 8 tokens, read afterwards,"


@pytest.fixture
def visit(browser, live):
    """Opens the page as a new visitor; at the end nothing may have gone wrong in it."""
    with visitors(browser, live) as opened:
        yield opened


def link_of(page):
    """What the page's link to this run says, as its browser would copy it."""
    page.evaluate("() => { navigator.clipboard.writeText = async (text) => { window.copied = text; }; }")
    page.click('[data-save="link"]')
    page.wait_for_function("window.copied")
    return page.evaluate("window.copied.slice(window.copied.indexOf('?'))")


def test_the_switch_is_followed_said_beside_the_answers_and_carried_by_a_link(visit):
    page = visit("?example=scene-2066&q=What is the number?&b=snapkv&keep=20")
    full, after = answers(page)
    assert not page.is_checked(SWITCH) and page.inner_text(".tv-before") == "" and "compress" not in link_of(page)
    page.click("#clear")
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    page.check(SWITCH)
    ask(page)
    before = answers(page)
    assert page.inner_text(".tv-before").startswith(SAYS)
    assert before[0] == full and before[1] != after, "only the compressed side may differ"
    link = link_of(page)
    assert "compress=before" in link
    other = visit(link)
    assert answers(other) == before and other.is_checked(SWITCH)
    assert other.inner_text(".tv-before").startswith(SAYS)
    # The conversation goes on, with the question's words of that turn.
    ask(other, "Where is the turtle?")
    assert "its 11 tokens" in other.inner_text(".tv-before")
    other.uncheck(SWITCH)
    ask(other, "Where is the bee?")
    assert other.inner_text(".tv-before") == ""


def test_a_link_with_another_word_compresses_after_the_question_and_says_what_is_wrong(visit):
    page = visit("?example=scene-2066&q=What is the number?&keep=20&compress=soon")
    assert "The link compresses 'soon': write compress=before" in page.inner_text(".tv-wrong")
    assert page.inner_text(".tv-before") == "" and not page.is_checked(SWITCH)


def test_a_row_of_the_compare_tab_opens_as_it_was_compressed(visit):
    page = visit()
    choose_example(page, 0, "cars")
    page.check(SWITCH)
    page.get_by_role("tab", name="Compare").click()
    assert "after the question was read" in page.inner_text("#compare-about")
    slide(page, "#compare-tokens", 8)
    page.click("#compare")
    page.wait_for_selector('tr[data-row="1"] .cp-look:enabled', timeout=120_000)
    page.click('tr[data-row="1"] .cp-look')
    page.wait_for_selector('#view .trace-view[data-sides="2"][data-done="true"]', timeout=60_000)
    assert not page.is_checked(SWITCH) and page.inner_text(".tv-before") == ""
