"""The live part of the page: the inputs, and the events that run the model. Importing it imports torch."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import gradio as gr
from gradio.events import Dependency

from elastic.options import name_of, options_of, percent, read_percent, read_policy, write_choice
from elastic.policies import POLICIES
from elastic.record import messages
from page import incoming
from page.asking import AskedQuestion, SidePolicies, Typed, scripts
from page.callbacks import Callbacks
from page.controls import answer_controls, ask_controls, find_example, show_example, side_controls
from page.glance import Glance, note_of
from page.links import DEFAULTS, read_link
from page.looking import PRIVATE, ViewEvents
from page.misspelt import SIDES, said_twice
from page.model import Model
from page.picture import KEEP_PICTURE, NOW, Picture
from page.pictures import Offers, Several, pictures_api
from page.shown import Shown, recording, recordings

TOKENS_PART = "picture_tokens"  # of a link
# On a phone the view stands below the inputs: whoever asks wants to see the answers.
SHOW_ANSWERS = """() => {
  const view = document.querySelector('#tabs');
  const { top } = view.getBoundingClientRect();
  if (top < -50 || top > window.innerHeight * 0.8) view.scrollIntoView();
}"""


class Live:
    """The inputs, laid out where this is built, and what they do once connected with the view."""

    def __init__(self, model: Model, shown: Shown, view_events: ViewEvents) -> None:
        self.model, self.shown, self.view_events = model, shown, view_events
        self.inputs = ask_controls(pocket=model.name is None)
        self.sides = side_controls()
        self.answer = answer_controls()
        self.asked = Typed(AskedQuestion, elem_id="asked")  # whatever is written here is asked
        self.chosen = Typed(SidePolicies, elem_id="chosen")
        # How much of the cache is kept, and whether it is compressed before the question.
        self.budget = [self.inputs.keep, self.sides.before_question]
        self.events = Callbacks(model, shown)
        view_events.make_way, view_events.can_ask = self.events.step_aside, True

    def connect(self, page: gr.Blocks, badge: gr.Markdown, view: gr.HTML) -> list[Dependency]:
        """Let the inputs run the model and the view show it; returns what follows a run.

        Runs are ended by the server, not by Gradio 6.31, which cancels every run of an event, also the next one, and
        lets none of them say a last word.
        """
        inputs, sides, events = self.inputs, self.sides, self.events
        at_once = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
        buttons = [inputs.ask, inputs.stop]
        ask_script, self.choose_script = scripts(sides.keys)
        self.side_inputs = [*sides.names, *sides.options]
        several = inputs.several
        # Where there are none of these, an empty text and 0 stand for them.
        pictures = [gr.State(""), gr.State(0)] if several is None else [several.pictures, several.tokens]
        values = [inputs.picture, *pictures, inputs.question, *self.answer, *self.budget, *self.side_inputs]
        gr.on([inputs.ask.click, inputs.question.submit], None, values, self.asked, js=ask_script, **PRIVATE)
        started = self.asked.given(events.begin, inputs.moment, [view, *buttons], js=NOW, **PRIVATE)
        started.then(None, None, None, js=SHOW_ANSWERS, **PRIVATE)
        running = started.success(
            events.ask,
            self.asked,
            view,
            trigger_mode="multiple",  # else a question is left out, without a word, where the last one is just ending
            **at_once,
        )
        # After a failure Gradio 6.31 runs what follows by `failure`, not what follows by `then`.
        settled = [
            follow(events.settle, None, [view, *buttons], **PRIVATE) for follow in (running.then, running.failure)
        ]
        inputs.stop.click(events.stop, None, None, **PRIVATE)
        # A picture that was refused leaves everything as it was; one more of several goes on with what was said.
        anew = [inputs.moment] if several is None else [inputs.moment, several.pictures]
        gr.on(inputs.renewed, events.forget, anew, [view, *buttons], **PRIVATE)
        inputs.uploaded.success(events.forget, anew, [view, *buttons], **PRIVATE)
        if self.model.name is None:
            self._glance()
        if several is not None:
            self._offer(page, several)
        page.load(None, None, None, js=KEEP_PICTURE, **PRIVATE)
        page.load(
            self.model.statuses, None, badge, show_progress="hidden", concurrency_limit=None, api_visibility="private"
        )
        page.unload(events.leave)
        self.filled = [inputs.picture, inputs.question, inputs.suggested, inputs.scene_seed]
        self.filled += [*self.budget, *self.side_inputs, *([] if several is None else [several.tokens])]
        page.load(self.arrive, None, [view, self.asked, *self.filled], **PRIVATE)
        return settled

    def _offer(self, page: gr.Blocks, several: Several) -> None:
        """Show what the model can once it is known, and what pictures cost whenever that changes."""
        inputs, offers = self.inputs, Offers(self.model)
        in_line = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
        told = page.load(offers.told, None, [several.begin, several.tokens, several.cost], **in_line)
        given = [inputs.picture, several.pictures, several.tokens, inputs.question]
        changes = inputs.picture.change, inputs.question.blur, several.pictures.change, several.tokens.change
        for event in (told.then, *changes):
            event(offers.cost, given, several.cost, trigger_mode="always_last", **in_line)

    def _glance(self) -> None:
        """Say of a picture that was uploaded that it is no scene, before a question is asked in vain."""
        inputs, seen = self.inputs, gr.State((None, ""))
        in_line = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
        noted = inputs.uploaded.success(Glance(self.model).look, inputs.picture, seen, **in_line)
        # Another picture may have been chosen while the model looked: only what is shown is spoken of.
        for event in (noted.success, inputs.picture.change):
            event(note_of, [seen, inputs.picture], inputs.note, **PRIVATE)

    def arrive(self, request: gr.Request) -> list:
        """What an address asks for: a bundled picture with its settings, to be asked at once, or a recorded run.

        What is wrong in it counts as not said, and is told.
        """
        asked = dict(request.query_params)
        found, wrong = read_link(asked)
        wrong = [*wrong, *said_twice(request.query_params)]
        if self._example(asked) is not None:
            message = replace(messages.of_status(""), wrong=wrong) if wrong else gr.skip()
            return [message, self._question(asked, found), *self._fill(asked, found)]
        shown = self.view_events.arrive_at(asked, request)
        shown = replace(shown, wrong=[*shown.wrong, *wrong])
        earlier = self.fill(request)
        own = [gr.skip(), found.get("q", gr.skip()), gr.skip(), gr.skip(), *self._settings(found), *self._tokens(found)]
        return [shown, gr.skip(), *(e if o == gr.skip() else o for e, o in zip(earlier, own, strict=True))]

    def fill(self, request: gr.Request) -> list:
        """The inputs as they were for the run the visitor looks at, where this model can be asked the same."""
        run = self.shown.of(request.session_hash)
        asked = run.link if run else {}
        if asked.get("example") in {entry["name"] for entry in recordings()}:
            asked = recording(asked["example"])[0].link
        found, wrong = read_link(asked)  # wrong in a file that was dropped
        fits = self._example(asked) is not None and not wrong
        return self._fill(asked, found) if fits else [gr.skip()] * len(self.filled)

    def _example(self, asked: Mapping[str, str]) -> dict | None:
        return find_example(asked.get("example", ""), self.model.name is None)

    def _question(self, asked: Mapping[str, str], found: Mapping[str, object]) -> AskedQuestion:
        """What a link asks about one of the pictures; whether its policies can be made is said where they are."""
        picture, question, *_ = show_example(self._example(asked))
        sides = []
        for side in SIDES:
            name = found.get(side, DEFAULTS[side])
            options = {key[2:]: value for key, value in found.items() if key.startswith(f"{side}.")}
            if options_of(POLICIES[name])["keep"].is_free:
                options["keep"] = found.get("keep", read_percent(self.inputs.keep.value))
            sides.append(write_choice(name, options))
        # As the copy that the visitor's picture becomes, so that his next question goes on with the conversation.
        picture = str(incoming.keep(incoming.content_of(picture), Path(picture).name))
        before, tokens = bool(found.get("compress", False)), found.get(TOKENS_PART, 0)
        asked = {"question": found.get("q", question), "before_question": before, "picture_tokens": tokens}
        return AskedQuestion(picture=picture, sides=sides, **asked)

    def inputs_of(self, asked: AskedQuestion) -> list:
        """The inputs that make a question: picture, text, longest answer, temperature, budget, and the sides."""
        policies = [read_policy(side) for side in asked.sides]
        names = [name_of(policy) for policy in policies]
        kept = [policy.keep for policy in policies if options_of(type(policy))["keep"].is_free]
        settings = [
            getattr(policies[side], option) if names[side] == name else gr.skip()
            for side, name, option in self.sides.keys
        ]
        keep = float(percent(kept[0])) if kept else gr.skip()
        budget = [keep, asked.before_question]
        return [asked.picture, asked.question, asked.tokens, asked.temperature, *budget, *names, *settings]

    def _fill(self, asked: Mapping[str, str], found: Mapping[str, object]) -> list:
        """Values of all inputs for what a link asks about one of the pictures."""
        picture, question, suggestions, seed = show_example(self._example(asked))
        settings = self._settings(DEFAULTS | {"compress": False} | found)
        return [
            picture,
            found.get("q", question),
            suggestions,
            seed,
            *settings,
            *self._tokens({TOKENS_PART: 0} | found),
        ]

    def _tokens(self, found: Mapping[str, object]) -> list:
        """How many tokens a picture may have, where that can be chosen at all."""
        return [] if self.inputs.several is None else [found.get(TOKENS_PART, gr.skip())]

    def _settings(self, found: Mapping[str, object]) -> list:
        """How much is kept, and when; the sides' policies and their options; as far as something is said of them."""
        policies = {side: found.get(side, DEFAULTS[side]) for side in SIDES if any(key[0] == side for key in found)}
        settings = [
            found.get(f"{SIDES[side]}.{field}", getattr(POLICIES[policy](), field))
            if policies.get(SIDES[side]) == policy
            else gr.skip()
            for side, policy, field in self.sides.keys
        ]
        keep = float(percent(found["keep"])) if "keep" in found else gr.skip()
        budget = [keep, found.get("compress", gr.skip())]
        return [*budget, *(policies.get(side, gr.skip()) for side in SIDES), *settings]


def compare_api(events: Callbacks) -> None:
    """The `/compare` endpoint, for programs: both answers to one question, and the figures of the run."""
    with gr.Group(visible=False):
        inputs = [
            Picture(type="filepath", label="image"),
            gr.Textbox(label="question"),
            gr.Textbox("full", label="policy_a"),
            gr.Textbox("elastic", label="policy_b"),
            gr.Number(0.5, label="keep"),
            gr.Number(128, label="max_new_tokens", precision=0),
            gr.Checkbox(False, label="compress_before_question"),
            *pictures_api(),
        ]
        outputs = [gr.Textbox(label="answer_a"), gr.Textbox(label="answer_b"), gr.JSON(label="figures")]
        gr.Button("Compare").click(events.compare, inputs, outputs, api_name="compare", concurrency_limit=None)
