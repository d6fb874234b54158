"""The lesson's numbers and the claims of its texts: each holds in the recorded run, which is read anew for each."""

import io
import json
import math
import re
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarks.claims.quoted import FIRST_EDITION
from elastic.options import read_policy, write_choice
from page.lesson import FOLDER, RECALL, RESULTS, lesson_run
from scenes.questions import Question
from scenes.scene import CATEGORIES, OBJECTS, patch_things, random_scene, render
from tests.view_traces import ELASTIC, FULL, HEADS, PLUS, run_of
from training.record_lesson import teaches
from viz.facts import facts

RUN, NAMES = lesson_run()
SIDES = dict(zip(NAMES, RUN.sides, strict=True))
RECORDED = SIDES["full"]
PATCHES = np.flatnonzero(RECORDED.is_image)
TOKENS, LAYERS = len(RECORDED.pieces), len(RECORDED.owner)
MEASURED = json.loads(RESULTS.read_text(encoding="utf-8"))
ROWS = {row["policy"]: row for row in MEASURED["rows"]}
MADE = run_of("made", [FULL, ELASTIC, HEADS, PLUS])
RUNS = {"recorded": (RUN, NAMES), "made": (MADE, ("full", "elastic", "heads", "plus"))}
RECALLED = json.loads(RECALL.read_text(encoding="utf-8"))
TOLD = facts(RUN, list(NAMES), list(ROWS.values()), RECALLED)
SCENE = random_scene(int(RUN.link["example"].removeprefix("scene-")))
DRAWN, COVERED = render(SCENE)
TEXTS = (FOLDER / "en.toml").read_text(encoding="utf-8")
SHOWN = np.array(["", *(thing.name for thing in SCENE.things)])[patch_things(COVERED)]  # per patch
LISTED = [RECORDED.answer_pieces[at].strip() for at in (4, 7)]  # "I can see a pig and an owl."
AFTER = TOKENS - 1 - PATCHES[-1]  # tokens behind the picture
SLOT_BYTES = 2 * 4 * 64 * 4  # key and value, heads, channels, bytes of a number: of the recorded run and of made ones
UNIT = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def reads(text, count):
    """Whether a text says that many bytes, to three digits, in a unit that makes them easy to read."""
    number, unit = text.split()
    value = count / UNIT[unit]
    digits = f"{value:.3g}" if value >= 1 else f"{value:.2f}"
    return float(number) == float(digits) and (unit == "B" or value >= 0.25) and (unit == "GiB" or value < 256)


def near(text, share):
    """Whether a text says that share, in whole percent."""
    return re.fullmatch(r"-?\d+ %", text) and abs(int(text[:-2]) - 100 * share) <= 0.5


def spans(text, values):
    """Whether a text says the least and the greatest of some counts."""
    return [int(number) for number in text.split(" to ")] == sorted({int(np.min(values)), int(np.max(values))})


def owners(side, tokens):
    """How many of those tokens own a slot, per layer and head: what others or they themselves belong to."""
    return np.array([[np.isin(tokens, np.unique(row)).sum() for row in rows] for rows in side.owner])


def stored(side):
    """Answer tokens that were stored: the last one of a finished answer is not."""
    return side.steps - (side.finish == "end")


def held_at_end(side):
    """Slots per layer once the answer is there: what owns one after the prompt, and the answer's, less those gone."""
    return owners(side, np.arange(len(side.pieces))).max(1) + stored(side) - (side.dropped >= 0).any(2).sum(0)


@pytest.mark.parametrize("name", RUNS)
def test_the_prompt_is_told_as_it_was(name):
    run, names = RUNS[name]
    full, told = run.sides[0], facts(run, list(names), [], {})
    first, patches = full.is_image.tolist().index(True), full.views[0].rows * full.views[0].columns
    tokens, layers = full.owner.shape[2], full.owner.shape[0]
    counts = {"tokens": tokens, "patches": patches, "before": first, "after": tokens - first - patches}
    counts |= {
        "rows": full.views[0].rows,
        "columns": full.views[0].columns,
        "words": tokens - patches,
        "layers": layers,
    }
    assert {key: int(told[key]) for key in counts} == counts
    assert (told["question"], told["model"]) == (full.question, full.model) and near(told["share"], patches / tokens)
    # A key and a value, of 4 bytes a number, in each layer.
    assert reads(told["per_token"], layers * SLOT_BYTES) and reads(told["list"], SLOT_BYTES / 2)
    assert (told["width"], told["number_bytes"]) == (str(SLOT_BYTES // 2 // 4), "4")
    seen = [np.flatnonzero(looked.any(0)).max() + 1 for looked in full.looked]  # tokens, by each query of the answer
    assert reads(told["reread"], layers * SLOT_BYTES * sum(seen))
    for number, layer in enumerate(full.score, start=1):
        brightest = max(range(patches), key=lambda patch, layer=layer: layer[first + patch])
        place = int(told[f"layer{number}.row"]) - 1, int(told[f"layer{number}.column"]) - 1
        assert place[0] * full.views[0].columns + place[1] == brightest
        assert max(place) < max(full.views[0].rows, full.views[0].columns)
        assert told[f"layer{number}.sink"] == full.pieces[0]
        assert near(told[f"layer{number}.sink_share"], layer[0] / sum(layer.tolist()))
    assert f"layer{layers + 1}.row" not in told and "layer0.row" not in told


@pytest.mark.parametrize("name", RUNS)
def test_every_side_is_told_as_it_was(name):
    run, names = RUNS[name]
    told, full = facts(run, list(names), [], {}), run.sides[0]
    for of, side in zip(names, run.sides, strict=True):
        patches = np.flatnonzero(side.is_image)
        after = np.arange(patches.max() + 1, len(side.pieces))
        slots, end = owners(side, np.arange(len(side.pieces))).max(1), held_at_end(side)
        whole = len(full.owner) * (len(full.pieces) + stored(full))
        assert (told[f"{of}.answer"], int(told[f"{of}.steps"])) == (side.answer, len(side.answer_ids))
        assert reads(told[f"{of}.memory"], slots.sum() * SLOT_BYTES)
        assert reads(told[f"{of}.end"], end.sum() * SLOT_BYTES)
        assert near(told[f"{of}.saved"], 1 - end.sum() / whole) and near(told[f"{of}.kept"], side.options["keep"])
        assert spans(told[f"{of}.slots"], slots) and spans(told[f"{of}.slots_end"], end)
        assert spans(told[f"{of}.anchors"], owners(side, patches))
        assert spans(told[f"{of}.joined"], len(patches) - owners(side, patches))
        assert spans(told[f"{of}.lost"], len(after) - owners(side, after))
        for number, piece in enumerate(side.answer_pieces, start=1):
            assert told[f"{of}.token{number}"] == piece.strip()
        assert f"{of}.token{side.steps + 1}" not in told
        # A layer that gave nothing up holds one slot more.
        held = np.vstack([side.prompt_slots, side.slots])[: stored(side) + 1]
        stalls = np.flatnonzero((np.diff(held, axis=0) < 1).any(1))
        assert told.get(f"{of}.first") == (str(stalls[0] + 1) if len(stalls) else None)
        assert told.get(f"{of}.first_word") == (side.answer_pieces[stalls[0]].strip() if len(stalls) else None)


def test_made_runs_have_what_the_recorded_one_lacks():
    told = facts(MADE, ["full", "elastic", "heads", "plus"], [], {})
    assert " to " in told["elastic.slots"] and " to " in told["heads.anchors"] and " to " in told["elastic.lost"]
    assert "full.first" not in told and "elastic.first" in told
    averages = {name: text for name, text in told.items() if name.startswith(("average.", "recall."))}
    assert averages == {"average.questions": "0", "average.margin": "0"}


SIZES = {255: "255 B", 256: "0.25 KiB", 1536: "1.50 KiB", 10 * 2**10: "10 KiB", 2**18: "0.25 MiB", 0: "0 B"}
SIZES |= {int(3.146 * 2**20): "3.15 MiB", int(255.4 * 2**20): "255 MiB", 2**28: "0.25 GiB", 3 * 2**30: "3 GiB"}


@pytest.mark.parametrize("count, text", SIZES.items())
def test_bytes_are_told_in_the_unit_in_which_the_view_shows_them(count, text):
    bytes_held = np.array([count, 0, 0])
    assert facts(run_of("x", [replace(FULL, prompt_bytes=bytes_held)]), ["full"], [], {})["full.memory"] == text


def test_what_is_said_of_the_large_model_is_arithmetic():
    patches = (336 // 14) ** 2  # pixels of its picture, and of a patch
    token = 32 * 2 * (32 * 128) * 2  # layers, key and value, heads and channels, bytes of a number
    assert int(TOLD["llava.patches"]) == patches
    assert reads(TOLD["llava.token"], token) and TOLD["llava.picture"] == f"{patches * token / 2**20:g} MiB"


def label(side):
    """The text by which the evaluation calls a side's policy, with whatever names their options had at the time."""
    policy = read_policy(write_choice(side.policy, side.options))
    alike = (text for text in ROWS if type(read_policy(text)) is type(policy))
    return next((text for text in alike if replace(read_policy(text), keep=policy.keep) == policy), None)


def test_averages_are_those_measured_of_the_sides_own_policies_each_at_one_budget():
    told = {name.removeprefix("average.") for name in TOLD if name.startswith("average.")}
    assert told == {*SIDES, "questions", "margin"}
    for name, side in SIDES.items():
        row = ROWS[label(side)]
        right = round(row["exact_short"] * row["n"]) / row["n"]
        assert near(TOLD[f"average.{name}"], right) and row["keep"] == side.options["keep"]
    for row in ROWS.values():
        with pytest.raises(ValueError, match="several budgets"):
            facts(RUN, list(NAMES), [*ROWS.values(), row | {"keep": 0.25}], {})


def test_the_margin_is_that_of_the_average_that_is_least_certain():
    told, count = int(TOLD["average.margin"]), int(TOLD["average.questions"])
    # Of a share p of n questions, 95 of 100 times: 1.96 times the root of p (1 - p) / n.
    margins = [196 * math.sqrt(row["exact_short"] * (1 - row["exact_short"]) / count) for row in ROWS.values()]
    assert abs(told - max(margins)) < 0.6
    for row in ROWS.values():
        assert max(abs(end - row["exact_short"]) for end in row["exact_short_ci"]) * 100 < told + 0.5


def test_averages_are_of_as_many_short_questions_as_is_said_and_of_the_same_model():
    settings = MEASURED["settings"]
    assert settings["model"] == RECORDED.model and settings["data"] == "scenes"
    assert not settings["errors"] and not settings["skipped"] and not settings["left_out"]
    for row in ROWS.values():
        assert row["n"] == int(TOLD["average.questions"]) == settings["samples"]
        assert row["exact"] == row["exact_short"] and not {"describe"} & row["exact_by_skill"].keys()


RECALL_NAMES = {"plus": "elastic-plus", "pyramidkv": "pyramidkv"} | {
    name: name for name in ("snapkv", "streaming", "h2o", "elastic")
}


def at_a_fifth(name):
    """The row of a method's recall; the first edition's is the one combination that averages all by similar keys."""
    rows = [row for row in RECALLED["rows"] if row["keep"] == 0.2]
    if name == "first":
        start = "combine:score=after image;assign=similar key per head;"
        (row,) = [row for row in rows if row["policy"].startswith(start)]
    else:
        (row,) = [row for row in rows if row["policy"] == RECALL_NAMES[name]]
    return row


def test_recall_is_told_of_what_the_full_cache_recalls_at_a_fifth():
    told = {name.removeprefix("recall.") for name in TOLD if name.startswith("recall.")}
    assert told == {*RECALL_NAMES, "first", "asked", "tokens", "kept", "margin"}
    (full,) = [row for row in RECALLED["rows"] if row["policy"] == "full"]
    counted = sum(round(skill["n"] * skill["exact"]) for skill in full["by_skill"].values())
    assert int(TOLD["recall.asked"]) == counted and near(TOLD["recall.kept"], 0.2)
    for name in (*RECALL_NAMES, "first"):
        row = at_a_fifth(name)
        right = row["exact_of_full"] * counted
        assert right == pytest.approx(round(right)) and near(TOLD[f"recall.{name}"], round(right) / counted)
    settings = RECALLED["settings"]
    assert (settings["data"], settings["needles"], settings["question"]) == ("recall", 1, "known")
    assert settings["model"] == "smollm2" and TOLD["recall.tokens"] == str(settings["tokens"])
    assert not settings["errors"] and not settings["skipped"]


def test_the_margin_of_recall_covers_every_interval_that_is_quoted_and_is_no_wider_than_one():
    widths = [np.diff(at_a_fifth(name)["exact_of_full_ci"])[0] * 50 for name in (*RECALL_NAMES, "first")]
    assert int(TOLD["recall.margin"]) == round(max(widths)) > 0


def test_further_methods_and_budgets_change_nothing_of_recall_and_a_method_twice_is_refused():
    told = {name: text for name, text in TOLD.items() if name.startswith("recall.")}
    sure = {"exact_of_full": 0.5, "exact_of_full_ci": [0.0, 1.0]}
    others = [at_a_fifth("h2o") | sure | {"policy": "another"}, at_a_fifth("h2o") | sure | {"keep": 0.25}]
    more = RECALLED | {"rows": [*others, *RECALLED["rows"]]}
    again = facts(RUN, list(NAMES), [], more)
    assert {name: text for name, text in again.items() if name.startswith("recall.")} == told
    for row in (at_a_fifth("plus"), others[0]):
        with pytest.raises(ValueError, match=r"twice at keep 0\.2"):
            facts(RUN, list(NAMES), [], more | {"rows": [*more["rows"], row]})


def test_a_method_whose_recall_was_not_measured_is_not_told():
    rows = [row for row in RECALLED["rows"] if row["policy"] != "snapkv"]
    told = facts(RUN, list(NAMES), [], RECALLED | {"rows": rows})
    assert "recall.snapkv" not in told and told["recall.plus"] == TOLD["recall.plus"]
    with pytest.raises(ValueError, match="without the full cache"):
        facts(RUN, list(NAMES), [], RECALLED | {"rows": [row for row in rows if row["policy"] != "full"]})


def test_averaging_loses_numbers_and_names_and_an_exact_core_keeps_them():
    """What the second box of step 8 says, whatever the numbers are; full caches are at 1."""
    recalled = {name: at_a_fifth(name)["exact_of_full"] for name in (*RECALL_NAMES, "first")}
    plus, first = recalled.pop("plus"), recalled["first"]
    assert first < 0.15 and plus > 0.75 and plus > max(recalled.values()) + 2 * int(TOLD["recall.margin"]) / 100
    # And on the toy the first edition is as good as the full cache: within the interval, at half of that budget.
    methods = json.loads((RESULTS.parent / "methods.json").read_text(encoding="utf-8"))["rows"]
    (full,) = [row for row in methods if row["policy"] == "full"]
    (toy,) = [row for row in methods if row["policy"] == FIRST_EDITION and row["keep"] == 0.1]
    low, high = toy["exact_short_ci"]
    assert low <= full["exact_short"] <= high


def test_the_picture_is_the_scene_that_the_runs_link_names():
    picture = np.asarray(Image.open(io.BytesIO(RUN.pictures[0])), float)
    assert np.abs(picture - np.asarray(DRAWN, float)).mean() < 4


def test_the_brightest_patch_shows_nothing_in_layer_4_and_a_thing_in_others():
    shown = [SHOWN[layer[PATCHES].argmax()] for layer in RECORDED.score]
    assert shown[3] == "" and any(shown)


def test_a_things_word_looked_most_at_that_thing():
    for number, word in zip((5, 8), LISTED, strict=True):
        looked = RECORDED.looked[number - 1].astype(float).mean(0)[PATCHES]  # mean of layers
        assert RECORDED.answer_pieces[number - 1].strip() == word == SHOWN[looked.argmax()]
        received = {name: looked[name == SHOWN].sum() for name in {*SHOWN}}
        assert max(received, key=received.get) == word


def test_as_the_answer_ends_the_brightest_patch_shows_what_is_said_and_not_named():
    shown = SHOWN[RECORDED.looked[-1].astype(float).mean(0)[PATCHES].argmax()]
    (reply,) = (step["ask"]["reply"] for step in tomllib.loads(TEXTS)["steps"] if step["ask"].get("until") == 10)
    assert f"the brightest patch is on an {shown}:" in reply and shown not in LISTED and RECORDED.steps == 10


def test_the_first_token_gets_most_attention_of_all_and_the_last_ones_little():
    received = RECORDED.score.mean(0)
    words, question = received[: PATCHES[0]], received[PATCHES[-1] + 1 :]
    assert received.argmax() == 0 and words.min() > np.median(received[PATCHES]) > np.median(question)
    assert RECORDED.pieces[0] == "<s>" and RECORDED.is_prompt.all() and received[-1] <= 1


def test_those_that_answer_right_are_those_the_texts_name():
    right = {name for name, side in SIDES.items() if side.answer == RECORDED.answer}
    assert right == {"full", "merged", "dropped", "h2o", "unbiased", "plus"}
    first, second = LISTED
    assert re.fullmatch(f"I can see an? {first} and an? {second}[.]", RECORDED.answer)
    of_kind = {next(kind for kind, names in CATEGORIES.items() if name in names) for name in LISTED}
    assert [thing.name for thing in SCENE.things if thing.category in of_kind] == LISTED and len(of_kind) == 1


def test_without_the_question_something_else_is_named():
    wrong = SIDES["unprotected"].answer_pieces[7].strip()
    assert wrong in OBJECTS and wrong not in LISTED
    lost = AFTER - owners(SIDES["unprotected"], np.arange(TOKENS - AFTER, TOKENS))
    assert RECORDED.is_image[TOKENS - AFTER - 1] and not RECORDED.is_image[-AFTER:].any()
    assert lost.min() > AFTER / 2, "most of the question"
    # Without the causal bias nearly all of it is kept in most layers.
    kept = owners(SIDES["unbiased"], np.arange(TOKENS - AFTER, TOKENS))
    assert (kept >= AFTER - 2).sum() > kept.size / 2


def test_the_last_token_keeps_its_slot_without_protection_though_it_got_too_little_for_one():
    side = SIDES["unprotected"]
    assert (side.owner[:, 0, [0, -1]] == [0, TOKENS - 1]).all() and side.pieces[-1] == ":"
    for score, slots in zip(side.score, side.prompt_slots, strict=True):
        assert (score > score[-1]).sum() >= slots


def test_more_anchors_of_layer_5_lie_in_the_upper_half_some_of_them_on_empty_ground():
    upper, lower = np.split(PATCHES, 2)
    assert owners(SIDES["merged"], upper)[4] > 3 * owners(SIDES["merged"], lower)[4] > 0
    assert owners(SIDES["merged"], upper[SHOWN[: len(upper)] == ""])[4] > 0


def test_in_the_end_every_layer_of_both_holds_the_slots_that_are_said_and_both_wrote_the_same():
    for side, told in ((RECORDED, TOLD["full.slots_end"]), (SIDES["merged"], TOLD["merged.slots_end"])):
        assert [*map(str, held_at_end(side))] == [f"{slots:g}" for slots in side.slots[-1]] == [told] * LAYERS
    assert TOLD["merged.answer"] == TOLD["full.answer"] == SIDES["merged"].answer == RECORDED.answer


def test_all_compressed_sides_hold_equally_many_slots_after_the_prompt_but_one_that_spares_some_for_the_answer():
    held = {name: tuple(side.prompt_slots) for name, side in SIDES.items() if name != "full"}
    plus = held.pop("plus")
    assert set(held.values()) == {(TOKENS // 2,) * LAYERS} and set(RECORDED.prompt_slots) == {TOKENS}
    assert plus == (TOKENS // 2 - 8,) * LAYERS and (SIDES["plus"].slots <= (TOKENS + RECORDED.steps) // 2).all()
    for side in SIDES.values():
        assert (owners(side, np.arange(TOKENS)) == side.prompt_slots[:, None]).all()
    for name in ("merged", "dropped"):  # of these, each word keeps its own
        assert (owners(SIDES[name], np.flatnonzero(~RECORDED.is_image)) == TOKENS - len(PATCHES)).all()


def test_merged_patches_join_the_nearest_anchor_in_reading_order_and_dropped_ones_none():
    anchors = SIDES["merged"].owner == np.arange(TOKENS)
    assert np.array_equal(SIDES["dropped"].owner, np.where(anchors, np.arange(TOKENS), -1))
    for owner, anchor in zip(SIDES["merged"].owner[:, 0], anchors[:, 0], strict=True):
        theirs = [token for token in PATCHES if anchor[token]]
        for token in PATCHES:
            assert owner[token] in theirs and abs(owner[token] - token) == min(abs(other - token) for other in theirs)


def test_merging_gives_up_one_slot_per_layer_whenever_it_holds_more_than_its_share_and_always_at_one_place():
    side, places = SIDES["merged"], set()
    assert (side.joined < 0).all() and side.dropped.shape[2] == 1
    for step in range(stored(side)):
        before = side.slots[step - 1] if step else side.prompt_slots
        over = before + 1 > side.options["keep"] * (TOKENS + step + 1)
        assert np.array_equal(side.dropped[step, :, 0] >= 0, over) and over.all() == over.any()
        assert np.array_equal(side.slots[step], before + 1 - over)
        for owner, gone in zip(side.owner_after(step)[:, 0], side.dropped[step, :, 0], strict=True):
            held = [token for token in PATCHES if owner[token] == token]
            places |= {(held.index(gone))} if gone >= 0 else set()
    assert len(places) == 1 and 0 < places.pop() < int(TOLD["merged.anchors"]) - 20
    assert (np.abs(side.slots[-1] - side.prompt_slots - stored(side) / 2) <= 0.5).all()
    assert set(RECORDED.slots[-1] - RECORDED.prompt_slots) == {stored(RECORDED)}


def test_dropping_is_better_on_average_and_without_the_question_far_less_is_right():
    exact = {name: ROWS[label(side)]["exact_short"] for name, side in SIDES.items() if label(side) in ROWS}
    worst = exact.pop("unprotected")
    assert exact["plus"] > exact["dropped"] > exact["merged"]
    assert worst < 0.5 * exact["merged"] and worst < 0.6 * min(exact.values())
    # No method is better than the full cache beyond what 500 questions can tell.
    assert max(exact.values()) - exact["full"] < int(TOLD["average.margin"]) / 100


def test_a_run_teaches_only_with_the_right_sides_right_and_different_layers():
    about = tuple(thing for thing in SCENE.things if thing.name in LISTED)
    question = Question("list_category", RECORDED.question, text := RECORDED.answer, about)
    assert teaches(RUN, question, SCENE)
    for number, name in enumerate(NAMES):
        other = "Nothing." if RUN.sides[number].answer == text else text
        sides = [replace(side, answer=other) if side is RUN.sides[number] else side for side in RUN.sides]
        assert teaches(replace(RUN, sides=sides), question, SCENE) == (name == "streaming")
    for shown in ("", LISTED[0]):  # brightest in every layer
        score = RECORDED.score.copy()
        score[:, PATCHES[SHOWN.tolist().index(shown)]] = 99
        sides = [replace(RECORDED, score=score), *RUN.sides[1:]]
        assert not teaches(replace(RUN, sides=sides), question, SCENE)
