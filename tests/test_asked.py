"""The one value in which everything is asked: what a browser makes of the inputs, and what of a value gets in."""

import json
import shutil

import gradio as gr
import pytest

from elastic.options import name_of, options_of, read_policy
from elastic.policies import POLICIES
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from page import gate, incoming
from page.asking import Question, Sides, Typed, scripts
from page.gate import Refused

ASKED = {"picture": None, "question": "What?", "sides": ["full", "elastic"], "tokens": 8}
OPTIONS = [
    (side, name, option)
    for side in (0, 1)
    for name, policy in POLICIES.items()
    for option in options_of(policy).values()
    if option.is_free and option.name != "keep"
]
KEYS = [(side, name, option.name) for side, name, option in OPTIONS]


@pytest.fixture
def kind():
    with gr.Blocks():
        return Typed(Question)


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def in_browser(browser):
    page = browser.new_page()
    yield lambda script, *inputs: json.loads(page.evaluate(f"inputs => ({script})(...inputs)[0]", list(inputs)))
    page.close()


def controls(**changes):
    """The values of all options' controls, those of side B changed."""
    return [changes.get(option.name, option.default) if side else option.default for side, _, option in OPTIONS]


@pytest.mark.parametrize("name", POLICIES)
def test_a_browser_says_of_each_policy_what_is_not_its_default_and_nothing_of_the_others(in_browser, name):
    ask, tell = scripts(KEYS)
    free = {option.name: option for option in options_of(POLICIES[name]).values() if option.is_free}
    changes = {"keep": 0.6} if "keep" in free else {}
    for option in list(free.values())[1:]:
        other = [choice for choice in option.choices if choice != option.default]
        changes[option.name] = other[0] if other else not option.default if option.kind is bool else option.low
    values = ["full", name, *controls(**changes)]
    said = in_browser(ask, {"path": "/a/b.png"}, "What?", 64, 0.5, 7, 60, *values)
    assert said["sides"][0] == "full" and read_policy(said["sides"][1]) == POLICIES[name](**changes)
    assert (said["picture"], said["question"], said["tokens"], said["seed"]) == ("/a/b.png", "What?", 64, 7)
    assert Question.read(json.dumps(said)).temperature == 0.5
    sides = in_browser(tell, *values)["sides"]
    assert "keep=" not in sides[1] and name_of(read_policy(sides[1])) == name


def test_a_browser_asks_what_was_not_touched_as_short_as_can_be(in_browser):
    ask, tell = scripts(KEYS)
    said = in_browser(ask, None, None, 128, 0, None, 50, "full", "elastic", *controls())
    assert said["sides"] == ["full", "elastic"] == in_browser(tell, "full", "elastic", *controls())["sides"]
    assert said["picture"] is None and said["question"] == "" and said["seed"] == 0
    assert in_browser(ask, None, "", 8, 0, 1.6, 7, "h2o", "think", *controls())["sides"] == [
        "h2o:keep=0.07",
        "think:keep=0.07",
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tokens": 513}, "Longest answer (tokens): a whole number from 1 to 512 is needed, not 513."),
        ({"tokens": 1.5}, "Longest answer (tokens): a whole number from 1 to 512 is needed, not 1.5."),
        ({"temperature": -1}, "Temperature (0 is greedy): a number from 0 to 2 is needed, not -1."),
        ({"seed": "7"}, "Seed: a whole number is needed, not '7'."),
        ({"question": ["x"]}, "Question for both sides: a text of at most 20,000 characters is needed, not a list."),
        ({"sides": ["full"]}, "Sides: the texts of two policies is needed, not a list."),
        ({"sides": ["full", 3]}, "Sides: the texts of two policies is needed, not 3."),
        ({"picture": 3}, "Picture: an upload is needed, not 3."),
        ({"picture": "/etc/passwd"}, incoming.NO_UPLOAD),
        ({"picture": "http://127.0.0.1/"}, incoming.NO_UPLOAD),
    ],
)
def test_a_value_that_is_none_gets_a_sentence_that_names_its_part(kind, uploads, change, sentence):
    with pytest.raises(Refused) as error:
        gate.values(None, [kind], [json.dumps(ASKED | change)])
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("value", [None, "", "{", "[]", "{}", "7", 7, {}, json.dumps({"question": "What?"})])
def test_what_is_no_question_at_all_gets_a_sentence(kind, value):
    with pytest.raises(Refused, match=r"What is asked cannot be read\. Reload the page and ask again\."):
        kind.checked(value)


def test_a_value_gets_in_with_what_is_asked_for_and_a_bundled_picture_as_an_upload(kind, uploads):
    scene = next((incoming.ASSETS / "scenes").glob("*.png"))
    given = json.dumps(ASKED | {"picture": str(scene), "number": 3, "more": "x"})
    checked = json.loads(kind.checked(given))
    assert "more" not in checked and checked["question"] == "What?"
    assert incoming.checked_path(checked["picture"]).is_relative_to(uploads.resolve())
    asked = kind.preprocess(json.dumps(checked))
    assert asked.picture == checked["picture"] and asked.number == 3
    shutil.rmtree(uploads)


def test_the_server_writes_a_question_that_it_reads_again():
    with gr.Blocks():
        asking, chosen = Typed(Question), Typed(Sides)
    asked = Question(picture=None, question="<b>?</b>", sides=["full", "elastic:keep=0.2"])
    assert asking.preprocess(asking.postprocess(asked)) == asked and asking.postprocess(None) is None
    assert chosen.preprocess('{"sides": ["full", "elastic"]}').sides == ["full", "elastic"]
    assert [read_policy(side) for side in asked.sides] == [Full(), Elastic(keep=0.2)]


def test_no_two_questions_are_the_same_value():
    assert Question(**ASKED).number != Question(**ASKED).number
