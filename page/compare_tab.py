"""The Compare tab: what can be chosen, the table that fills, and what its buttons do. Importing it imports torch."""

from pathlib import Path

import gradio as gr

from elastic.fronts import FRONTS
from elastic.policies import POLICIES
from page.asking import MOST_TOKENS
from page.compare_events import CompareEvents, describe
from page.live import Live
from page.looking import PRIVATE
from page.optional import OptionalText
from page.picture import Picture
from page.pictures import pictures_api
from page.scripted import Scripted
from viz.joiner import joined

ASSETS = Path(__file__).parent.parent / "assets"
GOOD = ("elastic", "elastic-plus", "h2o", "snapkv", "lookm", "streaming")  # to begin with, where they exist
INTRODUCTION = (
    "**Any number of methods, side by side.** All answer the question below about the chosen picture, which are "
    "read once for all of them. The full cache answers first: the others are judged by it. Every row is compressed "
    "*after* the question was read, whatever *Compress before the question* and *Reuse the picture* say."
)
SETTINGS = (
    "Every method has its default settings here, except that those of side A and B apply to their methods. Methods "
    "with a bits setting come once more for each number of bits: in at most the same bytes, so with as many tokens as "
    "fit. KIVI has 2 bits by default; in 4 it keeps what SnapKV in 4 bits keeps."
)
# Through the queue: without it an error does not reach the visitor.
AT_ONCE = PRIVATE | {"queue": True, "concurrency_limit": None}

# On a phone the table stands below the choices.
SHOW_TABLE = """() => {
  const table = document.querySelector('#compare-table');
  const { top } = table.getBoundingClientRect();
  if (top < -50 || top > window.innerHeight * 0.6) table.scrollIntoView();
}"""

# The table's script keeps what its table was about, see `assets/web/table`.
BEFORE = """() => {
  try { return [sessionStorage.getItem('elastic.table') ?? '']; } catch { return ['']; }
}"""


class CompareTable(Scripted):
    """The rows of a comparison, to be sorted, opened and saved; fed with messages from `compare_events`."""

    def __init__(self, **kwargs: object) -> None:
        names = ("compare/table.html", "colours.css", "compare/table.css")
        markup, *styles = ((ASSETS / name).read_text(encoding="utf-8") for name in names)
        script = joined(ASSETS / "web" / "table" / "main.js")
        super().__init__("compare-table-style", markup, "\n".join(styles), script, **kwargs)


class CompareTab:
    """The tab, laid out where this is built, and what it does once connected."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.events = CompareEvents(live.events)
        gr.Markdown(INTRODUCTION, elem_id="compare-about")
        choices = [(policy.title, name) for name, policy in (POLICIES | FRONTS).items() if name != "full"]
        begin_with = [name for name in GOOD if name in POLICIES]
        self.methods = gr.CheckboxGroup(
            choices, value=begin_with, label="Methods", show_select_all=True, elem_id="compare-methods"
        )
        with gr.Accordion("What these methods do", open=False, elem_id="compare-explained"):
            explained = gr.Markdown(describe(begin_with))
            gr.Markdown(SETTINGS)
        with gr.Row(elem_id="compare-choices"):
            self.budgets = gr.Dropdown(
                [str(percent) for percent in (80, 50, 30, 20, 10, 5)],
                value=["50", "20", "10"],
                label="Cache kept (%): choose, or type others",
                multiselect=True,
                allow_custom_value=True,
                scale=3,
                min_width=260,
                elem_id="compare-budgets",
            )
            self.bits = gr.Dropdown(
                [("8 bits", "8"), ("4 bits", "4"), ("2 bits", "2")],
                value=[],
                label="Also in fewer bits (same bytes)",
                multiselect=True,
                scale=2,
                min_width=220,
                elem_id="compare-bits",
            )
            self.tokens = gr.Slider(
                1,
                MOST_TOKENS,
                128,
                step=1,
                label="Longest answer (tokens)",
                scale=2,
                min_width=220,
                elem_id="compare-tokens",
            )
            with gr.Column(scale=2, min_width=200), gr.Row(elem_id="compare-buttons"):
                self.start = gr.Button("Compare", variant="primary", min_width=90, elem_id="compare")
                self.stop = gr.Button("Stop", variant="stop", interactive=False, min_width=80, elem_id="compare-stop")
        self.table = CompareTable(elem_id="compare-table")
        self.before = gr.Textbox(visible="hidden")
        self.figure = gr.Plot(show_label=False, visible=False, elem_id="compare-figure")
        self.methods.change(describe, self.methods, explained, **PRIVATE)

    def connect(self, page: gr.Blocks, tabs: gr.Tabs) -> None:
        """Let the tab's buttons run the model and fill the table, and rows of it open the tab `live`."""
        live, events = self.live, self.events
        shown = [self.table, self.figure, self.start, self.stop]
        asked = [live.inputs.picture, live.inputs.question, live.inputs.sent]
        values = [*asked, self.methods, self.budgets, self.tokens, live.chosen, self.bits]
        if live.inputs.several is not None:
            values += [live.inputs.several.pictures, live.inputs.several.tokens]

        def begin(request: gr.Request, picture: str | None, typed: str, sent: str, *others: object) -> tuple:
            """About what is typed; where nothing is, about what was asked last, which has left its box."""
            return events.begin(request, picture, typed.strip() or sent, *others)

        chosen = self.start.click(None, live.filling.side_inputs, live.chosen, js=live.choose_script, **PRIVATE)
        started = chosen.then(begin, values, shown, **AT_ONCE)
        running = started.success(
            events.run,
            None,
            self.table,
            show_progress="hidden",
            concurrency_limit=None,
            trigger_mode="multiple",  # else a table is left out, without a word, where the last one is just ending
            api_visibility="private",
        )
        started.success(None, None, None, js=SHOW_TABLE, **PRIVATE)
        # After a failure Gradio 6.31 runs what follows by `failure`, not what follows by `then`.
        for follow in (running.then, running.failure):
            follow(events.settle, None, shown, **PRIVATE)
        self.stop.click(events.stopping, None, self.stop, **PRIVATE)
        # Once the tab is known, and with it what is held for it.
        live.arrived.then(events.come_back, self.before, shown, js=BEFORE, **PRIVATE)
        self._connect_rows(tabs)

    def _connect_rows(self, tabs: gr.Tabs) -> None:
        """A row that is opened is asked in the live view, and fills the inputs."""
        live, inputs = self.live, self.live.inputs

        def open_row(picture: str | None, request: gr.Request, event: gr.EventData) -> list:
            asked = self.events.open_row(request, event)
            values = live.filling.inputs_of(asked)
            if asked.picture == picture:  # it stays as it is
                values[0] = gr.skip()
            return [gr.Tabs(selected="live"), asked, *values]

        self.table.pick(open_row, inputs.picture, [tabs, live.asked, *live.filling.of_question], **AT_ONCE)


def compare_all_api(events: CompareEvents) -> None:
    """The `/compare_all` endpoint, for programs: a row of figures for every method and budget."""
    with gr.Group(visible=False):
        inputs = [
            Picture(type="filepath", label="image"),
            gr.Textbox(label="question"),
            gr.Textbox("elastic,elastic-plus", label="policies"),
            gr.Textbox("0.5,0.2,0.1", label="keeps"),
            gr.Number(128, label="max_new_tokens", precision=0),
            *pictures_api(),
            OptionalText("", label="bits"),
        ]
        gr.Button("Compare all").click(
            events.compare_all,
            inputs,
            gr.JSON(label="rows"),
            api_name="compare_all",
            concurrency_limit=None,
        )
