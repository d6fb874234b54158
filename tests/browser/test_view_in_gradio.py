"""The live view as a component of Gradio: what Gradio streams arrives, and its own style spoils nothing."""

import numpy as np
import pytest

from page.trace_view import TraceView
from tests.browser.contrast import CONTRASTS
from tests.browser.view_page import (
    ASKED,
    PAGE_MESSAGES,
    data,
    fetch_layer,
    fetch_steps,
    numbers,
    point,
    side_data,
    slide,
)
from tests.oracles import gaze
from tests.serving import ALL_LEVELS
from tests.view_traces import ELASTIC, FULL

# How far to the right anything of the view is.
REACHES = "Math.max(...[...document.querySelectorAll('.tv-page *')].map((e) => e.getBoundingClientRect().right))"


@pytest.fixture(scope="module")
def address():
    """A page with the component and a way to send it the messages above."""
    import gradio

    with gradio.Blocks(fill_width=True) as page:
        box = gradio.Textbox(elem_id="name")
        shown = TraceView(elem_id="view", server_functions=[fetch_layer, fetch_steps])

        def send(name):
            yield from PAGE_MESSAGES[name]

        box.submit(send, box, shown, show_progress="hidden", trigger_mode="multiple")
    url = page.launch(prevent_thread_lock=True, quiet=True)[1]
    yield url
    page.close()


@pytest.fixture(scope="module")
def pages(browser, address):
    """Per theme a page that the tests use one after the other; at the end nothing went wrong in them."""
    errors, opened = [], {}
    for theme in ("light", "dark"):
        page = opened[theme] = browser.new_page(color_scheme=theme, reduced_motion="reduce")
        page.add_init_script(ALL_LEVELS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if "Error" in line.text else None)
        page.goto(address)
        page.wait_for_selector("#view .trace-view", state="attached")
    yield opened
    for page in opened.values():
        page.close()
    assert not errors, errors


def send(page, name):
    page.fill("#name textarea, #name input", name)
    page.press("#name textarea, #name input", "Enter")


@pytest.fixture
def show(pages):
    """Sends a named run to the page of a theme, which shows nothing else then, and waits until it is shown."""

    def shown(name, wait='[data-done="true"]', theme="light"):
        page = pages[theme]
        page.mouse.move(0, 0)
        if page.get_attribute(".trace-view", "data-sides") != "0":
            send(page, "empty")
            page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
        send(page, name)
        page.wait_for_selector(".trace-view" + wait)
        page.click('.tv-mode[data-mode="importance"]')
        return page

    return shown


@pytest.mark.parametrize("name", ["stream", "gap", "late", "again"])
def test_messages_add_up_whatever_is_missed_or_comes_twice(show, name):
    page = show(name)
    state = data(page)
    assert (state["run"], *(side["tokens"] for side in state["sides"]), state["step"]) == (name, 9, 9, 9)
    assert page.text_content('.tv-answer[data-side="b"] .tv-text') == ELASTIC.answer
    assert len(side_data(page, "b")["shares"]) == 16
    chip = '.tv-answer[data-side="b"] .tv-chip[data-name="{}"] dd'
    chips = {name: page.inner_text(chip.format(name)) for name in ("bytes", "saved")}
    held, full = ELASTIC.total_bytes[-1], FULL.total_bytes[-1]
    assert chips == {"bytes": f"{held / 1024:.0f} KiB", "saved": f"{100 * (1 - held / full):.0f} %"}


def test_missed_steps_are_asked_for_once(show):
    ASKED.clear()
    page = show("hole", wait='[data-step="8"]')
    page.wait_for_function("document.querySelectorAll('.tv-strip[data-side=b] [data-by=model]').length === 8")
    assert ASKED == [("steps", "hole", 3)]
    page.click('.tv-mode[data-mode="looked"]')
    slide(page, ".tv-step", 5)
    assert np.allclose(numbers(page, "b", "looked"), gaze(ELASTIC, 4)[ELASTIC.patches], atol=1e-4)


def test_a_view_that_came_late_asks_for_all(show):
    ASKED.clear()
    page = show("latecomer", wait='[data-step="6"]')
    page.wait_for_function("document.querySelector('.trace-view').view.inspect().sides[1]?.fates !== undefined")
    assert ASKED == [("steps", "latecomer", 0)]
    assert len(side_data(page, "b")["shares"]) == 16


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["pair", "heads", "differ"])
def test_every_text_stands_out_from_its_ground(show, name, theme):
    page = show(name, theme=theme)
    page.set_viewport_size({"width": 948, "height": 900})
    page.evaluate("document.querySelectorAll('.trace-view details').forEach((each) => { each.open = true; })")
    for step in (0, 3):
        slide(page, ".tv-step", step)
        page.wait_for_function("step => document.querySelector('.trace-view').dataset.step === String(step)", arg=step)
        point(page, "b", 5)  # lights up what looks at it
        page.wait_for_selector(".tv-token.tv-looks")
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 40
        assert [entry for entry in contrasts if entry[0] < 4.5] == []


def test_nothing_sticks_out_of_the_page(show):
    page = show("pair")
    page.evaluate("document.querySelector('.tv-show').open = true")
    if not page.locator(".tv-cell").count():
        page.click('.tv-strip[data-side="b"] .tv-image')
    for width in (390, 1366, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        for mode in ("importance", "looked", "groups", "kept"):
            page.click(f'.tv-mode[data-mode="{mode}"]')
            data(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            right = (
                "Math.max(...[...document.querySelectorAll('.tv-page *')].map(e => e.getBoundingClientRect().right))"
            )
            assert page.evaluate(right) <= width


def test_answers_and_pictures_fit_one_screen(show):
    page = show("pair")
    page.set_viewport_size({"width": 1048, "height": 690})
    data(page)
    width = page.locator(".trace-view").bounding_box()
    canvas = page.locator('canvas[data-side="b"]').bounding_box()
    assert 950 < width["width"] < 1048
    assert canvas["y"] + canvas["height"] - width["y"] <= 690
