"""Traces: what goes in comes out, what is broken is refused, and nothing heavy is imported."""

import json
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from elastic.engine import compress, decode, prefill
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from elastic.record import Recorder
from elastic.trace import SCHEMA, Trace, first_difference


@pytest.fixture(scope="module")
def recorded(tiny, picture):
    """A recorder of a finished answer, and the trace of it."""
    state = compress(prefill(tiny, tiny.first_turn(picture, "What?")), Elastic(keep=0.3, distance=3))
    recorder = Recorder.of(state, "What?")
    for step in decode(state, 40):
        recorder.add(step)
    return recorder, recorder.trace("limit")


def test_a_saved_trace_is_the_same_when_opened(recorded, tmp_path):
    trace = recorded[1]
    trace.save(tmp_path / "run.npz")
    opened = Trace.load(tmp_path / "run.npz")
    for field in fields(Trace):
        before, after = getattr(trace, field.name), getattr(opened, field.name)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype and np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
        else:
            assert before == after, field.name


def test_owners_after_every_step_are_those_of_the_run(tiny, picture):
    state = compress(prefill(tiny, tiny.first_turn(picture, "What?")), Elastic(keep=0.3, distance=3))
    recorder, total = Recorder.of(state, "What?"), state.seen
    for number, step in enumerate(decode(state, 40), start=1):
        recorder.add(step)
        after = recorder.trace().owner_after(number)
        for layer, owner in enumerate(state.owner):
            assert np.array_equal(after[layer], owner[:, :total].numpy())


def test_figures_add_up(recorded):
    trace = recorded[1]
    figures = json.loads(json.dumps(trace.figures()))
    assert figures["answer_tokens"] == 40 and figures["finish"] == "limit"
    assert figures["bytes_peak"] == max(trace.total_bytes)
    assert figures["bytes_end"] == trace.bytes_held[-1].sum()


def test_a_trace_of_another_schema_is_refused_with_both_numbers(recorded, tmp_path):
    path = tmp_path / "new.npz"
    recorded[1].save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["trace_json"] = np.array(str(arrays["trace_json"]).replace(f'"schema": {SCHEMA}', '"schema": 99'))
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=rf"schema 99, this version reads {SCHEMA}"):
        Trace.load(path)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_trace_is_refused(tmp_path, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.npz is not a trace"):
        Trace.load(path)


def test_parts_that_do_not_fit_together_are_refused(recorded):
    trace = recorded[1]
    with pytest.raises(ValueError, match="score has shape"):
        replace(trace, score=trace.score[:, :-1])


def test_the_first_difference_is_where_the_tokens_part(recorded):
    trace = recorded[1]
    assert first_difference(trace, trace) is None
    ids = trace.answer_ids.copy()
    ids[7] += 1
    assert first_difference(trace, replace(trace, answer_ids=ids)) == 7


def test_scores_of_a_full_trace_are_the_received_attention(tiny, picture):
    start = prefill(tiny, tiny.first_turn(picture, "What?"))
    state = compress(start, Full())
    trace = Recorder.of(state, "What?").trace()
    assert np.allclose(trace.score.sum(1), state.seen, atol=1e-2)


def test_importing_traces_loads_neither_torch_nor_transformers():
    code = "import sys, elastic.trace; print([m for m in ('torch', 'transformers', 'gradio') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
