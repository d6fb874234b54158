"""The page: `python app.py --help` lists the options."""

import argparse
import multiprocessing
import os
import sys
from pathlib import Path

import gradio as gr

from elastic.command_line import AUTO, DTYPE, DTYPES, Options
from page import command
from page.entrance import Page
from page.everybody import HEAD, drawer, serve_everybody
from page.lesson_tab import LessonTab
from page.line import Line
from page.listening import Listening
from page.looking import LOOKED_AT, PRIVATE, ViewEvents, connect_view_events, plot_controls, recorded_controls
from page.memory import default_budget, free_gpu_bytes, read_bytes
from page.model import Model, reads_no_pictures
from page.open_tab import follow_tabs
from page.serving import Ending, check_port, or_one_sentence, serve
from page.shown import Shown
from page.store import Store
from page.trace_view import TraceView
from page.uploads import temporary_folder

ASSETS = Path(__file__).parent / "assets"
POCKET = ASSETS / "models" / "pocket-llava"
TEASER = "One model, one question, two memories: **A** keeps all it read, **B** only a part. What did B lose?"
RECORDED = (
    "📼 **Recorded** · runs saved earlier; no model is loaded. Start the program without `--recorded` to ask questions."
)
NOTHING_TO_COMPARE = (
    "Here any number of methods and budgets answer one question about one picture, in a table beside the full cache's "
    "answer. That needs the model: start the program without `--recorded`."
)


def build_page(model: Model | None, store: Store | None = None) -> Page:
    """The whole page over one model; without one, over recorded runs only. `store` holds what visitors leave there."""
    shown = Shown(store)
    view_events = ViewEvents(shown)
    live = None
    with Page(title="Elastic KV cache, side by side", fill_width=True) as page:
        with gr.Row(elem_id="head"):
            gr.Markdown(f"# Elastic KV cache, side by side\n{TEASER}", elem_id="title")
            begin = gr.Button(
                "New to this? The lesson, ten minutes", size="sm", min_width=260, scale=0, elem_id="begin"
            )
            badge = gr.Markdown(model.status() if model else RECORDED, elem_id="badge")
        with gr.Row(elem_id="columns"):
            with gr.Column(scale=3, min_width=320, elem_id="controls"):
                if model:
                    # Imported here: it imports torch, which a page of recorded runs does without.
                    from page.compare_api import compare_api
                    from page.compare_tab import CompareTab, compare_all_api
                    from page.live import Live

                    live = Live(model, shown, view_events)
                else:
                    drawer("Recorded runs")
                chosen, dropped = recorded_controls(is_open=model is None)
            with gr.Column(scale=9, min_width=340, elem_id="shown"):
                with gr.Tabs(elem_id="tabs") as tabs:
                    with gr.Tab("Live view", id="live") as view_tab:
                        view = TraceView(elem_id="view", server_functions=shown.server_functions())
                    with gr.Tab("Lesson", id="lesson", elem_id="lesson-tab") as lesson_tab:
                        lesson = LessonTab(shown, can_ask=bool(model and model.name is None))
                    with gr.Tab("Compare", elem_id="compare-tab") as compare_tab:
                        compare = CompareTab(live) if live else gr.Markdown(NOTHING_TO_COMPARE)
                    with gr.Tab("Plots", elem_id="plots-tab") as plots_tab:
                        replot = plot_controls(view_events, plots_tab)
                if live:
                    live.question_row()
        if live:
            settled = live.connect(page, badge, view)
            opened = connect_view_events(view_events, chosen, dropped, view)
            for event in opened:
                event.success(live.filling.fill, None, live.filling.filled, **PRIVATE)
            compare.connect(page, tabs)
            compare_api(live.events)
            compare_all_api(compare.events)
        else:
            opened = connect_view_events(view_events, chosen, dropped, view)
            # A page that is loaded with its plots open has nothing to draw before it has arrived.
            settled = [page.load(view_events.arrive, None, view, **PRIVATE)]
            page.unload(view_events.leave)
        lesson.connect(page, tabs, lesson_tab, begin)
        serve_everybody(page, live.example_names if live else ())
        follow_tabs(page, {"compare": compare_tab, "plots": plots_tab}, [view_tab, lesson_tab])
        for event in (*settled, *opened):
            event.then(view_events.replot, *replot, js=LOOKED_AT, **PRIVATE)
    return page


def parse() -> argparse.Namespace:
    """The command line."""
    parser = Options("A LLaVA with its full KV cache and a compressed one, side by side.")
    parser.add_argument(
        "--model",
        type=command.model,
        default=os.environ.get("ELASTIC_MODEL") or None,
        help="hub name or folder of a LLaVA; default: ELASTIC_MODEL, else the embedded pocket-llava",
    )
    parser.add_argument("--recorded", action="store_true", help="show recorded runs only; loads no model and no torch")
    parser.add_argument("--device", type=command.device, default="auto", metavar="{auto,cpu,cuda}")
    parser.add_argument(
        "--dtype",
        type=command.dtype,
        default=os.environ.get(DTYPE) or AUTO,
        metavar=f"{{{','.join(DTYPES)}}}",
        help="of the weights; default: ELASTIC_DTYPE, else auto: what suits device, checkpoint and memory",
    )
    parser.add_argument("--four-bit", action="store_true", help="weights in 4 bits; needs a GPU and bitsandbytes")
    parser.add_argument("--host", type=command.host, help="address to listen on; default: this machine only")
    parser.add_argument("--port", type=command.port, help="default: GRADIO_SERVER_PORT, else 7860 or the next free one")
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        help="for conversations, records, files and sessions, such as 2GB; default: a quarter",
    )
    parser.add_argument(
        "--deadline",
        type=command.deadline,
        default=600.0,
        metavar="SECONDS",
        help="of the model for one request; default: 600",
    )
    return parser.parse_args()


def run() -> int:
    """Serve the page; returns the exit code.

    Raises:
        ValueError: if the program cannot begin, for a reason in one sentence.
    """
    args, ending = parse(), Ending()
    store = Store(read_bytes(args.memory) if args.memory else default_budget())
    port = check_port(args.host, args.port)
    # Among others for Gradio's statistics of calls, which grow with every one of them.
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "50")
    if not args.recorded:
        check_model(args.model)
    model, listening = None, Listening()
    with temporary_folder() as folder:
        if not args.recorded:
            line = Line(listening.hears, args.deadline)
            # On a GPU what is free there is what matters.
            model = Model(
                args.model, args.device, args.four_bit, line, lambda: args.memory or fit(store), dtype=args.dtype
            )
        return serve(
            build_page(model, store),
            model,
            store,
            listening,
            folder,
            ending,
            server_name=args.host,
            server_port=port,
            css_paths=[ASSETS / "app.css", ASSETS / "present.css", ASSETS / "lesson" / "page.css"],
            head=HEAD,
            max_file_size="10mb",
            show_error=True,
            run_history=False,
            footer_links=["api", "settings"],
            ssr_mode=False,
        )


def check_model(name: str | None) -> None:
    """Look at the files of a model before anything is served.

    Raises:
        ValueError: if one is missing or damaged, or the model reads no pictures; one sentence that names it.
    """
    # Imported here: a page of recorded runs needs no weights.
    from elastic.models.checkpoint import SMOLLM2, check_files, sees_pictures

    if name == SMOLLM2:
        raise ValueError(reads_no_pictures(name))
    if name is None:
        check_files(POCKET)
    elif Path(name).exists() or name.startswith((".", "/")):
        check_files(Path(name))
        if not sees_pictures(Path(name)):
            raise ValueError(reads_no_pictures(name))


def fit(store: Store) -> None:
    """No more is remembered than half of what the GPU has left."""
    if free := free_gpu_bytes():
        store.limit = min(store.limit, free // 2)


def main() -> None:
    """Serve the page; nothing that still runs keeps the program from ending."""
    code = or_one_sentence(run)
    for child in multiprocessing.active_children():
        child.terminate()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
