"""Saving, in a browser: files, a picture and a link, and words where it cannot be."""

import base64
import json
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from elastic.record.reuse import Reuse
from tests.browser.panels_page import panels_in, set_step
from tests.view_traces import NASTY, PAIR, whole

LINK = {"example": "scene-1", "q": "What is this?"}


@pytest.fixture
def show(browser):
    with panels_in(browser) as opened:
        yield opened


def server_with(content=b"a,b\n1,2\n", name="elastic-by-hand-12345678.csv"):
    answer = json.dumps({"name": name, "type": "text/csv", "data": base64.b64encode(content).decode()})
    return f"{{ save: async (run, kind) => {{ window.asked = [run, kind]; return {json.dumps(answer)}; }} }}"


@pytest.mark.parametrize("kind", ["trace", "csv", "html"])
def test_files_are_the_servers(show, kind, tmp_path):
    content = bytes(range(256)) * 40
    page = show(whole(PAIR), server=server_with(content))
    with page.expect_download() as download:
        page.click(f'[data-save="{kind}"]')
    download.value.save_as(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content
    assert download.value.suggested_filename == "elastic-by-hand-12345678.csv"
    assert page.evaluate("window.asked") == ["run", kind]
    assert "Saved elastic-by-hand-12345678.csv (10 KiB)" in page.inner_text(".tv-save-says")


def test_a_lost_run_and_a_failing_server_are_said_in_words(show):
    page = show(whole(PAIR), server="{ save: async () => null }")
    page.click('[data-save="csv"]')
    assert page.inner_text(".tv-save-says") == "The server no longer holds this run: ask again."
    page = show(whole(PAIR), server="{ save: async () => { throw new Error('no connection'); } }")
    page.click('[data-save="trace"]')
    assert "That did not work (no connection)" in page.inner_text(".tv-save-says")


@pytest.mark.parametrize("server", ["undefined", "{}"])
def test_without_a_server_only_the_picture_can_be_saved(show, server):
    page = show(whole(PAIR), server=server)
    shown = [button.get_attribute("data-save") for button in page.locator(".tv-save-button:visible").all()]
    assert shown == ["png"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_is_drawn_at_twice_the_size(show, theme, tmp_path):
    dark = "--background-fill-primary: #0f0f11; --body-text-color: #f4f4f5; --border-color-primary: #3f3f46;"
    page = show(whole([replace(side, answer="A dog. " * 60) for side in PAIR]), style=dark if theme == "dark" else "")
    with page.expect_download() as download:
        page.click('[data-save="png"]')
    assert download.value.suggested_filename == "elastic-by-hand-run.png"
    download.value.save_as(tmp_path / "view.png")
    with Image.open(tmp_path / "view.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape[1] == 2400 and 1200 < pixels.shape[0] < 4000
    assert f"2400 × {pixels.shape[0]} pixels" in page.inner_text(".tv-save-says")
    ground = pixels[4, 4]
    assert (ground < 40).all() if theme == "dark" else (ground > 250).all()
    # Both pictures, in their colours, and both charts' lines.
    for colour in ((0x20, 0x60, 0xA0), (0xA0, 0x60, 0x20)):
        assert (np.abs(pixels - colour).max(2) < 6).sum() > 200_000
    charts = pixels[-900:, 1400:]
    assert (np.abs(charts - ground).max(2) > 60).mean() > 0.005


@pytest.mark.parametrize("asked_after", [0, 5])
def test_the_picture_says_where_caches_were_compressed_before_the_question_or_a_picture_reused(show, asked_after):
    a, b = (replace(side, asked_after=asked_after) for side in PAIR)
    reuse = Reuse(b.patches[4:].tolist(), b.patches[:1].tolist(), 4) if asked_after else None
    page = show(whole([a, replace(b, reuse=reuse)]))
    page.evaluate(
        """() => { window.written = []; const { prototype } = CanvasRenderingContext2D; const { fillText } = prototype;
        prototype.fillText = function (...all) { window.written.push(all[0]); fillText.apply(this, all); } }"""
    )
    with page.expect_download():
        page.click('[data-save="png"]')
    said = " ".join(page.evaluate("window.written"))
    assert "Elastic" in said and ("compressed before the question" in said) == bool(asked_after)
    assert ("picture reused on B, first 4 read anew" in said) == bool(asked_after)


def link_of(text):
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc}{parts.path}", {
        name: value for name, [value] in parse_qs(parts.query).items()
    }


def test_the_link_is_copied(show):
    page = show(whole(PAIR, link=LINK), permissions=["clipboard-read", "clipboard-write"])
    set_step(page, 4)
    page.click('[data-save="link"]')
    page.wait_for_function("document.querySelector('.tv-save-says').textContent.includes('Copied')")
    address, query = link_of(page.evaluate("navigator.clipboard.readText()"))
    assert address == "http://localhost/view" and query == LINK | {
        "layer": "0",
        "t": "4",
        "mode": "looked",
        "level": "1",
    }


def test_where_copying_is_not_allowed_the_link_is_selected(show):
    page = show(whole(PAIR, link=LINK))
    page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('not allowed'); }; }")
    page.click('[data-save="link"]')
    field = page.locator(".tv-save-link")
    assert link_of(field.input_value())[1] == LINK | {"layer": "0", "t": "9", "mode": "looked", "level": "1"}
    assert field.evaluate("box => document.activeElement === box && box.selectionEnd === box.value.length")


def test_no_link_no_button(show):
    page = show(whole(PAIR))
    assert not page.is_visible('[data-save="link"]')
    page.evaluate(
        "panels.state.link = { example: 'x' }; panels.buildSave(document.querySelector('.tv-save'), panels.state)"
    )
    assert page.is_visible('[data-save="link"]') and page.locator(".tv-save-button").count() == 5


def test_names_of_files_are_made_safe(show, tmp_path):
    page = show(whole([replace(side, model="../a b\\<c>/7B") for side in PAIR], name="0123456789abcdef" * 2))
    with page.expect_download() as download:
        page.click('[data-save="png"]')
    assert download.value.suggested_filename == "elastic-a-b-c-7B-01234567.png"
    page = show(whole(PAIR, name="lost-small-object"))
    with page.expect_download() as download:
        page.click('[data-save="png"]')
    assert download.value.suggested_filename.endswith("-lost-small-object.png"), (
        "a name that says something stays whole"
    )
    page = show(whole(PAIR), server=server_with(name='../../"x".csv'))
    with page.expect_download() as download:
        page.click('[data-save="csv"]')
    assert download.value.suggested_filename == "x-.csv"


def test_texts_stay_texts(show):
    nasty = [replace(side, answer=NASTY, question=NASTY, answer_pieces=[NASTY] * 9, model=NASTY) for side in PAIR]
    page = show(whole(nasty, titles=[NASTY, NASTY]))
    page.hover('.tv-column[data-layer="1"]')
    with page.expect_download():
        page.click('[data-save="png"]')
    assert page.evaluate("window.hurt") is None
    assert page.locator(".trace-view script, .trace-view img").count() == 0


def test_a_picture_is_saved_whatever_signs_the_model_wrote(show, tmp_path):
    """XML has no word for a bell, and the charts travel as XML."""
    page = show(
        whole([replace(side, answer="\x07\x00\x1b", answer_pieces=["\x07", "\x1b\x00"] * 4 + ["a"]) for side in PAIR])
    )
    with page.expect_download() as download:
        page.click('[data-save="png"]')
    download.value.save_as(tmp_path / "picture.png")
    assert Image.open(tmp_path / "picture.png").width == 2400
