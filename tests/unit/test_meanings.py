"""Words and colours that mean one thing: explained alike everywhere, told apart by everybody."""

import re
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from viz import theme

ASSETS = Path(__file__).parents[2] / "assets"
GROUNDS = {"light": ("#ffffff", "#fafafa"), "dark": ("#0f0f11", "#18181b")}
MEANING = ("a", "b", "anchor", "mark-line")
# What is left of linear red, green and blue to those without the cones for green, and for red (Machado et al. 2009).
SEEN = {
    "all": np.eye(3),
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def colours():
    """Per theme the colours that are written out."""
    light, dark = (ASSETS / "colours.css").read_text(encoding="utf-8").split(".dark & ")
    found = [dict(re.findall(r"--tv-([\w-]+): (#[0-9a-f]{6});", text)) for text in (light, dark)]
    return {"light": found[0], "dark": found[0] | found[1]}


def linear(colour):
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    bright, dim = sorted((linear(colour) @ XYZ[1] for colour in (one, other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def lab(colour, seen):
    """A colour in CIE L*a*b*, as who sees it."""
    x, y, z = np.cbrt((XYZ @ np.clip(np.array(seen) @ linear(colour), 0, 1)) / XYZ.sum(1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("shade", GROUNDS)
def test_what_has_a_meaning_stands_out_from_the_ground(shade):
    given = colours()[shade]
    for ground in GROUNDS[shade]:
        assert all(contrast(given[name], ground) >= 3 for name in MEANING), ground
        assert contrast(given["wrong"], ground) >= 3
    text = {"light": "#27272a", "dark": "#f4f4f5"}[shade]
    assert all(contrast(given[name], text) >= 4.5 for name in ("mark", "mark-first"))


@pytest.mark.parametrize("shade", GROUNDS)
@pytest.mark.parametrize("who", SEEN)
def test_colours_that_mean_something_are_told_apart_by_everybody(shade, who):
    given = colours()[shade]
    for one, other in combinations(MEANING, 2):
        distance = np.linalg.norm(lab(given[one], SEEN[who]) - lab(given[other], SEEN[who]))
        assert distance > 20, (one, other, distance)
    # Groups of patches have colours that mean nothing: none is one of those.
    groups = [given[f"group-{number}"] for number in range(6)]
    assert not set(groups) & {given[name] for name in MEANING}


def test_plots_have_the_colours_of_the_page():
    light = colours()["light"]
    drawn = (theme.FULL[0], theme.COMPRESSED[0], theme.ANCHOR)
    assert [colour.lower() for colour in drawn] == [light["a"], light["b"], light["anchor"]]


def test_words_are_explained_as_the_lesson_explains_them():
    lesson = tomllib.loads((ASSETS / "lessons" / "en.toml").read_text(encoding="utf-8"))
    said = {term["name"]: re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", term["text"]) for term in lesson["glossary"]}
    script = (ASSETS / "web" / "core" / "terms.js").read_text(encoding="utf-8")
    glossary = re.search(r"const GLOSSARY = \{(.*?)\n\};", script, re.S)[1]
    explained = dict(re.findall(r"'?([\w-]+)'?: '(.*)',", glossary))
    assert len(explained) > 8
    for name, text in explained.items():
        # What the lesson adds of its own run is of no other.
        assert text == re.sub(r": here \{.*", ".", said[name]), name


def test_every_word_that_can_be_asked_is_explained():
    script = (ASSETS / "web" / "core" / "terms.js").read_text(encoding="utf-8")
    explained = set(re.findall(r"^  '?([\w-]+)'?: '", script, re.M))
    asked = set(re.findall(r'data-term="([\w-]+)"', (ASSETS / "trace_view.html").read_text(encoding="utf-8")))
    for path in (ASSETS / "web").rglob("*.js"):
        asked |= set(re.findall(r"\bterm: '([\w-]+)'", path.read_text(encoding="utf-8")))
    assert len(asked) > 10 and asked <= explained, asked - explained
