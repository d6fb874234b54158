"""Callers of the page without a browser: programs, visitors with a tab open, and every way in which they vanish."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "assets" / "scenes" / "scene-2022.png"
LONGEST_START = 600  # seconds: far more than it takes
LONG = "elastic,elastic-plus,h2o,snapkv,lookm,streaming,vlcache"  # methods of a table nobody has the patience for


@contextmanager
def program(*options: str, before: Sequence[str] = (), **environment: str) -> Iterator[tuple[str, psutil.Process]]:
    """`python app.py` on a free port with its model loaded, started by what stands `before` it: address and process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [*before, sys.executable, "app.py", "--port", str(port), *options]
    surroundings = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"} | environment
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile("w+") as last_words:  # should it not begin
        server = subprocess.Popen(command, cwd=ROOT, env=surroundings, stdout=subprocess.DEVNULL, stderr=last_words)
        try:
            until = time.monotonic() + LONGEST_START
            while health(url)[0] != 200:
                if server.poll() is not None or time.monotonic() > until:
                    last_words.seek(0)
                    words = last_words.read()[-400:].strip()
                    raise RuntimeError(f"The page did not begin to serve (exit code {server.poll()}): {words}")
                time.sleep(0.1)
            yield url, psutil.Process(server.pid)
        finally:
            server.terminate()
            server.wait(20)


def health(url: str) -> tuple[int, dict]:
    """What the page says of itself: the status, 0 where it does not answer, and the rest."""
    try:
        answer = httpx.get(f"{url}/health", timeout=10)
        return answer.status_code, answer.json()
    except (httpx.HTTPError, ValueError):
        return 0, {}


class Caller:
    """A program: sends a picture, asks, and fetches what is answered."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.http = httpx.Client(base_url=f"{self.url}/gradio_api", timeout=300)

    def upload(self, picture: Path = PICTURE) -> dict:
        """A picture as the interface takes it."""
        sent = self.http.post("/upload", files={"files": (picture.name, picture.read_bytes(), "image/png")})
        return {"path": sent.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}

    def post(self, name: str, *values: object) -> str:
        """Ask, and do not fetch: the number of the call."""
        return self.http.post(f"/call/{name}", json={"data": list(values)}).raise_for_status().json()["event_id"]

    def fetch(self, name: str, number: str) -> tuple[bool, object]:
        """Whether a call succeeded, and what it came to."""
        event = ""
        with self.http.stream("GET", f"/call/{name}/{number}") as lines:
            for line in lines.iter_lines():
                if line.startswith("event: "):
                    event = line[7:]
                elif line.startswith("data: ") and event in ("complete", "error"):
                    return event == "complete", json.loads(line[6:])
        return False, None

    def call(self, name: str, *values: object) -> tuple[bool, object]:
        """Ask and fetch."""
        return self.fetch(name, self.post(name, *values))

    def compare(self, question: str, tokens: int = 8, picture: Path = PICTURE) -> tuple[bool, object]:
        """Both answers to a question, and the figures."""
        return self.call("compare", self.upload(picture), question, "full", "elastic", 0.5, tokens)

    def close(self) -> None:
        """Be gone."""
        self.http.close()


class PageVisitor:
    """Somebody with the page open, who presses Ask by the names that the page's own script uses."""

    def __init__(self, url: str, tab: bool = True) -> None:
        self.url, self.name = url.rstrip("/"), uuid.uuid4().hex[:11]
        self.http = httpx.Client(base_url=self.url, timeout=300)
        config = self.http.get("/config").raise_for_status().json()
        named = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        held = {part["id"]: part["props"].get("value") for part in config["components"]}
        self.dependencies, self.asked_id = config["dependencies"], named["asked"]
        # Of what is asked, the event that answers is the one that changes something.
        self.run = next(d for d in self.dependencies if d["inputs"] == [self.asked_id] and d["outputs"])
        self.picture = held[named["picture"]]["path"]
        self.tab: Stream | None = None
        if tab:
            self.tab = Stream(self.url, f"/gradio_api/heartbeat/{self.name}")

    def arrive(self, key: str) -> None:
        """Load the page as a tab does that has a key, by which what is said here is found again."""
        loaded = next(d for d in self.dependencies if "comeBack()" in str(d["js"]))
        arrived = {"data": [json.dumps({"key": key})], "fn_index": loaded["id"], "session_hash": self.name}
        self.http.post("/gradio_api/run/predict", json=arrived).raise_for_status()

    def join(self, question: str, tokens: int = 8) -> str:
        """Press Ask; the number of the event."""
        value = {"picture": self.picture, "question": question, "tokens": tokens, "sides": ["full", "elastic"]}
        asked = {"data": [json.dumps(value)], "fn_index": self.run["id"], "session_hash": self.name}
        asked["trigger_id"] = self.asked_id
        return self.http.post("/gradio_api/queue/join", json=asked).raise_for_status().json()["event_id"]

    def ask(self, question: str, tokens: int = 8) -> list[dict]:
        """Ask and listen to the end: every message."""
        self.join(question, tokens)
        messages = []
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.name}) as lines:
            for line in lines.iter_lines():
                if line.startswith("data:"):
                    messages.append(json.loads(line[5:]))
                    if messages[-1]["msg"] in ("process_completed", "close_stream"):
                        break
        return messages

    def listen(self) -> "Stream":
        """Begin to listen, without waiting for anything."""
        return Stream(self.url, f"/gradio_api/queue/data?session_hash={self.name}")

    def close(self) -> None:
        """Close the tab."""
        if self.tab:
            self.tab.close()
        self.http.close()


class Stream:
    """A connection that stays open, on a socket of its own, which can be cut in every way."""

    def __init__(self, url: str, path: str) -> None:
        address = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=30)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        self.received = b""

    def read(self, until: bytes, seconds: float = 60) -> bytes:
        """What came, up to some words.

        Raises:
            TimeoutError: if they do not come in time.
        """
        limit = time.monotonic() + seconds
        while until not in self.received:
            self.socket.settimeout(max(0.01, limit - time.monotonic()))
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError("The server closed the connection.")
            self.received += part
        return self.received

    def close(self) -> None:
        """Close it properly, as a tab does."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def reset(self) -> None:
        """Drop it, as a process does that is killed with data on its way."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.close()


def vanish(url: str, way: str) -> None:
    """Ask for something long and be gone: `posted`, `closed`, `reset`, `queue`, `decode` or `reloads`."""
    if way in ("posted", "closed", "reset"):
        caller = Caller(url)
        number = caller.post("compare_all", caller.upload(), "Describe the image in detail.", LONG, "0.5,0.3,0.1", 256)
        if way != "posted":
            stream = Stream(url, f"/gradio_api/call/compare_all/{number}")
            time.sleep(1)
            stream.close() if way == "closed" else stream.reset()
        caller.close()
        return
    for _ in range(20 if way == "reloads" else 1):
        visitor = PageVisitor(url)
        visitor.join("Describe the image in detail.", 512)
        stream = visitor.listen()
        if way == "decode":
            with contextlib.suppress(TimeoutError, ConnectionError):
                stream.read(b"Writing", 20)
        stream.close()
        visitor.close()


WAYS = ("posted", "closed", "reset", "queue", "decode", "reloads")


def in_threads(count: int, work: object) -> list[object]:
    """What each of so many threads comes to, which all begin at once; `work` gets a number."""
    found: list[object] = [None] * count
    ready = threading.Barrier(count)

    def one(number: int) -> None:
        ready.wait()
        try:
            found[number] = work(number)
        except Exception as error:  # told to whoever looks at it
            found[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
