"""StreamingLLM: the first tokens and the newest ones."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Growth, Positions, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Drop, Oldest, SinksAndNewest, Unscored


@dataclass(frozen=True)
class Streaming(Recipe):
    """StreamingLLM (Xiao et al., ICLR 2024, arXiv 2309.17453): attention sinks and a sliding window.

    Kept: the first `sinks` tokens and the newest ones, the same in every layer and head. While decoding the oldest
    token behind the sinks goes for every new one, so the cache stays as large as it was after the prompt. All tokens
    stand side by side for RoPE, at their places in the cache.

    Departs from the source in the size: `keep` of the prompt in place of a fixed 4 + 512.
    """

    sinks: int = option(4, "Tokens at the beginning that are never dropped.", 0, 64)

    title: ClassVar[str] = "StreamingLLM"
    about: ClassVar[str] = (
        "Keeps the first few tokens, which attention uses as a sink, and the newest ones. The picture stands before "
        "the question, so most of it is evicted at small budgets."
    )
    paper: ClassVar[str] = "arXiv 2309.17453"
    unseen: ClassVar[str] = (
        "The heat has no part in what is kept. What is kept closes up, as if nothing had been between: that is not "
        "drawn."
    )

    @property
    def recipe(self) -> Method:
        """Place alone decides."""
        return Method(
            keep=self.keep,
            score=Unscored(),
            select=SinksAndNewest(sinks=self.sinks),
            merge=Drop(),
            decoding=Oldest(sinks=self.sinks),
            growth=Growth.CONSTANT,
            positions=Positions.RE_ROTATED,
        )
