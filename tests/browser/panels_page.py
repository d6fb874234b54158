"""A page with the panels around the pictures alone: their scripts, the view's style, and what `main.js` gives them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from viz import view

SCRIPTS = ("words", "tokens", "holders", "colours", "paint", "channels", "chart", "layers", "calculator")
SCRIPTS += ("poster", "export")

BODY = """
<div id="box"><div class="trace-view" data-sides="2"><div class="tv-page">
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
</div></div></div>
"""

HARNESS = """
const root = element.querySelector('.trace-view');
const find = (selector) => root.querySelector(selector);
const both = (selector) => [...root.querySelectorAll(selector)];
const ofSide = (selector, side) => find(selector + '[data-side="' + side.letter + '"]');
const viewState = () => ({ layer: String(state.layer), t: String(state.step) });
const lastStep = () => Math.max(0, ...state.sides.map((side) => side.steps));
const { opening } = message;
const state = {
  run: message.run, question: opening.question, grid: opening.grid, shape: opening.shape, about: opening.about,
  link: opening.link, layer: 0, head: 0, step: 0, sides: message.sides.map((_, number) => newSide(number)),
};
function drawAll() {
  const { sides, step, layer, shape } = state;
  drawLayers(find('.tv-layers'), sides, layer, (chosen) => { state.layer = chosen; drawAll(); });
  drawMemory(find('.tv-memory'), sides, step, lastStep());
  drawCertainty(find('.tv-certainty'), sides, step, lastStep());
  drawTraffic(find('.tv-traffic'), sides, shape);
}
opening.sides.forEach((given, number) => openSide(state.sides[number], given));
message.sides.forEach((given, number) => takeSteps(state.sides[number], given, 0));
both('.tv-patches').forEach((canvas, number) => {
  const context = canvas.getContext('2d');
  context.fillStyle = ['#2060a0', '#a06020'][number];
  context.fillRect(0, 0, canvas.width, canvas.height);
});
state.step = lastStep();
buildLayers(find('.tv-layers'));
buildCalculator(find('.tv-calculate'), state.shape);
buildSave(find('.tv-save'), state);
drawAll();
window.panels = { state, drawAll, cacheBytes, calculate, buildSave };
"""


def panels_page(message: dict, *, server: str = "{}", style: str = "") -> str:
    """The page as HTML; `server` is a JavaScript expression."""
    parts = [(view.ASSETS / "view" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    given = json.dumps(message).replace("<", "\\u003c")
    code = "\n".join(["'use strict';", *parts, HARNESS])
    return (
        f"<!doctype html><html lang=en><title>panels</title>"
        f"<style>body {{ margin: 16px; font-family: sans-serif; {style} }} #box {{ {view.style()} }}</style>"
        f"<body>{BODY}<script>((element, message, server) => {{ {code} }})"
        f"(document.querySelector('#box'), {given}, {server});</script></body></html>"
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
