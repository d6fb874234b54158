"""A thread that gives up what nobody needs any more, on a quiet server too: visitors who are gone, sessions, files.

What visitors leave in the insides of Gradio 6.31 is taken away here; calls that were refused: see `refusals`.
"""

import ctypes
import gc
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import gradio as gr
from gradio.routes import file_upload_statuses

from page.arriving import SECONDS
from page.line import Line
from page.listening import Listening
from page.store import Store
from page.uploads import Uploads
from page.visitor import REMADE

EVERY = 4.0  # seconds
ABSENT = 18.0  # seconds without a connection after which a visitor is gone
MANY = 500  # names of files that Gradio keeps, until it is worth looking at them
PROGRESS, PROGRESS_BYTES = "progress", 10_000  # how far an upload is, which Gradio keeps for who never asks
SESSION, SESSION_BYTES = "session", 500_000  # what Gradio keeps of a visitor: a copy of the page's whole configuration


class Sweeper:
    """Sweeps a store every few seconds; without a `line` nothing is ever under way for a visitor."""

    def __init__(
        self, store: Store, listening: Listening, uploads: Uploads, line: Line | None, page: gr.Blocks
    ) -> None:
        self.store, self.listening, self.uploads, self.line, self.page = store, listening, uploads, line, page
        self._done = (0, 0)
        self._stop = threading.Event()

    def start(self) -> None:
        """Sweep from now on."""
        threading.Thread(target=self._work, name="sweeper", daemon=True).start()

    def stop(self) -> None:
        """Sweep no more."""
        self._stop.set()

    def _work(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self.sweep()
            except Exception:  # the next sweep may succeed, and without any everything fills up
                traceback.print_exc()

    def sweep(self) -> None:
        """One sweep."""
        self._visitors()
        self._sessions()
        self._progress()
        self.uploads.sweep()
        self._files()
        self.store.sweep()
        # What was asked for holds memory until it is over, also where its visitor has left before.
        done = self.store.released, 0 if self.line is None else self.line.ended
        if done != self._done:
            self._done = done
            # A GPU must not be asked for memory back in the midst of a step.
            free_memory() if self.line is None else self.line.between(free_memory)

    def _is_here(self, name: str) -> bool:
        return self.listening.is_there(name) or (self.line is not None and self.line.has_visitor(name))

    def _visitors(self) -> None:
        """End the visits of those who have gone without a word."""
        for visit in self.store.visits():
            if self._is_here(visit.name):
                visit.used = self.store.clock()
            elif self.store.clock() - visit.used > ABSENT:
                self.store.leave(visit.name, REMADE)

    def _sessions(self) -> None:
        """Make Gradio's sessions things in the store, each to go soon after its visitor has."""
        app, queue = self.page.app, self.page._queue
        names = {*list(app.state_holder.session_data), *list(queue.pending_messages_per_session)}
        for name in names | set(queue.pending_event_ids_session):
            key = (SESSION, name)
            if key not in self.store:
                self.store.put(
                    key, name, size=lambda: SESSION_BYTES, seconds=ABSENT, release=lambda name=name: self._end(name)
                )
            elif self._is_here(name):
                self.store.get(key)

    def _progress(self) -> None:
        """Make what Gradio notes of uploads things in the store, each to go when its upload must be over."""
        for name in {*list(file_upload_statuses._statuses), *list(file_upload_statuses._signals)}:
            if (PROGRESS, name) not in self.store:
                release = lambda name=name: self._in_server(self._forget_progress, name)  # noqa: E731
                size = lambda: PROGRESS_BYTES  # noqa: E731
                self.store.put((PROGRESS, name), name, size=size, seconds=2 * SECONDS, release=release)

    def _forget_progress(self, name: str) -> None:
        file_upload_statuses.stop_tracking(name)
        file_upload_statuses._signals.pop(name, None)

    def _in_server(self, function: Callable[[str], None], name: str) -> None:
        """Have something done in the thread of the server, which uses the same tables."""
        if self.listening.loop is not None:
            self.listening.loop.call_soon_threadsafe(function, name)

    def _files(self) -> None:
        """Let Gradio forget the names of files that are gone."""
        if self.listening.loop is not None and any(len(names) > MANY for names in self.page.temp_file_sets):
            self.listening.loop.call_soon_threadsafe(self._forget_files)

    def _forget_files(self) -> None:
        for names in self.page.temp_file_sets:
            names.intersection_update([name for name in names if Path(name).exists()])

    def _end(self, name: str) -> None:
        """Let Gradio forget a session."""
        if not self._is_here(name):
            self._in_server(self._forget, name)

    def _forget(self, name: str) -> None:
        app, queue = self.page.app, self.page._queue
        if self._is_here(name):
            return
        app.state_holder.session_data.pop(name, None)
        app.state_holder.time_last_used.pop(name, None)
        queue.pending_messages_per_session.pop(name, None)
        queue.pending_event_ids_session.pop(name, None)
        # Marks of those that were stopped, which Gradio takes away only where they go on once more.
        app.iterators_to_reset.intersection_update(queue.event_ids_to_events)
        for streams in (self.page.pending_streams, self.page.pending_diff_streams):
            streams.pop(name, None)


def free_memory() -> None:
    """Give memory back that is used no more: caches refer to themselves, and GPUs and processes keep what they had."""
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library gives it back by itself, or not at all
        ctypes.CDLL(None).malloc_trim(0)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
