"""The real program and those who vanish: nothing is held for them, and the next caller is answered."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from benchmarks.callers import LONG, ROOT, WAYS, Caller, PageVisitor, Stream, health, in_threads, program, vanish
from tests.serving import served

HANG = 150  # seconds: far beyond what anything here takes on a slow machine
TABLE = ("Describe the image in detail.", LONG, "0.9,0.8,0.7,0.6,0.5,0.4,0.3,0.2,0.1", 512)  # minutes of work


# Who has gone counts as gone sooner, and so does a network that says nothing: what is waited for here is that alone.
IMPATIENT = """
import page.serving, page.sweeper
page.sweeper.EVERY, page.sweeper.ABSENT = 1.0, 6.0
page.serving.UNANSWERED, page.serving.QUIET, page.serving.BETWEEN = 5, 2, 1
"""


@contextmanager
def impatient(*options, first=""):
    """The address of such a program, with its model loaded."""
    with served(*options, first=IMPATIENT + first) as address:
        url = address.rstrip("/")
        until(lambda: health(url)[0] == 200)
        yield url


@pytest.fixture(scope="module")
def url():
    with impatient() as url:
        Caller(url).compare("What is in the center?")  # what is made once is there
        yield url


def until(true, seconds=HANG):
    limit = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < limit, "it hangs"
        time.sleep(0.2)
    return found


def idle(url):
    """Nobody has the model or waits for it."""
    queue = health(url)[1]["queue"]
    return not queue["waiting"] and not queue["running"]


def empty(url):
    """Nothing is held for anybody; files of the page aside, which are there for a while."""
    held = health(url)[1]["held"]
    return not held["visitors"] and held["bytes"] < 100_000


@pytest.mark.parametrize("way", WAYS)
def test_after_somebody_vanished_the_next_caller_is_answered_and_the_model_is_free(url, way):
    vanish(url, way)
    caller = Caller(url)
    fine, answer = caller.compare("What is in the center?")
    assert fine and answer[0]
    caller.close()
    until(lambda: idle(url))


def test_a_caller_is_answered_while_a_table_goes_on_and_those_who_wait_are_told(url):
    caller = Caller(url)
    number = caller.post("compare_all", caller.upload(), *TABLE)
    table = Stream(url, f"/gradio_api/call/compare_all/{number}")
    until(lambda: health(url)[1]["queue"]["running"])
    visitor = PageVisitor(url)
    messages = visitor.ask("What is in the center?")
    assert messages[-1]["success"]
    assert not idle(url), "the table goes on"
    said = json.dumps(messages)
    assert "Waiting: next in line" in said
    table.reset()
    visitor.close()
    until(lambda: idle(url))


def test_what_visitors_left_is_gone_with_them_and_programs_leave_nothing(url):
    visitors = [PageVisitor(url), PageVisitor(url, tab=False)]
    for visitor in visitors:
        assert visitor.ask("What is in the center?")[-1]["success"]
    held = health(url)[1]["held"]
    assert held["visitors"] >= 2 and held["bytes"] > 1_000_000
    for visitor in visitors:
        visitor.close()
    for question in ("What is in the center?", ""):
        caller = Caller(url)
        assert caller.compare(question)[0] is bool(question)
        caller.close()
    until(lambda: empty(url))


def test_a_visitor_who_comes_back_is_told_that_the_conversation_is_gone(url):
    visitor = PageVisitor(url)
    visitor.ask("How many objects are there?")
    assert "earlier" not in json.dumps(visitor.ask("What is in the center?"))
    visitor.tab.close()
    until(lambda: empty(url))
    assert "Your connection was lost and your conversation put away" in json.dumps(visitor.ask("Where is the owl?"))
    visitor.close()
    until(lambda: empty(url))


def test_sixteen_callers_at_once_are_answered_as_if_they_were_alone(url):
    questions = ["How many objects are there?", "What is in the center?", "Where is the owl?", "What is here?"]
    scenes = sorted((ROOT / "assets" / "scenes").glob("scene-*.png"))[:2]

    def ask(number):
        caller = Caller(url)
        fine, answer = caller.compare(questions[number % 4], 12, scenes[number // 4 % 2])
        caller.close()
        return answer[:2] if fine else answer

    alone = [ask(number) for number in range(8)]
    assert len({str(answer) for answer in alone}) > 4
    assert in_threads(16, ask) == alone * 2


# Two networks with a cable between them, both away from this machine's: a browser of another test that sees a network
# come or go gives up what it is loading.
CABLE = """ip netns add here
ip netns add there
ip link add cut0 netns here type veth peer name cut1 netns there
ip -n here addr add 10.99.7.1/30 dev cut0
ip -n here link set cut0 up
ip -n here link set lo up
ip -n there addr add 10.99.7.2/30 dev cut1
ip -n there link set cut1 up"""


# A thread enters a network alone, and with it the processes that it starts; a program that has no other thread, whole.
ENTER = """
import ctypes, os
with open("/run/netns/here") as network:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.setns(network.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
"""


def in_network(work):
    """What some work comes to in a thread that is in one of those networks."""
    with ThreadPoolExecutor(1, initializer=exec, initargs=(ENTER, {})) as thread:
        return thread.submit(work).result()


TABLE_FROM_THERE = """
import time
from benchmarks.callers import Caller, Stream
caller = Caller(URL)
number = caller.post("compare_all", caller.upload(), *TABLE)
stream = Stream(URL, f"/gradio_api/call/compare_all/{number}")
print("going", flush=True)
time.sleep(600)
"""


@pytest.mark.usefixtures("url")  # so that what programs are forked from is there, in no network of these
def test_a_network_that_is_cut_without_a_word_is_noticed():
    """Between two networks, whose cable is pulled while a table is being filled."""

    def pull():
        with impatient("--host", "0.0.0.0", first=ENTER) as url:
            there = url.replace("127.0.0.1", "10.99.7.1")
            code = TABLE_FROM_THERE.replace("URL", repr(there)).replace("TABLE", repr(TABLE))
            command = ["ip", "netns", "exec", "there", sys.executable, "-c", code]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as client:
                assert client.stdout.readline() == "going\n"
                until(lambda: health(url)[1]["queue"]["running"])
                subprocess.run(["ip", "-n", "here", "link", "set", "cut0", "down"], check=True)
                client.kill()
            fine, _ = Caller(url).compare("What is in the center?")
            assert fine
            until(lambda: idle(url))

    try:
        if any(subprocess.run(command.split(), capture_output=True).returncode for command in CABLE.splitlines()):
            pytest.skip("networks cannot be made here")
        in_network(pull)
    finally:
        for name in ("here", "there"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def stop_while_a_table_goes_on(url, stop):
    """What the caller of a table reads when the program ends."""
    caller = Caller(url)
    number = caller.post("compare_all", caller.upload(), *TABLE)
    stream = Stream(url, f"/gradio_api/call/compare_all/{number}")
    until(lambda: health(url)[1]["queue"]["running"])
    stop()
    said = stream.read(b"being stopped", 10)
    stream.close()
    return said


def test_the_first_process_of_a_container_ends_when_it_is_asked_to(tmp_path):
    own = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("processes cannot be numbered anew here")
    with program(before=own, TMPDIR=str(tmp_path)) as (url, process):
        inner = process.children()[0]
        assert b"The server is being stopped." in stop_while_a_table_goes_on(url, inner.terminate)
        process.wait(10)
    assert list(tmp_path.iterdir()) == []
