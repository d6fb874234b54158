"""A page with the live view alone, a way to send it messages made by hand, and how to read what it shows."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from elastic.record.messages import as_json, of_layer, of_run
from tests.serving import ALL_LEVELS
from tests.view_traces import ELASTIC, FULL, HEADS, MESSAGES, PAIR, cut, run_of, steps_of, whole
from viz import view
from viz.replay import STYLE

OTHER = replace(HEADS, answer_pieces=["The", " picture", " shows", " a", " cat", ".", "</s>"], finish="end")
RUNS = {  # what the server has
    "layers": run_of("layers", PAIR),
    "hole": run_of("hole", [cut(side, 8) for side in PAIR]),
    "latecomer": run_of("latecomer", [cut(side, 6) for side in PAIR]),
}
PAGE_MESSAGES = MESSAGES | {
    "layers": [whole(PAIR, name="layers", titles=["Full cache", "Elastic Cache"])],
    "other": [whole((FULL, OTHER), name="other", titles=["Full cache", "H2O"])],
    "alone": [whole((ELASTIC,), name="alone")],
    "hole": [message for i, message in enumerate(steps_of("hole", PAIR, 0, 3, 6, 8)) if i in (0, 1, 3)],
    "latecomer": list(steps_of("latecomer", PAIR, 0, 3, 6))[2:3],
    "fifty": [whole(PAIR, name=f"run {i}") for i in range(50)],
}
ASKED = []  # what the view asked the server for


# As Gradio 6.31 does, the page hands over all arguments as one list.
def fetch_layer(asked):
    """What the answers of a run looked at in a layer."""
    run, layer, since = asked
    ASKED.append(("layer", run, layer, since))
    return as_json(of_layer(RUNS[run], layer, since)) if run in RUNS else None


def fetch_steps(asked):
    """A message with the steps that a view missed."""
    run, since = asked
    ASKED.append(("steps", run, since))
    return as_json(of_run(RUNS[run], 0, since)) if run in RUNS else None


# What the program's page hands to the script, without that page, which takes seconds to open.
FRAME = """
document.body.classList.toggle('dark', matchMedia('(prefers-color-scheme: dark)').matches);
const props = { value: null };
const watching = [];
const watch = (name, changed) => watching.push(changed);
const server = {
  fetch_layer: (...asked) => window.fetchLayer(asked), fetch_steps: (...asked) => window.fetchSteps(asked),
};
const receive = (value) => { props.value = value; watching.forEach((changed) => changed()); };
"""


@cache
def view_html():
    """A page with the live view alone; `receive` hands it a message, as text."""
    script = f"((element, props, server, watch, trigger) => {{ {view.script()}\n}})"
    return (
        f"<!doctype html><html lang=en><title>view</title><style>{STYLE} #view {{ {view.style()} }}</style>"
        f"<body><main id=view>{view.template()}</main><script>{FRAME}\n"
        f"{script}(document.querySelector('#view'), props, server, watch, () => {{}});</script></body></html>"
    )


@pytest.fixture(name="show")
def page_opener(browser):
    """Opens the page, sends a named run and waits until it is shown; fails on any error in the page.

    All details are open, unless it is for a `new` visitor.
    """
    errors, contexts = [], []

    def opened(name, wait='[data-done="true"]', query="", new=False, **options):
        given = {"viewport": {"width": 948, "height": 900}, "reduced_motion": "reduce"}
        context = browser.new_context(**given | options)
        if not new:
            context.add_init_script(ALL_LEVELS)
        contexts.append(context)
        # An address of its own, of the kind for which browsers allow the clipboard.
        answer = {"body": view_html(), "content_type": "text/html; charset=utf-8"}
        context.route("**/*", lambda route: route.fulfill(**answer))
        context.expose_function("fetchLayer", fetch_layer)
        context.expose_function("fetchSteps", fetch_steps)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if "Error" in line.text else None)
        page.goto("http://localhost/view" + query)
        send(page, name)
        if wait:
            page.wait_for_selector(".trace-view" + wait)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not errors, errors


def send(page, name):
    """Hand the messages of that name to the view, one after the other."""
    texts = [None if message is None else as_json(message) for message in PAGE_MESSAGES[name]]
    page.evaluate("texts => texts.forEach(receive)", texts)


def data(page):
    """What the view says it shows when it is asked, after the next frame."""
    return page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() =>"
        " done(document.querySelector('.trace-view').view.inspect()))))"
    )


def side_data(page, side):
    """What it says of one side."""
    return data(page)["sides"]["ab".index(side)]


def numbers(page, side, name):
    """Numbers that it says of one side."""
    return np.array(side_data(page, side)[name], float)


def slide(page, selector, value):
    page.locator(selector).evaluate(
        "(box, value) => { box.value = value; box.dispatchEvent(new Event('input')); }", str(value)
    )


def point(page, side, patch, grid=4):
    """Move the mouse to the middle of a patch."""
    canvas = page.locator(f'canvas.tv-patches[data-side="{side}"]')
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["width"] * (patch % grid + 0.5) / grid, box["height"] * (patch // grid + 0.5) / grid
    page.mouse.move(box["x"] + x, box["y"] + y)
    return box["x"] + x, box["y"] + y


def strip(page, side, token):
    """A token's box in the strip."""
    return page.locator(f'.tv-strip[data-side="{side}"] [data-token="{token}"]')


def word(page, side, text):
    """A word of an answer."""
    return page.locator(f'.tv-answer[data-side="{side}"] .tv-word', has_text=text)
