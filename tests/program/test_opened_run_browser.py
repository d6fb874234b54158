"""What stands in the inputs beside an opened run: the run's own picture, question and settings, or nothing."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from elastic.record.archive import save_run
from page.shown import recording
from tests.serving import ROOT, ask, choose_example, state, visitors

CAT = ROOT / "assets" / "photos" / "cat.jpg"
NAME = "faithful-merge"


@pytest.fixture(scope="module")
def regular(browser, live):
    """A visitor who stays."""
    with visitors(browser, live) as opened:
        page = opened()
        page.set_default_timeout(120_000)
        yield page


def own_picture(**changes):
    """A recorded run as if its picture had been a visitor's own, which no link leads to."""
    return replace(recording(NAME)[0], link={}, **changes)


def open_run(page, run):
    """Drop a saved run where they are opened."""
    file = io.BytesIO()
    save_run(run, file)
    if not page.locator("#open-trace").is_visible():
        page.get_by_text("Recorded runs", exact=True).click()
    before = state(page)["run"]
    sent = {"name": "mine.zip", "mimeType": "application/zip", "buffer": file.getvalue()}
    page.locator("#open-trace input[type=file]").set_input_files(sent)
    page.wait_for_function("before => document.querySelector('.trace-view').dataset.run !== before", arg=before)


def seed(page):
    return page.input_value("#scene-seed input")


def test_a_picture_that_is_uploaded_is_no_scene_and_has_no_seed(regular):
    choose_example(regular, 5, "Describe")
    assert seed(regular)
    regular.locator("#picture input[type=file]").set_input_files(CAT)
    regular.wait_for_function("!document.querySelector('#scene-seed input').value")
    assert regular.get_attribute("#picture img", "src").endswith("cat.jpg")


def test_an_opened_run_brings_its_picture_question_and_settings_which_say_so(regular):
    choose_example(regular, 5, "Describe")
    run = own_picture()
    open_run(regular, run)
    regular.locator("#belongs", has_text="of the opened run").wait_for()
    shown = regular.request.get(regular.get_attribute("#picture img", "src")).body()
    assert np.array_equal(
        np.asarray(Image.open(io.BytesIO(shown))), np.asarray(Image.open(io.BytesIO(run.pictures[0])))
    )
    assert regular.input_value("#question textarea") == run.sides[0].question and not seed(regular)
    keep = round(100 * run.sides[1].options["keep"])
    assert regular.input_value("#keep input[type=number]") == str(keep)
    assert regular.input_value("#policy-b input") == run.titles[1]


def test_what_is_chosen_or_asked_instead_belongs_to_no_opened_run_any_more(regular):
    choose_example(regular, 5, "Describe")
    regular.wait_for_function("!document.querySelector('#belongs').innerText.trim()")  # that of the run before
    open_run(regular, own_picture())
    regular.locator("#belongs", has_text="of the opened run").wait_for()
    choose_example(regular, 5, "Describe")
    regular.wait_for_function("!document.querySelector('#belongs').innerText.trim()")
    open_run(regular, own_picture())
    regular.locator("#belongs", has_text="of the opened run").wait_for()
    ask(regular)
    regular.wait_for_function("!document.querySelector('#belongs').innerText.trim()")
    assert regular.inner_text('.tv-answer[data-side="a"] .tv-text')


def test_beside_a_run_without_its_picture_stands_none(regular):
    choose_example(regular, 5, "Describe")
    open_run(regular, own_picture(pictures=[]))
    regular.locator("#belongs", has_text="without its picture").wait_for()
    assert not regular.locator("#picture img").count() and not seed(regular)


def test_a_run_about_a_picture_of_this_page_brings_that_and_its_seed(regular):
    regular.locator("#picture input[type=file]").set_input_files(CAT)
    regular.locator("#picture img[src$='cat.jpg']").wait_for()  # else it may come after the run's own
    run = recording(NAME)[0]
    open_run(regular, run)
    regular.wait_for_function(
        "name => document.querySelector('#picture img')?.src.includes(name)", arg=run.link["example"]
    )
    assert seed(regular) == run.link["example"].removeprefix("scene-")
    assert not regular.inner_text("#belongs").strip()
