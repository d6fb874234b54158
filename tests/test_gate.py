"""What a request, a link or a command line says has a type, and a sentence where it is another."""

import re
import subprocess
import sys

import gradio as gr
import pytest

from app import parse
from page import gate
from page.gate import Refused
from page.links import read_link
from tests.program import ROOT


def function_of(*blocks, visibility="public"):
    with gr.Blocks() as page:
        for block in blocks:
            block.render()
        button = gr.Button()
        button.click(lambda *values: None, list(blocks), None, api_name="x", api_visibility=visibility)
    return next(iter(page.fns.values()))


def checked(block, value, visibility="private"):
    return gate.values(function_of(block, visibility=visibility), [block], [value])[0]


def box(kind, **options):
    return kind(label="it", render=False, **options)


RIGHT = [
    (box(gr.Textbox), "a question", "a question"),
    (box(gr.Slider, minimum=5, maximum=100), 20, 20),
    (box(gr.Slider, minimum=5, maximum=100), 20.5, 20.5),
    (box(gr.Number), None, None),
    (box(gr.Number), -3, -3),
    (box(gr.Checkbox), True, True),
    (box(gr.Dropdown, choices=["full", "h2o"]), "h2o", "h2o"),
    (box(gr.Dropdown, choices=[("A", 0), ("B", 1)]), 1, 1),
    (box(gr.Dropdown, choices=["20"], multiselect=True, allow_custom_value=True), ["7", "20"], ["7", "20"]),
    (box(gr.CheckboxGroup, choices=["full", "h2o"]), ["h2o"], ["h2o"]),
    (gr.State(render=False), {"any": "thing"}, None),
]


@pytest.mark.parametrize(("block", "value", "expected"), RIGHT)
def test_a_value_of_its_type_passes_as_it_is(block, value, expected):
    passed = checked(block, value)
    assert passed == expected and type(passed) is type(expected)


@pytest.mark.parametrize(
    ("block", "value", "sentence"),
    [
        (box(gr.Textbox), ["a"], "it: a text of at most 20,000 characters is needed, not a list."),
        (box(gr.Textbox), "x" * 20_001, "not a text of 20,001 characters."),
        (box(gr.Slider, minimum=5, maximum=100), 101, "it: a number from 5 to 100 is needed, not 101."),
        (box(gr.Slider, minimum=5, maximum=100), None, "not nothing."),
        (box(gr.Slider, minimum=5, maximum=100), float("nan"), "not nan."),
        (box(gr.Slider, minimum=5, maximum=100), True, "not true."),
        (box(gr.Number), 10**400, "not a number of too many digits."),
        (box(gr.Number), float("inf"), "not inf."),
        (box(gr.Checkbox), 1, "it: true or false is needed, not 1."),
        (box(gr.Dropdown, choices=["full", "h2o"]), "best", "it: one of full, h2o is needed, not 'best'."),
        (box(gr.Dropdown, choices=[("A", 0), ("B", 1)]), True, "not true."),
        (box(gr.Dropdown, choices=["full"]), {"path": "/etc/passwd"}, "not an object."),
        (box(gr.CheckboxGroup, choices=["full"]), "full", "it: a list, each one of full, is needed, not 'full'."),
        (box(gr.CheckboxGroup, choices=["full"]), ["full"] * 300, "not a list."),
    ],
)
def test_a_value_of_another_type_is_named_with_what_is_needed(block, value, sentence):
    with pytest.raises(Refused) as error:
        checked(block, value)
    assert sentence in str(error.value)


def test_programs_must_give_the_numbers_that_the_page_may_leave_empty():
    with pytest.raises(Refused, match="it: a number is needed, not nothing"):
        checked(box(gr.Number), None, "public")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"NaN", b'{"data": [Infinity]}', b"[" * 10**6, b'{"data": ["\\ud800"]}']
)
def test_what_is_no_json_is_refused(content):
    with pytest.raises(Refused, match="The request is no JSON"):
        gate.read(gate.Call, content)


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"data": 1}', b'{"data": [], "session_hash": "a/b"}'])
def test_json_that_is_no_call_is_refused(content):
    with pytest.raises(Refused, match="The request cannot be read"):
        gate.read(gate.Call, content)


@pytest.mark.parametrize("value", [None, 7, "x", [1], {"row": "x" * 5000}])
def test_what_is_said_of_an_event_is_a_small_object(value):
    assert gate.event_value(value) == {} and gate.event_value({"row": 3}) == {"row": 3}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"keep": "nan"}, "keeps 'nan' %"),
        ({"keep": "inf"}, "keeps 'inf' %"),
        ({"keep": "5_0"}, "keeps '5_0' %"),
        ({"a": "<script>"}, "names a policy '<script>'"),
        ({"b": "elastic", "b.protect_text": "maybe"}, "which is no boolean: true or false"),
        ({"b": "streaming", "b.sinks": "1e999"}, "which is no integer"),
        ({"b": "streaming", "b.sink": "4"}, "has no such option. There are: b.sinks"),
        ({"q": "x" * 3000}, "more than 2,000 characters"),
        ({"q": " "}, "The question in the link is empty"),
        ({"b.keep": "20"}, "both sides keep the same. Write keep= there"),
        ({"c.distance": "2"}, "there are only the sides a and b"),
        ({"layr": "3"}, "Is 'layer' meant?"),
    ],
)
def test_a_link_that_is_wrong_gets_a_sentence(asked, sentence):
    _, wrong = read_link(asked)
    assert len(wrong) == 1 and sentence in wrong[0] and re.search(r"[.?]$", wrong[0])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--port", "abc"], "'abc' is no port. Give a number from 1 to 65535"),
        (["--port", "70000"], "'70000' is no port"),
        (["--port", "-1"], "'-1' is no port"),
        (["--host", "a b"], "'a b' is no address of a machine"),
        (["--model", ""], "'' names no model"),
        (["--device", "tpu"], "'tpu' is no device. Choose one of: auto, cpu, cuda."),
    ],
)
def test_a_command_line_that_is_wrong_gets_a_sentence(given, sentence, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["app.py", *given])
    with pytest.raises(SystemExit):
        parse()
    assert sentence in capsys.readouterr().err


def test_the_decoder_needs_neither_the_page_nor_a_model():
    code = "import page.decoding, sys; print([m for m in ('gradio', 'torch', 'transformers') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    assert out.strip() == "[]"
