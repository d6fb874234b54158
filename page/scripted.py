"""A Gradio component that is drawn by a script of ours from values of plain JSON."""

import json

import gradio as gr

# Gradio 6.31 writes a component's CSS anew with every value, and the browser then styles the whole page anew: with a
# long answer that is a tenth of a second, eight times a second. So the script brings the style, once. The name in `:is`
# lends the rules the weight of an id, above the rules of Gradio's own prose.
STYLE_ONCE = """
if (!document.querySelector('#@name@')) {
  const sheet = document.createElement('style');
  sheet.id = '@name@';
  sheet.textContent = @style@;
  document.head.append(sheet);
}
"""


class Scripted(gr.HTML):
    """Fixed markup, a style sheet whose name is its own, and a script that draws the values."""

    def __init__(self, name: str, template: str, style: str, script: str, **kwargs: object) -> None:
        sheet = json.dumps(f":is(#{name}, .gradio-container) {{\n{style}\n}}")
        script = STYLE_ONCE.replace("@name@", name).replace("@style@", sheet) + script
        super().__init__(html_template=template, js_on_load=script, **kwargs)

    def checked(self, value: object) -> str | None:
        """The value that a request says it has: it has none here, where the server alone writes it."""
        return None

    def get_block_name(self) -> str:
        return "html"

    def postprocess(self, value: object | None) -> str | None:
        # As one string: Gradio 6.31 streams differences, and its differences of nested lists that shrink are wrong.
        return None if value is None else json.dumps(value, default=vars, separators=(",", ":"))
