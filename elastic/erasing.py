"""Erase and ask: a question asked anew without some of its prompt's tokens, beside the answer that all of them gave.

Attention says where a model looked, and not what for. Whether a patch mattered is seen by taking it away: nothing that
is read behind it can attend to it, on any side, and what is answered, and how sure of the earlier answer a side is now,
is then the patch's doing.
"""

from collections.abc import Generator, Sequence
from copy import deepcopy
from dataclasses import replace

from elastic.engine import decode
from elastic.events import Judging
from elastic.model import Reader, Reading
from elastic.models.reading import erase
from elastic.record.erasure import Erasure
from elastic.record.recorder import Recorder
from elastic.record.trace import Trace


def judge_again(recorder: Recorder, tokens: Sequence[int], earlier: Trace) -> Generator[Judging]:
    """Note in a record what is erased and how probable that makes an earlier answer, given it token by token.

    The recorder's state has read the prompt without the `tokens`; it stays as it is.
    """
    state = replace(recorder.state, cache=deepcopy(recorder.state.cache))
    after: list[float] = []
    if earlier.steps:
        for step in decode(state, earlier.steps, forced=earlier.answer_ids.tolist()):
            after.append(min(0.0, step.logprob))
            yield Judging(len(after), earlier.steps)
    before = earlier.logprob[: len(after)].clip(max=0).tolist()
    erasure = Erasure(sorted(set(tokens)), earlier.answer, earlier.answer_pieces[: len(after)], before, after)
    recorder.start = replace(recorder.start, erasure=erasure)


def without(llava: Reader, parts: Sequence[Reading], question: str, tokens: Sequence[int]) -> list[Reading]:
    """The parts of a first question's prompt without some tokens, by their numbers in the whole.

    Raises:
        ValueError: as `erase`, and if nothing would be left of the question.
    """
    asked = tokens_of([piece for part in parts for piece in llava.pieces(part.ids[0].tolist())], question)
    if asked and set(asked) <= set(tokens):
        raise ValueError("Nothing would be left of the question. Leave some of its words there.")
    return list(erase(parts, tokens))


def tokens_of(pieces: Sequence[str], text: str) -> list[int]:
    """The numbers of the tokens that hold a text, where it stands last; none where it cannot be found.

    Spaces are left out, as tokens read on their own may have lost theirs.
    """
    letters = [(letter, number) for number, piece in enumerate(pieces) for letter in "".join(piece.split())]
    wanted = "".join(text.split())
    at = "".join(letter for letter, _ in letters).rfind(wanted) if wanted else -1
    return sorted({number for _, number in letters[at : at + len(wanted)]}) if at >= 0 else []
