"""SparseMM: more slots for the heads that look at the picture."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import ByLooks, Drop, Received, Voted
from elastic.statistics import Attention, Queries


@dataclass(frozen=True)
class SparseMM(Recipe):
    """SparseMM (Wang et al., ICCV 2025, arXiv 2506.05344).

    Kept: in every head the last `window` tokens of the prompt, and of the others those with most votes of these, as
    many as the head gets. Every head gets the same `floor`, and what is left of the budget of all layers goes to heads
    in proportion to how much they look at pictures. While decoding every token is kept.

    Departs from the source in the table of heads that look: the authors make it once for each of their models, from
    answers about text in pictures, by how often a head's strongest weight is on the place that is read out. Here it is
    of the prompt itself, the attention that all queries after the image give to patches; a table of one's own is given
    as `ByLooks(table=...)`. As SnapKV here, the window takes no more than half of what may be held, and 16 queries vote
    in place of 32; means over five tokens are those of the authors' code, whose class has maxima over seven as its
    defaults. What a head cannot take, because it has no more tokens, goes to the others; the authors' code leaves it
    unused. Compressed before the question, the picture's last patches are the queries that look.
    """

    window: int = option(16, "Queries at the end of the prompt that vote; they are kept themselves.", 1, 128)
    kernel: int = option(5, "Neighbouring tokens over which votes are averaged; of an even number, one more.", 1, 31)
    floor: float = option(0.1, "Share of the budget that all heads get equally, beyond the window.", 0.0, 1.0)

    title: ClassVar[str] = "SparseMM"
    about: ClassVar[str] = (
        "Few heads really look at the picture: they get most of the slots, in all layers, and the others little more "
        "than the last words. While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2506.05344"
    unseen: ClassVar[str] = (
        "Numbers of slots are means: heads keep different numbers, see them one by one. The heat is of all "
        "queries together, or of a word; here the last words of the prompt vote, head by head."
    )
    needs_image: ClassVar[bool] = True

    @property
    def recipe(self) -> Method:
        """What SnapKV votes for, shared out by looks at the picture."""
        return Method(
            keep=self.keep,
            score=Received(Attention(rows=Queries.LAST, n=self.window, per_head=True)),
            heads=ByLooks(floor=self.floor),
            select=Voted(window=self.window, kernel=self.kernel),
            merge=Drop(),
        )
