"""One question answered by two policies for a program that asks, with the figures of the run."""

from collections.abc import Generator, Sequence
from contextlib import closing

from PIL.Image import Image

from elastic.fronts import Front
from elastic.policies import Policy
from elastic.record.trace import first_difference
from page.model import Model


def compared(
    model: Model,
    pictures: Sequence[Image],
    picture_tokens: int,
    policies: Sequence[Policy],
    question: str,
    tokens: int,
    before_question: bool,
    reuse: int | None,
    front: Front | None,
) -> Generator[None, None, tuple[str, str, dict]]:
    """The steps of it, for the line; they come to both answers and the figures."""
    comparison = model.session.Comparison(model.heeding(picture_tokens), pictures, policies)
    how = {"before_question": before_question, "reuse": reuse, "front": front}
    with closing(comparison.ask(question, tokens, **how)) as events:
        for _ in events:
            yield
    a, b = comparison.record().sides
    figures = {"model": a.model, "first_difference": first_difference(a, b), "a": a.figures(), "b": b.figures()}
    return a.answer, b.answer, figures
