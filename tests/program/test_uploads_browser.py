"""Pictures on their way to the page, in a real browser: what is dropped, pasted, too large, of a phone, or gone."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pillow_heif import register_heif_opener

from tests.serving import ROOT, answers, ask, visitors

SCENES = ROOT / "assets" / "scenes"
GIVE = """([how, selector, name, type, content]) => {
  const file = new File([Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0))], name, { type });
  const files = new DataTransfer();
  files.items.add(file);
  const place = document.querySelector(selector);
  const sent = { bubbles: true, cancelable: true };
  if (how === 'paste') place.dispatchEvent(new ClipboardEvent('paste', { clipboardData: files, ...sent }));
  else for (const kind of ['dragenter', 'dragover', 'drop']) {
    place.dispatchEvent(new DragEvent(kind, { dataTransfer: files, ...sent }));
  }
}"""


@pytest.fixture(scope="module")
def regular(browser, live):
    """A visitor who stays."""
    with visitors(browser, live) as opened:
        page = opened()
        page.set_default_timeout(120_000)
        yield page


def give(page, how, selector, name, mime, content):
    """Drop or paste a file somewhere on the page, and wait until it is shown, as a file that browsers can show."""
    page.evaluate(GIVE, [how, selector, name, mime, base64.b64encode(content).decode()])
    wait_for(page, name.replace("HEIC", "png"))


def wait_for(page, name):
    """Until a picture of that file name is taken."""
    page.wait_for_function("name => document.querySelector('#picture img')?.src.endsWith(name)", arg=name)
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")


def shown(page):
    """The picture that stands in the inputs, as the server has it."""
    with Image.open(io.BytesIO(page.request.get(page.get_attribute("#picture img", "src")).body())) as picture:
        return picture.convert("RGB")


@pytest.mark.parametrize(("how", "selector"), [("drop", "#view"), ("drop", "#title"), ("paste", "body")])
def test_a_picture_may_be_dropped_or_pasted_anywhere(regular, how, selector):
    scene = SCENES / f"scene-{2022 if how == 'paste' else 2057}.png"
    give(regular, how, selector, f"{how}-{selector[1:]}.png", "image/png", scene.read_bytes())
    assert shown(regular).size == Image.open(scene).size
    ask(regular, "How many objects are there?")
    assert all(answers(regular))


def test_words_that_are_pasted_into_the_question_stay_words(regular):
    before = regular.get_attribute("#picture img", "src")
    regular.fill("#question textarea", "")
    regular.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData('text/plain', 'How many?');
          data.items.add(new File([new Uint8Array(9)], 'words.png', { type: 'image/png' }));
          const pasted = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
          window.isTaken = !document.querySelector('#question textarea').dispatchEvent(pasted);
        }"""
    )
    assert not regular.evaluate("window.isTaken"), "the browser's own pasting goes on"
    assert regular.get_attribute("#picture img", "src") == before


def test_a_photograph_of_more_than_the_server_takes_is_made_smaller_before_it_travels(regular, tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (2600, 4200, 3), np.uint8)
    noise[:1300] = (250, 20, 20)
    large = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6  # lies on its side
    Image.fromarray(noise).save(large, "JPEG", quality=100, exif=exif)
    assert len(large.getvalue()) > 10 * 2**20
    (tmp_path / "large.jpg").write_bytes(large.getvalue())
    regular.locator("#picture input[type=file]").set_input_files(tmp_path / "large.jpg")
    wait_for(regular, "large.jpg")
    picture = shown(regular)
    assert picture.size == (1268, 2048), "upright, and no larger than is looked at"
    red, green, _ = picture.getpixel((1200, 1000))
    assert red > 200 and green < 60, "what was above is at the right"


def test_a_photograph_of_a_phone_is_taken_though_the_browser_does_not_know_its_type(regular):
    register_heif_opener()
    file = io.BytesIO()
    with Image.open(SCENES / "scene-2057.png") as scene:
        scene.convert("RGB").save(file, "HEIF", quality=95)
        expected = np.asarray(scene.convert("RGB"), int)
    give(regular, "drop", "#picture", "IMG_0001.HEIC", "", file.getvalue())
    assert np.abs(np.asarray(shown(regular), int) - expected).mean() < 8
    ask(regular, "How many rabbits are there?")
    assert all(answers(regular))


def test_a_picture_that_is_gone_is_asked_for_again_and_the_question_stays(regular):
    page = regular
    give(page, "drop", "body", "lunch.png", "image/png", (SCENES / "scene-2057.png").read_bytes())
    path = Path(page.get_attribute("#picture img", "src").partition("file=")[2])
    assert path.name == "lunch.png"
    path.unlink()
    page.fill("#question textarea", "How many rabbits are there?")
    page.click("#ask")
    page.get_by_text("no longer on the server").first.wait_for()
    page.wait_for_selector("#picture img", state="detached")
    page.wait_for_selector("#ask:not([disabled])")
    assert "Drop it here once more" in page.inner_text(".tv-status")
    assert not page.locator(".toast-body.error").count(), "nothing failed"
    page.locator("#picture input[type=file]").set_input_files(SCENES / "scene-2057.png")
    page.wait_for_selector("#picture img")
    assert page.input_value("#question textarea") == "How many rabbits are there?"
    ask(page)
    assert all(answers(page))


def test_a_saved_run_that_is_dropped_anywhere_is_opened(regular):
    trace = ROOT / "assets" / "traces" / "faithful-merge.zip"
    sent = ["drop", "#title", "mine.zip", "application/zip", base64.b64encode(trace.read_bytes()).decode()]
    regular.evaluate(GIVE, sent)
    regular.wait_for_function("() => document.querySelector('.tv-status').innerText.includes('Opened mine.zip')")
