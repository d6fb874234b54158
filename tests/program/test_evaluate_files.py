"""The files of an evaluation: what a damaged line costs, who may write, and what is said before the work."""

import json
import random
import re
import shutil
from dataclasses import fields, replace
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elastic.evaluate import __main__ as program
from elastic.evaluate import selection, workers
from elastic.evaluate.lines import LONGEST
from elastic.evaluate.measure import Outcome
from elastic.evaluate.output import write_all
from elastic.evaluate.records import Records
from elastic.files import claimed
from tests.program.test_evaluate import counting, untimed
from tests.unit.test_files import little_room, names
from viz import report

RUN = {"model": "pocket-llava", "seed": 1, "batch": 1}
ABOUT = {"device": "CPU", "torch": "2.13.0"}


def answer(number, policy="elastic", keep=0.2):
    """An answer as a run writes it."""
    kinds = {of.name: of.type for of in fields(Outcome)}
    line = {name: "Näh." if kind is str else 2 if kind in (int, int | None) else 0.25 for name, kind in kinds.items()}
    line |= {
        "sample": f"scene {number} where",
        "skill": "where",
        "unit": f"scene {number} where",
        "policy": policy,
        "keep": keep,
        "budget": None,
        "exact": None,
    }
    return line | ({"question": "Where?", "reference": None} if policy == "full" else {})


def written(path, run=RUN, answers=8):
    """A file with answers, an error among them; returns what it holds."""
    records = Records(path, run)
    lines = [answer(number, *(("full", 1.0) if number % 2 else ())) for number in range(answers)]
    lines.append(
        {"sample": "scene 90 where", "policy": "elastic", "keep": 0.2, "budget": None, "error": "out of memory"}
    )
    for line in lines:
        records.append([{"about": ABOUT}, line])
    return lines


def changed(path, number, line):
    """Put something in the place of a line, counted from 1."""
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = line
    path.write_bytes(b"\n".join(lines))


def of_line(path, number):
    return json.loads(path.read_bytes().split(b"\n")[number - 1])


def other_run(tmp_path, number=5):
    """A line of another run."""
    written(tmp_path / "other", RUN | {"seed": 2})
    return (tmp_path / "other").read_bytes().split(b"\n")[number - 1]


def unchecked(line, *check):
    """A line as somebody leaves it who has changed it and knows nothing of its checksum, or gives it another."""
    values = json.loads(line)
    del values["check"]
    return json.dumps(values | dict.fromkeys(["check"] * len(check), *check)).encode()


DAMAGES = {
    "cut short": (lambda line, _: line[:40], "is damaged"),
    "garbled": (lambda line, _: line[:20] + b"\xff\x00?" + line[23:], "is damaged"),
    "NUL": (lambda line, _: bytes(len(line)), "is damaged"),
    "too long": (lambda line, _: line[:-1] + b" " * LONGEST + b"}", "is longer than 16,777,216 bytes"),
    "NaN": (lambda line, _: line.replace(b"0.25", b"NaN", 1), "is damaged"),
    "infinite": (lambda line, _: line.replace(b"0.25", b"1e999", 1), "has a wrong"),
    "a text for a number": (lambda line, _: line.replace(b"0.25", b'"much"', 1), "has a wrong"),
    "a number for a text": (lambda line, _: line.replace(b'"where"', b"7", 1), "has a wrong 'skill'"),
    "a number written as a text": (lambda line, _: line.replace(b"0.25", b'"0.25"', 1), "has a wrong"),
    "a truth for a number": (lambda line, _: line.replace(b"0.25", b"true", 1), "has a wrong"),
    "a number for a truth": (lambda line, _: line.replace(b'"exact": null', b'"exact": 1', 1), "has a wrong 'exact'"),
    "a fraction for a count": (
        lambda line, _: line.replace(b'"tokens": 2', b'"tokens": 2.0', 1),
        "has a wrong 'tokens'",
    ),
    "an entry too many": (lambda line, _: line.replace(b"{", b'{"more": 1, ', 1), "has an unknown 'more'"),
    "a budget out of range": (lambda line, _: line.replace(b'"keep": 0.2', b'"keep": -2', 1), "has a wrong 'keep'"),
    "lacks an entry": (lambda line, _: line.replace(b'"loss"', b'"less"', 1), "has no 'loss'"),
    "lone surrogate": (lambda line, _: line.replace(b"N\\u00e4h.", b"\\ud800", 1), "is damaged"),
    "no object": (lambda line, _: b"[1, 2]", "is no JSON object"),
    "nested": (lambda line, _: b"[" * 100_000, "is damaged"),
    "huge number": (lambda line, _: b'{"keep": ' + b"9" * 5000 + b"}", "is damaged"),
    "another figure": (lambda line, _: line.replace(b"0.25", b"0.75", 1), "was changed, or is of another run"),
    "without its checksum": (lambda line, _: unchecked(line), "has no checksum, unlike lines before it"),
    "with nothing for a checksum": (lambda line, _: unchecked(line, None), "has no checksum, unlike lines before it"),
    "of another run": (lambda line, tmp_path: other_run(tmp_path), "was changed, or is of another run"),
    "settings of another run": (
        lambda line, tmp_path: other_run(tmp_path, 1),
        r"is of another run \(seed 2 instead of 1\)",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_line_costs_one_line_and_is_named(tmp_path, damage):
    path = tmp_path / "a.samples.jsonl"
    lines = written(path)
    make, words = DAMAGES[damage]
    changed(path, 5, make(path.read_bytes().split(b"\n")[4], tmp_path))  # the third answer: settings, about, ...
    records = Records(path, RUN)
    assert records.found == lines[:2] + lines[3:] and records.about == [ABOUT]
    (problem,) = records.problems
    assert problem.startswith("Line 5 of a.samples.jsonl ") and re.search(words, problem)
    records.append([lines[2]])
    assert Records(path, RUN).found == [*lines[:2], *lines[3:], lines[2]], "what comes is on a line of its own"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A file of answers, and what it holds."""
    path = tmp_path_factory.mktemp("content") / "a"
    lines = written(path)
    return path.read_bytes(), lines


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(1, 11), line=st.binary(max_size=60).filter(lambda line: b"\n" not in line), cut=st.data())
def test_whatever_becomes_of_a_line_all_others_stay(tmp_path, content, number, line, cut):
    path, lines = tmp_path / "a", content[1]
    path.write_bytes(content[0])
    old = path.read_bytes().split(b"\n")[number - 1]
    at = cut.draw(st.integers(0, len(old)))
    changed(path, number, old[:at] + line + old[at + cut.draw(st.integers(0, 3)) :])
    found = Records(path, RUN).found
    others = [one for place, one in enumerate(lines, start=3) if place != number]
    assert found in (others, lines)


def test_a_file_that_ends_anywhere_goes_on_and_loses_no_whole_line(tmp_path):
    """Killed at any byte."""
    path = tmp_path / "a"
    lines = written(path)
    content = path.read_bytes()
    first = content.index(b"\n") + 1
    for end in [*range(first, len(content), 37), len(content) - 1, len(content)]:
        path.write_bytes(content[:end])
        records = Records(path, RUN)
        whole = [json.loads(line) for line in content[: end + 1].split(b"\n")[:-1]]
        assert len(records.found) == sum("policy" in line for line in whole)
        assert records.found == lines[: len(records.found)]
        assert len(records.problems) == (0 if content[end - 1 : end + 1] in (b"}\n", b"\n", b"\n{") else 1)
        records.append([{"about": ABOUT}, *lines[len(records.found) :]])
        again = Records(path, RUN)
        assert again.found == lines and again.problems == []


@pytest.mark.parametrize("count", range(1, 12))
def test_a_file_that_ends_with_a_line_but_not_its_end_goes_on_behind_it(tmp_path, count):
    """As editors leave it, and a disk that was full by a byte."""
    path = tmp_path / "a"
    lines = written(path)
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[:count]))
    Records(path, RUN).append([])
    records = Records(path, RUN)
    assert records.problems == [] and records.found == lines[: max(0, count - 2)]
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    records = Records(path, RUN)
    records.append([{"about": ABOUT}, *lines[len(records.found) :]])
    assert Records(path, RUN).found == lines and path.read_bytes().count(b"\n") == 11


def test_a_damaged_first_line_costs_one_line_too(tmp_path):
    path = tmp_path / "a"
    lines = written(path)
    changed(path, 1, b"{nothing")
    records = Records(path, RUN)
    assert records.found == lines and records.problems[0].startswith("Line 1 of a is damaged")
    with pytest.raises(ValueError, match="no file of an evaluation"):
        Records(path, RUN | {"seed": 2})  # its lines say that they are not of this run


def test_lines_from_before_there_were_checksums_are_taken_where_the_first_line_says_whose_they_are(tmp_path):
    path = tmp_path / "a"
    lines = written(path)
    old = [{name: value for name, value in of_line(path, n).items() if name != "check"} for n in range(1, 12)]
    path.write_text("".join(json.dumps(line) + "\n" for line in old))
    assert Records(path, RUN).found == lines
    Records(path, RUN).append([answer(50)])
    assert Records(path, RUN).found == [*lines, answer(50)], "what is added has a checksum"
    with path.open("a") as file:
        file.write(json.dumps(answer(51)) + "\n")
    records = Records(path, RUN)
    assert records.found == [*lines, answer(50)] and "Line 13 of a has no checksum" in records.problems[0]
    path.write_text("".join(json.dumps(line) + "\n" for line in old))
    changed(path, 1, b"{nothing")
    with pytest.raises(ValueError, match="no file of an evaluation"):
        Records(path, RUN)


@pytest.mark.parametrize("number", range(1, 12))
def test_a_line_whose_checksum_was_taken_off_is_left_out_wherever_it_stands(tmp_path, number):
    """All but the first, which then may be of a file from before there were any: it counts with what it says."""
    path = tmp_path / "a"
    lines = written(path)
    changed(path, number, unchecked(path.read_bytes().split(b"\n")[number - 1]))
    records = Records(path, RUN)
    assert len(records.problems) == (number > 1)
    assert records.found == [line for place, line in enumerate(lines, start=3) if place != number]


@pytest.mark.parametrize("damage", ["garbled", "NUL", "too long", "of another run", "without its checksum"])
def test_lines_that_are_set_aside_are_told_of_once_and_kept_as_they_are(tmp_path, damage):
    path, aside = tmp_path / "a", tmp_path / "b"
    lines = written(path)
    expected = b""
    for number in (4, 9):
        bad = DAMAGES[damage][0](path.read_bytes().split(b"\n")[number - 1], tmp_path)
        changed(path, number, bad)
        expected += bad + b"\n"
    records = Records(path, RUN)
    assert len(records.problems) == 2
    records.set_aside(aside)
    others = lines[:1] + lines[2:6] + lines[7:]
    assert records.problems == [] and records.found == others and aside.read_bytes() == expected
    records.append([answer(50)])  # wherever the file ends now
    again = Records(path, RUN)
    assert again.problems == [] and again.found == [*others, answer(50)] and again.about == [ABOUT]
    path.write_bytes(path.read_bytes() + b"half a li")
    Records(path, RUN).set_aside(aside)
    assert aside.read_bytes() == expected + b"half a li\n", "at the end of what is there"
    assert Records(path, RUN).problems == [] and Records(path, RUN).found == [*others, answer(50)]


def test_where_nothing_is_wrong_nothing_is_set_aside_and_nothing_written(tmp_path):
    path = tmp_path / "a"
    written(path)
    before = path.stat()
    Records(path, RUN).set_aside(tmp_path / "b")
    assert path.stat() == before and names(tmp_path) == ["a"]


def test_a_disk_that_fills_up_while_lines_are_set_aside_loses_none(tmp_path):
    path = tmp_path / "a"
    written(path)
    changed(path, 5, b"damaged")
    content = path.read_bytes()
    for room in (3, 100):  # neither the line fits, or only the line
        records = Records(path, RUN)
        with little_room(room), pytest.raises(ValueError, match="cannot be written"):
            records.set_aside(tmp_path / "b")
        assert path.read_bytes() == content
    assert (tmp_path / "b").read_bytes() == b"damaged\n"


def test_the_lines_of_another_run_behind_ones_own_are_said_in_one_sentence(tmp_path):
    path = tmp_path / "a"
    lines = written(path)
    written(tmp_path / "b", RUN | {"seed": 2})
    with path.open("ab") as file:
        file.write((tmp_path / "b").read_bytes())
    records = Records(path, RUN)
    assert records.found == lines
    assert [problem.split(" of a ")[0] for problem in records.problems] == ["Line 12", "Each of lines 13 to 22"]


def test_a_disk_that_fills_up_loses_nothing(tmp_path):
    path = tmp_path / "a"
    lines = written(path)
    records, size = Records(path, RUN), path.stat().st_size
    with little_room(size + 100), pytest.raises(ValueError, match=r"a cannot be written \(File too large\)"):
        records.append([answer(50), answer(51)])
    assert path.stat().st_size == size and Records(path, RUN).found == lines
    results = {"settings": {"model": "tiny"}, "rows": []}
    write_all(tmp_path / "r.json", results)
    before = {name: (tmp_path / name).read_bytes() for name in ("r.json", "r.csv", "r.html")}
    with little_room(10), pytest.raises(ValueError, match=r"r\.json cannot be written"):
        write_all(tmp_path / "r.json", results | {"rows": [], "more": 1})
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert names(tmp_path) == ["a", "r.csv", "r.html", "r.json"]


def test_answers_that_somebody_took_away_are_written_again(tmp_path):
    path = tmp_path / "a"
    lines = written(path)
    for content in (None, path.read_bytes()[:300]):
        records = Records(path, RUN)
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        records.append([answer(50)])
        assert Records(path, RUN).found == [*lines, answer(50)]
        path.unlink()
        written(path)


def keep_writing(path):
    records = Records(path, RUN)
    for number in range(10**9):
        records.append([{"about": ABOUT}, answer(number)])


def test_a_killed_writer_leaves_every_line_but_perhaps_the_last(tmp_path):
    path = tmp_path / "a"
    writer = get_context("fork").Process(target=keep_writing, args=(path,), daemon=True)
    writer.start()
    while not path.exists() or path.stat().st_size < 30_000:
        assert writer.is_alive()
    writer.kill()
    writer.join()
    records = Records(path, RUN)
    count = len(records.found)
    assert count > 40 and records.found == [answer(number) for number in range(count)]
    assert len(records.problems) <= 1


def test_beginning_anew_touches_nothing_before_there_is_an_answer(tmp_path):
    path = tmp_path / "a"
    written(path)
    before = path.read_bytes()
    records = Records(path, RUN | {"seed": 2}, fresh=True)
    assert records.found == [] and path.read_bytes() == before
    records.append([{"about": ABOUT}, answer(1)])
    assert Records(path, RUN | {"seed": 2}).found == [answer(1)]


# The whole program, with the tiny model.


@pytest.fixture(scope="module")
def finished(tiny, tiny_folder, tmp_path_factory):
    """The folder of a small run that ended well, and its results."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        results = evaluated(patch, tiny, tiny_folder, folder)()
    return folder, results


def evaluated(patch, tiny, tiny_folder, folder):
    patch.setattr(workers, "loaded", lambda model: tiny)
    patch.setattr(program, "POCKET", tiny_folder)
    patch.setattr(selection, "POCKET", tiny_folder)
    patch.setattr(report, "report_html", lambda results: "a report takes its second")
    few = ["--policies", "elastic", "--keep", "0.2", "--limit", "3", "--describe", "0", "--conversations", "0"]
    few += ["--max-new-tokens", "3", "--out", str(folder / "found.json")]
    return lambda *options: program.run(program.arguments([*few, *options]))


@pytest.fixture
def evaluate(tiny, tiny_folder, tmp_path, monkeypatch):
    return evaluated(monkeypatch, tiny, tiny_folder, tmp_path)


@pytest.fixture
def answers(finished, tmp_path):
    """The answers of the finished run, copied to where they may be damaged."""
    path = tmp_path / "found.samples.jsonl"
    path.write_bytes((finished[0] / path.name).read_bytes())
    return path


def test_a_run_leaves_its_files_and_nothing_else(finished):
    found = [name for name in names(finished[0]) if name != ".found.json.lock"]
    assert found == ["found.csv", "found.html", "found.json", "found.samples.jsonl"]


def test_a_damaged_answer_is_computed_again_and_no_other(evaluate, answers, finished, monkeypatch, capsys):
    texts = [n for n, text in enumerate(answers.read_text().splitlines(), 1) if '"text"' in text]
    line = random.Random(1).choice(texts)
    lost = of_line(answers, line)
    changed(answers, line, b"\0\0\0")
    computed = counting(monkeypatch)
    again = evaluate()
    assert computed == [(lost["sample"], lost["policy"], lost["keep"])]
    assert [untimed(row) for row in again["rows"]] == [untimed(row) for row in finished[1]["rows"]]
    said = capsys.readouterr().out
    assert f"Line {line} of found.samples.jsonl is damaged: left out" in said and "Going on: 5 answers" in said
    assert "What it said is kept in found.left-out.jsonl." in said
    assert (answers.parent / "found.left-out.jsonl").read_bytes() == b"\0\0\0\n"
    computed.clear()
    evaluate()
    assert computed == [] and "Line" not in capsys.readouterr().out, "it is told once"


def test_a_damaged_line_that_nobody_asks_for_again_is_told_once_too(evaluate, answers, capsys):
    with answers.open("ab") as file:
        file.write(b"nonsense\n")
    evaluate()
    assert "is damaged" in capsys.readouterr().out
    evaluate()
    assert "is damaged" not in capsys.readouterr().out


def test_results_whose_answers_are_gone_are_not_replaced(evaluate, finished, tmp_path, monkeypatch):
    """Results could be of another model; or a table of one's own may have the name."""
    computed = counting(monkeypatch)
    for name in ("found.json", "found.csv", "found.html"):
        path = tmp_path / name
        path.write_bytes((finished[0] / name).read_bytes())
        for options in ((), ("--seed", "2")):
            with pytest.raises(ValueError, match=rf"{name} is there already, but found\.samples\.jsonl.*--fresh"):
                evaluate(*options)
        assert path.read_bytes() == (finished[0] / name).read_bytes() and computed == []
        path.unlink()
    (tmp_path / "found.json").write_text("{}")
    evaluate("--fresh", "--limit", "1")
    assert computed


def test_a_run_that_was_begun_anew_and_stopped_goes_on_though_older_results_lie_there(evaluate, answers, finished):
    old = answers.parent / "found.json"
    old.write_bytes((finished[0] / "found.json").read_bytes())
    evaluate("--fresh", "--seed", "2")
    old.write_bytes((finished[0] / "found.json").read_bytes())  # as they were until the end of that run
    assert evaluate("--seed", "2")["settings"]["seed"] == 2 == json.loads(old.read_text())["settings"]["seed"]


def test_other_weights_by_the_same_name_are_another_model(evaluate, answers, tiny_folder, tmp_path):
    """A model that is being trained keeps its name."""
    before = answers.read_bytes()
    other = tmp_path / "model" / tiny_folder.name
    shutil.copytree(tiny_folder, other)
    answered = ("--model", str(other), "--out", str(tmp_path / "model" / "found.json"))
    evaluate(*answered)
    content = bytearray((other / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (other / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"is of another run \(weights '\w{12}' instead of '\w{12}'\): .*--fresh"):
        evaluate(*answered)
    assert answers.read_bytes() == before


@pytest.mark.parametrize("of", ["question", "answer"])
def test_scenes_that_have_become_others_are_not_taken_for_what_they_were(evaluate, answers, monkeypatch, of):
    before, real = answers.read_bytes(), selection.registered_samples

    def changed_since(*asked):
        first, *others = real(*asked)
        return [replace(first, turns=(replace(first.turns[0], **{of: "What is that?"}),)), *others]

    monkeypatch.setattr(selection, "registered_samples", changed_since)
    with pytest.raises(ValueError, match=r"or answers: of 'scene 0 \w+' it was '.+', and now it is 'What is that"):
        evaluate()
    assert answers.read_bytes() == before
    assert evaluate("--fresh")["rows"]


def test_a_table_in_the_place_of_a_larger_one_says_where_the_rest_is(evaluate, answers, finished, tmp_path, capsys):
    for name in ("found.json", "found.csv", "found.html"):
        (tmp_path / name).write_bytes((finished[0] / name).read_bytes())
    assert evaluate()["rows"] and "Replaced" not in capsys.readouterr().out
    evaluate("--policies", "elastic,h2o")
    assert "Replaced" not in capsys.readouterr().out, "it has all that was there, and more"
    evaluate("--limit", "2", "--policies", "elastic,h2o")
    assert "Replaced: a table of 3 samples and 3 rows. Its answers are kept in found.samp" in capsys.readouterr().out
    evaluate("--limit", "2")
    assert "Replaced: a table of 2 samples and 3 rows." in capsys.readouterr().out
    evaluate("--limit", "1", "--fresh")
    assert "2 rows. Its answers were overwritten, too, as --fresh asks for." in capsys.readouterr().out


def test_what_a_run_ran_on_may_be_lost_without_harm(evaluate, answers, monkeypatch):
    changed(answers, 2, b"")
    computed = counting(monkeypatch)
    assert evaluate()["settings"]["samples"] == 3 and computed == []


def test_files_in_use_are_touched_by_nobody_else(evaluate, answers, tmp_path):
    before = answers.read_bytes()
    with claimed(tmp_path / "found.json"):
        for options in ((), ("--fresh",), ("--fresh", "--seed", "2")):
            with pytest.raises(ValueError, match=r"found\.json is in use by another run"):
                evaluate(*options)
    assert answers.read_bytes() == before
    evaluate("--fresh", "--limit", "1")
    assert len(answers.read_bytes().splitlines()) == 4


def test_a_fresh_run_that_cannot_begin_leaves_what_there_was(evaluate, answers, monkeypatch):
    def missing(model):
        raise ValueError("Could not load it.")

    before = answers.read_bytes()
    monkeypatch.setattr(workers, "loaded", missing)
    with pytest.raises(ValueError, match="Could not load it"):
        evaluate("--fresh")
    assert answers.read_bytes() == before


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("found.csv", r"must end in \.json"),
        ("found.samples.jsonl", r"must end in \.json"),
        ("", r"must end in \.json"),
        ("folder.json", "it is a folder"),
        ("table.json", r"table\.html cannot be written \(it is a folder\)"),
        ("file/found.json", "cannot be written"),
        ("x" * 300 + ".json", "cannot be written .*File name too long"),
        ("data.json", "is the data itself"),
        ("/dev/full.json", "/dev/full is no file that results could be kept in"),
    ],
)
def test_paths_are_checked_before_any_work(evaluate, tmp_path, monkeypatch, out, words):
    for folder in ("folder.json", "table.html"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "data.json").write_text("{}")
    monkeypatch.setattr(program, "samples_of", lambda args: pytest.fail("work has begun"))
    if out == "/dev/full.json":
        monkeypatch.setattr(program, "files_of", lambda path: [Path("/dev/full")])
    options = ("--data", str(tmp_path / "data.json")) if out == "data.json" else ()
    with pytest.raises(ValueError, match=words):
        evaluate("--out", str(tmp_path / out), *options)
    assert (tmp_path / "data.json").read_text() == "{}"


def test_a_tokenizer_that_is_not_there_is_a_sentence(evaluate):
    with pytest.raises(ValueError, match="The settings of '/no/such' cannot be read"):
        evaluate("--model", "/no/such", "--batch", "2")
