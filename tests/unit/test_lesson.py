"""The lesson's files: what they say reaches the page, what is wrong in them is named. Their wording no test knows."""

import base64
import copy
import html
import json
import os
import re
import tomllib
import zlib
from functools import reduce
from itertools import product
from operator import getitem

import pytest

from page import lesson as page_lesson
from page.lesson import FOLDER, RECALL, RESULTS, ROOT, codes, lesson, lesson_file, lesson_run
from viz.facts import facts
from viz.lesson import ViewState, read_lesson
from viz.lesson_page import lesson_html
from viz.lesson_value import lesson_value

RUN, NAMES = lesson_run()
LAYERS, _, TOKENS = RUN.sides[0].owner.shape
SLOT_BYTES = 2 * 4 * 64 * 4  # key and value, heads, channels, bytes of a number
ROWS = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
RECALLED = json.loads(RECALL.read_text(encoding="utf-8"))
TOLD = facts(RUN, list(NAMES), ROWS, RECALLED)
ENGLISH = tomllib.loads((FOLDER / "en.toml").read_text(encoding="utf-8"))
STEPS, TERMS = ENGLISH["steps"], ENGLISH["glossary"]
# So that a change may take away any text: each term is led to here, too.
LED = copy.deepcopy(ENGLISH)
LED["steps"][7]["ask"]["options"][0]["reply"] = " ".join(f"[x](term:{term['name']})" for term in TERMS)


def toml(value):
    """A value as TOML; what JSON writes of texts and numbers is valid there."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def there(value, place):
    """What holds the value at a place such as `steps.2.look.layer`, and its name in it."""
    *path, last = (int(part) if part.isdigit() else part for part in place.split("."))
    return reduce(getitem, path, value), last


def changed(change, lesson=LED):
    """The English lesson as TOML, with other values at some places."""
    given = copy.deepcopy(lesson)
    for place, value in change.items():
        holder, name = there(given, place)
        holder[name] = value
    return "\n".join(f"{key} = {toml(value)}" for key, value in given.items())


def value_of(folder, text, encoding="utf-8"):
    (folder / "xx.toml").write_text(text, encoding=encoding)
    return lesson_value(read_lesson(folder / "xx.toml"), RUN, list(NAMES), ROWS, RECALLED)


def words(count):
    """A change after which the first step asks to be read as so many words."""
    return {"steps.0.text": "one, two – " * ((count - 1) // 2) + "x" * ((count - 1) % 2), "steps.0.ask.text": "Point!"}


RIGHT, WRONG = ({"text": "x", "reply": "x", "right": right} for right in (True, False))
STEPS_OF = {name: len(side.answer_pieces) for name, side in zip(NAMES, RUN.sides, strict=True)}
# The last t of a step: to it either the full side or its own still writes.
LATEST = {side: max(STEPS_OF["full"], STEPS_OF[side]) for side in ("merged", "streaming", "dropped")}
PARTS = ("look", "then", "sheet")


def at(part, side, t):
    """A change after which a part of step 6 shows that side after t tokens; what comes then, the look's."""
    return {f"steps.5.{'sheet' if part == 'sheet' else 'look'}.side": side, f"steps.5.{part}.t": t}


def until(side, token):
    return {"steps.2.look.side": side, "steps.2.ask.until": token}


NO_FACTS = ("average.h3o", "recall.h3o", "h2o", "57 %")
NO_SHARES = ("tokens", "full.memory", "recall.asked", "layer3.sink")
LOOSE = [("layer", "5"), ("layer", 5.0), ("layer", True), ("t", -1), ("mode", "keeps"), ("side", "")]
MISTAKES = [
    ({"steps.2.colour": "red"}, r"steps 3, colour"),
    ({"steps.2.look": {}}, r"steps 3, look, parts"),
    ({"steps.1.text": "{per_tokens}"}, r"step 2\b.*per_tokens"),
    ({"steps.1.text": "[{per_tokens}](see:patch)"}, r"step 2\b.*per_tokens"),
    ({"steps.1.sheet.text": "{per_tokens}"}, r"step 2\b.*sheet.*per_tokens"),
    ({"steps.1.ask.unasked": "{per_tokens}"}, r"step 2\b.*unasked.*per_tokens"),
    ({"glossary.0.text": "{x}"}, rf"glossary {TERMS[0]['name']}\b.*x"),
    ({"steps.0.ask.reply": "{hits}"}, r"step 1\b.*reply.*hits"),
    ({"steps.4.boxes": [{"title": "x", "text": "{merged.kept"}]}, r"step 5\b.*box 1.*bracket"),
    ({"steps.7.box": STEPS[7]["boxes"][0]}, r"steps 8, box: "),
    ({"steps.7.boxes.1.bar": []}, r"steps 8, boxes 2, bar: "),
    ({"steps.7.boxes.1.text": "{recall.h3o}"}, r"step 8, box 2: .*recall\.h3o"),
    ({"about": "[x](http://x.org)"}, r"about: .*bracket"),
    ({"steps.5.ask.options.0.reply": "[x](term:heat)"}, r"step 6\b.*reply.*term:heat"),
    ({"steps.6.text": "[x](see:budget)"}, r"step 7\b.*see:budget"),
    ({"glossary.0.name": "lonely"}, r"glossary: .*\blonely"),
    ({"words": {name: text for name, text in ENGLISH["words"].items() if name != "next"}}, r"words.*\bnext\b"),
    ({"words.nxet": "Next"}, r"words.*\bnxet\b"),
    *(({"steps": steps}, r"steps: .*8") for steps in (STEPS[:7], [*STEPS, STEPS[0]])),
    *(({"steps.3.ask.options": them}, r"steps 4, ask\b.*right") for them in ([RIGHT, WRONG, RIGHT], [WRONG, WRONG])),
    *(({f"steps.5.{part}.layer": LAYERS + 1}, rf"step 6\b.* {LAYERS} layers") for part in PARTS),
    *((at(part, side, t + 1), rf"step 6\b.* {t} tokens") for part in PARTS for side, t in LATEST.items()),
    *((until(side, steps + 1), rf"step 3\b.*\b{side} has {steps} tokens") for side, steps in STEPS_OF.items()),
    (until("full", "given up"), r"step 3\b.*full gives nothing up"),
    *(({f"steps.{of}.side": "x"}, rf"step {int(of[0]) + 1}\b.* x;") for of in ("6.look", "6.sheet", "7.switches.1")),
    ({"steps.5.multiples.sides.1": "merges"}, r"step 6\b.*side.*merges"),
    ({"steps.5.multiples.titles": ["x"]}, r"steps 6, multiples: .*title"),
    *(({"steps.7.boxes.0.bars": [{"fact": name, "text": "Bar"}]}, rf"step 8, box 1: .*{name}") for name in NO_FACTS),
    *(({"steps.7.boxes.1.bars": [{"fact": name, "text": "x"}]}, rf"box 2: a bar .* {name} is") for name in NO_SHARES),
    ({"steps.7.boxes.1.bars": [{"side": "h2o", "text": "x"}]}, r"(?s)boxes 2, bars 1, fact: .*boxes 2, bars 1, side: "),
    (words(71), r"step 1\b.*71 words.*70"),
    ({"steps.2.code.line": "not to be found"}, r"elastic/cache/attention\.py.*not to be found"),
    ({"glossary": [{**TERMS[0], "name": letter} for letter in "abcdefghijklmnop"]}, r"glossary: .*15"),
    ({"glossary": [*TERMS[1:], TERMS[1]]}, r"glossary: two entries have one name"),
    *(({"steps.2.code.file": file}, rf"step 3\b.* {file} ") for file in ("elastic", "elastic/nowhere")),
    *(({f"steps.4.look.{name}": value}, rf"steps 5, look, {name}: ") for name, value in LOOSE),
    *(({f"steps.4.sheet.{name}": value}, rf"steps 5, sheet, {name}: ") for name, value in LOOSE),
    ({"steps.0.then": {"unfold": 1, "mode": "keeps"}}, r"(?s)steps 1, then, mode: .*\n  steps 1, then, unfold: "),
    ({"steps.3.ask.options.0.right": "yes"}, r"steps 4, ask, choose, options 1, right: "),
    ({"steps.2.ask.until": "8"}, r"steps 3, ask, reach, until"),
    ({"steps.4.ask.mode": "keeps"}, r"steps 5, ask, pick, mode: "),
    ({"steps.3.multiples.mode": "keeps"}, r"steps 4, multiples, mode: "),
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
    for text, encoding in ((changed({}), "utf-16"), ('title = "é"', "latin-1")):
        with pytest.raises(ValueError, match=r"xx\.toml is not saved as UTF-8"):
            value_of(tmp_path, text, encoding)
    assert value_of(tmp_path, changed({}), "utf-8-sig") == value_of(tmp_path, changed({}))  # with a byte order mark


def test_what_is_just_within_the_limits_is_told(tmp_path):
    value = value_of(tmp_path, changed(words(70) | {f"steps.5.{part}.layer": LAYERS for part in PARTS}))
    assert value["steps"][0]["ask"]["text"] == ["Point!"]
    assert [value["steps"][5][part]["layer"] for part in PARTS] == [LAYERS] * 3
    for part, (side, t) in product(PARTS, LATEST.items()):
        assert value_of(tmp_path, changed(at(part, side, t)))["steps"][5][part]["t"] == t
    for side, steps in STEPS_OF.items():
        assert value_of(tmp_path, changed(until(side, steps)))["steps"][2]["ask"]["until"] == steps
    assert STEPS_OF["streaming"] < STEPS_OF["full"]


def test_a_mode_is_one_that_the_view_reads_from_an_address():
    script = (ROOT / "assets" / "web" / "core" / "address.js").read_text(encoding="utf-8")
    presets = re.findall(r"(\w+):", re.sub(r"\{[^{}]*\}", "", re.search(r"(?s)PRESETS = \{(.*?)\n\};", script)[1]))
    switches = [re.findall(r"'(\w+)'", them) for them in re.findall(r"\[([^]]*)\]", script.split("SWITCHES = ")[1])[:3]]
    modes = [*presets, *map(".".join, product(*switches, ("plain", "borders")))]
    assert [ViewState(parts=[], mode=mode).mode for mode in modes] == modes and len(modes) == 4 + 3 * 4 * 3 * 2
    for mode in ("", "kept\n", "kept.dot", *(mode[:-1] for mode in modes), *(f"x{mode}" for mode in modes)):
        with pytest.raises(ValueError, match="mode"):
            ViewState(parts=[], mode=mode)


LINES = ["title", "glossary.0.term", "steps.0.title", "steps.3.ask.options.0.text", "steps.3.boxes.0.title"]
LINES += [
    "steps.7.switches.0.text",
    "steps.7.switches.1.note",
    "steps.7.boxes.0.bars.0.text",
    "steps.7.boxes.1.bars.4.text",
]
LINES += ["steps.5.multiples.titles.0", "steps.5.multiples.notes.1"]


@pytest.mark.parametrize("place", LINES)
def test_a_line_quotes_facts_and_holds_no_links(tmp_path, place):
    value = value_of(tmp_path, changed({place: "x {layers} y"}))
    assert getitem(*there(value, place)) == f"x {LAYERS} y"
    told = rf"step {int(place[6]) + 1}\b" if place.startswith("steps") else place.split(".")[0]
    mistakes = {"{layrs}": "layrs", "[x](see:patch)": "links", "[x](https://x.org)": "links", "{layers": "bracket"}
    for text, sentence in mistakes.items():
        with pytest.raises(ValueError, match=rf"\n  {told}.*{sentence}"):
            value_of(tmp_path, changed({place: text}))


def test_words_of_the_page_hold_their_own_marks_and_no_others(tmp_path):
    given = {f"words.{name}": text for name, text in ENGLISH["words"].items()}
    own = {name: {*re.findall(r"\{(\w+)\}", text)} - TOLD.keys() for name, text in given.items()}
    value = value_of(tmp_path, changed({name: f"{text} {{tokens}}" for name, text in given.items()}))
    for name, text in value["words"].items():
        assert text.endswith(f" {TOLD['tokens']}") and {*re.findall(r"\{(\w+)\}", text)} == own[f"words.{name}"]
    stray = {name: f"{text} {{stray}}" for name, text in given.items()}
    misspelt = {name: given[name].replace("{", "{x") for name, marks in own.items() if marks}
    for change in (stray, misspelt, dict.fromkeys(misspelt, "x")):
        with pytest.raises(ValueError, match="words") as refused:
            value_of(tmp_path, changed(change))
        assert {f"words.{name}" for name in re.findall(r"\n  words, (\w+): ", str(refused.value))} == change.keys()


def test_a_term_is_reached_from_a_step_or_through_one_that_is(tmp_path):
    names = [term["name"] for term in TERMS]
    plain = json.loads(re.sub(r"\[([^][]+)\]\(term:[a-z-]+\)", r"\1", json.dumps(ENGLISH)))
    # Each entry leads to the next one, the last to the first.
    ring = {f"glossary.{number}.text": f"[x](term:{names[number + 1 - len(names)]})" for number in range(len(names))}
    for change in ({}, {"about": f"[x](term:{names[0]})"}, {"steps.0.text": "[x](see:anchor)"}):
        with pytest.raises(ValueError, match=f"glossary: no step leads to {', '.join(names)}$"):
            value_of(tmp_path, changed(ring | change, plain))
    for place in (
        "0.text",
        "1.ask.unasked",
        "2.ask.reply",
        "3.ask.options.1.reply",
        "3.boxes.0.text",
        "7.boxes.1.text",
        "4.sheet.text",
    ):
        led = ring | {f"steps.{place}": f"[x](term:{names[3]})"}
        assert len(value_of(tmp_path, changed(led, plain))["glossary"]) == len(names)
        with pytest.raises(ValueError, match=f"glossary: no step leads to {', '.join(names[:3] + names[6:])}$"):
            value_of(tmp_path, changed(led | {"glossary.5.text": "x"}, plain))


def test_no_line_is_shown_of_a_file_outside_the_repository(tmp_path):
    outside = tmp_path / "outside.py"
    outside.write_text("secret", encoding="utf-8")
    for file in (str(outside), os.path.relpath(outside, ROOT)):
        with pytest.raises(ValueError, match=r"step 3: no line of .*outside\.py reads 'secret'"):
            value_of(tmp_path, changed({"steps.2.code": {"file": file, "line": "secret"}}))


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
        parts = [(new, old), (asked, given), (new["sheet"], old["sheet"])]
        parts += zip(new["boxes"], old.get("boxes", []), strict=True)
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
    for new, old in zip(value["steps"][7]["boxes"], STEPS[7]["boxes"], strict=True):
        assert new["bars"] == [{"text": bar["text"], "value": TOLD[bar["fact"]]} for bar in old["bars"]] != []


def test_a_further_language_is_a_further_file(tmp_path):
    for name, change in (("en", {}), ("aa", {"language": "Aa", "title": "Afar"}), ("zz", {"language": "Zz"})):
        (tmp_path / f"{name}.toml").write_text(changed(change), encoding="utf-8")
    known = [("en", "English"), ("aa", "Aa"), ("zz", "Zz")]
    assert codes(tmp_path) == [code for code, _ in known]
    for asked, code, title in (("aa", "aa", "Afar"), ("en", "en", ENGLISH["title"]), ("../aa", "en", ENGLISH["title"])):
        value = lesson(asked, tmp_path)
        assert (value["code"], value["title"], value["languages"]) == (code, title, known)
        assert re.findall("<html[^>]*>", lesson_file(asked, tmp_path)) == [f'<html lang="{code}">']


def test_an_address_that_names_no_language_gets_the_english_lesson_and_leaves_nothing_behind():
    english, file = lesson(), lesson_file()
    kept = [part.cache_info().currsize for part in (page_lesson._lesson, page_lesson._file)]
    for asked in ("xx", "EN", "", "../en", "en.toml", "x" * 999):
        assert lesson(asked) is english and lesson_file(asked) is file
    assert [part.cache_info().currsize for part in (page_lesson._lesson, page_lesson._file)] == kept


HURT = "</script><script>hurt()</script>@view@ @record@ \"a\" 'b' <img src=x onerror=hurt()> &lt; <!-- //evil.example"


def test_no_text_of_a_lesson_becomes_markup_of_its_file(tmp_path):
    hurt = dict.fromkeys(("title", "about", "language", "words.next", "glossary.0.term", "steps.0.title"), HURT)
    hurt |= dict.fromkeys(("steps.3.ask.options.0.text", "steps.7.switches.0.text", "steps.7.boxes.1.title"), HURT)
    value = value_of(tmp_path, changed(hurt | {"steps.0.ask.reply": HURT}))
    pages = [lesson_html(value, RUN), lesson_file()]
    frames = [re.sub(r'(?s)<title>.*?</title>|(?<=id="record">)[^<]*', "", page) for page in pages]
    assert frames[0] == frames[1]
    assert html.unescape(re.search(r"<title>([^<]*)</title>", pages[0])[1]) == HURT
    assert html.unescape(re.search(r'<html lang="([^"]*)">', lesson_html(value, RUN, HURT))[1]) == HURT
    record = re.search(r'id="record">([^<]*)', pages[0])[1]
    unpacked = json.loads(zlib.decompress(base64.b64decode(record)))
    assert unpacked["value"] == json.loads(json.dumps(value, default=vars)) and value["steps"][0]["ask"]["reply"] == [
        HURT
    ]
    assert len(unpacked["layers"]) == LAYERS and {len(layer["sides"]) for layer in unpacked["layers"]} == {len(NAMES)}


def test_the_file_asks_nobody_for_anything():
    page = lesson_file()
    assert """http-equiv="Content-Security-Policy" content="default-src 'none';""" in html.unescape(page)
    assert {*re.findall(r"\w+://[^\s'\"]+", page)} == {"http://www.w3.org/2000/svg"}  # a name, never fetched
    assert not re.search(r"""<[^>]*\s(src|href)=|@import|url\((?!["']?(data:|#))""", page)
