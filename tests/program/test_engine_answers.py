"""Whole answers of the engine, of the embedded model too: against the library's own generation, and against itself."""

import pytest
import torch

from elastic.engine import compress, decode, extend, prefill
from elastic.model import together
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.full import Full
from elastic.statistics import Attention
from scenes.scene import random_scene, render

QUESTION = "Describe the image in detail."
FREQUENCY = {Attention()}


def tokens_of(steps):
    return [step.token for step in steps]


def generated(llava, ids, pixels, new):
    """What the library writes after `ids` (1, T), as a list of tokens."""
    output = llava.model.generate(
        input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False
    )
    return output[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("name", ["tiny", "pocket"])
def test_full_writes_what_generate_writes(name, picture, request):
    llava = request.getfixturevalue(name)
    prompt = llava.first_turn(picture, QUESTION)
    ours = tokens_of(decode(compress(prefill(llava, prompt, FREQUENCY), Full()), 80))
    assert ours == generated(llava, prompt.ids, prompt.inputs["pixel_values"], 80)


@pytest.mark.parametrize("name", ["tiny", "pocket"])
def test_second_turn_under_full_writes_what_generate_writes_after_the_whole_transcript(name, picture, request):
    llava = request.getfixturevalue(name)
    prompt = llava.first_turn(picture, "How many objects are there?")
    state = compress(prefill(llava, prompt, FREQUENCY), Full())
    first = tokens_of(decode(state, 30))
    more = llava.next_turn("And what is in the center?")
    extend(state, more)
    second = tokens_of(decode(compress(state, Full()), 30))
    spoken = [token for token in first if token not in llava.end_ids]
    transcript = torch.cat([prompt.ids, torch.tensor([spoken]), more.ids], dim=1)
    assert second == generated(llava, transcript, prompt.inputs["pixel_values"], 30)


@pytest.mark.parametrize("protect_text", [True, False])
def test_elastic_that_keeps_everything_equals_full(pocket, picture, protect_text):
    start = prefill(pocket, pocket.first_turn(picture, QUESTION), FREQUENCY)
    full = list(decode(compress(start, Full()), 60))
    elastic = list(decode(compress(start, Elastic(keep=1.0, protect_text=protect_text)), 60))
    assert tokens_of(full) == tokens_of(elastic)
    assert [s.logprob for s in full] == pytest.approx([s.logprob for s in elastic], abs=1e-5)
    assert full[-1].slots == elastic[-1].slots


def test_two_interleaved_answers_equal_each_alone(pocket, picture):
    start = prefill(pocket, pocket.first_turn(picture, QUESTION), FREQUENCY)
    policies = Full(), Elastic(keep=0.3)
    alone = [tokens_of(decode(compress(start, policy), 40)) for policy in policies]
    sides = [decode(compress(start, policy), 40) for policy in policies]
    together = [[], []]
    running = [0, 1]
    while running:
        for side in list(running):
            step = next(sides[side], None)
            if step is None:
                running.remove(side)
            else:
                together[side].append(step.token)
    assert together == alone


@pytest.mark.parametrize("policy", [Full(), Elastic(keep=0.3), ElasticPlus(keep=0.2)], ids=["full", "elastic", "plus"])
def test_a_batch_of_pictures_and_questions_answers_like_each_alone(policy, pocket):
    scenes = [render(random_scene(f"batch {number}"))[0] for number in range(3)]
    questions = ["Is there a dog?", "Is there a cat?", "Is there a car?"]
    prompts = [pocket.first_turn(scene, asked) for scene, asked in zip(scenes, questions, strict=True)]
    batch = list(decode(compress(prefill(pocket, together(prompts), policy.needs), policy), 12))
    for number, prompt in enumerate(prompts):
        alone = tokens_of(decode(compress(prefill(pocket, prompt, policy.needs), policy), 12))
        assert [step.tokens[number] for step in batch][: len(alone)] == alone
    assert (
        batch[0].bytes_held[0]
        == 3 * next(decode(compress(prefill(pocket, prompt, policy.needs), policy), 1)).bytes_held[0]
    )
