"""What the page's events do. No layout here."""

import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress

import gradio as gr
from gradio.context import LocalContext

from elastic.options import build_policy
from elastic.record import messages
from elastic.record.messages import Message
from page.answer import Answer
from page.asking import AskedQuestion, front_before, policy_of, reused
from page.coming import coming_of
from page.compared import compared
from page.controls import example_of
from page.conversing import Conversation, opened, place_of
from page.endings import (
    BACK,
    FORGOTTEN,
    NO_RUN,
    NOT_ASKED,
    PUT_AWAY,
    READ_AGAIN,
    Latest,
    explain,
    out_of_memory,
)
from page.erased import ErasedAnswer
from page.following import Following
from page.incoming import aside, picture_of
from page.job import JobRefused, Progress, Steps
from page.line import LONGEST_STEP
from page.links import link_of
from page.model import Model
from page.pending import Pending
from page.shown import Shown
from page.uploads import Uploads
from page.visitor import CACHES, CONVERSATIONS, REMADE, UnderWay, Visitor
from page.waiting import LOADING, STARTING
from page.wish import Wish

ASKING = Progress("Asking")
UNHEARD = 30.0  # seconds after which a browser does not expect to hear of a question any more


class Callbacks:
    """What the page's events do with one model; what is to be seen goes to `shown`, what is held is in its store.

    Whatever becomes of a question, the last that its visitor sees of it is a sentence.
    """

    def __init__(self, model: Model, shown: Shown) -> None:
        self.model, self.shown = model, shown
        self.store, self.line, self.uploads = shown.store, model.line, Uploads(shown.store)
        self.following = Following(model.line, self.broke_off)

    def begin(
        self, request: gr.Request, moment: float | None = None, asked: AskedQuestion | None = None
    ) -> tuple[Message, gr.Button, gr.Button]:
        """While a run goes on it can be stopped, not started again; `moment` is when, by the browser's clock."""
        self._refuse_a_second(request.session_hash)
        visitor, latest = Visitor.acting(self.store, request.session_hash), Latest()
        visitor.wish, visitor.begun, visitor.under_way = None, moment or 0.0, UnderWay.PRESSED
        visitor.unanswered = visitor.pending = None  # of the last question, whose end may still be told
        if asked is not None:
            with suppress(ValueError):  # said where it is asked
                latest.coming = coming_of(asked, *self._place(visitor, asked))
        return latest.told(ASKING, UNHEARD), gr.Button(interactive=False), gr.Button(interactive=True)

    def refuse(self, request: gr.Request, asked: AskedQuestion) -> None:
        """Say why a question is not begun: another is answered, or, before it comes here, what is wrong with it."""
        self._refuse_a_second(request.session_hash)

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
            if visitor.pending is not None:
                visitor.pending.wish = wish
            self.line.stop(name, seconds)

    def leave(self, request: gr.Request) -> None:
        """A closed tab frees its caches; what was said stays for a while where the tab may come back."""
        self.store.leave(request.session_hash, REMADE)

    async def ask(self, request: gr.Request, asked: AskedQuestion) -> AsyncIterator[Message | None]:
        """Run one question on both sides, about eight messages for the view a second."""
        self._refuse_a_second(request.session_hash)
        visitor = Visitor.known(self.store, request.session_hash)
        visitor.under_way = UnderWay.ASKED
        pending, word = Pending(asked), STARTING if self.model.ready.is_set() else LOADING
        steps = self._asked(visitor, asked, pending.latest)
        async with aclosing(self.following.told(visitor, pending, steps, word)) as told:
            async for message in told:
                yield message

    async def follow_on(self, request: gr.Request) -> AsyncIterator[Message | None]:
        """The rest of an answer whose visitor was away; nothing where none is under way."""
        visitor = Visitor.known(self.store, request.session_hash)
        if (pending := visitor.pending) is not None:
            async with aclosing(self.following.told(visitor, pending)) as told:
                async for message in told:
                    yield message

    async def _asked(self, visitor: Visitor, asked: AskedQuestion, latest: Latest) -> Iterator[Message | None]:
        """The steps of an answer, in the conversation that the question goes on with, or in a new one.

        Raises:
            ValueError: if there is no picture, or one cannot be read, or a policy cannot be made, or a turn is gone.
        """
        conversation, kept = self._place(visitor, asked)
        if asked.erased:
            return ErasedAnswer(self.model, self.shown, visitor, conversation, kept, asked.erased, latest).steps()
        if asked.again:
            shown = conversation.shown_until(kept + 1)
            first, *further = conversation.paths[:shown]
            asked = asked.model_copy(update={"picture": first, "further": further})
        paths = asked.pictures
        if not paths:
            raise ValueError("There is no picture yet. Pick an example, draw a scene or upload one.")
        policies, latest.coming = [policy_of(side) for side in asked.sides], coming_of(asked, conversation, kept)
        for path in paths:
            self.uploads.used(path)
        known = conversation.shown_until(kept) if conversation else 0
        new = conversation.pictures[known:shown] if asked.again else await aside(opened, paths[known:])
        latest.note = self._lost(visitor, conversation)
        # A conversation's later questions cannot be asked by an address: it would begin a new one.
        example = None if kept else await aside(example_of, paths, self.model.name is None)
        wanted = asked.before_question, asked.picture_tokens, kept > 0, asked.reuse, asked.front, asked.share
        link = link_of(example, asked.question, policies, *wanted)
        return Answer(self.model, self.shown, visitor, asked, policies, conversation, kept, new, link, latest).steps()

    def _place(self, visitor: Visitor, asked: AskedQuestion) -> tuple[Conversation | None, int]:
        can_add = self.model.ready.is_set() and bool(getattr(self.model.llava, "can_add_pictures", False))
        return place_of(asked, visitor.conversation, visitor.conversations or [], can_add)

    def _lost(self, visitor: Visitor, conversation: Conversation | None) -> str:
        """What became of the visitor's earlier conversation, or of its caches, where they were given up meanwhile."""
        caches, talk = visitor.why_lost(CACHES), visitor.why_lost(CONVERSATIONS)
        if conversation is not None:
            return READ_AGAIN.get(caches, "") if visitor.comparison is None else ""
        note = FORGOTTEN.get(talk, "")
        if note:
            gr.Warning(note, title="A new conversation")
        return note

    def broke_off(self, name: str, error: Exception, title: str) -> gr.Error:
        """What a visitor should read of a run that failed; his caches are freed, those of all where memory ran out."""
        traceback.print_exception(error)
        Visitor.known(self.store, name).comparison = None
        if out_of_memory(error):
            self.store.drop_kind(CACHES)
        return gr.Error(explain(error), title=title, print_exception=False)

    def settle(self, request: gr.Request, typed: str | None = None) -> tuple[object, ...]:
        """After a run, however it ended: the buttons as they were; a sentence if it never came here; where the picture
        is gone its place is empty. A question that came to nothing stands in its box again, unless one is `typed`."""
        visitor = Visitor.known(self.store, request.session_hash)
        if self.line.has(visitor.name):  # a second question was refused, or the next one is being answered already
            return (gr.skip(),) * 5
        value = messages.of_status(NOT_ASKED) if visitor.under_way is UnderWay.PRESSED else gr.skip()
        picture = gr.skip() if visitor.lacks_picture is None else None
        back = (visitor.lacks_picture or visitor.unanswered) if not typed else None
        visitor.under_way = visitor.lacks_picture = visitor.unanswered = None
        buttons = gr.Button(interactive=True), gr.Button(interactive=False)
        return value, *buttons, picture, gr.skip() if back is None else back

    def forget(
        self, request: gr.Request, moment: float | None = None, several: list[str] | None = None
    ) -> tuple[object, object, object]:
        """Begin anew: what goes on is ended, the visitor's caches are freed, the view is emptied; what was said stays.

        A question that was asked after that `moment`, by the browser's clock, has overtaken this and is left alone.
        Where there are `several` pictures, what has come is one more of them, and nothing is forgotten.
        """
        if several:
            return gr.skip(), gr.skip(), gr.skip()
        visitor = Visitor.known(self.store, request.session_hash)
        earlier = visitor.comparison
        if not _is_overtaken(visitor, moment):
            self._wish(visitor.name, Wish.ANEW, LONGEST_STEP)
            if visitor.comparison is earlier:
                visitor.comparison = visitor.current = None
        if _is_overtaken(visitor, moment):  # perhaps only now
            return gr.skip(), gr.skip(), gr.skip()
        visitor.looks_at = None
        return None, gr.Button(interactive=True), gr.Button(interactive=False)

    def others(self, request: gr.Request) -> gr.Dataset:
        """The visitor's other conversations, the latest first, to go back to."""
        titles = [[one.title] for one in Visitor.known(self.store, request.session_hash).others]
        return gr.Dataset(samples=titles, visible=bool(titles))

    def go_to(self, number: int, request: gr.Request) -> tuple[Message, AskedQuestion]:
        """Go back to one of the visitor's other conversations: the next question goes on with it; and its last one.

        Raises:
            gr.Error: if it is no longer held.
        """
        self.step_aside(request.session_hash)
        visitor = Visitor.acting(self.store, request.session_hash)
        others = visitor.others
        if not number < len(others):
            raise gr.Error(PUT_AWAY, title="The conversation is gone", print_exception=False)
        conversation = others[number]
        visitor.comparison = None  # those of the other one; what is asked here has this one read again
        visitor.take_up(conversation)
        run = self.shown.get(conversation.said[-1].run)
        if run is None:
            visitor.looks_at = None
            return messages.of_turns(conversation.said, f"{BACK} {NO_RUN}"), conversation.asked
        self.shown.put(visitor, run)
        message = messages.of_run(run, messages.LATE, 0, status=BACK, done=True, turns=conversation.said)
        return message, conversation.asked

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
        reuse: str,
        front: str,
        request: gr.Request,
    ) -> tuple[str, str, dict]:
        """Answer one question with two policies; `keep` is the fraction kept, 0 < keep <= 1. The cache is compressed
        after the question was read, or, with `compress_before_question`, before it. Where the model can, the question
        is about `further_images` as well, and each has at most `image_tokens` tokens (0: as the model likes). With
        `reuse` the question stands before the picture, which B takes over as it was read before but for so many first
        tokens (0, 1, 4, 16 or all), and A reads; `off`: both read the picture, and then the question. With `front`
        (visionzip or divprune) B is given fewer tokens of pictures, so that it keeps `keep`; `off`: all of them."""
        with self.errors_for_programs():
            if image is None:
                raise ValueError("There is no picture. Send one as the first argument.")
            policies = [build_policy(name, keep, {}) for name in (policy_a, policy_b)]
            pictures = []
            for path in (image, *further_images):
                self.uploads.of_program(path)
                pictures.append(await aside(picture_of, path))
            wanted = question, int(max_new_tokens), compress_before_question, reused(reuse)
            before_b = front_before(front, keep, policies[1])
            steps = compared(self.model, pictures, int(image_tokens), policies, *wanted, before_b)
            return await self.for_program(request, steps, lambda: "a program's question", kind="question")

    async def for_program(
        self, request: gr.Request, steps: Steps, about: Callable[[], str], by_rows: bool = False, kind: str = ""
    ) -> object:
        """What a program's steps come to, as long as it listens: by its session, or by the number of the call."""
        also = LocalContext.event_id.get(None) or ""
        job = self.line.join(request.session_hash, steps, about, by_rows, also, kind)
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
