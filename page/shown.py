"""The runs a view can show: those of visitors, the recorded ones, and files that were dropped on the page. No torch."""

import base64
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from elastic.record.archive import open_run, save_run
from elastic.record.messages import LATE, Message, Show, as_json, of_layer, of_run
from elastic.record.steps import steps_csv
from elastic.record.trace import Run
from page.store import ON_SCREEN, Store, Visit
from page.visitor import Visitor
from viz.replay import replay_html

TRACES = Path(__file__).parent.parent / "assets" / "traces"
RUN = "run"  # the kind of thing in the store


def held_bytes(run: Run) -> int:
    """Bytes of memory that a run keeps from being freed; in a file that was dropped, most of it may be text."""
    arrays = [value for side in run.sides for value in vars(side).values() if isinstance(value, np.ndarray)]
    # A view holds all of what it is a view of.
    whole = {id(base): base.nbytes for array in arrays for base in [array if array.base is None else array.base]}
    plain = [value for of in (run, *run.sides) for name, value in vars(of).items() if name != "sides"]
    return sum(whole.values()) + sum(map(len, run.pictures)) + _plain_bytes(plain)


def _plain_bytes(value: object) -> int:
    """Bytes of texts and of the lists that hold them: a single emoji makes all letters of a text take four."""
    if isinstance(value, str):
        return sys.getsizeof(value)
    if isinstance(value, dict):
        return sys.getsizeof(value) + _plain_bytes([*value, *value.values()])
    return sys.getsizeof(value) + sum(map(_plain_bytes, value)) if isinstance(value, list | tuple) else 0


class Shown:
    """Runs by name, as the store holds them, and which of them each visitor looks at.

    `fetch_steps`, `fetch_layer` and `save` are called by the view in the browser: their arguments may be anything.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store = Store() if store is None else store
        self.lasting: dict[str, Run] = {}  # that come with the page and are never given up

    def put(self, visitor: str | Visitor, run: Run) -> None:
        """A visitor looks at a run from now on."""
        visitor = Visitor.acting(self.store, visitor) if isinstance(visitor, str) else visitor
        if run.name not in self.lasting:
            self._hold(run, visitor.visit)
        visitor.looks_at = run.name

    def keep(self, visitor: Visitor, run: Run) -> None:
        """Hold a run that the visitor may come to look at."""
        self._hold(run, visitor.visit)

    def update(self, run: Run) -> None:
        """The record of a run as it stands now, if it is still held."""
        visit = self.store.visit_of((RUN, run.name))
        if visit is not None:
            self._hold(run, visit)

    def _hold(self, run: Run, visit: Visit) -> None:
        size = held_bytes(run)
        self.store.put((RUN, run.name), run, visit, size=lambda: size, seconds=ON_SCREEN)

    def get(self, name: object) -> Run | None:
        """The run of that name, None where it is no longer held."""
        if not isinstance(name, str):
            return None
        return self.lasting.get(name) or self.store.get((RUN, name))

    def of(self, visitor: str) -> Run | None:
        """The run a visitor looks at."""
        return self.get(Visitor.known(self.store, visitor).looks_at)

    def server_functions(self) -> list[Callable]:
        """What the view calls, as plain functions: Gradio puts a mark on them, which methods cannot carry."""

        # Gradio 6.31 hands over all arguments as one list.
        def fetch_steps(asked: list) -> str | None:
            return self.fetch_steps(*_some(asked, 2))

        def fetch_layer(asked: list) -> str | None:
            return self.fetch_layer(*_some(asked, 3))

        def save(asked: list) -> str | None:
            return self.save(*_some(asked, 2))

        return [fetch_steps, fetch_layer, save]

    def fetch_steps(self, name: object, since: object) -> str | None:
        """A message with the steps of a run from number `since` on, for a view that missed some."""
        run = self.get(name)
        if run is None or not run.sides:
            return None
        done = all(side.finish != "running" for side in run.sides)
        return as_json(of_run(run, seq=0 if since == 0 else 1, since=_number(since), done=done))

    def fetch_layer(self, name: object, layer: object, since: object) -> str | None:
        """What the steps from `since` on looked at in one layer, counted from 0."""
        run = self.get(name)
        if run is None or not 0 <= _number(layer) < run.sides[0].layers:
            return None
        return as_json(of_layer(run, _number(layer), _number(since)))

    def save(self, name: object, kind: object) -> str | None:
        """A run as a file to take home: kind `trace`, `csv` or `html`; JSON with its name, type and content."""
        run = self.get(name)
        if run is None or kind not in ("trace", "csv", "html"):
            return None
        stem = re.sub(r"[^\w.]+", "-", f"elastic-{run.sides[0].model}-{run.name[:24]}").strip("-.")
        if kind == "trace":
            file = io.BytesIO()
            save_run(run, file)
            ending, mime, content = "zip", "application/zip", file.getvalue()
        elif kind == "csv":
            ending, mime, content = "csv", "text/csv", steps_csv(run).encode()
        else:
            ending, mime, content = "html", "text/html", replay_html(run).encode()
        return json.dumps({"name": f"{stem}.{ending}", "type": mime, "data": base64.b64encode(content).decode()})


def _some(asked: object, count: int) -> list:
    """That many arguments, whatever a browser sent."""
    return (asked + [None] * count)[:count] if isinstance(asked, list) else [asked] + [None] * (count - 1)


def _number(value: object) -> int:
    return max(0, int(value)) if isinstance(value, int | float) and abs(value) < 1e9 else 0


def recordings() -> list[dict]:
    """The recorded runs that come with the page: name, title, about, and what the view shows first."""
    return json.loads((TRACES / "traces.json").read_text(encoding="utf-8"))


def recording(name: str) -> tuple[Run, dict]:
    """A recorded run, whose link is what would ask it again, and its entry in the list.

    Raises:
        ValueError: if there is none of that name.
    """
    listed = {entry["name"]: entry for entry in recordings()}
    if name not in listed:
        raise ValueError(f"There is no recorded run named {name[:60]!r}. Choose one of: {', '.join(listed)}.")
    # Every visitor's copy has the same name: it is the same run.
    return replace(open_run(TRACES / f"{name}.zip"), name=name), listed[name]


def whole(run: Run, line: str, show: Show | None = None) -> Message:
    """The message that shows a finished run at once."""
    return of_run(run, LATE, 0, status=line, done=True, show=show)
