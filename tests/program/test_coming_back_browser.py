"""Whoever comes back finds all as it was: reloads, lines that were cut, a server started anew, several tabs."""

import io
import os
import re
import signal
import socket
import threading
import time
from contextlib import suppress

import pytest

from scenes.scene import random_scene, render
from tests.serving import (
    answers,
    ask,
    ended,
    free_port,
    inspected,
    slide,
    started,
    state,
    tokens_of,
    turns_of,
    visitors,
)

# The real program, with answers that can be interrupted. On one signal it is out of patience with who is away, on
# another it writes far more slowly, or no longer so.
SLOW = """
import signal
import time
import page.following
from elastic import session
decode, seconds = session.decode, [0.05, 0.5]
def slowly(*args, **options):
    for step in decode(*args, **options):
        time.sleep(seconds[0])
        yield step
session.decode = slowly
signal.signal(signal.SIGUSR1, lambda *_: setattr(page.following, "GRACE", 0.5))
signal.signal(signal.SIGUSR2, lambda *_: seconds.reverse())
"""
BACK = "document.querySelector('.tv-status')?.textContent.startsWith('Back where you were')"
DONE = '#view .trace-view[data-done="true"]'


class Cable:
    """A line to a server that can be cut, and mended: while it is cut, nobody is reached."""

    def __init__(self, to):
        self.to, self.ends, self.listener, self.port = to, [], None, 0
        self.mend()

    def mend(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def cut(self):
        for end in (self.listener, *self.ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.ends = []

    def _serve(self, listener):
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                self.ends += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source, sink):
        with suppress(OSError):
            while content := source.recv(65536):
                sink.sendall(content)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class House:
    """The program on a port of its own, which can be started anew, and a cable to it."""

    def __init__(self):
        self.port = free_port()
        self.start()
        self.cable = Cable(self.port)
        self.address = f"http://127.0.0.1:{self.cable.port}/"

    def start(self):
        self.server = started(self.port, first=SLOW)

    def stop(self):
        ended(self.server)

    def signal(self, number):
        os.kill(self.server.pid, number)


@pytest.fixture(scope="module")
def house():
    house = House()
    yield house
    house.cable.cut()
    house.stop()


@pytest.fixture
def page(browser, house):
    """A new visitor, whose page may stumble over a line that is cut."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(house.address)
    page.wait_for_selector(DONE, timeout=60_000)
    yield page
    context.close()


def begin(page, question="Describe the image in detail."):
    """Ask, and return the name of the run once some of it was written."""
    ask(page, question, wait=False)
    page.wait_for_function("document.querySelector('.trace-view').view.inspect().sides[0].tokens > 3", timeout=60_000)
    return state(page)["run"]


def when_back(page, words=BACK):
    page.wait_for_function(words, timeout=60_000)


def when_answered(page):
    page.wait_for_selector(DONE, timeout=60_000)
    page.wait_for_selector("#ask:not([disabled])", timeout=60_000)


def test_what_was_typed_and_chosen_before_asking_is_there_after_a_reload(page):
    page.set_input_files(
        "#picture input[type=file]", {"name": "own.png", "mimeType": "image/png", "buffer": picture_of("own")}
    )
    page.wait_for_function("document.querySelector('#picture img')?.src.includes('own')")
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    slide(page, "#keep", 20)
    page.fill("#question textarea", "What I was about to ask")
    page.wait_for_function("sessionStorage.getItem('elastic.typed')?.includes('about to ask')")
    page.reload()
    page.wait_for_function("document.querySelector('#question textarea')?.value === 'What I was about to ask'")
    page.wait_for_function("document.querySelector('#picture img')?.src.includes('own')")
    assert page.input_value("#keep input[type=number]") == "20"


def picture_of(seed):
    file = io.BytesIO()
    render(random_scene(seed))[0].save(file, "PNG")
    return file.getvalue()


def test_reloads_in_the_midst_and_between_turns_and_ways_back_lose_nothing(page):
    run = begin(page)
    page.reload()
    page.wait_for_function("run => document.querySelector('.trace-view')?.dataset.run === run", arg=run, timeout=60_000)
    when_answered(page)
    assert min(tokens_of(page)) > 20 and all(side["tokens"] for side in inspected(page)["sides"])
    slide(page, "#keep", 20)
    ask(page, "How many objects are there?")
    said = page.locator(".tv-turn").all_inner_texts()
    page.reload()
    when_back(page)
    assert turns_of(page) == 2 and page.locator(".tv-change").all_inner_texts() == ["From here B keeps 20 %."]
    page.goto("about:blank")
    page.go_back()
    when_back(page)
    assert page.locator(".tv-turn").all_inner_texts() == said
    ask(page, "Is there a dog?")
    assert turns_of(page) == 3
    page.locator(".tv-look").first.click()
    page.wait_for_selector('.tv-turn[data-shown="true"]:first-child')
    page.wait_for_function("run => sessionStorage.getItem('elastic.looked') === run", arg=run)
    page.reload()
    page.wait_for_selector('.tv-turn[data-shown="true"]:first-child', timeout=60_000)
    assert state(page)["run"] == run


@pytest.mark.parametrize("is_patient", [True, False])
def test_a_line_that_is_cut_in_the_midst_of_an_answer_brings_nobody_back_to_something_else(page, house, is_patient):
    """For a while the answer goes on; after that what was written stays, and a sentence says why there is no more."""
    if not is_patient:
        house.signal(signal.SIGUSR1)
    run = begin(page)
    house.cable.cut()
    page.wait_for_function("document.body.innerText.includes('Connection')")
    time.sleep(2)  # in which nothing is heard
    house.cable.mend()
    over = "finished after" if is_patient else "The connection was lost after token"
    page.wait_for_function(f"document.querySelector('.tv-status')?.textContent.includes('{over}')", timeout=90_000)
    when_answered(page)
    assert state(page)["run"] == run and turns_of(page) == 1
    if not is_patient:
        assert re.search(r"after token \d+\. Press Retry to ask again\.", page.inner_text(".tv-status"))


LINES = """() => {
  window.lines = [];
  const line = document.querySelector('.tv-status');
  const all = { childList: true, characterData: true, subtree: true };
  new MutationObserver(() => window.lines.push(line.textContent)).observe(line, all);
}"""


def test_who_chooses_another_picture_in_mid_answer_reads_at_once_what_becomes_of_it(page, house):
    """One that is refused leaves the answer as it is; another ends it."""
    own = {"name": "own.png", "mimeType": "image/png", "buffer": picture_of("own")}
    said = "The new picture is looked at: then the answer that goes on is ended, and a new conversation begins."
    house.signal(signal.SIGUSR2)
    run = begin(page)
    page.evaluate(LINES)
    page.set_input_files("#picture input[type=file]", own | {"buffer": own["buffer"][:99]})
    page.wait_for_function("said => window.lines.includes(said)", arg=said)
    page.wait_for_function("document.querySelector('.tv-status').textContent.startsWith('Writing')")
    assert state(page)["run"] == run, "it goes on"
    page.evaluate(LINES)
    page.set_input_files("#picture input[type=file]", own)
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    assert page.evaluate("window.lines.filter(Boolean).at(-1)") == said and page.inner_text(".tv-status") == ""
    house.signal(signal.SIGUSR2)


def test_the_way_back_from_a_link_leads_to_ones_own_conversation_and_picture(page, house):
    own = {"name": "own.png", "mimeType": "image/png", "buffer": picture_of("own")}
    page.set_input_files("#picture input[type=file]", own)
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    page.wait_for_function("document.querySelector('#picture img')?.src.includes('own')")
    ask(page, "Is there a dog?")
    said = page.locator(".tv-turn").all_inner_texts()
    # The question comes into the address first, where one stands in its answer once that is complete.
    page.wait_for_function("location.search.includes('without=picture') && location.search.includes('level=')")
    address = page.url
    page.goto(house.address + "?example=lost-question&t=4")
    page.wait_for_selector(DONE, timeout=60_000)
    page.wait_for_function("!document.querySelector('#picture img')?.src.includes('own')")
    page.go_back()
    when_back(page)
    assert page.locator(".tv-turn").all_inner_texts() == said and page.url == address
    assert page.locator(".tv-wrong").is_hidden(), "nothing is said to be missing"
    page.wait_for_function("document.querySelector('#picture img')?.src.includes('own')")
    ask(page, "And what else?")
    assert turns_of(page) == 2
    page.go_forward()
    page.wait_for_function("location.search === '?example=lost-question&t=4'")
    page.wait_for_selector(DONE, timeout=60_000)
    assert turns_of(page) == 1 and "Recorded earlier" in page.inner_text(".tv-status")


def test_a_question_that_never_reached_the_server_stands_in_its_box_after_a_reload(page):
    question = "What nobody has heard yet?"
    page.fill("#question textarea", question)

    def hold(route):
        said = route.request.post_data or ""
        if question not in said or "copied" in said:  # what a tab says of itself when it is loaded
            route.continue_()

    page.route(lambda address: "/gradio_api/run/" in address or "/gradio_api/queue/join" in address, hold)
    page.click("#ask")
    page.wait_for_function("document.querySelector('#question textarea').value === ''")
    page.reload()
    page.wait_for_function("text => document.querySelector('#question textarea')?.value === text", arg=question)


# From within: the question stands there for a moment only, until its answer begins.
RELOAD_WHEN_ASKED = """() => {
  const isAsked = () => document.querySelector('.tv-asked')?.checkVisibility();
  new MutationObserver(() => isAsked() && location.reload()).observe(document.body, { childList: true, subtree: true });
}"""


def test_a_question_is_not_asked_twice_because_of_a_reload_and_the_address_says_what_is_shown(page):
    question = "Describe the image in detail."
    page.fill("#question textarea", question)
    page.evaluate(RELOAD_WHEN_ASKED)
    with page.expect_navigation():
        page.click("#ask")
    there = """text => document.querySelector('#question textarea')?.value === text
      || [...document.querySelectorAll('.tv-question')].some((node) => node.textContent === text)"""
    page.wait_for_function(there, arg=question, timeout=60_000)
    if page.input_value("#question textarea") == question:  # the page had shown it before the server began it
        page.click("#ask")
    page.wait_for_function("location.search.includes('Describe')", timeout=60_000)
    when_answered(page)
    assert turns_of(page) == 1 and page.input_value("#question textarea") == ""


def test_two_tabs_do_not_mix_and_a_copy_of_one_does_not_take_its_conversation(page, house):
    tabs = [page, page.context.new_page()]
    questions = ("How many objects are there?", "Is there a dog?")
    for tab, question in zip(tabs, questions, strict=True):
        if tab is not page:
            tab.goto(house.address)
            tab.wait_for_selector(DONE, timeout=60_000)
        ask(tab, question)
    with page.context.expect_page() as opened:
        page.evaluate("window.open(location.href)")
    copy = opened.value
    when_back(copy, "document.querySelector('.tv-status')?.textContent.includes('is a copy')")
    assert turns_of(copy) == 0
    copy.wait_for_function("location.search === ''")  # that of the other tab names what is not shown here
    for tab, question in zip(tabs, questions, strict=True):
        tab.reload()
        when_back(tab)
        assert tab.locator(".tv-question").all_text_contents() == [question]
    ask(page, "And what else?")
    assert turns_of(page) == 2


def test_after_a_server_was_started_anew_the_words_stay_and_a_question_goes_on_about_the_same_picture(page, house):
    """Also the tab that is open: the next thing is asked about the picture that was uploaded."""
    page.set_input_files(
        "#picture input[type=file]", {"name": "own.png", "mimeType": "image/png", "buffer": picture_of("own")}
    )
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    page.wait_for_function("document.querySelector('#picture img')?.src.includes('own')")
    ask(page, "Is there a dog?")
    said = answers(page)
    page.wait_for_function("sessionStorage.getItem('elastic.pixels') && sessionStorage.getItem('elastic.turns')")
    page.wait_for_function("location.search.includes('without=picture')")
    house.stop()
    house.start()
    page.reload()
    when_back(page, "document.querySelector('.tv-status')?.textContent.includes('no longer holds this conversation')")
    assert page.locator(".tv-said-text").all_inner_texts() == said and page.locator(".tv-look").count() == 0
    page.wait_for_function("document.querySelector('#picture img')?.src.includes('own')")
    ask(page, "Is there a dog?")
    assert answers(page) == said and turns_of(page) == 2, "the picture is the same"
    assert "A new conversation begins here" in page.inner_text(".tv-change")
    page.wait_for_function("JSON.parse(sessionStorage.getItem('elastic.turns')).length === 2")
    for _ in range(2):
        page.reload()
        when_back(page)
        assert turns_of(page) == 2 and page.locator(".tv-look").count() == 1, "the words stay above it"
    page.click("#clear")
    page.wait_for_function("document.querySelectorAll('.tv-turn').length === 0")
    page.reload()
    page.wait_for_selector(DONE, timeout=60_000)
    assert turns_of(page) == 1 and not page.get_by_text("A new conversation begins here").count()


def test_what_a_tab_kept_and_cannot_be_read_any_more_counts_as_not_kept(browser, live):
    """As that of another version, or cut off: the page begins, and one asks."""
    broken = {f"elastic.{name}": "{broken" for name in ("typed", "asking", "turns", "words", "looked", "key")}
    with visitors(browser, live) as opened:
        page = opened(kept=broken)
        page.wait_for_selector("#controls:not([inert])")
        page.wait_for_selector("#ask:not([disabled])")
        ask(page, "How many objects are there?")
        assert all(answers(page)) and turns_of(page) == 1
