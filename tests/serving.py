"""The real program in a process of its own, and visitors in a real browser, for tests."""

import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent


@contextmanager
def served(*options):
    """`python app.py` with those options on a free port: its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), *options]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, "the program ended"
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


@contextmanager
def visitors(browser, address):
    """A function that opens the page as a new visitor; at the end nothing went wrong in it or left this machine."""
    contexts, wrong = [], []

    def opened(query="", **options):
        context = browser.new_context(**{"viewport": {"width": 1366, "height": 768}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if "Error" in line.text else None)
        local = (address, "data:", "blob:")
        page.on("request", lambda request: None if request.url.startswith(local) else wrong.append(request.url))
        page.goto(address + query)
        # Something can be seen at once: a recorded run, or what the address asks for.
        page.wait_for_selector('#view .trace-view[data-done="true"]', timeout=60_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong


def state(page):
    """What the live view says of itself."""
    return page.evaluate("({...document.querySelector('.trace-view').dataset})")


def inspected(page):
    """What the live view says when it is asked."""
    return page.evaluate("document.querySelector('.trace-view').view.inspect()")


def tokens_of(page):
    """How many answer tokens each side has."""
    return [side["tokens"] for side in inspected(page)["sides"]]


def ask(page, question=None, wait=True):
    """Press Ask, with another question if there is one; return when the answers begin, or when they are complete."""
    if question is not None:
        page.fill("#question textarea", question)
    before = state(page)["run"]
    page.click("#ask")
    page.wait_for_function(
        "before => document.querySelector('.trace-view').dataset.run !== before", arg=before, timeout=120_000
    )
    if wait:
        page.wait_for_selector('.trace-view[data-done="true"]', timeout=120_000)
        page.wait_for_selector("#ask:not([disabled])")


def answers(page):
    """What both sides say."""
    return [page.inner_text(f'.tv-answer[data-side="{side}"] .tv-text') for side in "ab"]


def choose_example(page, number, word):
    """One of the examples, half of the cache kept; `word` is of the question that comes with it."""
    page.locator("#examples button, #examples .gallery-item").nth(number).click()
    page.wait_for_function("word => document.querySelector('#question textarea').value.includes(word)", arg=word)
    # Forgetting the last conversation comes after the picture; a question asked in between would lose its Stop button.
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    slide(page, "#keep", 50)


def slide(page, selector, value):
    """Set one of Gradio's sliders by its number."""
    box = page.locator(f"{selector} input[type=number]")
    box.fill(str(value))
    box.press("Enter")
