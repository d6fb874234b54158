"""A comparison in progress: one picture, several questions, one side per policy, each with its own cache and past.

Nothing here knows of pages.
"""

import uuid
from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime

from PIL import Image
from torch import Tensor

from elastic.cache.report import full_bytes
from elastic.engine import State, Step, compress, decode, extend, prefill
from elastic.events import Compressed, Encoding, Ended, Event, Prefilling, Read, Stepped
from elastic.fairness import beyond_share
from elastic.model import PictureReader, Reading
from elastic.options import MAX_QUESTION
from elastic.picture import small_jpegs
from elastic.policies import Policy
from elastic.record.recorder import RECORDED, Recorder
from elastic.record.trace import Run


class Comparison:
    """The sides of a conversation about pictures; `ask` runs a turn. `source` says where they are from.

    Raises:
        ValueError: if there are more than the model can be asked about.
    """

    def __init__(
        self,
        llava: PictureReader,
        picture: Image.Image | Sequence[Image.Image],
        policies: Sequence[Policy],
        source: str | tuple[str, ...] = "",
    ) -> None:
        self.llava, self.policies = llava, list(policies)
        self.pictures = [picture] if isinstance(picture, Image.Image) else list(picture)
        self.source = (source,) if isinstance(source, str) else source
        self.picture_tokens = 0  # at most, of each picture, where somebody chose that
        check_pictures(llava, len(self.pictures))
        self.link: dict[str, str] = {}  # see Run; of the current turn
        self.note = ""  # a sentence that belongs to the current turn, whoever tells it
        self._name = ""  # of the current turn's run
        self._seen: list[bytes] = []  # what the model sees, per view
        self.states: list[State] = []
        self.recorders: list[Recorder] = []
        self.finish: list[str] = []
        self.history: list[list[tuple[str, str]]] = [[] for _ in policies]  # earlier turns

    @property
    def nbytes(self) -> int:
        """Bytes of memory it holds: picture, caches and records, on whatever device."""
        pixels = sum(width * height for width, height in (picture.size for picture in self.pictures))
        caches = sum(state.cache.bytes_allocated + state.logits.nbytes + state.looked.nbytes for state in self.states)
        views = sum(view.pixels.nbytes for view in self.states[0].views) if self.states else 0  # the same for all sides
        return 3 * pixels + views + caches + sum(recorder.nbytes for recorder in list(self.recorders))

    @property
    def beyond_share(self) -> str:
        """What sides hold in the current turn beyond the share they were asked to keep, a sentence for each."""
        said = []
        for state, recorder in zip(self.states, self.recorders, strict=False):
            # A question that a compressed cache reads is held whole by every method: its words count for none.
            layers, asked = state.cache.layers, recorder.start.asked_after
            apart = full_bytes(layers, asked)
            full = [full_bytes(layers, tokens - asked) for tokens in (len(recorder.start.pieces), state.seen)]
            after_prompt = int(recorder.start.prompt_bytes.sum()) - apart
            peak = max([after_prompt, *(sum(step.bytes_held) - apart for step in recorder.steps)])
            beyond = beyond_share(state.policy.keep, after_prompt / full[0], peak / full[1])
            said += [f"{state.policy.title} {beyond}."] if beyond else []
        return " ".join(said)

    def record(self) -> Run:
        """The current turn as it stands, without sides before the first prefill."""
        return Run(
            name=self._name,
            sides=[recorder.trace(finish) for recorder, finish in zip(self.recorders, self.finish, strict=True)],
            pictures=list(self._seen),
            titles=[policy.title for policy in self.policies],
            history=[list(past) for past in self.history],
            shape=self.llava.shape,
            about=self.llava.about | {"recorded": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")},
            link=self.link,
        )

    def ask(
        self,
        question: str,
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        before_question: bool = False,
        pictures: Sequence[Image.Image] = (),
        source: tuple[str, ...] = (),
    ) -> Generator[Event]:
        """Answer a question on all sides, one step of each in turn, yielding what happens; last of all that it ended.

        A later question may come with further `pictures`; `source` says where these are from.

        Closing the generator stops within a step; what was written by then stays part of the conversation.

        `before_question` says when caches are compressed. Mostly that is after the question was read, with all that was
        read and said before it. Before the question, no method knows what will be asked: at first the prompt is read
        up to where the picture ends and compressed, and each side reads the rest, with the question, into what is left
        of it. A later question is read likewise: what each side holds of all that was said is compressed first, by the
        attention it received until then. The question's words hold a slot each, beyond the share, by every method alike
        (`--question unknown` of the evaluation does the same); while the answer is written, the policy's rule applies
        to them as to all others.

        Raises:
            ValueError: if the question is empty, too long, or does not fit behind what was said before; or if pictures
                come with it that are too many, or that the model cannot be shown any more.
        """
        question = checked_question(question)
        if pictures:
            check_pictures(self.llava, len(self.pictures) + len(pictures))
        if max_new_tokens < 1 or temperature < 0:
            raise ValueError(f"An answer needs 1 token or more and a temperature of 0 or more, not {max_new_tokens}.")
        self._name = uuid.uuid4().hex
        self._remember()
        yield from self._read(question, max_new_tokens, before_question, pictures)
        self.pictures, self.source = [*self.pictures, *pictures], self.source + source
        self.recorders = [Recorder.of(state, question) for state in self.states]
        finish = self.finish = ["running"] * len(self.states)
        answers = [decode(state, max_new_tokens, temperature, seed) for state in self.states]
        slots = [state.cache.prompt_slots.float().mean().item() for state in self.states]
        try:
            yield Compressed(self.record, self.states[0].cache.prompt, slots)
            for number in range(1, max_new_tokens + 1):
                self._advance(answers)
                if "running" not in finish:
                    break
                yield Stepped(self.record, number, max_new_tokens)
            yield Ended(self.record, list(finish))
        finally:
            for answer in answers:
                answer.close()
            # In place: by now the next question may have a list of its own.
            finish[:] = ["stopped" if how == "running" else how for how in finish]

    def _advance(self, answers: list[Generator[Step]]) -> None:
        """One step of every side that goes on; while texts agree, how each side judges the first one's token."""
        before = [state.logits for state in self.states]
        first = None
        for side, answer in enumerate(answers):
            if self.finish[side] != "running":
                continue
            agrees = self._written(side) == self._written(0, len(self.recorders[side].steps))
            step = next(answer)
            first = step.token if side == 0 else first
            judged = judge(before[0][0], before[side][0], first) if agrees and first is not None else ()
            self.recorders[side].add(step, *judged)
            if step.is_last:
                self.finish[side] = "end" if step.token in self.llava.end_ids else "limit"

    def _written(self, side: int, steps: int | None = None) -> list[int]:
        return [step.token for step in self.recorders[side].steps[:steps]]

    def _read(
        self, question: str, max_new_tokens: int, before_question: bool, pictures: Sequence[Image.Image]
    ) -> Iterator[Event]:
        """Prefill and compress: the first prompt is read once for all sides, all that comes later by each of them."""
        first, rest = self._prompts(question, before_question, pictures)
        new = sum(prompt.ids.shape[1] for prompt in (first, rest) if prompt is not None)
        seen = new + max((state.seen for state in self.states), default=0)
        room = self.llava.room
        if seen + max_new_tokens > room:
            raise ValueError(
                f"{seen} tokens and an answer of {max_new_tokens} exceed the {room} this model can read. "
                "Ask a shorter question, allow a shorter answer, or start a new conversation."
            )
        states, seconds = self.states, 0.0
        # What is compressed first needs room for the question, too.
        reserve = max_new_tokens + (rest.ids.shape[1] if rest is not None and before_question else 0)
        if first is not None:
            start = yield from self._read_together(first)
            states, seconds = [compress(start, policy, reserve) for policy in self.policies], start.prefill_seconds
        if rest is not None:
            if rest.has_pictures:
                yield Encoding()
                self._seen += small_jpegs([view.pixels for view in rest.views])
                rest = self.llava.encode_image(rest)
            yield Prefilling(rest.ids.shape[1], together=False)
            for side, policy in enumerate(self.policies):
                if not before_question:
                    extend(states[side], rest)
                if first is None:
                    states[side] = compress(states[side], policy, reserve)
                if before_question:
                    _ask_compressed(states[side], rest, seconds)
        self.states = states

    def _read_together(self, prompt: Reading) -> Generator[Event, None, State]:
        """Read the first prompt, with the picture, and all that methods and records need to know of it."""
        yield Encoding()
        self._seen = small_jpegs([view.pixels for view in prompt.views])
        prompt = self.llava.encode_image(prompt)
        yield Prefilling(prompt.ids.shape[1], together=True)
        start = prefill(self.llava, prompt, RECORDED.union(*(policy.needs for policy in self.policies)))
        yield Read(start.prefill_seconds)
        return start

    def _prompts(
        self, question: str, before_question: bool, pictures: Sequence[Image.Image]
    ) -> tuple[Reading | None, Reading | None]:
        """What all sides read together and compress, and what each reads by itself."""
        if self.states:
            return None, self.llava.next_turn(question, pictures)
        if before_question:
            return self.llava.halves(self.pictures, question)
        return self.llava.first_turn(self.pictures, question), None

    def _remember(self) -> None:
        for past, recorder in zip(self.history, self.recorders, strict=False):
            past.append((recorder.start.question, recorder.answer))
        self.recorders, self.finish = [], []


def _ask_compressed(state: State, question: Reading, read_seconds: float) -> None:
    """Let a compressed cache read a question; its times are those of all that was done for it."""
    compress_seconds = state.compress_seconds
    extend(state, question)
    state.prefill_seconds, state.compress_seconds = state.prefill_seconds + read_seconds, compress_seconds


def judge(reference: Tensor, logits: Tensor, token: int) -> tuple[float, float]:
    """Log-probability of a token under `logits` (V,), and the divergence KL(reference || logits), in nats."""
    expected, found = reference.log_softmax(-1), logits.log_softmax(-1)
    return found[token].item(), (expected.exp() * (expected - found)).sum().item()


def check_pictures(llava: PictureReader, count: int) -> None:
    """See to it that a model can be asked about so many pictures.

    Raises:
        ValueError: if it cannot.
    """
    most = llava.most_pictures
    if count > most:
        few = "one picture at a time" if most == 1 else f"at most {most} pictures"
        raise ValueError(
            f"{llava.title} is asked about {few}, not about {count}. Leave {count - most} out and ask again."
        )


def checked_question(question: str) -> str:
    """The question without surrounding space.

    Raises:
        ValueError: if it is empty or has more than MAX_QUESTION characters.
    """
    question = (question or "").strip()
    if not question:
        raise ValueError("There is no question yet. Type one, or pick one of the suggestions.")
    if len(question) > MAX_QUESTION:
        raise ValueError(
            f"The question has {len(question):,} characters, at most {MAX_QUESTION:,} are read. "
            "Shorten it and ask again."
        )
    return question


def run(comparison: Comparison, question: str, max_new_tokens: int, before_question: bool = False) -> Run:
    """Ask one question to the end and return the record."""
    for _ in comparison.ask(question, max_new_tokens, before_question=before_question):
        pass
    return comparison.record()
