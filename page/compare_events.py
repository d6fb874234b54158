"""What the events of the Compare tab do with one model. No layout here."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import gradio as gr

from elastic.fronts import FRONTS
from elastic.options import name_of, read_choice, read_share, write_policy
from elastic.policies import POLICIES
from page.asking import AskedQuestion, SidePolicies
from page.callbacks import Callbacks
from page.comparing import Table, plan_rows, read_budgets, table_csv
from page.incoming import aside, picture_of
from page.job import JobRefused, Progress
from page.pictures import read_tokens
from page.sides import with_links
from page.visitor import TABLE, Visitor

NO_TABLE = "The server no longer holds this table: compare again."
PUT_AWAY = "The table was put away to make room for other visitors: compare again."
GONE = "The server no longer holds this table, as after a restart or hours unused: compare again."
LEFT = "Ended when the page was loaded anew"
NO_PICTURE = "There is no picture yet. Pick an example, draw a scene or upload one."


class CompareEvents:
    """The tables of the visitors; `asking` are the events of the page's two sides."""

    def __init__(self, asking: Callbacks) -> None:
        self.asking, self.model = asking, asking.model
        self.store, self.line = asking.store, asking.line

    def begin(
        self,
        request: gr.Request,
        picture: str | None,
        question: str,
        methods: list[str],
        budgets: list[str],
        tokens: float,
        chosen: SidePolicies,
        bits: list[str] | None = None,
        several: list[str] | None = None,
        picture_tokens: object = 0,
    ) -> tuple[dict, object, gr.Button, gr.Button]:
        """Check what is asked for, and show an empty table that can be stopped, not started again."""
        if self.line.has(_own(request)):
            raise gr.Error("The last table is still being filled. Wait, or press Stop.", print_exception=False)
        try:
            paths = several or [path for path in [picture] if path is not None]
            if not paths:
                raise ValueError(NO_PICTURE)
            plans = plan_rows(methods, read_budgets(budgets), _options(chosen), bits or ())
            if self.model.session:  # else it is looked at once the model is there
                question = self.model.session.checked_question(question)
            for path in paths:
                self.asking.uploads.used(path)
            first, *further = [(path, picture_of(path)) for path in paths]
            most = read_tokens(picture_tokens)
            table = Table(*first, question, int(tokens or 0), plans, further, most)
        except ValueError as error:
            raise gr.Error(str(error), title="Please check", print_exception=False) from error
        Visitor.acting(self.store, request.session_hash).table = table
        table.status = "Waiting for the model"
        buttons = gr.Button(interactive=False), gr.Button("Stop", interactive=True)
        return message(table, running=True), gr.Plot(visible=False), *buttons

    async def run(self, request: gr.Request) -> AsyncIterator[dict]:
        """Fill the visitor's table, row by row; whatever becomes of it, the last that is seen of it is a sentence."""
        table = self._table(request)
        if table is None:
            self._say_if_put_away(request)
            return  # the visitor has left
        table.status = "Starting"
        try:
            steps = table.fill(self.model.watched(table.picture_tokens))
            also = request.session_hash
            job = self.line.join(_own(request), steps, lambda: f"a {table.about}", True, also, TABLE)
            if table.how:  # stopped before there was anything to stop
                self.line.stop(_own(request))
            async with aclosing(self.line.follow(job)) as values:
                async for value in values:
                    if self._table(request) is not table:
                        yield _ended(table, "Put away", "")
                        self._say_if_put_away(request)
                        return  # the visitor has left
                    waiting = {"status": str(value)} if isinstance(value, Progress) else {}
                    yield message(table, running=True) | waiting
        except gr.Error:
            raise
        except JobRefused as error:
            if table.how:  # as its visitor wished
                yield _ended(table, table.how, "")
            else:
                yield _ended(table, "Ended", str(error))
                raise gr.Error(str(error), title="The comparison was ended", print_exception=False) from error
        except ValueError as error:
            yield _ended(table, "Not begun", str(error))
            raise gr.Error(str(error), title="Please check", print_exception=False) from error
        except Exception as error:
            failure = self.asking.broke_off(request.session_hash, error, "The comparison broke off")
            yield _ended(table, "Broke off", str(failure.message))
            raise failure from error

    def _say_if_put_away(self, request: gr.Request) -> None:
        if self._visitor(request).why_lost(TABLE) in ("room", "time"):
            raise gr.Error(PUT_AWAY, title="The table is gone", print_exception=False)

    def _visitor(self, request: gr.Request) -> Visitor:
        return Visitor.known(self.store, request.session_hash)

    def _table(self, request: gr.Request) -> Table | None:
        return self._visitor(request).table

    def stopping(self, request: gr.Request) -> gr.Button:
        """Stop has been pressed; the step that is under way is still finished."""
        if (table := self._table(request)) is not None:
            table.how = "Stopped"
        self.line.stop(_own(request))
        return gr.Button("Stopping …", interactive=False)

    def settle(self, request: gr.Request) -> tuple[object, object, object, object]:
        """After a run, also one that was stopped or broke off: the table as it is, its figure, the buttons."""
        if self.line.has(_own(request)):  # the next one is being filled already
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        buttons = gr.Button(interactive=True), gr.Button("Stop", interactive=False)
        table = self._table(request)
        if table is None:
            return gr.skip(), gr.skip(), *buttons
        if len(table.rows) < len(table.plans):
            table.status = table.stopped_line
        if len(table.measured) < 2:
            return message(table, running=False), gr.Plot(visible=False), *buttons
        # Imported here: plotly takes a while, and most visitors never compare.
        from elastic.evaluate.aggregates import described
        from viz.measures import read_measures
        from viz.quality import one_picture

        figure = one_picture(table.measured, read_measures(described()))
        return message(table, running=False), gr.Plot(figure, visible=True), *buttons

    def come_back(self, question: str, request: gr.Request) -> tuple[object, object, object, object]:
        """The table that a tab had before it was loaded anew, about that `question`; a sentence where it is gone."""
        table = self._table(request)
        if table is None:
            return _gone(question) if question else gr.skip(), gr.skip(), gr.skip(), gr.skip()
        if len(table.rows) < len(table.plans) and table.how != "Stopped":
            table.how, table.why = LEFT, ""
        return self.settle(request)

    def open_row(self, request: gr.Request, event: gr.EventData) -> AskedQuestion:
        """The question that has the full cache and a row's method answer side by side, as the row says.

        Raises:
            gr.Error: if the table is no longer held, or the last question is still being answered.
        """
        if self.line.has(request.session_hash):
            raise gr.Error("Still answering the last question. Wait, or press Stop.", print_exception=False)
        table, number = self._table(request), (event._data or {}).get("row")
        rows = table.rows if table else []
        if not isinstance(number, int) or not 0 < number < len(rows) or rows[number]["refused"]:
            self._say_if_put_away(request)
            raise gr.Error(NO_TABLE, print_exception=False)
        # The question is to be the first of a conversation, as it was here.
        visitor = self._visitor(request)
        visitor.comparison = visitor.current = None
        sides = [write_policy(table.plans[row].policy) for row in (0, number)]
        pictures = {"picture": table.picture, "further": [path for path, _ in table.further]}
        pictures |= {"picture_tokens": table.picture_tokens}
        plan = table.plans[number]
        if plan.front is not None:
            pictures |= {"front": plan.name, "share": plan.keep}
        return AskedQuestion(**pictures, question=table.question, sides=sides, tokens=table.tokens)

    async def compare_all(
        self,
        image: str | None,
        question: str,
        policies: str,
        keeps: str,
        max_new_tokens: float,
        further_images: list[str],
        image_tokens: float,
        bits: str,
        request: gr.Request,
    ) -> list:
        """Answer one question with many policies, the full cache first; `policies` and `keeps` (fractions kept,
        0.05 to 1) are separated by commas. One row of figures for each policy and fraction. Among the policies may be
        visionzip and divprune, which leave picture tokens out before anything is read. `further_images` and
        `image_tokens` are as in `/compare`. With `bits`, as in 8,4,2, policies that can be stored in fewer bits come
        once more for each, at the same bytes."""
        with self.asking.errors_for_programs():
            if image is None:
                raise ValueError("There is no picture. Send one as the first argument.")
            budgets = read_budgets(_parts(keeps), read_share)
            plans = plan_rows(_parts(policies), budgets, {}, _parts(bits))
            opened = []
            for path in (image, *further_images):
                self.asking.uploads.of_program(path)
                opened.append((path, await aside(picture_of, path)))
            first, *further = opened
            table = Table(*first, question, int(max_new_tokens), plans, further, int(image_tokens))
            steps = table.fill(self.model.watched(table.picture_tokens))
            await self.asking.for_program(
                request, steps, lambda: f"a program's {table.about}", by_rows=True, kind=TABLE
            )
        return table.rows


def _options(chosen: SidePolicies) -> dict[str, dict]:
    """Settings by method, of the methods that are sides now; where both are the same, side B's."""
    options = {}
    for policy, of_policy in map(read_choice, chosen.sides):
        options[name_of(policy)] = {name: value for name, value in of_policy.items() if name != "keep"}
    return options


def _own(request: gr.Request) -> str:
    """The name of a visitor's table in the line: the questions he asks meanwhile stand there under his own."""
    return f"{request.session_hash}/table"


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


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


def _gone(question: str) -> dict:
    """What the browser shows where a table was."""
    return {
        "name": "",
        "running": False,
        "status": GONE,
        "total": 1,
        "question": question,
        "picture": "",
        "rows": [],
        "csv": "",
    }


def _ended(table: Table, how: str, why: str) -> dict:
    """The last message of a table that was not filled."""
    table.how, table.why = how, why
    table.status = table.stopped_line
    return message(table, running=False)


def describe(names: list[str]) -> str:
    """What some methods do and where they are from, as Markdown."""
    every = POLICIES | FRONTS
    lines = [f"**{every[name].title}** · {with_links(every[name])}" for name in every if name in names]
    return "\n\n".join(lines) or "Choose a method: what it does stands here."
