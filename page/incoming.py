"""The files that requests may name: uploads of this server, and pictures that come with it. Nothing else is opened."""

import asyncio
import base64
import binascii
import errno
import io
import os
import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from io import BufferedReader
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import hash_bytes
from gradio.utils import get_upload_folder
from PIL import Image

from elastic import files
from elastic.record.foreign import read_open
from page.decoding import PictureDecoder

ASSETS = Path(__file__).parent.parent / "assets"
MAX_BYTES = 10 * 2**20  # of an uploaded file
MAX_PATH = 1024
SHOWN = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".avif", ".ico")  # by browsers
# How such files begin: whatever its name, another one stays empty in a browser.
BEGINS = re.compile(rb"\x89PNG|\xff\xd8\xff|RIFF....WEBP|GIF8|BM|....ftypavi[fs]|\x00\x00\x01\x00", re.DOTALL)
FOLDER = re.compile(r"[0-9a-f]{64}|scenes")  # folders of uploads, which Gradio names so, and of drawn scenes
DATA_URL = re.compile(r"data:(?:image/[\w.+-]{1,40})?((?:;[\w.=+-]{1,80}){0,4}),", re.ASCII | re.IGNORECASE)
NO_UPLOAD = "This file is no upload of this page. Upload it here, or send the picture itself as a data URL."
DELETED = "The file is no longer on the server: uploads are deleted after a while. Upload it again."
UNREAD = "The server cannot read the file at the moment. Try again in a minute, or upload it again."
NO_ROOM = "The server has no room for files at the moment. Try again in a few minutes, or with a smaller one."
NOT_KEPT = "The server cannot keep the file. Upload it instead of sending it in the call, or try again in a minute."
NO_DATA = (
    "The data URL holds no picture that can be read. Send data:image/png;base64, and the file in base64, in one line."
)
TOO_LARGE = f"The file has more than the {MAX_BYTES // 2**20} MB that are taken. Save a smaller copy and try again."


class FileGone(ValueError):
    """A file that may be named is not there any more; a sentence that is ready for people."""


folders = {ASSETS / "scenes", ASSETS / "photos"}  # whose pictures may be named as they are
_decoder = PictureDecoder()
_threads = ThreadPoolExecutor(8, "pictures")  # of their own: whatever else the page does never waits for a picture


async def aside(function: Callable[..., Any], *values: object) -> Any:
    """What a function comes to that opens pictures; meanwhile the page goes on."""
    return await asyncio.get_running_loop().run_in_executor(_threads, copy_context().run, function, *values)


def close() -> None:
    """At the program's end no picture is read any more."""
    _decoder.close()


def picture_of(path: str) -> Image.Image:
    """The picture in a file whose path has been checked, see `elastic.picture.open_picture`.

    Raises:
        ValueError: if the file is gone, or cannot be read as a picture.
    """
    return _decoder.open(content_of(path))


def content_of(path: str) -> bytes:
    """What a file holds whose path has been checked; a link or a device is not opened even so.

    Raises:
        ValueError: if the file is gone, or has more than MAX_BYTES.
    """
    with _open(Path(path)) as file:
        if os.fstat(file.fileno()).st_size > MAX_BYTES:
            raise ValueError(TOO_LARGE)
        return read_open(file, MAX_BYTES)


def open_upload(path: str) -> BufferedReader:
    """A file that a request names, open for reading.

    Raises:
        ValueError: if the file is none that may be named, or is gone.
    """
    return _open(checked_path(path))


def _open(place: Path) -> BufferedReader:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        folder = os.open(place.parent, flags | os.O_DIRECTORY)
        try:
            number = os.open(place.name, flags | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        # A link is refused as if it were not there.
        is_missing = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)
        raise (FileGone(DELETED) if is_missing else ValueError(UNREAD)) from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise FileGone(DELETED)
    return os.fdopen(number, "rb")


def checked_path(path: object) -> Path:
    """The path of a file that may be named, which need not be there any more; folders above it are resolved.

    Raises:
        ValueError: if no file of that path may be named.
    """
    if not isinstance(path, str | Path) or len(str(path)) > MAX_PATH or "\0" in str(path):
        raise ValueError(NO_UPLOAD)
    place = Path(path)
    uploads = Path(get_upload_folder())
    if ".." in place.parts or not place.is_absolute():
        raise ValueError(NO_UPLOAD)
    if place.parent in folders:
        return place
    if place.parent.parent in (uploads, uploads.resolve()) and FOLDER.fullmatch(place.parent.name):
        return uploads.resolve() / place.parent.name / place.name
    raise ValueError(NO_UPLOAD)


def as_upload(path: object) -> Path:
    """The path of an upload; of a picture that comes with the program, a copy that is one.

    Raises:
        ValueError: if no file of that path may be named.
    """
    place = checked_path(path)
    return keep(content_of(str(place)), place.name) if place.parent in folders else place


def from_data_url(url: str) -> Path:
    """The picture in a data URL as an upload: from here on it is one.

    Raises:
        ValueError: if it holds no base64, or more than MAX_BYTES.
    """
    head = DATA_URL.match(url)
    if not head or not head[1].lower().endswith(";base64"):
        raise ValueError(NO_DATA)
    if len(url) - head.end() > MAX_BYTES * 4 // 3 + 4:
        raise ValueError(TOO_LARGE)
    try:
        content = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(NO_DATA) from error
    if not content:
        raise ValueError(NO_DATA)
    return keep(content, "picture")


def shown_by_browsers(path: str) -> str:
    """The path of a picture that can be read, as an upload which browsers can show, too: a TIFF becomes a PNG file.

    Raises:
        ValueError: as `picture_of`.
    """
    content = content_of(path)
    picture = _decoder.open(content)
    if Path(path).suffix.lower() in SHOWN and BEGINS.match(content):
        return path
    file = io.BytesIO()
    picture.save(file, "PNG")
    return str(keep(file.getvalue(), f"{Path(path).stem}.png"))


def label_of(path: str) -> str:
    """What a file calls itself, short enough for a sentence."""
    name = Path(path).name
    return name if len(name) <= 60 else f"{name[:40]}…{name[-16:]}"


def path_of(payload: object) -> str | None:
    """The path that a component was given, checked once more: a page may be served without its entrance.

    Raises:
        gr.Error: if no file of that path may be named.
    """
    if payload is None:
        return None
    try:
        return str(checked_path(payload.path))
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from error


class TraceFile(gr.File):
    """A place to drop a file that hands over its path; Gradio's own leaves an empty file behind for each."""

    def preprocess(self, payload: object) -> str | None:
        return path_of(payload)

    def get_block_name(self) -> str:
        return "file"


def keep(content: bytes, name: str) -> Path:
    """Write content as an upload of that name, whole or not at all; returns its path.

    Raises:
        ValueError: if it cannot be written.
    """
    folder = Path(get_upload_folder()).resolve() / hash_bytes(content)
    path, started = folder / name, folder / f".{name}-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            started.write_bytes(content)
            started.rename(path)
    except OSError as error:
        with suppress(OSError):
            started.unlink()
        raise ValueError(NO_ROOM if error.errno in files.NO_ROOM else NOT_KEPT) from error
    return path
