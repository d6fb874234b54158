"""Reuse on the page: the last side takes the picture over as it was read before any question, the others read all.

A picture is read, as always, behind what the chat template begins with; that reading is the chunk, its own first token
(BOS) included, as in EPIC's code. So that it stands elsewhere now, the question stands before it, on every side:
template and question, the template's beginning once more with the picture, and what the template ends a question with.
On pocket-llava that BOS is the false sink, and no patch is one, however a picture was read (`benchmarks/RESULTS.md`).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from elastic.engine import State, link, prefill
from elastic.model import PictureReader, Reading
from elastic.statistics import Statistic


def asked_before(llava: PictureReader, pictures: Sequence[Image.Image], question: str) -> tuple[Reading, int]:
    """A first question, then the picture as it is read without one; and the number of the token that begins the latter.

    Raises:
        ValueError: if there are several pictures.
    """
    if len(pictures) > 1:
        raise ValueError("One picture can be reused, not several. Ask about one, or switch Reuse the picture off.")
    asking = llava.first_turn(list(pictures), question, question_first=True)
    first, end = _bounds(asking)
    chunk, _ = llava.halves(list(pictures), question)
    return chunk.led_by(asking.ids[:, :first]).followed_by(asking.ids[:, end:]), first


def linked(llava: PictureReader, prompt: Reading, first: int, k: int, needs: Iterable[Statistic]) -> State:
    """The state of a prompt of which the chunk with the picture, from a token on, is taken over but for `k` tokens.

    The chunk is read by itself before; that is not part of the state's time.
    """
    chunk, behind = prompt.from_token(first).split(_bounds(prompt)[1] - first)
    alone = prefill(llava, chunk, record_attention=False)
    return link(llava, [Reading(prompt.ids[:, :first]), alone, behind], k, needs)


def _bounds(prompt: Reading) -> tuple[int, int]:
    """The numbers of a picture's first token, and of the one behind its last."""
    tokens = np.flatnonzero(prompt.place[:, 1] >= 0)
    return int(tokens[0]), int(tokens[-1]) + 1
