"""The lesson's markup and script, and the lesson as one HTML file that needs nothing else."""

from functools import cache

from markupsafe import Markup

from elastic.record.messages import of_layer
from elastic.record.trace import Run
from viz import view
from viz.joiner import joined
from viz.replay import CLOSING, OPENING, POLICY, STYLE, packed
from viz.templates import filled

TEACH = """
  const { value, layers } = record;
  const sidesOf = (run) => [...new Set([0, value.names.indexOf(run.split('/')[1])])];
  const server = {
    fetch_layer: async (run, layer, since) => {
      const of = (rows) => sidesOf(run).map((side) => rows[side].slice(since));
      return JSON.stringify({ sides: of(layers[layer].sides), read: of(layers[layer].read) });
    },
  };
  teach(document.querySelector('#replay'), { value: JSON.stringify(value) }, server, () => {}, () => {});
"""


@cache
def template() -> str:
    """The lesson's fixed markup with the live view in it, empty of data."""
    return filled("lesson/lesson.html", view=Markup(view.template()))


@cache
def style() -> str:
    """The CSS of the live view and of what the lesson adds."""
    parts = [
        (view.ASSETS / "lesson" / name).read_text(encoding="utf-8") for name in ("lesson.css", "draw.css", "sheet.css")
    ]
    return "\n".join([view.style(), *parts])


@cache
def around() -> str:
    """The CSS that concerns the page around the lesson."""
    return (view.ASSETS / "lesson" / "page.css").read_text(encoding="utf-8")


@cache
def script() -> str:
    """The lesson's JavaScript with the live view's, the body of a function of `element`, `props`, `watch`, `server`."""
    return joined(view.ASSETS / "web" / "lesson" / "start.js")


def lesson_html(value: dict, run: Run, language: str = "en") -> str:
    """A self-contained page that tells a lesson, the value of `lesson_value`, without a server or a network."""
    layers = [of_layer(run, number) for number in range(run.sides[0].layers)]
    show = f"const teach = (element, props, server, watch, trigger) => {{\n{script()}\n}};"
    parts = {
        "language": language,
        "policy": POLICY,
        "title": value["title"],
        "heading": "",
        "note": "",
        "style": Markup(f"{STYLE}body > header {{ display: none; }}\n{around()}\n#replay {{\n{style()}\n}}"),
        "template": Markup(template()),
        "record": packed({"value": value, "layers": layers}),
        "script": Markup(f"{show}\n{OPENING}{TEACH}{CLOSING}"),
    }
    return filled("replay.html", **parts)
