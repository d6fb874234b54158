"""A run as one HTML file that needs nothing else: the live view with the record inside, for lectures and archives."""

import base64
import json
import zlib
from dataclasses import replace
from functools import cache

from markupsafe import Markup

from elastic.record import messages
from elastic.record.trace import Run
from viz import view
from viz.templates import filled

# Whatever a file could be made to contain, the browser asks nobody else for anything.
POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

# The same variables as on the program's page; `.dark` is set on the body there, too.
STYLE = """
body {
  --body-text-color: #27272a; --border-color-primary: #e4e4e7;
  --background-fill-primary: #ffffff; --background-fill-secondary: #fafafa;
  margin: 0 auto; padding: 12px 16px 32px; max-width: 1500px;
  background: var(--background-fill-primary); color: var(--body-text-color);
  font-family: "Source Sans Pro", ui-sans-serif, system-ui, sans-serif; color-scheme: light;
}
body.dark {
  --body-text-color: #f4f4f5; --border-color-primary: #3f3f46;
  --background-fill-primary: #0f0f11; --background-fill-secondary: #18181b;
  color-scheme: dark;
}
header h1 { margin: 0; font-size: 1.3rem; }
header p { margin: 0.2rem 0 0.8rem; opacity: 0.8; overflow-wrap: anywhere; }
"""

# Around what a file does with its record: the theme before, a sentence where a browser cannot unpack it after.
OPENING = """
(async () => {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const fitTheme = () => document.body.classList.toggle('dark', dark.matches);
  dark.addEventListener('change', fitTheme);
  fitTheme();
  const packed = Uint8Array.from(atob(document.querySelector('#record').textContent), (c) => c.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  const record = await new Response(unpacked).json();
"""
CLOSING = """
})().catch((error) => {
  console.error(error);
  document.querySelector('#replay').hidden = true;
  document.querySelector('#problem').hidden = false;
});
"""

SHOW = """
  const { message, layers } = record;
  const server = {
    fetch_layer: async (run, layer, since) => {
      const of = (rows) => rows.map((side) => side.slice(since));
      return JSON.stringify({ sides: of(layers[layer].sides), read: of(layers[layer].read) });
    },
  };
  show(document.querySelector('#replay'), { value: JSON.stringify(message) }, server, () => {}, () => {});
"""


def packed(record: dict) -> Markup:
    """A record as the text that a file carries. Base 64 has no sign that could end the script element."""
    return Markup(base64.b64encode(zlib.compress(json.dumps(record, default=vars).encode(), 9)).decode())


def replay_html(run: Run) -> str:
    """A self-contained page that shows a run as the live view does, without a server or a network."""
    # No links: they ask a server, and there is none.
    message = messages.of_run(replace(run, link={}), 0, 0, status="Recorded run", done=True)
    layers = [messages.of_layer(run, number) for number in range(run.sides[0].layers)]
    question, model = run.sides[0].question, run.sides[0].model
    about = ", ".join(f"{name} {value}" for name, value in run.about.items() if name != "recorded")
    recorded = f" {run.about['recorded']}" if "recorded" in run.about else ""
    parts = {
        "language": "en",
        "policy": POLICY,
        "title": f"{question[:80]} · {' and '.join(run.titles)} · {model}",
        "heading": "Elastic KV cache, side by side: a recorded run",
        "note": (
            f"Recorded{recorded} with {model} ({about}). Nothing is computed here: this file replays "
            "what was measured, offline."
        ),
        "style": Markup(f"{STYLE}#replay {{\n{view.style()}\n}}"),
        "template": Markup(view.template()),
        "record": packed({"message": message, "layers": layers}),
        "script": _script(),
    }
    return filled("replay.html", **parts)


@cache
def _script() -> Markup:
    return Markup(
        f"const show = (element, props, server, watch, trigger) => {{\n{view.script()}\n}};\n{OPENING}{SHOW}{CLOSING}"
    )
