"""The lesson as one file in a browser without a network, and what it has to show, computed from the recorded run."""

import json
import re

import numpy as np
import pytest

from page.lesson import lesson, lesson_file, lesson_run
from tests.oracles import fates, gaze
from viz.facts import size
from viz.lesson_texts import plain

LESSON = lesson()
STEPS = LESSON["steps"]
RUN, NAMES = lesson_run()
SIDES = dict(zip(NAMES, RUN.sides, strict=True))
FULL = RUN.sides[0]
GRID = FULL.views[0].rows, FULL.views[0].columns
NUMBERS = range(1, len(STEPS) + 1)
PRESETS = {  # of the view: heat, fill, anchors, group borders
    "importance": ("importance", "none", "outline", False),
    "looked": ("looked", "none", "none", False),
    "groups": ("none", "mean", "dot", True),
    "kept": ("none", "fade", "outline", False),
}
STILL = {"viewport": {"width": 1366, "height": 900}, "reduced_motion": "reduce"}

# Everything that can be seen of the lesson, after the next frame.
SEEN = """
() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const root = document.querySelector('.ls-lesson'); // on the whole page there is another view
  const one = (selector) => root.querySelector(selector);
  const all = (selector) => [...root.querySelectorAll(selector)];
  const text = (selector) => one(selector)?.textContent ?? '';
  const seen = (node) => Boolean(node && node.checkVisibility() && node.getClientRects().length);
  const perSide = (read) => Object.fromEntries([...'ab'].map((side) => [side, read(`[data-side="${side}"]`)]));
  const tokens = (side) => all(`.tv-strip${side} .tv-token[data-token]`);
  const words = (side) => tokens(side).map(({dataset}) => [dataset.token, dataset.fate]);
  const mark = (button) => button.className.match(/ls-is-(\\w+)/)?.[1] ?? '';
  done({
    lesson: {...root.dataset},
    view: { lit: one('.trace-view').dataset.lit ?? '', ...one('.trace-view').view.inspect() },
    picks: root.lesson.inspect(),
    shown: [...'ab'].filter((side) => seen(one(`canvas.tv-patches[data-side="${side}"]`))).join(''),
    parts: [...new Set(all('[data-part]').filter(seen).map((node) => node.dataset.part))].sort(),
    answers: perSide((side) => text(`.tv-answer${side} .tv-text`)),
    words: perSide((side) => Object.fromEntries(words(side))),
    cells: all('.tv-strip[data-side="a"] .tv-cell').length,
    memory: one('.tv-memory').getAttribute('aria-label'),
    says: text('.ls-says'), asks: text('.ls-asks'), reply: text('.ls-reply p'), replies: text('.ls-reply'),
    hidden: Boolean(one('.ls-hidden')),
    again: seen(one('.ls-again')), go: seen(one('.ls-go')), many: all('.ls-one').length,
    switches: all('.ls-switch').map((each) => each.textContent),
    options: all('.ls-option').map((each) => [each.getAttribute('aria-pressed') === 'true', mark(each)]),
    box: seen(one('.ls-box')), boxText: text('.ls-boxes'),
    line: {...one('.ls-line').dataset},
    done: all('.ls-dot.ls-done').map((dot) => Number(dot.textContent)),
    moving: document.getAnimations().length + all('.ls-over').length,
    address: location.search,
  });
})))
"""


@pytest.fixture(scope="module", name="pages")
def lesson_pages(browser, tmp_path_factory):
    """Pages that several tests use one after the other, what went wrong in them, and the lesson as a file."""
    folder = tmp_path_factory.mktemp("lesson")
    file, blank = folder / "lesson.html", folder / "blank.html"
    file.write_text(lesson_file(), encoding="utf-8")
    blank.write_text("<!doctype html><title>blank</title>")
    opened, problems = {}, []

    def page_with(options, script):
        key = repr((options, script))
        if key not in opened:
            context = browser.new_context(offline=True, **options)
            if script:
                context.add_init_script(script)
            page = context.new_page()
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
            local = ("file:", "data:image/", "blob:")
            page.on("request", lambda asked: None if asked.url.startswith(local) else problems.append(asked.url))
            context.route(re.compile("^(?!file:|data:|blob:)"), lambda route: route.abort())
            opened[key] = page
        return opened[key]

    yield page_with, problems, file, blank
    for page in opened.values():
        page.context.close()


@pytest.fixture(name="teach")
def lesson_opener(pages):
    """Opens the file anew, with what the browser remembers of it; fails on any error, warning or request."""
    page_with, problems, file, blank = pages
    problems.clear()

    def opened(query="", kept=None, script="", wait=".ls-page:not([hidden])", **options):
        page = page_with(STILL | options, script)
        page.goto(blank.as_uri())
        if not script:
            page.evaluate(
                "kept => kept === null ? localStorage.clear() : localStorage.setItem('elastic-lesson', kept)", kept
            )
        page.mouse.move(0, 0)
        page.goto(file.as_uri() + query)
        page.wait_for_selector(".ls-lesson " + wait)
        page.wait_for_function("[...document.images].every((image) => image.complete)")
        return page

    yield opened
    assert problems == []


def seen(page):
    """Everything that the lesson shows now."""
    return page.evaluate(SEEN)


def go(page, number, acts=False):
    """To a step with its dot; with `acts`, over the pause after the text."""
    page.locator(".ls-dot").nth(number - 1).click()
    if acts and page.get_attribute(".ls-lesson", "data-phase") == "read":
        page.keyboard.press(" ")
    return STEPS[number - 1]


def filled(pieces, **slots):
    """The pieces of a text as they read, with what the reader did."""
    return plain(
        [slots[piece["to"]] if isinstance(piece, dict) and piece["kind"] == "slot" else piece for piece in pieces]
    )


def box_pieces(step):
    """The pieces of the texts of a step's boxes."""
    return [piece for box in step["boxes"] for piece in box["text"]]


def place_of(patch):
    """A patch's row and column in words."""
    row, column = divmod(patch, GRID[1])
    return LESSON["words"]["place"].format(row=row + 1, column=column + 1)


# ---- what has to be there


def state_of(step, acted=False, **changed):
    """The state that a step puts the view into, before or after its action."""
    state = {**step["look"], **(step["then"] if acted else {}), **changed}
    heat, fill, anchors, groups = PRESETS.get(state["mode"]) or state["mode"].split(".")
    state |= {"heat": heat, "fill": fill, "anchors": anchors, "groups": groups in (True, "borders")}
    return state


def answered_state(step):
    """The state once the step's question is answered."""
    ask = step["ask"]
    changed = {"pick": lambda: {"mode": ask["mode"]}, "reach": lambda: {"t": reach_of(step)}}
    return state_of(step, acted=True, **changed.get(ask["kind"], dict)())


def check_view(now, state, with_parts=True):
    """The view is in that state, and its pictures, strips, answers and charts say what the trace says."""
    view, side = now["view"], SIDES[state["side"]]
    sides = [FULL] if side is FULL else [FULL, side]
    layer, t = state["layer"], state["t"]
    needs_one = state["groups"] or state["fill"] == "colours"
    expected = {
        "run": f"lesson/{state['side']}",
        "layer": layer,
        "step": t,
        "size": state["size"],
        "mode": state["mode"] if state["mode"] in PRESETS else "own",
        "playing": False,
        "locked": view["locked"],
        "heat": state["heat"],
        "fill": state["fill"],
        "anchors": state["anchors"],
        "groups": state["groups"],
        "head": int(needs_one and max(each.owner.shape[1] for each in sides) > 1),
    }
    assert {name: view[name] for name in expected} == expected and len(view["sides"]) == len(sides)
    assert now["shown"] == (
        "" if "pictures" not in state["parts"] else view["size"].replace("both", "ab")[: len(sides)]
    )
    if with_parts:
        check_parts(now, state)
    for letter, trace in zip("ab", sides, strict=False):
        check_picture(
            view["sides"]["ab".index(letter)], trace, layer, 0 if needs_one else None, min(t, trace.steps), state
        )
        check_words(now["words"][letter], trace, layer, 0 if needs_one else None, min(t, trace.steps))
        assert now["answers"][letter] == trace.answer
    assert now["cells"] == (len(FULL.patches) if state["unfold"] else 0)
    if state["heat"] == "importance":
        scores = np.concatenate([scores_of(trace, layer) for trace in sides])
        assert view["scale"] == pytest.approx([scores.min(), scores.max()], rel=1e-4)
    for trace, title in zip(sides, [RUN.titles[0], RUN.titles[NAMES.index(state["side"])]], strict=False):
        assert f"{title} {size(trace.total_bytes[min(t, trace.steps)])}" in now["memory"]


def check_parts(now, state):
    """Exactly the parts that the step names can be seen."""
    parts = set(state["parts"])
    if parts & {"time", "memory", "certainty"}:
        parts.add("when")
    assert set(now["parts"]) == parts


def planes_of(owner, layer, head):
    """Those of a layer, or of all, and of a head of several, or of all."""
    layers = owner[layer - 1 : layer] if layer else owner
    return layers if head is None or owner.shape[1] == 1 else layers[:, head : head + 1]


def check_picture(shown, trace, layer, head, t, state):
    """The numbers behind a picture are the trace's."""
    planes = planes_of(trace.owner_after(t), layer, head)
    is_one = planes.shape[:2] == (1, 1)
    kept = (planes == np.arange(planes.shape[2])).mean((0, 1))[trace.patches]
    assert np.allclose(shown["shares"], kept, atol=1e-3)
    assert shown["fates"] == (fates(trace, layer - 1, head or 0, t) if is_one else "")
    if state["heat"] == "looked":
        looked = gaze(trace, max(0, t - 1), layer - 1 if layer else None)[trace.patches]
        assert np.allclose(shown["looked"], looked, atol=1e-3)
    else:
        assert shown["looked"] is None
    if state["fill"] == "colours":
        check_colours(shown["colours"], planes[0, 0], trace)
    else:
        assert shown["colours"] is None


def check_colours(colours, owner, trace):
    """A colour per group of patches, none for a patch alone; neighbouring groups differ."""
    at = owner[trace.patches].tolist()
    groups = {holder for holder in at if holder >= 0 and trace.is_image[holder] and at.count(holder) > 1}
    assert [colour >= 0 for colour in colours] == [holder in groups for holder in at]
    assert len(set(zip(at, colours, strict=True))) == len(set(at))
    columns = trace.views[0].columns
    beside = [(p, p + 1) for p in range(len(at) - 1) if (p + 1) % columns]
    beside += [(p, p + columns) for p in range(len(at) - columns)]
    same = [(p, q) for p, q in beside if at[p] != at[q] and colours[p] == colours[q] >= 0]
    assert same == []


def check_words(shown, trace, layer, head, t):
    """The strip says of every word before the answer what became of it in most planes."""
    first, now = planes_of(trace.owner, layer, head), planes_of(trace.owner_after(t), layer, head)
    kept = now == np.arange(now.shape[2])
    fates_of = {"kept": kept, "merged": (now >= 0) & ~kept, "dropped": first < 0, "evicted": (now < 0) & (first >= 0)}
    most = np.argmax([fate.mean((0, 1)).round(6) for fate in fates_of.values()], 0)
    expected = {str(token): list(fates_of)[most[token]] for token in np.flatnonzero(~trace.is_image)}
    assert {token: fate for token, fate in shown.items() if int(token) < len(trace.pieces)} == expected


def scores_of(trace, layer):
    """Attention received per patch, of a layer or the mean of all."""
    scores = trace.score[:, trace.patches]
    return scores[layer - 1] if layer else scores.mean(0)


# ---- answering


def patch_at(page, patch, side="b"):
    """The middle of a patch on the screen."""
    box = page.locator(f'canvas.tv-patches[data-side="{side}"]').bounding_box()
    row, column = divmod(patch, GRID[1])
    return box["x"] + box["width"] * (column + 0.5) / GRID[1], box["y"] + box["height"] * (row + 0.5) / GRID[0]


def slide_time(page, t):
    """Drag the time slider."""
    page.locator(".tv-step").evaluate(
        "(box, t) => { box.value = t; box.dispatchEvent(new Event('input', { bubbles: true })); }", t
    )


def reach_of(step):
    """The answer token that a step asks for: a number, or the first after which its side gives something up."""
    side, until = SIDES[step["look"]["side"]], step["ask"]["until"]
    return int(np.flatnonzero((side.dropped >= 0).any((1, 2)))[0]) + 1 if until == "given up" else until


def solve(page, number, choice=None):
    """Answer what a step asks as a reader would; what is to be seen then. `choice` is the number of an option."""
    step = go(page, number, acts=True)
    ask = step["ask"]
    if ask["kind"] == "point":
        page.mouse.click(*patch_at(page, 37, "a"))
        page.mouse.move(0, 0)
    elif ask["kind"] == "line":
        page.focus(".ls-handle")
        for key in ("PageUp", "PageUp", "ArrowUp"):
            page.keyboard.press(key)
        page.click(".ls-reveal")
    elif ask["kind"] == "pick":
        for patch in (0, 18, 100, 101, 255)[: ask["count"]]:
            page.mouse.click(*patch_at(page, patch))
        page.click(".ls-reveal")
    elif ask["kind"] == "reach":
        slide_time(page, reach_of(step))
        page.wait_for_selector('.ls-lesson[data-answered="true"]')
    else:
        page.keyboard.press(str(1 + (right_of(ask) if choice is None else choice)))
    return seen(page)


def right_of(ask):
    """The number of the right option, from 0."""
    return [option["right"] for option in ask["options"]].index(True)


def kept_progress(step, answers):
    """What a browser remembers."""
    return json.dumps({"step": step, "answers": answers})


def an_answer(ask):
    """An answer as a browser remembers it, the right one where one is."""
    return {
        "point": lambda: {"patch": 37, "number": int(FULL.patches[37]) + 1},
        "line": lambda: {"guess": ask["total"] / 2},
        "pick": lambda: {"picks": [0, 18, 100, 101, 255][: ask["count"]]},
        "reach": lambda: {"reached": True},
        "choose": lambda: {"choice": right_of(ask)},
    }[ask["kind"]]()


ALL_DONE = {str(number): an_answer(step["ask"]) for number, step in enumerate(STEPS, start=1)}
