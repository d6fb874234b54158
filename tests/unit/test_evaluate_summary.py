"""From answers to rows, intervals, differences and words, against numbers worked out by hand."""

import csv
import json
import math

import numpy as np
import pytest
from PIL import Image

from elastic.evaluate import advice, registry
from elastic.evaluate.aggregates import MEASURES, described
from elastic.evaluate.data import Sample
from elastic.evaluate.failures import failures
from elastic.evaluate.output import write_again, write_all
from elastic.evaluate.summary import DRAWS, Draws, interval, rows

BYTES = 1000


def answer(sample, policy, keep, skill="where", **figures):
    found = {
        **{
            "sample": sample,
            "unit": sample,
            "skill": skill,
            "policy": policy,
            "keep": keep,
            "text": "A dog.",
            "exact": True,
        },
        **{"loss": 1.0, "tokens": 4, "rouge_l": 1.0, "agreement": 1.0, "agreement_before": 1.0},
        **{"budget": None, "value_right": None, "prompt": 100, "dropped": 0.0, "dropped_needed": None},
        **{
            "bytes_question": 0,
            "agreement_after": None,
            "kl": 0.0,
            "repetition": 0.0,
            "slots": 100 * keep,
            "bytes_prompt": int(BYTES * keep),
        },
        **{"bytes_peak": int(1.1 * BYTES * keep), "bytes_full": BYTES, "ms_per_token": 2.0, "compress_ms": 1.0},
    }
    if policy == "full":
        found |= {"question": "What?", "reference": "A dog."}
    return found | figures


def found(answers, policy, keep):
    return next(row for row in rows(Draws(answers)) if (row["policy"], row["keep"]) == (policy, keep))


def test_measures_are_means_and_perplexity_is_that_of_all_tokens():
    answers = [answer("a", "full", 1.0), answer("b", "full", 1.0, "describe")]
    answers += [
        answer("a", "h2o", 0.2, loss=1.0, tokens=2, kl=0.5, agreement_after=0.5, exact=False),
        answer("b", "h2o", 0.2, loss=5.0, tokens=10, kl=0.1, skill="describe"),
    ]
    row = found(answers, "h2o", 0.2)
    assert row["n"] == 2
    assert row["perplexity"] == pytest.approx(math.exp(6 / 12))
    assert row["kl"] == pytest.approx(0.3)
    assert row["agreement_after"] == 0.5, "of those that have one"
    assert (row["exact"], row["exact_short"], row["exact_describe"]) == (0.5, 0, 1)
    assert row["exact_by_skill"] == {"where": 0, "describe": 1}
    assert row["share_prompt"] == pytest.approx(0.2)
    assert row["share_peak"] == pytest.approx(0.2)


def test_the_two_ways_to_save_are_told_apart_and_make_the_share_together():
    answers = [answer(sample, "full", 1.0) for sample in "ab"]
    # 80 of 100 slots, each of a quarter of the bytes.
    answers += [answer(sample, "kivi", 0.2, slots=80, bytes_prompt=BYTES // 5) for sample in "ab"]
    row = found(answers, "kivi", 0.2)
    assert (row["slots"], row["per_slot"]) == (pytest.approx(0.8), pytest.approx(0.25))
    assert row["slots"] * row["per_slot"] == pytest.approx(row["share_prompt"])


def test_data_without_answers_has_no_share_of_right_ones():
    row = found([answer("a", "full", 1.0, exact=None)], "full", 1.0)
    assert (row["exact"], row["exact_ci"], row["exact_by_skill"]) == (None, None, {})
    json.dumps(row, allow_nan=False)


def test_intervals_hold_what_theory_says():
    count = 400
    answers = [answer(f"s{n}", "full", 1.0, exact=n % 4 == 0) for n in range(count)]
    low, high = found(answers, "full", 1.0)["exact_ci"]
    error = math.sqrt(0.25 * 0.75 / count)
    assert (low, high) == pytest.approx((0.25 - 1.96 * error, 0.25 + 1.96 * error), abs=0.006)
    assert Draws(answers).times.shape == (1 + DRAWS, count)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng, covered = np.random.default_rng(5), 0
    for _ in range(60):
        drawn = [answer(f"s{n}", "full", 1.0, kl=float(rng.exponential(2.0))) for n in range(80)]
        low, high = interval(Draws(drawn).values(("full", 1.0))[list(MEASURES).index("kl")])
        covered += low <= 2.0 <= high
    assert 50 <= covered <= 60


def test_turns_of_a_conversation_are_one_unit():
    answers = [answer("talk", "full", 1.0, f"turn {n}", kl=float(n)) for n in range(3)]
    answers += [answer("other", "full", 1.0, kl=1.0)]
    draws = Draws(answers)
    assert draws.times.shape[1] == 2
    drawn = {round(float(value), 6) for value in draws.values(("full", 1.0))[list(MEASURES).index("kl")]}
    assert drawn == {1.0}, "the conversation's turns come and go together: 0, 1 and 2 beside 1"


def test_what_is_right_is_told_of_all_and_of_what_the_full_cache_has_right():
    answers = [answer(f"s{n}", "full", 1.0, exact=n < 6) for n in range(10)]
    answers += [answer(f"s{n}", "h2o", 0.2, exact=n % 2 == 0) for n in range(10)]
    row = found(answers, "h2o", 0.2)
    assert (row["exact"], row["exact_of_full"]) == (0.5, 0.5)
    row = found([*answers[:10], *(answer(f"s{n}", "h2o", 0.2, exact=n in (0, 1, 2, 8)) for n in range(10))], "h2o", 0.2)
    assert (row["exact"], row["exact_of_full"]) == (0.4, 0.5), "the eighth is luck"
    low, high = row["exact_of_full_ci"]
    assert low < 0.5 < high
    assert found(answers, "full", 1.0)["exact_of_full"] == 1


def test_skills_have_their_own_counts_shares_and_intervals():
    answers = [answer(f"s{n}", "full", 1.0, ("digits", "names")[n % 2], exact=n != 3) for n in range(40)]
    answers += [answer(f"s{n}", "h2o", 0.2, ("digits", "names")[n % 2], exact=n % 4 == 0, kl=n % 2) for n in range(40)]
    skills = found(answers, "h2o", 0.2)["by_skill"]
    assert (skills["digits"]["n"], skills["digits"]["exact"], skills["names"]["exact"]) == (20, 0.5, 0)
    assert (skills["digits"]["kl"], skills["names"]["kl"]) == (0, 1)
    low, high = skills["digits"]["exact_ci"]
    assert 0.2 < low < 0.5 < high < 0.8
    assert skills["names"]["exact_of_full"] == 0 and skills["names"]["exact_of_full_ci"] == [0, 0]


def test_budgets_in_tokens_are_rows_of_their_own_with_the_share_that_they_are_of_all_prompts():
    answers = [answer(f"s{n}", "full", 1.0, prompt=tokens) for n, tokens in enumerate((50, 150, 200))]
    for policy in ("h2o", "snapkv"):
        answers += [
            answer(f"s{n}", policy, min(1.0, 80 / tokens), budget=80, prompt=tokens, exact=policy == "h2o")
            for n, tokens in enumerate((50, 150, 200))
        ]
    answers += [answer(f"s{n}", "h2o", 0.5) for n in range(3)]
    table = rows(Draws(answers))
    assert [(row["policy"], row["budget"]) for row in table] == [
        *(("full", None), ("h2o", 80), ("snapkv", 80), ("h2o", None))
    ]
    assert table[1]["keep"] == table[2]["keep"] == pytest.approx((50 + 80 + 80) / 400)
    assert table[2]["vs_best"]["exact"]["difference"] == -1
    assert [line.split(":")[0] for line in advised(answers)] == ["At 80 tokens", "At 0.5 of the cache"]
    assert " 80 tok " in advice.table(table)
    assert "snapkv  123456789 tok" in advice.table([row | {"budget": 123456789} for row in table])


def test_what_a_budget_in_tokens_allows_is_told_by_the_prompts_that_a_method_answered():
    """A method that failed on a long prompt holds of the short one what it was asked to: 80 tokens of 100."""
    answers = [answer("short", "full", 1.0, prompt=100), answer("long", "full", 1.0, prompt=900)]
    answers += [answer("short", "h2o", 0.8, budget=80, prompt=100)]
    answers += [answer(f"{n}", "snapkv", 80 / t, budget=80, prompt=t) for n, t in (("short", 100), ("long", 900))]
    table = rows(Draws(answers))
    assert table[1]["keep"] == table[2]["keep"] == 0.16, "a budget has one share, whoever answered"
    assert not table[1]["beyond_share"] and table[2]["beyond_share"].endswith("asked for 16%")


def test_the_words_of_a_question_that_all_hold_whole_are_no_excess():
    held = {"bytes_prompt": 100, "bytes_peak": 100 + 150, "bytes_question": 150}
    answers = [answer("a", "full", 1.0, bytes_prompt=1000, bytes_peak=1150, bytes_question=150)]
    row = found([*answers, answer("a", "h2o", 0.1, **held)], "h2o", 0.1)
    assert row["share_peak"] == pytest.approx(250 / 1150), "what is held is said"
    assert row["beyond_share"] == ""
    row = found([*answers, answer("a", "h2o", 0.1, **held | {"bytes_peak": 350})], "h2o", 0.1)
    assert row["beyond_share"] == "holds 20.0% at the peak, asked for 10%"


def test_without_answers_or_texts_the_divergence_decides_and_less_is_better():
    answers = [answer(f"s{n}", "full", 1.0, exact=None, rouge_l=None) for n in range(20)]
    for policy, kl in (("h2o", 0.5), ("snapkv", 0.1)):
        answers += [answer(f"s{n}", policy, 0.2, exact=None, rouge_l=None, kl=kl) for n in range(20)]
    (sentence,) = advised(answers)
    assert "snapkv (0.100 nats from the full cache; best in 100%" in sentence


def test_one_line_says_model_data_protocol_and_layout():
    settings = {"model": "smollm2", "data": "recall", "seed": 3, "texts": "abc", "tokens": 600}
    said = advice.protocol(settings | {"question": "unknown", "layout": "picture"})
    assert said == "smollm2 · recall, texts of 600 tokens · seed 3 · compressed before the question · text first"
    settings = {"model": "pocket", "data": "scenes", "seed": 1, "texts": None, "tokens": None}
    said = advice.protocol(settings | {"question": "known", "layout": "question"})
    assert said == "pocket · scenes · seed 1 · compressed after the question · question first"


def test_all_that_one_compressed_cache_was_asked_is_one_unit():
    answers = [answer(f"s{n}", "full", 1.0, unit=f"scene {n // 3}", kl=float(n % 3)) for n in range(12)]
    draws = Draws(answers)
    assert draws.times.shape[1] == 4
    drawn = draws.values(("full", 1.0))[list(MEASURES).index("kl")]
    assert drawn == pytest.approx(1.0), "of every scene 0, 1 and 2 come and go together"


def test_of_a_single_unit_there_is_no_interval_and_nobody_is_beyond_doubt():
    """As of all questions about one picture whose cache was compressed before them."""
    answers = [
        answer(f"s{n}", policy, keep, unit="one picture", exact=policy != "random")
        for policy, keep in (("full", 1.0), ("h2o", 0.2), ("random", 0.2))
        for n in range(5)
    ]
    table = rows(Draws(answers))
    assert [row["exact"] for row in table] == [1, 1, 0]
    assert all(row["exact_ci"] is row["vs_full"]["exact"]["ci"] is None for row in table[1:])
    (sentence,) = advised(answers)
    assert "h2o (100.0% exact answers; too few to be sure; random cannot be told apart)" in sentence


def test_differences_are_paired():
    kl = [0.0, 1.0, 5.0, 20.0]
    answers = [answer(f"s{n}", "full", 1.0) for n in range(5)]
    answers += [answer(f"s{n}", "elastic", 0.2, kl=value) for n, value in enumerate(kl)]
    answers += [answer(f"s{n}", "h2o", 0.2, kl=value + 0.5) for n, value in enumerate(kl)]
    answers += [answer("s4", "h2o", 0.2, kl=1000.0)]  # elastic has no answer to this one
    row = found(answers, "h2o", 0.2)
    # However the samples differ among each other, one method is 0.5 above the other on each.
    assert row["vs_elastic"]["kl"]["difference"] == pytest.approx(0.5)
    assert row["vs_elastic"]["kl"]["ci"] == pytest.approx([0.5, 0.5])
    assert row["vs_full"]["kl"]["difference"] == pytest.approx((26 + 4 * 0.5 + 1000) / 5)
    assert "vs_elastic" not in found(answers, "elastic", 0.2)
    assert "vs_full" not in found(answers, "full", 1.0)


def test_equal_data_give_equal_rows():
    answers = [answer(f"s{n}", "full", 1.0, kl=float(n)) for n in range(9)]
    assert rows(Draws(answers)) == rows(Draws(answers))


def contest(right):
    """A hundred samples on which methods are right that often."""
    answers = [answer(f"s{n:02}", "full", 1.0) for n in range(100)]
    for policy, (share, held) in right.items():
        answers += [answer(f"s{n:02}", policy, 0.2, exact=n < share, bytes_prompt=held) for n in range(100)]
    return answers


def advised(answers):
    draws = Draws(answers)
    return advice.advice(draws, rows(draws))


def test_the_summary_names_the_best_and_who_cannot_be_told_from_it():
    (sentence,) = advised(contest({"elastic-plus": (90, 200), "snapkv": (89, 200), "random": (20, 200)}))
    assert sentence.startswith("At 0.2 of the cache: elastic-plus (90.0% exact answers; best in ")
    assert "snapkv cannot be told apart" in sentence and "random" not in sentence


def test_a_clear_winner_is_said_to_be_one():
    (sentence,) = advised(contest({"h2o": (90, 200), "random": (20, 200)}))
    assert "h2o (90.0% exact answers; best in 100% of resamples; all others are worse beyond doubt)" in sentence


def test_a_method_that_holds_more_than_its_share_is_marked_and_not_called_best():
    answers = contest({"h2o": (50, 200), "random": (20, 200), "corm": (99, 400)})
    (sentence,) = advised(answers)
    assert "cache: h2o (" in sentence
    assert "beyond their share: corm (holds 40.0% after the prompt, asked for 20%)." in sentence
    lines = advice.table(rows(Draws(answers))).splitlines()
    assert [line.split()[0] for line in lines if line.endswith("!")] == ["corm"]


def test_equal_methods_share_the_draws():
    (sentence,) = advised(contest({"h2o": (50, 200), "snapkv": (50, 200)}))
    assert "best in 50% of resamples; snapkv cannot be told apart" in sentence


def test_without_answers_to_compare_with_the_texts_decide():
    answers = [line | {"exact": None, "rouge_l": 1.0} for line in contest({"h2o": (1, 200)})]
    answers += [line | {"policy": "random", "rouge_l": 0.1} for line in answers if line["policy"] == "h2o"]
    (sentence,) = advised(answers)
    assert "h2o (1.000 ROUGE-L against the full cache; best in 100%" in sentence


def test_failures_begin_with_what_only_the_full_cache_has_right():
    answers = [answer(f"s{n}", "full", 1.0, exact=n != 2) for n in range(4)]
    for n, (text, exact, alike) in enumerate(
        [("A cat.", False, 0.9), ("A dog.", True, 1.0), ("Nothing.", False, 0.1), ("No.", False, 0.5)]
    ):
        answers.append(answer(f"s{n}", "h2o", 0.2, text=text, exact=exact, rouge_l=alike))
    shown = failures(answers, [])["failures"]
    assert [one["sample"] for one in shown] == ["s3", "s0", "s2"]
    assert shown[0] == {
        **{"policy": "h2o", "keep": 0.2, "budget": None, "sample": "s3", "skill": "where", "question": "What?"},
        **{"reference": "A dog."},
        **{"full": "A dog.", "answer": "No.", "rouge_l": 0.5, "agreement": 1.0, "picture": None},
    }


def test_files_hold_the_same_rows(tmp_path):
    draws = Draws(contest({"elastic": (90, 200), "random": (20, 200)}))
    said = {"samples": 100, "model": "smollm2", "question": "unknown", "layout": "picture", "texts": "prose"}
    results = {"settings": said, "measures": described(), "rows": rows(draws)} | failures([], [])
    paths, why_no_report = write_all(tmp_path / "found.json", results)
    assert not why_no_report
    assert [path.name for path in paths] == ["found.json", "found.csv", "found.html"]
    assert json.loads(paths[0].read_text()) == results
    with paths[1].open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["policy"], float(line["keep"])) for line in lines] == [("full", 1), ("elastic", 0.2), ("random", 0.2)]
    row = results["rows"][2]
    assert float(lines[2]["exact"]) == row["exact"] and float(lines[2]["exact: where"]) == 0.2
    assert [float(lines[2][name]) for name in ("exact low", "exact high")] == row["exact_ci"]
    assert float(lines[2]["exact vs_elastic"]) == row["vs_elastic"]["exact"]["difference"]
    # Whoever has the table or the report alone knows what run it is of.
    assert all((line["model"], line["question"]) == ("smollm2", "unknown") for line in lines)
    report = paths[2].read_text()
    assert "random" in report
    assert "Caches: compressed before the question · Order: text first" in report
    paths[2].unlink()
    assert write_again(paths[0]) == paths[2] and paths[2].read_text() == report


EDITED = {"settings": {"samples": 1}, "rows": [], "measures": {"exact": {}}, "failures": [], "pictures": []}


@pytest.mark.parametrize(
    "content", [None, "no JSON", '{"rows": []}', '{"settings": {"samples": 1}, "rows": []}', json.dumps(EDITED)]
)
def test_a_report_is_made_of_results_only(tmp_path, content):
    path = tmp_path / "found.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"found\.json holds no results that a report can be made of\. Give"):
        write_again(path)
    assert not path.with_suffix(".html").exists()


def test_without_what_writes_reports_the_numbers_are_written_and_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "CHECKOUT", tmp_path / "pyproject.toml")  # as of a package that is installed alone
    results = {"settings": {"samples": 0}, "measures": described(), "rows": []} | failures([], [])
    paths, why_no_report = write_all(tmp_path / "found.json", results)
    assert [path.name for path in paths] == ["found.json", "found.csv"] and json.loads(paths[0].read_text()) == results
    assert why_no_report == "No package that is installed here offers 'html' as elastic.evaluate.report."
    with pytest.raises(ValueError, match="offers 'html'"):
        write_again(paths[0])


def test_a_picture_is_listed_once_however_many_failures_are_about_it():
    pictures = {name: Image.new("RGB", (8, 8), colour) for name, colour in (("a", "red"), ("b", "red"), ("c", "blue"))}
    samples = [Sample(name, picture.copy, ()) for name, picture in pictures.items()]
    answers = [answer(name, "full", 1.0) for name in "abcd"]
    answers += [answer(name, "h2o", 0.2, text="No.", exact=False) for name in "abcd"]
    found = failures(answers, samples)
    assert [one["picture"] for one in found["failures"]] == [0, 0, 1, None], "nobody has the picture of the last"
    assert len(found["pictures"]) == 2 and all(uri.startswith("data:image/jpeg;base64,") for uri in found["pictures"])


def test_each_measure_names_its_own_best_of_a_budget():
    kl, rouge = [0.0, 1.0, 5.0, 20.0], [1.0, 0.5, 0.9, 0.2]
    answers = [answer(f"s{n}", "full", 1.0) for n in range(4)]
    for n in range(4):
        answers.append(answer(f"s{n}", "elastic", 0.2, kl=kl[n], rouge_l=rouge[n]))
        answers.append(answer(f"s{n}", "h2o", 0.2, kl=kl[n] + 0.5, rouge_l=rouge[n] + 0.1))
        answers.append(answer(f"s{n}", "random", 0.1, kl=0.0))  # another budget
    elastic, h2o, alone = (found(answers, *key) for key in (("elastic", 0.2), ("h2o", 0.2), ("random", 0.1)))
    assert h2o["vs_best"]["kl"]["ci"] == pytest.approx([0.5, 0.5]), "lower is better: elastic is the best"
    assert elastic["vs_best"]["rouge_l"]["ci"] == pytest.approx([-0.1, -0.1]), "higher is better: h2o is"
    assert h2o["vs_best"]["rouge_l"]["difference"] == elastic["vs_best"]["kl"]["difference"] == 0
    assert alone["vs_best"]["kl"]["difference"] == 0 and "vs_best" not in found(answers, "full", 1.0)
