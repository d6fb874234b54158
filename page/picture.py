"""The picture that is asked about: what may come in its place, and how it stays where a file is refused."""

import copy
from contextlib import suppress

import gradio as gr

from page import incoming

NOW = "() => [Date.now()]"  # by the browser's clock
NO_PICTURE = (
    "This file is no picture. Choose a PNG, JPEG or WebP file; saved traces are opened further down, at Recorded runs."
)
# Gradio 6.31 takes the picture away before it looks at the file that comes in its place. So what would be refused does
# not come to that: of another type than a picture's, or too large to be sent, it is given back with a sentence.
KEEP_PICTURE = """() => {
  const place = document.querySelector('#picture');
  const guard = (event) => {
    const input = place.querySelector('input[type=file]');
    const file = (event.dataTransfer ?? event.target).files?.[0];
    if (!input || !file) return;
    const isLarge = file.size > @most@;
    if (!isLarge && file.type.startsWith('image/')) return;
    event.preventDefault();
    event.stopPropagation();
    place.querySelectorAll('button').forEach((button) => button.dispatchEvent(new DragEvent('dragleave')));
    input.value = '';
    document.querySelector(isLarge ? '#too-large' : '#no-picture').click();
  };
  place.addEventListener('drop', guard, true);
  place.addEventListener('change', guard, true);
}""".replace("@most@", str(incoming.MAX_BYTES))
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


def check_upload(path: str | None) -> tuple[str, gr.Dataset]:
    """A file that has just come as a picture that browsers show, and questions that fit any picture.

    Raises:
        gr.Error: if it cannot be read as a picture.
    """
    fitting = gr.Dataset(samples=[["How many objects are there?"], ["Describe the image in detail."]])
    try:
        return incoming.shown_by_browsers(path), fitting
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
