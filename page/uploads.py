"""The program's one temporary folder: what visitors and programs sent, scenes that were drawn, copies that are shown.

Each file is a thing in the store: it goes when nobody used it for a while, or for room.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gradio.utils import get_upload_folder

from page.store import Store

ASSETS = Path(__file__).parent.parent / "assets"
FILE = "file"  # the kind of thing in the store
FOLDER = "GRADIO_TEMP_DIR"  # the variable by which Gradio knows the folder
LONG = 7200.0  # seconds that a file of the page is kept after it was last used
MOST = 4000  # files
SHORT = 120.0  # seconds that a program's file is kept, and an empty folder


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of this program's own for all temporary files, removed in the end.

    Raises:
        ValueError: if the folder for temporary files that was named cannot be used, or there is none.
    """
    names = (FOLDER, "TMPDIR", "TEMP", "TMP")
    named = next(((name, os.environ[name]) for name in names if os.environ.get(name)), None)
    try:
        if named is not None and named[0] == FOLDER:
            Path(named[1]).mkdir(parents=True, exist_ok=True)
        folder = Path(
            tempfile.mkdtemp(prefix=f"elastic-page-{os.getpid()}-", dir=named[1] if named else None)
        ).resolve()
        (folder / "try").write_bytes(b"x" * 4096)
        (folder / "try").unlink()
    except OSError as error:
        where = f"{named[1]} ({named[0]})" if named else str(error.filename or "any of the usual folders")
        reason = error.strerror or str(error)
        raise ValueError(
            f"Temporary files cannot be written to {where}: {reason}. Set TMPDIR to a folder that can be written to."
        ) from error
    # For Gradio, and for whatever else makes temporary files here or in processes that are started from here.
    usual = Path(tempfile.gettempdir())
    os.environ[FOLDER] = os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        remove(folder)
        for empty in (usual / "gradio" / "vibe_edit_history", usual / "gradio"):
            with suppress(OSError):  # Gradio 6.31 makes them when it is imported; others may use them
                empty.rmdir()


def remove(folder: Path) -> None:
    """Delete a folder and what is in it, as far as that is possible."""
    shutil.rmtree(folder, ignore_errors=True)


class Uploads:
    """The files of the temporary folder as things in a store; copies of the bundled pictures are never deleted."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.folder = Path(get_upload_folder())
        self.spared = {path.name: path for kind in ("scenes", "photos") for path in (ASSETS / kind).iterdir()}

    def sweep(self) -> None:
        """Note new files, and forget those that are gone."""
        here = {path: _came(path) for path in self.folder.rglob("*") if path.is_file()}
        for key in self.store.keys(FILE):
            if Path(key[1]) not in here:
                self.store.drop(key)
        for path, came in here.items():
            whose, noted = self._noted(path)
            if came != noted:  # new, or sent once more
                self._note(path, whose, LONG)
        for folder in self.folder.rglob("*"):
            if folder.is_dir() and time.time() - (_came(folder) or time.time()) > SHORT:
                with suppress(OSError):  # mostly: it is not empty
                    folder.rmdir()

    def of_program(self, path: str | None) -> None:
        """A program has sent a file, and is not going to use it for long; unless the page uses it too."""
        if (own := self._own(path)) and self._noted(own)[0] != "page":
            self._note(own, "program", SHORT)

    def used(self, path: str | None) -> None:
        """The page has used a file: it is kept for a while."""
        if own := self._own(path):
            self._note(own, "page", LONG)

    def _noted(self, path: Path) -> tuple[str, float | None]:
        """Who used a file, and when it had come to its place then."""
        return self.store.look((FILE, str(path))) or ("unknown", None)

    def _own(self, path: str | None) -> Path | None:
        """Where a file really is, if that is in the folder: no other is ever deleted."""
        own = Path(path).resolve() if path else None
        return own if own and own.is_relative_to(self.folder) else None

    def _note(self, path: Path, whose: str, seconds: float) -> None:
        with suppress(OSError):
            size, came = path.stat().st_size, _came(path)
            if not self._is_spared(path, size):
                # Even an empty file takes time to be looked after: there is room for MOST of them.
                size = max(size, self.store.limit // MOST)
                key, release = (FILE, str(path)), lambda: _delete(path, came)
                self.store.put(key, (whose, came), size=lambda: size, seconds=seconds, release=release)

    def _is_spared(self, path: Path, size: int) -> bool:
        like = self.spared.get(path.name)
        return like is not None and like.stat().st_size == size and like.read_bytes() == path.read_bytes()


def _came(path: Path) -> float | None:
    """When a file or folder came to its place, or was last changed; None where it is no longer there."""
    try:
        return path.stat().st_ctime
    except OSError:
        return None


def _delete(path: Path, came: float | None) -> None:
    """Delete a file, unless another has come to its place since."""
    with suppress(OSError):
        if _came(path) == came:
            path.unlink()
