"""Read files that may be anything: regular ones only, and never more than was meant."""

import io
import os
import stat
from pathlib import Path


def read_file(path: str | Path, most: int) -> bytes:
    """The content of a regular file; a device or a pipe, which may never end, is not even opened.

    Raises:
        ValueError: if there is no such file, or it has more than `most` bytes; one sentence.
    """
    try:
        # Looked at first: opening alone can have effects. And again once open: it may have been exchanged.
        _refuse_special(Path(path).stat())
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb") as file:
            return read_open(file, most)
    except OSError as error:
        raise ValueError("There is no such file, or it cannot be read. Choose another one.") from error


def read_open(file: io.BufferedReader, most: int) -> bytes:
    """The content of a file that is open.

    Raises:
        ValueError: if it is no regular file, or has more than `most` bytes; one sentence.
    """
    _refuse_special(os.fstat(file.fileno()))
    content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"The file has more than the {most / 1e6:,.0f} MB that are read. Save a smaller copy of it.")
    return content


def _refuse_special(known: os.stat_result) -> None:
    if not stat.S_ISREG(known.st_mode):
        raise ValueError("This is no file but a folder or a device. Choose a file.")
