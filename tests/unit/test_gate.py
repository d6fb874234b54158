"""What a request, a link or a command line says has a type, and a sentence where it is another."""

import base64
import json
import re
import socket
import sys
import threading
from functools import cache
from pathlib import Path

import gradio as gr
import pytest

from app import parse
from page import gate, health, incoming
from page.answering import Refusal
from page.arriving import checked_head
from page.gate import Refused
from page.links import read_link
from tests.serving import ROOT


@cache
def function_of(visibility):
    """A function of a page; which inputs it has is said beside it, they may be another for every visitor."""
    with gr.Blocks() as page:
        gr.Button().click(lambda: None, api_name="x", api_visibility=visibility)
    return next(iter(page.fns.values()))


def checked(block, value, visibility="private"):
    return gate.values(function_of(visibility), [block], [value])[0]


def box(kind, **options):
    return kind(label="it", render=False, **options)


RIGHT = [
    (box(gr.Textbox), "a question", "a question"),
    (box(gr.Slider, minimum=5, maximum=100), 20, 20),
    (box(gr.Slider, minimum=5, maximum=100), 20.5, 20.5),
    (box(gr.Slider, minimum=5, maximum=100), 5, 5),
    (box(gr.Slider, minimum=5, maximum=100), 100, 100),
    (box(gr.Slider, minimum=0.5, maximum=1), 0.5, 0.5),
    (box(gr.Number), None, None),
    (box(gr.Number), -3, -3),
    (box(gr.Number), -(10**15), -(10**15)),
    (box(gr.Number, minimum=2, maximum=4), 2, 2),
    (box(gr.Number, minimum=2, maximum=4), 4, 4),
    (box(gr.Textbox), None, None),
    (box(gr.Textbox), "x" * 20_000, "x" * 20_000),
    (box(gr.Checkbox), True, True),
    (box(gr.Dataset, components=["textbox"], samples=[["a"], ["b"]]), 0, 0),
    (box(gr.Dataset, components=["textbox"], samples=[["a"], ["b"]]), 1, 1),
    (box(gr.Dropdown, choices=["full", "h2o"], multiselect=True), ["h2o", "full"], ["h2o", "full"]),
    (box(gr.Dropdown, choices=["20"], allow_custom_value=True), "7", "7"),
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
        (box(gr.Slider, minimum=5, maximum=100), 4, "it: a number from 5 to 100 is needed, not 4."),
        (box(gr.Slider, minimum=5, maximum=100), 4.99, "it: a number from 5 to 100 is needed, not 4.99."),
        (box(gr.Slider, minimum=5, maximum=100), -20, "not -20."),
        (box(gr.Slider, minimum=0, maximum=2), -0.1, "it: a number from 0 to 2 is needed, not -0.1."),
        (box(gr.Number, minimum=2, maximum=4), 1, "it: a number from 2 to 4 is needed, not 1."),
        (box(gr.Number, minimum=2, maximum=4), 5, "it: a number from 2 to 4 is needed, not 5."),
        (box(gr.Number, minimum=2), 1, "it: a number is needed, not 1."),
        (box(gr.Number, maximum=4), 5, "it: a number is needed, not 5."),
        (box(gr.Number, maximum=4), -(10**15) - 1, "it: a number is needed, not -1000000000000001."),
        (box(gr.Number), -(10**15) - 1, "it: a number is needed, not -1000000000000001."),
        (box(gr.Number), 10**15 + 1, "it: a number is needed, not 1000000000000001."),
        (box(gr.Number), -1.1e15, "not -1100000000000000.0."),
        (box(gr.Number), "7", "it: a number is needed, not '7'."),
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
        (box(gr.CheckboxGroup, choices=["full"]), ["full"] * 201, "not a list."),
        (box(gr.CheckboxGroup, choices=["full"]), ["best"], "not a list."),
        (box(gr.Dropdown, choices=["full"], multiselect=True), "full", "it: a list, each one of full, is needed"),
        (box(gr.Dropdown, choices=["20"], allow_custom_value=True), "x" * 201, "not a text of 201 characters."),
        (box(gr.Dropdown, choices=["20"], allow_custom_value=True), ["20"], "not a list."),
        (box(gr.Dropdown, choices=["full"]), "f" * 20, f"not '{'f' * 20}'."),
        (box(gr.Dropdown, choices=["full"]), "f" * 21, "not a text of 21 characters."),
        (box(gr.Dataset, components=["textbox"], samples=[["a"], ["b"]]), -1, "it: the number of one of those shown"),
        (box(gr.Dataset, components=["textbox"], samples=[["a"], ["b"]]), 2, "is needed, not 2."),
        (box(gr.Dataset, components=["textbox"], samples=[["a"], ["b"]]), 1.0, "is needed, not 1.0."),
        (box(gr.Dataset, components=["textbox"], samples=[["a"], ["b"]]), True, "is needed, not true."),
        (box(gr.Dataset, components=["textbox"], samples=[]), 0, "is needed, not 0."),
        (box(gr.Markdown), "text", "it: nothing is needed, not 'text'."),
    ],
)
def test_a_value_of_another_type_is_named_with_what_is_needed(block, value, sentence):
    with pytest.raises(Refused) as error:
        checked(block, value)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("kind", "needed"), [(gr.Number, "a number"), (gr.Textbox, "a text of at most 20,000 characters")]
)
def test_programs_must_give_what_the_page_may_leave_empty(kind, needed):
    with pytest.raises(Refused, match=f"it: {needed} is needed, not nothing"):
        checked(box(kind), None, "public")


def boxes(count):
    return [gr.Number(number, label=f"n{number}", render=False) for number in range(count)]


def test_values_that_have_names_may_come_in_any_order_and_those_left_out_are_as_the_page_has_them():
    blocks = boxes(3)
    assert gate.values(function_of("public"), blocks, {"n2": 7, "n0": 5}) == [5, 1, 7]
    assert gate.values(function_of("public"), blocks, {}) == [0, 1, 2]
    assert gate.values(function_of("public"), [], [1, 2]) == [] == gate.values(function_of("public"), [], {"n0": 1})


def test_switches_that_a_program_does_not_know_yet_are_as_they_stand():
    blocks = [*boxes(2), gr.Checkbox(False, label="s", render=False), gr.Checkbox(True, label="t", render=False)]
    assert gate.values(function_of("public"), blocks, [5, 6]) == [5, 6, False, True]
    assert gate.values(function_of("public"), blocks, [5, 6, True]) == [5, 6, True, True]
    for visibility, given in (("public", [5]), ("private", [5, 6])):
        with pytest.raises(Refused, match="4 are needed: n0, n1, s, t"):
            gate.values(function_of(visibility), blocks, given)


@pytest.mark.parametrize(
    ("count", "given", "sentence"),
    [
        (2, [1], "1 values were sent, 2 are needed: n0, n1. Send all of them."),
        (2, [1, 2, 3], "3 values were sent, 2 are needed: n0, n1. Send all of them."),
        (9, [], "0 values were sent, 9 are needed: n0, n1, n2, n3, n4, n5, n6, n7, n8. Send all of them."),
        (10, [], "0 values were sent, 10 are needed: n0, n1 and so on. Send all of them."),
        (2, {"n1": 1, "x" * 60: 1}, f"There is no value named '{'x' * 40}'. The names are: n0, n1."),
    ],
)
def test_a_call_with_other_values_than_it_has_is_told_which(count, given, sentence):
    blocks = boxes(count)
    with pytest.raises(Refused) as error:
        gate.values(function_of("public"), blocks, given)
    assert str(error.value) == sentence


def test_an_input_without_a_label_is_called_by_its_id():
    assert gate.name_of(gr.Number(elem_id="keep", render=False)) == "keep"
    assert gate.name_of(gr.Number(render=False)) == "a setting"


@pytest.fixture
def upload(tmp_path, monkeypatch):
    """An upload of this server."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return incoming.keep((ROOT / "assets" / "scenes" / "scene-2022.png").read_bytes(), "mine.png")


def test_a_file_may_be_named_as_browsers_and_programs_name_it(upload):
    named = {"path": str(upload), "url": "http://elsewhere/", "size": 7, "meta": {"_type": "other"}, "is_stream": True}
    as_upload = {"path": str(upload), "orig_name": "mine.png", "meta": {"_type": "gradio.FileData"}}
    for value in (str(upload), {"path": str(upload)}, named, [str(upload)], [named]):
        assert checked(box(gr.Image), value) == as_upload == checked(box(gr.File), value)
    assert checked(box(gr.Image), None) is None and checked(box(gr.File), [None]) is None


@pytest.mark.parametrize("capitals", [False, True])
@pytest.mark.parametrize("part", ["path", "url", None])
def test_a_data_url_may_stand_wherever_a_file_is_named(upload, part, capitals):
    content = upload.read_bytes()
    url = ("DATA:IMAGE/PNG;BASE64," if capitals else "data:image/png;base64,") + base64.b64encode(content).decode()
    passed = checked(box(gr.Image), {part: url} if part else url)
    assert Path(passed["path"]).read_bytes() == content and passed["orig_name"] == "picture"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        *(({part: address}, gate.NO_FETCHING) for part in ("path", "url") for address in ("http://x/", "FILE:///etc")),
        ("ftp+x.y-z://x", gate.NO_FETCHING),
        ({"url": "/gradio_api/file=/etc/passwd"}, incoming.NO_UPLOAD),
        *(
            (value, incoming.NO_UPLOAD)
            for value in ("/etc/passwd", "C:\\a", "", {}, 7, True, {"path": 7}, [], ["a", "b"])
        ),
        ("data:image/png;base64,", incoming.NO_DATA),
        ("DATA:text/plain,x", incoming.NO_DATA),
    ],
)
def test_what_is_no_file_of_this_server_is_refused_and_never_fetched(upload, value, sentence):
    with pytest.raises(Refused) as error:
        checked(box(gr.Image), value)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"NaN", b'{"data": [Infinity]}', b"[" * 10**6, b'{"data": ["\\ud800"]}']
)
def test_what_is_no_json_is_refused(content):
    with pytest.raises(Refused, match="The request is no JSON"):
        gate.read(gate.Call, content)


def body(**values):
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("model", "content", "part"),
    [
        (gate.Call, b"[]", "it"),
        (gate.Call, b"{}", "'data' in it"),
        (gate.Call, body(data=1), "'data' in it"),
        (gate.Call, body(data=[], session_hash="a/b"), "'session_hash' in it"),
        (gate.Call, body(data=[], session_hash="x" * 65), "'session_hash' in it"),
        (gate.Call, body(data=[], session_hash=""), "'session_hash' in it"),
        (gate.Call, body(data=[], fn_index=-1), "'fn_index' in it"),
        (gate.Call, body(data=[], fn_index=10**6 + 1), "'fn_index' in it"),
        (gate.Call, body(data=[], fn_index="1"), "'fn_index' in it"),
        (gate.Call, body(data=[], trigger_id=-1), "'trigger_id' in it"),
        (gate.Asked, body(session_hash="a", component_id=1, fn_name="x" * 61, data=[]), "'fn_name' in it"),
        (gate.Asked, body(session_hash="a", component_id=1, fn_name="x", data=[1] * 5), "'data' in it"),
        (gate.Asked, body(session_hash="a", component_id=1, fn_name="x", data=[{}]), "'data' in it"),
        *(
            (gate.Asked, body(session_hash="a", component_id=1, fn_name="x", data=[number]), "'data' in it")
            for number in (10**15 + 1, -(10**15) - 1, 1.1e15, -1.1e15)
        ),
        (gate.Cancelled, body(session_hash="a", fn_index=1, event_id="../x"), "'event_id' in it"),
        (gate.Finished, body(event_id=7), "'event_id' in it"),
    ],
)
def test_json_that_is_no_request_is_refused_with_the_part_that_is_wrong(model, content, part):
    with pytest.raises(Refused) as error:
        gate.read(model, content)
    assert str(error.value) == f"The request cannot be read: {part} is missing or of another kind. Send it anew."


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (
            gate.Call,
            {"data": [], "session_hash": "aZ09-_" + "x" * 58, "fn_index": 0, "trigger_id": 10**6, "event_data": 1},
        ),
        (gate.Call, {"data": {}, "session_hash": None, "fn_index": None, "trigger_id": None, "event_data": None}),
        (gate.Asked, {"session_hash": "a", "component_id": 1, "fn_name": "x" * 60, "data": ["run", 1, True, None]}),
        (gate.Asked, {"session_hash": "a", "component_id": 1, "fn_name": "x", "data": 2.5}),
        (gate.Cancelled, {"session_hash": "a", "fn_index": 1, "event_id": "0a"}),
    ],
)
def test_a_request_is_read_as_it_is_without_what_nobody_asked_for(model, values):
    assert gate.read(model, body(**values, other="x")).model_dump() == values


def test_the_second_form_of_calls_is_its_values_alone():
    assert gate.read(gate.Call, b'{"n": 1}', only="data").data == {"n": 1}


@pytest.mark.parametrize("value", [None, 7, "x", [1], {"row": "x" * 3991}])
def test_what_is_said_of_an_event_is_a_small_object(value):
    assert gate.event_value(value) == {} and gate.event_value({"row": 3}) == {"row": 3}
    assert gate.event_value({"row": "x" * 3989}) == {"row": "x" * 3989}


def test_a_disk_that_fails_is_told_in_a_sentence_without_its_folders(upload, monkeypatch):
    def broken(path):
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(incoming, "content_of", broken)
    with pytest.raises(Refused) as error:
        checked(box(gr.Image), str(ROOT / "assets" / "scenes" / "scene-2022.png"))
    assert str(error.value) == incoming.UNREAD


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"keep": "nan"}, "keeps 'nan' %"),
        ({"keep": "inf"}, "keeps 'inf' %"),
        ({"keep": "5_0"}, "keeps '5_0' %"),
        ({"a": "<script>"}, "no policy named '<script>'"),
        ({"b": "elastic", "b.protect_text": "maybe"}, "protect_text must be true or false"),
        ({"b": "streaming", "b.sinks": "1e999"}, "sinks must be a whole number between 0 and 64"),
        ({"b": "streaming", "b.sink": "4"}, "streaming has no option 'sink'. There are: keep, sinks"),
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
        (["--deadline", "nan"], "'nan' is no time. Give a number of seconds above 0"),
        (["--deadline", "inf"], "'inf' is no time"),
        (["--deadline", "0.0"], "'0.0' is no time"),
        (["--deadline", "soon"], "'soon' is no time"),
        (["--model", ""], "'' names no model"),
        (["--device", "tpu"], "'tpu' is no device. Choose one of: auto, cpu, cuda."),
    ],
)
def test_a_command_line_that_is_wrong_gets_a_sentence(given, sentence, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["app.py", *given])
    with pytest.raises(SystemExit):
        parse()
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("name", ["host", "x-forwarded-host"])
@pytest.mark.parametrize("value", ["[::", "[:::::]", "a:b:c", "999.1.1.1", "a:b:c, here"])
def test_a_host_of_which_no_address_can_be_built_is_refused(name, value):
    scope = {"query_string": b"", "headers": [(name.encode(), value.encode())]}
    with pytest.raises(Refusal) as refused:
        checked_head(scope)
    assert refused.value.status == 400


@pytest.mark.parametrize("value", ["", "localhost:7860", "[::1]:80", "a.example, b.example", "10.0.0.1", "under_score"])
def test_a_host_passes_as_it_is_and_what_only_gradios_proxies_say_does_not(value):
    host = [(b"host", value.encode()), (b"x-forwarded-proto", b"https,http")]
    scope = {"query_string": b"q=1", "headers": [*host, (b"x-gradio-server", b"http://a:b:c/")]}
    assert checked_head(scope) == {"query_string": b"q=1", "headers": host}


@pytest.mark.parametrize("answer", [b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"", None])
def test_whoever_asks_for_the_health_of_what_is_no_page_gets_a_sentence(answer, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reply():
            connection = listener.accept()[0]
            connection.recv(1000)
            connection.sendall(answer)
            connection.close()

        if answer is not None:
            threading.Thread(target=reply, daemon=True).start()
        port = "78 60" if answer is None else str(listener.getsockname()[1])
        monkeypatch.setenv("GRADIO_SERVER_PORT", port)
        assert health.main() == 1
    assert capsys.readouterr().out.startswith(f"The page on port {port} is not well: ")
