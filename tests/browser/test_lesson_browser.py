"""The lesson as one file without a network: its steps, questions and what it remembers, against the recorded run."""

import numpy as np
import pytest

from tests.browser.lesson_page import (
    ALL_DONE,
    FULL,
    GRID,
    LESSON,
    NUMBERS,
    SIDES,
    STEPS,
    answered_state,
    check_view,
    filled,
    go,
    kept_progress,
    lesson_opener,  # noqa: F401 (fixture)
    lesson_pages,  # noqa: F401 (fixture)
    patch_at,
    place_of,
    reach_of,
    right_of,
    scores_of,
    seen,
    slide_time,
    solve,
    state_of,
)
from viz.facts import short, size
from viz.lesson_texts import plain

WORDS = LESSON["words"]


def of_kind(kind):
    return [number for number in NUMBERS if STEPS[number - 1]["ask"]["kind"] == kind]


# ---- steps


def test_every_step_puts_the_view_into_its_state_before_and_after_its_action(teach):
    page = teach()
    for number, step in enumerate(STEPS, start=1):
        now = seen(page)
        assert (now["lesson"]["step"], now["lesson"]["phase"], now["says"]) == (
            str(number),
            "read",
            plain(step["text"]),
        )
        check_view(now, state_of(step))
        page.keyboard.press(" ")
        now = seen(page)
        assert (now["lesson"]["step"], now["lesson"]["phase"]) == (str(number), "act")
        check_view(now, state_of(step, acted=True))
        page.keyboard.press("ArrowRight")


@pytest.mark.parametrize(
    ("query", "opened", "said"),
    [
        ("?lesson=3&lang=en", 3, []),
        ("?lesson=99", 8, ['The link asks for step "99" of the lesson, which has the steps 1 to 8.']),
        ("?lesson=two", 1, ['The link asks for step "two" of the lesson, which has the steps 1 to 8.']),
        ("?lesson=2&lang=<b>", 2, ['There is no lesson in the language "<b>": this one is in "en".']),
    ],
)
def test_what_an_address_asks_of_the_lesson_in_vain_is_said(teach, query, opened, said):
    page = teach(query)
    assert page.locator(".ls-wrong li").all_text_contents() == said
    assert seen(page)["lesson"]["step"] == str(opened)


def test_keys_lead_through_the_steps_and_the_address_follows(teach):
    page = teach("?other=kept#here")
    way = [("ArrowRight", 1)] * len(STEPS) + [("PageUp", -1)] * 3 + [("ArrowLeft", -1)] * (len(STEPS) - 3)
    at = 1
    for key, by in way:
        page.keyboard.press(key)
        at = min(max(1, at + by), len(STEPS))
        now = seen(page)
        assert now["lesson"]["step"] == str(at)
        assert now["address"] == f"?other=kept&lesson={at}" and page.evaluate("location.hash") == "#here"
        assert page.locator(".ls-dot[aria-current=step]").text_content() == str(at)
    page.keyboard.press("Control+ArrowRight")
    assert seen(page)["lesson"]["step"] == "1"


@pytest.mark.parametrize("key", ["PageDown", " "])
def test_one_key_leads_from_the_text_to_the_question_and_from_the_answer_on(teach, key):
    page = teach(kept=kept_progress(2, {"3": {"reached": True}}))
    page.keyboard.press(key)
    assert seen(page)["lesson"]["phase"] == "act"
    page.keyboard.press("r")
    page.keyboard.press(key)
    now = seen(page)
    assert (now["lesson"]["step"], now["lesson"]["answered"]) == ("3", "true")
    page.keyboard.press(key)
    assert (seen(page)["lesson"]["step"], seen(page)["lesson"]["phase"]) == ("4", "read")


def test_the_text_stands_alone_first(teach):
    page = teach()
    for number, step in enumerate(STEPS, start=1):
        go(page, number)
        now = seen(page)
        assert (now["lesson"]["phase"], now["go"]) == ("read", True)
        assert (now["asks"], now["reply"], now["many"], now["switches"], now["options"]) == ("", "", 0, [], [])
        assert (now["box"], now["moving"]) == (False, 0)
        assert page.locator(".ls-chart, .ls-over").count() == 0
        page.wait_for_timeout(60)  # for some frames nothing comes by itself
        assert seen(page) == now
        # The button does what the key does.
        page.click(".ls-go")
        now = seen(page)
        assert (now["lesson"]["phase"], now["go"], now["asks"]) == ("act", False, plain(step["ask"]["text"]))
        multiples = step["multiples"] or {}
        assert now["many"] == {"layers": FULL.layers, "sides": len(multiples.get("sides", []))}.get(
            multiples.get("of"), 0
        )
        assert now["switches"] == [switch["text"] for switch in step["switches"]]
        assert (now["reply"], now["box"], now["again"]) == ("", False, False)


def test_tab_leads_to_every_control(teach):
    page = teach()
    for number in NUMBERS:
        go(page, number, acts=True)
        # What is the same in every step, once only.
        first, around = (".ls-dot", ".ls-page") if number == 1 else (".ls-text", ".ls-body")
        count = page.evaluate(
            """([first, around]) => {
              const focusable = 'button, a[href], input, select, summary, [tabindex]';
              window.expected = [...document.querySelector(around).querySelectorAll(focusable)]
                .filter((node) => node.tabIndex >= 0 && !node.disabled && node.checkVisibility());
              window.reached = new Set();
              document.addEventListener('focusin', (event) => window.reached.add(event.target));
              document.querySelector(first).focus();
              return window.expected.length;
            }""",
            [first, around],
        )
        assert count > 5
        missed = "window.expected.filter((node) => !window.reached.has(node)).map((node) => node.outerHTML)"
        for _ in range(count + 5):  # what scrolls is a stop as well, where it has become one by now
            page.keyboard.press("Tab")
            if not page.evaluate(missed):
                break
        assert page.evaluate(missed) == []
        # None of the keys moved the lesson.
        assert page.get_attribute(".ls-lesson", "data-step") == str(number)


# ---- questions


def test_a_patch_that_is_clicked_is_named_by_its_place_and_its_token(teach):
    page = teach()
    for number in of_kind("point"):
        step = go(page, number, acts=True)

        def check(patch, step=step):
            token = int(FULL.patches[patch])
            now = seen(page)
            assert now["reply"] == filled(step["ask"]["reply"], place=place_of(patch), number=str(token + 1))
            cells = page.locator('.tv-strip[data-side="a"] .tv-cell.tv-lit')
            assert cells.evaluate_all("all => all.map((cell) => cell.dataset.token)") == [str(token)]

        # Passing over the picture is not pointing.
        page.mouse.move(*patch_at(page, 37, "a"))
        assert seen(page)["reply"] == ""
        for patch in (0, 37, len(FULL.patches) - 1):
            page.mouse.click(*patch_at(page, patch, "a"))
            check(patch)
            page.mouse.click(*patch_at(page, patch, "a"))  # lets go
        # With the keyboard, too.
        page.mouse.move(0, 0)
        page.focus('canvas.tv-patches[data-side="a"]')
        for key in ("ArrowRight", "ArrowDown", "ArrowRight", "Enter"):
            page.keyboard.press(key)
        check(GRID[1] + 1)


@pytest.mark.parametrize("keys", [["ArrowUp"], ["End"], ["near"]], ids=["too little", "too much", "nearly right"])
def test_a_drawn_line_is_compared_with_the_bytes_measured(teach, keys):
    page = teach()
    total = int(FULL.prompt_bytes.sum())
    for number in of_kind("line"):
        step = go(page, number, acts=True)
        assert seen(page)["line"]["revealed"] == "false" and page.is_disabled(".ls-reveal")
        page.focus(".ls-handle")
        top = float(page.get_attribute(".ls-handle", "aria-valuemax"))
        for key in ["ArrowUp"] * round(total / (top / 100)) if keys == ["near"] else keys:
            page.keyboard.press(key)
        guess = float(seen(page)["line"]["guess"])
        assert guess == pytest.approx({"ArrowUp": top / 100, "End": top}.get(keys[0], total), abs=top / 180)
        page.focus(".ls-reveal")
        page.keyboard.press("Enter")
        now = seen(page)
        assert (now["line"]["revealed"], float(now["line"]["guess"])) == ("true", guess)
        factor = total / guess
        if abs(factor - 1) < 0.15:
            distance = WORDS["exact"].format(percent=f"{abs(factor - 1) * 100:.0f} %")
        elif factor > 1:
            distance = WORDS["more"].format(factor=short(factor))
        else:
            distance = WORDS["less"].format(factor=short(1 / factor))
        reply = filled(step["ask"]["reply"], guess=size(guess), measured=size(total), distance=distance)
        assert now["reply"] == reply and page.locator(".ls-reveal").count() == 0


def test_picked_patches_are_compared_with_the_anchors(teach):
    page = teach()
    for number in of_kind("pick"):
        step = go(page, number, acts=True)
        trace, count = SIDES[step["look"]["side"]], step["ask"]["count"]
        owner = trace.owner[step["look"]["layer"] - 1, 0]
        patch_of = {int(token): patch for patch, token in enumerate(trace.patches)}
        anchors = [patch for patch, token in enumerate(trace.patches) if owner[token] == token]
        others = [patch for patch in range(len(trace.patches)) if patch not in anchors]
        picks = [*anchors[3:5], *others[-count + 2 :]]
        for patch in picks[:-1]:
            page.mouse.click(*patch_at(page, patch))
        assert page.is_disabled(".ls-reveal")
        now = seen(page)
        assert now["picks"] == {"picks": picks[:-1], "fates": None}
        check_view(now, state_of(step, acted=True))
        assert (now["view"]["anchor"], now["view"]["members"]) == (None, [])  # while one is pointed at
        page.mouse.click(*patch_at(page, picks[-1]))
        page.mouse.click(*patch_at(page, anchors[9]))  # one too many
        page.click(".ls-reveal")
        now = seen(page)
        hits = [patch for patch in picks if patch in anchors]
        joined = [(patch, patch_of[int(owner[trace.patches[patch]])]) for patch in picks if patch not in anchors]
        away = np.mean([abs(p - q) for p, q in joined])
        chance = count * len(anchors) / len(trace.patches)
        away = WORDS["away"].format(n=short(away))
        slots = {"hits": str(len(hits)), "count": str(count), "chance": short(chance), "away": away}
        assert now["reply"] == filled(step["ask"]["reply"], **slots)
        fates = now["picks"]["fates"]
        assert [patch for patch, _ in fates] == picks and [patch for patch, fate in fates if fate == "hit"] == hits
        assert [(patch, fate) for patch, fate in fates if fate != "hit"] == joined
        check_view(now, answered_state(step))


def test_time_has_to_be_taken_to_the_token_that_is_asked_for(teach):
    page = teach()
    for number in of_kind("reach"):
        step = go(page, number, acts=True)
        end = reach_of(step)
        slide_time(page, end - 1)
        now = seen(page)
        assert (now["view"]["step"], now["replies"], now["lesson"]["answered"]) == (end - 1, "", "false")
        slide_time(page, end + 1)
        if step["ask"]["until"] == "given up":  # what was asked for is the first time
            now = seen(page)
            assert (now["view"]["step"], now["replies"]) == (end + 1, WORDS["earlier"])
            assert now["lesson"]["answered"] == "false"
            slide_time(page, end)
        now = seen(page)
        assert (now["view"]["step"], now["replies"]) == (end, plain(step["ask"]["reply"]))
        check_view(now, answered_state(step))


def test_space_plays_to_the_token_that_is_asked_for_and_stops_there(teach):
    page = teach()
    number = of_kind("reach")[0]
    step = go(page, number, acts=True)
    slide_time(page, reach_of(step) - 2)
    page.keyboard.press(" ")
    assert seen(page)["view"]["playing"]
    page.wait_for_selector('.ls-lesson[data-answered="true"]')
    check_view(seen(page), answered_state(step))
    page.keyboard.press(" ")
    assert seen(page)["lesson"]["step"] == str(number + 1)


def box_text(box):
    """All that a box says, in its order."""
    bars = "".join(bar["text"] + bar["value"] for bar in box["bars"])
    sinks = f" {WORDS['hide_sinks']}" if box["hide_sinks"] else ""
    return box["title"] + plain(box["text"]) + sinks + bars


def test_every_option_is_marked_and_gets_its_reply(teach):
    page = teach()
    for number in of_kind("choose"):
        step = go(page, number, acts=True)
        options, right = step["ask"]["options"], right_of(step["ask"])
        for choice, option in enumerate(options):
            page.keyboard.press(str(choice + 1))
            now = seen(page)
            marks = {choice: "wrong", right: "right"}
            assert now["options"] == [[i == choice, marks.get(i, "")] for i in range(len(options))]
            verdict = WORDS["right" if option["right"] else "wrong"]
            assert now["reply"] == f"{verdict} {plain(option['reply'])}"
            assert now["box"] == bool(step["boxes"])
            check_view(now, answered_state(step))
            if step["ask"].get("show") == "brightest":
                best = scores_of(FULL, step["look"]["layer"]).argmax()
                assert (now["view"]["patch"], now["view"]["locked"]) == (best, True)
            assert now["boxText"] == "".join(map(box_text, step["boxes"]))
            page.click(".ls-again")
            now = seen(page)
            assert (now["reply"], now["box"], now["lesson"]["phase"]) == ("", False, "act")
            assert now["options"] == [[False, ""]] * len(options)


def test_bars_of_all_boxes_are_on_one_scale(teach):
    page = teach(kept=kept_progress(1, ALL_DONE))
    for number in NUMBERS:
        step = go(page, number)
        values = [int(bar["value"].removesuffix(" %")) for box in step["boxes"] for bar in box["bars"]]
        widths = page.eval_on_selector_all(".ls-bar", "bars => bars.map((bar) => bar.getBoundingClientRect().width)")
        assert len(values) == len(widths) and (number < len(STEPS) or len({*values}) > 5)
        if values:
            # Nothing is a line of two pixels, so that one sees where its bar would begin.
            long = [max(2, value * max(widths) / max(values)) for value in values]
            assert widths == pytest.approx(long, abs=1)


def test_sinks_can_be_hidden(teach):
    page = teach()
    for number in NUMBERS:
        step = STEPS[number - 1]
        if not any(box["hide_sinks"] for box in step["boxes"]):
            continue
        solve(page, number)
        scores = scores_of(FULL, state_of(step, acted=True)["layer"])
        for hides in (True, False):
            page.locator(".ls-switch-sinks input").set_checked(hides)
            scale = seen(page)["view"]["scale"]
            high = np.percentile(scores, 99) if hides else scores.max()
            assert scale == pytest.approx([scores.min(), high], rel=1e-4)


# ---- progress


def test_answers_are_kept_on_leaving_a_step_and_over_a_reload(teach):
    page = teach()
    replies = {number: solve(page, number)["reply"] for number in NUMBERS}
    assert all(replies.values())
    states = {}
    for number in reversed(NUMBERS):
        go(page, number)
        now = states[number] = seen(page)
        assert (now["reply"], now["lesson"]["phase"], now["go"]) == (replies[number], "act", False)
        assert now["done"] == list(NUMBERS)
        check_view(now, answered_state(STEPS[number - 1]))
    go(page, 6)
    page.reload()
    page.wait_for_selector('.ls-lesson[data-step="6"]')
    for number in [6, *of_kind("point"), *of_kind("line"), *of_kind("pick"), *of_kind("reach")]:
        go(page, number)
        now = seen(page)
        names = ["reply", "options", "done", "box", "says", "asks", "view"]
        for name in [*names, "line"] if number in of_kind("line") else names:
            assert now[name] == states[number][name], (number, name)
    # Without the address, too; and what is tried again is forgotten.
    go(page, len(STEPS))
    page.click(".ls-again")
    page.goto(page.url.split("?")[0])
    page.wait_for_selector(f'.ls-lesson[data-step="{len(STEPS)}"]')
    assert seen(page)["done"] == list(NUMBERS)[:-1]


BROKEN = {
    "no JSON": "{",
    "a number": "7",
    "a list": '[{"step": 3}]',
    "another program's": '{"step": "3", "answers": "none", "theme": "dark"}',
    "answers of another form": '{"step": 1, "answers": {"1": {}, "2": {"guess": "x"}, "3": 5, "4": {"choice": 9}, '
    '"5": {"picks": "x"}, "6": null, "7": [], "8": {"choice": -1}}}',
}


@pytest.mark.parametrize("kept", BROKEN.values(), ids=BROKEN)
def test_what_is_kept_in_a_wrong_form_is_not_used(teach, kept):
    page = teach(kept=kept)
    for number in NUMBERS if "answers" in kept else [1]:
        now = seen(page)
        assert (now["lesson"]["step"], now["lesson"]["phase"], now["done"]) == (str(number), "read", [])
        page.keyboard.press("ArrowRight")


def test_a_browser_that_remembers_nothing_is_good_enough(teach):
    refuses = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('refused') } })"
    page = teach("?lesson=4", script=refuses)
    assert solve(page, 4)["reply"]
    page.reload()
    page.wait_for_selector('.ls-lesson[data-step="4"]')
    assert (seen(page)["lesson"]["phase"], seen(page)["done"]) == ("read", [])


@pytest.mark.parametrize("asked, number", [("99", len(STEPS)), ("0", 1), ("x", 3), ("-1", 3), ("5", 5)])
def test_the_address_asks_for_a_step(teach, asked, number):
    page = teach(f"?lesson={asked}", kept=kept_progress(3, {}))
    now = seen(page)
    assert (now["lesson"]["step"], now["address"]) == (str(number), f"?lesson={number}")
    check_view(now, state_of(STEPS[number - 1]))
