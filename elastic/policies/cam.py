"""CaM: what is evicted lives on, in parts, in the values of what stands behind it."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from elastic.policies.base import Choice, Merged, option, within
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import Assign, Received, Selection, Stack, Top
from elastic.statistics import Attention, Queries, Statistic

LAST = Attention(rows=Queries.LAST, n=16, per_head=True)


@dataclass(frozen=True)
class CaM(RecipeInBits):
    """CaM, Cache Merging (Zhang et al., ICML 2024, OpenReview LCTmppB165).

    Kept: in every head the newest tokens and those that received most attention, summed over all queries; keys stay as
    they are. Of any other token its value may be added, in equal parts, to those of the `window` kept tokens behind it.
    The chance of that is the attention it received from the prompt's last queries over the mean of these, and at most
    1: below that, with the weights that they had at the prompt's end, the kept ones bring on average what the token
    brought. While decoding every token is kept.

    These weights do not stay. Softmax over what is left makes them add up to 1 again, and all that was added grows with
    them: an output is too long by one over the share of attention that the kept ones had. The rule does not make up
    for it. That is next to nothing where one token goes, as in the paper, and much where most of a prompt does.

    Departs from the source in when and what. There the prompt is first cut to its first and newest tokens, nothing of
    it being merged, and then each token of the answer that leaves the newest ones is, one at a time; the picture would
    be gone before anything is merged. Here the prompt itself is merged, at once, among tokens chosen as by H2O, and
    the answer stays whole. The chance is there by the newest query, or by all of the answer's so far; here by the last
    16 of the prompt, which see nearly all of it. Sums over the whole prompt would not do: few queries have seen the
    newest tokens, beside whose sums anything looks worth adding. Query heads that share a key count as their mean.
    Where fewer than `window` kept tokens stand behind, the parts are larger. With `drawn` off each value is added times
    its chance, which is what drawing comes to on average.
    """

    recent: float = option(0.5, "Share of the budget for the newest tokens; the most attended get the rest.", 0.0, 1.0)
    window: int = option(32, "Kept tokens behind an evicted one, among which its value is divided.", 1, 256)
    drawn: bool = option(True, "Draw which values are added; else add each, times its chance.")
    seed: int = option(0, "Seed of the draw.", 0, 1_000_000)

    title: ClassVar[str] = "CaM"
    about: ClassVar[str] = (
        "Keeps what H2O keeps; values of evicted tokens are added, a part each, to the kept ones behind them, the "
        "likelier the more they were looked at. While answering nothing is dropped."
    )
    paper: ClassVar[str] = "OpenReview LCTmppB165"
    unseen: ClassVar[str] = (
        "A value goes in equal parts to many kept tokens; it is shown with the next one. Keys are not merged. The heat "
        "is the mean of all heads; each goes by its own."
    )

    @property
    def recipe(self) -> Method:
        """Sums of attention choose what is kept, and the last queries how likely the rest is added to it."""
        return Method(
            keep=self.keep,
            score=Received(Attention(per_head=True)),
            select=Top(newest=self.recent),
            merge=AmongThoseBehind(window=self.window, drawn=self.drawn, seed=self.seed),
        )


@dataclass(frozen=True)
class AmongThoseBehind(Assign):
    """Values of what is not kept are added in equal parts to those of the kept slots behind it, as luck has it.

    Args:
        by: the attention that chances are made of.
        window: how many of those behind.
        drawn: whether luck decides, or each is added times its chance.
        seed: of the draw.
    """

    merged: Merged = Merged.VALUES
    heads_apart: bool = field(default=True, kw_only=True)
    by: Statistic = LAST
    window: int = within(32, 1, 10_000)
    drawn: bool = True
    seed: int = 0

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset({self.by})

    def join(self, stack: Stack, selection: Selection, count: int) -> list[Choice]:
        """Per layer who goes where, and how much of it."""
        kept, every = selection.anchors, stack.every_slot()
        is_kept = torch.zeros_like(stack.score, dtype=torch.bool).scatter_(1, kept, True)
        lost = is_kept.to(torch.uint8).argsort(dim=-1, stable=True)[:, : stack.slots - kept.shape[1]]
        place = torch.searchsorted(kept, lost.contiguous())[..., None] + torch.arange(self.window, device=kept.device)
        is_there = place < kept.shape[1]
        behind = kept.gather(1, place.clamp(max=kept.shape[1] - 1).flatten(1)).view_as(place)
        part = self._added(stack, lost, behind, is_there)
        to = torch.where(is_there & (part > 0)[..., None], behind, -1)
        owner = every.scatter(1, lost, to[..., 0])
        members = torch.cat([every, lost.repeat_interleave(self.window, 1)], 1)
        anchors = torch.cat([torch.where(is_kept, every, -1), to.flatten(1)], 1)
        share = torch.cat([torch.ones_like(stack.score), part.repeat_interleave(self.window, 1)], 1)
        tables = (table.chunk(len(stack.layers)) for table in (owner, members, anchors, share))
        return [Choice(mine, pairs=(of, into), share=parts) for mine, of, into, parts in zip(*tables, strict=True)]

    def _added(self, stack: Stack, lost: Tensor, behind: Tensor, is_there: Tensor) -> Tensor:
        """How much of each lost slot (R, E) is added to each of those behind it that are there (R, E, W)."""
        number, received = is_there.sum(-1), stack.per_head(self.by)
        of_these = received.gather(1, behind.flatten(1)).view(behind.shape)
        mean = (of_these * is_there).sum(-1) / number.clamp(min=1)
        chance = (received.gather(1, lost) / mean.clamp(min=1e-30)).clamp(max=1) * (number > 0)
        if self.drawn:
            chance = (self._luck(stack).gather(1, lost) < chance).float()
        return chance / number.clamp(min=1)

    def _luck(self, stack: Stack) -> Tensor:
        """A number between 0 and 1 for every slot, (L x R, S), drawn anew in each layer and head."""
        drawn = []
        for layer in stack.layers:
            # On the CPU, and by the layer's number: the same whatever the device, and whatever is decided with it.
            generator = torch.Generator().manual_seed(self.seed + 1_000_003 * layer.number)
            drawn.append(torch.rand(stack.rows, stack.slots, generator=generator))
        return torch.cat(drawn).to(stack.score.device)
