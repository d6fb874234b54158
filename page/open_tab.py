"""The address names the tab that is open, as `tab=plots`, and opens it. The lesson has a part of its own there."""

import json
from collections.abc import Mapping

import gradio as gr

from page.looking import PRIVATE

OPEN = """() => {
  const name = new URLSearchParams(location.search).get('tab');
  if (@names@.includes(name)) document.querySelector('#' + name + '-tab-button')?.click();
}"""
WRITE = """() => {
  const address = new URLSearchParams(location.search);
  if (@named@) address.set('tab', '@name@');
  else address.delete('tab');
  const text = String(address);
  history.replaceState(history.state, '', location.pathname + (text && '?' + text) + location.hash);
}"""


def follow_tabs(page: gr.Blocks, named: Mapping[str, gr.Tab], others: list[gr.Tab]) -> None:
    """Open the one of the `named` tabs that the address names, and have it name the one that is opened."""
    page.load(None, None, None, js=OPEN.replace("@names@", json.dumps(list(named))), **PRIVATE)
    for name, tab in [*named.items(), *(("", other) for other in others)]:
        script = WRITE.replace("@named@", json.dumps(bool(name))).replace("@name@", name)
        tab.select(None, None, None, js=script, **PRIVATE)
