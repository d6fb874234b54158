"""What training asks, and how often: every skill can be learnt, and nothing that is judged is taught."""

import random
import re
from collections import Counter
from functools import cache

import pytest
import torch

from scenes.asides import GOODBYE, GREETING, THANKS
from scenes.forms import HELD_OUT
from scenes.questions import ask
from scenes.scene import GRID, random_scene
from tests.unit.scene_oracle import read
from training.data import Packer, Packs, collate
from training.held_out import ASIDES_HELD_OUT
from training.schedule import schedule, time_left
from training.views import IGNORED, Views


def turns(tokenizer, sample):
    """Per turn of a sample: its skill, what is asked, and what is answered."""
    for number, skill in enumerate(sample.skills, start=1):
        own = [at for at, turn in enumerate(sample.turn) if turn == number]
        asked = tokenizer.decode([sample.ids[at] for at in own if sample.labels[at] == IGNORED])
        answer = tokenizer.decode([sample.ids[at] for at in own if sample.labels[at] != IGNORED][:-1])
        yield skill, re.sub(r"USER:|\s*ASSISTANT:$", "", asked).strip(), answer.strip()


@cache
def drawn(processor, chats):
    """Packs as training draws them, and all that is said in them."""
    packs = Packs(processor, Views(processor, 0.06, 0.0, 0.7), length=640, chats=chats, start=1000, count=200)
    samples = [packs[number] for number in range(len(packs))]
    return samples, [turn for sample in samples for turn in turns(processor.tokenizer, sample)]


def test_whether_one_thing_lies_beside_another_is_as_often_so_as_not(pocket):
    answers = [answer for skill, _, answer in drawn(pocket.processor, 0.0)[1] if skill == "is_relation"]
    told = [answer for answer in answers if ", so " in answer]
    assert len(told) > 200
    assert 0.43 < sum(answer.endswith("so yes.") for answer in told) / len(told) < 0.57


def test_most_who_ask_for_the_odd_one_out_find_one(pocket):
    answers = [answer for skill, _, answer in drawn(pocket.processor, 0.0)[1] if skill == "odd"]
    assert len(answers) > 100
    assert 0.5 < sum(not answer.startswith("No") for answer in answers) / len(answers) < 0.85


def test_every_fifth_answer_or_more_belongs_to_a_question_before_its_picture(pocket):
    samples, said = drawn(pocket.processor, 0.0)
    before = 0
    for sample in samples:
        picture = sample.ids.index(pocket.processor.image_token_id)
        before += len({turn for turn in sample.turn[:picture] if turn})
    assert before / len(said) > 0.2


def test_greetings_thanks_and_goodbyes_are_often_a_single_word(pocket):
    for greeting in (GREETING, THANKS, GOODBYE):
        texts = [asked for _, asked, answer in drawn(pocket.processor, 0.0)[1] if answer == greeting]
        assert len(texts) > 30
        assert sum(re.fullmatch(r"[a-zA-Z]+\W*", text) is not None for text in texts) / len(texts) > 0.12


def test_what_the_model_failed_at_is_asked_oftenest(pocket):
    asked = Counter(skill for skill, *_ in drawn(pocket.processor, 0.0)[1])
    assert {"is_relation", "smallest"} <= {skill for skill, _ in asked.most_common(5)}


@pytest.mark.parametrize("chats", [0.0, 1.0])
def test_nothing_that_is_judged_is_taught(pocket, chats):
    """But for single words such as "hi" and "thanks", which everybody says."""
    held_out = {
        text.lower().strip(" .!?") or text
        for kind, texts in ASIDES_HELD_OUT.items()
        for text in texts
        if kind == "refused" or " " in text
    }
    texts = {re.sub(r"[ .!?]+$", "", asked.lower()) or asked for _, asked, _ in drawn(pocket.processor, chats)[1]}
    assert len(texts) > 1000
    assert not texts & held_out
    forms = [form for forms in HELD_OUT.values() for form in forms]
    assert not [text for text in texts for form in forms if read(form, f"{text}.") is not None]


def test_questions_before_a_picture_are_seen_as_if_each_stood_there_alone(pocket):
    scene, rng = random_scene("before"), random.Random(4)
    packer, view = Packer(pocket.processor, 640), Views(pocket.processor).of(scene)
    questions = [ask(scene, skill, rng) for skill in ("where", "is_relation", "count_all")]
    together = packer.pack(view, questions, alone=True, question_first=True)
    visible = collate([together]).visible[0, 0]
    for number, question in enumerate(questions, start=1):
        alone = packer.pack(view, [question], alone=False, question_first=True)
        last = max(at for at, turn in enumerate(together.turn) if turn == number)
        seen = [at for at in range(len(together.ids)) if visible[last, at]]
        assert [together.ids[at] for at in seen] == alone.ids
        assert [together.labels[at] for at in seen] == alone.labels
        positions = torch.tensor([together.positions[at] for at in seen])
        # Behind the first token everything stands as far from everything as it does alone.
        assert torch.equal(positions[1:].diff(), torch.tensor(alone.positions)[1:].diff())
    picture = together.ids.index(pocket.processor.image_token_id)
    assert not any(visible[picture + GRID**2 - 1, 1:picture])


def test_the_rate_falls_by_steps_or_by_the_clock_whichever_ends_first(monkeypatch):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    optimizer.param_groups[0]["peak"] = 2.0

    def rate(step, left=1.0):
        schedule([optimizer], step, 100, 50, left, warmup=10)
        return optimizer.param_groups[0]["lr"]

    assert [rate(step) for step in (0, 9, 40, 75)] == pytest.approx([0.2, 2.0, 2.0, 1.0])
    assert [rate(40, left) for left in (3.0, 0.5, -0.1)] == pytest.approx([2.0, 1.0, 0.0])
    monkeypatch.setattr("training.schedule.time.time", lambda: 600.0)
    # Of twenty minutes ten have passed, and the rate falls in the last five.
    assert time_left(0.0, 20.0, 0.25) == pytest.approx(2.0)
