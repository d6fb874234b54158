"""What Gradio's page lacks for who uses it by keyboard, by ear, on a phone or enlarged. Imports no torch."""

import json
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from page.looking import PRIVATE
from viz.joiner import joined

ASSETS = Path(__file__).parent.parent / "assets"
SCRIPT = joined(ASSETS / "web" / "page" / "main.js")
HEAD = f"<style>{(ASSETS / 'everybody.css').read_text(encoding='utf-8')}</style>"
LISTS = {
    "examples": "Example pictures",
    "suggestions": "Suggested questions",
    "conversations": "Earlier conversations",
    "recordings": "Recorded runs",
}


def drawer(label: str) -> gr.Button:
    """The button behind which a small screen puts the settings away; on a large one nobody sees it."""
    return gr.Button(label, size="sm", min_width=80, elem_id="drawer")


def serve_everybody(page: gr.Blocks, examples: Sequence[str] = ()) -> None:
    """Let the page's script do what is needed once the page is there; `examples` are the names of their pictures."""
    names = json.dumps({"examples": list(examples), "lists": LISTS})
    page.load(None, None, None, js=f"() => {{\n{SCRIPT}\nserveEverybody({names});\n}}", **PRIVATE)
