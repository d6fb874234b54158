"""A page with the panels around the pictures alone: drawn by `web/panels.js`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elastic.record.messages import Message, as_json
from viz import view
from viz.joiner import joined

HARNESS = Path(__file__).parent.parent / "web" / "panels.js"

BODY = """
<div id="box"><div class="trace-view" data-sides="2" data-level="3"><div class="tv-page">
  <div class="tv-layers"></div>
  <div class="tv-where" style="width: 200px">
    <canvas class="tv-patches" data-side="a" width="300" height="300"></canvas>
    <canvas class="tv-patches" data-side="b" width="300" height="300"></canvas>
    <div class="tv-legend">
      <span><i class="tv-key tv-key-anchor"></i>anchor: keeps its slot</span>
      <span><i class="tv-key tv-key-gone"></i>dropped or evicted</span>
      <span hidden><i class="tv-key tv-key-merged"></i>merged</span>
    </div>
  </div>
  <svg class="tv-memory" role="img"></svg>
  <svg class="tv-certainty" role="img"></svg>
  <p class="tv-traffic"></p>
  <div class="tv-calculate"></div>
  <div class="tv-save"></div>
  <div class="tv-meanings" hidden></div>
</div></div></div>
"""


def panels_page(message: Message, *, server: str = "{}", style: str = "") -> str:
    """The page as HTML; `server` is a JavaScript expression."""
    given = as_json(message).replace("<", "\\u003c")
    return (
        f"<!doctype html><html lang=en><title>panels</title>"
        f"<style>body {{ margin: 16px; font-family: sans-serif; {style} }} #box {{ {view.style()} }}</style>"
        f"<body>{BODY}<script>((element, props, server, watch, trigger) => {{ {joined(HARNESS)}\n}})"
        f"(document.querySelector('#box'), {{value: {given}}}, {server});</script></body></html>"
    )


@contextmanager
def panels_in(browser) -> Iterator:
    """A function that opens the panels with a message, on a page of an address of its own; fails on errors in it."""
    errors, contexts = [], []

    def opened(message, server="{}", style="", permissions=(), **options):
        context = browser.new_context(viewport={"width": 900, "height": 900}, permissions=list(permissions), **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        body = panels_page(message, server=server, style=style)
        context.route("**/*", lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))
        page.goto("http://localhost/view")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not errors


def set_step(page, step):
    """Show another step."""
    page.evaluate("step => { panels.state.step = step; panels.drawAll(); }", step)
