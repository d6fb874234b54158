"""Models that see pictures in tiles and in grids of any shape, in the program: the page asks, draws and counts."""

from contextlib import contextmanager
from itertools import groupby

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from elastic import model
from elastic.picture import open_picture
from tests.families import MAKERS
from tests.serving import ROOT, ask, inspected, served, slide, turns_of, visitors

PHOTOS = [ROOT / "assets" / "photos" / f"{name}.jpg" for name in ("astronaut", "cat", "coffee")]
TILED, OF_THREE = "smolvlm", "qwen2-vl"


@pytest.fixture(scope="module", params=[TILED, OF_THREE, "llava-1.5"])
def running(request, browser, tmp_path_factory):
    """The model, and a function that opens the page of a program that has it as a new visitor."""
    folder = tmp_path_factory.mktemp("family") / request.param
    MAKERS[request.param](folder)
    with served("--model", str(folder), "--device", "cpu") as address, visitors(browser, address) as opened:
        opened.address = address
        yield request.param, model.load(str(folder), "cpu"), opened


@pytest.fixture(scope="module")
def visit(running):
    """Opens the page as a new visitor, once the model is there; answers are short."""

    def ready():
        page = running[2]()
        page.wait_for_function("document.querySelector('#badge').innerText.includes('Live')", timeout=60_000)
        page.get_by_text("Answer", exact=True).click()
        slide(page, "#tokens", 6)
        return page

    return ready


@pytest.fixture(scope="module")
def answered(visit):
    """A visitor who has asked about one picture, for tests that only look."""
    page = visit()
    ask(page, "What is this?")
    return page


@pytest.fixture(scope="module")
def of_two(running, visit):
    """A visitor who has asked about one picture and then put in another."""
    if running[1].most_pictures == 1:
        pytest.skip("not with this model")
    page = visit()
    begin_several(page)
    ask(page, "What is this?")
    add(page, 1, 2)
    return page


def example(page, number):
    page.locator("#examples button, #examples .gallery-item").nth(number).click()


def begin_several(page):
    page.click("#begin-several")
    page.wait_for_function("document.querySelectorAll('.pt-list li').length === 1")


def add(page, number, count):
    example(page, number)
    page.wait_for_function("count => document.querySelectorAll('.pt-list li').length === count", arg=count)


def shapes(views):
    return [(view.rows, view.columns) for view in views]


def shown(page):
    return [(view["rows"], view["columns"]) for view in inspected(page)["views"]]


def prompt_of(reader, numbers, question="What is this?"):
    return reader.first_turn([open_picture(PHOTOS[number]) for number in numbers], question)


def test_the_page_asks_and_draws_every_view_as_the_model_saw_it(running, answered):
    (name, reader, _), page = running, answered
    expected = prompt_of(reader, [0])
    assert shown(page) == shapes(expected.views)
    sides = inspected(page)["sides"]
    assert [len(side["shares"]) for side in sides] == [int((expected.place[:, 3] >= 0).sum())] * 2
    if name == TILED:
        assert len(expected.views) > 4 and page.locator(".tv-key-marker").is_visible()
    # The picture is drawn where its views are, and each of them differs from the bare ground.
    drawn = page.evaluate(
        """() => {
          const canvas = document.querySelector('canvas.tv-patches[data-side="a"]');
          const { views } = document.querySelector('.trace-view').view.inspect();
          return views.map(({ box: [x, y, w, h] }) => new Set(canvas.getContext('2d').getImageData(
            x * canvas.width, y * canvas.height, w * canvas.width, h * canvas.height).data).size);
        }"""
    )
    assert min(drawn) > 30


def test_a_patch_that_is_pointed_at_says_where_it_is_and_lights_its_slot_in_every_view(running, answered):
    (name, reader, _), page = running, answered
    page.click('.tv-mode[data-mode="groups"]')
    canvas = page.locator('canvas.tv-patches[data-side="b"]')
    canvas.scroll_into_view_if_needed()
    view, box = inspected(page)["views"][-1], canvas.bounding_box()
    x, y, w, h = view["box"]
    cell = w / view["columns"], h / view["rows"]
    page.mouse.move(box["x"] + box["width"] * (x + cell[0] / 2), box["y"] + box["height"] * (y + cell[1] / 2))
    page.wait_for_function("document.querySelector('.trace-view').view.inspect().patch !== null")
    told = page.inner_text('.tv-says[data-side="b"]')
    expected = prompt_of(reader, [0])
    is_last = (expected.place[:, 1] == len(expected.views) - 1) & (expected.place[:, 3] >= 0)
    first = np.flatnonzero(is_last)[0]
    assert inspected(page)["token"] == first
    assert ("whole picture, row 1, column 1" if name == TILED else "Patch row 1, column 1") in told


def test_several_pictures_are_asked_about_in_the_order_they_were_put_in(running, visit, answered):
    reader = running[1]
    if reader.most_pictures == 1:
        assert answered.locator("#begin-several").is_hidden() and answered.locator("#picture-tokens").is_hidden()
        return
    page = visit()
    begin_several(page)
    add(page, 1, 2)
    add(page, 2, 3)
    page.locator(".pt-list li").nth(2).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('.pt-list li img').src.includes('coffee')")
    ask(page, "What is this?")
    assert shown(page) == shapes(prompt_of(reader, [2, 0, 1]).views)
    page.locator(".pt-list li").first.drag_to(page.locator(".pt-list li").last)
    page.wait_for_function("document.querySelector('.pt-list li:last-child img').src.includes('coffee')")
    page.locator(".pt-list li").first.locator("button").nth(1).click()
    page.wait_for_function("document.querySelectorAll('.pt-list li').length === 2")
    ask(page, "What is this?")
    assert shown(page) == shapes(prompt_of(reader, [1, 2]).views)
    assert turns_of(page) == 1, "another order is another conversation"


def test_a_picture_may_come_with_a_later_question(running, of_two):
    reader, page = running[1], of_two
    assert inspected(page)["sides"], "the first answer is still there"
    ask(page, "And this?")
    assert turns_of(page) == 2
    assert shown(page) == [*shapes(prompt_of(reader, [0]).views), *shapes(prompt_of(reader, [1]).views)]
    names = [view["name"].partition(",")[0] for view in inspected(page)["views"]]
    assert [name for name, _ in groupby(names)] == ["picture 1", "picture 2"]


def test_the_compare_tab_is_about_the_same_pictures(running, of_two):
    reader, page, question = running[1], of_two, "What are these?"
    page.fill("#question textarea", question)
    page.get_by_role("tab", name="Compare").click()
    slide(page, "#compare-tokens", 4)
    page.click("#compare")
    page.wait_for_function("document.querySelectorAll('#compare-table tbody tr').length > 3", timeout=60_000)
    page.wait_for_selector("#compare:not([disabled])", timeout=60_000)
    row = page.locator("#compare-table tbody tr").nth(1)
    row.locator("button").last.click()
    expected = shapes(prompt_of(reader, [0, 1], question).views)
    page.wait_for_function(
        "count => document.querySelector('.trace-view').view.inspect().views.length === count", arg=len(expected)
    )
    assert shown(page) == expected


def cost(page, tokens):
    page.wait_for_function(
        "text => document.querySelector('#picture-cost').innerText.includes(text)", arg=f"{tokens:,} tokens"
    )


def test_tokens_and_bytes_are_told_before_anybody_asks_and_fewer_tokens_are_what_the_model_reads(
    running, visit, answered
):
    name, reader, _ = running
    if not reader.can_be_capped:
        assert answered.locator("#picture-cost").is_hidden()
        return
    page = visit()
    question = page.input_value("#question textarea")
    cost(page, prompt_of(reader, [0], question).ids.shape[1])
    question = "And what is it?"
    page.fill("#question textarea", question)
    page.press("#question textarea", "Tab")
    cost(page, prompt_of(reader, [0], question).ids.shape[1])
    fewer = 64 if name == TILED else 16
    few = prompt_of(reader.capped(fewer), [0], question)
    page.locator("#picture-tokens input").fill(str(fewer))
    page.locator("#picture-tokens input").press("Enter")
    cost(page, few.ids.shape[1])
    shape = reader.shape
    held = few.ids.shape[1] * 2 * shape["layers"] * shape["kv_heads"] * shape["head_dim"] * shape["element_bytes"]
    assert f"{held / 1024:.3g} KiB" in page.inner_text("#picture-cost")
    ask(page)
    assert shown(page) == shapes(few.views)
    assert inspected(page)["sides"][0]["shares"] == [1] * int((few.place[:, 3] >= 0).sum())


def test_a_program_asks_about_several_pictures_with_as_many_tokens_as_it_names(running):
    name, reader, opened = running
    client = Client(opened.address, verbose=False)
    call = [handle_file(PHOTOS[1]), "What is this?", "full", "elastic", 0.5, 4, False, [handle_file(PHOTOS[2])]]
    if reader.most_pictures == 1:
        with pytest.raises(AppError, match="is asked about one picture at a time, not about 2"):
            client.predict(*call, api_name="/compare")
        return
    for tokens in (0, 64 if name == TILED else 16):
        _, _, figures = client.predict(*call, tokens, api_name="/compare")
        expected = prompt_of(reader.capped(tokens) if tokens else reader, [1, 2])
        assert figures["a"]["prompt_tokens"] == expected.ids.shape[1]


@contextmanager
def of(running, name):
    if running[0] != name:
        pytest.skip("once is enough")
    yield running[1:]


def test_a_link_asks_with_as_many_tokens_as_it_names(running):
    with of(running, OF_THREE) as (reader, opened):
        page = opened("?example=cat&q=What%20is%20this%3F&picture_tokens=16")
        page.wait_for_function("document.querySelector('.trace-view').view.inspect().views.length", timeout=60_000)
        page.wait_for_function(
            "document.querySelector('.trace-view').innerText.includes('What is this?')", timeout=60_000
        )
        assert shown(page) == shapes(prompt_of(reader.capped(16), [1]).views)
