"""What a request may say: one type for every value, and a sentence for every refusal.

Nothing here knows of HTTP, see `entrance`; nothing behind it sees a value that has not passed.
"""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.components import Component
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from page import incoming
from page.scripted import Scripted

MAX_TEXT = 20_000  # characters; what a question may have is said where it is asked
MAX_EVENT = 4000  # characters of what the browser says of a click
NO_JSON = "The request is no JSON, or of numbers that are none. Send one JSON object."
NO_FETCHING = "This server fetches no addresses. Upload the file, or send the picture itself as a data URL."

Session = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Number = Annotated[int, Field(ge=-(10**15), le=10**15)] | Annotated[float, Field(ge=-1e15, le=1e15)]
Short = Annotated[str, Field(max_length=200)]
Index = Annotated[int, Field(ge=0, le=10**6)]
Scalar = bool | Number | Short | None


class Refused(ValueError):
    """A sentence that is ready for people."""


class RequestPart(BaseModel):
    """Nothing is turned into what it is not; what is not asked for is passed over, and goes no further."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class Call(RequestPart):
    """A page event, or a call of a program."""

    data: list[Any] | dict[str, Any]
    session_hash: Session | None = None
    fn_index: Index | None = None
    trigger_id: Index | None = None
    event_data: Any = None


class Asked(RequestPart):
    """What a component's script asks the server."""

    session_hash: Session
    component_id: Index
    fn_name: Annotated[str, Field(max_length=60)]
    data: Annotated[list[Scalar], Field(max_length=4)] | Scalar


class Cancelled(RequestPart):
    """A run that its visitor stops."""

    session_hash: Session
    fn_index: Index
    event_id: Session


class Finished(RequestPart):
    """A run that is over."""

    event_id: Session


class File(RequestPart):
    """How browsers and programs name a file; only path and address count."""

    path: str | None = None
    url: str | None = None


def read(model: type[BaseModel], content: bytes, only: str | None = None) -> BaseModel:
    """A request's content as its type; where it is but a part of it, `only` is the name of that part.

    Raises:
        Refused: if it is none.
    """
    try:
        value = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise Refused(NO_JSON) from error
    try:
        return model.model_validate({only: value} if only else value)
    except ValidationError as error:
        place = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
        part = f"{str(place[0])[:40]!r} in it" if place and isinstance(place[0], str) else "it"
        raise Refused(f"The request cannot be read: {part} is missing or of another kind. Send it anew.") from error


def values(function: BlockFunction, blocks: Sequence[Component], given: list[Any] | dict[str, Any]) -> list[Any]:
    """The values of a call, each as the type of its input; `blocks` are the inputs as the visitor sees them.

    Raises:
        Refused: if one is missing, or is not what it must be.
    """
    names = [name_of(block) for block in blocks]
    if not blocks:
        return []
    if isinstance(given, dict):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise Refused(f"There is no value named {unknown[0][:40]!r}. The names are: {', '.join(names)}.")
        given = [given.get(name, block.value) for name, block in zip(names, blocks, strict=True)]
    is_public = function.api_visibility == "public"
    while is_public and len(given) < len(blocks) and all(map(_may_be_missing, blocks[len(given) :])):
        # What a program does not know yet stands as if it were not there.
        given = [*given, blocks[len(given)].value]
    if len(given) != len(blocks):
        listed = ", ".join(names) if len(names) < 10 else f"{names[0]}, {names[1]} and so on"
        raise Refused(f"{len(given)} values were sent, {len(blocks)} are needed: {listed}. Send all of them.")
    return [_value(block, value, name, is_public) for block, value, name in zip(blocks, given, names, strict=True)]


def _may_be_missing(block: Component) -> bool:
    return isinstance(block, gr.Checkbox) or getattr(block, "may_be_missing", False)


def name_of(block: Component) -> str:
    """What an input is called in sentences: its label, by which programs know it, too."""
    return str(block.label or block.elem_id or "a setting")


def _value(block: Component, value: Any, name: str, is_public: bool) -> Any:
    if isinstance(block, gr.State):
        return None  # which the server keeps itself
    if isinstance(block, gr.Image | gr.File):
        return file_value(value)
    if isinstance(block, Scripted):
        return block.checked(value)
    wanted, needed = _type_of(block, is_public)
    try:
        return TypeAdapter(wanted, config=ConfigDict(strict=True, allow_inf_nan=False)).validate_python(value)
    except ValidationError as error:
        raise Refused(f"{name}: {needed} is needed, not {in_few_words(value)}. Change it and send it again.") from error


def _type_of(block: Component, is_public: bool) -> tuple[Any, str]:
    """The type of an input's values, and what a sentence calls it."""
    if isinstance(block, gr.Textbox):
        text = Annotated[str, Field(max_length=MAX_TEXT)]
        return text if is_public else text | None, f"a text of at most {MAX_TEXT:,} characters"
    if isinstance(block, gr.Slider | gr.Number):
        low, high = block.minimum, block.maximum
        limited = Annotated[Number, Field(ge=low, le=high)]
        words = "a number" if low is None or high is None else f"a number from {low:g} to {high:g}"
        return limited if is_public or isinstance(block, gr.Slider) else limited | None, words
    if isinstance(block, gr.Checkbox):
        return bool, "true or false"
    if isinstance(block, gr.Dropdown | gr.CheckboxGroup):
        return _choice_of(block)
    if isinstance(block, gr.Dataset):
        return Annotated[int, Field(ge=0, lt=len(block.raw_samples))], "the number of one of those shown"
    return None, "nothing"


def _choice_of(block: gr.Dropdown | gr.CheckboxGroup) -> tuple[Any, str]:
    listed = [choice for _, choice in block.choices]
    one = Scalar if getattr(block, "allow_custom_value", False) else Annotated[Scalar, BeforeValidator(_among(listed))]
    several = isinstance(block, gr.CheckboxGroup) or bool(block.multiselect)
    words = f"one of {', '.join(map(str, listed[:30]))}"
    if not several:
        return one, words
    return Annotated[list[one], Field(max_length=200)], f"a list, each {words},"


def _among(listed: list) -> Any:
    def check(value: Any) -> Any:
        # By type as well: to Python, true is 1.
        if not any(type(value) is type(choice) and value == choice for choice in listed):
            raise ValueError("another choice")
        return value

    return check


def file_value(value: Any) -> dict | None:
    """A file that a request names, as an upload of this server and nothing else.

    Raises:
        Refused: if it is none, or a data URL that holds nothing.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    try:
        given = File(path=value) if isinstance(value, str) else File.model_validate(value)
    except ValidationError as error:
        raise Refused(incoming.NO_UPLOAD) from error
    place = given.path or given.url or ""
    try:
        if place[:5].lower() == "data:":
            path = incoming.from_data_url(place)
        elif re.match(r"[A-Za-z][\w.+-]+:", place):
            raise Refused(NO_FETCHING)
        else:
            path = incoming.as_upload(given.path)
    except OSError as error:
        raise Refused(incoming.UNREAD) from error
    except ValueError as error:
        raise Refused(str(error)) from error
    return {"path": str(path), "orig_name": path.name[:200], "meta": {"_type": "gradio.FileData"}}


def event_value(value: Any) -> dict[str, Any]:
    """What the browser says of an event: a small object, else an empty one."""
    is_small = isinstance(value, dict) and len(json.dumps(value)) <= MAX_EVENT
    return value if is_small else {}


def in_few_words(value: Any) -> str:
    """What was sent, in a few words."""
    if isinstance(value, str):
        return repr(value[:20]) if len(value) <= 20 else f"a text of {len(value):,} characters"
    if isinstance(value, bool | int | float) and len(str(value)) <= 20:
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    kinds: dict[type, Literal["nothing", "a list", "an object"]]
    kinds = {type(None): "nothing", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number of too many digits")
