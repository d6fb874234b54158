"""How the sides of a conversation come to hold it: read from the start, gone on with, or answered over as it was.

A cache that was compressed cannot be compressed otherwise, and what was given up cannot be had back. So what another
cache is to hold is read again, from the turns, which are text and tokens and take no room.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import torch
from PIL import Image

from elastic.cache.kernels import check_kernels, kernels_of
from elastic.engine import State, compress, decode, extend, prefill
from elastic.erasing import without
from elastic.events import Compressing, Encoding, Event, Prefilling, Read, Rereading
from elastic.fronts import Front
from elastic.model import PictureReader, Reading
from elastic.picture import small_jpegs
from elastic.policies import Policy
from elastic.policies.full import Full
from elastic.record.recorder import RECORDED
from elastic.rehearsal import extent
from elastic.reusing import asked_before, linked
from elastic.shortening import of_what_is_read, shorten

Reads = Generator[Event, None, list[State]]


@dataclass(frozen=True)
class Asking:
    """A question, and all else that decides what is read for it."""

    question: str
    pictures: tuple[Image.Image, ...]  # that come with it
    policies: tuple[Policy, ...]  # per side
    before_question: bool  # whether caches are compressed before it is read
    reserve: int  # tokens that an answer may have
    picture_tokens: int  # at most, of each picture; 0 where nobody chose that
    erased: tuple[int, ...] = ()  # tokens of a first question, by their numbers, which nothing behind them looks at
    # The last side takes the first question's picture over, but for so many first tokens; None: every side reads it.
    reuse: int | None = None
    front: Front | None = None  # by which the last side is given fewer tokens of pictures

    def fits(self, other: "Asking") -> bool:
        """Whether a cache that was made for one of them can go on with the other."""
        of_each = [(one.policies, one.picture_tokens, one.reuse, one.front) for one in (self, other)]
        return of_each[0] == of_each[1]


@dataclass(frozen=True)
class PastTurn:
    """A question and what the sides answered: all that is needed to read it again."""

    asked: Asking
    answers: tuple[tuple[int, ...], ...]  # per side the tokens that its cache has read: without the one that ends
    texts: tuple[str, ...]  # the same for people
    begins: bool  # whether caches were made for it, of nothing or of all that had been said


def read_from_start(llava: PictureReader, past: Sequence[PastTurn], asked: Asking, seen: list[bytes]) -> Reads:
    """Caches of a whole conversation, with the question that is asked now; `seen` becomes what the model sees.

    Without a past that is a first question. With one, each side reads the conversation as it remembers it, with the
    answers that were its own, into a full cache; nothing is compressed before all of it was read, however it was read
    when it was new. So with the full cache a side holds what it would hold had it gone on, but for rounding: its
    answers are read at once and not token by token. A side that compresses holds what its method chooses of the whole
    past, and not what it had left: nothing was evicted while earlier answers were written, and what an earlier turn
    had given up may be kept now. It holds as many slots as the method gives to a prompt of that length.

    Raises:
        ValueError: if it is more than the model can read, too much of it is erased, or the model lacks what a method
            needs.
    """
    first = past[0].asked if past else asked
    if asked.reuse is not None:
        _check_reuse(asked, is_first=not past)
    if past or not asked.before_question:
        start, begins = _first_turn(llava, first, asked.reuse)
        later = [*(turn.asked for turn in past[1:]), asked] if past else []
        nexts = [llava.next_turn(one.question, one.pictures) for one in later]
    else:
        start, rest = llava.halves(list(first.pictures), first.question)
        nexts, begins = [rest], 0
    if asked.erased:
        start, *nexts = without(llava, (start, *nexts), asked.question, asked.erased)
    answered = max((sum(map(len, said)) for said in _by_side(past)), default=0)
    _check_room(llava, answered + sum(one.ids.shape[1] for one in (start, *nexts)), asked)
    yield Encoding()
    seen[:] = small_jpegs([view.pixels for view in start.views])
    start = llava.encode_image(start)
    for number, one in enumerate(nexts):
        nexts[number] = yield from _encoded(llava, one, seen)
    yield Prefilling(start.ids.shape[1], together=True)
    needs = RECORDED.union(*(policy.needs for policy in asked.policies))
    begun = [prefill(llava, start, needs)] * len(asked.policies)
    yield Read(begun[0].prefill_seconds)
    if asked.reuse is not None:
        begun[-1] = linked(llava, start, begins, asked.reuse, needs)
    if asked.front is not None:  # which takes little time beside the tower's, and neither is the state's
        begun[-1] = prefill(llava, shorten(llava, start, asked.front), needs)
    question = nexts.pop() if asked.before_question else None
    reserve = asked.reserve + (0 if question is None else question.ids.shape[1])
    if question is not None:
        yield Prefilling(question.ids.shape[1], together=False)
    states: list[State] = []
    read: dict[tuple[int, tuple[tuple[int, ...], ...]], State] = {}  # sides that said the same read the same
    for side, policy in enumerate(asked.policies):
        said = tuple(turn.answers[side] for turn in past)
        if (known := (id(begun[side]), said)) not in read:
            read[known] = yield from _read_on(begun[side], said, [_given(llava, one, asked, side) for one in nexts])
        yield Compressing(side)
        states.append(compress(read[known], of_what_is_read(policy, read[known]), reserve))
        if question is not None:
            _ask_compressed(states[-1], question, states[-1].prefill_seconds)
    return states


def _given(llava: PictureReader, prompt: Reading, asked: Asking, side: int) -> Reading:
    """What a side reads of a prompt: fewer tokens of its pictures where a front stands before the side."""
    is_last = side == len(asked.policies) - 1
    if asked.front is None or not is_last or not prompt.has_pictures:
        return prompt
    return shorten(llava, prompt, asked.front)


def _check_reuse(asked: Asking, is_first: bool) -> None:
    if asked.before_question and is_first:
        raise ValueError(
            "Where the picture is reused the question stands before it, so that no cache can be compressed before the "
            "question: switch one of the two off."
        )
    if asked.erased:
        raise ValueError("Tokens are erased of a prompt that both sides read: ask with Reuse the picture off.")
    if asked.front is not None:
        raise ValueError(
            "A picture that is reused was read whole: switch either Reuse the picture or Fewer picture tokens off."
        )


def _first_turn(llava: PictureReader, first: Asking, reuse: int | None) -> tuple[Reading, int]:
    """The first question's prompt, and the number of the token with which begins what may be reused."""
    pictures = list(first.pictures)
    if reuse is None:
        return llava.first_turn(pictures, first.question), 0
    return asked_before(llava, pictures, first.question)


def _by_side(past: Sequence[PastTurn]) -> list[tuple[tuple[int, ...], ...]]:
    """Per side its answers, in order."""
    return list(zip(*(turn.answers for turn in past), strict=True))


def _read_on(begun: State, said: Sequence[Sequence[int]], nexts: Sequence[Reading]) -> Generator[Event, None, State]:
    """A side's own answers and the later questions, behind the first one, in the full cache."""
    if not said:
        return begun
    state, seconds = compress(begun, Full()), begun.prefill_seconds
    for number, (answer, prompt) in enumerate(zip_longest(said, nexts)):
        yield Rereading(number + 1, len(said))
        if answer:
            extend(state, Reading(torch.tensor([list(answer)], device=state.llava.device)), is_written=True)
            seconds += state.prefill_seconds
        if prompt is not None:
            extend(state, prompt)
            seconds += state.prefill_seconds
    state.prefill_seconds = seconds
    return state


def go_on(llava: PictureReader, states: Sequence[State], asked: Asking, seen: list[bytes]) -> Reads:
    """The next question, read by each side behind what it holds.

    Raises:
        ValueError: if it does not fit behind that.
    """
    rest = llava.next_turn(asked.question, asked.pictures)
    new = rest.ids.shape[1]
    _check_room(llava, new + max(state.seen for state in states), asked)
    rest = yield from _encoded(llava, rest, seen)
    yield Prefilling(new, together=False)
    found = []
    for side, (state, policy) in enumerate(zip(states, asked.policies, strict=True)):
        given = _given(llava, rest, asked, side)
        if asked.before_question:
            yield Compressing(side)
            found.append(compress(state, of_what_is_read(policy, state), asked.reserve + new))
            _ask_compressed(found[-1], given, 0.0)
        else:
            extend(state, given)
            yield Compressing(side)
            found.append(compress(state, of_what_is_read(policy, state), asked.reserve))
    return found


def as_they_were(llava: PictureReader, past: Sequence[PastTurn], seen: list[bytes]) -> Reads:
    """Caches as they were when the last of these turns had been answered, where they are no longer held.

    Every step is taken again, from the turn that caches were last made for: questions are read, compressed and
    answered as they were, token by token, with the answers that are known. So it is exact, whatever the methods.
    """
    begin = max(number for number, turn in enumerate(past) if turn.begins)
    states = yield from read_from_start(llava, past[:begin], past[begin].asked, seen)
    for number, turn in enumerate(past[begin:], begin):
        if number > begin:
            states = yield from go_on(llava, states, turn.asked, seen)
        for state, answer in zip(states, turn.answers, strict=True):
            for _ in decode(state, len(answer), forced=answer) if answer else ():
                yield Rereading(number + 1, len(past))
    return states


def twins(states: Sequence[State]) -> list[State]:
    """The same caches, to go on with otherwise; those that were given must compress before they evict."""
    return [replace(state, cache=state.cache.fork()) for state in states]


def _encoded(llava: PictureReader, prompt: Reading, seen: list[bytes]) -> Generator[Event, None, Reading]:
    """A later question, whose pictures have gone through the vision tower."""
    if not prompt.has_pictures:
        return prompt
    yield Encoding()
    seen += small_jpegs([view.pixels for view in prompt.views])
    return llava.encode_image(prompt)


def _check_room(llava: PictureReader, seen: int, asked: Asking) -> None:
    """See that it fits, and that the model has what the methods need, before any work."""
    for policy in asked.policies:
        check_kernels(policy, kernels_of(llava.model.get_decoder()))
    if seen + asked.reserve > llava.room:
        raise ValueError(
            f"{seen} tokens and an answer of {asked.reserve} exceed the {llava.room} this model can read. "
            "Ask a shorter question, allow a shorter answer, or start a new conversation."
        )
    repeated = extent(llava, seen, asked.policies)
    if seen + repeated > llava.room:
        raise ValueError(
            f"{seen} tokens, and {repeated} to repeat them, exceed the {llava.room} this model can read. "
            "Start a new conversation, or choose a method that does not rehearse."
        )


def _ask_compressed(state: State, question: Reading, read_seconds: float) -> None:
    """Let a compressed cache read a question; its times are those of all that was done for it."""
    compress_seconds = state.compress_seconds
    extend(state, question)
    state.prefill_seconds, state.compress_seconds = state.prefill_seconds + read_seconds, compress_seconds
