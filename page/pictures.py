"""Several pictures in one question, how many tokens each may have, and what that costs: for models that can.

What a model can is known once it is loaded; until then, and for all others, none of this is seen.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL.Image import Image
from pydantic_core import from_json

from page import incoming
from page.asking import MOST_PICTURE_TOKENS as MOST_TOKENS
from page.asking import MOST_PICTURES as MOST
from page.gate import Refused, file_value
from page.job import JobRefused
from page.model import Model
from page.picture import Picture
from page.scripted import Scripted
from viz.facts import size
from viz.joiner import joined

if TYPE_CHECKING:  # which imports torch
    from elastic.model import PictureReader

ASSETS = Path(__file__).parent.parent / "assets"
TOKENS = (64, 128, 256, 512, 1024, 2048, 4096)  # that can be chosen, where the model can have as few
TOO_MANY = f"A question has at most {MOST} pictures. Leave some out and ask again."
NO_LIST = f"Pictures: a list of at most {MOST} uploads is needed. Change it and send it again."
# The picture that is shown becomes the first of several; from then on whatever comes in its place is added.
BEGIN = "(picture, pictures) => JSON.stringify(picture?.path ? [picture.path] : [])"
ADD = f"""(picture, pictures) => {{
  const known = JSON.parse(pictures || '[]');
  const isNew = picture?.path && known.length && known.length < {MOST} && !known.includes(picture.path);
  return JSON.stringify(isNew ? [...known, picture.path] : known);
}}"""


NONE = "() => '[]'"


class PictureList(Scripted):
    """Pictures in an order, as uploads; programs may leave it out."""

    may_be_missing = True

    def __init__(self, **kwargs: Any) -> None:
        markup, style = ((ASSETS / "pictures" / f"pictures.{kind}").read_text("utf-8") for kind in ("html", "css"))
        script = joined(ASSETS / "web" / "pictures" / "main.js")
        super().__init__("pictures-style", markup.replace("@most@", str(MOST)), style, script, **kwargs)

    def checked(self, value: object) -> str:
        """The pictures that a request names, each an upload from here on.

        Raises:
            Refused: if one is none, or there are too many.
        """
        try:
            given = from_json(value or "[]") if isinstance(value, str) else value
        except ValueError as error:
            raise Refused(NO_LIST) from error
        if given is None:
            return "[]"
        if not isinstance(given, list):
            raise Refused(NO_LIST)
        if len(given) > MOST:
            raise Refused(TOO_MANY)
        files = [file_value(one) for one in given]
        if None in files:
            raise Refused(NO_LIST)
        return json.dumps([file["path"] for file in files if file])

    def preprocess(self, payload: str | None) -> list[str]:
        return json.loads(self.checked(payload))

    def postprocess(self, value: list[str] | None) -> str:
        return json.dumps(value or [])

    def api_info(self) -> dict[str, object]:
        """What programs may send."""
        return {"type": "array", "items": {}, "description": "further pictures, each as the first one", "default": []}

    def example_payload(self) -> list[object]:
        """None, as most calls have it."""
        return []

    def example_value(self) -> list[object]:
        """None, as most calls have it."""
        return []


class PictureTokens(gr.Number):
    """At most so many tokens of a picture, 0 for as many as the model takes by itself; programs may leave it out."""

    may_be_missing = True

    def get_block_name(self) -> str:
        return "number"


def pictures_api() -> list[gr.components.Component]:
    """What programs may say of pictures behind the first one, and of the tokens of each."""
    tokens = PictureTokens(0, label="image_tokens", precision=0, minimum=0, maximum=MOST_TOKENS)
    return [PictureList(label="further_images"), tokens]


@dataclass(frozen=True)
class Several:
    """Several pictures below the one that is shown, the tokens of each, and a line on what these cost."""

    begin: gr.Button
    pictures: PictureList
    tokens: gr.Dropdown
    cost: gr.Markdown


# Hidden until it is known what the model can.


def several_controls(picture: Picture) -> tuple[gr.Button, PictureList]:
    """The button that begins a list of pictures, and the list."""
    shared = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    begin = gr.Button("Ask about several pictures", size="sm", elem_id="begin-several", visible=False)
    pictures = PictureList(elem_id="pictures", label="pictures")
    begin.click(None, [picture, pictures], pictures, js=BEGIN, **shared)
    picture.change(None, [picture, pictures], pictures, js=ADD, **shared)
    return begin, pictures


def token_controls() -> tuple[gr.Dropdown, gr.Markdown]:
    """How many tokens a picture may have, and what the prompt costs."""
    tokens = gr.Dropdown(
        [("as the model likes", 0)],
        value=0,
        label="Tokens of a picture, at most: choose, or type",
        info="Fewer are the cheapest compression of all: they are never computed.",
        allow_custom_value=True,
        visible=False,
        elem_id="picture-tokens",
    )
    return tokens, gr.Markdown(elem_id="picture-cost", visible=False)


class Offers:
    """What the model can, told once it is loaded; and what pictures cost, in tokens and in bytes of the full cache."""

    def __init__(self, model: Model) -> None:
        self.model = model

    async def told(self) -> AsyncIterator[tuple[object, object, object]]:
        """The button of several pictures, the choice of tokens and the line on their cost, as the model has them."""
        while not self.model.ready.is_set():
            yield (gr.skip(),) * 3
            await asyncio.sleep(0.5)
        llava = self.model.llava
        if llava is None:
            yield (gr.skip(),) * 3
            return
        choices = token_choices(llava)
        can = len(choices) > 1
        yield gr.Button(visible=llava.most_pictures > 1), gr.Dropdown(choices, visible=can), gr.Markdown(visible=can)

    async def cost(
        self, picture: str | None, pictures: list[str], tokens: object, question: str, request: gr.Request
    ) -> str:
        """What the question would cost, in a sentence; why it cannot be told, where a picture is refused."""
        paths = pictures or [path for path in [picture] if path]
        if not paths:
            return ""
        try:
            opened = [await incoming.aside(incoming.picture_of, path) for path in paths]
            steps = self._steps(opened, question, read_tokens(tokens))
            caller = f"cost of {request.session_hash}"
            job = self.model.line.join(caller, steps, lambda: "what a picture costs", also=request.session_hash)
            return str(await self.model.line.result(job))
        except JobRefused:  # a busy server: asked, the model says it itself
            return ""
        except ValueError as error:
            return f"⚠️ {error}"

    def _steps(self, pictures: list[Image], question: str, tokens: int) -> Generator[None, None, str]:
        yield
        return cost_line(capped(self.model.llava, tokens), pictures, question or "?")


def read_tokens(value: object) -> int:
    """Tokens from what was chosen or typed, 0 where it is nothing.

    Raises:
        ValueError: if it is no number that can be.
    """
    text = str(value if value is not None else "").strip().replace(",", "") or "0"
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or int(text) > MOST_TOKENS:
        raise ValueError(f"{text[:20]!r} is no number of tokens. Write a whole one up to {MOST_TOKENS:,}.")
    return int(text)


def capped(llava: "PictureReader", tokens: int | None) -> "PictureReader":
    """The model with at most so many tokens of a picture, as it is where none are named.

    Raises:
        ValueError: if it has no such setting, or a picture cannot have as few.
    """
    return llava.capped(tokens) if tokens else llava


def token_choices(llava: "PictureReader") -> list[tuple[str, int]]:
    """How many tokens of a picture can be chosen, as choices of a list; the model's own way first."""
    choices = [("as the model likes", 0)]
    for count in TOKENS:
        try:
            llava.capped(count)
        except ValueError:  # a picture has more, or always as many
            continue
        choices.append((f"{count:,}", count))
    return choices


def cost_line(llava: "PictureReader", pictures: list[Image], question: str) -> str:
    """What a prompt costs: tokens, those of its pictures among them, and bytes of the full cache."""
    prompt = llava.first_turn(pictures if len(pictures) > 1 else pictures[0], question)
    tokens, cells = prompt.ids.shape[1], int((prompt.place[:, 1] >= 0).sum())
    shape = llava.shape
    held = tokens * 2 * shape["layers"] * shape["kv_heads"] * shape["head_dim"] * shape["element_bytes"]
    return f"Prompt: **{tokens:,} tokens**, {cells:,} of them of pictures · full cache: **{size(held)}**"
