"""The `/compare` endpoint, for programs."""

import gradio as gr

from page.callbacks import Callbacks
from page.optional import OptionalText
from page.picture import Picture
from page.pictures import pictures_api


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
            OptionalText("off", label="reuse"),
            OptionalText("off", label="front"),
        ]
        outputs = [gr.Textbox(label="answer_a"), gr.Textbox(label="answer_b"), gr.JSON(label="figures")]
        gr.Button("Compare").click(events.compare, inputs, outputs, api_name="compare", concurrency_limit=None)
