"""Scenes, questions and packed samples: what pocket-llava is trained and judged on."""

import json
import random
import shutil

import numpy as np
import pytest
import torch

from elastic.archive import open_run
from elastic.engine import compress, decode, prefill
from elastic.policies.full import Full
from training import record_traces
from training.data import IGNORED, Packer, Packs, collate, patch_targets
from training.evaluate import right_answers, third_turn
from training.optimizer import orthogonal
from training.phrasings import HELD_OUT, PHRASINGS
from training.questions import DIRECTIONS, SHORT_SKILLS, SKILLS, Question, ask, conversation, vocabulary
from training.scenes import GRID, OBJECTS, PLACES, random_scene, render, sprite


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


def test_every_skill_has_five_phrasings_and_others_held_out():
    assert set(PHRASINGS) == set(HELD_OUT) == set(SKILLS)
    for skill, phrasings in PHRASINGS.items():
        assert len(phrasings) >= 5
        assert len(HELD_OUT[skill]) >= 2 and not set(phrasings) & set(HELD_OUT[skill])


def facts(scene):
    """A second, independent account of a scene: place -> (name, size)."""
    return {PLACES[thing.cell]: (thing.name, thing.size) for thing in scene.things}


@pytest.mark.parametrize("seed", range(40))
def test_answers_agree_with_the_scene(seed):
    scene, rng = random_scene(seed), random.Random(seed)
    there = facts(scene)
    names = [name for name, _ in there.values()]
    question = ask(scene, "count_all", rng)
    number = ["no", "one", "two", "three", "four", "five", "six"].index(question.answer.split()[2])
    assert number == len(there)
    answer = ask(scene, "is_there", rng).answer
    assert (answer.startswith("Yes") and answer.split()[4] in names) or answer.split()[4] not in names
    description = ask(scene, "describe", rng).answer
    for place, (name, size) in there.items():
        preposition = {"top": "at", "bottom": "at", "left": "on", "right": "on"}.get(place, "in")
        assert f"There is a {size} {name} {preposition} the {place}." in description
    assert description.count("There is a") == len(there)
    question = ask(scene, "relation", rng)
    if question.skill == "relation":
        grid = [[there.get(PLACES[3 * r + c], (None,))[0] for c in range(3)] for r in range(3)]
        subject = question.answer.split()[-1].rstrip(".")
        row, column = next((r, c) for r in range(3) for c in range(3) if grid[r][c] == subject)
        direction = next(d for d in DIRECTIONS if d in question.answer)
        line = {
            "left of": grid[row][:column][::-1],
            "right of": grid[row][column + 1 :],
            "above": [grid[r][column] for r in range(row)][::-1],
            "below": [grid[r][column] for r in range(row + 1, 3)],
        }[direction]
        expected = next((name for name in line if name), "nothing")
        assert question.answer.split()[2 if expected == "nothing" else 3] == expected


def test_words_that_are_asked_about_are_single_tokens(pocket):
    for word in vocabulary():
        assert len(pocket.processor.tokenizer.encode(f" {word}", add_special_tokens=False)) == 1, word


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
    packer = Packer(pocket.processor, 1600)
    together = right_answers(pocket, packer.pack(scene, questions, alone=True))
    picture = render(scene)[0]
    for question, right in zip(questions, together, strict=True):
        state = compress(prefill(pocket, pocket.first_turn(picture, question.text)), Full())
        written = pocket.text([step.token for step in decode(state, 60)])
        assert (written == question.answer) == right, (question, written)


def test_the_third_turn_counts_only_what_the_model_really_writes(pocket):
    """With a wrong reference for the first answer, the conversation is decoded, and the third answer still judged."""
    scene, rng = random_scene("third"), random.Random(3)
    questions = conversation(scene, 4, rng)
    packer = Packer(pocket.processor, 1600)
    honest = third_turn(pocket, packer, scene, questions)
    misled = [Question("background", questions[0].text, "The background is plaid."), *questions[1:]]
    assert third_turn(pocket, packer, scene, misled) == honest


def test_packed_questions_cannot_see_one_another(tiny):
    packs = Packs(tiny.processor, length=640, chats=0.0, start=0, count=2)
    batch = collate([packs[0], packs[1]])
    visible, turn = batch.visible[0, 0], batch.turn[0]
    for number in (1, 2, 5):
        own = turn == number
        assert set(turn[visible[own].any(0)].tolist()) == {0, number}
    assert not visible.triu(1).any()
    # Each question starts behind the picture, as if it stood there alone.
    first = [batch.positions[0][turn == number][0].item() for number in (1, 2, 5)]
    assert len(set(first)) == 1


def test_conversations_are_seen_whole_and_samples_do_not_depend_on_order(tiny):
    packs = Packs(tiny.processor, length=640, chats=1.0, start=7, count=3)
    batch = collate([packs[2]])
    length = int((batch.turn[0] >= 0).sum())
    assert torch.equal(batch.visible[0, 0, :length, :length], torch.ones(length, length, dtype=torch.bool).tril())
    again = Packs(tiny.processor, length=640, chats=1.0, start=9, count=1)[0]
    assert again.ids == packs[2].ids and np.array_equal(again.pixels, packs[2].pixels)
    assert any(label != IGNORED for label in again.labels)


def test_training_pixels_are_the_processors_pixels(tiny, picture):
    expected = tiny.processor.image_processor(picture, return_tensors="np")["pixel_values"][0]
    assert np.allclose(Packer(tiny.processor, 640).pixels(picture), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_patch_targets_point_at_what_is_there(seed):
    scene = random_scene(seed)
    covered = render(scene)[1]
    targets = patch_targets(scene, covered)
    for row in range(GRID):
        for column in range(GRID):
            block = covered[14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
            name = targets["name"][GRID * row + column]
            if name:
                assert OBJECTS[name - 1] in {scene.things[n - 1].name for n in np.unique(block[block > 0])}
            else:
                assert max((block == n).sum() for n in range(1, len(scene.things) + 1)) <= 14 * 14 / 6
    assert targets["middle"].sum() == len(scene.things)


def test_newton_schulz_makes_matrices_nearly_orthogonal():
    torch.manual_seed(0)
    x = orthogonal(torch.randn(3, 20, 50))
    singular = torch.linalg.svdvals(x)
    assert singular.min() > 0.5 and singular.max() < 1.5
    assert orthogonal(torch.randn(2, 50, 20)).shape == (2, 50, 20)


@pytest.mark.parametrize("seed", range(12))
def test_looks_point_from_the_asked_word_to_the_patches_of_its_thing(pocket, seed):
    scene, rng = random_scene(f"looks {seed}"), random.Random(seed)
    questions = [ask(scene, skill, rng) for skill in SKILLS]
    packer = Packer(pocket.processor, 1600)
    sample = packer.pack(scene, questions, alone=True)
    covered = render(scene)[1]
    batch = collate([sample])
    for question, number in zip(questions, range(1, len(questions) + 1), strict=True):
        own = [look for look in sample.looks if sample.turn[look.token] == number]
        subjects = [look for look in own if look.stage == "subject"]
        for look in subjects:
            assert pocket.processor.tokenizer.decode([sample.ids[look.token]]).strip() == question.subject
        if question.skill in ("where", "size", "is_there", "count_object"):
            named = {scene.things[n - 1].name for look in subjects for n in look.things}
            assert named == {thing.name for thing in question.about}
        # The words of an answer look ahead: what they point at is what the next token speaks of, or a part of it.
        for look in own:
            if look.stage == "answer":
                assert set(look.things) <= {scene.things.index(thing) + 1 for thing in question.about}
    tokens, wanted = batch.looks["answer"]
    for row, look in enumerate(look for look in sample.looks if look.stage == "answer"):
        assert tokens[0, row] == look.token
        blocks = covered.reshape(GRID, 14, GRID, 14).swapaxes(1, 2).reshape(GRID**2, -1)
        for patch in wanted[0, row, 1:].nonzero()[:, 0]:
            assert set(blocks[patch][blocks[patch] > 0].tolist()) & set(look.things)
        assert wanted[0, row, 0] == (not look.things)


def test_one_lesson_is_recorded_beside_the_others(tmp_path, monkeypatch):
    folder = shutil.copytree(record_traces.TRACES, tmp_path / "traces")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    run = open_run(folder / "wrong-count.zip")
    question = Question("count_object", "How many?", "There is one.", ())
    monkeypatch.setattr(record_traces, "load", lambda *args, **more: None)
    monkeypatch.setattr(record_traces, "record", lambda llava, lesson: (run, question))
    monkeypatch.setattr("sys.argv", ["record_traces", "--only", "heavy-hitters", "--out", str(folder)])
    record_traces.main()
    changed = {file.name for file in folder.iterdir() if file.read_bytes() != before[file.name]}
    assert changed == {"heavy-hitters.zip"}
    assert [entry["name"] for entry in json.loads(before["traces.json"])] == [one.name for one in record_traces.LESSONS]
