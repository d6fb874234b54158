"""The settings of a side, as Python tells them to the browser."""

import json
from dataclasses import dataclass
from typing import ClassVar

import gradio as gr
import pytest

from elastic.options import options_of, read_policy, write_choice
from elastic.policies import POLICIES, Policy
from page.settings import SideSettings, about, methods, settings_for
from page.sides import with_links


@dataclass(frozen=True)
class Cited(Policy):
    """Of several papers."""

    title: ClassVar[str] = "Cited"
    about: ClassVar[str] = "Keeps <b>all</b>."
    paper: ClassVar[str] = "See arXiv:2407.18121v2, OpenReview LCTmppB165 and a book"


@pytest.mark.parametrize("name", POLICIES)
def test_the_browser_knows_of_a_method_what_it_does_and_each_option_that_a_side_can_have_of_it(name):
    known, options = json.loads(methods())[name], options_of(POLICIES[name])
    assert known["about"][0].startswith(POLICIES[name].about)
    assert [option["name"] for option in known["options"]] == [
        option.name for option in options.values() if option.is_free and option.name != "keep"
    ]
    for shown in known["options"]:
        option = options[shown["name"]]
        assert shown["default"] == option.default and shown["about"] == option.about
        # One of three kinds: a choice, a number with limits, or what is on or off.
        is_number = isinstance(shown["low"], int | float) and isinstance(shown["high"], int | float)
        assert [bool(shown["choices"]), is_number, isinstance(shown["default"], bool)].count(True) == 1
        assert shown["choices"] == list(option.choices) and (shown["low"], shown["high"]) == (option.low, option.high)
        assert shown["whole"] == (option.kind is int)


def test_what_fills_a_side_says_of_its_method_all_that_is_no_default_and_nothing_of_others_or_of_what_is_kept():
    policy = read_policy("snapkv:keep=0.2;window=4;bits=8;kernel=5")
    assert settings_for("snapkv", vars(policy)) == {
        "method": "snapkv",
        "options": {"snapkv": {"bits": "8", "window": 4}},
    }
    assert settings_for("full", {"keep": 0.2, "window": 4}) == {"method": "full", "options": {"full": {}}}
    options = settings_for("lookm", {"merging": "averaged"})["options"]["lookm"]
    assert json.loads(json.dumps(options)) == {"merging": "averaged"}
    assert read_policy(write_choice("lookm", options)) == POLICIES["lookm"](merging="averaged")


def test_a_method_with_several_papers_links_those_that_can_be_opened_and_keeps_what_stands_between():
    parts = about(Cited)
    assert [part for part in parts if not isinstance(part, str)] == [
        ("arXiv 2407.18121", "https://arxiv.org/abs/2407.18121"),
        ("OpenReview", "https://openreview.net/forum?id=LCTmppB165"),
    ]
    assert "".join(part if isinstance(part, str) else part[0] for part in parts) == (
        "Keeps <b>all</b>. See arXiv 2407.18121v2, OpenReview and a book"
    )
    assert with_links(Cited) == (
        "Keeps <b>all</b>. See [arXiv 2407.18121](https://arxiv.org/abs/2407.18121)v2, "
        "[OpenReview](https://openreview.net/forum?id=LCTmppB165) and a book"
    )


def test_a_side_that_is_to_stay_as_it_is_can_be_made_again_as_gradio_does_for_that():
    with gr.Blocks():
        settings = SideSettings("A", "elastic")
    again = SideSettings(**settings.constructor_args | {"render": False})  # what becomes of an output that is skipped
    assert again.elem_id == settings.elem_id == "settings-a" and again.value == settings.value
