"""Heads and bodies of HTTP requests: how much they may hold, how long they may take, and how they are written anew."""

import asyncio
import json
import re
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

import httpx
from starlette.types import Message, Receive, Scope

from page import incoming
from page.answering import UNREADABLE, Refusal

MAX_QUERY = 8000
SECONDS = 120.0  # that a request may take to arrive

TOO_LARGE = "The request holds more than the {:,} bytes that are taken here. Send less."
TOO_LONG = f"The address is longer than the {MAX_QUERY:,} characters that are read. Shorten what comes after the ?."
NO_LENGTH = "The request does not say how long it is. Send it with a Content-Length."
SLOW = f"The request took longer than {SECONDS:g} s to arrive. Send it again."
NO_FILE = "There is no file of this address any more. Reload the page."


def path_of(scope: Scope) -> str:
    """The address without what a proxy or a mount puts in front of it."""
    return scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")) or "/"


def checked_head(scope: Scope) -> Scope:
    """A request whose host and parameters are such as Gradio can build other addresses from."""
    if len(scope["query_string"]) > MAX_QUERY:
        raise Refusal(414, TOO_LONG)
    for name, value in scope["headers"]:
        if name in (b"host", b"x-forwarded-host", b"x-forwarded-proto") and not _is_host(value):
            raise Refusal(400, UNREADABLE)
    # Gradio lets parameters name pages and stored states, of which there are none here.
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=None)
    if any(name == "upload_id" and not re.fullmatch(r"[\w-]{1,64}", value, re.ASCII) for name, value in pairs):
        raise Refusal(400, UNREADABLE)  # Gradio keeps each for good
    kept = [pair for pair in pairs if pair[0] not in ("page", "deep_link")]
    # A proxy of Gradio's own names a whole address of itself; there is none here.
    headers = [each for each in scope["headers"] if each[0] != b"x-gradio-server"]
    query = scope["query_string"] if len(kept) == len(pairs) else urlencode(kept).encode()
    return scope | {"headers": headers, "query_string": query}


def _is_host(value: bytes) -> bool:
    """Whether addresses can be built from a header; proxies add to it, the first of those they name counts."""
    if not re.fullmatch(rb"[A-Za-z0-9_.:,\[\] -]{0,300}", value):
        return False
    try:
        httpx.URL(f"http://{value.decode().split(',')[0].strip()}")  # as Gradio reads it
    except httpx.InvalidURL:
        return False
    return True


def parameter(scope: Scope, name: str) -> str:
    """A parameter of the address, the last one as Gradio has it; empty where there is none."""
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)).get(name, "")


def checked_file(scope: Scope, name: str) -> Scope:
    """A request for an upload, which is there."""
    try:
        incoming.open_upload(name).close()
    except ValueError as error:
        raise Refusal(404, NO_FILE) from error
    # Files are sent whole: some ways to ask for a part of one make Gradio fail.
    return scope | {"headers": [each for each in scope["headers"] if each[0] != b"range"]}


def length_of(scope: Scope, most: int) -> int:
    """How long a request says it is; the server below sees to it that it is no longer."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    if not length.isdigit():
        raise Refusal(411, NO_LENGTH)
    if len(length) > 15 or int(length) > most:
        raise Refusal(413, TOO_LARGE.format(most))
    return int(length)


async def whole_body(receive: Receive, most: int, took: Callable[[int], None] = lambda size: None) -> bytes:
    """The content of a request, all of it, in time; `took` is told the bytes of every part."""
    parts, size = [], 0
    receive = in_time(receive)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, UNREADABLE)
        parts.append(message.get("body", b""))
        took(len(parts[-1]))
        size += len(parts[-1])
        if size > most:
            raise Refusal(413, TOO_LARGE.format(most))
        if not message.get("more_body"):
            return b"".join(parts)


def in_time(receive: Receive) -> Receive:
    """The same parts of a request, for SECONDS from now on."""
    end = asyncio.get_running_loop().time() + SECONDS

    async def next_part() -> Message:
        try:
            async with asyncio.timeout_at(end):
                return await receive()
        except TimeoutError:
            raise Refusal(408, SLOW) from None

    return next_part


def with_body(scope: Scope, receive: Receive, path: str, body: dict) -> tuple[Scope, Receive]:
    """The request with another address and another body."""
    content = json.dumps(body).encode()
    headers = [each for each in scope["headers"] if each[0] not in (b"content-length", b"content-type")]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    is_sent = False

    async def written() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()  # which tells when the caller has gone
        is_sent = True
        return {"type": "http.request", "body": content, "more_body": False}

    path = scope.get("root_path", "").rstrip("/") + path
    return scope | {"headers": headers, "path": path, "raw_path": path.encode()}, written
