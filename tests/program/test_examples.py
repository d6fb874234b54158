"""The programs of `examples/` run, and one sees what each says at its head that one sees."""

import json
import re
import subprocess
import sys
from collections import defaultdict

from tests.serving import ROOT


def lines_of(name, *arguments):
    """What an example prints."""
    command = [sys.executable, "-m", f"examples.{name}", *map(str, arguments)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_generate_answers_the_same_from_a_fifth_of_the_bytes():
    full, small = (re.fullmatch(r"(.+), (\d+) kB: (.+)", line).groups() for line in lines_of("generate"))
    assert (full[0], small[0]) == ("Full cache", "Elastic Cache plus")
    assert 0.15 < int(small[1]) / int(full[1]) < 0.25
    assert "owl" in full[2] and "owl" in small[2]


def test_a_method_of_ones_own_holds_its_budget_and_reads_the_number_until_too_little_of_it_is_left():
    found = [re.fullmatch(r"(\d+)% kept, (\d+) slots: (.+)", line).groups() for line in lines_of("own_method")]
    shares, slots = [int(share) for share, *_ in found], [int(count) for _, count, _ in found]
    assert shares == [100, 50, 20, 10] and slots == [slots[0] * share // 100 for share in shares]
    assert "2826" in found[0][2] and "2826" not in found[-1][2]


def test_methods_are_judged_on_ones_own_pictures(tmp_path):
    lines = lines_of("own_pictures", tmp_path / "results.json")
    said = [re.fullmatch(r"(\S+) at (\d+)%: (\d+)% of the answers are right", line) for line in lines]
    said = {(found[1], int(found[2])): int(found[3]) for found in said if found}
    assert {policy for policy, _ in said} == {"full", "snapkv", "elastic-plus"}
    assert said["full", 100] == said["elastic-plus", 15] == said["elastic-plus", 10] == 100
    assert said["snapkv", 15] == 50
    # The same, counted from the single answers and the file of questions.
    given = {one["id"]: one["answer"] for one in json.loads((ROOT / "examples" / "own_pictures.json").read_text())}
    answers = map(json.loads, (tmp_path / "results.samples.jsonl").read_text(encoding="utf-8").splitlines())
    right = defaultdict(list)
    for one in answers:
        if "text" in one:
            right[one["policy"], round(100 * one["keep"])].append(one["text"] == given[one["sample"]])
    assert said == {key: 100 * sum(of_one) // len(given) for key, of_one in right.items()}
    assert (tmp_path / "results.html").exists()
