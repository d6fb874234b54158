"""What a browser makes of the inputs when a question is asked: of each side its policy's text, as short as can be."""

import json

import pytest

from elastic.options import name_of, options_of, read_policy
from elastic.policies import POLICIES
from page.asking import AskedQuestion, scripts
from page.gate import Refused
from page.settings import settings_for


@pytest.fixture(scope="module")
def in_browser(browser):
    page = browser.new_page()
    yield lambda script, *inputs: json.loads(page.evaluate(f"inputs => ({script})(...inputs)[0]", list(inputs)))
    page.close()


def settings(**changes):
    """What is chosen of the methods on each side: nothing, and in all methods of side B what they have of these."""
    chosen = {name: settings_for(name, changes)["options"][name] for name in POLICIES}
    return [json.dumps({"method": "full", "options": each}) for each in ({}, chosen)]


@pytest.mark.parametrize("name", POLICIES)
def test_a_browser_says_of_each_policy_what_is_not_its_default_and_nothing_of_the_others(in_browser, name):
    ask, _, tell, _ = scripts()
    free = {option.name: option for option in options_of(POLICIES[name]).values() if option.is_free}
    changes = {"keep": 0.6} if "keep" in free else {}
    for option in list(free.values())[1:]:
        other = [choice for choice in option.choices if choice != option.default]
        changes[option.name] = other[0] if other else not option.default if option.kind is bool else option.low
    values = ["full", name, *settings(**changes)]
    said = in_browser(ask, {"path": "/a/b.png"}, "[]", 0, "What?", 64, 0.5, 7, 60, True, "4", "off", *values)
    assert said["sides"][0] == "full" and read_policy(said["sides"][1]) == POLICIES[name](**changes)
    assert (said["picture"], said["question"], said["tokens"], said["seed"]) == ("/a/b.png", "What?", 64, 7)
    asked = AskedQuestion.read(json.dumps(said))
    assert asked.temperature == 0.5 and asked.before_question is True and asked.reuse == "4"
    sides = in_browser(tell, *values)["sides"]
    assert "keep=" not in sides[1] and name_of(read_policy(sides[1])) == name


def test_a_browser_asks_what_was_not_touched_as_short_as_can_be(in_browser):
    ask, _, tell, _ = scripts()
    said = in_browser(
        ask, None, None, None, None, 128, 0, None, 50, False, "off", "off", "full", "elastic", *settings()
    )
    assert said["sides"] == ["full", "elastic"] == in_browser(tell, "full", "elastic", *settings())["sides"]
    assert said["before_question"] is False and said["picture"] is None and said["question"] == "" and said["seed"] == 0
    assert said["reuse"] == "off"
    assert in_browser(tell, "full", "elastic", None, "")["sides"] == ["full", "elastic"]
    assert in_browser(ask, None, "", 0, "", 8, 0, 1.6, 7, None, None, None, "h2o", "think", *settings())["sides"] == [
        "h2o:keep=0.07",
        "think:keep=0.07",
    ]


def test_a_browser_asks_about_the_list_of_pictures_where_there_is_one_and_with_the_tokens_that_were_chosen(in_browser):
    ask, _, _, _ = scripts()
    rest = "What?", 64, 0, 7, 60, False, "off", "off", "full", "elastic", *settings()
    said = in_browser(ask, {"path": "/shown.png"}, json.dumps(["/b.png", "/a.png", "/c.png"]), "1,256", *rest)
    asked = AskedQuestion.read(json.dumps(said))
    assert asked.pictures == ("/b.png", "/a.png", "/c.png") and asked.picture_tokens == 1256
    with pytest.raises(Refused, match="Tokens of a picture, at most: a whole number"):
        AskedQuestion.read(json.dumps(in_browser(ask, {"path": "/shown.png"}, "[]", "many", *rest)))
    for nothing in (None, "", 0, " "):
        asked = AskedQuestion.read(json.dumps(in_browser(ask, {"path": "/shown.png"}, "[]", nothing, *rest)))
        assert asked.pictures == ("/shown.png",) and asked.picture_tokens == 0
