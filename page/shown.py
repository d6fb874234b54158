"""The runs a view can show: those of visitors, the recorded ones, and files that were dropped on the page. No torch."""

import base64
import io
import json
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock

from elastic.archive import open_run, save_run, steps_csv
from elastic.trace import Run
from viz import view
from viz.replay import replay_html

TRACES = Path(__file__).parent.parent / "assets" / "traces"
LATE = 1_000_000  # the number of a last message: above that of every other


class Shown:
    """Runs by name, the latest ones only, and which of them each visitor looks at.

    `fetch_steps`, `fetch_layer` and `save` are called by the view in the browser: their arguments may be anything.
    """

    def __init__(self, most: int = 24) -> None:
        self.most = most
        self.lasting: dict[str, Run] = {}  # that are never given up
        self._lock = Lock()
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._looks_at: OrderedDict[str, str] = OrderedDict()

    def put(self, visitor: str, run: Run) -> None:
        """A visitor looks at a run from now on."""
        self.update(run)
        with self._lock:
            self._keep(self._looks_at, visitor, run.name)

    def update(self, run: Run) -> None:
        """The record of a run as it stands now."""
        with self._lock:
            self._keep(self._runs, run.name, run)

    def _keep(self, table: OrderedDict, key: str, value: object) -> None:
        table[key] = value
        table.move_to_end(key)
        while len(table) > self.most:
            table.popitem(last=False)

    def leave(self, visitor: str) -> None:
        """A visitor looks at nothing any more."""
        with self._lock:
            self._looks_at.pop(visitor, None)

    def get(self, name: object) -> Run | None:
        """The run of that name, None where it is no longer held."""
        with self._lock:
            return self.lasting.get(name) or self._runs.get(name) if isinstance(name, str) else None

    def of(self, visitor: str) -> Run | None:
        """The run a visitor looks at."""
        return self.get(self._looks_at.get(visitor))

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
        return json.dumps(view.message(run, seq=0 if since == 0 else 1, since=_number(since), done=done))

    def fetch_layer(self, name: object, layer: object, since: object) -> str | None:
        """What the steps from `since` on looked at in one layer, counted from 0."""
        run = self.get(name)
        if run is None or not 0 <= _number(layer) < run.sides[0].layers:
            return None
        return json.dumps(view.layer(run, _number(layer), _number(since)))

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


def whole(run: Run, line: str, show: dict | None = None) -> dict:
    """The message that shows a finished run at once; `show` as in `view.message`."""
    return view.message(run, LATE, 0, status=line, done=True, show=show)
