"""The sentence about traffic and the calculator, in a browser: they agree with the same arithmetic in Python."""

import re

import numpy as np
import pytest

from tests.browser.panels_page import panels_in, set_step
from tests.view_traces import PAIR, whole


@pytest.fixture
def show(browser):
    with panels_in(browser) as opened:
        yield opened


def open_calculator(page):
    page.evaluate("document.querySelector('.tv-calculator').open = true")


def enter(page, **values):
    for name, value in values.items():
        page.fill(f'.tv-inputs [name="{name}"]', str(value))


def figure(page, name):
    return float(page.get_attribute(f'.tv-table [data-name="{name}"]', "data-value"))


def test_the_table_follows_what_is_entered(show):
    page = show(whole(PAIR))
    open_calculator(page)
    assert "Arithmetic, not measurement." in page.inner_text(".tv-calculator")
    assert "A token takes 0.50 MiB of cache" in page.inner_text(".tv-result")
    page.select_option('[name="model"]', label="the model of this run")
    assert figure(page, "full-weights") == 20_000_000
    page.select_option('[name="model"]', label="LLaVA-1.5-7B")
    enter(page, batch=4, prompt=700, answer=200, keep=30)
    assert figure(page, "full-cache") == 4 * 900 * 2**19
    assert figure(page, "kept-cache") == pytest.approx(0.3 * 4 * 900 * 2**19)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"batch": ""}, "Batch, sequences: enter a whole number from 1 to 4,096."),
        ({"keep": "101"}, "Cache kept, %: enter a number from 1 to 100."),
    ],
)
def test_calculator_refuses_what_makes_no_sense_in_words(show, entry, sentence):
    page = show(whole(PAIR))
    open_calculator(page)
    enter(page, **entry)
    name = next(iter(entry))
    assert sentence in page.inner_text(".tv-problem")
    assert page.get_attribute(f'[name="{name}"]', "aria-invalid") == "true"
    assert not page.is_visible(".tv-result") and "NaN" not in page.inner_text(".tv-calculator")
    enter(page, **{name: 40})
    assert page.is_visible(".tv-result") and not page.is_visible(".tv-problem")


def test_calculator_says_what_does_not_fit(show):
    page = show(whole(PAIR))
    open_calculator(page)
    page.select_option('[name="model"]', label="LLaVA-1.5-13B")
    page.select_option('[name="gpu"]', label="T4")
    text = page.inner_text(".tv-result")
    assert "none: too little memory" in text and "NaN" not in text and "Infinity" not in text
    page.select_option('[name="gpu"]', label="A100 80 GB")
    enter(page, batch=100)
    assert "with 50 % of the cache kept, not with all of it" in page.inner_text(".tv-result")


def test_traffic_is_that_of_the_shown_step(show):
    page = show(whole(PAIR))
    weights = 20_000_000
    for step in (0, 5, 9):
        set_step(page, step)
        held = np.array([trace.total_bytes[step] for trace in PAIR])
        shown = [float(part) for part in re.findall(r"([\d.]+) % of the traffic", page.inner_text(".tv-traffic"))]
        assert np.allclose(shown, 100 * held / (weights + held), atol=0.06)
    assert "19.1 MiB of weights" in page.inner_text(".tv-traffic")
