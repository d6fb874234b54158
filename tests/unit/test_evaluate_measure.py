"""What one answer is worth: every measure against something that shares no code with it."""

import math
from functools import partial

import pytest
import torch

from elastic.engine import compress, decode, prefill
from elastic.evaluate import measure as measuring
from elastic.evaluate.measure import Answered, Baseline, baseline, baselines, measure, measures, repetition, rouge_l
from elastic.evaluate.ready import Ready, compressed
from elastic.evaluate.spelling import Wanted, answer_ids
from elastic.model import together
from elastic.policies import POLICIES
from elastic.policies.full import Full
from elastic.policies.quest import Quest
from elastic.policies.snapkv import SnapKV
from scenes.scene import random_scene, render

QUESTIONS = ("Where is the dog?", "Where is the cat?", "Where is the bus?")
ANSWERS = ("There is a dog at the top.", "There is one.", None)


@pytest.fixture(scope="module")
def start(tiny, picture):
    needs = frozenset().union(*(kind().needs for kind in POLICIES.values()))
    return prefill(tiny, tiny.first_turn(picture, QUESTIONS[0]), needs, record_attention=False)


@pytest.fixture(scope="module")
def base(start):
    return baseline(start, ANSWERS[0], 12)


def test_perplexity_with_the_full_cache_is_that_of_one_plain_forward(tiny, eager, picture, start, base):
    outcome = measure(start, Full(), base, 12)
    prompt = tiny.first_turn(picture, QUESTIONS[0])
    ids = torch.cat([prompt.ids, torch.tensor([base.reference])], 1)
    labels = torch.where(torch.arange(ids.shape[1]) < prompt.ids.shape[1], -100, ids)
    with torch.inference_mode():
        loss = eager(input_ids=ids, **prompt.inputs, labels=labels).loss.item()
    assert outcome.tokens == len(base.reference)
    assert outcome.loss / outcome.tokens == pytest.approx(loss, rel=1e-4)


def test_a_reference_is_spelled_as_it_follows_the_prompt_and_ends(tiny, picture, start):
    ids = answer_ids(start, ANSWERS[0])
    prompt = tiny._render([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTIONS[0]}]}])
    whole = tiny.processor.tokenizer(f"{prompt} {ANSWERS[0]}", add_special_tokens=False).input_ids
    assert ids == [*whole[-(len(ids) - 1) :], 2]
    assert tiny.text(ids) == ANSWERS[0]


@pytest.mark.parametrize(("answer", "words"), [("  ", "is empty"), ("A dog.</s> And more", "ends an answer")])
def test_an_answer_that_cannot_be_fed_is_refused(start, answer, words):
    with pytest.raises(ValueError, match=words):
        baseline(start, answer, 12)


def test_what_does_not_fit_the_model_is_refused(start):
    with pytest.raises(ValueError, match="exceed the 2048"):
        baseline(start, "dog " * 2000, 12)


def test_full_agrees_with_itself_in_everything(start, base):
    outcome = measure(start, Full(), base, 12)
    assert (outcome.agreement, outcome.agreement_before, outcome.agreement_after) == (1, 1, None)
    assert (outcome.kl, outcome.rouge_l, outcome.text) == (0, 1, base.text)
    assert outcome.bytes_prompt == outcome.bytes_full == sum(start.cache.bytes_held)
    # A key and a value per token, layer and head; the end token enters no cache.
    per_token = outcome.bytes_prompt // start.seen
    assert outcome.bytes_peak == outcome.bytes_prompt + per_token * (len(base.reference) - 1)


@pytest.mark.parametrize("name", ["elastic", "elastic-plus", "h2o", "snapkv"])
def test_keeping_everything_is_the_full_cache(start, base, name):
    outcome = measure(start, POLICIES[name](keep=1.0), base, 12)
    assert (outcome.agreement, outcome.text) == (1, base.text)
    assert outcome.kl < 1e-6


@pytest.mark.parametrize("reference", ANSWERS[1:])
def test_what_a_policy_writes_is_what_decode_writes(tiny, start, reference):
    base, policy = baseline(start, reference, 12), POLICIES["elastic"](keep=0.1)
    written = [step.token for step in decode(compress(start, policy), 12)]
    outcome = measure(start, policy, base, 12)
    assert outcome.text == tiny.text(written)
    assert outcome.exact == (None if reference is None else tiny.text(written) == reference)
    assert base.ids == [step.token for step in decode(compress(start, Full()), 12)]


def test_an_answer_met_exactly_is_not_written_a_second_time(start, monkeypatch):
    own = [step.token for step in decode(compress(start, Full()), 40)]
    ended = [*own[:5], 2]
    logits = torch.nn.functional.one_hot(torch.tensor([ended]), 2048).float()
    monkeypatch.setattr(measuring, "_written", lambda *_: "written")

    def own_answers(references, logits, most):
        return measuring._own_answers(partial(compressed, start, Full()), start, references, logits, most)

    assert own_answers([ended], logits, 6) == [ended]
    assert own_answers([ended], logits, 5) == "written", "longer than it may be"
    assert own_answers([own[:5]], logits, 6) == "written", "it would go on"
    assert own_answers([ended], logits.roll(1, 1), 6) == "written"


def test_divergence_and_agreement_are_those_of_the_formulas(start, base):
    policy = POLICIES["elastic"](keep=0.05)
    state, found = compress(start, policy), []
    for step in (steps := decode(state, len(base.reference), forced=base.reference)):
        found.append(step.likeliest)
    steps.close()
    outcome = measure(start, policy, base, 12)
    same = [token == other for token, other in zip(found, base.logits.argmax(-1).tolist(), strict=True)]
    assert False in same[:-1], "the tiny model notices"
    first = same.index(False)
    assert outcome.agreement == pytest.approx(sum(same) / len(same))
    assert outcome.agreement_before == pytest.approx(first / len(same))
    assert outcome.agreement_after == pytest.approx(sum(same[first + 1 :]) / len(same[first + 1 :]))


def test_what_a_word_reads_is_told_of_methods_that_read_a_part_alone(start, base):
    policies = SnapKV(keep=0.5), Quest(keep=0.2)
    of_all, of_part = (measure(start, policy, base, 12) for policy in policies)
    assert of_all.bytes_read is None
    steps = list(decode(compress(start, policies[1]), len(base.reference), forced=base.reference))
    processed = len(base.reference) - (base.reference[-1] in start.llava.end_ids)
    assert of_part.bytes_read == max(sum(step.bytes_read) for step in steps[:processed]) < of_part.bytes_peak


def test_divergence_by_hand(start, monkeypatch):
    logits = torch.tensor([[math.log(0.5), math.log(0.5)], [math.log(0.9), math.log(0.1)]])
    found = torch.tensor([[[math.log(0.25), math.log(0.75)], [math.log(0.9), math.log(0.1)]]])
    base = Baseline([0, 1], "", [0, 1], None, logits, 0, Wanted(None), ())
    dropped = torch.tensor([[True, False, False, True]])
    answered = Answered(Ready(start, 3, dropped, 2.0), found, [3, 5, 4], [5, 4], [0.1, 0.3], [[0, 1]])
    outcome = measuring._outcome(answered, base, 0)
    # Of 0.5, 0.5 against 0.25, 0.75; the second position is the same.
    assert outcome.kl == pytest.approx((0.5 * math.log(2) + 0.5 * math.log(2 / 3)) / 2)
    assert outcome.loss == pytest.approx(-math.log(0.25) - math.log(0.1))
    assert (outcome.prompt, outcome.dropped, outcome.dropped_needed) == (4, 0.5, None)
    assert (outcome.bytes_prompt, outcome.bytes_peak, outcome.ms_per_token) == (3, 5, pytest.approx(200))


@pytest.mark.parametrize("name", ["full", "elastic", "elastic-plus", "h2o"])
def test_a_batch_gives_what_single_prompts_give(tiny, name):
    policy = POLICIES[name]() if name == "full" else POLICIES[name](keep=0.2)
    pictures = [render(random_scene(f"batch {number}"))[0] for number in range(3)]
    prompts = [tiny.first_turn(*of_one) for of_one in zip(pictures, QUESTIONS, strict=True)]
    alone = []
    for prompt, answer in zip(prompts, ANSWERS, strict=True):
        start = prefill(tiny, prompt, policy.needs, record_attention=False)
        alone.append(measure(start, policy, baseline(start, answer, 12), 12))
    start = prefill(tiny, together(prompts), policy.needs, record_attention=False)
    at_once, _ = measures(start, policy, baselines(start, ANSWERS, 12), 12)
    for one, other in zip(alone, at_once, strict=True):
        assert (one.text, one.exact, one.tokens) == (other.text, other.exact, other.tokens)
        assert (one.bytes_prompt, one.bytes_peak, one.bytes_full) == (
            other.bytes_prompt,
            other.bytes_peak,
            other.bytes_full,
        )
        for measured in ("loss", "kl", "agreement", "agreement_before", "rouge_l", "repetition"):
            assert getattr(one, measured) == pytest.approx(getattr(other, measured), abs=1e-3), measured


def test_repetition_counts_four_grams_that_came_before():
    assert repetition([1, 2, 3]) == 0
    assert repetition([1, 2, 3, 4, 5]) == 0
    # 1111, 1111, 1111: two of three came before.
    assert repetition([1] * 6) == pytest.approx(2 / 3)
    # 1234, 2341, 3412, 4123, 1234: one of five.
    assert repetition([1, 2, 3, 4, 1, 2, 3, 4]) == pytest.approx(1 / 5)


def test_rouge_is_the_longest_common_subsequence():
    # "a dog at top" is common to both: 4 of 6 words and 4 of 5.
    found = rouge_l("there is a dog at top", "a big dog at top")
    assert found == pytest.approx(2 * (4 / 6) * (4 / 5) / (4 / 6 + 4 / 5))
    assert rouge_l("狗", "狗") == 1, "words that the package does not see"
    assert rouge_l("a dog", "") == 0
