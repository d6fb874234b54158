"""The lesson: each number and each claim of its texts holds in the recorded run, and mistakes in its files are named.

Broken files are made from the English one, whose wording no test knows.
"""

import base64
import copy
import html
import io
import json
import math
import re
import subprocess
import sys
import tomllib
import zlib
from dataclasses import fields, replace
from functools import reduce
from operator import getitem

import numpy as np
import pytest
from PIL import Image

from elastic.policies import POLICIES
from page.lesson import FOLDER, RESULTS, ROOT, codes, lesson, lesson_file, lesson_run
from tests.view_traces import ELASTIC, FULL, HEADS, PLUS, run_of
from training.questions import Question
from training.record_lesson import teaches
from training.scenes import CATEGORIES, patch_things, random_scene, render
from viz.facts import facts
from viz.lesson import read_lesson
from viz.lesson_page import lesson_html
from viz.lesson_value import lesson_value

RUN, NAMES = lesson_run()
SIDES = dict(zip(NAMES, RUN.sides, strict=True))
RECORDED = SIDES["full"]
PATCHES = np.flatnonzero(RECORDED.is_image)
TOKENS, LAYERS = len(RECORDED.pieces), len(RECORDED.owner)
MEASURED = json.loads(RESULTS.read_text(encoding="utf-8"))
ROWS = {row["policy"]: row for row in MEASURED["rows"]}
MADE = run_of("made", [FULL, ELASTIC, HEADS, PLUS])
RUNS = {"recorded": (RUN, NAMES), "made": (MADE, ("full", "elastic", "heads", "plus"))}
TOLD = facts(RUN, list(NAMES), list(ROWS.values()))
SCENE = random_scene(int(RUN.link["example"].removeprefix("scene-")))
DRAWN, COVERED = render(SCENE)
SHOWN = np.array(["", *(thing.name for thing in SCENE.things)])[patch_things(COVERED)]  # per patch
ANIMALS = [thing.name for thing in SCENE.things if thing.name in CATEGORIES["animal"]]
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


@pytest.mark.parametrize("name", RUNS)
def test_the_prompt_is_told_as_it_was(name):
    run, names = RUNS[name]
    full, told = run.sides[0], facts(run, list(names), [])
    first, patches = full.is_image.tolist().index(True), math.prod(full.grid)
    tokens, layers = full.owner.shape[2], full.owner.shape[0]
    counts = {"tokens": tokens, "patches": patches, "before": first, "after": tokens - first - patches}
    counts |= {"rows": full.grid[0], "columns": full.grid[1], "words": tokens - patches, "layers": layers}
    assert {key: int(told[key]) for key in counts} == counts
    assert (told["question"], told["model"]) == (full.question, full.model) and near(told["share"], patches / tokens)
    # A key and a value, of 4 bytes a number, in each layer.
    assert reads(told["per_token"], layers * SLOT_BYTES) and int(told["width"]) == SLOT_BYTES / 2 / 4
    seen = [np.flatnonzero(looked.any(0)).max() + 1 for looked in full.looked]  # tokens, by each query of the answer
    assert reads(told["reread"], layers * SLOT_BYTES * sum(seen))
    for number, layer in enumerate(full.score, start=1):
        brightest = max(range(patches), key=lambda patch, layer=layer: layer[first + patch])
        place = int(told[f"layer{number}.row"]) - 1, int(told[f"layer{number}.column"]) - 1
        assert place[0] * full.grid[1] + place[1] == brightest and max(place) < max(full.grid)
        assert told[f"layer{number}.sink"] == full.pieces[0]
        assert near(told[f"layer{number}.sink_share"], layer[0] / sum(layer.tolist()))
    assert f"layer{layers + 1}.row" not in told and "layer0.row" not in told


@pytest.mark.parametrize("name", RUNS)
def test_every_side_is_told_as_it_was(name):
    run, names = RUNS[name]
    told, full = facts(run, list(names), []), run.sides[0]
    for of, side in zip(names, run.sides, strict=True):
        after = np.arange(np.flatnonzero(side.is_image).max() + 1, len(side.pieces))
        slots = owners(side, np.arange(len(side.pieces))).max(1)
        end = slots + stored(side) - (side.dropped >= 0).any(2).sum(0)
        whole = len(full.owner) * (len(full.pieces) + stored(full))
        assert (told[f"{of}.answer"], int(told[f"{of}.steps"])) == (side.answer, len(side.answer_ids))
        assert reads(told[f"{of}.memory"], slots.sum() * SLOT_BYTES)
        assert reads(told[f"{of}.end"], end.sum() * SLOT_BYTES)
        assert near(told[f"{of}.saved"], 1 - end.sum() / whole) and near(told[f"{of}.kept"], side.options["keep"])
        assert spans(told[f"{of}.slots"], slots) and spans(told[f"{of}.slots_end"], end)
        patches = np.flatnonzero(side.is_image)
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
    told = facts(MADE, ["full", "elastic", "heads", "plus"], [])
    assert " to " in told["elastic.slots"] and " to " in told["heads.anchors"] and " to " in told["elastic.lost"]
    assert "full.first" not in told and "elastic.first" in told
    assert told["average.questions"] == "0" and not [name for name in told if name.startswith("average.m")]


SIZES = {255: "255 B", 256: "0.25 KiB", 1536: "1.50 KiB", 10 * 2**10: "10 KiB", 2**18: "0.25 MiB", 0: "0 B"}
SIZES |= {int(3.146 * 2**20): "3.15 MiB", int(255.4 * 2**20): "255 MiB", 2**28: "0.25 GiB", 3 * 2**30: "3 GiB"}


@pytest.mark.parametrize("count, text", SIZES.items())
def test_bytes_are_told_in_the_unit_in_which_the_view_shows_them(count, text):
    bytes_held = np.array([count, 0, 0])
    assert facts(run_of("x", [replace(FULL, prompt_bytes=bytes_held)]), ["full"], [])["full.memory"] == text


def test_what_is_said_of_the_large_model_is_arithmetic():
    patches = (336 // 14) ** 2  # pixels of its picture, and of a patch
    token = 32 * 2 * (32 * 128) * 2  # layers, key and value, heads and channels, bytes of a number
    assert int(TOLD["llava.patches"]) == patches
    assert reads(TOLD["llava.token"], token) and TOLD["llava.picture"] == f"{patches * token / 2**20:g} MiB"


def label(side):
    """A side's policy as the evaluation writes it: with the options that are not as usual."""
    usual = POLICIES[side.policy]()
    options = [(field.name, side.options[field.name]) for field in fields(usual) if field.name != "keep"]
    changed = [f"{name}={str(value).lower()}" for name, value in options if value != getattr(usual, name)]
    return ":".join([side.policy, *([";".join(changed)] if changed else [])])


def test_averages_are_those_measured_of_the_sides_own_policies():
    told = {name.removeprefix("average.") for name in TOLD if name.startswith("average.")} - {"questions"}
    assert {"full", "merged", "dropped", "unprotected", "unbiased", "plus"} <= told
    for name in told:
        row = ROWS[label(SIDES[name])]
        right = round(row["exact_short"] * row["n"])
        assert near(TOLD[f"average.{name}"], right / row["n"]) and row["keep"] == SIDES[name].options["keep"]


def test_averages_are_of_as_many_short_questions_as_is_said_and_of_the_same_model():
    settings = MEASURED["settings"]
    assert settings["model"] == RECORDED.model and settings["data"] == "scenes"
    assert not settings["errors"] and not settings["skipped"] and not settings["left_out"]
    for row in ROWS.values():
        assert row["n"] == int(TOLD["average.questions"]) == settings["samples"]
        assert row["exact"] == row["exact_short"] and not {"describe"} & row["exact_by_skill"].keys()


# ---- what the texts say of this run, besides what they quote


def test_the_picture_is_the_scene_that_the_runs_link_names():
    picture = np.asarray(Image.open(io.BytesIO(RUN.picture)), float)
    assert np.abs(picture - np.asarray(DRAWN, float)).mean() < 4


def test_the_brightest_patch_shows_nothing_in_layer_4_the_pig_in_layer_5_and_a_thing_in_layer_6():
    shown = [SHOWN[layer[PATCHES].argmax()] for layer in RECORDED.score]
    assert shown[3] == "" and shown[4] == "pig" in ANIMALS and shown[5] != ""


def test_the_words_of_an_animal_looked_at_it():
    for number, animal in ((5, "pig"), (8, "elephant")):
        looked = RECORDED.looked[number - 1].astype(float).mean(0)[PATCHES]
        assert RECORDED.answer_pieces[number - 1].strip() == animal == SHOWN[looked.argmax()]
        received = {name: looked[name == SHOWN].sum() for name in {*SHOWN}}
        assert max(received, key=received.get) == animal


def test_the_first_token_gets_most_attention_of_all_and_the_last_ones_little():
    received = RECORDED.score.mean(0)
    words, question = received[: PATCHES[0]], received[PATCHES[-1] + 1 :]
    assert received.argmax() == 0 and words.min() > np.median(received[PATCHES]) > question.max()
    assert RECORDED.pieces[0] == "<s>" and RECORDED.is_prompt.all() and received[-1] <= 1


def test_those_that_answer_right_are_those_the_texts_name():
    right = {name for name, side in SIDES.items() if side.answer == RECORDED.answer}
    assert right == {"full", "merged", "h2o", "unbiased", "plus"}
    assert ANIMALS == ["pig", "elephant"] and RECORDED.answer == "I can see a pig and an elephant."


def test_what_is_named_without_the_question_is_in_the_picture_but_no_animal():
    wrong = SIDES["unprotected"].answer_pieces[7].strip()
    assert wrong in SHOWN and wrong not in ANIMALS and wrong not in RECORDED.answer
    lost = 9 - owners(SIDES["unprotected"], np.arange(TOKENS - 9, TOKENS))
    assert RECORDED.is_image[TOKENS - 10] and not RECORDED.is_image[-9:].any()
    assert sorted({*lost.ravel().tolist()}) == [7, 8]
    # Without the causal bias most of it is kept, in most layers.
    assert (owners(SIDES["unbiased"], np.arange(TOKENS - 9, TOKENS)) > 9 / 2).mean() > 0.5


def test_the_sides_that_keep_words_keep_every_word():
    for name in ("merged", "dropped"):
        assert (owners(SIDES[name], np.flatnonzero(~RECORDED.is_image)) == TOKENS - len(PATCHES)).all()


def test_more_anchors_of_layer_5_lie_in_the_upper_half():
    upper, lower = np.split(PATCHES, 2)
    assert owners(SIDES["merged"], upper)[4] > 3 * owners(SIDES["merged"], lower)[4] > 0


def test_all_compressed_sides_hold_equally_many_slots_after_the_prompt():
    held = {tuple(side.prompt_slots) for name, side in SIDES.items() if name != "full"}
    assert held == {(TOKENS // 2,) * LAYERS} and set(RECORDED.prompt_slots) == {TOKENS}
    for side in SIDES.values():
        assert (owners(side, np.arange(TOKENS)) == side.prompt_slots[:, None]).all()


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
    grown = side.slots[-1] - side.prompt_slots
    assert (np.abs(grown - stored(side) / 2) <= 0.5).all()
    assert set(RECORDED.slots[-1] - RECORDED.prompt_slots) == {stored(RECORDED)}


def test_dropping_is_better_on_average_and_without_the_question_hardly_anything_is_right():
    exact = {name: ROWS[label(side)]["exact_short"] for name, side in SIDES.items() if label(side) in ROWS}
    worst = exact.pop("unprotected")
    assert exact["dropped"] > exact["merged"] and max(exact, key=exact.get) == "full"
    assert worst < 0.1 < min(exact.values())


def test_a_run_teaches_only_with_the_right_sides_right_and_different_layers():
    text = "I can see a pig and an elephant."
    question = Question("list_category", RECORDED.question, text)
    assert teaches(RUN, question, SCENE)
    for number, name in enumerate(NAMES):
        other = "Nothing." if RUN.sides[number].answer == text else text
        sides = [replace(side, answer=other) if side is RUN.sides[number] else side for side in RUN.sides]
        assert teaches(replace(RUN, sides=sides), question, SCENE) == (name in ("h2o", "streaming"))
    for shown in ("", "pig"):  # brightest in every layer
        score = RECORDED.score.copy()
        score[:, PATCHES[SHOWN.tolist().index(shown)]] = 99
        sides = [replace(RECORDED, score=score), *RUN.sides[1:]]
        assert not teaches(replace(RUN, sides=sides), question, SCENE)


# ---- files


ENGLISH = tomllib.loads((FOLDER / "en.toml").read_text(encoding="utf-8"))
STEPS, TERMS = ENGLISH["steps"], ENGLISH["glossary"]


def toml(value):
    """A value as TOML; what JSON writes of texts and numbers is valid there."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def changed(change):
    """The English lesson as TOML, with other values at places such as `steps.2.look.layer`."""
    given = copy.deepcopy(ENGLISH)
    # So that a change may take away any text: each term is led to here, too.
    given["steps"][7]["ask"]["options"][0]["reply"] = " ".join(f"[x](term:{term['name']})" for term in TERMS)
    for place, value in change.items():
        *path, last = (int(part) if part.isdigit() else part for part in place.split("."))
        reduce(getitem, path, given)[last] = value
    return "\n".join(f"{key} = {toml(value)}" for key, value in given.items())


def value_of(folder, text):
    (folder / "xx.toml").write_text(text, encoding="utf-8")
    return lesson_value(read_lesson(folder / "xx.toml"), RUN, list(NAMES), list(ROWS.values()))


def words(count):
    """A change after which the first step asks to be read as so many words."""
    return {"steps.0.text": "one, two – " * ((count - 1) // 2) + "x" * ((count - 1) % 2), "steps.0.ask.text": "Point!"}


RIGHT, WRONG = ({"text": "x", "reply": "x", "right": right} for right in (True, False))
OUTSIDE = {("layer", "layers"): LAYERS + 1, ("t", "tokens"): 1 + max(side.steps for side in SIDES.values())}
MISTAKES = [
    ({"steps.2.colour": "red"}, r"steps\.2\.colour"),
    ({"steps.2.look": {}}, r"steps\.2\.look\.parts"),
    ({"steps.1.text": "{per_tokens}"}, r"step 2\b.*per_tokens"),
    ({"steps.1.text": "[{per_tokens}](see:patch)"}, r"step 2\b.*per_tokens"),
    ({"steps.1.sheet.text": "{per_tokens}"}, r"step 2\b.*sheet.*per_tokens"),
    ({"steps.1.ask.unasked": "{per_tokens}"}, r"step 2\b.*unasked.*per_tokens"),
    ({"glossary.0.text": "{x}"}, rf"glossary {TERMS[0]['name']}\b.*x"),
    ({"steps.0.ask.reply": "{hits}"}, r"step 1\b.*reply.*hits"),
    ({"steps.4.box": {"title": "x", "text": "{merged.kept"}}, r"step 5\b.*box.*bracket"),
    ({"about": "[x](http://x.org)"}, r"about: .*bracket"),
    ({"steps.5.ask.options.0.reply": "[x](term:heat)"}, r"step 6\b.*reply.*term:heat"),
    ({"steps.6.text": "[x](see:budget)"}, r"step 7\b.*see:budget"),
    ({"glossary.0.name": "lonely"}, r"glossary: .*\blonely"),
    ({"words": {name: text for name, text in ENGLISH["words"].items() if name != "next"}}, r"words.*\bnext\b"),
    ({"words.nxet": "Next"}, r"words.*\bnxet\b"),
    ({"steps": STEPS[:7]}, r"steps: .*8"),
    ({"steps": [*STEPS, STEPS[0]]}, r"steps: .*8"),
    ({"steps.3.ask.options": [RIGHT, WRONG, RIGHT]}, r"steps\.3\.ask.*right"),
    ({"steps.3.ask.options": [WRONG, WRONG]}, r"steps\.3\.ask.*right"),
    *(
        ({f"steps.4.{part}": STEPS[4].get(part, {}) | {name: value}}, rf"step 5\b.*\b{value - 1} {them}")
        for part in ("look", "then", "sheet")
        for (name, them), value in OUTSIDE.items()
    ),
    *(
        ({f"steps.{place}": "merges"}, rf"step {int(place[0]) + 1}\b.*side.*merges")
        for place in ("6.look.side", "6.sheet.side", "7.switches.1.side", "5.multiples.sides.1")
    ),
    ({"steps.5.multiples.titles": ["x"]}, r"steps\.5\.multiples.*title"),
    ({"steps.7.box.bars": [{"side": "h2o", "text": "Bar"}]}, r"step 8\b.*box.*Bar"),
    (words(71), r"step 1\b.*71 words.*70"),
    ({"steps.2.code.line": "not to be found"}, r"elastic/attention\.py.*not to be found"),
    ({"glossary": [{**TERMS[0], "name": letter} for letter in "abcdefghijklmnop"]}, r"glossary: .*15"),
]


@pytest.mark.parametrize("change, sentence", MISTAKES, ids=lambda part: next(iter(part), "") * isinstance(part, dict))
def test_a_mistake_in_a_file_is_named_with_its_place(tmp_path, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        value_of(tmp_path, changed(change))


def test_all_mistakes_are_told_at_once_and_a_broken_file_by_its_name(tmp_path):
    with pytest.raises(ValueError, match=r"(?s)per_tokens.*\n.*merges"):
        value_of(tmp_path, changed({"steps.1.text": "{per_tokens}", "steps.6.look.side": "merges"}))
    with pytest.raises(ValueError, match=r"xx\.toml is not valid TOML.*line 2"):
        value_of(tmp_path, 'language = "x"\ntitle = "never closed\n')


def test_what_is_just_within_the_limits_is_told(tmp_path):
    look = STEPS[4]["look"] | {"layer": LAYERS, "t": RECORDED.steps}
    value = value_of(tmp_path, changed(words(70) | {"steps.4.look": look}))
    assert value["steps"][0]["ask"]["text"] == ["Point!"] and look.items() <= value["steps"][4]["look"].items()


def read(text):
    """A text of the file as a reader sees it: marks away, facts filled in."""
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text)
    return re.sub(r"\{([^}]+)\}", lambda found: TOLD.get(found[1], ""), text)


def test_texts_states_and_code_reach_the_page_as_they_are_in_the_file():
    value = lesson()
    pairs = [(value["about"], ENGLISH["about"])]
    pairs += [(new["text"], old["text"]) for new, old in zip(value["glossary"], TERMS, strict=True)]
    for new, old in zip(value["steps"], STEPS, strict=True):
        asked, given = new["ask"], old["ask"]
        pairs += [(asked[name], given[name]) for name in ("reply", "unasked") if name in given]
        options = zip(asked.get("options", []), given.get("options", []), strict=True)
        parts = [(new, old), (asked, given), *((new[name], old[name]) for name in ("sheet", "box") if name in old)]
        pairs += [(part["text"], same["text"]) for part, same in parts]
        pairs += [(option["reply"], same["reply"]) for option, same in options]
        assert old["look"].items() <= new["look"].items() and old.get("then", {}) == new["then"]
        lines = (ROOT / old["code"]["file"]).read_text(encoding="utf-8").split("\n")
        first, number, shown = (new["code"][name] for name in ("first", "number", "lines"))
        assert old["code"]["line"] in lines[number - 1] and shown == lines[first - 1 :][: len(shown)]
        assert first <= number < first + len(shown)
    for pieces, text in pairs:
        assert "".join(piece if isinstance(piece, str) else piece["text"] for piece in pieces) == read(text)
    assert value["steps"][1]["ask"]["total"] == TOKENS * LAYERS * SLOT_BYTES
    bars = {bar["side"]: bar["text"] for bar in STEPS[7]["box"]["bars"]}
    assert value["steps"][7]["box"]["bars"] == [{"text": bars[side], "value": TOLD[f"average.{side}"]} for side in bars]


def test_a_further_language_is_a_further_file(tmp_path):
    for name, change in (("en", {}), ("aa", {"language": "Aa", "title": "Afar"}), ("zz", {"language": "Zz"})):
        (tmp_path / f"{name}.toml").write_text(changed(change), encoding="utf-8")
    known = [("en", "English"), ("aa", "Aa"), ("zz", "Zz")]
    assert codes(tmp_path) == [code for code, _ in known]
    for asked, code, title in (("aa", "aa", "Afar"), ("en", "en", ENGLISH["title"]), ("../aa", "en", ENGLISH["title"])):
        value = lesson(asked, tmp_path)
        assert (value["code"], value["title"], value["languages"]) == (code, title, known)


HURT = "</script><script>hurt()</script>@view@ @record@ \"a\" 'b' <img src=x onerror=hurt()> &lt; <!-- //evil.example"


def test_no_text_of_a_lesson_becomes_markup_of_its_file(tmp_path):
    hurt = dict.fromkeys(("title", "about", "language", "words.next", "glossary.0.term", "steps.0.title"), HURT)
    hurt |= dict.fromkeys(("steps.3.ask.options.0.text", "steps.7.switches.0.text", "steps.7.box.title"), HURT)
    value = value_of(tmp_path, changed(hurt | {"steps.0.ask.reply": HURT}))
    pages = [lesson_html(value, RUN), lesson_file()]
    frames = [re.sub(r'(?s)<title>.*?</title>|(?<=id="record">)[^<]*', "", page) for page in pages]
    assert frames[0] == frames[1]
    assert html.unescape(re.search(r"<title>([^<]*)</title>", pages[0])[1]) == HURT
    record = re.search(r'id="record">([^<]*)', pages[0])[1]
    unpacked = json.loads(zlib.decompress(base64.b64decode(record)))
    assert unpacked["value"] == json.loads(json.dumps(value)) and value["steps"][0]["ask"]["reply"] == [HURT]
    assert len(unpacked["layers"]) == LAYERS and {len(layer) for layer in unpacked["layers"]} == {len(NAMES)}


def test_the_file_asks_nobody_for_anything():
    page = lesson_file()
    assert re.search(r"""http-equiv="Content-Security-Policy" content="default-src 'none';""", page)
    assert {*re.findall(r"\w+://[^\s'\"]+", page)} == {"http://www.w3.org/2000/svg"}  # a name, never fetched
    assert not re.search(r"""<[^>]*\s(src|href)=|@import|url\((?!["']?(data:|#))""", page)


def test_the_program_writes_that_file_without_torch(tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "page.lesson", "--out", str(tmp_path / "x.html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "viz.lesson_page" in modules and not {"torch", "transformers", "gradio"} & modules
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == lesson_file() and "x.html" in done.stdout
