"""The live view of viz/ as a Gradio component."""

from page.scripted import Scripted
from viz import view


class TraceView(Scripted):
    """Answers, patches and memory of both sides, fed with messages from `viz.view`."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__("trace-view-style", view.template(), view.style(), view.script(), **kwargs)
