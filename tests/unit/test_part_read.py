"""What an answer read of what was held: from the steps into the record, its file, its messages and its figures."""

import base64
import csv
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from elastic.engine import compress, decode, prefill
from elastic.policies import POLICIES
from elastic.policies.quest import Quest
from elastic.record.archive import SCHEMA, open_run, save_run
from elastic.record.messages import of_layer, opening, steps_of
from elastic.record.part_read import PART_ARRAYS, PartRead
from elastic.record.recorder import RECORDED, Recorder
from elastic.record.said import turn_of
from elastic.record.steps import steps_csv
from elastic.session import Comparison, run
from tests.older_traces import parts_of_file
from tests.view_traces import ELASTIC, FULL, READING, cut, run_of

ANSWER = [20 + 7 * number % 150 for number in range(70)]


def opened(content):
    return open_run(io.BytesIO(content))


def saved(run):
    file = io.BytesIO()
    save_run(run, file)
    return file.getvalue()


def zipped(parts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def changed(change):
    """A file whose arrays, by name, were changed by somebody."""
    parts = parts_of_file(saved(run_of("run", [FULL, READING])))
    with np.load(io.BytesIO(parts["arrays.npz"])) as held:
        arrays = dict(held)
    change(arrays)
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    return zipped(parts | {"arrays.npz": packed.getvalue()})


@pytest.fixture(scope="module")
def start(tiny, asked):
    return prefill(tiny, asked, RECORDED | POLICIES["h2o"]().needs)


@pytest.fixture(scope="module")
def recorded(start):
    state = compress(start, Quest(keep=0.3))
    recorder = Recorder.of(state, "?")
    partial = []
    for step in decode(state, len(ANSWER), forced=ANSWER):
        recorder.add(step)
        if len(recorder.steps) == 3:
            partial.append(recorder.trace())
    return recorder, recorder.trace("limit"), partial[0]


def test_a_record_holds_what_every_step_read(recorded):
    recorder, trace, early = recorded
    steps, part = recorder.steps, trace.part_read
    assert part.read_slots.tolist() == [step.slots_read for step in steps]
    assert part.read_bytes.tolist() == [step.bytes_read for step in steps] == trace.bytes_read.tolist()
    tokens = len(trace.pieces)
    assert (part.read_tokens[0, :, :tokens] == 255).all() and part.read_tokens.dtype == np.uint8
    for number, step in enumerate(steps[1:], 1):
        row = part.read_tokens[number]
        assert not row[:, tokens + number :].any(), "no token is read before it is written"
        assert np.allclose(row[:, : tokens + number] / 255, step.read.numpy(), atol=0.002)
    assert early.part_read.read_tokens.shape == (3, 3, tokens + 3)
    assert np.array_equal(early.part_read.read_tokens, part.read_tokens[:3, :, : tokens + 3]), "a record stays as it is"
    assert recorder.nbytes > recorder.looked.nbytes + recorder.read.nbytes
    assert trace.figures()["bytes_read"] == part.read_bytes.sum(1).max() < trace.figures()["bytes_peak"]


def test_the_aim_of_a_method_that_reads_a_part_is_of_what_is_read(recorded):
    _, trace, _ = recorded
    per_slot = 2 * 2 * 16 * 4 * 3
    seen = len(trace.pieces) + np.arange(trace.steps + 1)
    assert trace.limit_bytes.tolist() == [int(0.3 * tokens + 1e-9) * per_slot for tokens in seen]


def test_methods_that_read_all_they_hold_say_so(start):
    state = compress(start, POLICIES["h2o"](keep=0.3))
    recorder = Recorder.of(state, "?")
    for step in decode(state, 3, forced=ANSWER[:3]):
        recorder.add(step)
        assert step.read is None and step.bytes_read == step.bytes_held and step.slots_read == step.slots
    trace = recorder.trace()
    assert trace.part_read is None and np.array_equal(trace.bytes_read, trace.bytes_held)


@pytest.mark.parametrize("steps", [0, 1, 9])
def test_a_saved_run_is_the_same_when_opened(steps):
    side = cut(READING, steps)
    before, after = side.part_read, opened(saved(run_of("run", [cut(FULL, steps), side]))).sides[1].part_read
    for name in PART_ARRAYS:
        one, other = getattr(before, name), getattr(after, name)
        assert one.dtype == other.dtype and np.array_equal(one, other)


def test_a_file_of_before_opens_as_of_a_method_that_reads_everything():
    parts = parts_of_file(saved(run_of("run", [FULL, ELASTIC])))
    plain = json.loads(parts["run.json"]) | {"schema": 8}
    side = opened(zipped(parts | {"run.json": json.dumps(plain).encode()})).sides[1]
    assert side.part_read is None and np.array_equal(side.bytes_read, ELASTIC.bytes_held) and SCHEMA == 9


def test_such_arrays_in_a_file_of_before_are_refused():
    parts = parts_of_file(saved(run_of("run", [READING])))
    plain = json.loads(parts["run.json"]) | {"schema": 8}
    with pytest.raises(ValueError, match="is not a trace file, or is damaged"):
        opened(zipped(parts | {"run.json": json.dumps(plain).encode()}))


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda arrays: arrays.pop("1.read_tokens"), "arrays are missing"),
        (lambda arrays: arrays.update({"0.read_tokens": arrays["1.read_tokens"]}), "parts do not fit|a member|missing"),
        (lambda arrays: arrays.update({"1.read_slots": arrays["1.read_slots"] + 100}), "more slots are read"),
        (lambda arrays: arrays.update({"1.read_slots": arrays["1.read_slots"] * np.nan}), "more slots are read"),
        (lambda arrays: arrays.update({"1.read_bytes": arrays["1.read_bytes"] * 0 - 1}), "out of its range"),
        (lambda arrays: arrays.update({"1.read_bytes": arrays["1.read_bytes"][:-1]}), "read_bytes has another shape"),
        (lambda arrays: arrays.update({"1.read_tokens": arrays["1.read_tokens"].astype(int)}), "another type"),
    ],
)
def test_what_cannot_have_been_read_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        opened(changed(change))


def test_a_trace_with_another_number_of_steps_read_is_refused():
    part = READING.part_read
    with pytest.raises(ValueError, match="read_slots has shape"):
        replace(READING, part_read=PartRead(part.read_slots[1:], part.read_bytes, part.read_tokens))


def bytes_of(text):
    return np.frombuffer(base64.b64decode(text), np.uint8)


@pytest.mark.parametrize("layer", [None, 0, 2])
def test_messages_carry_what_was_read_of_every_token_before_a_step(layer):
    run, part = run_of("run", [FULL, READING]), READING.part_read.read_tokens.astype(float)
    if layer is None:
        coded = [*steps_of(READING, 0).read[:4], *steps_of(READING, 4).read]
        expected = part.mean(1)
    else:
        found = of_layer(run, layer)
        assert found.read[0] == [] and len(found.sides) == 2
        coded, expected = found.read[1], part[:, layer]
    for number, (text, row) in enumerate(zip(coded, expected, strict=True)):
        assert np.allclose(bytes_of(text), row[: len(READING.pieces) + number], atol=0.5)
    assert [side.reads_part for side in opening(run).sides] == [False, True]
    assert steps_of(FULL, 0).read == []
    assert steps_of(READING, 4).bytes_read == READING.part_read.read_bytes[4:].sum(1).tolist()
    assert steps_of(FULL, 0).bytes_read == steps_of(FULL, 0).bytes_held
    assert [side.reads_part for side in turn_of(run).sides] == [False, True]


def test_the_table_of_steps_says_what_was_read():
    rows = list(csv.DictReader(io.StringIO(steps_csv(run_of("run", [FULL, READING])))))
    assert [int(row["bytes_read"]) for row in rows[:9]] == FULL.bytes_held.sum(1).tolist()
    assert [int(row["bytes_read"]) for row in rows[9:]] == READING.part_read.read_bytes.sum(1).tolist()


def test_a_turn_says_which_side_reads_more_than_it_was_asked_to(tiny, picture):
    """Of what such a side holds nothing is said: it was never asked to hold less."""
    sides = [POLICIES["full"](), Quest(keep=0.1), Quest(keep=0.5)]
    comparison = Comparison(tiny, picture, sides)
    record = run(comparison, "Where is the dog?", 6)
    full, read = record.sides[0].bytes_held.sum(1), record.sides[1].bytes_read.sum(1)
    assert record.sides[1].steps == 6
    assert comparison.beyond_share == (
        f"Quest reads {(read / full).max():.1%} at a word, its index included, asked for 10%."
    )
