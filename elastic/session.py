"""A comparison in progress: one picture, several questions, one side per policy, each with its own cache and past.

Nothing here knows of pages.
"""

import uuid
from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime

from PIL import Image
from torch import Tensor

from elastic.engine import State, Step, decode
from elastic.erasing import judge_again
from elastic.events import Compressed, Ended, Event, Stepped
from elastic.excess import excess
from elastic.fronts import Front
from elastic.model import PictureReader
from elastic.options import MAX_QUESTION, title_of
from elastic.policies import Policy
from elastic.record.recorder import Recorder
from elastic.record.trace import Run, Trace
from elastic.rereading import Asking, PastTurn, as_they_were, go_on, read_from_start, twins

MOST_KEPT_TWICE = 2**26  # bytes of caches that are also kept as they were before the last question: to ask it again


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
        past: Sequence[PastTurn] = (),
    ) -> None:
        self.llava, self.policies = llava, list(policies)
        self.pictures = [picture] if isinstance(picture, Image.Image) else list(picture)
        self.source = (source,) if isinstance(source, str) else source
        self.picture_tokens = 0  # at most, of each picture, where somebody chose that
        check_pictures(llava, len(self.pictures))
        self.link: dict[str, str] = {}  # see Run; of the current turn
        self.note = ""  # a sentence that belongs to the current turn, whoever tells it
        self.past = list(past)  # earlier turns; caches of it are made when the next question comes
        self._name = ""  # of the current turn's run
        self._seen: list[bytes] = []  # what the model sees, per view
        self._asked: Asking | None = None  # in the current turn
        self._begins = False  # see PastTurn; of the current one
        self._before: list[State] = []  # caches as they were before it, where they take little room
        self.states: list[State] = []
        self.recorders: list[Recorder] = []
        self.finish: list[str] = []

    @property
    def turns(self) -> list[PastTurn]:
        """All turns so far, the current one with what has been answered."""
        if self._asked is None or not self.recorders:
            return list(self.past)
        answers = tuple(
            tuple(state.ids[0, len(recorder.shortened.number) :].tolist())
            for state, recorder in zip(self.states, self.recorders, strict=True)
        )
        texts = tuple(recorder.answer for recorder in self.recorders)
        return [*self.past, PastTurn(self._asked, answers, texts, self._begins)]

    @property
    def history(self) -> list[list[tuple[str, str]]]:
        """Per side, the earlier questions and its answers."""
        return [[(turn.asked.question, turn.texts[side]) for turn in self.past] for side in range(len(self.policies))]

    def change(self, policies: Sequence[Policy], llava: PictureReader, picture_tokens: int = 0) -> None:
        """Go on with other caches: what was said so far is read again when the next question comes."""
        self._remember()
        if list(policies) == self.policies and picture_tokens == self.picture_tokens:
            return
        self.policies, self.llava, self.picture_tokens = list(policies), llava, picture_tokens
        self.states, self._before = [], []

    def go_back(self, turns: int) -> None:
        """Forget all but the first `turns`, to ask otherwise from there."""
        is_last, before = turns == len(self.turns) - 1, self._before
        self._remember()
        if turns >= len(self.past):
            return
        # What the first question is about stays, whatever is asked of it.
        self.states, self._before = before if is_last else [], []
        kept = sum(len(turn.asked.pictures) for turn in self.past[: max(1, turns)])
        self.pictures, self.source, self.past = self.pictures[:kept], self.source[:kept], self.past[:turns]
        self._seen = self._seen if self.states else []

    @property
    def nbytes(self) -> int:
        """Bytes of memory it holds: picture, caches and records, on whatever device."""
        pixels = sum(width * height for width, height in (picture.size for picture in self.pictures))
        held = [*self.states, *self._before]
        caches = sum(state.cache.bytes_allocated + state.logits.nbytes + state.looked.nbytes for state in held)
        # The same for all sides.
        shared = sum(state.script.nbytes + sum(view.pixels.nbytes for view in state.views) for state in self.states[:1])
        return 3 * pixels + shared + caches + sum(recorder.nbytes for recorder in list(self.recorders))

    @property
    def _titles(self) -> list[str]:
        """What the sides are called, of which a front stands before the last one, if before any."""
        front = self._asked.front if self._asked is not None else None
        *others, last = self.policies
        return [*map(title_of, others), title_of(last, front)]

    @property
    def beyond_share(self) -> str:
        """What sides hold, or read, in the current turn beyond the share they were asked for, a sentence for each."""
        said = (excess(*side) for side in zip(self.states, self.recorders, self._titles, strict=False))
        return " ".join(filter(None, said))

    def record(self) -> Run:
        """The current turn as it stands, without sides before the first prefill."""
        return Run(
            name=self._name,
            sides=[recorder.trace(finish) for recorder, finish in zip(self.recorders, self.finish, strict=True)],
            pictures=list(self._seen),
            titles=self._titles,
            history=self.history,
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
        erased: Sequence[int] = (),
        earlier: Sequence[Trace] = (),
        reuse: int | None = None,
        front: Front | None = None,
    ) -> Generator[Event]:
        """Answer a question on all sides, one step of each in turn, yielding what happens; last of all that it ended.

        A later question may come with further `pictures`; `source` says where these are from. The first one may be read
        with tokens `erased`, see `elastic.models.reading.erase`; `earlier` are the sides of the run without that. Where
        `reuse` says how many first tokens of the picture are read anew, the last side takes over all others of it from
        an earlier reading, see `elastic.reusing`; that is so for the whole conversation, which is read again otherwise.
        So it is with a `front`, by which the last side is given fewer tokens of pictures, see `elastic.shortening`.

        Closing the generator stops within a step; what was written by then stays part of the conversation.

        `before_question` says when caches are compressed. Mostly that is after the question was read, with all that was
        read and said before it. Before the question, no method knows what will be asked: at first the prompt is read
        up to where the picture ends and compressed, and each side reads the rest, with the question, into what is left
        of it. A later question is read likewise: what each side holds of all that was said is compressed first, by the
        attention it received until then. The question's words hold a slot each, beyond the share, by every method alike
        (`--question unknown` of the evaluation does the same); while the answer is written, the policy's rule applies
        to them as to all others.

        Raises:
            ValueError: if the question is empty, too long, or does not fit behind what was said before; if pictures
                come with it that are too many, or that the model cannot be shown any more; if too much is erased; or if
                nothing can be reused.
        """
        question = checked_question(question)
        if pictures:
            check_pictures(self.llava, len(self.pictures) + len(pictures))
        if max_new_tokens < 1 or temperature < 0:
            raise ValueError(f"An answer needs 1 token or more and a temperature of 0 or more, not {max_new_tokens}.")
        if erased and self.turns:
            raise ValueError(
                "Tokens can be erased of a first question only. Ask this one first, in a new conversation."
            )
        self._name = uuid.uuid4().hex
        self._remember()
        shown = tuple(pictures if self.past else [*self.pictures, *pictures])
        settings = tuple(self.policies), before_question, max_new_tokens, self.picture_tokens
        yield from self._read(Asking(question, shown, *settings, erased=tuple(erased), reuse=reuse, front=front))
        self.pictures, self.source = [*self.pictures, *pictures], self.source + source
        sides = zip(self.states, self.policies, strict=True)
        self.recorders = [Recorder.of(state, question, policy) for state, policy in sides]
        for recorder, side in zip(self.recorders, earlier, strict=False):
            yield from judge_again(recorder, erased, side)
        yield from self._write(max_new_tokens, temperature, seed)

    def _write(self, max_new_tokens: int, temperature: float, seed: int) -> Generator[Event]:
        """The answers of all sides, a step of each in turn."""
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

    def _read(self, asked: Asking) -> Iterator[Event]:
        """Caches with the question in them, of those that are held, or of the turns."""
        fits = bool(self.past) and self.past[-1].asked.fits(asked)
        if not fits:
            self.states, self._before = [], []
        elif not self.states:
            self.states = yield from as_they_were(self.llava, self.past, self._seen)
        self._begins = not self.states
        if self._begins:
            self.states = yield from read_from_start(self.llava, self.past, asked, self._seen)
        else:
            small = sum(state.cache.bytes_allocated for state in self.states) < MOST_KEPT_TWICE
            before, read, shown = twins(self.states) if small else [], self.states[0].seen, list(self._seen)
            try:
                self.states = yield from go_on(self.llava, self.states, asked, self._seen)
            except BaseException:  # ended in its midst, perhaps, when a side had read a part of it
                self._seen = shown
                if any(state.cache.forward is not None or state.seen != read for state in self.states):
                    self.states = before
                raise
            self._before = before
        self._asked = asked

    def _remember(self) -> None:
        self.past = self.turns
        self.recorders, self.finish, self._before = [], [], []


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
        raise ValueError("There is no question yet. Type one, or pick a suggestion.")
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
