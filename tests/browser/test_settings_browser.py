"""The settings of a side in a real browser, by themselves: how they are drawn, operated and written from elsewhere."""

import json
from dataclasses import dataclass
from typing import ClassVar

import pytest

from elastic.policies import POLICIES, Policy
from elastic.policies.base import option
from elastic.policies.full import Full
from page.everybody import HEAD
from page.settings import SHOW_METHOD, SideSettings, settings_for
from tests.axe import violations
from tests.serving import ROOT

NASTY = '</script><img src=x onerror=window.hurt=1> "q" \' `${window.hurt=1}` {{x}} \\" \u202eright\u202c \U0001f415'


@dataclass(frozen=True)
class Hostile(Policy):
    """Whoever adds a method writes its texts."""

    way: str = option("a", NASTY, choices=("a", NASTY))

    title: ClassVar[str] = NASTY
    about: ClassVar[str] = NASTY
    paper: ClassVar[str] = f"arXiv 2407.18121, OpenReview LCTmppB165 and {NASTY}"


WRITTEN = {"twelve": settings_for("elastic", {"distance": 12}), "usual": settings_for("elastic", {})}


@pytest.fixture(scope="module")
def address():
    """A page with the settings of side B, the method as a choice, and buttons that write from the server."""
    import gradio

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(POLICIES, "hostile", Hostile)
        with gradio.Blocks() as page:
            gradio.Markdown("# By themselves")
            method = gradio.Dropdown(["elastic", "combine", "full", "hostile"], value="elastic", elem_id="method")
            with gradio.Column(elem_id="controls"):
                settings = SideSettings("B", "elastic")
            method.change(None, [method, settings], settings, js=SHOW_METHOD)
            for name, value in WRITTEN.items():
                gradio.Button(name, elem_id=name).click(lambda value=value: value, None, settings)
            told = gradio.Textbox(elem_id="told")
            settings.change(None, settings, told, js="(chosen) => chosen")
    style = ROOT / "assets" / "app.css"
    url = page.launch(prevent_thread_lock=True, quiet=True, css_paths=[style], head=HEAD)[1]
    yield url
    page.close()


@pytest.fixture
def page(browser, address):
    """Settings that were unfolded."""
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(address)
    page.get_by_text("Settings of side B", exact=True).click()
    yield page
    page.close()


def show(page, method, first):
    """Choose another method, and wait for the first of its options."""
    page.click("#method input")
    page.get_by_role("option", name=method, exact=True).click()
    page.get_by_label(first, exact=True).wait_for()


def told(page, method, **options):
    """Whether the value comes to say that of a method; all of what is chosen."""
    page.wait_for_function(
        "([method, options]) => JSON.stringify(JSON.parse(document.querySelector('#told textarea').value || '{}')"
        ".options?.[method]) === JSON.stringify(options)",
        arg=[method, options],
    )
    return json.loads(page.input_value("#told textarea"))


def test_by_keys_alone_each_kind_of_option_is_found_by_its_label_and_changed(page):
    page.get_by_label("Protect text").focus()
    page.keyboard.press("Space")
    told(page, "elastic", protect_text=False)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.labels[0].textContent") == "Distance"
    page.keyboard.press("ArrowUp")
    told(page, "elastic", protect_text=False, distance=26)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    told(page, "elastic", protect_text=False, distance=27)
    assert page.get_by_label("Distance", exact=True).input_value() == "27"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    told(page, "elastic", protect_text=False)
    show(page, "combine", "Merge")
    page.get_by_label("Merge", exact=True).focus()
    page.keyboard.press("ArrowDown")
    assert told(page, "combine", merge="keys")["options"]["elastic"] == {"protect_text": False}
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Merge", exact=True).wait_for(state="hidden")


def test_a_number_that_cannot_be_becomes_the_nearest_and_what_is_none_the_last(page):
    field = page.get_by_label("Distance", exact=True)
    for typed, kept in (("900", "500"), ("", "500"), ("0", "1"), ("7.4", "7")):
        field.fill(typed)
        field.press("Enter")
        told(page, "elastic", distance=int(kept))
        assert field.input_value() == kept == page.get_by_label("Distance, as a slider").input_value()
    page.get_by_role("button", name="Distance: back to 25").click()
    told(page, "elastic")
    assert field.input_value() == "25"
    show(page, "combine", "Rounds")
    field = page.get_by_label("Rounds", exact=True)
    field.fill("")
    field.press("Enter")
    assert field.input_value() == "0"
    field.press_sequentially("3")  # counts before the field is left
    told(page, "combine", rounds=3)


def test_what_the_server_writes_of_one_method_leaves_what_was_chosen_of_the_others(page):
    show(page, "combine", "Merge")
    page.get_by_label("Merge", exact=True).select_option("none")
    page.get_by_text("Settings of side B", exact=True).click()  # folded away: what comes is taken all the same
    page.click("#twelve")
    assert told(page, "elastic", distance=12) == {
        "method": "elastic",
        "options": {"combine": {"merge": "none"}, "elastic": {"distance": 12}},
    }
    page.get_by_text("Settings of side B", exact=True).click()
    assert page.get_by_label("Distance", exact=True).input_value() == "12"
    page.get_by_label("Protect ends").uncheck()
    told(page, "elastic", protect_ends=False, distance=12)
    page.get_by_label("Protect ends").focus()
    page.click("#usual")
    assert told(page, "elastic")["options"]["combine"] == {"merge": "none"}
    assert page.get_by_label("Protect ends").is_checked()
    assert page.get_by_label("Distance", exact=True).input_value() == "25"


def test_what_the_chosen_method_does_is_there_before_anything_is_unfolded(page):
    page.get_by_text("Settings of side B", exact=True).click()
    assert page.locator(".st-about").is_visible() and not page.locator(".st-method").is_visible()
    assert page.inner_text(".st-about").startswith(f"B {POLICIES['elastic'].title}: {POLICIES['elastic'].about}")
    page.click("#method input")
    page.get_by_role("option", name="full", exact=True).click()
    page.wait_for_function("told => document.querySelector('.st-about').innerText.includes(told)", arg=Full.about)
    assert POLICIES["elastic"].about not in page.inner_text(".st-about")


def test_texts_of_a_method_stay_texts_and_its_papers_are_links(page):
    show(page, "hostile", "Way")
    assert page.inner_text(".st-about").startswith(f"B {NASTY}: {NASTY}") and page.inner_text(".st-info") == NASTY
    assert page.locator(".st-method option").all_inner_texts() == ["a", NASTY]
    assert [link.get_attribute("href") for link in page.locator(".st-about a").all()] == [
        "https://arxiv.org/abs/2407.18121",
        "https://openreview.net/forum?id=LCTmppB165",
    ]
    page.get_by_label("Way", exact=True).select_option(NASTY)
    assert told(page, "hostile", way=NASTY)["method"] == "hostile"
    assert page.evaluate("window.hurt") is None and page.locator(".st-method img").count() == 0


def test_axe_finds_nothing_to_complain_of_in_the_options_of_any_kind(page):
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=scheme == "dark")
        for method, first in (("combine", "Merge"), ("elastic", "Distance")):
            show(page, method, first)
            others = ["footer", "#method", "#told", "button.lg"]
            found[scheme, method] = violations(page, others)
    assert {where: what for where, what in found.items() if what} == {}
