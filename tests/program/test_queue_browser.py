"""Waiting on the page: five want the model at once; one of them reads where he stands, and stops in line."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.callers import LONG, Caller, Stream, health
from tests.serving import answers, ask, visitors

TABLE = (
    "Describe the image in detail.",
    LONG,
    "0.9,0.8,0.7,0.6,0.5,0.4,0.3,0.2,0.1",
    64,
)  # more than anybody waits for


@pytest.fixture
def crowd(live):
    """Four programs, each of which has a long table filled; they go at the end."""
    url = live.rstrip("/")
    callers = [Caller(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(lambda caller: caller.post("compare_all", caller.upload(), *TABLE), callers))
    streams = [Stream(url, f"/gradio_api/call/compare_all/{number}") for number in numbers]
    while health(url)[1]["queue"]["waiting"] < 3:
        pass
    yield
    for stream in streams:
        stream.reset()


WATCH = """() => {
  window.lines = [];
  const note = () => {
    const line = document.querySelector('.tv-asked .tv-how')?.textContent ?? '';
    if (line && line !== window.lines.at(-1)) window.lines.push(line);
  };
  const all = { subtree: true, childList: true, characterData: true };
  new MutationObserver(note).observe(document.querySelector('#view'), all);
}"""


def test_who_waits_behind_four_others_reads_how_his_place_comes_nearer_and_can_stop(browser, live, crowd):
    with visitors(browser, live) as opened:
        page = opened()
        page.evaluate(WATCH)
        ask(page, "How many objects are there?", wait=False)
        lines = page.evaluate("window.lines")
        places = [line.split(",")[0].removeprefix("Waiting: ") for line in lines if line.startswith("Waiting: ")]
        order = [place for number, place in enumerate(places) if place not in places[:number]]
        expected = ["4th in line", "3rd in line", "2nd in line", "next in line"]
        assert order == expected[-len(order) :] and len(order) >= 3, lines
        page.wait_for_selector("#ask:not([disabled])", timeout=120_000)
        assert all(answers(page)) and "finished after" in page.inner_text(".tv-status")
        before = page.locator(".tv-turn").count()
        page.fill("#question textarea", "What is in the center?")
        page.click("#ask")
        page.locator(".tv-asked .tv-how", has_text="in line").first.wait_for(timeout=60_000)
        assert page.locator(".tv-asked .tv-question").inner_text() == "What is in the center?"
        assert "a program's comparison of 7 methods, row" in page.inner_text(".tv-status")
        page.click("#stop")
        page.wait_for_function("!document.querySelector('.tv-asked')")
        page.wait_for_selector("#ask:not([disabled])")
        assert page.inner_text(".tv-status") == "Stopped before it was begun: nothing was asked."
        assert page.input_value("#question textarea") == "What is in the center?"
        assert page.locator(".tv-turn").count() == before
