"""MixKV: what is important, and what is unlike the rest."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from elastic.policies.base import option
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import Drop, Received, Stack, Voted
from elastic.policies.parts.groups import towards_mean
from elastic.statistics import Attention, Queries


@dataclass(frozen=True)
class MixKV(RecipeInBits):
    """MixKV (Liu et al., 2025, arXiv 2510.20707), on SnapKV.

    Kept: in every head the last `window` tokens of the prompt, and of the others those with the highest mixture of two
    scores. Importance is what SnapKV's pooled votes say and how long a token's value is, diversity how far its key
    points away from the mean of all keys' directions; both lengths and directions are brought to the size of the votes.
    A head whose keys are alike, by the mean cosine of any two of them, goes by diversity with that weight, and by
    importance with the rest. While decoding every token is kept.

    Departs from the source in the weights: the published code takes averages over a data set, a table for each layer
    and head of one model, and here they are of the prompt itself, as the paper's formula has them. At small budgets the
    window takes no more than half of what may be held, and it is 16 in place of 64 queries, as for SnapKV here.
    Compressed before a question, the picture's last patches vote.
    """

    window: int = option(16, "Queries at the end of the prompt that vote; they are kept themselves.", 1, 128)
    kernel: int = option(5, "Neighbouring tokens over which votes are averaged; of an even number, one more.", 1, 31)

    title: ClassVar[str] = "MixKV"
    about: ClassVar[str] = (
        "SnapKV's votes, mixed with how much a key differs from the others: the more alike a head's keys are, the more "
        "that counts. Made for pictures, whose patches repeat. While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2510.20707"
    unseen: ClassVar[str] = (
        "The heat is of all queries together, or of a word; here the last words of the prompt vote, head by head. How "
        "alike keys are, and how long values, is not drawn."
    )

    @property
    def recipe(self) -> Method:
        """Votes, lengths of values and directions of keys choose."""
        return Method(
            keep=self.keep,
            score=Received(Attention(rows=Queries.LAST, n=self.window, per_head=True)),
            select=VotedAndUnlike(window=self.window, kernel=self.kernel),
            merge=Drop(),
        )


@dataclass(frozen=True)
class VotedAndUnlike(Voted):
    """An observation window, and of what is before it the best by its votes, by long values, and by unusual keys."""

    def ranked(self, stack: Stack, votes: Tensor) -> Tensor:
        """Importance and diversity, by how alike a row's keys are."""
        before, slots = votes.shape[1], stack.slots
        alike = towards_mean(stack.keys(per_head=True))
        redundancy = (slots * alike.mean(-1, keepdim=True) - 1) / max(1, slots - 1)
        length = stack.values.float().norm(dim=-1)
        importance = votes + _as_large_as(votes, length[:, :before])
        diversity = _as_large_as(votes, -alike[:, :before])
        return redundancy * diversity + (1 - redundancy) * importance


def _as_large_as(votes: Tensor, x: Tensor) -> Tensor:
    """Numbers (R, N) from 0 on, as far apart as they are, with the mean of the votes (R, N)."""
    least, most = x.aminmax(dim=-1, keepdim=True)
    share = (x - least) / (most - least).clamp(min=1e-8)
    return share * votes.mean(-1, keepdim=True) / share.mean(-1, keepdim=True).clamp(min=1e-8)
