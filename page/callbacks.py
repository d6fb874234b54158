"""What the page's events do. No layout here."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import gradio as gr

from elastic.policies import Policy
from elastic.trace import Run, first_difference
from page.controls import build_policy, name_of_example
from page.incoming import picture_of
from page.links import link_of
from page.model import Model
from page.shown import LATE, Shown
from viz import view

UPDATES_PER_SECOND = 8  # more make the browser slower, not the answers faster


class Callbacks:
    """What the page's events do with one model; what is to be seen goes to `shown`."""

    def __init__(self, model: Model, shown: Shown, option_names: list[tuple[int, str, str]]) -> None:
        self.model, self.shown, self.option_names = model, shown, option_names
        self.busy: set[str] = set()  # visitors whose question is being answered

    async def load(self) -> AsyncIterator[str]:
        """The line about the model, again once it is loaded; waiting visitors hold no thread."""
        yield self.model.status()
        while not self.model.ready.is_set():
            await asyncio.sleep(0.2)
        yield self.model.status()

    def begin(self, request: gr.Request) -> tuple[gr.Button, gr.Button]:
        """While a run goes on it can be stopped, not started again."""
        if request.session_hash in self.busy:
            raise gr.Error("Still answering the last question. Wait, or press Stop.", print_exception=False)
        self.busy.add(request.session_hash)
        return gr.Button(interactive=False), gr.Button(interactive=True)

    def leave(self, request: gr.Request) -> None:
        """A closed tab frees its caches."""
        self.busy.discard(request.session_hash)
        self.shown.leave(request.session_hash)
        if self.model.sessions:
            self.model.sessions.drop(request.session_hash)

    def ask(
        self,
        request: gr.Request,
        picture: str | None,
        question: str,
        keep: float,
        tokens: float,
        temperature: float,
        seed: float,
        *names_and_options: object,
    ) -> Iterator[dict]:
        """Run one question on both sides, about eight messages for the view a second."""
        names, values = names_and_options[:2], names_and_options[2:]
        yield view.status("Waiting for the model to load" if not self.model.ready.is_set() else "Starting")
        self.model.wait()
        try:
            policies = [self._policy(side, name, keep / 100, values) for side, name in enumerate(names)]
            comparison = self._comparison(request.session_hash, picture, policies)
            visitor = request.session_hash
            # A conversation's later questions cannot be asked by an address: it would begin a new one.
            example = name_of_example(picture, self.model.name is None) if not comparison.states else None
            comparison.link = link_of(example, question, policies)
            yield from self._stream(visitor, comparison, question, int(tokens), temperature, int(seed or 0))
        except ValueError as error:
            raise gr.Error(str(error), title="Please check", print_exception=False) from error
        except (MemoryError, RuntimeError) as error:
            self.model.sessions.drop(request.session_hash)
            if out_of_memory(error):
                self.model.sessions.drop_all()
            raise gr.Error(explain(error), title="The run broke off", print_exception=False) from error

    def _policy(self, side: int, name: str, keep: float, values: tuple) -> Policy:
        named = zip(self.option_names, values, strict=True)
        chosen = {field: value for (s, policy, field), value in named if (s, policy) == (side, name)}
        return build_policy(name, keep, chosen)

    def _comparison(self, visitor: str, picture: str | None, policies: list[Policy]) -> object:
        """The visitor's conversation, or a new one where picture or policies have changed."""
        if picture is None:
            raise ValueError("There is no picture yet. Pick an example, draw a scene or upload one.")
        comparison = self.model.sessions.get(visitor)
        if comparison is None or comparison.policies != policies or comparison.source != picture:
            comparison = self.model.session.Comparison(self.model.llava, picture_of(picture), policies, picture)
            self.model.sessions.put(visitor, comparison)
        return comparison

    def _stream(
        self, visitor: str, comparison: object, question: str, tokens: int, temperature: float, seed: int
    ) -> Iterator[dict]:
        number, sent, due = 0, 0, 0.0
        with closing(self.model.in_turn(comparison.ask(question, tokens, temperature, seed))) as progress:
            for line in progress:
                if not comparison.recorders:
                    yield view.status(line)
                elif time.monotonic() >= due:
                    run = comparison.record()
                    if number:
                        self.shown.update(run)
                    else:
                        self.shown.put(visitor, run)
                    yield view.message(run, number, sent, status=line)
                    # What a side that has ended wrote is sent; only those that go on have more to come.
                    going_on = [side.steps for side in run.sides if side.finish == "running"]
                    number, sent = number + 1, min(going_on, default=sent)
                    due = time.monotonic() + 1 / UPDATES_PER_SECOND
        yield self._last_message(comparison)

    def _last_message(self, comparison: object) -> dict:
        """The whole record of a turn, so that a view that missed messages is complete again."""
        run = comparison.record()
        self.shown.update(run)
        return view.message(run, LATE, 0, status=how_it_ended(run), done=True)

    def settle(self, request: gr.Request) -> tuple[object, gr.Button, gr.Button]:
        """After a run, also one that was stopped: the whole record to the view, the buttons as they were."""
        self.busy.discard(request.session_hash)
        comparison = self.model.sessions.get(request.session_hash) if self.model.sessions else None
        value = view.status("")
        if comparison is not None and comparison.recorders:
            value = self._last_message(comparison)
            looked_at = self.shown.of(request.session_hash)
            if looked_at is not None and looked_at.name != value["run"]:
                value = gr.skip()  # the visitor has opened another run meanwhile
        return value, gr.Button(interactive=True), gr.Button(interactive=False)

    def forget(self, request: gr.Request) -> tuple[None, gr.Button, gr.Button]:
        """Begin anew: the visitor's caches are freed, the view emptied, the buttons as they were."""
        self.busy.discard(request.session_hash)
        self.shown.leave(request.session_hash)
        if self.model.sessions:
            self.model.sessions.drop(request.session_hash)
        return None, gr.Button(interactive=True), gr.Button(interactive=False)

    def compare(
        self, image: str | None, question: str, policy_a: str, policy_b: str, keep: float, max_new_tokens: float
    ) -> tuple[str, str, dict]:
        """Answer one question with two policies; `keep` is the fraction kept, 0 < keep <= 1."""
        self.model.wait()
        try:
            if image is None:
                raise ValueError("There is no picture. Send one as the first argument.")
            policies = [build_policy(name, keep, {}) for name in (policy_a, policy_b)]
            comparison = self.model.session.Comparison(self.model.llava, picture_of(image), policies)
            with self.model.turn:
                a, b = self.model.session.run(comparison, question, int(max_new_tokens)).sides
        except (ValueError, TypeError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        except (MemoryError, RuntimeError) as error:
            raise gr.Error(explain(error), print_exception=False) from error
        figures = {"model": a.model, "first_difference": first_difference(a, b), "a": a.figures(), "b": b.figures()}
        return a.answer, b.answer, figures


def how_it_ended(run: Run) -> str:
    """One line on a run that is over."""
    ends = {"end": "finished", "limit": "reached the longest answer allowed", "stopped": "stopped"}
    return "; ".join(
        f"{letter}: {ends[side.finish]} after {side.steps} tokens"
        for letter, side in zip("AB", run.sides, strict=False)
    )


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on the processor or on a GPU."""
    return isinstance(error, MemoryError) or "memory" in str(error).lower()


def explain(error: Exception) -> str:
    """What a visitor should know of a run that broke."""
    if out_of_memory(error):
        return (
            "Out of memory. All conversations were freed: ask again, with a shorter answer or less of the cache kept."
        )
    return (
        f"The model failed ({type(error).__name__}). The conversation was cleared; ask again, or restart the program."
    )
