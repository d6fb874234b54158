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


SHAPES = {"LLaVA-1.5-7B": (32, 4096, 11008), "LLaVA-1.5-13B": (40, 5120, 13824)}  # layers, width, inner width
GPUS = {"T4": (16, 320), "A100 40 GB": (40, 1555), "H200": (141, 4800)}


def expected_figures(model, gpu, batch, prompt, answer, keep):
    """What a table column says, from the Llama architecture, 2 bytes a number."""
    layers, width, inner = SHAPES[model]
    memory, bandwidth = (value * 1e9 for value in GPUS[gpu])
    token = layers * 2 * width * 2
    # Attention, gated feed-forward and norms of every layer, the last norm, the output layer of 32,000 words.
    weights = 2 * (layers * (4 * width**2 + 3 * width * inner + 2 * width) + width + 32000 * width)
    step = weights + batch * token * keep * (prompt + answer / 2)
    at_end = token * keep * (prompt + answer)
    return {
        "cache": batch * at_end, "weights": weights, "largest": max(0, (memory - weights) // at_end),
        "share": 1 - weights / step, "perSequence": bandwidth / step, "total": batch * bandwidth / step,
    }  # fmt: skip


def open_calculator(page):
    page.evaluate("document.querySelector('.tv-calculator').open = true")


def enter(page, **values):
    for name, value in values.items():
        page.fill(f'.tv-inputs [name="{name}"]', str(value))


def figure(page, name):
    return float(page.get_attribute(f'.tv-table [data-name="{name}"]', "data-value"))


@pytest.mark.parametrize("model", SHAPES)
@pytest.mark.parametrize("gpu", GPUS)
def test_calculator_does_the_arithmetic(show, model, gpu):
    page = show(whole(PAIR))
    open_calculator(page)
    page.select_option('[name="model"]', label=model)
    page.select_option('[name="gpu"]', label=gpu)
    enter(page, batch=4, prompt=700, answer=200, keep=30)
    for side, keep in (("full", 1), ("kept", 0.3)):
        for name, value in expected_figures(model, gpu, 4, 700, 200, keep).items():
            assert figure(page, f"{side}-{name}") == pytest.approx(value, rel=1e-9), (side, name)
        for batch in (1, 8, 32):
            share = expected_figures(model, gpu, batch, 700, 200, keep)["share"]
            assert figure(page, f"{side}-share-{batch}") == pytest.approx(share)
    assert "Arithmetic, not measurement." in page.inner_text(".tv-calculator")


def test_a_token_of_the_7b_model_takes_half_a_mebibyte(show):
    page = show(whole(PAIR))
    shape = "{ layers: 32, kv_heads: 32, head_dim: 128, element_bytes: 2 }"
    assert page.evaluate(f"panels.cacheBytes({shape}, 1, 1)") == 2**19
    assert page.evaluate(f"panels.cacheBytes({shape}, 1, 576)") == 288 * 2**20
    open_calculator(page)
    assert "A token takes 0.50 MiB of cache" in page.inner_text(".tv-result")
    page.select_option('[name="model"]', label="the model of this run")
    assert figure(page, "full-weights") == 20_000_000


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"batch": ""}, "Batch, sequences: enter a whole number from 1 to 4,096."),
        ({"batch": "2.5"}, "enter a whole number from 1 to"),
        ({"prompt": "-3"}, "Prompt, tokens: enter a whole number from 1 to 1,000,000."),
        ({"answer": "1e300"}, "Answer, tokens: enter a whole number"),
        ({"keep": "0"}, "Cache kept, %: enter a number from 1 to 100."),
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
