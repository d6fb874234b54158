"""The live view's messages and templates, without a browser."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
from PIL import Image

from tests.view_traces import ELASTIC, FULL, PAIR, PICTURE, cut
from viz import view

RUN = [
    view.message("run", 0, [cut(side, 0) for side in PAIR], 0, picture=PICTURE),
    view.message("run", 1, [cut(side, 5) for side in PAIR], 0),
    view.message("run", 2, PAIR, 5, picture=PICTURE, done=True),
]


def decoded(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_opening_holds_the_arrays_of_the_trace():
    holed = ELASTIC.score.copy()
    holed[1, 5] = np.nan
    trace = replace(ELASTIC, score=holed)
    side = json.loads(json.dumps(view.opening([trace], PICTURE), allow_nan=False))["sides"][0]
    assert np.array_equal(decoded(side["owner"], "<i2").reshape(side["shape"]), trace.owner)
    assert np.array_equal(decoded(side["score"], "<f4").reshape(trace.score.shape), holed, equal_nan=True)
    assert side["promptBytes"] == trace.prompt_bytes.sum()
    assert side["kept"] == "40 % kept"


def test_chunks_put_together_are_the_trace():
    parts = [view.chunk([cut(ELASTIC, end)], since)[0] for since, end in ((0, 4), (4, 5), (5, 9))]
    assert [bytes_held for part in parts for bytes_held in part["bytes"]] == ELASTIC.bytes_held.sum(1).tolist()
    assert [piece for part in parts for piece in part["pieces"]] == ELASTIC.answer_pieces
    gone = [step if step is not None else np.full((3, 1), -1).tolist() for part in parts for step in part["dropped"]]
    assert np.array_equal(gone, ELASTIC.dropped)
    assert parts[-1]["answer"] == ELASTIC.answer


def test_messages_are_plain_json_and_the_ends_carry_the_opening():
    first, *middle, last = json.loads(json.dumps(RUN, allow_nan=False))
    assert first["opening"] and last["opening"] and not any(message["opening"] for message in middle)
    assert first["sides"][0]["msPerToken"] is None  # not NaN, which JSON lacks
    assert last["since"] == 0 and len(last["sides"][0]["bytes"]) == FULL.steps


def test_pictures_stay_small_enough_to_travel():
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (900, 1200, 3), np.uint8))
    for picture in (noise, noise.crop((0, 0, 448, 448)), noise.convert("RGBA"), noise.convert("L"), PICTURE):
        uri = view.picture_uri(picture)
        assert len(uri) <= view.PICTURE_LIMIT
        assert Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).format == "JPEG"


def test_templates_hold_nothing_that_a_template_engine_would_read():
    for text in (view.template(), view.style()):
        assert not any(mark in text for mark in ("`", "${", "{{", "\\"))
    for text in (view.template(), view.style(), view.script()):
        assert "https://" not in text and "innerHTML" not in text
