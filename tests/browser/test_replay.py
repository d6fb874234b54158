"""A run saved as one HTML file: it opens without a server or a network and shows what was recorded."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from elastic.record.erasure import Erasure
from tests.browser.view_page import data, side_data
from tests.serving import ALL_LEVELS
from tests.view_traces import ELASTIC, FULL, HEADS, NASTY, PAIR, make, run_of
from viz import view
from viz.replay import replay_html


@pytest.fixture
def replay(browser, tmp_path):
    """Saves a run, opens the file with no network, waits until it is shown; fails on errors and on requests."""
    problems, contexts = [], []

    def opened(run, query="", **options):
        file = tmp_path / "replay.html"
        file.write_text(replay_html(run), encoding="utf-8")
        context = browser.new_context(offline=True, viewport={"width": 1366, "height": 900}, **options)
        context.add_init_script(ALL_LEVELS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
        page.on("request", lambda asked: problems.append(asked.url) if not asked.url.startswith("file:") else None)
        context.route(re.compile("^(?!file:|data:|blob:)"), lambda route: route.abort())
        page.goto(file.as_uri() + query)
        page.wait_for_selector('.trace-view[data-done="true"]')
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not [problem for problem in problems if not problem.startswith(("data:image/", "blob:"))]


def kept_shares(trace):
    now = trace.owner_after(trace.steps)
    return (now == np.arange(now.shape[2])).mean((0, 1))[trace.patches]


def test_a_saved_run_shows_what_was_recorded(replay):
    page = replay(run_of("saved", PAIR, titles=["Full cache", "Elastic Cache"]))
    state = data(page)
    assert (state["run"], *(side["tokens"] for side in state["sides"]), state["step"]) == ("saved", 9, 9, 9)
    for side, trace in zip("ab", PAIR, strict=True):
        assert page.text_content(f'.tv-answer[data-side="{side}"] .tv-text') == trace.answer
        shown = side_data(page, side)["shares"]
        assert np.allclose(shown, kept_shares(trace), atol=1e-3)
    memory = page.get_attribute(".tv-memory", "aria-label")
    assert f"Elastic Cache {ELASTIC.total_bytes[-1] / 1024:.0f} KiB" in memory
    assert f"Full cache {FULL.total_bytes[-1] / 1024:.0f} KiB" in memory


def test_every_layer_is_there_without_a_server(replay):
    # Sides that merge nothing: a patch's heat is its weight.
    sides = (FULL, make(3, policy="h2o"))
    page = replay(run_of("saved", sides))
    page.click('.tv-mode[data-mode="looked"]')
    mean = max(side.looked[-1].astype(float).mean(0)[side.patches].max() for side in sides)
    for layer in (1, 3):
        page.click(f'.tv-column[data-layer="{layer}"]')
        # The scale ends at the largest weight that the last token's query gave to a patch in this layer.
        highest = max(side.looked[-1, layer - 1][side.patches].astype(float).max() for side in sides)
        assert abs(highest - mean) > 0.02
        page.wait_for_function(
            "high => Math.abs(document.querySelector('.trace-view').view.inspect().scale[1] - high) < 0.005",
            arg=highest,
            timeout=5000,
        )


def test_the_address_opens_a_moment(replay):
    page = replay(run_of("saved", PAIR), query="?layer=2&t=4&mode=kept")
    state = data(page)
    assert (state["layer"], state["step"], state["mode"]) == (2, 4, "kept")


def test_only_what_needs_no_server_is_offered(replay, tmp_path):
    page = replay(run_of("saved", PAIR, link={"example": "x"}))
    shown = [button.get_attribute("data-save") for button in page.locator(".tv-save-button:visible").all()]
    assert shown == ["png"]
    with page.expect_download() as download:
        page.click('[data-save="png"]')
    assert download.value.suggested_filename == "elastic-by-hand-saved.png"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_follows_the_systems_theme(replay, theme):
    page = replay(run_of("saved", PAIR), color_scheme=theme)
    colours = page.evaluate(
        "() => ['background-color', 'color'].map(name => getComputedStyle(document.body).getPropertyValue(name))"
    )
    ground, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert (ground < ink) == (theme == "dark")
    # The component's own dark colours hang on the body's class.
    side = page.evaluate("getComputedStyle(document.querySelector('.trace-view')).getPropertyValue('--tv-b')").strip()
    assert side == {"light": "#0072b2", "dark": "#56b4e9"}[theme]
    page.emulate_media(color_scheme="light")
    page.wait_for_selector("body:not(.dark)")


def nasty():
    end = "</title></script><script>window.hurt=1</script><!-- "
    sides = [
        replace(
            side,
            answer=end + NASTY,
            question=end + NASTY,
            model=end,
            pieces=[*side.pieces[:-1], end],
            answer_pieces=[end] * 9,
        )
        for side in PAIR
    ]
    run = run_of(end, sides, titles=[end + NASTY] * 2, history=[[(end, NASTY)]] * 2)
    return end, replace(run, about={"device": end, "recorded": end})


def test_texts_stay_texts(replay):
    end, run = nasty()
    page = replay(run)
    assert page.text_content('.tv-answer[data-side="b"] .tv-text') == end + NASTY
    assert page.evaluate("window.hurt") is None
    assert page.evaluate("document.title").startswith("</title>") and end in page.inner_text("header")
    assert page.locator("script").count() == 2 and page.locator("#replay img").count() == 0


def test_the_file_is_whole_html_that_asks_nobody():
    text = replay_html(nasty()[1])
    seen = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: seen.append((tag, dict(attributes)))
    parser.feed(text)
    attributes = dict(seen)
    assert attributes["html"]["lang"] == "en" and "title" in attributes
    assert any(given.get("name") == "viewport" for tag, given in seen if tag == "meta")
    assert not any(name in given for _, given in seen for name in ("src", "href", "onload", "onerror"))
    assert len([tag for tag, _ in seen if tag == "script"]) == 2
    assert text.count("</script>") == 2 and "<!--" not in text and "@" + "record@" not in text
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text.replace(view.style(), ""))


def test_who_opens_it_learns_what_it_is(replay):
    run = replace(run_of("saved", (FULL, HEADS)), about={"device": "CPU", "recorded": "2026-01-02 03:04 UTC"})
    page = replay(run)
    note = page.inner_text("header")
    assert "recorded run" in note and "2026-01-02 03:04 UTC" in note and "by hand" in note and "device CPU" in note
    assert page.title() == "What is this? · Full cache and H2o cache · by hand"


def test_a_browser_that_cannot_unpack_says_so(browser, tmp_path):
    file = tmp_path / "replay.html"
    file.write_text(replay_html(run_of("saved", PAIR)), encoding="utf-8")
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(file.as_uri())
    page.wait_for_selector("#problem")
    assert "cannot unpack the record" in page.inner_text("body") and not page.is_visible(".tv-empty")
    page.close()


def test_a_run_of_the_embedded_model_takes_less_than_a_megabyte():
    words = tuple(f" word{number}" for number in range(100))
    sides = [make(seed, 17, 6, policy=policy, words=words) for seed, policy in ((1, "full"), (2, "elastic"))]
    assert sides[0].owner.shape == (6, 1, 299)
    assert len(replay_html(run_of("large", sides)).encode()) < 1_000_000


def erased_pair(text):
    """Sides of which two patches and a word were erased, `text` being what was answered before."""
    tokens = [int(FULL.patches[0]), int(FULL.patches[4]), len(FULL.pieces) - 3]
    erasure = Erasure(tokens, text, [text, "."], [-0.1, -0.2], [-3.0, -0.21])
    owners = [np.where(np.isin(side.owner, tokens), -1, side.owner) for side in PAIR]
    for owner in owners:
        owner[..., tokens] = -1
    return [replace(side, owner=owner, erasure=erasure) for side, owner in zip(PAIR, owners, strict=True)]


def test_of_an_erased_run_a_file_shows_what_was_erased_and_the_answer_before(replay):
    page = replay(run_of("erased", erased_pair(NASTY)))
    assert page.inner_text(".tv-erase-head") == "Without 2 patches and 1 piece of the text"
    for side, trace in zip("ab", PAIR, strict=True):
        lines = page.locator(f'.tv-erase-side[data-side="{side}"] .tv-erase-line').all_text_contents()
        assert lines == [f"with all of it {NASTY}", f"without {trace.answer}"]
    assert page.evaluate("window.hurt") is None
    assert not page.locator(".tv-erase-begin").is_visible() and not page.locator(".tv-erase-look").is_visible()
    assert page.locator(".tv-strip .tv-erased").count() == 2, "the word, on both sides; the picture is folded"


def test_a_file_of_a_run_that_lacks_nothing_offers_no_erasing(replay):
    assert not replay(run_of("plain", PAIR)).locator(".tv-erase").is_visible()
