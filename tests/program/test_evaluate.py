"""The evaluation program: what it computes once, what it goes on with, and what it says when something is wrong."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path

import pytest

from elastic import __version__
from elastic.engine import compress, decode, extend, prefill
from elastic.evaluate import __main__ as program
from elastic.evaluate import run as running
from elastic.evaluate import selection, workers
from elastic.evaluate.data import Sample, Turn, registered_samples
from elastic.evaluate.methods import FULL, Variant, in_bits, keeps, methods, variants
from elastic.evaluate.run import Chunk, chunks, run_chunk
from elastic.policies import POLICIES
from scenes.evaluation import Drawing
from viz import report

ROOT = Path(__file__).parents[2]
TIMES = {"ms_per_token", "compress_ms"}
scene_samples = partial(registered_samples, "scenes")


@pytest.fixture
def evaluate(tiny, tiny_folder, tmp_path, monkeypatch):
    """The program in this process, with the tiny model; returns its results."""
    monkeypatch.setattr(workers, "loaded", lambda model: tiny)
    monkeypatch.setattr(program, "POCKET", tiny_folder)
    monkeypatch.setattr(selection, "POCKET", tiny_folder)
    monkeypatch.setattr(report, "report_html", lambda results: "a report takes its second")
    few = ["--policies", "elastic", "--keep", "0.2", "--limit", "3", "--describe", "1", "--conversations", "1"]
    few += ["--max-new-tokens", "6", "--out", str(tmp_path / "found.json")]
    return lambda *options: program.run(program.arguments([*few, *options]))


@pytest.fixture
def lines(tmp_path):
    """The lines of the file of answers, without their times and checksums."""

    def read(stem="found"):
        found = map(json.loads, (tmp_path / f"{stem}.samples.jsonl").read_text().splitlines())
        # A line's checksum is about its times and its run, too.
        return [{name: value for name, value in line.items() if name not in {*TIMES, "check"}} for line in found]

    return read


def untimed(row):
    """A row of the results without what depends on the machine's mood."""
    return {
        name: untimed(value) if isinstance(value, dict) else value
        for name, value in row.items()
        if name.removesuffix("_ci") not in TIMES
    }


def counting(monkeypatch):
    """Samples and methods that are computed from now on."""
    computed, real = [], running.run_chunk

    def count(llava, chunk):
        computed.extend((sample.name, *variant.key) for sample in chunk.samples for variant in chunk.variants)
        return real(llava, chunk)

    monkeypatch.setattr(workers, "run_chunk", count)
    return computed


def test_a_run_writes_every_answer_and_a_row_per_method(evaluate, lines, tmp_path):
    results = evaluate()
    assert [(row["policy"], row["keep"], row["n"]) for row in results["rows"]] == [("full", 1, 7), ("elastic", 0.2, 7)]
    assert json.loads((tmp_path / "found.json").read_text()) == results
    settings = results["settings"]
    assert settings["elastic"] == __version__
    assert (settings["samples"], settings["seed"], settings["device"], settings["errors"]) == (5, 1, "CPU", [])
    answers = [line for line in lines() if "policy" in line]
    assert len(answers) == 14
    for sample in {line["sample"] for line in answers}:
        assert next(line["policy"] for line in answers if line["sample"] == sample) == "full"
    turns = [line["skill"] for line in answers if line["sample"] == "scene 0 conversation"]
    assert turns == ["turn 1", "turn 2", "turn 3"] * 2


def test_a_killed_run_goes_on_where_it_was(evaluate, lines, tmp_path, monkeypatch, capsys):
    whole = evaluate()
    path = tmp_path / "found.samples.jsonl"
    content, at_end = path.read_bytes(), lines()
    # Killed while it wrote: the last line of all is torn, and a conversation lacks its last turn.
    cut = content.index(b"scene 0 conversation")
    cut = content.index(b"turn 3", cut)
    path.write_bytes(content[: cut + 3])
    before = len([line for line in content[:cut].splitlines()[:-1] if b'"policy"' in line])
    computed = counting(monkeypatch)
    again = evaluate()
    assert f"Going on: {before} answers" in capsys.readouterr().out
    assert ("scene 0 conversation", "full", 1.0) in computed
    assert 0 < len(computed) < 10
    assert [untimed(row) for row in again["rows"]] == [untimed(row) for row in whole["rows"]]
    key = json.dumps
    assert {key(line) for line in lines()} == {key(line) for line in at_end}


def test_a_finished_run_computes_nothing_again_and_further_work_is_added(evaluate, monkeypatch):
    first = evaluate()
    computed = counting(monkeypatch)
    assert [untimed(row) for row in evaluate()["rows"]] == [untimed(row) for row in first["rows"]]
    assert computed == []
    added = evaluate("--policies", "elastic,h2o", "--keep", "0.2,0.1")
    assert {key[1:] for key in computed} == {("elastic", 0.1), ("h2o", 0.2), ("h2o", 0.1)}
    assert [(row["policy"], row["keep"]) for row in added["rows"]][:2] == [("full", 1), ("elastic", 0.2)]
    # Only what it is compared with may be another: the further method may be the best.
    before, after = (untimed(found["rows"][1]) for found in (first, added))
    assert before.pop("vs_best") and after.pop("vs_best") and after == before
    computed.clear()
    evaluate("--limit", "4")
    assert {name for name, *_ in computed} == {scene_samples(1, 4, 0, 0)[3].name}
    computed.clear()
    fewer = evaluate("--limit", "2")
    assert computed == [] and fewer["rows"][0]["n"] == 6, "a row is about what was asked for"


def test_answers_of_another_run_are_not_gone_on_with(evaluate, tmp_path):
    evaluate("--limit", "1", "--describe", "0", "--conversations", "0")
    with pytest.raises(ValueError, match=r"another run \(seed 1 instead of 2\).*--fresh"):
        evaluate("--seed", "2")
    assert evaluate("--seed", "2", "--fresh", "--limit", "1")["settings"]["seed"] == 2
    for content in ("no json\n", '{"a": 1}\n'):
        (tmp_path / "found.samples.jsonl").write_text(content)
        with pytest.raises(ValueError, match="no file of an evaluation"):
            evaluate()


def test_batches_give_what_single_samples_give(evaluate, lines, tmp_path):
    options = ("--policies", "elastic,vlcache", "--limit", "11", "--conversations", "0", "--describe", "0")
    evaluate(*options, "--out", str(tmp_path / "single.json"))
    evaluate(*options, "--out", str(tmp_path / "batch.json"), "--batch", "4")
    single, batch = (
        {(line["sample"], line["policy"]): line for line in lines(stem) if "policy" in line}
        for stem in ("single", "batch")
    )
    assert len(single) == 33 and single.keys() == batch.keys()
    for key, one in single.items():
        other = batch[key]
        for name, value in one.items():
            assert other[name] == (pytest.approx(value, abs=2e-3) if isinstance(value, float) else value), (key, name)


def test_equally_long_prompts_share_a_chunk_and_a_conversation_is_alone():
    samples = scene_samples(1, 12, 2, 2)
    lengths = {sample.name: len(sample.turns[0].question) % 2 for sample in samples}
    elastic = Variant("elastic", POLICIES["elastic"]())
    todo = chunks(samples, [FULL, elastic], Counter(), lengths, 4, Chunk(most_tokens=20))
    assert sorted(s.name for chunk in todo for s in chunk.samples) == sorted(s.name for s in samples)
    for chunk in todo:
        assert len(chunk.samples) <= 4 and len({lengths[s.name] for s in chunk.samples}) == 1
        assert len(chunk.samples) == 1 or all(len(s.turns) == 1 for s in chunk.samples)
        assert len({s.turns[0].most_tokens for s in chunk.samples}) == 1, "no description beside short answers"
    assert max(len(chunk.samples) for chunk in todo) == 4


def test_later_turns_hear_the_reference_answers_whatever_a_method_wrote(tiny):
    sample = scene_samples(1, 0, 0, 1)[0]
    variant = Variant("elastic", POLICIES["elastic"](keep=0.1))
    found = run_chunk(tiny, Chunk((sample,), (FULL, variant), 8))
    last = found[-1]
    assert (last["policy"], last["skill"]) == ("elastic", "turn 3")
    state = prefill(tiny, tiny.first_turn(sample.open(), sample.turns[0].question), variant.policy.needs)
    for turn in sample.turns[:2]:
        spelled = tiny.processor.tokenizer(" " + turn.answer, add_special_tokens=False).input_ids
        state = compress(state, variant.policy)
        assert len(list(decode(state, len(spelled) + 1, forced=[*spelled, 2]))) == len(spelled) + 1
        extend(state, tiny.next_turn(sample.turns[1 if turn is sample.turns[0] else 2].question))
    state = compress(state, variant.policy)
    assert last["bytes_prompt"] == sum(state.cache.bytes_held)
    assert last["text"] == tiny.text([step.token for step in decode(state, 8)])


class Failing(POLICIES["elastic"]):
    """Fails on some prompts."""

    title = about = "fails"
    least = 0.0

    def compress(self, layers, seen):
        if layers[0].keys.sum() > self.least:
            raise RuntimeError("out of memory\nand a long explanation")
        return super().compress(layers, seen)


def test_a_method_that_fails_on_a_sample_is_noted_and_all_others_go_on(tiny, monkeypatch):
    turn = Turn("Where is the dog?", "Here.", "where")
    samples = [Sample(str(number), Drawing(f"a seed {number}"), (turn,)) for number in range(4)]
    prompts = [tiny.first_turn(sample.open(), turn.question) for sample in samples]
    sums = [prefill(tiny, prompt).cache.layers[0].stored()[0].sum().item() for prompt in prompts]
    monkeypatch.setattr(Failing, "least", sum(sums) / len(sums))
    always = Variant("always", type("Always", (Failing,), {"compress": lambda *_: 1 / 0})())
    sometimes, elastic = Variant("sometimes", Failing()), Variant("elastic", POLICIES["elastic"]())
    found = run_chunk(tiny, Chunk(tuple(samples), (FULL, sometimes, always, elastic), 4))[1:]
    errors = [line for line in found if "error" in line]
    of_always = [line for line in errors if line["policy"] == "always"]
    assert [line["sample"] for line in of_always] == [sample.name for sample in samples]
    assert {line["error"] for line in of_always} == {"ZeroDivisionError: division by zero"}
    of_sometimes = [line for line in found if line["policy"] == "sometimes"]
    assert {"RuntimeError: out of memory"} == {line["error"] for line in of_sometimes if "error" in line}
    assert 0 < sum("error" in line for line in of_sometimes) < len(samples)
    for label in ("full", "elastic"):
        assert sum(line["policy"] == label and "error" not in line for line in found) == len(samples)


def bench(tmp_path, picture):
    picture.save(tmp_path / "a.png")
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    names = ("a.png", "missing.png", "damaged.png", "a.png")
    questions = [{"question_id": n, "image": name, "text": "What?"} for n, name in enumerate(names)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, questions)))
    return "--data", str(tmp_path / "q.jsonl"), "--limit", "4", "--describe", "0", "--conversations", "0"


def test_what_cannot_be_used_is_skipped_and_reported_at_the_end(evaluate, tmp_path, picture, capsys):
    results = evaluate(*bench(tmp_path, picture))
    assert [row["n"] for row in results["rows"]] == [2, 2]
    assert results["rows"][0]["exact"] is None
    (skipped,) = results["settings"]["skipped"]
    assert skipped.startswith("Record 1 (1) of q.jsonl: its picture 'missing.png' is not in")
    (error,) = results["settings"]["errors"]
    assert error.startswith("2 (full at 1, elastic at 0.2): This file cannot be read as a picture")
    at_end = capsys.readouterr().out.split("Written")[-1]
    assert "Skipped: Record 1" in at_end and f"Skipped: {error}" in at_end


def test_answers_about_other_pictures_of_the_same_names_are_not_gone_on_with(evaluate, tmp_path, picture):
    options = bench(tmp_path, picture)
    evaluate(*options)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "elsewhere" / "a.png")
    assert evaluate(*options, "--images", str(tmp_path / "elsewhere"))["rows"], "the same picture, in another folder"
    picture.rotate(90).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="is about other pictures: that of '0' has changed: give another --out, or"):
        evaluate(*options)
    assert evaluate(*options, "--fresh")["rows"]


def test_what_a_file_calls_its_records_cannot_steer_the_terminal(evaluate, tmp_path, picture, capsys):
    options = bench(tmp_path, picture)
    record = {"question_id": "\x1b[2Ja\nSkipped: nothing", "image": "missing.png", "text": "What?"}
    (tmp_path / "q.jsonl").write_text(json.dumps(record) + "\n" + json.dumps(record | {"image": "a.png"}))
    evaluate(*options)
    found = capsys.readouterr().out
    assert r"Skipped: Record 0 (\x1b[2Ja\nSkipped: nothing) of q.jsonl: its picture" in found and "\x1b" not in found


def test_a_run_stops_at_what_cannot_be_used_where_it_was_told_to(evaluate, tmp_path, picture):
    options = bench(tmp_path, picture)
    with pytest.raises(ValueError, match=r"Record 1 .*--on-error skip"):
        evaluate(*options, "--on-error", "stop")
    picture.save(tmp_path / "missing.png")
    with pytest.raises(ValueError, match=r"2 \(full at 1, elastic at 0.2\): This file cannot be read"):
        evaluate(*options, "--on-error", "stop")
    picture.save(tmp_path / "damaged.png")
    assert evaluate(*options, "--on-error", "stop")["rows"][0]["n"] == 4, "the earlier error is made up for"


def test_nothing_to_evaluate_is_said(evaluate):
    with pytest.raises(ValueError, match="no sample to evaluate"):
        evaluate("--limit", "0", "--describe", "0", "--conversations", "0")


def test_processes_beside_this_one_give_the_same(tiny_folder, tmp_path, lines):
    options = ["--policies", "elastic", "--keep", "0.2", "--limit", "2", "--describe", "0", "--conversations", "0"]
    options += ["--model", str(tiny_folder), "--max-new-tokens", "4"]
    program.run(program.arguments([*options, "--workers", "2", "--out", str(tmp_path / "pool.json")]))
    program.run(program.arguments([*options, "--out", str(tmp_path / "here.json")]))
    pool, here = ({json.dumps(line) for line in lines(stem)} for stem in ("pool", "here"))
    assert pool == here


def test_methods_and_budgets_from_words():
    chosen = methods("elastic, elastic:protect_text=false;distance=10,h2o")
    assert chosen == {
        "elastic": {},
        "elastic:protect_text=false;distance=10": {"protect_text": False, "distance": 10},
        "h2o": {},
    }
    found, left_out = variants(chosen, keeps("0.5,0.2"))
    assert left_out == {}
    assert [v.key for v in found][:2] == [("full", 1.0), ("elastic", 0.5)]
    assert len(found) == 7
    assert found[3].policy == POLICIES["elastic"](keep=0.5, protect_text=False, distance=10)
    assert set(methods("all")) == set(POLICIES)
    assert [v.key for v in variants(methods("full"), keeps("1.0,0.2"))[0]] == [("full", 1.0)]


def test_bits_make_of_each_method_that_has_them_one_more_for_each_number():
    chosen = in_bits(methods("snapkv,h2o,kivi,mixkv:bits=8,snapkv:window=8"), "2,4")
    assert [*chosen] == [
        *("snapkv", "snapkv:bits=2", "snapkv:bits=4", "h2o", "kivi", "kivi:bits=4", "mixkv:bits=8"),
        *("snapkv:window=8", "snapkv:window=8;bits=2", "snapkv:window=8;bits=4"),
    ]
    assert chosen["snapkv:window=8;bits=2"] == {"window": 8, "bits": "2"}
    with pytest.raises(ValueError, match=r"none of these methods can be stored in fewer bits. These can: .*snapkv"):
        in_bits(methods("h2o,full"), "4")
    with pytest.raises(ValueError, match="bits must be one of whole, 8, 4, 2, got '3'"):
        in_bits(methods("snapkv"), "3")
    with pytest.raises(ValueError, match="bits must be one of"):
        in_bits(methods("snapkv"), "2;window=3")


def test_a_budget_that_a_method_cannot_hold_is_left_out_with_its_reason():
    found, left_out = variants(methods("think,elastic"), keeps("0.9,0.1"))
    assert [v.key for v in found] == [("full", 1), ("think", 0.9), ("elastic", 0.9), ("elastic", 0.1)]
    assert list(left_out) == ["think at 0.1"] and "keep must be between" in left_out["think at 0.1"]
    found, left_out = variants(methods("divprune+think,elastic"), keeps("0.9,0.1"))
    assert [v.key for v in found[1:]] == [("divprune+think", 0.9), ("elastic", 0.9), ("elastic", 0.1)]
    assert list(left_out) == ["divprune+think at 0.1"]


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        ("elastik", "no policy named 'elastik'. Choose one of: full, elastic"),
        ("", "names no policy"),
        ("elastic:size=3", "elastic has no option 'size'"),
        ("elastic:distance=ten", "distance must be a whole number between"),
        ("elastic:distance=-1", "distance must be between"),
        ("elastic:protect_text=maybe", "protect_text must be true or false, got 'maybe'"),
        ("elastic-plus:score=luck", "score must be one of"),
    ],
)
def test_a_wrong_method_or_option_is_one_sentence_with_what_is_legal(policies, words):
    with pytest.raises(ValueError) as caught:
        methods(policies)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["0", "1.5", "-0.1", "half", "0.5,", "nan"])
def test_a_wrong_budget_is_refused(text):
    with pytest.raises(ValueError, match=r"no share of the cache that is kept\. Give numbers from 0.01 to 1"):
        keeps(text)


def test_a_sample_keeps_its_own_limit_of_tokens(tiny):
    turn = Turn("What?", None, "question", most_tokens=3)
    sample = Sample("a", Drawing("a seed"), (turn, replace(turn, most_tokens=None)))
    written = [line["tokens"] for line in run_chunk(tiny, Chunk((sample,), (FULL,), 5))[1:]]
    assert written[0] <= 3 and written[1] <= 5


@pytest.mark.parametrize("option", ["--keep", "--keep-tokens", "--model", "--data"])
def test_an_empty_text_is_refused_and_not_taken_for_the_default(option, capsys):
    """A script whose variable is not set would else evaluate something else than it asks for."""
    with pytest.raises(SystemExit, match="2"):
        program.arguments([option, " "])
    assert f"argument {option}: an empty text is not possible" in capsys.readouterr().err


def test_the_command_line_explains_itself(capsys):
    with pytest.raises(SystemExit, match="0"):
        program.arguments(["--help"])
    helped = capsys.readouterr().out
    for option in ("--policies", "--keep", "--limit", "--batch", "--workers", "--ray", "--on-error", "--fresh"):
        assert option in helped
    for wrong in (["--batch", "0"], ["--limit", "-1"], ["--on-error", "cry"]):
        with pytest.raises(SystemExit, match="2"):
            program.arguments(wrong)


def test_without_the_rooms_beside_it_elastic_judges_own_pictures_and_says_what_is_missing(
    tiny_folder, tmp_path, picture
):
    """As when the package is installed alone: nothing but its folder is there."""
    shutil.copytree(ROOT / "elastic", tmp_path / "elastic", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--policies", "h2o", "--keep", "0.2", "--model", str(tiny_folder), "--max-new-tokens", "3"]

    def run(*more):
        command = [sys.executable, "-m", "elastic.evaluate", *options, *more]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    own = run(*bench(tmp_path, picture), "--out", "own.json")
    assert own.returncode == 0, own.stderr
    assert "No report as HTML: No package that is installed here offers 'html'" in own.stdout
    rows = json.loads((tmp_path / "own.json").read_text())["rows"]
    assert [(row["policy"], row["n"]) for row in rows] == [("full", 2), ("h2o", 2)]
    assert not (tmp_path / "own.html").exists()
    scenes = run("--out", "scenes.json")
    assert scenes.returncode == 1 and len(scenes.stderr.strip().splitlines()) == 1
    assert "offers 'scenes'" in scenes.stderr and "Give a file of your own with --data" in scenes.stderr


def test_the_program_says_what_is_wrong_in_one_sentence():
    command = [sys.executable, "-m", "elastic.evaluate", "--policies", "nothing"]
    wrong = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 1 and len(wrong.stderr.strip().splitlines()) == 1
    assert wrong.stderr.startswith("error: There is no policy named 'nothing'.")


@pytest.fixture
def evaluate_text(tiny_text, tiny_text_folder, tmp_path, monkeypatch):
    """The program in this process, with the tiny text model; returns its results."""
    monkeypatch.setattr(workers, "loaded", lambda model: tiny_text)
    monkeypatch.setattr(selection, "loaded", lambda model: tiny_text)
    few = ["--model", str(tiny_text_folder), "--keep", "0.5", "--policies", "h2o,tgvkv", "--tokens", "300"]
    few += ["--limit", "3", "--out", str(tmp_path / "found.json")]
    return lambda *options: program.run(program.arguments([*few, *options]))


def test_texts_are_recalled_and_gone_on_from_and_what_needs_a_picture_is_left_out(evaluate_text, lines, capsys):
    results = evaluate_text("--data", "recall", "--conversations", "1", "--needles", "2", "--keep-tokens", "64")
    assert [(row["policy"], row["budget"], row["n"]) for row in results["rows"]] == [
        *(("full", None, 6), ("h2o", None, 6), ("h2o", 64, 6))
    ]
    assert "Left out: tgvkv" in capsys.readouterr().out and "no picture" in results["settings"]["left_out"]["tgvkv"]
    assert results["settings"]["texts"] and results["settings"]["tokens"] == 300
    answers = [line for line in lines() if "policy" in line]
    assert len([line["skill"] for line in answers if line["skill"].startswith("turn")]) == 9
    assert all(line["value_right"] is not None and line["rouge_l"] is None for line in answers)
    passages = evaluate_text("--data", "passages", "--fresh")["rows"]
    assert [(row["policy"], row["n"], row["exact"]) for row in passages] == [("full", 3, None), ("h2o", 3, None)]


@pytest.mark.parametrize(
    "changed", [["--question", "unknown"], ["--lead", "read"], ["--needles", "2"], ["--tokens", "280"]]
)
def test_answers_of_another_protocol_or_other_texts_are_not_gone_on_with(evaluate_text, changed):
    evaluate_text("--data", "recall", "--limit", "1")
    name = changed[0].removeprefix("--")
    with pytest.raises(ValueError, match=rf"is of another run \({name} .* instead of '?{changed[1]}'?\)"):
        evaluate_text("--data", "recall", "--limit", "1", *changed)
    assert evaluate_text("--data", "recall", "--limit", "1", "--fresh", *changed)["rows"]


def test_a_run_before_the_question_goes_on_where_it_was(evaluate, lines, tmp_path, monkeypatch):
    options = ("--question", "unknown", "--describe", "1", "--conversations", "1")
    whole = evaluate(*options)
    path = tmp_path / "found.samples.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))
    computed = counting(monkeypatch)
    again = evaluate(*options)
    assert 0 < len(computed) < 10
    key = itemgetter("policy", "keep")
    assert sorted(map(untimed, again["rows"]), key=key) == sorted(map(untimed, whole["rows"]), key=key)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--question", "unknown", "--layout", "question"], "never unknown"),
        (["--question", "unknown", "--batch", "4"], "share a compressed cache and no batch"),
        (["--keep-tokens", "0.5"], "no numbers of tokens"),
        (["--lead", "read"], "--lead means nothing for scenes, only for recall, recall from texts"),
        (["--needles", "2"], "--needles means nothing for scenes"),
        (["--tokens", "100"], "--tokens means nothing for scenes"),
        (["--images", "."], "--images means nothing for scenes, only for a file"),
        (["--data", "recall", "--describe", "0"], "--conversations means nothing for recall, only for scenes, recall"),
        (["--data", "passages", "--conversations", "0"], "--describe means nothing for passages, only for scenes"),
        (["--data", "answers.jsonl", "--describe", "0", "--conversations", "0", "--seed", "3"], "--seed means nothing"),
    ],
)
def test_what_does_not_go_together_is_refused_before_any_work(evaluate, monkeypatch, options, words):
    monkeypatch.setattr(program, "samples_of", lambda args: pytest.fail("work has begun"))
    with pytest.raises(ValueError, match=words):
        evaluate(*options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data", "scenes"], "reads text and 'scenes' are pictures"),
        (["--data", "passages", "--question", "unknown"], "Nobody asks anything about passages"),
        (["--data", "passages", "--layout", "question"], "Nobody asks anything about passages"),
        (["--data", "recall", "--needles", "30"], "fewer --needles"),
        (["--data", "passages", "--needles", "2"], "--needles means nothing for passages from texts"),
        (["--data", "passages", "--lead", "read"], "--lead means nothing for passages from texts"),
        (["--data", "recall", "--follow", "16"], "--follow means nothing for recall from texts"),
    ],
)
def test_what_a_text_model_cannot_be_asked_is_a_sentence(evaluate_text, options, words):
    with pytest.raises(ValueError, match=words):
        evaluate_text(*options)
