"""Traces: they hold what happened, parts that do not fit are refused, and nothing heavy is imported."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from elastic.engine import compress, decode, prefill
from elastic.policies import POLICIES
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.full import Full
from elastic.policies.knorm import KNorm
from elastic.policies.pyramidkv import PyramidKV
from elastic.policies.think import ThinK
from elastic.record.recorder import RECORDED, Recorder
from elastic.record.trace import first_difference
from elastic.statistics import Attention
from tests.oracles import all_owners
from tests.view_traces import PLUS


@pytest.fixture(scope="module")
def recorded(tiny, picture):
    """A recorder of a finished answer, and the trace of it."""
    policy = Elastic(keep=0.3, distance=3)
    state = compress(prefill(tiny, tiny.first_turn(picture, "What?"), {*policy.needs, *RECORDED}), policy)
    recorder = Recorder.of(state, "What?")
    for step in decode(state, 40):
        recorder.add(step)
    return recorder, recorder.trace("limit")


@pytest.mark.parametrize(
    ("policy", "merges"),
    [(Elastic(keep=0.3, distance=3), False), (ElasticPlus(keep=0.3), True)],
    ids=["evicts", "merges"],
)
def test_owners_after_every_step_are_those_of_the_run(tiny, picture, policy, merges):
    state = compress(prefill(tiny, tiny.first_turn(picture, "What?"), {*policy.needs, *RECORDED}), policy)
    recorder, total = Recorder.of(state, "What?"), state.seen
    for number, step in enumerate(decode(state, 20), start=1):
        recorder.add(step)
        after = recorder.trace().owner_after(number)
        assert np.array_equal(after, state.cache.tables.owners()[..., :total].numpy())
    assert (recorder.trace().joined >= 0).any() == merges


def test_owners_are_followed_from_slot_to_slot():
    trace = replace(PLUS, owner=PLUS.owner[:1, :1], score=PLUS.score[:1], **moves({5: (3, 7), 6: (7, 28), 9: (28, -1)}))
    members = np.flatnonzero(trace.owner[0, 0] == 3)
    assert len(members) == 3 and trace.owner[0, 0, 7] == 7
    for steps, now in ((4, 3), (5, 7), (6, 28), (8, 28), (9, -1)):
        after = trace.owner_after(steps)[0, 0]
        assert (after[members] == now).all()
        assert after[7] == (7 if steps < 6 else now)
    for steps in range(10):
        assert np.array_equal(PLUS.owner_after(steps), all_owners(PLUS, steps)[..., : len(PLUS.pieces)])


def moves(given):
    """Arrays of a trace of one layer and head: after which answer token which slot went where."""
    dropped, joined = np.full((2, PLUS.steps, 1, 1), -1, np.int32)
    for step, (token, into) in given.items():
        dropped[step - 1], joined[step - 1] = token, into
    names = ("slots", "bytes_held", "looked")
    arrays = {name: getattr(PLUS, name)[:, :1] for name in names} | {
        name: getattr(PLUS, name)[:1] for name in ("prompt_slots", "prompt_bytes", "sparsity", "channels")
    }
    return arrays | {"dropped": dropped, "joined": joined}


def test_figures_add_up(recorded):
    trace = recorded[1]
    figures = json.loads(json.dumps(trace.figures()))
    assert figures["answer_tokens"] == 40 and figures["finish"] == "limit"
    assert figures["bytes_peak"] == max(trace.total_bytes)
    assert figures["bytes_end"] == trace.bytes_held[-1].sum()


def test_parts_that_do_not_fit_together_are_refused(recorded):
    trace = recorded[1]
    with pytest.raises(ValueError, match="score has shape"):
        replace(trace, score=trace.score[:, :-1])
    with pytest.raises(ValueError, match="channels have shape"):
        replace(trace, channels=trace.channels[0])


def test_the_first_difference_is_where_the_tokens_part(recorded):
    trace = recorded[1]
    assert first_difference(trace, trace) is None
    ids = trace.answer_ids.copy()
    ids[7] += 1
    assert first_difference(trace, replace(trace, answer_ids=ids)) == 7


def test_scores_of_a_full_trace_are_the_received_attention(tiny, picture):
    start = prefill(tiny, tiny.first_turn(picture, "What?"), RECORDED)
    state = compress(start, Full())
    trace = Recorder.of(state, "What?").trace()
    assert np.allclose(trace.score.sum(1), state.seen, atol=1e-2)


def test_what_a_token_looked_at_is_the_attention_of_the_query_before_it(tiny, picture, eager):
    state = compress(prefill(tiny, tiny.first_turn(picture, "What?"), RECORDED), Full())
    total = state.seen
    recorder = Recorder.of(state, "What?")
    for step in decode(state, 6):
        recorder.add(step)
    looked = recorder.trace().looked
    inputs = tiny.first_turn(picture, "What?")
    written = torch.tensor([[step.token for step in recorder.steps]])
    with torch.inference_mode():
        maps = eager(input_ids=torch.cat([inputs.ids, written], 1), **inputs.inputs, output_attentions=True).attentions
    for step in range(6):
        for layer, weights in enumerate(maps):
            expected = weights[0].mean(0)[total - 1 + step, : total + step]
            assert np.allclose(looked[step, layer, : total + step], expected, atol=1e-3)
    assert not looked[0, :, total:].any()


def test_attention_on_a_compressed_cache_falls_on_what_holds_a_slot(recorded):
    trace = recorded[1]
    for step in (0, 5, 39):
        if step:
            held = (trace.owner_after(step)[:, 0] == np.arange(len(trace.pieces))) | (trace.dropped[step - 1] >= 0)
            assert not trace.looked[step][:, : len(trace.pieces)][~held].any()
        assert np.allclose(trace.looked[step].sum(1, dtype=np.float32), 1, atol=1e-2)


def test_sparsity_is_the_share_of_faint_weights(tiny, picture, eager):
    inputs = tiny.first_turn(picture, "What?")
    trace = Recorder.of(compress(prefill(tiny, inputs, RECORDED), Full()), "What?").trace()
    with torch.inference_mode():
        maps = eager(input_ids=inputs.ids, **inputs.inputs, output_attentions=True).attentions
    for layer, weights in enumerate(maps):
        weights = weights[0].numpy()
        visible = np.tril(np.ones(weights.shape[1:], bool))
        faint = (weights < 0.01 * weights.max(-1, keepdims=True)) & visible
        assert trace.sparsity[layer] == pytest.approx(faint.sum() / (visible.sum() * len(weights)), abs=1e-4)


def test_the_limit_is_the_kept_share_of_the_tokens_seen(recorded):
    trace = recorded[1]
    per_slot = trace.prompt_bytes.sum() / trace.prompt_slots.sum() * trace.layers
    expected = [int(0.3 * (len(trace.pieces) + n) + 1e-9) * per_slot for n in range(41)]
    assert trace.limit_bytes.tolist() == expected


def trace_of(llava, picture, policy, steps=6):
    """A record of an answer, and the state after it."""
    state = compress(prefill(llava, llava.first_turn(picture, "What?"), {*policy.needs, *RECORDED}), policy)
    recorder = Recorder.of(state, "What?")
    for step in decode(state, steps):
        recorder.add(step)
    return recorder.trace("limit"), state


@pytest.mark.parametrize("policy", [PyramidKV(keep=0.3), ThinK(keep=0.7), KNorm(keep=0.05)])
def test_the_limit_in_bytes_is_kept_whatever_a_layer_or_a_key_holds(tiny, picture, policy):
    trace, _ = trace_of(tiny, picture, policy)
    aim = policy.keep * len(trace.pieces) * sum(2 * 2 * 16 * 4 for _ in range(3))  # of heads, channels and bytes each
    assert aim - 3 * 256 < trace.limit_bytes[0] <= aim
    assert (trace.total_bytes <= trace.limit_bytes).all() and trace.total_bytes[0] > 0.9 * trace.limit_bytes[0]
    assert (np.diff(trace.limit_bytes) == 3 * 256).all()  # every new token is kept, whole and in each layer


def test_the_channels_of_a_trace_are_those_that_stored_keys_have(tiny, picture):
    trace, state = trace_of(tiny, picture, ThinK(keep=0.7, recent=4))
    for layer, kept in zip(state.cache.layers, trace.channels, strict=True):
        older = layer.stored()[0][0, :, : len(trace.pieces) - 4]
        assert np.array_equal(older.ne(0).any(1).numpy(), kept) and 0 < kept.mean() < 1
    whole, _ = trace_of(tiny, picture, PyramidKV(keep=0.3), 1)
    assert whole.channels.shape == trace.channels.shape and whole.channels.all()


def test_a_trace_says_what_its_pictures_do_not_show(tiny, picture):
    assert trace_of(tiny, picture, KNorm(), 1)[0].unseen == KNorm.unseen != ""
    assert trace_of(tiny, picture, Full(), 1)[0].unseen == ""


def test_policies_that_go_by_something_else_than_the_heat_say_so():
    silent = {name for name, policy in POLICIES.items() if not policy.unseen}
    assert silent == {"full", "elastic", "prefixkv"}
    assert all(POLICIES[name]().statistic == Attention() for name in silent)
