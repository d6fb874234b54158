"""Texts that come with the evaluation: needles that can be told apart, and passages that are not cut within words."""

import re
from collections import Counter
from functools import partial
from itertools import combinations

import pytest

from elastic.evaluate import needles, passages
from elastic.evaluate.prose import FOLDER, WORKS, Words, beginnings, prose
from scenes.evaluation import passages as described
from scenes.evaluation import recalled
from scenes.scene import GRID, PATCH_SIZE, random_scene


@pytest.fixture(scope="module")
def words(tiny_text):
    return Words(tiny_text.tokenizer)


@pytest.fixture(scope="module")
def recall(words):
    return partial(needles.samples, descriptions=0, words=words, tokens=600)


def values(samples):
    return [turn["answer"][slice(*turn["value"])] for sample in samples for turn in sample["turns"]]


def test_every_text_has_its_source_and_its_licence():
    licences = (FOLDER / "LICENSES.md").read_text(encoding="utf-8")
    files = {path.stem for path in FOLDER.glob("*.txt")}
    assert files == {work for works in WORKS for work in works}
    assert all(f"| {name}.txt |" in licences for name in files)


def test_a_needle_stands_once_in_its_text_and_its_value_nowhere_else(recall):
    for sample in recall(3, questions=16, conversations=2, needles=1):
        for turn in sample["turns"]:
            (value,) = values([sample | {"turns": [turn]}])
            assert sample["text"].count(turn["needs"]) == 1 and value in turn["needs"]
            assert sample["text"].count(value) == 1 and value not in turn["question"]
            assert turn["answer"].endswith(value) and turn["is_written"] is False


def test_kinds_are_what_they_say(recall):
    samples = recall(2, questions=16, conversations=0, needles=1)
    assert Counter(sample["turns"][0]["skill"] for sample in samples) == dict.fromkeys(needles.SKILLS, 2)
    for sample, value in zip(samples, values(samples), strict=True):
        (turn,) = sample["turns"]
        kind, length = turn["skill"].split(", ")
        pattern = {"name": r"[A-Z]\w+ [A-Z]\w+", "ten digits": r"\d{10}"}.get(kind, r"\d{5}")
        assert re.fullmatch(pattern, value)
        assert (turn["needs"].index(value) < turn["needs"].index(" is ")) == (kind == "number first")
        assert (len(turn["question"]) > 100) == (length == "long question")


def test_texts_are_about_as_long_as_was_asked_for_and_needles_stand_anywhere(recall, words):
    samples = recall(1, questions=40, conversations=0, needles=1)
    lengths = [words.count(sample["text"]) for sample in samples]
    assert all(length <= 610 for length in lengths) and sum(lengths) / len(lengths) > 480
    depths = [sample["text"].index(sample["turns"][0]["needs"]) / len(sample["text"]) for sample in samples]
    assert min(depths) < 0.2 and max(depths) > 0.8


def test_seeds_share_no_value_and_even_and_odd_ones_no_words(recall):
    found = {seed: values(recall(seed, questions=64, conversations=4, needles=1)) for seed in (0, 1, 2, 3, 38)}
    for one, other in combinations(found, 2):
        assert not set(found[one]) & set(found[other])
    assert not set(WORKS[0]) & set(WORKS[1])
    for name in ("places", "first_names", "last_names", "long"):
        assert not set(getattr(needles.WORDINGS[0], name)) & set(getattr(needles.WORDINGS[1], name))


def test_within_a_seed_no_value_comes_twice_while_there_are_enough(recall):
    found = values(recall(1, questions=64, conversations=0, needles=1))
    assert len(set(found)) == len(found)


def test_several_needles_of_a_text_are_about_different_places(recall):
    samples = recall(1, questions=8, conversations=0, needles=4)
    assert len({sample["text"] for sample in samples}) == 2
    for text in {sample["text"] for sample in samples}:
        own = [sample["turns"][0] for sample in samples if sample["text"] == text]
        assert len({turn["question"] for turn in own}) == 4 == sum(text.count(turn["needs"]) for turn in own)


def test_more_questions_of_a_seed_begin_with_the_same_ones(recall):
    few, many = (recall(1, questions=count, conversations=0, needles=1) for count in (3, 9))
    assert many[:3] == few


@pytest.mark.parametrize("asked", [{"needles": 20}, {"needles": 17}, {"tokens": 64, "needles": 4}])
def test_more_needles_than_a_text_has_room_for_are_refused(words, asked):
    with pytest.raises(ValueError, match=r"fewer --needles|ask for fewer"):
        needles.samples(1, 20, 0, 0, **{"words": words, "tokens": 300} | asked)


def test_a_passage_and_what_follows_are_consecutive_words_of_a_work(words):
    for sample in passages.samples(1, 6, 0, 0, words, 200, 40):
        (turn,) = sample["turns"]
        work = prose((sample["name"].split()[2], int(sample["name"].split()[3])))
        assert work.startswith(sample["text"] + turn["answer"])
        assert turn["answer"][0].isspace() or sample["text"][-1].isspace(), "no word is cut"
        assert 190 <= words.count(sample["text"]) <= 200 and 30 <= words.count(turn["answer"]) <= 40


def test_passages_of_two_seeds_are_different_ones_and_of_even_and_odd_seeds_from_different_works(words):
    found = {seed: [s["text"] for s in passages.samples(seed, 12, 0, 0, words, 100, 20)] for seed in range(4)}
    texts = [text for of_seed in found.values() for text in of_seed]
    assert len(set(texts)) == 48
    assert not {work for work, _ in beginnings(0)} & {work for work, _ in beginnings(1)}


def test_texts_are_cut_before_a_word_and_never_longer_than_asked(words):
    text = prose(beginnings(0)[0])
    for tokens in (5, 50, 333):
        cut = words.first(text, tokens)
        assert text.startswith(cut) and tokens - 12 < words.count(cut) <= tokens
        assert text[len(cut)].isspace() or cut[-1].isspace()
    with pytest.raises(ValueError, match="no 60 tokens in a row"):
        words.first("too short", 60)


def test_numbers_of_scenes_are_judged_digit_by_digit_and_need_the_patches_of_their_plate():
    samples = recalled(1, 12, 0, 0)
    assert len(samples) == 12 and len({sample["name"] for sample in samples}) == 12
    assert {turn["skill"] for s in samples for turn in s["turns"]} == {"number", "number_at", "number_there", "digit"}
    for sample, value in zip(samples, values(samples), strict=True):
        scene, turn = sample["picture"].scene, sample["turns"][0]
        left, top = scene.plate.corner
        width = len(scene.plate.digits) * scene.plate.pixels
        plate = {
            ((column + 0.5) / GRID, (row + 0.5) / GRID)
            for row in range(top // PATCH_SIZE, (top + scene.plate.pixels) // PATCH_SIZE)
            for column in range(left // PATCH_SIZE, (left + width) // PATCH_SIZE)
        }
        assert value == scene.plate.digits if turn["skill"] != "digit" else value in scene.plate.digits
        assert turn["needs"] and set(turn["needs"]) <= plate
        assert turn["answer"].endswith(value)
    assert random_scene("evaluate 1 0").things == random_scene("evaluate 1 0", plates=1.0).things


def test_passages_of_scenes_are_their_descriptions():
    samples = described(1, 3, 0, 0)
    assert [sample["name"] for sample in samples] == [f"scene {number} describe" for number in range(3)]
    assert all(turn["skill"] == "describe" and not turn["is_written"] for s in samples for turn in s["turns"])
