"""What the page's events do. No layout here."""

import time
import traceback
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager, suppress

import gradio as gr
from gradio.context import LocalContext
from PIL.Image import Image

from elastic.events import Answering, Ended
from elastic.options import build_policy, read_policy
from elastic.policies import Policy
from elastic.record import messages
from elastic.record.messages import Message
from elastic.record.trace import first_difference
from page.asking import AskedQuestion
from page.conversing import begun, going_on, opened
from page.endings import FORGOTTEN, NOT_ASKED, NOT_BEGUN, Latest, explain, how_it_ended, line_of, out_of_memory
from page.incoming import aside, picture_of
from page.job import JobRefused, Steps, Waiting
from page.line import LONGEST_STEP
from page.links import link_of
from page.model import Model
from page.pictures import capped
from page.shown import Shown
from page.uploads import Uploads
from page.visitor import CONVERSATION, Coming, Visitor, Wish

UPDATES_PER_SECOND = 8  # more make the browser slower, not the answers faster
WORTH_SAYING = 0.5  # seconds in line
UNHEARD = 30.0  # seconds after which a browser does not expect to hear of a question any more


class Callbacks:
    """What the page's events do with one model; what is to be seen goes to `shown`, what is held is in its store.

    Whatever becomes of a question, the last that its visitor sees of it is a sentence.
    """

    def __init__(self, model: Model, shown: Shown) -> None:
        self.model, self.shown = model, shown
        self.store, self.line, self.uploads = shown.store, model.line, Uploads(shown.store)

    def begin(self, request: gr.Request, moment: float | None = None) -> tuple[Message, gr.Button, gr.Button]:
        """While a run goes on it can be stopped, not started again; `moment` is when, by the browser's clock."""
        self._refuse_a_second(request.session_hash)
        visitor = Visitor.acting(self.store, request.session_hash)
        visitor.wish, visitor.begun, visitor.under_way = None, moment or 0.0, Coming.PRESSED
        return messages.of_status("Asking", UNHEARD), gr.Button(interactive=False), gr.Button(interactive=True)

    def _refuse_a_second(self, visitor: str) -> None:
        if self.line.has(visitor):
            raise gr.Error("Still answering the last question. Wait, or press Stop.", print_exception=False)

    def stop(self, request: gr.Request) -> None:
        """End a run within a step; one that is only about to begin is not begun."""
        self._wish(request.session_hash, Wish.STOP)

    def step_aside(self, name: str) -> None:
        """Return when nothing of a run that goes on is shown any more: the visitor looks at another one now."""
        self._wish(name, Wish.ASIDE, LONGEST_STEP)

    def _wish(self, name: str, wish: Wish, seconds: float = 0.0) -> None:
        visitor = Visitor.known(self.store, name)
        if visitor.under_way:
            visitor.wish = wish
            self.line.stop(name, seconds)

    def leave(self, request: gr.Request) -> None:
        """A closed tab frees its caches."""
        self.store.leave(request.session_hash)

    async def ask(self, request: gr.Request, asked: AskedQuestion) -> AsyncIterator[Message | None]:
        """Run one question on both sides, about eight messages for the view a second."""
        name, latest = request.session_hash, Latest()
        self._refuse_a_second(name)
        visitor = Visitor.known(self.store, name)
        visitor.under_way = Coming.ASKED
        yield messages.of_status("Starting" if self.model.ready.is_set() else "Waiting for the model to load")
        try:
            steps = await self._asked(visitor, asked, latest)
            job = self.line.join(name, steps, lambda: "somebody's question")
            if visitor.wish:  # stopped before there was anything to stop
                self.line.stop(name)
            async with aclosing(self.line.follow(job)) as values:
                async for value in values:
                    yield messages.of_status(value) if isinstance(value, Waiting) else value
        except JobRefused as error:
            wish = visitor.wish
            if wish is Wish.STOP:
                yield latest.ended(f"{how_it_ended(latest.run)}." if latest.run else NOT_BEGUN)
            elif wish is Wish.ANEW:
                yield None  # whatever of it came after the view was emptied
            elif wish is None:
                yield latest.ended(str(error))
                raise gr.Error(str(error), title="The run was ended", print_exception=False) from error
        except ValueError as error:
            yield latest.ended(str(error))
            raise gr.Error(str(error), title="Please check", print_exception=False) from error
        except Exception as error:
            failure = self.broke_off(name, error, "The run broke off")
            yield latest.ended(explain(error))
            raise failure from error
        finally:
            visitor.under_way = visitor.wish = None

    async def _asked(self, visitor: Visitor, asked: AskedQuestion, latest: Latest) -> Iterator[Message | None]:
        """The steps of an answer, in the conversation that the question goes on with, or in a new one.

        Raises:
            ValueError: if there is no picture, or one cannot be read, or a policy cannot be made.
        """
        paths = asked.pictures
        if not paths:
            raise ValueError("There is no picture yet. Pick an example, draw a scene or upload one.")
        policies = [read_policy(side) for side in asked.sides]
        for path in paths:
            self.uploads.used(path)
        comparison = going_on(visitor.conversation, asked, policies)
        known = len(comparison.source) if comparison else 0
        new = await aside(opened, paths[known:], self.model.name is None)
        if comparison is None:
            latest.note = FORGOTTEN.get(visitor.why_lost(CONVERSATION), "")
        if latest.note:
            gr.Warning(latest.note, title="A new conversation")
        # A conversation's later questions cannot be asked by an address: it would begin a new one.
        example = new[0][1] if comparison is None and len(new) == 1 else None
        link = link_of(example, asked.question, policies, asked.before_question, asked.picture_tokens)
        pictures = [picture for picture, _ in new]

        def started() -> object:
            """The conversation that it goes on with, or a new one; once the model is there."""
            found = begun(self.model, asked, policies, pictures) if comparison is None else comparison
            found.link, found.note = link, latest.note
            return found

        return self._answer(visitor.name, started, asked, latest, [] if comparison is None else pictures)

    def broke_off(self, name: str, error: Exception, title: str) -> gr.Error:
        """What a visitor should read of a run that failed; his conversation is freed, all where memory ran out."""
        traceback.print_exception(error)
        Visitor.known(self.store, name).conversation = None
        if out_of_memory(error):
            self.store.drop_kind(CONVERSATION)
        return gr.Error(explain(error), title=title, print_exception=False)

    def _answer(
        self,
        name: str,
        started: Callable[[], object],
        asked: AskedQuestion,
        latest: Latest,
        pictures: list[Image],
    ) -> Iterator[Message | None]:
        """The steps of an answer, with messages for the view between them; the visitor is there when they begin.

        `pictures` are those that come with a later question.
        """
        comparison, visitor = started(), Visitor.acting(self.store, name)
        visitor.conversation = comparison
        number, sent, due = 0, 0, 0.0
        try:
            wanted = asked.question, asked.tokens, asked.temperature, asked.seed, asked.before_question
            source = asked.pictures[len(comparison.source) :] if pictures else ()
            with closing(comparison.ask(*wanted, pictures, source)) as events:
                for event in events:
                    if not isinstance(event, Answering):
                        yield messages.of_status(line_of(event))
                    elif time.monotonic() >= due and not isinstance(event, Ended):
                        run = latest.run = event.record()
                        self.shown.put(visitor, run) if not number else self.shown.update(run)
                        yield messages.of_run(run, number, sent, status=line_of(event))
                        # What a side that has ended wrote is sent; only those that go on have more to come.
                        going_on = [side.steps for side in run.sides if side.finish == "running"]
                        number, sent = number + 1, min(going_on, default=sent)
                        due = time.monotonic() + 1 / UPDATES_PER_SECOND
                    else:
                        yield None
        except BaseException:
            if latest.run:  # ended in the midst: what was written since it was last seen belongs to it
                with suppress(Exception):  # after a failure there may be no more to be had
                    latest.run = comparison.record()
                    self.shown.update(latest.run)
            raise
        if self.line.waited > WORTH_SAYING:
            comparison.note = f"{comparison.note} It waited {self.line.waited:.1f} s in line for the model.".strip()
        if visitor.conversation is comparison:
            visitor.conversation = comparison  # as large as it has become
        # The whole record of the turn, so that a view that missed messages is complete again.
        run = event.record()
        self.shown.update(run)
        said = " ".join(filter(None, (comparison.beyond_share, comparison.note)))
        status = f"{how_it_ended(run)}. {said}" if said else how_it_ended(run)
        yield messages.of_run(run, messages.LATE, 0, status=status, done=True)

    def settle(self, request: gr.Request) -> tuple[object, object, object]:
        """After a run, however it ended: the buttons as they were; a sentence if it never came here."""
        visitor = Visitor.known(self.store, request.session_hash)
        if self.line.has(visitor.name):  # a second question was refused, or the next one is being answered already
            return gr.skip(), gr.skip(), gr.skip()
        value = messages.of_status(NOT_ASKED) if visitor.under_way is Coming.PRESSED else gr.skip()
        visitor.under_way = None
        return value, gr.Button(interactive=True), gr.Button(interactive=False)

    def forget(
        self, request: gr.Request, moment: float | None = None, several: list[str] | None = None
    ) -> tuple[object, object, object]:
        """Begin anew: what goes on is ended, the visitor's caches are freed, the view is emptied.

        A question that was asked after that `moment`, by the browser's clock, has overtaken this and is left alone.
        Where there are `several` pictures, what has come is one more of them, and nothing is forgotten.
        """
        if several:
            return gr.skip(), gr.skip(), gr.skip()
        visitor = Visitor.known(self.store, request.session_hash)
        earlier = visitor.conversation
        if not _is_overtaken(visitor, moment):
            self._wish(visitor.name, Wish.ANEW, LONGEST_STEP)
            if visitor.conversation is earlier:
                visitor.conversation = None
        if _is_overtaken(visitor, moment):  # perhaps only now
            return gr.skip(), gr.skip(), gr.skip()
        visitor.looks_at = None
        return None, gr.Button(interactive=True), gr.Button(interactive=False)

    async def compare(
        self,
        image: str | None,
        question: str,
        policy_a: str,
        policy_b: str,
        keep: float,
        max_new_tokens: float,
        compress_before_question: bool,
        further_images: list[str],
        image_tokens: float,
        request: gr.Request,
    ) -> tuple[str, str, dict]:
        """Answer one question with two policies; `keep` is the fraction kept, 0 < keep <= 1. The cache is compressed
        after the question was read, or, with `compress_before_question`, before it. Where the model can, the question
        is about `further_images` as well, and each has at most `image_tokens` tokens (0: as the model likes)."""
        with self.errors_for_programs():
            if image is None:
                raise ValueError("There is no picture. Send one as the first argument.")
            policies = [build_policy(name, keep, {}) for name in (policy_a, policy_b)]
            pictures = []
            for path in (image, *further_images):
                self.uploads.of_program(path)
                pictures.append(await aside(picture_of, path))
            wanted = question, int(max_new_tokens), compress_before_question
            steps = self._compared(pictures, int(image_tokens), policies, *wanted)
            return await self.for_program(request, steps, lambda: "a program's question")

    def _compared(
        self,
        pictures: list[Image],
        picture_tokens: int,
        policies: list[Policy],
        question: str,
        tokens: int,
        before_question: bool,
    ) -> Generator[None, None, tuple[str, str, dict]]:
        comparison = self.model.session.Comparison(capped(self.model.llava, picture_tokens), pictures, policies)
        with closing(comparison.ask(question, tokens, before_question=before_question)) as events:
            for _ in events:
                yield
        a, b = comparison.record().sides
        figures = {"model": a.model, "first_difference": first_difference(a, b), "a": a.figures(), "b": b.figures()}
        return a.answer, b.answer, figures

    async def for_program(
        self, request: gr.Request, steps: Steps, about: Callable[[], str], by_rows: bool = False
    ) -> object:
        """What a program's steps come to, as long as it listens: by its session, or by the number of the call."""
        job = self.line.join(request.session_hash, steps, about, by_rows, also=LocalContext.event_id.get(None) or "")
        return await self.line.result(job)

    @contextmanager
    def errors_for_programs(self) -> Iterator[None]:
        """What goes wrong reaches a program as one sentence."""
        try:
            yield
        except gr.Error:
            raise
        except (JobRefused, ValueError, TypeError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            raise self.broke_off("", error, "Error") from error


def _is_overtaken(visitor: Visitor, moment: float | None) -> bool:
    return moment is not None and (visitor.begun or 0.0) >= moment
