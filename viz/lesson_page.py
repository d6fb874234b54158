"""The lesson's markup and script, and the lesson as one HTML file that needs nothing else."""

import base64
import html
import json
import zlib
from functools import cache

from elastic.trace import Run
from viz import view
from viz.replay import PAGE, POLICY, STYLE, fill

SCRIPTS = ("texts", "progress", "sides", "line", "picks", "motion", "steps", "asks", "handout", "start")

SCRIPT = """
(async () => {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const fitTheme = () => document.body.classList.toggle('dark', dark.matches);
  dark.addEventListener('change', fitTheme);
  fitTheme();
  const packed = Uint8Array.from(atob(document.querySelector('#record').textContent), (c) => c.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  const { value, layers } = await new Response(unpacked).json();
  const sidesOf = (run) => [...new Set([0, value.names.indexOf(run.split('/')[1])])];
  const server = {
    fetch_layer: async (run, layer, since) => (
      JSON.stringify(sidesOf(run).map((side) => layers[layer][side].slice(since)))
    ),
  };
  teach(document.querySelector('#replay'), { value: JSON.stringify(value) }, server, () => {}, () => {});
})().catch((error) => {
  console.error(error);
  document.querySelector('#replay').hidden = true;
  document.querySelector('#problem').hidden = false;
});
"""


@cache
def template() -> str:
    """The lesson's fixed markup with the live view in it, empty of data."""
    return fill((view.ASSETS / "lesson" / "lesson.html").read_text(encoding="utf-8"), {"view": view.template()})


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
    """The lesson's JavaScript, the body of a function of `element`, `props`, `watch` and `server`.

    It holds the live view's, whose functions it uses: one scope, so that nothing is there twice.
    """
    files = [f"view/{name}.js" for name in view.SCRIPTS] + [f"lesson/{name}.js" for name in SCRIPTS]
    return view.joined(*files)


def lesson_html(value: dict, run: Run, language: str = "en") -> str:
    """A self-contained page that tells a lesson, the value of `lesson_value`, without a server or a network."""
    layers = [view.layer(run, number) for number in range(run.sides[0].layers)]
    record = json.dumps({"value": value, "layers": layers}).encode()
    parts = {
        "policy": POLICY,
        "title": html.escape(value["title"]),
        "heading": "",
        "note": "",
        "style": f"{STYLE}body > header {{ display: none; }}\n{around()}\n#replay {{\n{style()}\n}}",
        "template": template(),
        "record": base64.b64encode(zlib.compress(record, 9)).decode(),
        "script": f"const teach = (element, props, server, watch, trigger) => {{\n{script()}\n}};\n{SCRIPT}",
    }
    return fill(PAGE, parts).replace('<html lang="en">', f'<html lang="{html.escape(language)}">', 1)
