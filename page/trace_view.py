"""The live view of viz/ as a Gradio component."""

import json

import gradio as gr

from viz import view


class TraceView(gr.HTML):
    """Answers, patches and memory of both sides, fed with messages from `viz.view`."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(html_template=view.template(), css_template=view.style(), js_on_load=view.script(), **kwargs)

    def postprocess(self, value: dict | None) -> str | None:
        # As one string: Gradio 6.31 streams differences, and its differences of nested lists that shrink are wrong.
        return None if value is None else json.dumps(value)
