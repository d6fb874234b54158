"""The real program in a process of its own, and visitors in a real browser, for tests."""

import multiprocessing
import os
import socket
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
# As if somebody had opened all details before: most tests are about what is in them.
ALL_LEVELS = "try { localStorage.getItem('elastic-levels') ?? localStorage.setItem('elastic-levels', '3') } catch {}"


# Programs are forked from a process that has imported what they need: that takes longer than all else of a start.
WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(["app", "page.live", "elastic.model", "transformers.models.llava.modeling_llava"])


def run_program(options, first, environment):
    """What `python app.py` with those options does in an environment, after some code that comes `first`."""
    os.environ.clear()
    os.environ.update(environment)
    import app

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["app.py", *options]
    exec(first, {})
    app.main()


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def started(port, *options, first=""):
    """The process of a program that answers on that port."""
    server = WARM.Process(target=run_program, args=(["--port", str(port), *options], first, dict(os.environ)))
    server.start()
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            break
        except OSError:
            assert server.is_alive(), "the program ended"
            time.sleep(0.1)
    return server


def ended(server):
    """End a program that was started."""
    server.terminate()
    server.join()


@contextmanager
def served(*options, first=""):
    """The program with those options on a free port: its address."""
    port = free_port()
    server = started(port, *options, first=first)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        ended(server)


@contextmanager
def visitors(browser, address):
    """A function that opens the page as a new visitor; at the end nothing went wrong in it or left this machine."""
    contexts, wrong = [], []

    def opened(query="", kept=None, **options):
        """Options of the browser's, and what the tab has `kept` from before, by name."""
        # What moves is drawn by the processor here, and is tested without the program.
        still = {"viewport": {"width": 1366, "height": 768}, "reduced_motion": "reduce"}
        context = browser.new_context(**still | options)
        context.add_init_script(ALL_LEVELS)
        for name, value in (kept or {}).items():
            context.add_init_script(f"sessionStorage.setItem({name!r}, {value!r})")
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
    """Press Ask, with another question if there is one; return when the answers begin, or when they are complete.

    Without one, what is in the box is asked, or, where that was sent, the same again.
    """
    if question is None and not page.input_value("#question textarea"):
        question = question_of(page)
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


def question_of(page):
    """What was asked in the turn that is looked at."""
    return page.inner_text('.tv-turn[data-shown="true"] .tv-question')


def turns_of(page):
    """How many turns the transcript has."""
    return page.locator(".tv-turn").count()


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


STANDING = """() => {
  const text = (node) => node.textContent.trim().slice(0, 90);
  const texts = (selector) => [...document.querySelectorAll(selector)].map(text);
  const view = document.querySelector('.trace-view');
  return JSON.stringify({
    address: location.search,
    view: view && { ...view.dataset },
    status: texts('.tv-status'),
    turns: texts('.tv-turn .tv-question').slice(-4),
    shown: texts('.tv-turn[data-shown="true"] .tv-question'),
    box: document.querySelector('#question textarea')?.value.slice(0, 90),
    asks: document.querySelector('#ask')?.disabled === false,
    toasts: texts('.toast-body'),
    focus: document.activeElement?.outerHTML.slice(0, 90),
  }, null, 1);
}"""


def standing_on(value):
    """What stands on a page of the program, as text; nothing where the value is no page that can still be asked."""
    if not hasattr(value, "evaluate") or value.is_closed():
        return ""
    try:
        return value.evaluate(STANDING)
    except Exception as error:
        return str(error)
