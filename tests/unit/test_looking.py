"""What can be looked at without a model: runs that are held, links, recorded runs, and no torch."""

import base64
import io
import json
import re
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from elastic.policies import POLICIES
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from elastic.record.archive import open_run
from elastic.record.reuse import CHOICES
from page.asking import ANY_FRONT, OFF
from page.links import link_of, read_link
from page.looking import ViewEvents
from page.shown import RUN, Shown, held_bytes, recording, recordings
from page.store import Store
from page.visitor import Visitor
from scenes.scene import patch_things, random_scene, render
from tests.unit.any_policy import policies
from tests.view_traces import NASTY, PAIR, cut, run_of


def test_the_runs_longest_unused_go_where_there_is_no_room():
    one = held_bytes(run_of("any", PAIR))
    shown = Shown(Store(limit=2 * one + 100))
    for visitor, name in zip("abc", ("first", "second", "third"), strict=True):
        shown.put(visitor, run_of(name, PAIR))
    assert shown.get("first") is None and shown.of("a") is None
    assert shown.of("b").name == "second" and shown.of("c").name == "third"
    assert shown.store.lost("a", RUN) == "room" and shown.store.lost("b", RUN) == ""


def test_a_run_counts_all_that_its_arrays_keep_alive():
    side = PAIR[0]
    whole = np.zeros((10**4, *side.looked.shape[1:]), side.looked.dtype)
    part = run_of("run", [replace(side, looked=whole[: side.steps]), PAIR[1]])
    assert whole.nbytes < held_bytes(part) < 1.5 * whole.nbytes + held_bytes(run_of("run", PAIR))


@pytest.mark.parametrize("where", ["history", "link", "answer_pieces"])
def test_a_run_counts_its_texts_as_memory_holds_them(where):
    """In memory all letters of a text with an emoji take four bytes, which a file of a stranger may use."""
    texts = [f"\N{GRINNING FACE}{number}" + "a" * 40_000 for number in range(4)]
    run = run_of("run", PAIR)
    if where == "history":
        full = replace(run, history=[[tuple(texts[:2])], [tuple(texts[2:])]])
    elif where == "link":
        full = replace(run, link=dict(zip(texts[:2], texts[2:], strict=True)))
    else:
        pieces = [texts[0] + str(number) for number in range(PAIR[0].steps)]
        full = replace(run, sides=[replace(PAIR[0], answer_pieces=pieces), PAIR[1]])
    assert held_bytes(full) - held_bytes(run) > 4 * 4 * 39_000


def test_what_comes_after_a_visitor_has_left_is_not_held():
    shown = Shown()
    visitor = Visitor.acting(shown.store, "visitor")
    shown.put(visitor, run_of("run", PAIR))
    shown.store.leave("visitor")
    shown.put(visitor, run_of("late", PAIR))
    shown.update(run_of("run", PAIR))
    assert shown.of("visitor") is None and shown.get("late") is None and shown.get("run") is None
    assert not len(shown.store) and not shown.store.bytes


def test_a_run_that_goes_on_does_not_take_the_view_back():
    shown = Shown()
    shown.put("visitor", run_of("live", PAIR))
    shown.put("visitor", run_of("recorded", PAIR))
    shown.update(run_of("live", PAIR))
    assert shown.of("visitor").name == "recorded"


def test_a_view_that_missed_steps_gets_them():
    shown = Shown()
    shown.put("visitor", run_of("run", [cut(side, 6) for side in PAIR]))
    missed = json.loads(shown.fetch_steps("run", 4))
    assert (missed["since"], missed["done"], missed["opening"]) == (4, False, None)
    assert missed["sides"][1]["answer_pieces"] == PAIR[1].answer_pieces[4:6]
    shown.update(run_of("run", PAIR))
    whole = json.loads(shown.fetch_steps("run", 4))
    assert whole["done"] and whole["opening"] and whole["sides"][0]["answer_pieces"] == PAIR[0].answer_pieces


def test_a_layer_is_given_from_any_step_on():
    shown = Shown()
    shown.put("visitor", run_of("run", PAIR))
    first, second = json.loads(shown.fetch_layer("run", 1, 3))["sides"]
    assert len(first) == len(second) == PAIR[0].steps - 3
    weights = (np.frombuffer(base64.b64decode(second[0]), np.uint8) / 255) ** 2
    assert np.allclose(weights, PAIR[1].looked[3, 1, : len(weights)], atol=0.004)


@pytest.mark.parametrize("name", ["run", "other", None, 3, [1], {"a": 1}, NASTY])
@pytest.mark.parametrize("number", [-1, 99, 1e300, float("nan"), None, "1", [2], {"x": 1}])
def test_calls_from_a_browser_may_hold_anything(name, number):
    shown = Shown()
    shown.put("visitor", run_of("run", PAIR))
    for found in (shown.fetch_steps(name, number), shown.fetch_layer(name, number, number), shown.save(name, number)):
        assert found is None or json.loads(found)


@pytest.mark.parametrize("asked", [None, "run", [], ["run"], ["run", 0, 0, 0], {"run": 0}, [[["run"]]]])
def test_the_browsers_calls_bear_any_arguments(asked):
    shown = Shown()
    shown.put("visitor", run_of("run", PAIR))
    for call in shown.server_functions():
        found = call(asked)
        assert found is None or json.loads(found)
    fetch_steps, fetch_layer, save = shown.server_functions()
    assert json.loads(fetch_steps(["run", 0])) and json.loads(fetch_layer(["run", 1, 0]))
    assert json.loads(save(["run", "csv"]))["type"] == "text/csv"


@pytest.mark.parametrize("kind", ["trace", "csv", "html"])
def test_a_saved_run_has_a_harmless_name_and_its_content(kind, tmp_path):
    shown = Shown()
    shown.put("visitor", run_of("../../" + NASTY, PAIR))
    file = json.loads(shown.save("../../" + NASTY, kind))
    assert "/" not in file["name"] and file["name"].startswith("elastic-by-hand-")
    content = base64.b64decode(file["data"])
    if kind == "trace":
        (tmp_path / "run.zip").write_bytes(content)
        assert open_run(tmp_path / "run.zip").sides[1].answer == PAIR[1].answer
    elif kind == "csv":
        assert content.decode().count("\n") == 1 + sum(side.steps for side in PAIR)
    else:
        assert content.startswith(b"<!doctype html>") and len(content) < 1_000_000


@settings(deadline=None)
@given(
    policies(0.05),
    policies(0.05),
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=50),
    st.booleans(),
    st.sampled_from([*CHOICES]),
    st.sampled_from(ANY_FRONT),
)
def test_a_link_says_what_it_was_made_from(a, b, question, before, reuse, front):
    link = link_of("scene-2057", question, [a, b], before, reuse=reuse, front=front, share=0.3)
    found, wrong = read_link(link)
    assert link["q"] == question and link["example"] == "scene-2057"
    assert bool(wrong) == (not question.strip()) and ("q" in found) != bool(wrong)
    for side, policy in zip("ab", (a, b), strict=True):
        assert POLICIES[found[side]] is type(policy)
        for field in fields(policy):
            if field.name != "keep":
                assert found.get(f"{side}.{field.name}", field.default) == getattr(policy, field.name)
    kept = [policy.keep for policy in (a, b) if policy.keep < 1]
    assert found["keep"] == max(kept, default=1 if front == OFF else 0.3)
    assert found.get("compress", False) is before and found.get("reuse", OFF) == reuse
    assert found.get("front", OFF) == front


@pytest.mark.parametrize(("is_later", "said"), [(False, "a picture that was not"), (True, "a conversation that was")])
def test_a_link_says_that_it_is_about_what_cannot_travel_with_it(is_later, said):
    link = link_of(None, "What?", [Full(), Elastic(keep=0.2)], is_later=is_later)
    found, wrong = read_link(link)
    assert "example" not in link and found == {"q": "What?", "keep": 0.2, "a": "full", "b": "elastic"}
    assert len(wrong) == 1 and said in wrong[0] and "hoose" in wrong[0]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"keep": "0"}, "between 5 and 100"),
        ({"compress": "later"}, "The link compresses 'later': write compress=before there"),
        ({"compress": ""}, "The link compresses ''"),
        ({"reuse": "<b>"}, "The link sets reuse to '<b>': write one of off, 0, 1, 4, 16, all there"),
        ({"front": "<b>"}, "The link sets front to '<b>': write one of off, visionzip, divprune there"),
        ({"reuze": "4"}, "Is 'reuse' meant?"),
        ({"picture_tokens": "0"}, "The link sets picture_tokens to '0': write a whole number from 1 to 16,384 there"),
        ({"picture_tokens": "many"}, "The link sets picture_tokens to 'many'"),
        ({"picture_tokens": "99999"}, "The link sets picture_tokens to '99999'"),
        ({"picture_token": "64"}, "The link has a part 'picture_token', which is not known here"),
        ({"compres": "before"}, "Is 'compress' meant?"),
        ({"keep": "half"}, "between 5 and 100"),
        ({"keep": "nan"}, "between 5 and 100"),
        ({"b": "best"}, "sets b to 'best': There is no policy named 'best'"),
        ({"b": "elastic", "b.distance": "far"}, "must be a whole number between 1 and 500, got 'far'"),
        ({"b": "elastic", "b.protect_text": "perhaps"}, "must be true or false, got 'perhaps'"),
        ({"b": "elastic", "b.distance": "100000"}, "distance must be between"),
    ],
)
def test_a_link_that_asks_for_the_impossible_gets_a_sentence_and_the_rest_of_it_is_kept(asked, expected):
    rest = {"q": "What?", "a": "snapkv", "a.window": "16", "example": "scene-2057", "layer": "3"}
    rest |= {"utm_source": "x", "__theme": "dark"}  # others' parts are none of ours
    found, wrong = read_link(asked | rest)
    assert len(wrong) == 1 and re.search(expected, wrong[0])
    right, nothing = read_link(rest)
    assert not nothing and right.items() <= found.items()


def test_every_wrong_part_of_a_link_is_named_once_and_none_of_them_is_followed():
    asked = {"q": "x" * 3000, "keep": "500", "a": "best", "a.x": "1", "b": "elastic", "b.distance": "far", "c.x": "1"}
    found, wrong = read_link(asked | {"b.keep": "3", "b.protect_text": "false", "exampel": "scene-1"})
    assert found == {"b": "elastic", "b.protect_text": False} and len(wrong) == 7
    for part in ("question", "'500' %", "'best'", "b.distance", "'c.x'", "b.keep", "'exampel'"):
        assert len([sentence for sentence in wrong if part in sentence]) == 1, part
    assert any("'best'" in sentence and "a.x" in sentence for sentence in wrong)


def arrived(asked, can_ask):
    """The run that an address is answered with, the line above it, and what is said to be wrong."""
    view_events = ViewEvents(Shown())
    view_events.can_ask = can_ask
    message = view_events.arrive_at(asked, SimpleNamespace(session_hash="visitor"))
    return message.run, message.status, " ".join(message.wrong)


FIRST = recordings()[0]["name"]


@pytest.mark.parametrize(
    "asked",
    [
        {"q": "Where is the dog?"},
        {"example": "scene-2057"},
        {"example": "scene-2057", "q": "Where is the dog?", "keep": "20"},
        {"example": "scene-77"},
        {"example": "nothing", "b": "h2o"},
        {"example": "nothing", "c.x": "1"},
    ],
)
def test_a_server_of_recorded_runs_says_why_it_cannot_ask_what_a_link_asks(asked):
    run, status, wrong = arrived(asked, can_ask=False)
    assert run == FIRST and status.startswith("This server shows recorded runs only") and not wrong


def test_a_server_of_recorded_runs_shows_one_and_says_what_it_leaves_out():
    asked = {"example": "wrong-count", "q": "Where?", "b.distance": "3", "layer": "2"}
    run, status, wrong = arrived(asked, can_ask=False)
    assert run == "wrong-count" and status.startswith("Recorded earlier")
    assert wrong.startswith("This server shows recorded runs only") and "(q, b.distance)" in wrong
    assert arrived({"example": "wrong-count", "layer": "2", "t": "1", "utm_source": "x"}, can_ask=False)[2] == ""


@pytest.mark.parametrize(
    "asked, said", [({"exampel": "wrong-count"}, "'example' meant"), ({"c.x": "1"}, "sides a and b")]
)
def test_a_server_of_recorded_runs_says_what_of_a_link_nobody_reads(asked, said):
    request = SimpleNamespace(session_hash="visitor", query_params=asked | {"utm_source": "x", "__theme": "dark"})
    (sentence,) = ViewEvents(Shown()).arrive(request).wrong
    assert said in sentence


@pytest.mark.parametrize("can_ask", [True, False])
def test_a_run_that_does_not_exist_is_said_not_to(can_ask):
    run, status, wrong = arrived({"example": "nothing"}, can_ask)
    assert run == FIRST and "no recorded run named 'nothing'" in status and not wrong
    assert ("no picture" in status) == can_ask and all(entry["name"] in status for entry in recordings())


def test_a_link_whose_question_has_no_picture_or_a_recorded_run_is_told_so():
    assert "names no picture" in arrived({"q": "Where?"}, can_ask=True)[2]
    run, _, wrong = arrived({"example": "wrong-count", "q": "Where?", "keep": "20"}, can_ask=True)
    assert run == "wrong-count" and "shown as it was" in wrong and "(q, keep)" in wrong
    assert arrived({"keep": "20"}, can_ask=True)[2] == ""


@pytest.mark.parametrize("entry", recordings(), ids=lambda entry: entry["name"])
def test_every_recorded_run_opens_and_teaches(entry):
    run, listed = recording(entry["name"])
    assert listed == entry and run.link["example"].startswith("scene-")
    found, refused = read_link(run.link)
    assert found["b"] == run.sides[1].policy and not refused
    full, other = run.sides
    others = {"heavy-hitters": "h2o", "room-where-needed": "vlcache", "number-survives": "elastic-plus"}
    policy = others.get(entry["name"], "elastic")
    assert full.policy == "full" and other.policy == policy and run.pictures[0][:2] == b"\xff\xd8"
    wrong = ("lost-question", "lost-small-object", "wrong-count", "heavy-hitters", "misread-number")
    assert (full.answer != other.answer) == (entry["name"] in wrong)
    assert all(side.finish == "end" for side in run.sides)
    assert bool(run.history[0]) == (entry["name"] == "conversation")


def kept_patches(name):
    """The policy's side of a recorded run, the layer that it opens with, and which patches heads keep there, (H, P)."""
    run, entry = recording(name)
    side = run.sides[1]
    return side, entry["show"]["layer"] - 1, side.owner[entry["show"]["layer"] - 1][:, side.patches] == side.patches


def test_heads_that_differ_are_shown_where_they_do():
    _, _, kept = kept_patches("heavy-hitters")
    assert len(kept) == 4 and recording("heavy-hitters")[1]["show"]["head"] == 1
    # Patches that one head alone still holds, all of one object: close together.
    rows, columns = np.divmod(np.flatnonzero((kept.sum(0) == 1) & kept[3]), 16)
    assert len(rows) and (columns.max() >= 12) and kept.all(0).any()


def test_the_layer_with_least_room_is_shown_beside_one_with_several_times_as_much():
    side, layer, kept = kept_patches("room-where-needed")
    assert side.prompt_slots[layer] == side.prompt_slots.min() < side.prompt_slots.max() / 3
    assert side.prompt_slots.sum() <= 0.1 * side.layers * len(side.pieces) and kept.any(1).all()


def test_the_number_that_survives_stands_alone_in_its_slots_and_most_of_the_picture_does_not():
    run, _ = recording("number-survives")
    scene, side = random_scene(int(run.link["example"].removeprefix("scene-"))), run.sides[1]
    assert scene.plate.digits in side.answer
    shown = patch_things(render(scene)[1])
    groups = [[np.bincount(row, minlength=side.owner.shape[2]) for row in rows] for rows in side.owner]
    alone = (np.array(groups) == 1)[..., side.patches] & (side.owner[..., side.patches] == side.patches)
    digits = shown > len(scene.things)
    assert alone[..., digits].mean() > 0.9 and alone[..., ~digits].mean() < 0.2


def test_an_unknown_recorded_run_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="faithful-merge"):
        recording("../../etc/passwd")


def test_a_table_of_steps_is_readable_text():
    shown = Shown()
    shown.put("visitor", run_of("run", PAIR))
    table = io.StringIO(base64.b64decode(json.loads(shown.save("run", "csv"))["data"]).decode())
    assert table.readline().startswith("side,policy,keep,step,token,piece,logprob")


def test_a_part_that_a_link_has_twice_is_named_and_the_last_one_counts():
    request = SimpleNamespace(session_hash="visitor", query_params=QueryParams("layer=2&layer=3&utm=x&utm=y"))
    (sentence,) = ViewEvents(Shown()).arrive(request).wrong
    assert sentence == "The link has 'layer' 2 times; the last one counts."
    assert request.query_params["layer"] == "3"
