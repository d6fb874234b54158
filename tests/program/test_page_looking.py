"""The page without a model, links, files dropped on it and plots, in a real browser on the real program."""

import io
import json
import re
import zipfile
from urllib.parse import parse_qs, urlsplit

import pytest

from elastic.record.archive import open_run, save_run
from page.shown import TRACES, recordings
from tests.serving import answers, ask, choose_example, inspected, question_of, state, visitors
from tests.view_traces import NASTY, PAIR, run_of


@pytest.fixture
def visit(browser, recorded_only):
    with visitors(browser, recorded_only) as opened:
        yield opened


@pytest.fixture(scope="module")
def regular(browser, recorded_only):
    """A visitor who stays, for tests that begin with a file or a recorded run of their own."""
    with visitors(browser, recorded_only) as opened:
        yield opened()


@pytest.fixture
def visit_live(browser, live):
    with visitors(browser, live) as opened:
        yield opened


@pytest.fixture(scope="module")
def regular_live(browser, live):
    """The same where there is a model."""
    with visitors(browser, live) as opened:
        yield opened()


@pytest.fixture(params=["visit", "visit_live"])
def visit_either(request):
    return request.getfixturevalue(request.param)


def recorded(name):
    return open_run(TRACES / f"{name}.zip")


def test_a_recorded_run_is_there_at_once_and_says_what_it_is(visit_either):
    page = visit_either()
    first = recordings()[0]
    assert answers(page) == [side.answer for side in recorded(first["name"]).sides]
    assert "Recorded earlier with pocket-llava" in page.inner_text(".tv-status")
    assert first["title"] in page.inner_text(".tv-status")


def test_every_recorded_run_can_be_chosen(regular):
    page = regular
    if not page.locator("#recordings button").first.is_visible():
        page.get_by_text("Recorded runs", exact=True).click()
    for number, entry in reversed(list(enumerate(recordings()))):
        page.locator("#recordings button").nth(number).click()
        page.wait_for_selector(f'.trace-view[data-run="{entry["name"]}"][data-done="true"]')
        assert answers(page) == [side.answer for side in recorded(entry["name"]).sides]
        now = inspected(page)
        assert {name: now[{"t": "step"}.get(name, name)] for name in entry["show"]} == entry["show"]


def wrong_parts(page):
    return page.locator(".tv-wrong li").all_inner_texts()


def test_a_link_opens_a_recorded_run_in_its_state(visit_either):
    page = visit_either("?example=lost-question&layer=3&t=2&mode=groups&utm_source=x")
    shown = state(page)
    assert (shown["run"], shown["layer"], shown["step"], shown["mode"]) == ("lost-question", "3", "2", "groups")
    assert wrong_parts(page) == []


def test_a_link_to_nothing_gets_a_sentence_and_a_run(visit):
    page = visit("?example=<img src=x onerror=window.hurt=1>")
    assert "no recorded run named" in page.inner_text(".tv-status")
    assert all(answers(page)) and page.evaluate("window.hurt") is None


def test_what_a_link_asks_of_the_view_in_vain_is_said(visit):
    page = visit("?example=lost-question&layer=99&t=abc&mode=colourful&head=7")
    said = " ".join(wrong_parts(page))
    assert len(wrong_parts(page)) == 4 and state(page)["layer"] == "6" and state(page)["mode"] == "groups"
    for part in ("layer 99, but there are 6.", 'answer token "abc"', 'mode "colourful"', "head 7, but there is 1."):
        assert part in said


def test_a_server_of_recorded_runs_says_that_it_cannot_ask(visit):
    page = visit("?example=scene-2057&b=elastic&keep=20&q=Where is the tractor?")
    assert page.inner_text(".tv-status").startswith("This server shows recorded runs only")
    page = visit("?example=wrong-count&q=Where?")
    assert "recorded runs only" in wrong_parts(page)[0] and state(page)["run"] == "wrong-count"


def test_layers_of_a_recorded_run_are_fetched_when_asked_for(visit):
    page = visit("?example=faithful-merge")
    page.click('.tv-mode[data-mode="looked"]')
    looked = "document.querySelector('.trace-view').view.inspect().sides.map((side) => side.looked)"
    choose = "(box, layer) => { box.value = layer; box.dispatchEvent(new Event('input')) }"
    page.locator(".tv-layer").evaluate(choose, 0)
    page.wait_for_selector('.trace-view[data-layer="mean"]')
    mean = page.evaluate(looked)
    page.locator(".tv-layer").evaluate(choose, 3)
    page.wait_for_function(f"before => {looked}[1] && String({looked}[1]) !== String(before)", arg=mean[1])
    run = recorded("faithful-merge")
    side = run.sides[0]
    shown = page.evaluate(looked)[0]
    expected = side.looked[side.steps - 1, 2, side.patches].astype(float)
    assert shown == pytest.approx(expected.tolist(), abs=0.005)


def drop(page, name, content):
    if not page.locator("#open-trace").is_visible():
        page.get_by_text("Recorded runs", exact=True).click()
    file = {"name": name, "mimeType": "application/zip", "buffer": content}
    page.locator("#open-trace input[type=file]").set_input_files(file)


def saved(run):
    file = io.BytesIO()
    save_run(run, file)
    return file.getvalue()


def test_a_dropped_trace_is_shown_and_its_texts_stay_texts(regular):
    page = regular
    drop(page, "mine.zip", saved(run_of("mine", PAIR, titles=[NASTY, NASTY], history=[[(NASTY, NASTY)]] * 2)))
    page.wait_for_function("document.querySelector('.tv-status').textContent.includes('Opened mine.zip')")
    assert answers(page) == [side.answer for side in PAIR]
    assert page.evaluate("window.hurt") is None


def test_a_file_that_is_no_trace_gets_a_sentence_and_the_run_stays(regular):
    page = regular
    before = answers(page)
    drop(page, "bad.zip", b"no zip")
    page.get_by_text("is not a trace file").first.wait_for(timeout=30_000)
    old = io.BytesIO()
    with zipfile.ZipFile(old, "w") as archive:
        archive.writestr("run.json", json.dumps({"schema": 1}))
    drop(page, "old.zip", old.getvalue())
    page.get_by_text("has trace schema 1, this version reads").first.wait_for(timeout=30_000)
    assert answers(page) == before
    drop(page, "good.zip", saved(run_of("good", PAIR)))
    page.wait_for_function("document.querySelector('.tv-status').textContent.includes('Opened good.zip')")


def test_a_dropped_trace_takes_nobody_elses_place_and_says_where_it_is_from(regular, visit):
    page, name = regular, recordings()[0]["name"]
    drop(page, "mine.zip", saved(run_of(name, PAIR)))
    page.wait_for_function("document.querySelector('.tv-status').textContent.includes('Opened mine.zip')")
    key = state(page)["run"]
    assert len(key) == 32 and "edited or foreign" not in page.inner_text(".tv-status")
    other = visit(f"?example={name}")
    assert answers(other) == [side.answer for side in recorded(name).sides]
    # The same file again is another run: nobody can know its name.
    drop(page, "mine.zip", saved(run_of(name, PAIR)))
    page.wait_for_function("key => document.querySelector('.trace-view').dataset.run !== key", arg=key)
    edited = io.BytesIO(saved(run_of(name, PAIR)))
    with zipfile.ZipFile(edited) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    foreign = io.BytesIO()
    with zipfile.ZipFile(foreign, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content.replace(b"What is this?", b"What is that?"))
    drop(page, "edited.zip", foreign.getvalue())
    page.wait_for_function("document.querySelector('.tv-status').textContent.includes('edited or foreign')")


def test_plots_are_drawn_when_their_tab_is_opened(regular):
    page = regular
    page.get_by_role("tab", name="Plots").click()
    for number in range(6):
        page.wait_for_selector(f"#plot-{number} .js-plotly-plot .main-svg", timeout=60_000, state="attached")
    assert "Who holds each token" in page.inner_text("#plot-0")
    page.get_by_role("tab", name="Live view").click()


def test_what_was_saved_can_be_opened_again(visit):
    page = visit("?example=wrong-count")
    with page.expect_download() as download:
        page.get_by_role("button", name="Trace").click()
    content = download.value.path().read_bytes()
    drop(page, "again.zip", content)
    page.wait_for_function("document.querySelector('.tv-status').textContent.includes('again.zip')")
    assert answers(page) == [side.answer for side in recorded("wrong-count").sides]


def test_a_projector_gets_the_view_alone(visit):
    page = visit("?present=1")
    for width, height in ((1920, 1080), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        assert not page.locator("#controls").is_visible() and page.locator(".tv-patches").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.tv-text')).fontSize)") >= 20
        # The keys work at once.
        before = int(state(page)["step"])
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(
            "before => +document.querySelector('.trace-view').dataset.step === before - 1", arg=before
        )


def test_a_run_that_is_opened_fills_the_inputs(visit_live):
    page = visit_live("?example=lost-question")
    assert page.input_value("#question textarea") == recorded("lost-question").sides[0].question
    assert page.input_value("#keep input[type=number]") == "30"
    drop(page, "faithful.zip", (TRACES / "faithful-merge.zip").read_bytes())
    question = recorded("faithful-merge").sides[0].question
    page.wait_for_function("q => document.querySelector('#question textarea').value === q", arg=question)
    assert page.input_value("#keep input[type=number]") == "50"


def test_plots_are_those_of_the_turn_that_is_looked_at_and_say_which(visit_live):
    page = visit_live()
    choose_example(page, 1, "number")
    runs = []
    for question in ("What is the number?", "How many *cakes* are there?"):
        ask(page, question)
        runs.append((question, state(page)["run"]))
    for number, (question, run) in enumerate(runs):
        page.get_by_role("tab", name="Live view").click()
        page.locator(".tv-look").nth(number).click()
        page.wait_for_function("run => document.querySelector('.trace-view').dataset.run === run", arg=run)
        page.get_by_role("tab", name="Plots").click()
        page.get_by_text(f"The turn that is looked at: {question}").wait_for()
    page.wait_for_selector("#plot-0 .js-plotly-plot .main-svg", timeout=60_000, state="attached")


def test_nothing_is_chosen_that_what_arrives_would_write_over(visit_live):
    page = visit_live()
    held, is_held = [], True
    arrives = re.compile(r"/gradio_api/(run|queue/join)")
    page.route(arrives, lambda route: held.append(route) if is_held else route.continue_())
    page.reload()
    page.wait_for_function("document.querySelector('#controls')?.inert && document.querySelector('#asking')?.inert")
    is_held = False
    for route in held:
        route.continue_()
    choose_example(page, 1, "number")  # waits until it can
    page.wait_for_function("!document.querySelector('#controls').inert && !document.querySelector('#asking').inert")
    assert page.input_value("#scene-seed input") == "2029"


def test_clearing_leaves_nothing_behind(regular_live):
    page = regular_live
    page.click("#clear")
    page.wait_for_selector('.trace-view[data-sides="0"]')
    assert page.inner_text(".tv-status") == "" and "both answers appear here" in page.inner_text(".tv-empty")


def test_a_link_asks_again_what_was_asked(visit_live):
    page = visit_live(
        "?example=scene-2057&a=full&b=elastic&keep=20&b.protect_text=false&layer=2&t=3&q=Where is the dog?"
    )
    page.wait_for_function("document.querySelector('.trace-view').dataset.run.length === 32", timeout=60_000)
    page.wait_for_selector('.trace-view[data-done="true"]', timeout=60_000)
    shown = state(page)
    assert (shown["layer"], shown["step"]) == ("2", "3")
    assert question_of(page) == "Where is the dog?"
    assert "asked to keep 20 %" in page.inner_text('.tv-answer[data-side="b"] .tv-head')
    page.get_by_text("Settings of side B").click()
    assert not page.get_by_label("Protect text").is_checked()


def test_a_link_with_an_option_that_a_method_once_had_opens_the_parts_it_means(visit_live):
    page = visit_live("?example=scene-2057&b=elastic&keep=20&b.merge=none&b.decode_rule=oldest&q=Where is the dog?")
    page.wait_for_selector('.trace-view[data-done="true"]', timeout=60_000)
    assert wrong_parts(page) == []
    assert page.input_value("#policy-b input") == "Combine your own"
    page.get_by_text("Settings of side B").click()
    chosen = {name: page.get_by_label(name, exact=True).input_value() for name in ("Merge", "Decoding", "Select")}
    assert chosen == {"Merge": "none", "Decoding": "oldest", "Select": "top"}


def test_a_link_with_wrong_parts_is_followed_in_the_others_and_each_is_named(visit_live):
    page = visit_live(
        "?example=scene-2057&q=Where is the dog?&keep=500&b=elastic&b.distance=far&c.x=1&layer=3&b.keep=9"
    )
    page.wait_for_function("document.querySelector('.trace-view').dataset.run.length === 32", timeout=60_000)
    page.wait_for_selector('.trace-view[data-done="true"]', timeout=60_000)
    assert question_of(page) == "Where is the dog?"
    assert state(page)["layer"] == "3" and "scene-2057" in page.get_attribute("#picture img", "src")
    assert len(wrong_parts(page)) == 4
    for part in ("'500' %", "b.distance", "'c.x'", "b.keep"):
        assert len([sentence for sentence in wrong_parts(page) if part in sentence]) == 1
    page.wait_for_selector("#ask:not([disabled])")
    ask(page, "How many objects are there?")
    assert not page.locator(".tv-wrong").is_visible()


def test_a_question_without_a_picture_stands_in_the_inputs_and_is_not_asked(visit_live):
    page = visit_live("?q=Where is the dog?&keep=20&b=h2o")
    assert wrong_parts(page) == ["The link asks a question but names no picture. Choose one and press Ask."]
    assert page.input_value("#question textarea") == "Where is the dog?"
    assert page.input_value("#keep input[type=number]") == "20" and state(page)["run"] == recordings()[0]["name"]
    ask(page)
    assert "H2O" in page.inner_text('.tv-answer[data-side="b"] .tv-head')


def test_a_file_that_is_no_trace_leaves_what_was_typed(regular_live):
    page = regular_live
    page.fill("#question textarea", "What I was about to ask")
    drop(page, "bad.zip", b"no zip")
    page.get_by_text("is not a trace file").first.wait_for(timeout=30_000)
    page.wait_for_selector("#open-trace input[type=file]", state="attached")
    assert page.input_value("#question textarea") == "What I was about to ask"


def test_the_link_of_a_run_leads_back_to_it(visit_live):
    page = visit_live()
    choose_example(page, 2, "rabbits")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page)
    said = answers(page)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied").first.wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    asked = {key: value[0] for key, value in parse_qs(urlsplit(link).query).items()}
    assert (asked["example"], asked["a"], asked["b"], asked["keep"]) == ("scene-2057", "full", "elastic", "50")
    again = visit_live("?" + urlsplit(link).query)
    again.wait_for_function("document.querySelector('.trace-view').dataset.run.length === 32", timeout=60_000)
    again.wait_for_selector('.trace-view[data-done="true"]', timeout=60_000)
    assert answers(again) == said
    # A second question belongs to a conversation, which cannot travel with a link; the address says so.
    ask(page, "How many objects are there?")
    page.wait_for_function("location.search.includes('without=conversation') && location.search.includes('t=')")
    third = visit_live(urlsplit(page.url)._replace(scheme="", netloc="", path="").geturl())
    third.wait_for_function("document.querySelector('.tv-wrong').textContent.includes('was not sent')")
    assert third.input_value("#question textarea") == "How many objects are there?"
