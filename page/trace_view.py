"""The live view of viz/ as a Gradio component."""

import json

import gradio as gr

from viz import view

# Gradio 6.31 writes a component's CSS anew with every value, and the browser then styles the whole page anew: at 600
# tokens that is a tenth of a second, eight times a second. So the script brings the style, once. The name in `:is`
# lends the rules the weight of an id, above the rules of Gradio's own prose.
STYLE_ONCE = """
if (!document.querySelector('#trace-view-style')) {
  const sheet = document.createElement('style');
  sheet.id = 'trace-view-style';
  sheet.textContent = @style@;
  document.head.append(sheet);
}
"""


class TraceView(gr.HTML):
    """Answers, patches and memory of both sides, fed with messages from `viz.view`."""

    def __init__(self, **kwargs: object) -> None:
        style = json.dumps(f":is(#trace-view-style, .gradio-container) {{\n{view.style()}\n}}")
        script = STYLE_ONCE.replace("@style@", style) + view.script()
        super().__init__(html_template=view.template(), js_on_load=script, **kwargs)

    def postprocess(self, value: dict | None) -> str | None:
        # As one string: Gradio 6.31 streams differences, and its differences of nested lists that shrink are wrong.
        return None if value is None else json.dumps(value)
