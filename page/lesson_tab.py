"""The lesson as a tab of the page."""

import json
from dataclasses import replace

import gradio as gr

from elastic.record.trace import Run
from page.lesson import lesson, lesson_file, lesson_run
from page.looking import PRIVATE
from page.scripted import Scripted
from page.shown import Shown
from viz import lesson_page


class LessonView(Scripted):
    """The eight steps beside a live view of their own, fed with the value of `page.lesson`."""

    def __init__(self, **kwargs: object) -> None:
        parts = (lesson_page.template(), lesson_page.style(), lesson_page.script())
        super().__init__("lesson-style", *parts, **kwargs)


class LessonTab:
    """The lesson, laid out where this is built; its value comes when somebody opens it."""

    def __init__(self, shown: Shown, can_ask: bool) -> None:
        self.can_ask = can_ask
        run, names = lesson_run()
        for number, name in enumerate(names):
            shown.lasting[f"lesson/{name}"] = _pair(run, f"lesson/{name}", sorted({0, number}))
        self.view = LessonView(elem_id="lesson", server_functions=[*shown.server_functions(), save_lesson])

    def connect(self, page: gr.Blocks, tabs: gr.Tabs, tab: gr.Tab, button: gr.Button) -> None:
        """Open the lesson with its tab, with the button, and where the page's address asks for it."""
        tab.select(self.open, None, self.view, **PRIVATE)
        button.click(lambda: gr.Tabs(selected="lesson"), None, tabs, **PRIVATE)
        button.click(self.open, None, self.view, **PRIVATE)
        page.load(self.arrive, None, [tabs, self.view], **PRIVATE)

    def open(self, request: gr.Request) -> dict:
        """The lesson in the language the address asks for."""
        value = lesson(str(request.query_params.get("lang", "en")))
        return value | {"ask": lesson_run()[0].link if self.can_ask else None}

    def arrive(self, request: gr.Request) -> list:
        """The lesson at once where an address asks for a step of it or for its handout."""
        if not {"lesson", "handout"} & set(request.query_params):
            return [gr.skip(), gr.skip()]
        return [gr.Tabs(selected="lesson"), self.open(request)]


def _pair(run: Run, name: str, sides: list[int]) -> Run:
    """The run with some of its sides only, under a name of its own."""
    chosen = {field: [getattr(run, field)[side] for side in sides] for field in ("sides", "titles", "history")}
    return replace(run, name=name, link={}, **chosen)


# Gradio 6.31 hands over all arguments as one list.
def save_lesson(asked: list) -> str:
    """The lesson as a file; JSON with its name and text."""
    code = lesson(str(asked[0] if isinstance(asked, list) and asked else asked))["code"]
    return json.dumps({"name": f"lesson-{code}.html", "text": lesson_file(code)})
