"""MergingPress: what is evicted moves the value that it is most like."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

import torch

from elastic.policies.base import Choice, Merged, option, within
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import Assign, Drop, KeyNorm, Received, Selection, Stack, Top, Voted
from elastic.policies.parts.groups import most_alike
from elastic.policies.parts.select import strongest
from elastic.statistics import Attention, Queries

WINDOW = 16  # queries at the prompt's end that vote


class Chosen(StrEnum):
    """What says which tokens are kept."""

    VOTES = "votes"
    KEY_NORM = "key norm"


@dataclass(frozen=True)
class MergingPress(RecipeInBits):
    """MergingPress, of the library kvpress; after D2O (Wan et al., 2024, arXiv 2406.13035), and in no paper itself.

    Kept: in every head what another method keeps, SnapKV or K-norm, with its keys. Every other token's value is added
    to that of the kept token with the most similar key, if their cosine is `alike` at least, and the whole is divided
    by the sum of weights: 1 for the kept one, and for the other the cosine times its value's length over both values'
    lengths. Of the tokens not kept only the most similar `fraction` does so, the rest is dropped. While decoding every
    token is kept.

    Departs from the source in what it wraps: any score there, two of them here, SnapKV's window being that of this
    project's SnapKV. D2O merges keys, too, and goes on while decoding. Compressed before a question, the picture's last
    patches vote; norms of keys need no question.
    """

    chosen: Chosen = option(Chosen.VOTES, "What is kept: what the prompt's end votes for, or keys of low norm.")
    alike: float = option(0.0, "Cosine of keys below which a token is dropped rather than merged.", 0.0, 1.0)
    fraction: float = option(1.0, "Share of the tokens not kept that is merged, the most similar first.", 0.0, 1.0)

    title: ClassVar[str] = "MergingPress"
    about: ClassVar[str] = (
        "Keeps what SnapKV keeps; every other token's value is merged, head by head, into that of the kept one with "
        "the most similar key, the more so the more alike. While answering nothing is dropped. From kvpress, after D2O."
    )
    paper: ClassVar[str] = "arXiv 2406.13035"
    unseen: ClassVar[str] = (
        "How alike keys are, by which tokens are merged, and how much of a value goes in, is not drawn. Keys are not "
        "merged."
    )

    @property
    def recipe(self) -> Method:
        """Votes or norms choose, and similar keys say which values are merged."""
        votes = Received(Attention(rows=Queries.LAST, n=WINDOW, per_head=True))
        parts: dict[Chosen, dict[str, Any]] = {
            Chosen.VOTES: {"score": votes, "select": Voted(window=WINDOW)},
            Chosen.KEY_NORM: {"score": KeyNorm(), "select": Top()},
        }
        merge = IntoMostAlike(alike=self.alike, fraction=self.fraction) if self.fraction else Drop()
        return Method(keep=self.keep, **parts[self.chosen], merge=merge)


@dataclass(frozen=True)
class IntoMostAlike(Assign):
    """Values of what is not kept move that of the kept slot with the most similar key (cosine).

    Args:
        alike: the least cosine.
        fraction: share of what is not kept that does so.
    """

    merged: Merged = Merged.VALUES
    heads_apart: bool = field(default=True, kw_only=True)
    alike: float = within(0.0, 0.0, 1.0)
    fraction: float = within(1.0, 0.0, 1.0)

    def join(self, stack: Stack, selection: Selection, count: int) -> list[Choice]:
        """Per layer owners and shares, a row per head."""
        kept = selection.anchors
        cosine, owner = most_alike(stack.keys(per_head=True).float(), kept)
        is_kept = torch.zeros_like(owner, dtype=torch.bool).scatter_(1, kept, True)
        lost = stack.slots - kept.shape[1]
        number = int(self.fraction * (lost - 1)) + 1 if lost else 0  # as many as reach that quantile
        joins = torch.zeros_like(is_kept)
        joins.scatter_(1, strongest(cosine.masked_fill(is_kept, -torch.inf), number), True)
        joins &= (cosine >= self.alike) & ~is_kept
        length = stack.values.float().norm(dim=-1)
        weight = joins * cosine * length / (length + length.gather(1, owner)).clamp(min=1e-6)
        total = torch.ones_like(weight).scatter_add_(1, owner, weight)
        share = torch.where(is_kept, 1, weight) / total.gather(1, owner)
        owner = torch.where(is_kept | joins, owner, -1)
        layers = len(stack.layers)
        return [Choice(mine, share=of) for mine, of in zip(owner.chunk(layers), share.chunk(layers), strict=True)]
