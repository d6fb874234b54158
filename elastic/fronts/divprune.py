"""DivPrune: tokens that are as unlike each other as possible."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import normalize

from elastic.fronts.base import FewerCells, Front, PictureCells


@dataclass(frozen=True)
class DivPrune(Front):
    """DivPrune (Alvar et al., CVPR 2025, arXiv 2503.02175).

    By what the language model would be given for each cell, and the cosine of the angle between two. First comes the
    cell whose nearest neighbour is farthest; then, again and again, the one that is farthest from all that were taken:
    a greedy solution of the max-min diversity problem. They stand in the order of the picture; nothing is merged.
    While decoding nothing happens.

    Departure: of several pictures each is thinned by itself, where the authors' code knows one.
    """

    title: ClassVar[str] = "DivPrune"
    rule: ClassVar[str] = "patches unlike each other"
    about: ClassVar[str] = (
        "The language model is given patches that are as unlike each other as possible; all others are dropped."
    )
    paper: ClassVar[str] = "Alvar et al., CVPR 2025, arXiv 2503.02175"

    def choose(self, cells: PictureCells, tokens: int) -> FewerCells:
        """The chosen cells, in their order."""
        features = cells.project(cells.hidden)
        unit = normalize(features.float(), dim=1)
        distance = 1 - unit @ unit.T
        nearest = distance.fill_diagonal_(float("inf")).min(1).values
        taken = [int(nearest.argmax())]
        away = distance[taken[0]].clone()  # from the nearest of those that were taken
        away[taken[0]] = -float("inf")
        while len(taken) < tokens:
            taken.append(int(away.argmax()))
            away = torch.minimum(away, distance[taken[-1]])
            away[taken[-1]] = -float("inf")
        kept = torch.tensor(sorted(taken), device=features.device)
        owner = torch.full((len(features),), -1, device=features.device)
        owner[kept] = kept
        return FewerCells(kept, features[kept], owner)
