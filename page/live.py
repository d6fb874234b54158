"""The live part of the page: the inputs, and the events that run the model. Importing it imports torch."""

import uuid
from dataclasses import replace
from pathlib import Path

import gradio as gr
from gradio.events import Dependency

from elastic.record import messages
from page.asking import GIVE_BACK, SHOW_ANSWERS, AskedQuestion, SidePolicies, Typed, scripts
from page.callbacks import Callbacks
from page.coming_back import ARRIVED, COME_BACK, ComingBack, Tab
from page.controls import ask_controls, examples
from page.filling import Filling
from page.glance import Glance, note_of
from page.links import read_link
from page.looking import PRIVATE, ViewEvents
from page.misspelt import said_twice
from page.model import Model
from page.picture import TAKE_FILES, fitting_any
from page.pictures import Offers, Several
from page.shown import Shown
from page.sides import answer_controls, side_controls
from page.visitor import Visitor

# Through the queue, and not behind others.
AT_ONCE = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
NOBODYS = "() => ''"  # inputs that are no more an opened run's
JUST_NOW = "(moment, asked) => [Date.now(), asked]"  # by the browser's clock


class Live:
    """The inputs, laid out where this is built, and what they do once connected with the view."""

    def __init__(self, model: Model, shown: Shown, view_events: ViewEvents) -> None:
        self.model, self.shown, self.view_events = model, shown, view_events
        self.inputs = ask_controls(pocket=model.name is None)
        self.example_names = [example["question"] for example in examples(pocket=model.name is None)]
        self.sides = side_controls()
        self.answer = answer_controls()
        self.asked = Typed(AskedQuestion, elem_id="asked")  # whatever is written here is asked
        self.chosen = Typed(SidePolicies, elem_id="chosen")
        self.filling = Filling(self.inputs, self.sides, self.answer, shown, pocket=model.name is None)
        several = self.inputs.several
        # Where there are none of these, an empty text and 0 stand for them.
        pictures = [gr.State(""), gr.State(0)] if several is None else [several.pictures, several.tokens]
        beside = [*self.answer, *self.filling.budget, *self.filling.side_inputs]
        self.values = [self.inputs.picture, *pictures, self.inputs.question, *beside]  # that make a question
        self.buttons = [self.inputs.ask, self.inputs.stop]
        self.events = Callbacks(model, shown)
        # What the tab says of itself when it is loaded; another text whenever there is an answer to go on with.
        self.tab, self.going_on = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")
        self.back = ComingBack(shown, view_events, model.line)
        view_events.make_way, view_events.can_ask = self.events.step_aside, True

    def question_row(self) -> None:
        """The question and its buttons, laid out where this is called: under all that was said, wherever one looks."""
        with gr.Row(elem_id="asking"):
            self.inputs.question.render()
            with gr.Row(elem_id="buttons"):
                for button in (self.inputs.ask, self.inputs.stop, self.inputs.clear):
                    button.render()

    def connect(self, page: gr.Blocks, badge: gr.Markdown, view: gr.HTML) -> list[Dependency]:
        """Let the inputs run the model and the view show it; returns what ends with another run in the view."""
        inputs = self.inputs
        ask_script, again_script, self.choose_script, keep_script = scripts()
        asked = [inputs.ask.click, inputs.question.submit]
        gr.on(asked, None, self.values, [self.asked, inputs.question, inputs.sent], js=ask_script, **PRIVATE)
        view.again(None, self.values, self.asked, js=again_script, **PRIVATE)
        settled = self._answer(view)
        begun_anew = self._begin_anew(view)
        self._go_back(view, [*settled, *begun_anew])
        if self.model.name is None:
            self._glance()
        if inputs.several is not None:
            self._offer(page, inputs.several)
        page.load(None, None, None, js=TAKE_FILES, **PRIVATE)
        page.load(self.model.statuses, None, badge, **AT_ONCE)
        page.unload(self.events.leave)
        self._come_back(page, view, keep_script)
        return [*settled, self.arrived]

    def _answer(self, view: gr.HTML) -> list[Dependency]:
        """Answer whatever is asked; returns what follows, however it ends.

        Runs are ended by the server, not by Gradio 6.31, which cancels every run of an event, also the next one, and
        lets none of them say a last word.
        """
        inputs, events = self.inputs, self.events
        started = self.asked.given(
            events.begin, [inputs.moment, self.asked], [view, *self.buttons], js=JUST_NOW, **PRIVATE
        )
        # Of an event that is not queued Gradio 6.31 shows no error: what is wrong is said by one that is.
        started.failure(events.refuse, self.asked, None, **PRIVATE | {"queue": True, "concurrency_limit": None})
        started.then(None, None, None, js=SHOW_ANSWERS, **PRIVATE)
        running = started.success(
            events.ask,
            self.asked,
            view,
            trigger_mode="multiple",  # else a question is left out, without a word, where the last one is just ending
            **AT_ONCE,
        )
        started.success(None, None, inputs.belongs, js=NOBODYS, **PRIVATE)
        for refused in (started.failure, running.failure):
            refused(None, [inputs.question, self.asked], inputs.question, js=GIVE_BACK, **PRIVATE)
        going_on = self.going_on.change(events.follow_on, None, view, **AT_ONCE)
        inputs.stop.click(events.stop, None, None, **PRIVATE)
        # After a failure Gradio 6.31 runs what follows by `failure`, not what follows by `then`.
        return [
            follow(events.settle, inputs.question, [view, *self.buttons, inputs.picture, inputs.question], **PRIVATE)
            for follow in (running.then, running.failure, going_on.then, going_on.failure)
        ]

    def _begin_anew(self, view: gr.HTML) -> list[Dependency]:
        """Forget what was said where another picture is chosen, or a new conversation; returns what does.

        A picture that was refused leaves everything as it was; one more of several goes on with what was said.
        """
        inputs = self.inputs
        given = [inputs.moment] if inputs.several is None else [inputs.moment, inputs.several.pictures]
        forget = self.events.forget, given, [view, *self.buttons]
        # What is chosen is no more an opened run's.
        for event in (*inputs.renewed, inputs.picture.clear, inputs.uploaded.success, inputs.conversations.click):
            event(None, None, inputs.belongs, js=NOBODYS, **PRIVATE)
        return [gr.on(inputs.renewed, *forget, **PRIVATE), inputs.uploaded.success(*forget, **PRIVATE)]

    def _come_back(self, page: gr.Blocks, view: gr.HTML, keep_script: str) -> None:
        """Let a tab that is loaded find what it had, and keep its inputs from then on."""
        began = [view, self.asked, *self.buttons, self.going_on, self.inputs.conversations]
        found = [*began, *self.filling.filled, *self.answer]
        self.arrived = page.load(self.arrive, self.tab, found, js=COME_BACK, **PRIVATE)
        for event in (self.arrived.then, self.arrived.failure):
            event(None, None, None, js=ARRIVED, **PRIVATE)
        kept = [each for each in self.values if not isinstance(each, gr.State)]
        gr.on([each.change for each in kept], None, self.values, None, js=keep_script, **PRIVATE)

    def _go_back(self, view: gr.HTML, changes: list[Dependency]) -> None:
        """List the visitor's other conversations whenever that may have changed, and go back to the one he picks."""
        inputs, events = self.inputs, self.events
        beside = [inputs.suggested, inputs.scene_seed]  # which are of the picture that was shown before
        several = [] if inputs.several is None else [inputs.several.pictures]

        def back(number: int, request: gr.Request) -> list:
            message, asked = events.go_to(number, request)
            pictures = list(asked.pictures) if asked.further else []
            values = self.filling.inputs_of(asked)
            values[1] = gr.skip()  # what is being typed stays
            if not Path(asked.picture).exists():
                values[0] = None  # an empty place is asked about; another conversation's picture would begin anew
            return [message, *values, fitting_any(), None, *[pictures for _ in several]]

        shared = PRIVATE | {"queue": True, "concurrency_limit": None}
        gone = inputs.conversations.click(
            back, inputs.conversations, [view, *self.filling.of_question, *beside, *several], **shared
        )
        for change in [*changes, gone]:
            change.then(events.others, None, inputs.conversations, **PRIVATE)

    def _offer(self, page: gr.Blocks, several: Several) -> None:
        """Show what the model can once it is known, and what pictures cost whenever that changes."""
        inputs, offers = self.inputs, Offers(self.model)
        told = page.load(offers.told, None, [several.begin, several.tokens, several.cost], **AT_ONCE)
        given = [inputs.picture, several.pictures, several.tokens, inputs.question]
        changes = inputs.picture.change, inputs.question.blur, several.pictures.change, several.tokens.change
        for event in (told.then, *changes):
            event(offers.cost, given, several.cost, trigger_mode="always_last", **AT_ONCE)

    def _glance(self) -> None:
        """Say of a picture that was uploaded that it is no scene, before a question is asked in vain."""
        inputs, seen = self.inputs, gr.State((None, ""))
        noted = inputs.uploaded.success(Glance(self.model).look, inputs.picture, seen, **AT_ONCE)
        # Another picture may have been chosen while the model looked: only what is shown is spoken of.
        for event in (noted.success, inputs.picture.change):
            event(note_of, [seen, inputs.picture], inputs.note, **PRIVATE)

    def arrive(self, said: str, request: gr.Request) -> list:
        """What a visitor finds: what his tab had before it was loaded anew, or else what its address asks for."""
        name = request.session_hash
        tab = self.back.known(said, name)
        left = self.back.begin_anew(name) if tab and tab.opened else []
        earlier = self.back.go_back(tab.run, name) if tab and tab.run and not tab.opened else None
        message = self.back.message(tab, request) if tab else None
        began = [gr.skip()] * 4
        if message is not None and Visitor.known(self.shown.store, name).pending is not None:
            began = [gr.skip(), gr.Button(interactive=False), gr.Button(interactive=True), uuid.uuid4().hex]
        filled = self.filling.nothing
        if message is None:
            message, began[0], *filled = self._arrive_at(request, left)
        typed = self._as_typed(tab, earlier, name) if tab and not tab.opened else None
        answer = [gr.skip()] * len(self.answer) if typed is None else typed[len(filled) :]
        filled = filled if typed is None else typed[: len(filled)]
        return [message, *began, self.events.others(request), *filled, *answer]

    def _as_typed(self, tab: Tab, earlier: AskedQuestion | None, name: str) -> list | None:
        """The inputs as the tab had them, or as they were for the `earlier` question that it went back to."""
        if earlier is not None:
            is_held = all(Path(path).exists() for path in earlier.pictures)
            gone = {} if is_held else {"picture": None, "further": []}  # an empty place is asked about
            return self.filling.as_typed(earlier.model_copy(update={"question": "", **gone}))
        asked = tab.asked
        if asked is not None and self.back.has_begun(asked, name):
            asked = asked.model_copy(update={"question": ""})
        return None if asked is None else self.filling.as_typed(asked)

    def _arrive_at(self, request: gr.Request, left: list[str]) -> list:
        """What an address asks for: a bundled picture with its settings, to be asked at once, or a recorded run.

        What is wrong in it counts as not said, and is told.
        """
        asked = dict(request.query_params)
        found, wrong = read_link(asked)
        wrong = [*left, *wrong, *said_twice(request.query_params)]
        filling = self.filling
        if filling.example(asked) is not None:
            message = replace(messages.of_status(""), wrong=wrong) if wrong else gr.skip()
            return [message, filling.question(asked, found), *filling.of_link(asked, found)]
        shown = self.view_events.arrive_at(asked, request)
        shown = replace(shown, wrong=[*shown.wrong, *wrong])
        earlier = filling.as_asked(request) or filling.nothing
        own = [gr.skip(), found.get("q", gr.skip()), *(gr.skip(),) * 3]
        own += [*filling.settings(found), *filling.tokens(found)]
        return [shown, gr.skip(), *(e if o == gr.skip() else o for e, o in zip(earlier, own, strict=True))]
