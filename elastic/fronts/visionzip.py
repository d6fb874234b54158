"""VisionZip: what the vision tower looked at, and a few tokens that stand for the rest."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import normalize

from elastic.fronts.base import FewerCells, Front, PictureCells


@dataclass(frozen=True)
class VisionZip(Front):
    """VisionZip (Yang et al., CVPR 2025, arXiv 2412.04467).

    Kept are the *dominant* cells, which the tower's class token gave the most attention to, summed over heads, in the
    layer whose output is read. Of the others every so-maniest is a *contextual* one: each cell that is left joins the
    contextual one with the most similar key (cosine, mean over heads), and a contextual token is its own hidden state
    and the mean of those that joined it, added up, as in the authors' code. All go through the projector, the dominant
    ones first. While decoding nothing happens: a front has done its work before the language model reads.

    Departures. The class token itself, which the authors keep as one more token, is not kept: LLaVA reads patches
    alone, and it has no place in the picture. The authors have three settings of LLaVA-1.5, 54 + 10, 108 + 20 and 162 +
    30 tokens of 576; here the part that is contextual is that of the first of them, however many tokens there are. In a
    tower without a class token (SigLIP) all cells look, as in the authors' code for such towers.
    """

    title: ClassVar[str] = "VisionZip"
    rule: ClassVar[str] = "most looked at, rest merged"
    about: ClassVar[str] = (
        "The language model is given the patches that the vision tower itself attended to most, and a few more that "
        "the others are merged into."
    )
    paper: ClassVar[str] = "Yang et al., CVPR 2025, arXiv 2412.04467"

    contextual: float = 10 / 64  # share of the tokens that others are merged into

    def choose(self, cells: PictureCells, tokens: int) -> FewerCells:
        """Dominant cells in their order, then contextual ones in theirs."""
        contextual = round(tokens * self.contextual)
        dominant = cells.looked.topk(tokens - contextual).indices.sort().values
        owner = torch.full_like(cells.looked, -1, dtype=torch.long)
        owner[dominant] = dominant
        rest = (owner < 0).nonzero()[:, 0]
        targets = rest[:: max(1, len(rest) // max(1, contextual))][:contextual]
        hidden = cells.hidden[targets]
        if contextual:
            owner[targets] = targets
            others = (owner < 0).nonzero()[:, 0]
            keys = normalize(cells.keys, dim=1)
            joins = (keys[others] @ keys[targets].T).argmax(1)
            owner[others] = targets[joins]
            joined = torch.zeros_like(hidden).index_add_(0, joins, cells.hidden[others])
            hidden = hidden + joined / joins.bincount(minlength=contextual).clamp(min=1)[:, None]
        features = cells.project(torch.cat([cells.hidden[dominant], hidden]))
        return FewerCells(torch.cat([dominant, targets]), features, owner)
