"""Files are written whole: what is written takes the name of the file once all of it is on the disk.

Who reads, at any time, finds the file as it was or as it is to be; a disk that is full or a process that is killed
leaves the one before. Whatever goes wrong is one sentence, and can be known before the work: `writable`.
"""

import argparse
import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

PART = ".part"  # ending of what is not whole yet
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# What to do where a file cannot be written, by the reasons that the system gives.
ADVICE = {
    NO_ROOM: "Make room there, or name another path.",
    (errno.EFBIG,): "No file may become that large there: name a path on another disk, or raise the limit.",
    (errno.EACCES, errno.EPERM): "This user may not write there: change the rights, or name another path.",
    (errno.EROFS,): "That disk can only be read: name a path on another one.",
    (errno.ENOTDIR, errno.EEXIST): "A part of the path is no folder but a file: name another path.",
    (errno.EISDIR,): "Name a file in it.",
    (errno.ENAMETOOLONG,): "Give a shorter name.",
    (errno.ENXIO,): "Nobody reads there: begin to, or name another path.",
}


def writable(path: Path) -> Path:
    """The path of a file that can be written, in a folder that is there from now on; what lies there is not touched.

    Raises:
        ValueError: if it cannot be written, as far as that can be known before.
    """
    try:
        if not _is_plain(path):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # a pipe that nobody reads must not keep us waiting
            return path
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "the file is write-protected")
        _probe(path.resolve().parent)
    except (OSError, ValueError) as error:
        raise ValueError(_sentence(path, error)) from error
    return path


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the name `path` when all went well; otherwise what was there stays.

    What is no file in a folder, such as /dev/stdout, is written to directly.

    Raises:
        ValueError: if it cannot be written.
    """
    try:
        if not _is_plain(path):
            with path.open("wb") as file:
                yield file
            return
        path = path.resolve()  # a link goes on pointing where it points
        path.parent.mkdir(parents=True, exist_ok=True)
        with _part(path.parent) as part:
            try:
                yield part
                _to_disk(part)
                Path(part.name).chmod(_mode(path))
                Path(part.name).replace(path)
            except BaseException:
                with suppress(OSError):
                    Path(part.name).unlink()
                raise
    except OSError as error:
        raise ValueError(_sentence(path, error)) from error


def write(path: Path, content: str | bytes) -> None:
    """Write a whole file; text as UTF-8.

    Raises:
        ValueError: if it cannot be written.
    """
    with whole(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def append(path: Path, end: int, content: bytes) -> int:
    """Write behind the first `end` bytes of a file, in place of what is there; returns where it ends now.

    Raises:
        ValueError: if it cannot be written; then the file ends at `end`.
    """
    try:
        with path.open("r+b", buffering=0) as file:
            file.truncate(end)
            file.seek(end)
            try:
                left = memoryview(content)
                while left:
                    left = left[file.write(left) :]
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise ValueError(_sentence(path, error)) from error
    return end + len(content)


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Keep a file, and what is written beside it, to this process; the claim ends with the process, however it ends.

    Raises:
        ValueError: if another process has it.
    """
    real = path.resolve()  # which is what is written: two links to a file are one file
    lock = FileLock(real.with_name(f".{real.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(f"{path} is in use by another run: wait until it has ended, or write elsewhere.") from error
    except OSError as error:
        raise ValueError(_sentence(path, error)) from error
    try:
        yield
    finally:
        lock.release()


def out_file(text: str) -> Path:
    """The file that an option names, checked before the work is done that it is for: a `type` for argparse."""
    try:
        return writable(Path(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def out_folder(text: str) -> Path:
    """The folder that an option names, which is there from now on and can be written to: a `type` for argparse."""
    try:
        _probe(Path(text))
    except OSError as error:
        raise argparse.ArgumentTypeError(_sentence(Path(text), error)) from error
    return Path(text)


@contextmanager
def one_sentence() -> Iterator[None]:
    """The end of a program, which says what was wrong and no more."""
    try:
        yield
    except ValueError as error:
        sys.exit(f"error: {error}")


def _probe(folder: Path) -> None:
    """Make a folder and see that files can be written in it: a full disk makes files, but takes nothing into them."""
    folder.mkdir(parents=True, exist_ok=True)
    with _part(folder) as part:
        try:
            part.write(b"\0")
            _to_disk(part)
        finally:
            Path(part.name).unlink()


def _is_plain(path: Path) -> bool:
    """Whether a path is that of a file, or of nothing yet; False for what is no file in a folder.

    Raises:
        OSError: if it is a folder, or no path at all.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return True
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    return stat.S_ISREG(mode)


def _part(folder: Path) -> IO[bytes]:
    return tempfile.NamedTemporaryFile("w+b", dir=folder, prefix=".", suffix=PART, delete=False)


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _mode(path: Path) -> int:
    """The rights of the file that is there, or of a new one: those of a temporary one are its owner's only."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0o077)  # to be read it must be set; what another thread makes meanwhile is rather too private
    os.umask(mask)
    return 0o666 & ~mask


def _sentence(path: Path, error: Exception) -> str:
    number, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
    advice = next((advice for numbers, advice in ADVICE.items() if number in numbers), "Name another path.")
    return f"{path} cannot be written ({reason or error}); what is there stays as it was. {advice}"
