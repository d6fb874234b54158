"""Malformed requests to the real program with its model: each gets a sentence, in time, and nothing is read."""

import base64
import json
import os
import socket
import threading
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.program.malformed import JARGON, PICTURE, PLACES, requests
from tests.serving import ROOT, served

SCENE = ROOT / "assets" / "scenes" / "scene-2022.png"
DEADLINE = 60.0  # seconds in which every request is answered or refused
QUESTION = "What is in the center?"


class Program:
    """The program, its description of itself, and things around it that nobody may reach."""

    def __init__(self, address, folder, listener):
        self.web = httpx.Client(base_url=address, timeout=DEADLINE, follow_redirects=False)
        config = self.web.get("config").json()
        components = {each["id"]: each for each in config["components"]}
        calls = [each for each in config["dependencies"] if each["backend_fn"]]
        initial = lambda number: components[number]["props"].get("value")  # noqa: E731
        self.by_number = {each["id"]: [initial(number) for number in each["inputs"]] for each in calls}
        self.number_of = {each["api_name"]: each["id"] for each in calls if each["api_visibility"] == "public"}
        self.dropped = next(each["id"] for each in calls if each["api_name"] == "open_file")
        self.scripted = [each["id"] for each in config["components"] if each["props"].get("server_fns")]
        upload = self.upload(SCENE.read_bytes(), "scene.png")
        uploads = Path(upload).parent.parent
        link = uploads / ("0" * 64) / "link.png"
        link.parent.mkdir()
        link.symlink_to(folder / "secret.png")
        os.mkfifo(link.parent / "fifo.png")
        Image.new("RGB", (64, 64), "red").save(folder / "secret.png")
        self.names = {"upload": upload, "folder": str(uploads), "secret": str(folder / "secret.png")}
        self.names |= {"link": str(link), "fifo": str(link.parent / "fifo.png"), "listener": str(listener)}
        picture = {"path": upload, "meta": {"_type": "gradio.FileData"}}
        self.right = {
            "compare": [picture, QUESTION, "full", "elastic", 0.5, 8],
            "compare_all": [picture, QUESTION, "elastic,h2o", "0.5,0.2", 8],
        }

    def upload(self, content, name):
        """Where the server keeps a file that is sent to it."""
        return self.web.post("gradio_api/upload", files={"files": (name, content)}).json()[0]

    def filled(self, value):
        """A request's value with the places that it means."""
        if isinstance(value, str):
            for name, place in self.names.items():
                value = value.replace("{" + name + "}", place)
            return value
        if isinstance(value, list):
            return [self.filled(each) for each in value]
        return {key: self.filled(each) for key, each in value.items()} if isinstance(value, dict) else value

    def send(self, method, address, body=None, headers=()):
        """Send a request and read all of the answer, what a call gives later included: (status, text)."""
        if isinstance(address, tuple):
            query = urllib.parse.urlencode(address[1], errors="surrogatepass")
            address = f"{address[0]}?{query}" if query else address[0]
        address = urllib.parse.quote(self.filled(address).encode(errors="replace"), safe="/=:?&%")
        content = body
        if body is not None and not isinstance(body, bytes):
            content = json.dumps(self.filled(body)).encode()
            headers = {"content-type": "application/json"} | dict(headers)
        with self.web.stream(method, address.lstrip("/"), content=content, headers=dict(headers)) as answer:
            text = answer.read().decode(errors="replace")
        if answer.status_code == 200 and method == "POST" and "event_id" in text:
            event, session = json.loads(text)["event_id"], body.get("session_hash") if isinstance(body, dict) else None
            is_call = "/call/" in address
            text += self.outcome(f"gradio_api/call/compare/{event}" if is_call and not session else None, session)
        return answer.status_code, text

    def outcome(self, call, session):
        """What is told of a call until it is over."""
        said, is_last = "", False
        address, query = (call, {}) if call else ("gradio_api/queue/data", {"session_hash": session})
        with self.web.stream("GET", address, params=query) as events:
            for line in events.iter_lines():
                said += line + "\n"
                if is_last or "process_completed" in line or "close_stream" in line:
                    break
                is_last = line in ("event: error", "event: complete")
        return said

    def compare(self, *values):
        """What `/compare` answers to values, or its refusal."""
        return self.send("POST", "/gradio_api/call/compare", {"data": list(values)})


@contextmanager
def served_in(environment, folder):
    """The program with a folder of its own for what is uploaded."""
    environment.setenv("GRADIO_TEMP_DIR", str(folder))
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder, touched = tmp_path_factory.mktemp("outside"), []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def note():
            while True:
                try:
                    touched.append(listener.accept()[1])
                except OSError:
                    return

        threading.Thread(target=note, daemon=True).start()
        with pytest.MonkeyPatch.context() as environment, served_in(environment, folder / "temporary") as address:
            program = Program(address, folder, listener.getsockname()[1])
            assert "owl" in program.compare(*program.right["compare"])[1]
            yield program
            # After all of it, the same question has the same answer.
            assert "owl" in program.compare(*program.right["compare"])[1]
    assert not touched


def check(status, text, request):
    assert status < 500, (request, text[:500])
    # The mark by which Gradio knows a file stands in every right answer that holds one.
    text = text.replace("gradio.FileData", "")
    for word in (*JARGON, str(ROOT)):
        assert word not in text, (word, request, text[:800])


# Others in each run; after a change to what checks requests, MALFORMED=3000 looks for longer.
@settings(
    max_examples=int(os.environ.get("MALFORMED", "100")),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_a_malformed_request_is_answered_in_our_words_and_in_time(program, data):
    functions = program.number_of | {"by number": program.by_number}
    request = data.draw(requests(program.right, functions, program.scripted))
    status, text = program.send(*request)
    if status == 200 and isinstance(request[1], tuple):
        return  # the page and descriptions of it, whose words are Gradio's
    check(status, text, request)


@pytest.mark.parametrize("place", [place for place in PLACES if place])
def test_no_file_but_an_upload_is_read_and_no_address_is_fetched(program, place):
    rest = program.right["compare"][1:]
    meta = PICTURE["meta"]
    ways = [place, {"path": place}, {"path": place, "meta": meta}, {"url": place}, {"path": place, "url": place}]
    for way in [*ways, {"url": place, "path": None, "meta": meta}, [{"path": place, "meta": meta}]]:
        status, text = program.compare(way, *rest)
        assert "error" in text and "event: complete" not in text
        check(status, text, way)
        event = {"data": [way], "fn_index": program.dropped, "session_hash": "visitor1"}
        check(*program.send("POST", "/gradio_api/queue/join", event), way)
    check(*program.send("GET", f"/gradio_api/file={place}"), place)


def test_a_file_that_is_sent_is_served_and_one_beside_it_is_not(program):
    assert program.send("GET", "/gradio_api/file={upload}")[0] == 200
    for place in ("{link}", "{fifo}", "{secret}", "{folder}"):
        assert program.send("GET", f"/gradio_api/file={place}")[0] == 404


@pytest.mark.parametrize(
    ("head", "mark"), [('name="files"', "b"), ("name=\"files\"; filename*=utf-8''a", "b"), ('name="files"', "b" * 300)]
)
def test_an_upload_that_is_none_gets_a_sentence(program, head, mark):
    body = f"--{mark}\r\nContent-Disposition: form-data; {head}\r\n\r\nabc\r\n--{mark}--\r\n".encode()
    kind = {"content-type": f"multipart/form-data; boundary={mark}"}
    status, text = program.send("POST", "/gradio_api/upload", body, kind)
    assert status == 400 and "as a part named files that has a filename" in text


@pytest.mark.parametrize("name", ["host", "x-forwarded-host", "x-gradio-server"])
@pytest.mark.parametrize("value", ["a:b:c", "http://a:b:c/", "[::", "999.1.1.1"])
def test_whatever_a_proxy_says_of_itself_the_page_does_not_fail(program, name, value):
    for address in ("/", "/config"):
        assert program.send("GET", address, headers={name: value})[0] in (200, 400)


def test_a_picture_in_the_call_is_answered_like_one_that_was_sent(program):
    inside = "data:image/png;base64," + base64.b64encode(SCENE.read_bytes()).decode()
    rest = program.right["compare"][1:]
    for way in ({"url": inside}, {"path": inside}, inside, {"path": str(SCENE)}):
        assert "owl" in program.compare(way, *rest)[1]


@pytest.mark.parametrize(
    ("number", "value", "sentence"),
    [
        (0, None, "There is no picture"),
        (1, 7, "question: a text of at most 20,000 characters is needed, not 7."),
        (1, "a" * 3000, "The question has 3,000 characters"),
        (2, ["full"], "policy_a: a text of at most 20,000 characters is needed, not a list."),
        (4, None, "keep: a number is needed, not nothing."),
        (4, "0.5", "keep: a number is needed, not '0.5'."),
        (4, True, "keep: a number is needed, not true."),
        (4, 7, "keep must be between"),
        (5, 10**18, "max_new_tokens: a number is needed, not 1000000000000000000."),
        (5, 10**9, "exceed the"),
    ],
)
def test_the_wrong_value_of_a_call_is_named(program, number, value, sentence):
    values = list(program.right["compare"])
    values[number] = value
    assert sentence in program.compare(*values)[1]


def test_values_by_name_may_be_left_out_and_unknown_ones_are_named(program):
    image, question = program.right["compare"][:2]
    body = {"image": image, "question": question, "max_new_tokens": 8}
    assert "owl" in program.send("POST", "/gradio_api/call/v2/compare", body)[1]
    told = program.send("POST", "/gradio_api/call/v2/compare", body | {"keeps": 1})[1]
    assert "There is no value named 'keeps'. The names are: image, question, policy_a" in told


def test_programs_are_told_what_pictures_are_taken_and_no_address_is_offered(program):
    for address in ("gradio_api/info", "gradio_api/openapi.json"):
        text = program.web.get(address).text
        assert "publicly available" not in text.lower() and "githubusercontent" not in text, address
    calls = program.web.get("gradio_api/info").json()["named_endpoints"]
    for call in calls.values():
        image = call["parameters"][0]
        said = image["python_type"]["description"]
        assert image["python_type"]["type"] == "filepath"
        assert "data URL" in said and "uploaded" in said and "No other address is fetched" in said
        assert image["type"]["properties"]["url"]["description"].startswith("The picture itself as a data URL")
        assert "http" not in json.dumps(image["example_input"])


def test_a_client_library_shows_the_sentence(program):
    from gradio_client import Client

    client = Client(str(program.web.base_url), verbose=False)
    with pytest.raises(Exception, match="no upload of this page") as error:
        client.predict({"path": "/dev/ptmx"}, *program.right["compare"][1:], api_name="/compare")
    assert "Traceback" not in str(error.value)
