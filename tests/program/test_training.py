"""Scenes, questions and packed samples: what pocket-llava is trained and judged on."""

import json
import random
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic.engine import compress, decode, prefill
from elastic.policies.full import Full
from elastic.record.archive import open_run
from scenes.asides import ASIDES, aside
from scenes.forms import FORMS, HELD_OUT, expand, pattern, wordings
from scenes.questions import SHORT_SKILLS, SKILLS, Question, ask
from scenes.said import reached
from scenes.scene import GRID, OBJECTS, random_scene, render, sprite
from scenes.talk import follow_up
from scenes.typing import messy, neat
from scenes.words import vocabulary
from tests.unit.scene_oracle import Facts, claims, walk
from training import record_traces
from training.checkpoint import build_tokenizer
from training.data import FRIENDLY, Packer, Packs, collate
from training.evaluate import Tally, evaluate, right_answers, right_turns
from training.optimizer import orthogonal
from training.views import IGNORED, NAMES, Views, patch_targets


def test_a_seed_determines_every_pixel_whatever_was_drawn_before():
    first = np.asarray(render(random_scene(5))[0])
    random.seed(99)
    for other in range(20):
        render(random_scene(other))
    assert np.array_equal(first, np.asarray(render(random_scene(5))[0]))
    assert not np.array_equal(first, np.asarray(render(random_scene(6))[0]))


def test_there_are_about_64_objects_each_with_a_sprite():
    assert len(set(OBJECTS)) == 64
    for name in OBJECTS:
        assert max(sprite(name, 40).shape[:2]) == 40


@pytest.mark.parametrize("seed", range(20))
def test_things_lie_inside_their_cells(seed):
    scene = random_scene(seed)
    covered = render(scene)[1]
    for number, thing in enumerate(scene.things, start=1):
        row, column = divmod(thing.cell, 3)
        for pixels, cell in zip(np.nonzero(covered == number), (row, column), strict=True):
            # Cells are 74.67 pixels wide: whole pixels may lie across the line by less than one.
            assert cell * 224 / 3 - 1 < pixels.min() and pixels.max() < (cell + 1) * 224 / 3


def test_every_skill_has_held_out_forms_that_no_training_form_can_word():
    assert set(FORMS) == set(HELD_OUT) == set(SKILLS)
    rng = random.Random(0)
    for skill, held_out in HELD_OUT.items():
        known = [pattern(form) for form in FORMS[skill]]
        for form in held_out:
            for _ in range(40):
                text = expand(form, rng)
                assert not any(one.fullmatch(text) for one in known), (skill, text)


def test_a_form_words_what_its_pattern_matches():
    rng = random.Random(1)
    for skill, forms in FORMS.items():
        for form in forms:
            text = expand(form, rng)
            assert "[" not in text and "<" not in text and "|" not in text
            assert pattern(form).fullmatch(text), (skill, form, text)


def test_there_are_hundreds_of_ways_to_ask_most_things():
    ways = {skill: sum(map(wordings, forms)) for skill, forms in FORMS.items()}
    assert sum(ways.values()) > 20_000 and sorted(ways.values())[len(ways) // 3] > 100, ways


def test_the_number_of_wordings_is_counted_right():
    assert wordings("a [b|c [d|e]|] {f}") == 4
    assert len({expand("a [b|c [d|e]|] {f}", random.Random(n)) for n in range(200)}) == 4


def test_what_names_something_in_a_question_is_found_again_however_it_is_typed():
    rng = random.Random(5)
    for seed in range(60):
        scene = random_scene(f"sought {seed}")
        question = ask(scene, "where", rng, typed=messy)
        (start, end, numbers) = question.sought[0]
        assert tuple(scene.things[n - 1] for n in numbers) == question.about
        # The last letters are there as they were, or with one slip.
        assert 0 <= start < end <= len(question.text) and question.text[start:end].strip() == question.text[start:end]


def test_it_means_what_was_named_last():
    """Pronouns and words left out are answered from what was asked before, in a conversation of any length."""
    followed = 0
    for seed in range(80):
        scene, rng = random_scene(f"it {seed}"), random.Random(seed)
        before = ask(scene, "where", rng)
        following = follow_up(scene, [before], rng)
        if following and len(before.about) == 1 and " it" in following.text.lower():
            followed += 1
            assert before.about[0] in following.about
            assert before.about[0].name in following.answer
    assert followed > 15


def test_everything_said_beside_the_scene_has_one_friendly_answer():
    rng = random.Random(3)
    for kind, answer in ASIDES.items():
        texts = {aside(kind, rng, messy).text for _ in range(80)}
        assert len(texts) > 40 and all(aside(kind, rng, messy).answer == answer for _ in range(5))
        if kind not in ("greeting", "thanks", "goodbye"):
            assert re.search("only|cannot|don't know", answer)


def test_a_number_is_told_digit_by_digit_and_each_looks_at_its_own():
    scene = next(s for n in range(99) if (s := random_scene(f"plate {n}")).plate and len(s.plate.digits) == 5)
    question = ask(scene, "number", random.Random(0))
    digits = [said for said in question.said if said.text.isdigit()]
    assert "".join(said.text for said in digits) == scene.plate.digits
    assert [said.looks for said in digits] == [(len(scene.things) + n,) for n in range(1, 6)]
    covered = render(scene)[1]
    for said in digits:
        rows, columns = np.nonzero(covered == said.looks[0])
        assert np.ptp(columns) < scene.plate.pixels and np.ptp(rows) < scene.plate.pixels
    places = [np.nonzero(covered == said.looks[0])[1].mean() for said in digits]
    assert places == sorted(places)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**9))
def test_a_number_stands_in_free_cells_and_changes_nothing_else(seed):
    scene, without = random_scene(seed, plates=1.0), random_scene(seed, plates=0.0)
    assert scene.things == without.things and without.plate is None
    if scene.plate:
        assert 3 <= len(scene.plate.digits) <= 5 and not reached(scene) - {t.cell for t in scene.things} & {
            t.cell for t in scene.things
        }
        covered, alone = render(scene)[1], render(without)[1]
        assert np.array_equal(np.where(covered > len(scene.things), 0, covered), alone)


@pytest.mark.parametrize("seed", range(12))
def test_pictures_that_are_no_scenes_are_refused_whatever_is_asked(seed, tiny):
    views = Views(tiny.processor, others=1.0)
    packs = Packs(tiny.processor, views, length=640, chats=0.5, start=seed, count=1)
    assert set(packs[0].skills) <= {"no_scene", *FRIENDLY}
    assert tiny.text([label for label in packs[0].labels if label >= 0][:5])


def test_a_question_before_its_picture_comes_in_the_same_template(tiny, picture):
    scene, rng = random_scene("first"), random.Random(2)
    view = Views(tiny.processor).of(scene)
    question = ask(scene, "where", rng)
    sample = Packer(tiny.processor, 640).pack(view, [question], alone=False, question_first=True)
    prompt = tiny.first_turn(render(scene)[0], question.text, question_first=True).ids[0].tolist()
    assert sample.ids[: len(prompt)] == prompt
    assert tiny.text(sample.ids[len(prompt) :]) == question.answer
    plain = tiny.first_turn(render(scene)[0], question.text).ids[0].tolist()
    assert Packer(tiny.processor, 640).pack(view, [question], alone=True).ids[: len(plain)] == plain


def test_words_that_are_asked_about_are_single_tokens_and_digits_stay_apart():
    tokenizer = build_tokenizer(sentences=300)
    for word in vocabulary():
        assert len(tokenizer.encode(f" {word}", add_special_tokens=False)) == 1, word
    assert tokenizer.tokenize("The number is 4712.")[-5:] == ["4", "7", "1", "2", "."]


@pytest.mark.parametrize("text", ["Wo ist der Hund?", "犬はどこ", "🐕?", "a\x00b", "‮dog‬"])
def test_any_text_encodes_and_comes_back(pocket, text):
    tokenizer = pocket.processor.tokenizer
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_descriptions_are_long_enough_for_decode_rules_to_matter(pocket):
    rng, tokenizer = random.Random(0), pocket.processor.tokenizer
    lengths = [len(tokenizer.encode(ask(random_scene(seed), "describe", rng).answer)) for seed in range(100)]
    assert min(lengths) >= 48 and np.median(lengths) >= 60 and max(lengths) <= 120


def test_a_packed_question_is_answered_as_if_it_were_asked_alone(pocket):
    scene, rng = random_scene("packed"), random.Random(0)
    questions = [ask(scene, skill, rng) for skill in SHORT_SKILLS]
    packer = Packer(pocket.processor, 2400)
    together = right_answers(pocket, packer.pack(Views(pocket.processor).of(scene), questions, alone=True))
    picture = render(scene)[0]
    for question, right in zip(questions, together, strict=True):
        state = compress(prefill(pocket, pocket.first_turn(picture, question.text)), Full())
        written = pocket.text([step.token for step in decode(state, 60)])
        assert (written == question.answer) == right, (question, written)


def test_a_turn_counts_only_what_the_model_really_writes(pocket):
    """With a wrong reference for the first answer, the conversation is decoded, and later answers still judged."""
    scene, rng = random_scene("third"), random.Random(3)
    questions = [ask(scene, skill, rng) for skill in ("background", "count_all", "background", "what_at")]
    packer, view = Packer(pocket.processor, 1600), Views(pocket.processor).of(scene)
    honest = right_turns(pocket, packer, view, questions)
    misled = [Question("background", questions[0].text, "The background is plaid."), *questions[1:]]
    assert right_turns(pocket, packer, view, misled) == [False, *honest[1:]]


def test_every_key_of_the_evaluation_is_counted_on_a_few_scenes(pocket):
    results = evaluate(pocket, scenes=2, seed=5)
    keys = "short_exact description_exact unseen_phrasing third_turn after_description eighth_turn question_first"
    assert all(0 <= results[key] <= 1 for key in (*keys.split(), "out_of_scope", "not_a_scene", "number_exact"))
    asked = results["asked"]
    assert asked["unseen"] == 2 * (len(SKILLS) - 1) and asked["describe"] == 2 and asked["after description"] == 3
    assert asked["third turn"] == 2 and asked["eighth turn"] == 1 and asked["out of scope"] == asked["not a scene"] == 2


def test_what_is_asked_after_a_description_in_the_evaluation_is_clear_from_it(tiny, monkeypatch):
    asked = {}
    monkeypatch.setattr("training.evaluate.messy", lambda text, rng: neat(text))
    monkeypatch.setattr(Tally, "alone", lambda *args: None)
    monkeypatch.setattr(Tally, "first", lambda *args: None)
    monkeypatch.setattr(Tally, "turns", lambda self, view, key, questions, counted: asked.update({key: questions}))
    for seed in range(16):
        scene = random_scene(f"described {seed}")
        Tally(tiny).scene(scene, 2 * seed, random.Random(seed))
        (_, first, _), *later = walk(asked["after description"])
        assert first.skill == "describe" and len(later) == 3
        for _, question, ways in later:
            assert ways and all(claims(question.answer) == Facts(scene).due(*way) for way in ways), question.text


def test_the_evaluation_tells_right_from_wrong(pocket):
    """Answers that are wrong by one word count as wrong, under every key."""
    scene, rng = random_scene("judged"), random.Random(1)
    tally = Tally(pocket)
    view = tally.views.of(scene)
    question = ask(scene, "background", rng, {"background": ("what color is the background",)})
    wrong = replace(question, answer="The background is plaid.")
    tally.alone(view, {"right": [question], "wrong": [wrong]})
    tally.turns(view, "turn", [question, wrong], slice(1, 2))
    assert tally.right["wrong"] == [False] and tally.right["turn"] == [False] and tally.right["right"] == [True]


def test_packed_questions_cannot_see_one_another(tiny):
    packs = Packs(tiny.processor, Views(tiny.processor), length=640, chats=0.0, start=0, count=12)
    batch = collate([sample for number in range(12) if not (sample := packs[number]).first][:2])
    visible, turn = batch.visible[0, 0], batch.turn[0]
    for number in (1, 2, 5):
        own = turn == number
        assert set(turn[visible[own].any(0)].tolist()) == {0, number}
    assert not visible.triu(1).any()
    # Each question starts behind the picture, as if it stood there alone.
    first = [batch.positions[0][turn == number][0].item() for number in (1, 2, 5)]
    assert len(set(first)) == 1


def test_conversations_are_seen_whole_and_samples_do_not_depend_on_order(tiny):
    packs = Packs(tiny.processor, Views(tiny.processor), length=640, chats=1.0, start=7, count=3)
    batch = collate([packs[2]])
    length = int((batch.turn[0] >= 0).sum())
    assert torch.equal(batch.visible[0, 0, :length, :length], torch.ones(length, length, dtype=torch.bool).tril())
    again = Packs(tiny.processor, Views(tiny.processor), length=640, chats=1.0, start=9, count=1)[0]
    assert again.ids == packs[2].ids and np.array_equal(again.pixels, packs[2].pixels)
    assert any(label != IGNORED for label in again.labels)


def test_training_pixels_are_the_processors_pixels(tiny, picture):
    expected = tiny.processor.image_processor(picture, return_tensors="np")["pixel_values"][0]
    assert np.allclose(Views(tiny.processor).pixels(picture), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_patch_targets_point_at_what_is_there(seed):
    scene = random_scene(seed)
    covered = render(scene)[1]
    targets = patch_targets(scene, covered)
    for row in range(GRID):
        for column in range(GRID):
            block = covered[14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
            name = targets["name"][GRID * row + column]
            digit, order = targets["digit"][GRID * row + column], targets["order"][GRID * row + column]
            if name:
                names = [thing.name for thing in scene.things] + ["number"] * 5
                assert NAMES[name] in {names[n - 1] for n in np.unique(block[block > 0])}
            else:
                assert max((block == n).sum() for n in range(1, covered.max() + 1)) <= 14 * 14 / 6
            assert (digit >= 0) == (NAMES[name] == "number")
            if digit >= 0:
                assert scene.plate.digits[order] == str(digit) and len(scene.things) + 1 + order in block
    assert targets["middle"].sum() == len(scene.things)


def test_newton_schulz_makes_matrices_nearly_orthogonal():
    torch.manual_seed(0)
    x = orthogonal(torch.randn(3, 20, 50))
    singular = torch.linalg.svdvals(x)
    assert singular.min() > 0.5 and singular.max() < 1.5
    assert orthogonal(torch.randn(2, 50, 20)).shape == (2, 50, 20)


@pytest.mark.parametrize("seed", range(12))
def test_looks_point_from_the_asked_word_to_the_patches_of_its_thing(tiny, seed):
    scene, rng = random_scene(f"looks {seed}"), random.Random(seed)
    questions = [ask(scene, skill, rng) for skill in SKILLS]
    sample = Packer(tiny.processor, 2400).pack(Views(tiny.processor).of(scene), questions, alone=True)
    covered, tokenizer = render(scene)[1], tiny.processor.tokenizer
    batch = collate([sample])
    for number, question in enumerate(questions, start=1):
        own = [target for target in sample.targets if sample.turn[target.token] == number]
        subjects = [target for target in own if target.stage == "subject"]
        assert len(subjects) == len(question.sought)
        for target, (start, end, things) in zip(subjects, question.sought, strict=True):
            piece = tokenizer.decode([sample.ids[target.token]]).strip(" ?.")
            assert question.text[start:end].endswith(piece) or piece.startswith(question.text[start:end][-1])
            assert target.things == things
        # Words of an answer are written one token early: what comes next speaks of what is looked at.
        for target in own:
            if target.stage == "answer" and len(target.things) == 1 and target.things[0] <= len(scene.things):
                assert sample.labels[target.token + 1] != IGNORED
    tokens, wanted = batch.targets["answer"]
    for row, target in enumerate(target for target in sample.targets if target.stage == "answer"):
        assert tokens[0, row] == target.token
        blocks = covered.reshape(GRID, 14, GRID, 14).swapaxes(1, 2).reshape(GRID**2, -1)
        for patch in wanted[0, row, 1:].nonzero()[:, 0]:
            assert set(blocks[patch][blocks[patch] > 0].tolist()) & set(target.things)
        assert wanted[0, row, 0] == (not target.things)


def test_one_demonstration_is_recorded_beside_the_others(tmp_path, monkeypatch):
    folder = shutil.copytree(record_traces.TRACES, tmp_path / "traces")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    run = open_run(folder / "wrong-count.zip")
    question = Question("count_object", "How many?", "There is one.", ())
    monkeypatch.setattr(record_traces, "load", lambda *args, **more: None)
    monkeypatch.setattr(record_traces, "record", lambda llava, demonstration: (run, question))
    monkeypatch.setattr("sys.argv", ["record_traces", "--only", "heavy-hitters", "--out", str(folder)])
    record_traces.main()
    changed = {file.name for file in folder.iterdir() if file.read_bytes() != before[file.name]}
    assert changed == {"heavy-hitters.zip"}
    assert [entry["name"] for entry in json.loads(before["traces.json"])] == [
        one.name for one in record_traces.DEMONSTRATIONS
    ]
