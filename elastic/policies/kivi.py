"""KIVI: fewer bits for every number, and only then fewer tokens."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Coded, Drop, Received, Voted
from elastic.statistics import Attention, Queries


@dataclass(frozen=True)
class KIVI(Recipe):
    """KIVI (Liu et al., ICML 2024, arXiv 2402.02750), behind SnapKV where even its codes are too many.

    Kept: every token, its numbers as codes of few bits between the least and the greatest of a group: of keys `group`
    tokens of one channel, of values as many channels of one token. The newest `newest` tokens stay as they are: keys
    become codes as many at once, values one by one. While decoding every token is kept, and older ones become codes.
    A prompt is read at full precision; what is asked later reads codes.

    Departs from the source in the budget, which is one of bytes: where codes of all tokens take more than `keep`,
    SnapKV keeps as many tokens as fit; where they take less, less is held than is asked for. The newest take no more
    than half of it, and there are none where that is less than a group; keys that fill no group yet are whole besides,
    which of few tokens in large groups may be all. A group along channels is no longer than divides the head's
    channels. In a further turn all is coded anew from the numbers that the codes stood for, together with the new
    prompt's. How many tokens fit depends on the model's own numbers: codes are a smaller part of 32 bits than of 16.
    """

    keep: float = option(0.5, "Share of the bytes; tokens go only where codes of all of them take more.", 0.01, 1.0)
    bits: str = option("2", "Bits of a number; a zero and a step for every group come on top.", choices=("2", "4", "8"))
    group: int = option(32, "Numbers that share a zero and a step: the fewer, the nearer, and the more bytes.", 8, 128)
    newest: int = option(32, "Newest tokens that stay as they are, in whole groups.", 0, 512)

    title: ClassVar[str] = "KIVI"
    about: ClassVar[str] = (
        "Drops no token as long as its numbers can be written in fewer bits: 2 in place of 16 or 32. The newest tokens "
        "stay as they are. Where that is still too much, SnapKV chooses."
    )
    paper: ClassVar[str] = "arXiv 2402.02750"
    unseen: ClassVar[str] = (
        "No patch or word goes as long as all fit; what is lost is in the numbers, rounded to a few steps, and shows "
        "in what attention makes of them alone."
    )

    @property
    def recipe(self) -> Method:
        """What SnapKV votes for, as much of it as fits in codes."""
        return Method(
            keep=self.keep,
            score=Received(Attention(rows=Queries.LAST, n=16, per_head=True)),
            select=Voted(window=16, kernel=5),
            merge=Drop(),
            numbers=Coded(width=int(self.bits), group=self.group, newest=self.newest),
        )
