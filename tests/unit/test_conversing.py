"""Conversations of visitors without a browser: what is kept of them, and from where a question goes on."""

import json

import gradio as gr
import pytest

from elastic.fronts.visionzip import VisionZip
from elastic.options import options_of, read_policy, write_policy
from elastic.policies import POLICIES
from elastic.record.reuse import ALL
from elastic.rereading import Asking
from page.conversing import changes
from page.store import ON_SCREEN
from page.visitor import CACHES, MOST_CONVERSATIONS, Visitor
from scenes.scene import random_scene, render
from tests.unit.test_asking import Page, nothing_is_left, request_of, when_writing


@pytest.fixture
def page(tiny, tmp_path, picture):
    picture.save(tmp_path / "scene.png")
    page = Page(tiny, str(tmp_path / "scene.png"))
    yield page
    page.model.line.close("over")


def asked(*sides, before=False, tokens=0, reuse=None, front=None):
    return Asking("?", (), tuple(read_policy(side) for side in sides), before, 8, tokens, reuse=reuse, front=front)


def questions(message):
    return [turn.question for turn in message.turns]


def listed(page):
    """The titles of the other conversations, as the page lists them."""
    return [title for (title,) in page.events.others(request_of("a"))._constructor_args[0]["samples"]]


def told(page, *wanted, **more):
    """The last message of several questions, one after the other."""
    return [page.ask("a", question, **more)[-1] for question in wanted][-1]


def test_every_turn_keeps_its_words_and_its_run_can_be_looked_at(page):
    last = told(page, "What?", "Where?", "Who?")
    assert questions(last) == ["What?", "Where?", "Who?"] and last.turns[-1].run == last.run
    assert len({turn.run for turn in last.turns}) == 3
    for turn in last.turns:
        run = page.events.shown.get(turn.run)
        seen = json.loads(page.events.shown.fetch_steps(turn.run, 0))
        assert seen["run"] == turn.run and seen["opening"]["question"] == turn.question
        assert [side.answer for side in turn.sides] == [side.answer for side in run.sides]
        assert [side.bytes_held for side in turn.sides] == [side.total_bytes[-1] for side in run.sides]
        assert [side.is_compressed for side in turn.sides] == [False, True]
    first = page.said[-1].turns
    assert next(message for message in page.said if message.sides).turns[:-1] == first[:-1], "it begins with them"


def test_another_setting_is_said_from_where_on_it_holds_and_the_turns_stay(page):
    told(page, "What?", b="elastic:keep=0.5")
    last = told(page, "Where?", b="elastic:keep=0.1")
    assert questions(last) == ["What?", "Where?"]
    assert [turn.changes for turn in last.turns] == [[], ["From here B keeps 10 %."]]
    caches = page.store.get((CACHES, "a"))
    assert caches.turns[-1].begins, "they were made again of all that had been said"
    last = told(page, "Who?", b="elastic:keep=0.1")
    assert [turn.changes for turn in last.turns][1:] == [["From here B keeps 10 %."], []]
    assert not page.store.get((CACHES, "a")).turns[-1].begins


def test_what_is_otherwise_is_said_of_each_side_and_of_both():
    before = asked("full", "elastic:keep=0.5")
    assert changes(before, asked("full", "elastic:keep=0.5")) == []
    assert changes(before, asked("h2o:keep=0.2", "elastic:keep=0.2")) == [
        f"From here A is {POLICIES['h2o'].title} and keeps 20 %.",
        "From here B keeps 20 %.",
    ]
    assert changes(before, asked("full", "full")) == ["From here B is Full cache and keeps everything."]
    assert changes(before, asked("full", "elastic:keep=0.3;protect_text=false")) == [
        "From here B keeps 30 % and has “protect text” off."
    ]
    assert changes(before, asked("full", "elastic:keep=0.5", before=True, tokens=64)) == [
        "From here caches are compressed before the question is read.",
        "From here a picture has at most 64 tokens.",
    ]
    assert changes(before, asked("full", "quest:keep=0.3")) == ["From here B is Quest and reads 30 %."]
    reused = "From here the first question stands before the picture, of which B reuses a reading,"
    for number, words in ((0, "none"), (4, "the first 4"), (ALL, "all")):
        now = asked("full", "elastic:keep=0.5", reuse=number)
        assert changes(before, now) == [f"{reused} {words} of its tokens read anew."]
    assert changes(asked("full", "elastic:keep=0.5", reuse=4), before) == [
        "From here both sides read the picture, before the question."
    ]
    now = asked("full", "elastic:keep=0.5", front=VisionZip())
    assert changes(before, now) == ["From here B is given what VisionZip leaves of pictures."]
    assert changes(now, before) == ["From here B is given all tokens of pictures."]


@pytest.mark.parametrize("name", POLICIES)
def test_every_option_of_every_method_has_a_sentence(name):
    policy = POLICIES[name]
    for option in options_of(policy).values():
        if not option.is_free or option.name == "keep":
            continue
        other = next((one for one in option.choices if one != option.default), None)
        if option.kind is bool:
            other = not option.default
        elif other is None:
            other = option.kind(option.low if option.low != option.default else option.high)
        changed = policy(**{option.name: other})
        (sentence,) = changes(asked(name), asked(write_policy(changed)))
        assert sentence.startswith("From here A has “") and option.label in sentence and sentence.endswith(".")


def again(page, run, question, **more):
    """The last message of a question that is asked from a turn on."""
    return page.ask("a", question, again=run, **more)[-1]


def test_from_a_turn_on_something_else_is_asked_and_what_was_left_stays_in_the_list(page):
    turns = told(page, "What?", "Where?", "Who?", "Why?").turns
    last = again(page, turns[1].run, "Which?")
    assert questions(last) == ["What?", "Which?"] and last.turns[0] == turns[0]
    (other,) = Visitor.known(page.store, "a").others
    assert [turn.question for turn in other.said] == ["What?", "Where?", "Who?", "Why?"]
    assert questions(told(page, "And?")) == ["What?", "Which?", "And?"]
    from_other = again(page, turns[3].run, "Really?")
    assert questions(from_other) == ["What?", "Where?", "Who?", "Really?"]


def test_a_last_question_that_is_asked_again_is_answered_alike_and_takes_its_place(page):
    turns = told(page, "What?", "Where?").turns
    last = again(page, turns[1].run, "Where?")
    assert questions(last) == ["What?", "Where?"] and Visitor.known(page.store, "a").others == []
    assert [side.answer for side in last.turns[1].sides] == [side.answer for side in turns[1].sides]
    assert last.run != turns[1].run
    first = again(page, turns[0].run, "How?")
    assert questions(first) == ["How?"] and not first.turns[0].changes


def test_another_draw_says_its_temperature_and_seed(page):
    turns = told(page, "What?").turns
    drawn = again(page, turns[0].run, "What?", temperature=0.7, seed=5).turns[0]
    assert (drawn.temperature, drawn.seed) == (0.7, 5) and (turns[0].temperature, turns[0].seed) == (0, 0)


@pytest.mark.parametrize("whose", ["nobody", "another"])
def test_a_turn_that_is_not_his_or_gone_is_a_sentence(page, whose):
    run = "nothing" if whose == "nobody" else page.ask("b")[-1].run
    before = told(page, "What?")
    with pytest.raises(gr.Error, match="no longer holds the conversation of this turn"):
        again(page, run, "Where?")
    assert questions(told(page, "Who?")) == [*questions(before), "Who?"]


def test_a_question_from_a_turn_on_that_is_stopped_before_it_is_answered_leaves_all_as_it_was(page):
    turns = told(page, "What?", "Where?").turns
    page.events.begin(request_of("a"))
    page.events.stop(request_of("a"))
    stopped = again(page, turns[0].run, "Which?")
    assert stopped.status == "Stopped before it was begun: nothing was asked." and stopped.turns is None
    assert nothing_is_left(page, "a")
    assert questions(told(page, "Who?")) == ["What?", "Where?", "Who?"]


def test_what_is_refused_from_a_turn_on_leaves_all_as_it_was(page):
    turns = told(page, "What?", "Where?").turns
    with pytest.raises(gr.Error, match="no question yet"):
        again(page, turns[0].run, " ")
    assert questions(told(page, "Who?")) == ["What?", "Where?", "Who?"]


def test_a_stopped_answer_is_a_turn_like_any_other(page):
    page.ask("a", "What?", tokens=500, until=when_writing(lambda: page.events.stop(request_of("a"))))
    last = told(page, "Where?")
    assert questions(last) == ["What?", "Where?"]
    assert [side.finish for side in last.turns[0].sides] == ["stopped", "stopped"]
    assert all(turn.answers[0] for turn in Visitor.known(page.store, "a").conversation.turns[:1])


def test_another_picture_begins_a_conversation_and_one_can_go_back_to_the_first(page, tmp_path):
    told(page, "What?", "Where?")
    page.events.forget(request_of("a"))
    first, page.scene = page.scene, str(tmp_path / "other.png")
    render(random_scene("other"))[0].save(page.scene)
    assert questions(told(page, "Who?")) == ["Who?"]
    assert listed(page) == ["What? · 2 turns"]
    message, was = page.events.go_to(0, request_of("a"))
    assert questions(message) == ["What?", "Where?"] and message.run == message.turns[-1].run and message.done
    assert was.picture == first and page.events.shown.of("a").name == message.run
    assert listed(page) == ["Who? · 1 turn"]
    page.scene = first
    assert questions(told(page, "Why?")) == ["What?", "Where?", "Why?"]
    with pytest.raises(gr.Error, match="put away"):
        page.events.go_to(1, request_of("a"))


def test_of_a_conversation_whose_runs_are_gone_the_words_are_shown(page):
    told(page, "What?")
    page.events.forget(request_of("a"))
    page.store.drop_kind("run")
    message, _ = page.events.go_to(0, request_of("a"))
    assert questions(message) == ["What?"] and not message.sides and "were put away" in message.status
    assert questions(told(page, "Where?")) == ["What?", "Where?"]


def test_it_goes_on_when_its_caches_were_given_up_and_says_so(page):
    told(page, "What?")
    page.store.drop_kind(CACHES)
    last = told(page, "Where?")
    assert questions(last) == ["What?", "Where?"] and "the conversation was read again" in last.status


def test_a_long_conversation_is_whole_in_a_store_that_holds_no_more_than_its_limit(page):
    page.ask("a", "0?")
    page.store.limit = 2 * page.store.bytes
    for number in range(1, 12):
        last = page.ask("a", f"{number}?")[-1]
        assert page.store.bytes <= page.store.limit
    assert questions(last) == [f"{number}?" for number in range(12)]
    held = [page.events.shown.get(turn.run) is not None for turn in last.turns]
    assert held[-1] and not held[0], "the oldest runs have gone, their words have not"


def test_conversations_of_a_visitor_are_so_many_and_his_alone_and_counted(page):
    for _ in range(MOST_CONVERSATIONS + 2):
        page.ask("a", "What?", tokens=1)
        page.events.forget(request_of("a"))
    visitor = Visitor.known(page.store, "a")
    assert len(visitor.others) == MOST_CONVERSATIONS and Visitor.known(page.store, "b").others == []
    assert sum(one.nbytes for one in visitor.others) <= page.store.bytes
    page.store.clock = lambda: 10 * ON_SCREEN
    page.store.sweep()
    assert visitor.others == []
    page.store.leave("a")
    assert page.store.bytes == 0
