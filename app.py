"""The page: `python app.py --help` lists the options."""

import argparse
import os
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from page import command
from page.entrance import Entrance, Page
from page.lesson_tab import LessonTab
from page.looking import PRIVATE, Looking, connect_looking, plot_controls, recorded_controls
from page.model import Model
from page.shown import Shown
from page.trace_view import TraceView

ASSETS = Path(__file__).parent / "assets"
TEASER = "One model, one question, two memories: **A** keeps all it read, **B** only a part. What did B lose?"
RECORDED = (
    "📼 **Recorded** · runs saved earlier; no model is loaded. Start the program without `--recorded` to ask questions."
)
NOTHING_TO_COMPARE = (
    "Here any number of methods and budgets answer one question about one picture, in a table beside the full cache's "
    "answer. That needs the model: start the program without `--recorded`."
)


def build_page(model: Model | None) -> Page:
    """The whole page over one model; without one, over recorded runs only."""
    shown = Shown()
    looking = Looking(shown)
    live = None
    with Page(title="Elastic KV cache, side by side", fill_width=True, delete_cache=(3600, 7200)) as page:
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
                    from page.compare_tab import CompareTab, compare_all_api
                    from page.live import Live, compare_api

                    live = Live(model, shown, looking)
                chosen, dropped = recorded_controls(is_open=model is None)
            with gr.Column(scale=9, min_width=340), gr.Tabs(elem_id="tabs") as tabs:
                with gr.Tab("Live view", id="live") as view_tab:
                    view = TraceView(elem_id="view", server_functions=shown.server_functions())
                with gr.Tab("Lesson", id="lesson", elem_id="lesson-tab") as lesson_tab:
                    lesson = LessonTab(shown, can_ask=bool(model and model.name is None))
                with gr.Tab("Compare", elem_id="compare-tab"):
                    compare = CompareTab(live) if live else gr.Markdown(NOTHING_TO_COMPARE)
                with gr.Tab("Plots", elem_id="plots-tab") as plots_tab:
                    replot = plot_controls(looking, plots_tab, view_tab)
        if live:
            running, settled = live.connect(page, badge, view)
            opened = connect_looking(looking, chosen, dropped, view, cancels=[running])
            for event in opened:
                event.then(live.fill, None, live.filled, **PRIVATE)
            compare.connect(page, tabs)
            compare_api(live.events)
            compare_all_api(compare.events)
        else:
            settled, opened = [], connect_looking(looking, chosen, dropped, view)
            page.load(looking.arrive, None, view, **PRIVATE)
            page.unload(looking.leave)
        lesson.connect(page, tabs, lesson_tab, begin)
        for event in (*settled, *opened):
            event.then(looking.replot, *replot, **PRIVATE)
    return page


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="A LLaVA with its full KV cache and a compressed one, side by side.")
    parser.add_argument(
        "--model",
        type=command.model,
        default=os.environ.get("ELASTIC_MODEL") or None,
        help="hub name or folder of a LLaVA; default: ELASTIC_MODEL, else the embedded pocket-llava",
    )
    parser.add_argument("--recorded", action="store_true", help="show recorded runs only; loads no model and no torch")
    parser.add_argument("--device", type=command.device, default="auto", metavar="{auto,cpu,cuda}")
    parser.add_argument("--four-bit", action="store_true", help="weights in 4 bits; needs a GPU and bitsandbytes")
    parser.add_argument("--host", type=command.host, help="address to listen on; default: this machine only")
    parser.add_argument("--port", type=command.port, help="default: 7860, or the next free one")
    return parser.parse_args()


def main() -> None:
    """Serve the page."""
    args = parse()
    page = build_page(None if args.recorded else Model(args.model, args.device, args.four_bit))
    page.queue(max_size=16).launch(
        server_name=args.host,
        server_port=args.port,
        css_paths=[ASSETS / "app.css", ASSETS / "lesson" / "page.css"],
        max_file_size="10mb",
        app_kwargs={"middleware": [Middleware(Entrance, page=page)]},
        show_error=True,
        run_history=False,
        footer_links=["api", "settings"],
        ssr_mode=False,
    )


if __name__ == "__main__":
    main()
