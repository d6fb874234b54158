"""LOOK-M: text first, and what is dropped is merged into what is alike."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from elastic.policies.base import PATCH, Choice, LayerView, Policy, option
from elastic.policies.selection import newest, strongest

MERGING = ("pivotal", "averaged", "weighted")


@dataclass(frozen=True)
class LookM(Policy):
    """LOOK-M (Wan et al., EMNLP Findings 2024, arXiv 2406.18139).

    Kept: in every head the newest tokens and those that received most attention, summed over all queries, text being
    raised by the largest sum. Every other token is merged into the kept one with the most similar key (cosine), keys
    and values alike. Of c members k_i and a kept k the mean is taken after each member is moved half-way to k
    ("pivotal"), of the members as they are ("averaged"), or of the members times their cosine ("weighted", which
    shrinks vectors: its weights do not add up to one). While decoding every token is kept.

    Departs from the source's code, and follows the paper: the code takes a large constant off the image's scores, and
    leaves members below the mean similarity out of two of the merges.
    """

    recent: float = option(0.5, "Share of the budget for the newest tokens.", 0.0, 1.0)
    merging: str = option("pivotal", "How members enter the mean.", choices=MERGING)
    text_prior: bool = option(True, "Raise the scores of text by the largest score.")

    title: ClassVar[str] = "LOOK-M"
    about: ClassVar[str] = (
        "Keeps text before image patches; what is not kept is merged into the kept token with the most similar key, "
        "head by head. While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2406.18139"
    unseen: ClassVar[str] = (
        "The heat is the mean of all heads; each goes by its own. How alike keys are, by which tokens are merged, is "
        "not drawn."
    )
    score: ClassVar[str] = "frequency, per head"
    growth: ClassVar[str] = "every new token"
    merge: ClassVar[str] = "keys and values"

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Per head the newest and the best, and the others merged into them."""
        return [self._choose(layer, self.limit(seen, seen)) for layer in layers]

    def _choose(self, layer: LayerView, count: int) -> Choice:
        score = layer.score
        if self.text_prior:
            score = score + score.amax(1, keepdim=True) * (layer.kind != PATCH)
        owner = strongest(score, count, newest(score, int(self.recent * count))).owner
        keys = F.normalize(layer.keys.float(), dim=-1)
        kept = owner.ge(0).nonzero()[:, 1].view(len(owner), -1)
        alike = keys @ keys.gather(1, kept[..., None].expand(-1, -1, keys.shape[2])).mT
        nearest, which = alike.max(-1)
        joined = torch.where(owner >= 0, owner, kept.gather(1, which))
        return Choice(joined, share=self.shares(joined, nearest))

    def shares(self, owner: Tensor, cosine: Tensor) -> Tensor:
        """How much of each token goes into its group's sum (H, S), `cosine` being its similarity to the owner's key."""
        is_kept = owner == torch.arange(owner.shape[1], device=owner.device)
        size = torch.zeros_like(cosine).scatter_add_(1, owner, torch.ones_like(cosine)).gather(1, owner)
        if self.merging == "pivotal":
            # The half-way points hold the kept token size - 1 times by half, and every member by half.
            share = torch.where(is_kept, 1 + (size - 1) / 2, 0.5)
        else:
            share = torch.where(is_kept | (self.merging == "averaged"), 1.0, cosine)
        return share / size
