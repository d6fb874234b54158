"""Numbers in README, lesson and docstrings follow from the committed data; whatever no longer does is told."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from string import Formatter

import pytest

from benchmarks.claims import __main__ as program
from benchmarks.claims.check import check
from benchmarks.claims.claim import EARLIER, TODAY, Claim, Gap, NoMeasurement
from benchmarks.claims.documents import LESSON, document, documents
from benchmarks.claims.lookup import all_alike, in_words, percent, row, short_questions
from benchmarks.claims.others import GAPS, NO_MEASUREMENTS
from benchmarks.claims.quoted import CLAIMS, EXCHANGES, IN_LESSON_OF_SMOLLM2
from elastic.models.checkpoint import digest
from training.exchanges import LISTED, is_sensible
from viz import facts

ROOT = Path(__file__).parents[2]
MODEL = "assets/models/pocket-llava"


def rewrite(root, file, old, new):
    """Another text in a file, once; what was a link becomes a file."""
    text = (root / file).read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r} for this test to change"
    (root / file).unlink()
    (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")


# Of this checkout. These tests name no number: they go on when somebody measures again.


@pytest.fixture
def checkout(tmp_path):
    """This checkout as links; a test may put other files in their place."""
    for folder in ("assets", "benchmarks/results", "elastic", "page", "training", "viz"):
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, copy_function=os.symlink, ignore=left_out)
    for path in ROOT.glob("*.md"):
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def check_all(root):
    return check(root, documents(root), CLAIMS, (*GAPS, *NO_MEASUREMENTS))


def test_every_number_of_this_checkout_is_accounted_for():
    found = check_all(ROOT).faults
    assert not found, "\n".join(["python -m benchmarks.claims shows all of it:", *found])


def test_each_number_is_told_once_it_is_another_one():
    """For every claim and each of its numbers, in the text as it is read."""
    read = documents(ROOT)
    for claim in CLAIMS:
        (place,) = [number for number, one in enumerate(read) if one.file == claim.file]
        (match,) = claim.pattern().finditer(read[place].text)
        for group in range(1, 1 + match.re.groups):
            start, end = match.span(group)
            wrong = "123456" if match[group][0].isdigit() else "all but one"
            text = read[place].text[:start] + wrong + read[place].text[end:]
            changed = [*read[:place], replace(read[place], text=text, numbers=()), *read[place + 1 :]]
            found = check(ROOT, changed, [claim], ()).checked[0].faults
            assert any(f"{claim.file} says {wrong} in" in fault for fault in found), (claim.says, match[group])


def test_each_file_of_results_is_missed_once_it_is_gone(checkout):
    for file in {claim.data for claim in CLAIMS}:
        (checkout / file).unlink()
        (checkout / file).symlink_to(ROOT / "nowhere.json")
    found = check_all(checkout)
    assert all(any("is not there" in fault for fault in one.faults) for one in found.checked)


@pytest.mark.parametrize(
    "old, new, name", [("average.h2o", "average.streaming", "h2o"), ("recall.first", "recall.plus", "first")]
)
def test_a_text_of_the_lesson_that_quotes_another_method_is_told(checkout, old, new, name):
    rewrite(checkout, LESSON, f"{{{old}}}", f"{{{new}}}")
    assert any(f"{LESSON} says" in fault and f"({name})" in fault for fault in check_all(checkout).faults)


@pytest.mark.parametrize("named, name", [(facts.AVERAGED, "unbiased"), (facts.RECALLED, "snapkv")])
def test_a_bar_of_the_lesson_that_shows_another_policy_is_told(checkout, monkeypatch, named, name):
    monkeypatch.setitem(named, name, "h2o")
    assert any(f"{LESSON} says" in fault and f"({name})" in fault for fault in check_all(checkout).faults)


def test_recall_of_the_lesson_at_another_budget_is_told(checkout, monkeypatch):
    monkeypatch.setattr(facts, "RECALL_KEEP", 0.5)
    told = "\n".join(check_all(checkout).faults)
    assert all(f"({name})" in told for name in ("kept", "plus", "first", "snapkv", "streaming", "elastic"))


def test_the_lesson_follows_recall_that_is_measured_again_and_its_sentence_must_still_be_true(checkout):
    file = "benchmarks/results/smollm2-recall.json"
    kept = json.loads((ROOT / file).read_text(encoding="utf-8"))
    (checkout / file).unlink()
    for share, faults in ((0.85, 0), (0.5, len(IN_LESSON_OF_SMOLLM2))):
        rows = [row | {"exact_of_full": share} if row["policy"] == "elastic-plus" else row for row in kept["rows"]]
        further = rows[-1] | {"policy": "random"}
        (checkout / file).write_text(json.dumps(kept | {"rows": [*rows, further]}), encoding="utf-8")
        found = [fault for fault in check_all(checkout).faults if LESSON in fault]
        assert len(found) == faults and all("the exact core keeps them?" in fault for fault in found)


def test_a_number_typed_into_the_lesson_is_found_and_one_of_its_run_is_none(checkout):
    rewrite(checkout, LESSON, 'title = "Choose anchors"', 'title = "Of {patches}, {merged.kept}, or 57 %"')
    (fault,) = check_all(checkout).faults
    assert f"{LESSON}: nothing says where '57' comes from" in fault


@pytest.mark.parametrize("fact", ["average.h2o", "recall.h2o"])
def test_a_share_that_the_lesson_quotes_anew_needs_a_claim(checkout, fact):
    rewrite(checkout, LESSON, 'title = "Choose anchors"', f'title = "H2O has {{{fact}}}"')
    (fault,) = check_all(checkout).faults
    assert f"{LESSON}: nothing says where" in fault and "H2O has" in fault


def test_the_program_shows_every_number_and_gap_and_ends_with_one_for_a_fault(checkout, monkeypatch, capsys, tmp_path):
    assert program.main(["--out", str(tmp_path / "claims.json")]) == 0
    shown = capsys.readouterr().out
    assert f"NOT RECOMPUTABLE: {len(GAPS)}" in shown and all(gap.reason in shown for gap in GAPS)
    written = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))
    assert [one["sentence"] for one in written["claims"]] == [claim.says for claim in CLAIMS]
    assert all(one["holds"] for one in written["claims"]) and not written["faults"]
    assert shown.count(" holds\n") == sum(len(one["numbers"]) for one in written["claims"])
    rewrite(checkout, "README.md", "## How it works\n", "## How it works\n\nIt keeps 57 %.\n")
    monkeypatch.setattr(program, "ROOT", checkout)
    assert program.main([]) == 1
    assert "README.md: nothing says where '57' comes from" in capsys.readouterr().out


def test_a_claims_sentence_begins_and_ends_with_words():
    """Else a share in words would have no end."""
    for claim in CLAIMS:
        pieces = list(Formatter().parse(claim.says))
        assert pieces[0][0] and claim.says[-1] != "}" and any(name for _, name, _, _ in pieces)


# Of a small one, made up.

TEXT = """---
sdk_version: 6.31.0
---
# A title

The method `mine=0.2` keeps 91.7 % of 120 answers,
nine in ten turns. In 4 bits it does, too.
"""
SAYS = "keeps {share:.1f} % of {asked:d} answers, {turns} turns."


def numbers(data):
    mine = row(data, policy="mine", keep=0.2)
    share = percent(mine, "exact")
    return {"share": share, "asked": mine["n"], "turns": in_words(mine["turns"], 10), "it is fair": not mine["beyond"]}


CLAIM = Claim("README.md", SAYS, "results.json", numbers, "small", {"seed": 1, "question": "known"})
BITS = NoMeasurement("README.md", "In 4 bits", "a setting")


@pytest.fixture
def small(tmp_path):
    """A checkout of a README and results that bear it out."""
    (tmp_path / "README.md").write_text(TEXT, encoding="utf-8")
    (tmp_path / MODEL).mkdir(parents=True)
    (tmp_path / MODEL / "config.json").write_text("{}", encoding="utf-8")
    mine = {"policy": "mine", "keep": 0.2, "n": 120, "exact": 110 / 120, "turns": 0.91, "beyond": ""}
    others = [mine | {"keep": 0.5}, mine | {"policy": "theirs"}]
    measured(tmp_path, {"settings": {"model": "small", "seed": 1}, "rows": [*others, mine]})
    return tmp_path


def measured(root, data):
    (root / "results.json").write_text(json.dumps(data), encoding="utf-8")


def change(root, settings=(), **figures):
    """Other results of the method that is quoted, or measured otherwise."""
    data = json.loads((root / "results.json").read_text(encoding="utf-8"))
    data["settings"] |= dict(settings)
    data["rows"][-1] |= figures
    measured(root, data)


def faults(root, claims=(CLAIM,), others=(BITS,)):
    return check(root, [document(root, "README.md")], claims, others).faults


def fault(root, **given):
    (one,) = faults(root, **given)
    return one


def test_a_sentence_that_the_data_bear_out_holds_wherever_its_lines_break(small):
    (checked,) = check(small, [document(small, "README.md")], [CLAIM], [BITS]).checked
    found = [(one.name, one.quoted, one.recomputed) for one in checked.numbers]
    assert found == [("share", "91.7", "91.7"), ("asked", "120", "120"), ("turns", "nine in ten", "nine in ten")]
    assert not faults(small)
    rewrite(small, "README.md", "of 120 answers,\nnine", "of\n120   answers, nine")
    assert not faults(small)


@pytest.mark.parametrize(
    "old, new, said, name", [("91.7", "91.8", "91.8", "share"), ("120", "1,200", "1,200", "asked")]
)
def test_a_changed_number_is_told_beside_that_of_the_data(small, old, new, said, name):
    rewrite(small, "README.md", old, new)
    assert fault(small).startswith(f"README.md says {said} in ")
    assert fault(small).endswith(f"results.json gives {old} ({name}).")


def test_a_changed_share_in_words_is_told(small):
    rewrite(small, "README.md", "nine in ten", "all")
    assert "says all in" in fault(small) and "gives nine in ten (turns)" in fault(small)


def test_a_sentence_that_stands_there_twice_must_hold_twice(small):
    rewrite(small, "README.md", "In 4 bits", "It keeps 91.6 % of 120 answers, nine in ten turns. In 4 bits")
    assert "README.md says 91.6" in fault(small)


def test_a_sentence_that_is_gone_is_told_and_its_numbers_are_nobodys(small):
    rewrite(small, "README.md", "answers", "replies")
    first, *others = faults(small)
    assert first.startswith("README.md no longer says 'keeps {share} % of {asked} answers, {turns} turns.'")
    assert [re.search(r"where '(.*?)' comes", one)[1] for one in others] == ["91.7", "120", "nine in ten"]


@pytest.mark.parametrize(
    "sentence, number",
    [
        ("It keeps 57 % of the words.", "57"),
        ("Theirs 61, others less.", "61"),
        ("It loses -3.5 points.", "3.5"),
        ("It is right in three of ten cases.", "three of ten"),
        ("A step takes 2.5 times as long.", "2.5"),
        ("It has 1,234 bytes.", "1,234"),
        ("A fifth is kept.", "fifth"),
        ("It takes seven seconds.", "seven"),
        ("| mine | 12 |", "12"),
    ],
)
def test_a_number_that_nobody_claims_is_found(small, sentence, number):
    rewrite(small, "README.md", "The method", f"{sentence}\n\nThe method")
    assert f"nothing says where {number!r} comes from" in fault(small) and "Add a claim" in fault(small)


def test_a_number_typed_into_a_claim_is_nobodys(small):
    typed = replace(CLAIM, says=SAYS.replace("{asked:d}", "120"))
    assert "nothing says where '120' comes from" in fault(small, claims=[typed])


def test_code_links_names_headers_and_the_numbers_of_a_list_are_no_results(small):
    more = "1. one\n2. two\n\n`--limit 20`, [there](https://x.org/57), H2O, SmolLM2-135M, LLaVA-1.5-7B.\n"
    code = "```\necho ` 57 %\n```\n"
    rewrite(small, "README.md", "The method", f"{more}\n{code}\nThe method")
    assert not faults(small)


def test_results_that_are_gone_are_told(small):
    (small / "results.json").unlink()
    assert "quotes results.json" in fault(small) and "not there" in fault(small)


def test_results_that_are_no_json_are_told_in_a_sentence(small):
    (small / "results.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"results\.json cannot be read as JSON .* Measure it again"):
        faults(small)


@pytest.mark.parametrize(
    "figures, reason",
    [
        ({"policy": "gone"}, "no rows with policy mine, keep 0.2"),
        ({"exact": None}, "no exact"),
        ({"keep": 0.5}, "no rows"),
    ],
)
def test_what_was_not_measured_is_told(small, figures, reason):
    change(small, **figures)
    assert "results.json does not hold what README.md quotes" in fault(small) and reason in fault(small)


def test_two_rows_of_the_same_are_told(small):
    data = json.loads((small / "results.json").read_text(encoding="utf-8"))
    measured(small, data | {"rows": data["rows"] + data["rows"][-1:]})
    assert "2 rows with policy mine, keep 0.2" in fault(small)


def test_new_results_are_told(small):
    change(small, exact=0.5)
    assert fault(small).endswith("results.json gives 50.0 (share).")


def test_what_a_sentence_says_beside_its_numbers_must_hold(small):
    change(small, beyond="holds more")
    assert "results.json does not bear out" in fault(small) and "it is fair?" in fault(small)


@pytest.mark.parametrize("name, measured", [("model", "large"), ("seed", 2), ("question", "unknown")])
def test_results_of_another_model_or_protocol_are_told(small, name, measured):
    change(small, settings={name: measured})
    assert f"{name} is " in fault(small) and f"and {measured} according to results.json" in fault(small)


def test_what_results_do_not_say_of_their_protocol_is_marked(small):
    (checked,) = check(small, [document(small, "README.md")], [CLAIM], [BITS]).checked
    assert checked.protocol == ["small", "seed 1", "question known?"]


@pytest.mark.parametrize("said, other", [(TODAY, EARLIER), (EARLIER, TODAY)])
def test_weights_are_todays_or_they_are_not(small, said, other):
    claims = [replace(CLAIM, protocol={"weights": said})]
    today, before = digest(small / MODEL), "0123456789ab"
    change(small, settings={"weights": today if said == TODAY else before})
    assert not faults(small, claims=claims)
    change(small, settings={"weights": before if said == TODAY else today})
    assert f"weights is {said} according to its claim, and {other} according to" in fault(small, claims=claims)


def test_what_is_no_claim_must_still_stand_there(small):
    gap = Gap("README.md", "timing of 3 s", "by hand")
    assert "README.md does not say 'timing of 3 s': take it out" in fault(small, others=[BITS, gap])


def test_what_is_no_claim_is_looked_at_where_it_is_said_to_be_only(small):
    elsewhere = replace(BITS, file="other.md")
    assert len(faults(small, others=[elsewhere])) == 2 and not faults(small, others=[replace(BITS, file="*")])


def test_what_is_no_claim_excuses_no_longer_number(small):
    rewrite(small, "README.md", "The method", "In 41 cases it fails. The method")
    assert "nothing says where '41'" in fault(small, others=[BITS, replace(BITS, says="In 4")])


def test_in_code_only_what_looks_like_a_result_is_looked_at(tmp_path):
    lines = [
        '"""It keeps 57 % of 3 heads, nine in ten, 2 ms."""',
        "x = 12  # 13 %",
        'several = ["At 0.1, 166 of 250 `7 %`, 8 x 640.", "`", "4 %", "`"]',
    ]
    (tmp_path / "code.py").write_text("\n".join(lines), encoding="utf-8")
    read = document(tmp_path, "code.py")
    assert [read.text[slice(*span)] for span in read.numbers] == ["57", "nine in ten", "2", "166", "4"]


def test_of_a_page_what_is_seen_is_looked_at(tmp_path):
    page = "<p>kept 58 % of layer 3</p><style>p { width: 12 % }</style><script>'13 %'</script><a title='14 %'>x</a>"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    read = document(tmp_path, "page.html")
    assert [read.text[slice(*span)] for span in read.numbers] == ["58"]


def test_shares_are_told_in_words():
    assert (in_words(0.906, 10), in_words(0.664, 3), in_words(0.04, 10)) == ("nine in ten", "two in three", "no in ten")
    assert in_words(0.6, 3) == "60%"  # nobody would call that two in three
    assert all_alike([0.97, 0.9749], lambda value: f"{value:.0%}") == "97%"
    assert all_alike([0.97, 0.9], lambda value: f"{value:.0%}") == "97% / 90%"


def test_how_many_of_the_questions_were_short_follows_from_the_shares():
    counted = {"n": 600, "exact": (464 + 45) / 600, "exact_short": 464 / 500, "exact_describe": 45 / 100}
    assert short_questions(counted) == 500
    assert short_questions({"n": 7, "exact": 1.0, "exact_short": 1.0, "exact_describe": None}) == 7
    with pytest.raises(LookupError, match="how many questions"):
        short_questions({"n": 7, "exact": 1.0, "exact_short": 1.0, "exact_describe": 1.0})


def test_the_kept_answers_to_strangers_are_of_all_they_said_and_judged_by_todays_rule():
    asked = [one["turns"] for one in json.loads(LISTED.read_text(encoding="utf-8"))]
    kept = json.loads((ROOT / EXCHANGES).read_text(encoding="utf-8"))["conversations"]
    for turns, answers in zip(asked, kept, strict=True):
        for turn, answer in zip(turns, answers, strict=True):
            assert answer["said"] == turn["say"]
            assert answer["sensible"] == is_sensible(answer["answer"], turn["expect"])
