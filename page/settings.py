"""The settings of a side: what its method does and the method's options, as one component of the page.

Gradio 6.31 takes longer over each component that a page has, also over one that is not seen: all options of all methods
on both sides were most of them.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from elastic.fronts import Front
from elastic.options import Option, options_of
from elastic.policies import POLICIES, Policy
from page.scripted import Scripted
from viz.joiner import joined

ASSETS = Path(__file__).parent.parent / "assets"
ARXIV, OPENREVIEW = "https://arxiv.org/abs/", "https://openreview.net/forum?id="
PAPER = re.compile(r"arXiv[ :]\s*(?P<arxiv>\d{4}\.\d{4,5})|OpenReview (?P<forum>\w{10})")
# The page's event with which a side shows the settings of the method that is chosen now.
SHOW_METHOD = "(method, chosen) => JSON.stringify({ ...JSON.parse(chosen || '{}'), method })"


class SideSettings(Scripted):
    """What a side's method does, and its options behind a line that unfolds; its value is all that is chosen, as JSON.

    A value from elsewhere says what changes, see `settings_for`; in the browser the rest of what is chosen is added.
    """

    def __init__(self, letter: str, method: str, **kwargs: object) -> None:
        markup, style = ((ASSETS / "settings" / f"settings.{kind}").read_text("utf-8") for kind in ("html", "css"))
        script = joined(ASSETS / "web" / "settings" / "main.js")
        super().__init__(
            "settings-style",
            markup.replace("@side@", letter),
            style,
            script,
            value=settings_for(method, {}),
            label=f"Settings of side {letter}",
            elem_id=f"settings-{letter.lower()}",
            methods=methods(),
            **kwargs,
        )


def methods() -> str:
    """What the browser knows of all methods that can be chosen, as JSON: its name, what it does, its options."""
    known = {
        name: {
            "title": policy.title,
            "about": about(policy),
            "options": [_described(option) for option in settable(name)],
        }
        for name, policy in POLICIES.items()
    }
    return json.dumps(known, separators=(",", ":"))


def settable(method: str) -> list[Option]:
    """The options of a method that a side has for itself; how much is kept is chosen for both."""
    return [option for option in options_of(POLICIES[method]).values() if option.is_free and option.name != "keep"]


def settings_for(method: str, values: Mapping[str, object]) -> dict[str, object]:
    """What shows a method with these values of its options, and its defaults else; other methods stay as they are."""
    given = [(option, values.get(option.name, option.default)) for option in settable(method)]
    changed = {option.name: value for option, value in given if value != option.default}
    return {"method": method, "options": {method: changed}}


def _described(option: Option) -> dict[str, object]:
    shown = {"name": option.name, "label": option.label.capitalize(), "about": option.about, "default": option.default}
    limits = {"low": option.low, "high": option.high, "whole": option.kind is int}
    return shown | {"choices": list(option.choices)} | limits


def about(policy: type[Policy] | type[Front]) -> list[str | tuple[str, str]]:
    """What a policy or a front does and where it is from: texts, and papers to be opened, as a text and an address."""
    parts: list[str | tuple[str, str]] = []
    end = 0
    for found in PAPER.finditer(policy.paper):
        number, forum = found["arxiv"], found["forum"]
        link = (f"arXiv {number}", ARXIV + number) if number else ("OpenReview", OPENREVIEW + forum)
        parts += [policy.paper[end : found.start()], link]
        end = found.end()
    return [part for part in (f"{policy.about} ", *parts, policy.paper[end:]) if part]
