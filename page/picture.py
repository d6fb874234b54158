"""The picture that is asked about: what may come in its place, and how it stays where a file is refused."""

import copy
from contextlib import suppress
from pathlib import Path

import gradio as gr

from elastic.picture import MAX_SIDE
from page import incoming
from viz.joiner import joined

ASSETS = Path(__file__).parent.parent / "assets"
# When a conversation is begun anew, by the browser's clock; the view says at once what becomes of an answer.
NOW = """() => {
  document.dispatchEvent(new CustomEvent('elastic-anew', { detail: 'chosen' }));
  return [Date.now()];
}"""
# One more of several pictures goes on with what was said.
NOW_UPLOADED = """(several) => {
  if (JSON.parse(several || '[]').length === 0) {
    document.dispatchEvent(new CustomEvent('elastic-anew', { detail: 'uploaded' }));
  }
  return [Date.now()];
}"""
AS_BEFORE = "() => { document.dispatchEvent(new CustomEvent('elastic-anew', { detail: 'refused' })); }"
NO_PICTURE = (
    "This file is no picture. Choose a PNG, JPEG, WebP or HEIC file; saved traces are opened further down, at "
    "Recorded runs."
)
SCRIPT = joined(ASSETS / "web" / "pictures" / "upload.js")
TAKE_FILES = f"() => {{\n{SCRIPT}\ntakeFiles({{ mostBytes: {incoming.MAX_BYTES}, mostPixels: {MAX_SIDE} }});\n}}"
TAKEN = (
    "A picture file, uploaded to this server (the client libraries do that with `handle_file` of a path), or the "
    "picture itself as a data URL. No other address is fetched."
)
FILE = {"meta": {"_type": "gradio.FileData"}}


class Picture(gr.Image):
    """An image input that hands over the file as it came: `page.incoming` alone decides what can be read."""

    def preprocess(self, payload: object) -> str | None:
        return incoming.path_of(payload)

    def get_block_name(self) -> str:
        return "image"

    def api_info(self) -> dict[str, object]:
        """What programs may send. Gradio's own words offer addresses, of which none is fetched here."""
        info = copy.deepcopy(super().api_info())
        info["additional_description"] = TAKEN
        info["properties"]["path"]["description"] = "What the server answered to the upload of the picture"
        info["properties"]["url"]["description"] = "The picture itself as a data URL: data:image/png;base64,..."
        return info

    def example_payload(self) -> dict[str, object]:
        """A file of the program's own, which its library uploads."""
        return {"path": "picture.png", "url": "picture.png", "orig_name": "picture.png"} | FILE


def fitting_any() -> gr.Dataset:
    """Suggestions that fit any picture."""
    return gr.Dataset(samples=[["How many objects are there?"], ["Describe the image in detail."]])


def check_upload(path: str | None) -> tuple[str, gr.Dataset, None]:
    """A file that has just come as a picture that browsers show, questions that fit any, and no seed of a scene.

    Raises:
        gr.Error: if it cannot be read as a picture.
    """
    try:
        return incoming.shown_by_browsers(path), fitting_any(), None
    except ValueError as error:
        raise gr.Error(str(error), title="Picture not taken", print_exception=False) from error


def refuse(sentence: str) -> None:
    """Say of a file why it is not sent here.

    Raises:
        gr.Error: always.
    """
    raise gr.Error(sentence, title="Picture not taken", print_exception=False)


def note_picture(path: str | None, before: list[str]) -> list[str]:
    """The files that were shown last, whether they can be read or not, the latest at the end."""
    return before if path is None or path == before[-1] else [*before[-3:], path]


def last_readable(before: list[str]) -> str | None:
    """The latest picture of those shown: what was there before a file that was refused."""
    for path in reversed(before):
        with suppress(ValueError):
            incoming.picture_of(path)
            return path
    return None
