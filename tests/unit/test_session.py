"""Conversations with two sides, and who owns which."""

from contextlib import closing

import numpy as np
import pytest
import torch

from elastic import __version__
from elastic.engine import compress, decode, extend, prefill
from elastic.events import Answering, Compressed, Compressing, Encoding, Ended, Prefilling, Read, Stepped
from elastic.options import MAX_QUESTION
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.full import Full
from elastic.record.arrays import ARRAYS
from elastic.record.trace import first_difference
from elastic.session import Comparison, judge, run
from elastic.statistics import Attention
from page.shown import recording
from scenes.scene import random_scene, render

POLICIES = [Full(), Elastic(keep=0.3)]


def test_each_side_writes_what_it_writes_alone_over_two_turns(pocket, picture):
    comparison = Comparison(pocket, picture, POLICIES)
    together = [
        [trace.answer_ids.tolist() for trace in run(comparison, q, 24).sides] for q in ("What is here?", "How many?")
    ]
    start = prefill(pocket, pocket.first_turn(picture, "What is here?"), {Attention()})
    for side, policy in enumerate(POLICIES):
        state = compress(start, policy)
        first = [step.token for step in decode(state, 24)]
        extend(state, pocket.next_turn("How many?"))
        second = [step.token for step in decode(compress(state, policy), 24)]
        assert [turn[side] for turn in together] == [first, second]


def test_each_side_remembers_its_own_answers(pocket, picture):
    comparison = Comparison(pocket, picture, POLICIES)
    answers = [trace.answer for trace in run(comparison, "What is here?", 12).sides]
    run(comparison, "How many?", 1)
    assert comparison.history == [[("What is here?", answer)] for answer in answers]


def test_events_tell_every_stage_in_order_and_what_can_be_recorded_by_then(pocket, picture):
    comparison, kinds, steps = Comparison(pocket, picture, POLICIES), [], []
    for event in comparison.ask("How many objects are there?", 30):
        kinds.append(type(event))
        if isinstance(event, Answering):
            steps.append(max(side.steps for side in event.record().sides))
    each = [Compressing, Compressing, Compressed]
    stages = [Encoding, Prefilling, Read, *each]
    assert kinds == [*stages, *[Stepped] * (len(kinds) - 7), Ended] and len(kinds) > 8
    assert steps == list(range(len(steps))), "what had been written when it was told"
    assert event.reasons == [side.finish for side in event.record().sides] == ["end", "end"]
    kinds = [type(event) for event in comparison.ask("How many?", 3)]
    assert kinds == [Prefilling, *each, Stepped, Stepped, Ended], "an earlier turn's picture is not encoded again"


def test_a_record_that_was_made_in_the_midst_stays_as_it_was_and_is_how_the_last_one_begins(tiny, picture):
    comparison = Comparison(tiny, picture, [Full(), Elastic(keep=0.3, distance=3)])
    records = [event.record() for event in comparison.ask("What?", 70) if isinstance(event, Answering)]
    last = records[-1]
    for steps in (0, 1, 63, 64, 65, 69):  # on both sides of where the room for rows is doubled
        for early, side in zip(records[steps].sides, last.sides, strict=True):
            assert early.steps == steps and early.answer_pieces == side.answer_pieces[:steps]
            for name, (shape, _) in ARRAYS.items():
                now, then = getattr(early, name), getattr(side, name)
                whole = then[: len(now), :, : now.shape[2]] if name == "looked" else then[: len(now)]
                assert np.array_equal(now, whole if shape[0] == "N" else then, equal_nan=name != "channels"), name
    assert [side.finish for side in last.sides] == ["limit", "limit"]


def test_stopping_keeps_what_was_written_and_says_so(tiny, picture):
    comparison = Comparison(tiny, picture, POLICIES)
    with closing(comparison.ask("What is here?", 200)) as progress:
        for event in progress:
            if isinstance(event, Stepped) and event.number == 5:
                break
    traces = comparison.record().sides
    assert [trace.steps for trace in traces] == [5, 5]
    assert {trace.finish for trace in traces} == {"stopped"}
    again = run(comparison, "And now?", 10)
    assert [len(past) for past in comparison.history] == [1, 1]
    assert all(trace.steps == 10 for trace in again.sides)


def test_stopping_before_the_first_word_leaves_the_conversation_whole(tiny, picture):
    comparison = Comparison(tiny, picture, POLICIES)
    run(comparison, "What?", 5)
    with closing(comparison.ask("What is here?", 200)) as progress:
        for event in progress:
            if isinstance(event, Compressed):
                break
    assert [trace.finish for trace in comparison.record().sides] == ["stopped", "stopped"]
    assert all(trace.steps == 4 for trace in run(comparison, "And now?", 4).sides)


def test_the_shared_prefill_leaves_sides_independent(tiny, picture):
    comparison = Comparison(tiny, picture, [Full(), Full()])
    a, b = run(comparison, "What?", 30).sides
    assert a.answer_ids.tolist() == b.answer_ids.tolist()
    assert {layer.keys.data_ptr() for layer in comparison.states[0].cache.layers}.isdisjoint(
        layer.keys.data_ptr() for layer in comparison.states[1].cache.layers
    )


@pytest.mark.parametrize(
    ("question", "tokens", "expected"),
    [
        ("  ", 10, "no question yet"),
        ("x" * (MAX_QUESTION + 1), 10, "at most"),
        ("What?", 3000, "exceed the 2048"),
        ("What?", 0, "1 token or more"),
    ],
)
def test_what_cannot_be_asked_is_said_and_the_comparison_stays_usable(tiny, picture, question, tokens, expected):
    comparison = Comparison(tiny, picture, POLICIES)
    with pytest.raises(ValueError, match=expected):
        list(comparison.ask(question, tokens))
    assert run(comparison, "What?", 5).sides[0].steps == 5


def test_a_comparison_knows_the_memory_it_holds(tiny, picture):
    comparison = Comparison(tiny, picture, POLICIES)
    empty = comparison.nbytes
    run(comparison, "What?", 5)
    caches = sum(state.cache.bytes_allocated for state in comparison.states)
    caches += comparison.states[0].script.nbytes  # the picture as the tower saw it, once for both
    looked = sum(step.looked.nbytes for recorder in comparison.recorders for step in recorder.steps)
    assert empty == 3 * picture.width * picture.height
    assert empty + caches + looked < comparison.nbytes < empty + caches + 20 * looked


def test_while_texts_agree_each_side_judges_the_first_ones_token(pocket, picture):
    sides = run(
        Comparison(pocket, picture, [Full(), Elastic(keep=0.15, protect_text=False)]), "What is here?", 40
    ).sides
    parts = first_difference(*sides)
    assert parts is not None and parts < min(side.steps for side in sides) - 1
    assert np.allclose(sides[0].reference_logprob, sides[0].logprob, atol=1e-5) and np.allclose(
        sides[0].divergence, 0, atol=1e-6
    )
    other = sides[1]
    # Where both write the same token, it is the same number; where they part, the first side's token was less likely.
    assert np.allclose(other.reference_logprob[:parts], other.logprob[:parts], atol=1e-5)
    assert other.reference_logprob[parts] < other.logprob[parts]
    assert np.isnan(other.reference_logprob[parts + 1 :]).all() and np.isnan(other.divergence[parts + 1 :]).all()
    # The first token follows from the shared prefill.
    assert other.divergence[0] == 0 and (other.divergence[1 : parts + 1] > 0).all()


def test_divergence_is_that_of_the_two_distributions():
    reference, logits = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0.0, 2.5, 0.5])
    p, q = reference.softmax(-1).double(), logits.softmax(-1).double()
    logprob, divergence = judge(reference, logits, 1)
    assert logprob == pytest.approx(q[1].log().item(), abs=1e-6)
    assert divergence == pytest.approx((p * (p / q).log()).sum().item(), abs=1e-6)


def test_a_run_says_what_it_was_made_with(tiny, picture):
    record = run(Comparison(tiny, picture, POLICIES), "What?", 3)
    text = tiny.model.config.text_config
    per_token = 2 * text.num_key_value_heads * text.head_dim * 4
    assert (
        record.shape["layers"] * per_token == record.sides[0].bytes_held[1].sum() - record.sides[0].bytes_held[0].sum()
    )
    weights = sum(p.nbytes for p in tiny.model.model.language_model.layers.parameters())
    head = tiny.model.lm_head.weight.nbytes
    assert 0 <= record.shape["weight_bytes"] - weights - head < 10_000  # the last norm
    assert {"device", "dtype", "torch", "transformers", "recorded"} <= set(record.about)
    assert record.about["elastic"] == __version__


def test_both_sides_show_the_same_attention_whatever_their_policies_go_by(pocket, picture):
    full, plus = run(Comparison(pocket, picture, [Full(), ElasticPlus(keep=0.2)]), "What is here?", 3).sides
    assert np.allclose(full.score, plus.score, atol=1e-5)


def test_the_recorded_number_that_survives_is_misread_by_elastic_cache_and_read_as_it_was_recorded(pocket):
    recorded, _ = recording("number-survives")
    scene, plus = random_scene(int(recorded.link["example"].removeprefix("scene-"))), recorded.sides[1]
    policies = [ElasticPlus(**plus.options), Elastic(keep=plus.options["keep"])]
    today, misread = run(Comparison(pocket, render(scene)[0], policies), plus.question, 24).sides
    assert today.answer == plus.answer and np.array_equal(today.owner, plus.owner)
    assert scene.plate.digits in plus.answer and scene.plate.digits not in misread.answer
