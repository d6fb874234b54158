"""The one value in which everything is asked: what of it gets in, and what the server writes of it."""

import json
import shutil
from types import SimpleNamespace

import gradio as gr
import pytest

from elastic.options import read_policy
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from page import gate, incoming
from page.asking import AskedQuestion, SidePolicies, Typed
from page.gate import Refused

SCENE = str(min((incoming.ASSETS / "scenes").glob("*.png")))
ASKED = {"picture": None, "question": "What?", "sides": ["full", "elastic"], "tokens": 8}


@pytest.fixture
def kind():
    with gr.Blocks():
        return Typed(AskedQuestion)


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tokens": 513}, "Longest answer (tokens): a whole number from 1 to 512 is needed, not 513."),
        ({"tokens": 1.5}, "Longest answer (tokens): a whole number from 1 to 512 is needed, not 1.5."),
        ({"temperature": -1}, "Temperature (0 is greedy): a number from 0 to 2 is needed, not -1."),
        ({"before_question": "yes"}, "Compress before the question: true or false is needed, not 'yes'."),
        ({"before_question": 1}, "Compress before the question: true or false is needed, not 1."),
        ({"reuse": "8"}, "Reuse the picture: one of off, 0, 1, 4, 16, all is needed, not '8'."),
        ({"front": "zip"}, "Fewer picture tokens: one of off, visionzip, divprune is needed, not 'zip'."),
        ({"share": 0}, "Cache kept: a share above 0 and at most 1 is needed, not 0."),
        ({"seed": "7"}, "Seed: a whole number is needed, not '7'."),
        ({"question": ["x"]}, "Question for both sides: a text of at most 20,000 characters is needed, not a list."),
        ({"sides": ["full"]}, "Sides: the texts of two policies is needed, not a list."),
        ({"sides": ["full", 3]}, "Sides: the texts of two policies is needed, not 3."),
        ({"picture": 3}, "Picture: an upload is needed, not 3."),
        ({"further": ["x"] * 8}, "Further pictures: a list of at most 7 uploads is needed, not a list."),
        ({"further": "x"}, "Further pictures: a list of at most 7 uploads is needed, not 'x'."),
        ({"picture_tokens": -1}, "Tokens of a picture, at most: a whole number from 1 to 16,384, or 0 is needed, not"),
        ({"picture_tokens": 99_999}, "Tokens of a picture, at most: a whole number from 1 to 16,384, or 0 is needed"),
        ({"picture": "/etc/passwd"}, incoming.NO_UPLOAD),
        ({"picture": SCENE, "further": ["/etc/passwd"]}, incoming.NO_UPLOAD),
        ({"picture": "http://127.0.0.1/"}, incoming.NO_UPLOAD),
    ],
)
def test_a_value_that_is_none_gets_a_sentence_that_names_its_part(kind, uploads, change, sentence):
    with pytest.raises(Refused) as error:
        gate.values(SimpleNamespace(api_visibility="private"), [kind], [json.dumps(ASKED | change)])
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
        asking, chosen = Typed(AskedQuestion), Typed(SidePolicies)
    asked = AskedQuestion(picture=None, question="<b>?</b>", sides=["full", "elastic:keep=0.2"])
    assert asking.preprocess(asking.postprocess(asked)) == asked and asking.postprocess(None) is None
    assert chosen.preprocess('{"sides": ["full", "elastic"]}').sides == ["full", "elastic"]
    assert [read_policy(side) for side in asked.sides] == [Full(), Elastic(keep=0.2)]


def test_no_two_questions_are_the_same_value():
    assert AskedQuestion(**ASKED).number != AskedQuestion(**ASKED).number
