"""Every answer about a scene is true and complete, in every wording and behind everything that was said before."""

import random
import re
from collections import Counter, defaultdict
from functools import cache

import pytest

from scenes.asides import aside, nouns
from scenes.forms import ASIDE_FORMS, FORMS, HELD_OUT, LEADS_TO, PRONOUN_FORMS, SAME_FORMS
from scenes.questions import NUMBER_SKILLS, SHORT_SKILLS, SKILLS, ask, fits, suggestions
from scenes.said import DIRECTIONS
from scenes.scene import CATEGORIES, OBJECTS, PLACES, alike_scene, random_scene
from scenes.talk import conversation
from scenes.typing import neat
from scenes.words import COMPARED_FORMS, DIRECTION_FORMS, PLACE_FORMS, SPOT_FORMS, SYNONYMS, WAY_FORMS, plural
from tests.unit.scene_oracle import Facts, cells_of, claims, every, read, walk, way_of

# An article before the wrong sound, but for words such as "university", "one" and "hour".
ILL_PLACED = r"\ba (?!one|eu)[aeio]|\ban (?!ho|u)[^aeio]|\ban uni"


def loosely(text, rng):
    """By other words for the same, but without slips."""
    return neat(text)


@cache
def some_scene(seed):
    """A scene and what it holds; every third has an odd one out, every other a number where there is room."""
    scene = (random_scene, random_scene, alike_scene)[seed % 3](f"answers {seed}", plates=0.5)
    return scene, Facts(scene)


@pytest.mark.parametrize("skill", SKILLS)
def test_every_answer_is_true_and_complete_in_every_wording(skill):
    asked = 0
    for seed in range(300):
        (scene, facts), forms = some_scene(seed), HELD_OUT if seed % 5 == 0 else FORMS
        question = ask(scene, skill, random.Random(seed), forms, loosely if seed % 2 else None)
        assert "".join(said.text for said in question.said) == question.answer
        if question.skill == skill:
            asked += 1
            read_as = [words for form in forms[skill] if (words := read(form, question.text)) is not None]
            assert read_as, question.text
            for words in read_as:
                assert claims(question.answer) == facts.due(skill, words), (question.text, question.answer, facts.at)
    assert asked > 150


def test_every_answer_of_a_conversation_is_true_however_its_turns_can_be_read():
    """Of all forms of all skills, whichever can word a turn behind the turn before it."""
    leaning, skills = Counter(), SHORT_SKILLS + NUMBER_SKILLS
    for seed in range(200):
        (scene, facts), rng = some_scene(seed), random.Random(seed)
        begun = [ask(scene, "describe", rng, typed=loosely)] if seed % 4 == 0 else []
        turns = conversation(scene, 6, rng, loosely, 0.2, skills, begun)
        assert len(turns) == 6 and turns[: len(begun)] == begun
        # What it began with may mean something else later.
        assert not [turn for turn in turns[len(begun) :] if any(turn is one for one in begun)]
        for before, question, ways in walk(turns):
            assert question.skill in [skill for skill, _ in ways], (before, question.text)
            for skill, words in ways:
                assert claims(question.answer) == facts.due(skill, words), (before, skill, question.text, facts.at)
            leaning[question.skill] += all(read(form, question.text) is None for form in FORMS[question.skill])
    assert {*PRONOUN_FORMS, *SAME_FORMS, *(skill for led in LEADS_TO.values() for skill in led)} == set(+leaning)


def test_no_form_asks_for_words_that_no_scene_gives():
    for skill, draw in SKILLS.items():
        given = [drawn.words for seed in range(60) if (drawn := draw(some_scene(seed)[0], random.Random(seed)))]
        for form in (*FORMS[skill], *HELD_OUT[skill]):
            assert any(fits(form, words) for words in given), (skill, form)


def test_no_wording_asks_two_things():
    """Not even of a word that is its own plural, or has no article; what is said beside the scene is another thing."""
    said = {"names": "fish", "name": "fish", "a_name": "a fish", "others": "fish", "other": "fish"}
    said |= {"kinds": "food", "kind": "food", "a_kind": "food", "compared": "above", "direction": "above"}
    skills = defaultdict(set)
    for table in (FORMS, HELD_OUT, ASIDE_FORMS):
        for skill, forms in table.items():
            for wording in set().union(*map(every, forms)):
                skills[re.sub(r"{(\w+)}", lambda slot: said.get(slot[1], slot[0]), wording)].add(skill)
    assert not {wording: asked for wording, asked in skills.items() if len(asked) > 1}


def test_a_word_means_one_thing(monkeypatch):
    meant = defaultdict(set)
    for word in (*OBJECTS, *CATEGORIES):
        for other in (word, *SYNONYMS.get(word, ())):
            for way in (str, plural):
                meant[way(other)].add(word)
    assert not {word: things for word, things in meant.items() if len(things) > 1}
    monkeypatch.setattr("scenes.asides.lines", lambda name: ("hello", "thanks", "farewell", "description", "spring"))
    words = set(nouns()) | set(nouns(held_out=True))
    assert "spring" in words and not words & set(meant)
    assert not [
        word for forms in (*FORMS.values(), *ASIDE_FORMS.values()) for word in words & set().union(*map(every, forms))
    ]


def test_every_wording_of_a_place_or_a_direction_means_it():
    for place in PLACE_FORMS:
        for wording in every(f"[{PLACE_FORMS[place]}|{SPOT_FORMS[place]}]"):
            cells = sorted(cells_of(wording))
            assert PLACES[cells[len(cells) // 2]] == place.removesuffix(" side"), wording
            assert place in PLACES or len(cells) == 3, wording
    for way, step in DIRECTIONS.items():
        for table in (DIRECTION_FORMS, COMPARED_FORMS, WAY_FORMS):
            assert {way_of(wording) for wording in every(f"[{table[way]}]")} == {step}


def test_nouns_have_the_articles_and_plurals_that_people_write():
    rng = random.Random(2)
    for kind in ("no_color", "out_of_scope", "unknown_word"):
        texts = [aside(kind, rng, loosely).text.lower() for _ in range(1500)]
        assert not [text for text in texts if re.search(ILL_PLACED, text)]
    for skill in SKILLS:
        texts = [ask(some_scene(seed)[0], skill, random.Random(seed), typed=loosely).text for seed in range(120)]
        assert not [text for text in texts if re.search(ILL_PLACED, text.lower())]
    words = [*OBJECTS, *CATEGORIES, *(other for others in SYNONYMS.values() for other in others)]
    assert not [
        plural(word) for word in words if re.search("[^aeiou]ys$|xs$|ss$|chs$|shs$|[^aeo]us$|thing to", plural(word))
    ]
    irregular = {"cherry": "cherries", "ax": "axes", "torch": "torches", "glass": "glasses", "child": "children"}
    irregular |= {"slice of pizza": "slices of pizza", "thing to ride": "things to ride", "key": "keys", "fish": "fish"}
    assert {word: plural(word) for word in irregular} == irregular


def test_suggested_questions_name_nothing_that_is_not_in_the_picture():
    for seed in range(300):
        scene = random_scene(seed)
        there = {
            word for thing in scene.things for name in (thing.name, thing.category) for word in (name, plural(name))
        }
        absent = {name for name in (*OBJECTS, *CATEGORIES) if name not in there}
        asked = suggestions(scene, seed)
        words = " ".join(asked).lower().rstrip("?")
        named = [name for name in absent if re.search(rf"\b({re.escape(name)}|{re.escape(plural(name))})\b", words)]
        assert not named, f"seed {seed}: {named} in {asked}"
