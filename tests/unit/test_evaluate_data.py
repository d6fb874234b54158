"""Where samples come from: emoji scenes that are drawn anew, and files of the public formats."""

import json
import random
from collections import Counter
from functools import partial
from importlib.metadata import EntryPoint

import pytest

from elastic.evaluate import registry
from elastic.evaluate.data import Sample, registered_samples
from elastic.evaluate.files import read_file
from scenes.evaluation import JUDGED
from scenes.questions import PLAIN_FORMS, ask
from scenes.scene import random_scene, render

scene_samples = partial(registered_samples, "scenes")


@pytest.fixture
def images(tmp_path, picture):
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.jpg"):
        picture.save(folder / name)
    picture.save(tmp_path / "secret.png")
    return folder


def saved(tmp_path, content, name="data.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_scenes_are_the_held_out_ones_of_the_training_evaluation():
    rng = random.Random("evaluate 7 1")
    asked = [ask(random_scene("evaluate 7 1"), skill, rng, PLAIN_FORMS) for skill in (*JUDGED, "describe")]
    samples = scene_samples(7, 42, 2, 0)[22:]
    assert [(s.turns[0].question, s.turns[0].answer) for s in samples] == [(q.text, q.answer) for q in asked]
    assert samples[0].open().tobytes() == render(random_scene("evaluate 7 1"))[0].tobytes()


def test_questions_are_spread_over_the_skills_and_the_counts_are_those_asked_for():
    samples = scene_samples(1, 42, 3, 2)
    kinds = Counter(sample.name.split(maxsplit=2)[2] for sample in samples)
    assert kinds == {**dict.fromkeys(JUDGED, 2), "describe": 3, "conversation": 2}
    assert [t.skill for s in samples if len(s.turns) > 1 for t in s.turns] == ["turn 1", "turn 2", "turn 3"] * 2
    assert len({sample.name for sample in samples}) == len(samples)


def test_more_samples_of_a_seed_begin_with_the_same_ones():
    few, many = scene_samples(1, 7, 1, 1), scene_samples(1, 25, 3, 3)
    assert {sample.name: sample for sample in few}.items() <= {sample.name: sample for sample in many}.items()
    assert scene_samples(2, 7, 1, 1) != few
    assert scene_samples(1, 0, 0, 0) == []


def test_data_that_nobody_offers_are_a_sentence_that_says_what_to_do_instead(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "CHECKOUT", tmp_path / "pyproject.toml")  # as of a package that is installed alone
    with pytest.raises(ValueError, match=r"No package .* offers 'scenes' .*Give a file of your own with --data"):
        scene_samples(1, 1, 0, 0)
    registry.CHECKOUT.write_text('[tool.elastic."elastic.evaluate.data"]\nscenes = "no_such_room.evaluation:samples"')
    with pytest.raises(ValueError, match="needs the package 'no_such_room', which is not installed"):
        scene_samples(1, 1, 0, 0)


def test_a_package_that_is_installed_adds_data_of_its_own(monkeypatch):
    offered = EntryPoint("mine", "tests.unit.test_evaluate_data:two_samples", registry.DATA)
    monkeypatch.setattr(registry, "entry_points", lambda group: [offered] if group == registry.DATA else [])
    first, second = registered_samples("mine", 3, 1, 0, 0)
    assert (first.name, second.turns[0].question, second.turns[0].most_tokens) == ("a 3", "What?", None)
    assert first.open() == "a picture"
    assert scene_samples(1, 1, 0, 0), "what the checkout has is there as well"


def two_samples(seed, questions, descriptions, conversations):
    """As others may write them, with no import of ours."""
    turns = [{"question": "What?", "answer": None, "skill": "what"}]
    return [{"name": f"{name} {seed}", "picture": lambda: "a picture", "turns": turns} for name in "ab"]


def test_mm_vet(tmp_path, images):
    record = {
        "imagename": "a.png",
        "question": "What is x?",
        "answer": "-1<AND>-5<OR>1 or 5",
        "capability": ["ocr", "math"],
    }
    samples, problems = read_file(saved(tmp_path, {"v1_0": record, "v1_1": record | {"answer": "2"}}), images)
    assert problems == []
    assert [sample.name for sample in samples] == ["v1_0", "v1_1"]
    turn = samples[0].turns[0]
    assert (turn.question, turn.answer, turn.skill) == ("What is x?", "-1 and -5", "ocr, math")
    assert not samples[0].is_exact, "one of several right answers"
    assert samples[0].picture == images / "a.png"


def test_llava_descriptions_and_conversations(tmp_path, images):
    said = [{"from": "human", "value": "<image>\nDescribe it."}, {"from": "gpt", "value": "A dog."}]
    more = [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "Here."}]
    records = [
        {"id": "one", "image": "deep/b.jpg", "conversations": said},
        {"id": "one", "image": "a.png", "conversations": said + more},
        {"image": "a.png", "conversations": said[:1]},
    ]
    samples, problems = read_file(saved(tmp_path, records), images)
    assert problems == []
    assert [sample.name for sample in samples] == ["one", "one (1)", "2"]
    assert [(t.question, t.answer, t.skill) for t in samples[0].turns] == [("Describe it.", "A dog.", "describe")]
    assert [(t.question, t.skill) for t in samples[1].turns] == [("Describe it.", "turn 1"), ("Where?", "turn 2")]
    assert samples[2].turns[0].answer is None
    assert samples[0].open().size == (224, 224)


def test_questions_in_json_lines(tmp_path, images):
    lines = [
        {"question_id": 4, "image": "a.png", "text": "What?", "category": "conv", "answer": "A dog."},
        {"question_id": 5, "image": "a.png", "text": "Why?", "gpt_answer": "Because."},
        {"question_id": 6, "image": "a.png", "text": "When?"},
    ]
    content = "\n".join(map(json.dumps, lines)) + "\n\n"
    for name in ("q.jsonl", "q.txt"):
        samples, problems = read_file(saved(tmp_path, content, name), images)
        assert problems == []
        turns = [sample.turns[0] for sample in samples]
        assert [(t.question, t.answer, t.skill) for t in turns] == [
            ("What?", "A dog.", "conv"),
            ("Why?", "Because.", "question"),
            ("When?", None, "question"),
        ]
        assert [sample.is_exact for sample in samples] == [True, False, False]
    assert len(read_file(saved(tmp_path, json.dumps(lines[0]) + "\n"), images)[0]) == 1, "a single line is JSON too"
    assert len(read_file(saved(tmp_path, content), images, limit=2)[0]) == 2


def test_what_cannot_be_used_is_named_by_its_index_and_the_others_go_on(tmp_path, images):
    good = {"question_id": "good", "image": "a.png", "text": "What?"}
    lines = [
        json.dumps(good),
        json.dumps(good | {"image": "missing.png"}),
        '{"image": "a.png", "te',
        json.dumps({"image": "a.png"}),
        json.dumps(good | {"image": "../secret.png"}),
        json.dumps(good | {"image": "/etc/hostname"}),
        json.dumps(good | {"text": ["no", "text"]}),
        json.dumps(good | {"question_id": "last"}),
    ]
    samples, problems = read_file(saved(tmp_path, "\n".join(lines), "q.jsonl"), images)
    assert [sample.name for sample in samples] == ["good", "last"]
    expected = ("'missing.png' is not in", "no JSON object", "no 'text'", "outside", "outside", "a text is expected")
    assert len(problems) == len(expected)
    for index, (problem, words) in enumerate(zip(problems, expected, strict=True), start=1):
        assert problem.startswith(f"Record {index} (") and words in problem, problem


def test_no_record_takes_the_place_of_another_whatever_they_are_called(tmp_path, images):
    names = ["a (2)", "a", "a", "a (2) (2)"]
    lines = [json.dumps({"question_id": name, "image": "a.png", "text": f"{n}?"}) for n, name in enumerate(names)]
    samples, problems = read_file(saved(tmp_path, "\n".join(lines), "q.jsonl"), images)
    assert problems == [] and [sample.turns[0].question for sample in samples] == ["0?", "1?", "2?", "3?"]
    assert len({sample.name for sample in samples}) == 4


def test_what_is_of_another_kind_is_said_in_words_and_one_capability_is_one(tmp_path, images):
    record = {"imagename": "a.png", "question": "Which?", "answer": "This."}
    kinds = {"one": "ocr", "numbers": [1, 2], "number": 3, "none": None}
    records = {name: record | {"capability": kind} for name, kind in kinds.items()}
    samples, problems = read_file(saved(tmp_path, records), images)
    assert [(sample.name, sample.turns[0].skill) for sample in samples] == [("one", "ocr"), ("none", "question")]
    assert "a text is expected where it has 1." in problems[0] and "a part of another kind" in problems[1]


def test_a_conversation_out_of_turn_is_refused(tmp_path, images):
    said = [{"from": "gpt", "value": "Hello."}]
    records = [{"image": "a.png", "conversations": found} for found in (said, [], "text")]
    samples, problems = read_file(saved(tmp_path, records), images)
    assert samples == [] and len(problems) == 3
    assert "`human` first" in problems[0] and "`human` first" in problems[1]


@pytest.mark.parametrize("content", ["", "neither", "[]", '{"a": 1}', '[{"caption": "no question"}]', "3"])
def test_a_file_of_another_kind_is_refused(tmp_path, images, content):
    with pytest.raises(ValueError, match="none of the formats known"):
        read_file(saved(tmp_path, content), images)


def test_a_file_that_cannot_be_read_is_refused(tmp_path, images):
    for path in (tmp_path / "missing.json", images / "a.png"):
        with pytest.raises(ValueError, match="cannot be read"):
            read_file(path, images)


def test_a_damaged_picture_is_an_error_of_its_sample(tmp_path):
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        Sample("a", saved(tmp_path, "no picture", "a.png"), ()).open()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[" * 100_000, "no JSON object"),
        (f'{{"image": "a.png", "text": "What?", "question_id": {"9" * 5000}}}', "no JSON object"),
        (json.dumps({"image": "a" * 300 + ".png", "text": "What?"}), "cannot be looked for"),
        (json.dumps({"image": "a.png", "text": "What?", "question_id": "\ud800"}), "half a character"),
        (json.dumps({"image": "a.png", "text": "What\ud800?"}), "half a character"),
    ],
    ids=["brackets without end", "a number without end", "a long name", "half a name", "half a text"],
)
def test_a_line_costs_itself_whatever_is_wrong_with_it(tmp_path, images, line, words):
    good = [json.dumps({"image": "a.png", "text": text}) for text in ("One?", "Two?")]
    samples, problems = read_file(saved(tmp_path, "\n".join([good[0], line, good[1]]), "lines.jsonl"), images)
    assert [sample.turns[0].question for sample in samples] == ["One?", "Two?"]
    assert len(problems) == 1 and words in problems[0] and problems[0].encode()


def test_a_text_may_hold_signs_at_which_other_programs_part_lines(tmp_path, images):
    lines = [json.dumps({"image": "a.png", "text": f"One{sign}two?"}, ensure_ascii=False) for sign in "\u2028\x85"]
    samples, problems = read_file(saved(tmp_path, "\n".join(lines) + "\n", "lines.jsonl"), images)
    assert [sample.turns[0].question for sample in samples] == ["One\u2028two?", "One\x85two?"] and not problems
