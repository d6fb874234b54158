"""FP8: every number in 8 bits of floating point, the baseline of what writes numbers in fewer bits."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Drop, Float8, Received, Voted
from elastic.statistics import Attention, Queries


@dataclass(frozen=True)
class FP8(Recipe):
    """Floating point of 8 bits (e4m3, Micikevicius et al., arXiv 2209.05433), as transformers' `QuantizedCache` has it.

    Kept: every token; of a layer's keys, and of its values, all numbers have one scale, that of the first prompt's
    largest. While decoding every token is kept, in 8 bits at once. A prompt is read at full precision.

    Departs from the library's: every sequence of a batch has its own scale, and numbers larger than it allows are the
    largest there is (there they are no numbers). Where 8 bits for all tokens are more than `keep`, SnapKV keeps as many
    as fit; a further turn's scale is that of all that is held then.
    """

    keep: float = option(0.5, "Share of the bytes; tokens go only where 8 bits of all of them take more.", 0.01, 1.0)

    title: ClassVar[str] = "FP8"
    about: ClassVar[str] = (
        "Drops no token as long as its numbers can be written in 8 bits of floating point, half of what a model of 16 "
        "bits has. Where that is too much, SnapKV chooses."
    )
    paper: ClassVar[str] = "arXiv 2209.05433"
    unseen: ClassVar[str] = (
        "No patch or word goes as long as all fit; what is lost is in the numbers, each rounded to three binary digits."
    )

    @property
    def recipe(self) -> Method:
        """What SnapKV votes for, as much of it as fits."""
        return Method(
            keep=self.keep,
            score=Received(Attention(rows=Queries.LAST, n=16, per_head=True)),
            select=Voted(window=16, kernel=5),
            merge=Drop(),
            numbers=Float8(),
        )
