"""The live view's messages and templates, without a browser."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from elastic.record import messages
from elastic.record.messages import steps_of as steps_of_side
from tests import contract
from tests.view_traces import ELASTIC, FULL, PAIR, PLUS, THIN, cut, run_of, steps_of
from viz import view

MESSAGES = list(steps_of("run", PAIR, 0, 5))


def decoded(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_opening_holds_the_arrays_of_the_trace():
    holed = ELASTIC.score.copy()
    holed[1, 5] = np.nan
    trace = replace(ELASTIC, score=holed)
    side = messages.opening(run_of("run", [trace])).sides[0]
    assert np.array_equal(decoded(side.owner, "<i2").reshape(side.layers, side.heads, -1), trace.owner)
    assert np.array_equal(decoded(side.score, "<f4").reshape(trace.score.shape), holed, equal_nan=True)
    assert side.prompt_bytes == trace.prompt_bytes.sum() and side.prompt_limit_bytes == trace.limit_bytes[0]
    assert (side.keep, side.is_compressed) == (0.4, True)


def test_channels_are_sent_a_bit_each_where_some_were_dropped():
    whole, thin = messages.opening(run_of("run", [FULL, THIN])).sides
    assert whole.channels is None and whole.unseen == "" and thin.unseen == THIN.unseen
    bits = np.unpackbits(decoded(thin.channels.bits, np.uint8))[: THIN.channels.size]
    assert np.array_equal(bits.reshape(thin.channels.shape), THIN.channels)


def test_chunks_put_together_are_the_trace():
    parts = [steps_of_side(cut(ELASTIC, end), since) for since, end in ((0, 4), (4, 5), (5, 9))]
    assert [bytes_held for part in parts for bytes_held in part.bytes_held] == ELASTIC.bytes_held.sum(1).tolist()
    assert [limit for part in parts for limit in part.limit_bytes] == ELASTIC.limit_bytes[1:].tolist()
    assert [piece for part in parts for piece in part.answer_pieces] == ELASTIC.answer_pieces
    assert parts[-1].answer == ELASTIC.answer


@pytest.mark.parametrize("trace", [ELASTIC, PLUS], ids=["evicts", "merges"])
def test_chunks_say_what_was_given_up_and_what_took_it_in(trace):
    parts = [steps_of_side(cut(trace, end), since) for since, end in ((0, 4), (4, 5), (5, 9))]
    for name, given_up in (("dropped", trace.dropped), ("joined", trace.joined)):
        steps = [step for part in parts for step in getattr(part, name)]
        for step, tokens in zip(steps, given_up.reshape(9, -1), strict=True):
            assert step == (tokens.tolist() if tokens.max() >= 0 else None)
    assert (trace.joined >= 0).any() == (trace is PLUS)


@pytest.mark.parametrize("layer", [None, 0, 2])
def test_attention_survives_its_coding_to_a_few_thousandths(layer):
    parts = [steps_of_side(ELASTIC, since).looked for since in (0, 4)]
    coded = [*parts[0][:4], *parts[1]] if layer is None else messages.of_layer(run_of("run", [ELASTIC]), layer).sides[0]
    tokens = len(ELASTIC.pieces)
    for step, text in enumerate(coded):
        expected = ELASTIC.looked[step].mean(0, np.float32) if layer is None else ELASTIC.looked[step, layer]
        weights = (decoded(text, np.uint8) / 255.0) ** 2
        assert len(weights) == tokens + step  # the tokens before the one that was written
        assert np.allclose(weights, expected[: tokens + step], atol=0.004)


def test_messages_are_plain_json_and_the_ends_carry_the_opening():
    first, *middle, last = [json.loads(messages.as_json(message)) for message in MESSAGES]
    assert first["opening"] and last["opening"] and not any(message["opening"] for message in middle)
    assert first["sides"][0]["milliseconds_per_token"] is None  # not NaN, which JSON lacks
    assert last["since"] == 0 and len(last["sides"][0]["bytes_held"]) == FULL.steps


@pytest.mark.parametrize("message", [*MESSAGES, messages.of_status("Reading", awaits=3.0)])
def test_what_is_sent_has_the_types_that_are_declared(message):
    # Strictly, as JSON has it: a number is no text, a boolean no number.
    TypeAdapter(messages.Message).validate_json(messages.as_json(message), strict=True)


def test_the_browsers_types_are_those_that_the_server_sends():
    assert contract.FILE.read_text(encoding="utf-8") == contract.declarations(), "run python -m tests.contract"


def test_templates_hold_nothing_that_a_template_engine_would_read():
    for text in (view.template(), view.style()):
        assert not any(mark in text for mark in ("`", "${", "{{", "\\"))
    for text in (view.template(), view.style(), view.script()):
        assert "https://" not in text and "innerHTML" not in text
