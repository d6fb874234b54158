"""The page as visitors use it, in a real browser on the real program."""

import base64
import io
import re

import pytest
from PIL import Image

from tests.serving import ROOT, answers, ask, choose_example, question_of, slide, state, tokens_of, turns_of, visitors

SCENE = ROOT / "assets" / "scenes" / "scene-2057.png"


@pytest.fixture
def visit(browser, live):
    """Opens the page as a new visitor; at the end nothing may have gone wrong in it or left this machine."""
    with visitors(browser, live) as opened:
        yield opened


@pytest.fixture(scope="module")
def regular(browser, live):
    """A visitor who stays, for tests that begin with a picture or a question of their own."""
    with visitors(browser, live) as opened:
        yield opened()


@pytest.fixture(scope="module")
def client(live):
    """A program that asks."""
    from gradio_client import Client

    return Client(live, verbose=False)


@pytest.fixture(scope="module")
def answered(browser, live):
    """A visitor who has asked, for tests that only look at the answers."""
    with visitors(browser, live) as opened:
        page = opened()
        ask(page, "How many objects are there?")
        yield page


def test_the_badge_says_what_is_live_once_it_is(regular):
    badge = regular.locator("#badge")
    badge.filter(has_text="Live").wait_for()
    assert re.search(r"Live · pocket-llava · llava, (float32 on CPU|\w+ on GPU), \d+ MB of weights", badge.inner_text())


def test_a_visitor_can_ask_at_once_and_sees_both_answers_grow(regular):
    page = regular
    page.evaluate(
        """() => { window.grown = []; const view = document.querySelector('.trace-view');
        const counts = () => view.view.inspect().sides.map((side) => side.tokens);
        new MutationObserver(() => window.grown.push([view.dataset.run, ...counts()]))
        .observe(view, {attributes: true}) }"""
    )
    choose_example(page, 5, "Describe")
    ask(page, "Describe the image in detail.")
    run = state(page)["run"]
    grown = [counts for name, *counts in page.evaluate("window.grown") if name == run]
    for side in (0, 1):
        counts = [pair[side] for pair in grown]
        assert counts == sorted(counts)
        assert len(set(counts)) >= 3, "the answer came at once instead of growing"
    assert all(text.startswith("The image shows") for text in answers(page))
    for side in "ab":
        for chip in ("bytes", "tokens", "ms", "prefill"):
            shown = page.inner_text(f'.tv-answer[data-side="{side}"] .tv-chip[data-name="{chip}"]')
            assert re.search(r"\d", shown), chip
    saved = page.inner_text('.tv-answer[data-side="b"] .tv-chip[data-name="saved"]')
    assert 40 < int(re.search(r"\d+", saved).group()) < 60, "half the cache was to be kept"
    assert page.locator(".tv-memory path, .tv-memory polyline").count() >= 2


def test_the_first_screen_after_an_answer_holds_all_that_happened(answered):
    page = answered
    page.click('.tv-level[data-level="2"]')
    page.wait_for_selector('.trace-view[data-level="1"]')
    for part in ("question", "answers", "story", 'patches[data-side="a"]', 'patches[data-side="b"]', "bytes", "memory"):
        box = page.locator(f".tv-{part}").first.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= page.locator("#asking").bounding_box()["y"], part
    page.click('.tv-level[data-level="2"]')
    page.click('.tv-level[data-level="3"]')


def test_changing_the_layer_redraws_without_the_model(answered):
    page = answered
    page.click('.tv-mode[data-mode="groups"]')
    calls = []
    page.on("request", lambda request: calls.append(request.url) if "queue/join" in request.url else None)
    drawn = set()
    for layer in (1, 2, 6):
        page.locator(".tv-layer").evaluate(
            "(box, value) => { box.value = value; box.dispatchEvent(new Event('input')) }", str(layer)
        )
        page.wait_for_function("layer => document.querySelector('.trace-view').dataset.layer === layer", arg=str(layer))
        drawn.add(page.evaluate("document.querySelector('.trace-view').view.inspect().sides[1].fates"))
    assert len(drawn) == 3
    assert not calls


def test_hovering_a_patch_names_its_anchor(answered):
    page = answered
    page.click('.tv-mode[data-mode="groups"]')
    box = page.locator('canvas.tv-patches[data-side="b"]').bounding_box()
    fates = page.evaluate("document.querySelector('.trace-view').view.inspect().sides[1].fates")
    patch = fates.index("m")
    row, column = divmod(patch, 16)
    page.mouse.move(box["x"] + (column + 0.5) * box["width"] / 16, box["y"] + (row + 0.5) * box["height"] / 16)
    page.wait_for_function("patch => document.querySelector('.trace-view').view.inspect().patch === patch", arg=patch)
    said = page.inner_text('.tv-says[data-side="b"]')
    assert f"row {row + 1}, column {column + 1}" in said and "merged into" in said


# The longest answer takes little more than a second: pressed from within the page, Stop comes before its end.
PRESS_STOP = """() => {
  const [stop, view] = ['#stop', '.trace-view'].map((selector) => document.querySelector(selector));
  const clock = setInterval(() => {
    if (stop.disabled || !(view.view.inspect().sides[1]?.tokens >= 3)) return;
    clearInterval(clock);
    stop.click();
  }, 20);
}"""


def stopped_answer(page):
    """Ask and stop, again where a slow browser came too late."""
    for _ in range(5):
        choose_example(page, 5, "Describe")
        page.evaluate(PRESS_STOP)
        ask(page, wait=False)
        page.wait_for_function("document.querySelector('.trace-view').dataset.done === 'true'", timeout=60_000)
        page.wait_for_selector("#ask:not([disabled])")
        if "stopped" in page.inner_text(".tv-status"):
            return


def test_stop_ends_a_long_answer_and_the_conversation_goes_on(visit):
    page = visit()
    page.get_by_text("Answer", exact=True).click()
    slide(page, "#tokens", 512)
    slide(page, "#temperature", 2)
    stopped_answer(page)
    assert "stopped" in page.inner_text(".tv-status")
    written = tokens_of(page)[0]
    assert 3 <= written < 512
    page.wait_for_timeout(700)  # tens of words long, none is written any more
    assert tokens_of(page)[0] == written, "it went on writing"
    slide(page, "#temperature", 0)
    slide(page, "#tokens", 32)
    ask(page, "How many objects are there?")
    assert turns_of(page) == 2 and page.locator(".tv-turn").first.locator(".tv-said-text").first.inner_text().strip()


def test_without_a_picture_one_is_asked_for_and_a_file_that_is_none_is_refused(regular):
    page = regular
    page.get_by_label("Remove Image").or_(page.get_by_label("Clear")).first.click()
    page.click("#ask")
    page.get_by_text("no picture yet").first.wait_for(timeout=60_000)
    file = {"name": "text.png", "mimeType": "image/png", "buffer": b"<script>alert(1)</script> not a picture"}
    page.locator("#picture input[type=file]").set_input_files(file)
    page.get_by_text("cannot be read as a picture").first.wait_for(timeout=30_000)
    page.locator("#examples button, #examples .gallery-item").nth(1).click()
    page.wait_for_selector("#picture img")
    ask(page)
    assert all(answers(page))


def huge():
    """A picture of few bytes and many pixels."""
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    return file.getvalue()


DROP = """([name, type, content, zeros]) => {
  const begins = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
  const file = new File([begins, new Uint8Array(zeros)], name, { type });
  const files = new DataTransfer();
  files.items.add(file);
  const place = document.querySelector('#picture img');
  for (const kind of ['dragenter', 'dragover', 'drop']) {
    place.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
  }
}"""


REFUSED = (
    ("broken.png", "image/png", bytes(100), "cannot be read as a picture"),
    ("huge.png", "image/png", huge(), "smaller copy"),
    ("paper.pdf", "application/pdf", bytes(100), "This file is no picture. Choose a PNG"),
    ("large.png", "image/png", bytes(11 * 2**20), "more than the 10 MB"),
)


@pytest.mark.parametrize("how", ["chosen", "dropped"])
def test_a_file_that_is_refused_leaves_picture_question_and_answers_and_the_conversation_goes_on(regular, how):
    page = regular
    choose_example(page, 5, "Describe")
    ask(page, "How many objects are there?")
    said, shown = answers(page), page.get_attribute("#picture img", "src")
    page.fill("#question textarea", "What I was about to ask")
    for name, mime, content, expected in REFUSED:
        if how == "chosen":
            file = {"name": name, "mimeType": mime, "buffer": content}
            page.locator("#picture input[type=file]").set_input_files(file)
        else:
            begins = content.rstrip(b"\0")  # megabytes of nothing need not travel
            zeros = len(content) - len(begins)
            page.evaluate(DROP, [name, mime, base64.b64encode(begins).decode(), zeros])
        page.get_by_text(expected).first.wait_for(timeout=30_000)
        page.wait_for_function("src => document.querySelector('#picture img')?.src === src", arg=shown)
        assert answers(page) == said and page.input_value("#question textarea") == "What I was about to ask"
        assert "finished after" in page.inner_text(".tv-status")
    ask(page, "What is in the center?")
    assert turns_of(page) == 2


def test_a_picture_that_is_taken_begins_anew(regular):
    page = regular
    choose_example(page, 5, "Describe")
    ask(page, "How many objects are there?")
    page.locator("#picture input[type=file]").set_input_files(SCENE)
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    ask(page, "How many rabbits are there?")
    assert all(answers(page)) and turns_of(page) == 1


def test_of_a_picture_that_is_no_scene_it_is_said_so_before_anybody_asks(regular):
    page, upload = regular, "#picture input[type=file]"
    note = page.locator("#picture-note")
    page.locator(upload).set_input_files(ROOT / "assets" / "photos" / "cat.jpg")
    page.wait_for_function("() => document.querySelector('#picture-note').innerText.includes('no emoji scene')")
    assert state(page)["sides"] == "0", "nothing was asked"
    page.locator("#examples button, #examples .gallery-item").nth(1).click()
    page.wait_for_function("() => !document.querySelector('#picture-note').innerText.trim()")
    # Of a scene nothing is said, however long one waits: a look at it takes less time than an answer.
    page.locator(upload).set_input_files(SCENE)
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    ask(page, "How many objects are there?")
    assert not note.inner_text().strip()


@pytest.mark.parametrize("give_up", ["#clear", "#new-scene", "#stop"])
def test_what_is_asked_as_soon_as_it_can_be_after_another_run_was_given_up_is_answered(regular, give_up):
    page = regular
    choose_example(page, 5, "Describe")
    ask(page, "Describe the image in detail.", wait=False)
    page.fill("#question textarea", "How many objects are there?")
    # Pressed from within the page, in the moment in which it can be; at once where the run was over already.
    page.evaluate(
        """(selector) => {
          const ask = document.querySelector('#ask');
          document.querySelector(selector).click();
          if (!ask.disabled) ask.click();
          else new MutationObserver((_, eye) => {
            if (ask.disabled) return;
            eye.disconnect();
            ask.click();
          }).observe(ask, { attributes: true });
        }""",
        give_up,
    )
    page.wait_for_function(
        "document.querySelector('.tv-turn[data-shown=true] .tv-question')?.textContent.startsWith('How many')"
        " && document.querySelector('.trace-view').dataset.done === 'true'",
        timeout=120_000,
    )
    page.wait_for_selector("#ask:not([disabled])")
    assert all(answers(page)) and "finished after" in page.inner_text(".tv-status")


def test_an_impossible_question_gets_a_sentence_and_one_with_markup_is_shown_as_text(regular):
    page = regular
    page.click("#clear")  # with an empty box the last question would be asked again
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    for question, expected in (("", "no question yet"), ("x" * 100_000, "100,000 characters")):
        page.fill("#question textarea", question)
        page.click("#ask")
        page.get_by_text(expected).first.wait_for(timeout=60_000)
        page.wait_for_selector("#ask:not([disabled])")
    nasty = '<img src=x onerror=window.hacked=1><b>bold</b> "quoted" `${1+1}` {{x}} \u202eright\u202c \U0001f415'
    ask(page, nasty)
    assert question_of(page) == nasty
    assert page.evaluate("window.hacked") is None and all(answers(page))


def test_a_question_of_which_nothing_is_heard_is_said_to_be_lost(browser, live):
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(live)
    page.wait_for_selector('#view .trace-view[data-done="true"]', timeout=60_000)
    page.route("**/queue/data*", lambda route: None)  # from now on nothing is heard
    page.click("#ask")
    page.wait_for_function("document.querySelector('.tv-status').textContent === 'Asking'")
    page.clock.fast_forward(60_000)
    page.wait_for_function("document.querySelector('.tv-status').textContent.startsWith('Nothing is heard of')")
    context.close()


def test_two_visitors_at_once_get_their_own_answers(visit, client):
    from gradio_client import handle_file

    first, second = visit(), visit()
    choose_example(first, 5, "Describe")
    choose_example(second, 2, "rabbits")
    ask(first, "Describe the image in detail.", wait=False)
    ask(second, "Describe this image.")
    first.wait_for_function("document.querySelector('.trace-view').dataset.done === 'true'", timeout=120_000)
    for page, scene, question in (
        (first, "scene-2022.png", "Describe the image in detail."),
        (second, "scene-2057.png", "Describe this image."),
    ):
        file = handle_file(ROOT / "assets" / "scenes" / scene)
        a, b, _ = client.predict(file, question, "full", "elastic", 0.5, 128, api_name="/compare")
        assert answers(page) == [a, b]


def test_a_scene_comes_back_with_its_seed_which_may_be_any_number(regular):
    page = regular
    picture = "document.querySelector('#picture img').src"
    drawn = []
    for seed in (41, 42, 41):
        before = page.evaluate(picture)
        page.fill("#scene-seed input", str(seed))
        page.press("#scene-seed input", "Enter")
        page.wait_for_function(f"before => {picture} !== before", arg=before)
        page.wait_for_function("document.querySelector('#picture img').complete")
        drawn.append(page.evaluate(f"fetch({picture}).then(r => r.arrayBuffer()).then(b => new Uint8Array(b).join())"))
    assert drawn[0] == drawn[2] != drawn[1]
    page.click("#new-scene")
    page.wait_for_function("document.querySelector('#scene-seed input').value !== '41'")
    page.fill("#scene-seed input", "-5")
    page.press("#scene-seed input", "Enter")
    page.wait_for_function("document.querySelector('#scene-seed input').value === '5'")


def test_without_protection_the_question_loses_its_slots(visit):
    page = visit()
    slide(page, "#keep", 20)
    ask(page, "How many objects are there?")

    def fates():
        tokens = page.locator('.tv-strip[data-side="b"] .tv-token[data-by="prompt"]')
        return [
            t.get_attribute("data-fate") for t in tokens.all() if t.inner_text().strip() in ("How", "many", "objects")
        ]

    page.locator(".tv-layer").evaluate("box => { box.value = 1; box.dispatchEvent(new Event('input')) }")
    page.wait_for_selector('.trace-view[data-layer="1"]')
    assert set(fates()) == {"kept"}
    page.get_by_text("Settings of side B").click()
    page.get_by_label("Protect text").uncheck()
    page.click("#clear")
    page.wait_for_selector('.trace-view[data-sides="0"]', state="attached")
    ask(page, "How many objects are there?")
    assert "kept" not in fates()


def test_nothing_is_cut_off_on_a_phone(visit):
    page = visit(viewport={"width": 390, "height": 800}, has_touch=True)
    ask(page, "How many objects are there?")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # The answers, which stand below the inputs here, have come into sight.
    assert 0 <= page.locator(".tv-answers").bounding_box()["y"] < 400


def test_the_compare_api_returns_both_answers_and_the_figures(client):
    from gradio_client import handle_file

    described = client.view_api(return_format="dict")["named_endpoints"]
    assert set(described) == {"/compare", "/compare_all"}
    names = [p["parameter_name"] for p in described["/compare"]["parameters"]]
    wanted = ["image", "question", "policy_a", "policy_b", "keep", "max_new_tokens", "compress_before_question"]
    assert names == [*wanted, "further_images", "image_tokens", "reuse", "front"]
    a, b, figures = client.predict(
        handle_file(SCENE), "How many rabbits are there?", "full", "elastic", 0.2, 32, api_name="/compare"
    )
    assert figures["a"]["answer"] == a and figures["b"]["answer"] == b
    tokens = figures["b"]["prompt_tokens"]
    assert figures["a"]["slots_prompt"] == [tokens] * 6
    assert figures["b"]["slots_prompt"] == [int(0.2 * tokens)] * 6
    assert figures["b"]["bytes_prompt"] / figures["a"]["bytes_prompt"] == pytest.approx(int(0.2 * tokens) / tokens)


def test_the_compare_api_compresses_before_the_question_where_it_is_asked_to(client):
    from gradio_client import handle_file

    call = handle_file(SCENE), "How many rabbits are there?", "full", "elastic", 0.2, 32
    (full, _, known), (same, _, unknown) = (client.predict(*call, *more, api_name="/compare") for more in ((), (True,)))
    assert full == same
    for side in "ab":
        assert known[side]["question_tokens_after_compressing"] == 0
        asked = unknown[side]["question_tokens_after_compressing"]
        assert 0 < asked < 20
    tokens = unknown["b"]["prompt_tokens"]
    assert unknown["b"]["slots_prompt"] == [int(0.2 * (tokens - asked)) + asked] * 6


def test_the_compare_api_takes_a_picture_over_where_it_is_asked_to(client):
    from gradio_client import handle_file

    call = handle_file(SCENE), "How many rabbits are there?", "full", "full", 1.0, 32
    found = {reuse: client.predict(*call, reuse=reuse, api_name="/compare")[2] for reuse in ("off", "0", "4", "all")}
    assert {reuse: figures["a"]["reused_tokens"] for reuse, figures in found.items()} == dict.fromkeys(found, 0)
    taken = {reuse: figures["b"]["reused_tokens"] for reuse, figures in found.items()}
    assert taken == {"off": 0, "0": 260, "4": 256, "all": 0}
    assert found["all"]["a"]["answer"] == found["all"]["b"]["answer"]


def test_the_compare_api_leaves_picture_tokens_out_where_it_is_asked_to(client):
    from gradio_client import handle_file

    call = handle_file(SCENE), "How many rabbits are there?", "full", "full", 0.3, 32
    for front in ("visionzip", "divprune"):
        figures = client.predict(*call, front=front, api_name="/compare")[2]
        tokens = figures["a"]["prompt_tokens"]
        assert figures["b"]["prompt_tokens"] == tokens and figures["a"]["picture_tokens_left_out"] == 0
        assert figures["b"]["slots_prompt"] == [int(0.3 * tokens)] * 6
        assert figures["b"]["picture_tokens_left_out"] == tokens - int(0.3 * tokens)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"keep": 0.0}, "keep must be between"),
        ({"max_new_tokens": 0}, "1 token or more"),
        ({"policy_b": "best"}, "best"),
        ({"question": " "}, "no question yet"),
        ({"further_images": [str(SCENE)]}, "pocket-llava is asked about one picture at a time, not about 2."),
        ({"further_images": [str(SCENE)] * 9}, "A question has at most 8 pictures."),
        ({"further_images": ["/etc/passwd"]}, "This file is no upload of this page."),
        ({"image_tokens": 64}, "How many tokens a picture has is not for anybody to choose"),
        ({"reuse": "some"}, "There is no reuse of 'some'. Send one of off, 0, 1, 4, 16, all."),
        ({"front": "some"}, "There is no front 'some'. Choose from: visionzip, divprune."),
        ({"image_tokens": -1}, "image_tokens: a number from 0 to 16384 is needed"),
    ],
)
def test_the_compare_api_says_what_is_wrong(client, change, expected):
    from gradio_client import handle_file

    call = {
        **{"image": handle_file(SCENE), "question": "Where?", "policy_a": "full", "policy_b": "elastic"},
        **{"keep": 0.5, "max_new_tokens": 8},
    }
    with pytest.raises(Exception, match=expected):
        client.predict(**call | change, api_name="/compare")
