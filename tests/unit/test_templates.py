"""Pages are made from templates in which every text stays a text."""

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from viz.templates import filled

PARTS = ("language", "policy", "title", "style", "heading", "note", "template", "record", "script")


def test_a_text_that_is_filled_in_is_escaped_and_markup_is_not():
    page = filled("replay.html", **(dict.fromkeys(PARTS, "<b>\"'&") | {"note": Markup("<i>ours</i>")}))
    assert "<b>" not in page and "&lt;b&gt;&#34;&#39;&amp;" in page and "<i>ours</i>" in page


@pytest.mark.parametrize("missing", PARTS)
def test_a_part_that_nobody_fills_in_is_an_error(missing):
    with pytest.raises(UndefinedError, match=missing):
        filled("replay.html", **{name: "" for name in PARTS if name != missing})


def test_what_is_filled_in_is_not_looked_through_again():
    assert "{{ title }}" in filled("replay.html", **dict.fromkeys(PARTS, Markup("{{ title }}")))
