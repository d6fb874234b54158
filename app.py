"""The page: `python app.py --help` lists the options."""

import argparse
import json
import os
from pathlib import Path

import gradio as gr

from page.callbacks import Callbacks
from page.controls import PRIVATE, Picture, picture_controls, side_controls
from page.model import Model
from viz import view

ASSETS = Path(__file__).parent / "assets"


class TraceView(gr.HTML):
    """The live view of viz/: answers, patches and memory of both sides, fed with messages from `viz.view`."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(html_template=view.template(), css_template=view.style(), js_on_load=view.script(), **kwargs)

    def postprocess(self, value: dict | None) -> str | None:
        # As one string: Gradio 6.31 streams differences, and its differences of nested lists that shrink are wrong.
        return None if value is None else json.dumps(value)


def build_page(model: Model) -> gr.Blocks:
    """The whole page over one model."""
    with gr.Blocks(title="Elastic KV cache, side by side", fill_width=True, delete_cache=(3600, 7200)) as page:
        with gr.Row(elem_id="head"):
            gr.Markdown("# Elastic KV cache, side by side", elem_id="title")
            badge = gr.Markdown(model.status(), elem_id="badge")
        with gr.Row(elem_id="columns"):
            with gr.Column(scale=3, min_width=320, elem_id="controls"):
                picture, question, (ask, stop, clear) = picture_controls(pocket=model.name is None)
                keep = gr.Slider(5, 100, 50, step=1, label="Cache kept (%)", elem_id="keep")
                names, option_names, options = side_controls()
                with gr.Accordion("Answer", open=False):
                    tokens = gr.Slider(1, 512, 128, step=1, label="Longest answer (tokens)", elem_id="tokens")
                    temperature = gr.Slider(0, 2, 0, step=0.1, label="Temperature (0 is greedy)", elem_id="temperature")
                    seed = gr.Number(0, precision=0, label="Seed", info="Both sides draw the same random numbers.")
            with gr.Column(scale=9, min_width=340):
                live = TraceView(elem_id="view")
        events = Callbacks(model, option_names)
        inputs = [picture, question, keep, tokens, temperature, seed, *names, *options]
        buttons = [ask, stop]
        started = gr.on([ask.click, question.submit], events.begin, None, buttons, **PRIVATE)
        running = started.success(
            events.ask,
            inputs,
            live,
            show_progress="hidden",
            concurrency_id="model",
            concurrency_limit=1,
            api_visibility="private",
        )
        # After a failure Gradio 6.31 runs what follows by `failure`, not what follows by `then`.
        for follow in (running.then, running.failure):
            follow(events.settle, None, [live, *buttons], **PRIVATE)
        stop.click(None, None, None, cancels=[running], **PRIVATE)
        anew = gr.on([clear.click, picture.change], None, None, None, cancels=[running], **PRIVATE)
        # Last, so that what the cancelled run leaves behind does not appear again.
        anew.then(events.forget, None, [live, *buttons], **PRIVATE)
        page.load(events.load, None, badge, show_progress="hidden", concurrency_limit=None, api_visibility="private")
        page.unload(events.leave)
        compare_api(events)
    return page


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
        ]
        outputs = [gr.Textbox(label="answer_a"), gr.Textbox(label="answer_b"), gr.JSON(label="figures")]
        gr.Button("Compare").click(
            events.compare, inputs, outputs, api_name="compare", concurrency_id="model", concurrency_limit=1
        )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="A LLaVA with its full KV cache and a compressed one, side by side.")
    parser.add_argument(
        "--model",
        default=os.environ.get("ELASTIC_MODEL") or None,
        help="hub name or folder of a LLaVA; default: ELASTIC_MODEL, else the embedded pocket-llava",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--host", help="address to listen on; default: this machine only")
    parser.add_argument("--port", type=int, help="default: 7860, or the next free one")
    return parser.parse_args()


def main() -> None:
    """Serve the page."""
    args = parse()
    page = build_page(Model(args.model, args.device))
    page.queue(max_size=16).launch(
        server_name=args.host,
        server_port=args.port,
        css_paths=[ASSETS / "app.css"],
        max_file_size="10mb",
        show_error=True,
        run_history=False,
        footer_links=["api", "settings"],
        ssr_mode=False,
    )


if __name__ == "__main__":
    main()
