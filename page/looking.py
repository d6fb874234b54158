"""What can be looked at without a model: recorded runs, dropped files, plots. No torch."""

import io
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace

import gradio as gr
from gradio.events import Dependency

from elastic.record.archive import read_run
from elastic.record.messages import Message, Show
from page import incoming
from page.incoming import TraceFile, content_of, label_of
from page.misspelt import misspelt, said_twice
from page.model import as_written
from page.shown import RUN, Shown, recording, recordings, whole
from page.visitor import REMADE

PRIVATE = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
PLOTS = 6
OF_TURN = "The turn that is looked at: **{}**"
# The view alone knows which of a conversation's turns it shows. A closed tab names none: its plots are not drawn.
LOOKED_AT = """(side, head) => {
  const isOpen = document.querySelector('#plots-tab-button')?.ariaSelected === 'true';
  return [side, head, isOpen ? document.querySelector('#view .trace-view')?.dataset.run || 'not here yet' : ''];
}"""
PUT_AWAY = "This run was put away to make room for other visitors. Ask again, or open it again: plots appear here."
NO_PICTURE = "The link asks a question but names no picture. Choose one and press Ask."
RECORDED_ONLY = (
    "This server shows recorded runs only: it has no model, and cannot ask what the link asks. "
    "This is the first of its recorded runs."
)
IN_INPUTS = "The link names a recorded run, {}, which is shown as it was. To ask what the link asks ({}), press Ask."
NO_EFFECT = "This server shows recorded runs only: {} is shown as it was, without what else the link asks ({})."
ASKING = ("q", "keep", "compress", "reuse", "front", "picture_tokens")  # of an address, what only asking heeds
EDITED = "edited or foreign: not as this program saved it"


class ViewEvents:
    """The events of what is looked at, over the runs that are shown."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        # With a model: what a visitor is being answered goes no more to the view, from when this returns on.
        self.make_way: Callable[[str], None] = lambda visitor: None
        self.can_ask = False

    def show_recording(self, number: int, request: gr.Request) -> Message:
        """One of the recorded runs, by its place in the list."""
        self.make_way(request.session_hash)
        return self.show(recordings()[number]["name"], request)

    def show(self, name: str, request: gr.Request) -> Message:
        """The recorded run of that name.

        Raises:
            ValueError: if there is none.
        """
        run, entry = recording(name)
        # One for all visitors, however many look at it.
        run = self.shown.lasting.setdefault(name, replace(run, link={"example": name}))
        self.shown.put(request.session_hash, run)
        line = f"Recorded earlier with {run.sides[0].model} · {entry['title']}. {entry['about']}"
        return whole(run, line, Show(**entry["show"]))

    def open_file(self, path: str | None, request: gr.Request) -> tuple[Message | object, None]:
        """The run in a file that was dropped, and an empty place for the next one.

        Raises:
            gr.Error: if it is none that can be shown; what is looked at stays.
        """
        if path is None:
            return gr.skip(), None
        label = label_of(path)
        try:
            run, is_as_saved = read_run(io.BytesIO(content_of(path)), label)
            if len(run.sides) > 2:
                raise ValueError(f"{label} has {len(run.sides)} sides, the view shows 2. Open a run of this page.")
        except ValueError as error:
            raise gr.Error(str(error), title="File not opened", print_exception=False) from error
        # What a file calls itself is a label: the run is reached by a name that nobody can guess.
        run = replace(run, name=secrets.token_urlsafe(24))
        if not is_as_saved:
            run = replace(run, about={**run.about, "origin": EDITED})
        foreign = f" · {EDITED}" if "origin" in run.about else ""
        when = run.about.get("recorded", "earlier")
        message = whole(run, f"Opened {label}{foreign} · recorded {when} with {run.sides[0].model}")
        self.make_way(request.session_hash)
        self.shown.put(request.session_hash, run)
        return message, None

    def arrive(self, request: gr.Request) -> Message:
        """What a visitor sees first: the recorded run that the address names, or the first one."""
        message = self.arrive_at(request.query_params, request)
        return replace(
            message, wrong=[*message.wrong, *misspelt(request.query_params), *said_twice(request.query_params)]
        )

    def arrive_at(self, asked: Mapping[str, str], request: gr.Request) -> Message:
        """The recorded run of an address; where there is none, a sentence and the first one."""
        name, names = asked.get("example"), [entry["name"] for entry in recordings()]
        message = self.show(name if name in names else names[0], request)
        asks = [part[:40] for part in asked if part in ASKING or re.match(r"[ab]$|[a-zA-Z]\.", part)]
        if name in names:
            wrong = [(IN_INPUTS if self.can_ask else NO_EFFECT).format(name, ", ".join(asks)[:200])] if asks else []
            return replace(message, wrong=wrong)
        if not self.can_ask and (asks or is_picture(name)):
            return replace(message, status=RECORDED_ONLY)
        if name is None:
            return replace(message, wrong=[NO_PICTURE] if "q" in asked and "without" not in asked else [])
        kinds = "no picture and no recorded run" if self.can_ask else "no recorded run"
        listed = ", ".join(names)
        first = f"There is {kinds} named {name[:60]!r}. Recorded are: {listed}. This is the first."
        return replace(message, status=first)

    def leave(self, request: gr.Request) -> None:
        """A tab was closed."""
        self.shown.store.leave(request.session_hash, REMADE)

    def plot(self, side: int, head: int, looked_at: str, request: gr.Request) -> list:
        """The figures of the run that the visitor's view looks at, which they name, and the choices that fit it."""
        # Imported here: plotly takes a while, and most visitors never open the tab.
        from viz.plots import figures

        run = self.shown.get(looked_at) or self.shown.of(request.session_hash)
        if run is None or not run.sides:
            lost = self.shown.store.lost(request.session_hash, RUN)
            note = PUT_AWAY if lost in ("room", "time") else "Ask something, or open a recorded run: plots appear here."
            return [None] * PLOTS + [gr.skip(), gr.skip(), note]
        side = min(side or 0, len(run.sides) - 1)
        heads = run.sides[side].owner.shape[1]
        head = min(head or 0, heads - 1)
        sides = [(f"{'ABCD'[number]}: {title}", number) for number, title in enumerate(run.titles)]
        return [
            *figures(run, side, head).values(),
            gr.Dropdown(choices=sides, value=side),
            gr.Dropdown(choices=[(str(number + 1), number) for number in range(heads)], value=head, visible=heads > 1),
            OF_TURN.format(as_written(run.sides[0].question)),
        ]

    def replot(self, side: int, head: int, looked_at: str, request: gr.Request) -> list:
        """The figures of another run, if they can be seen: a closed tab costs nothing."""
        return self.plot(side, head, looked_at, request) if looked_at else [gr.skip()] * (PLOTS + 3)


def is_picture(name: str | None) -> bool:
    """Whether a picture to ask about has that name, be it one of another model's."""
    bundled = {path.stem for folder in incoming.folders for path in folder.iterdir()}
    return name is not None and (name in bundled or re.fullmatch(r"scene-\d{1,9}", name, re.ASCII) is not None)


def recorded_controls(is_open: bool) -> tuple[gr.Dataset, gr.File]:
    """The recorded runs to choose from, and a place to drop a saved one."""
    with gr.Accordion("Recorded runs", open=is_open, elem_id="recorded"):
        chosen = gr.Dataset(
            components=[gr.Textbox(visible=False)],
            samples=[[entry["title"]] for entry in recordings()],
            type="index",
            label="Look at one",
            elem_id="recordings",
        )
        dropped = TraceFile(label="Open a saved trace: drop the file here", height=150, elem_id="open-trace")
    return chosen, dropped


def plot_controls(view_events: ViewEvents, tab: gr.Tab) -> tuple[list, list]:
    """Plots with their choices, drawn when their tab is opened; returns inputs and outputs of `ViewEvents.replot`."""
    with gr.Row(elem_id="plot-choices"):
        side = gr.Dropdown([("A", 0), ("B", 1)], value=1, label="Side", elem_id="plot-side")
        head = gr.Dropdown([("1", 0)], value=0, label="Head", visible=False, elem_id="plot-head")
    note = gr.Markdown("", elem_id="plot-note")
    with gr.Row(elem_id="plots"):
        shown = [gr.Plot(show_label=False, min_width=420, elem_id=f"plot-{number}") for number in range(PLOTS)]
    inputs, outputs = [side, head, gr.Textbox(visible="hidden")], [*shown, side, head, note]
    for event in (tab.select, side.input, head.input):
        event(view_events.plot, inputs, outputs, js=LOOKED_AT, **PRIVATE)
    return inputs, outputs


def connect_view_events(
    view_events: ViewEvents, chosen: gr.Dataset, dropped: gr.File, live: gr.HTML
) -> list[Dependency]:
    """Choosing a recorded run or dropping a file that is one shows it, in place of a run that goes on."""
    first = chosen.click(view_events.show_recording, chosen, live, **PRIVATE)
    # Through the queue: without it an error does not reach the visitor.
    second = dropped.upload(view_events.open_file, dropped, [live, dropped], **PRIVATE | {"queue": True})
    second.failure(lambda: None, None, dropped, **PRIVATE)  # the place is free for the next one
    return [first, second]
