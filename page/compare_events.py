"""What the events of the Compare tab do with one model. No layout here."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from threading import Lock

import gradio as gr

from elastic.policies import POLICIES
from page.callbacks import Callbacks, explain, out_of_memory
from page.comparing import HIGH, LOW, Table, plan_rows, read_budgets, table_csv
from page.controls import with_links
from page.incoming import picture_of

NO_PICTURE = "There is no picture yet. Pick an example, draw a scene or upload one."


class CompareEvents:
    """The tables of the visitors, the latest ones only; `asking` are the events of the page's two sides."""

    def __init__(self, asking: Callbacks, most: int = 24) -> None:
        self.asking, self.model, self.keys, self.most = asking, asking.model, asking.option_names, most
        self._lock = Lock()
        self._tables: OrderedDict[str, Table] = OrderedDict()
        self.busy: set[str] = set()  # visitors whose table is being filled

    def begin(
        self,
        request: gr.Request,
        picture: str | None,
        question: str,
        methods: list[str],
        budgets: list[str],
        tokens: float,
        *names_and_options: object,
    ) -> tuple[dict, object, gr.Button, gr.Button]:
        """Check what is asked for, and show an empty table that can be stopped, not started again."""
        if request.session_hash in self.busy:
            raise gr.Error("The last table is still being filled. Wait, or press Stop.", print_exception=False)
        try:
            if picture is None:
                raise ValueError(NO_PICTURE)
            plans = plan_rows(methods, read_budgets(budgets), self._options(names_and_options))
            if self.model.session:  # else it is looked at once the model is there
                question = self.model.session.checked_question(question)
            table = Table(picture, picture_of(picture), question, int(tokens or 0), plans)
        except ValueError as error:
            raise gr.Error(str(error), title="Please check", print_exception=False) from error
        with self._lock:
            self._tables[request.session_hash] = table
            self._tables.move_to_end(request.session_hash)
            while len(self._tables) > self.most:
                self._tables.popitem(last=False)
        self.busy.add(request.session_hash)
        table.status = "Waiting for the model"
        buttons = gr.Button(interactive=False), gr.Button("Stop", interactive=True)
        return message(table, running=True), gr.Plot(visible=False), *buttons

    def _options(self, names_and_options: tuple) -> dict[str, dict]:
        """Settings by method, of the methods that are sides now; where both are the same, side B's."""
        names, values = names_and_options[:2], names_and_options[2:]
        options = {}
        for (side, policy, field), value in zip(self.keys, values, strict=True):
            if names[side] == policy:
                options.setdefault(policy, {})[field] = value
        return options

    def run(self, request: gr.Request) -> Iterator[dict]:
        """Fill the visitor's table, row by row."""
        self.model.wait()
        table = self._tables[request.session_hash]
        try:
            with closing(self.model.in_turn(table.fill(self.model.llava))) as progress:
                for _ in progress:
                    if self._tables.get(request.session_hash) is not table:
                        return  # the visitor has left
                    yield message(table, running=True)
        except ValueError as error:
            table.how = "Not begun"
            raise gr.Error(str(error), title="Please check", print_exception=False) from error
        except (MemoryError, RuntimeError) as error:
            table.how = "Broke off"
            self.model.sessions.drop(request.session_hash)
            if out_of_memory(error):
                self.model.sessions.drop_all()
            raise gr.Error(explain(error), title="The comparison broke off", print_exception=False) from error

    def stopping(self) -> gr.Button:
        """Stop has been pressed; the row that is being measured is still finished."""
        return gr.Button("Stopping …", interactive=False)

    def settle(self, request: gr.Request) -> tuple[object, object, gr.Button, gr.Button]:
        """After a run, also one that was stopped or broke off: the table as it is, its figure, the buttons."""
        self.busy.discard(request.session_hash)
        buttons = gr.Button(interactive=True), gr.Button("Stop", interactive=False)
        table = self._tables.get(request.session_hash)
        if table is None:
            return gr.skip(), gr.skip(), *buttons
        if len(table.rows) < len(table.plans):
            table.status = table.stopped_line
        if len(table.measured) < 2:
            return message(table, running=False), gr.Plot(visible=False), *buttons
        # Imported here: plotly takes a while, and most visitors never compare.
        from viz.quality import one_picture

        return message(table, running=False), gr.Plot(one_picture(table.measured), visible=True), *buttons

    def leave(self, request: gr.Request) -> None:
        """A closed tab takes its table along."""
        self.busy.discard(request.session_hash)
        with self._lock:
            self._tables.pop(request.session_hash, None)

    def open_row(self, picture: str | None, request: gr.Request, event: gr.EventData) -> dict[str, object]:
        """What the inputs must be for the full cache and a row's method to answer side by side, as the row says.

        Raises:
            gr.Error: if the table is no longer held, or the last question is still being answered.
        """
        if request.session_hash in self.asking.busy:
            raise gr.Error("Still answering the last question. Wait, or press Stop.", print_exception=False)
        table, number = self._tables.get(request.session_hash), (event._data or {}).get("row")
        rows = table.rows if table else []
        if not isinstance(number, int) or not 0 < number < len(rows) or rows[number]["refused"]:
            raise gr.Error("The server no longer holds this table: compare again.", print_exception=False)
        if self.model.sessions:
            # The question is to be the first of a conversation, as it was here.
            self.model.sessions.drop(request.session_hash)
        plan = table.plans[number]
        settings = [
            getattr(plan.policy, field) if (side, policy) == (1, plan.name) else gr.skip()
            for side, policy, field in self.keys
        ]
        return {
            "picture": gr.skip() if picture == table.picture else table.picture,
            "question": table.question,
            "keep": gr.skip() if plan.keep is None else plan.keep * 100,
            "tokens": table.tokens,
            "names": ["full", plan.name],
            "settings": settings,
        }

    def compare_all(self, image: str | None, question: str, policies: str, keeps: str, max_new_tokens: float) -> list:
        """Answer one question with many policies, the full cache first; `policies` and `keeps` (fractions kept,
        0.05 to 1) are separated by commas. One row of figures for each policy and fraction."""
        self.model.wait()
        try:
            if image is None:
                raise ValueError("There is no picture. Send one as the first argument.")
            budgets = read_budgets(map(_percent, _parts(keeps)))
            plans = plan_rows(_parts(policies), budgets, {})
            table = Table(image, picture_of(image), question, int(max_new_tokens), plans)
            for _ in self.model.in_turn(table.fill(self.model.llava)):
                pass
        except (ValueError, TypeError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        except (MemoryError, RuntimeError) as error:
            raise gr.Error(explain(error), print_exception=False) from error
        return table.rows


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _percent(text: str) -> str:
    try:
        fraction = float(text)
    except ValueError:
        fraction = math.nan
    if not LOW / 100 <= fraction <= HIGH / 100:
        raise ValueError(f"{text[:20]!r} is no fraction of the cache. Give numbers from 0.05 to 1, such as 0.5,0.2.")
    return f"{fraction * 100:.10g}"


def message(table: Table, running: bool) -> dict:
    """What the browser shows of a table; the whole of it each time, so that none can be missed."""
    return {
        "name": table.name,
        "running": running,
        "status": table.status,
        "total": len(table.plans),
        "question": table.question,
        "picture": table.thumbnail,
        "rows": table.rows,
        "csv": "" if running else table_csv(table.rows),
    }


def describe(names: list[str]) -> str:
    """What some methods do and where they are from, as Markdown."""
    lines = [f"**{POLICIES[name].title}** · {with_links(POLICIES[name])}" for name in POLICIES if name in names]
    return "\n\n".join(lines) or "Choose a method: what it does stands here."
