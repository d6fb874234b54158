"""What becomes of the slots that are no anchors: each joins an anchor, or is dropped."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from elastic.policies.base import Choice, Merged, within
from elastic.policies.parts.groups import clusters, join_similar, nearest
from elastic.policies.parts.select import keys_of
from elastic.policies.parts.stack import Selection, Stack
from elastic.statistics import Attention, Statistic


@dataclass(frozen=True)
class Assign:
    """Who joins whom, and what of a group is averaged.

    Args:
        merged: what becomes the group's mean.
        align: turn members' keys to their anchor's position before they are averaged.
        count_bias: add log(tokens a slot stands for) to its attention logit.
        heads_apart: whether heads decide for themselves, even where their scores are one.

    Raises:
        ValueError: if `merged` is none of the ways, or none at all for slots that join an anchor.
    """

    merged: Merged = Merged.KEYS_AND_VALUES
    align: bool = False
    count_bias: bool = False
    heads_apart: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "merged", Merged(self.merged))
        joins = type(self).joined is not Assign.joined
        if joins and self.merged is Merged.NOTHING:
            raise ValueError(f"{type(self).__name__} averages what joins an anchor, got merged='none': Drop() evicts.")

    @property
    def needs(self) -> frozenset[Statistic]:
        """Statistics that it goes by, besides the score."""
        return frozenset()

    def join(self, stack: Stack, selection: Selection, count: int) -> list[Choice]:
        """Per layer what becomes of every slot; `count` is the budget."""
        owner = stack.every_slot()
        if not selection.best.shape[1]:  # what is protected uses up the budget, or is all there is
            return stack.choices(owner.scatter_(1, selection.free, -1))
        return stack.choices(owner.scatter_(1, selection.free, selection.free.gather(1, self.joined(stack, selection))))

    def joined(self, stack: Stack, selection: Selection) -> Tensor:
        """The anchor that each slot of `selection.free` joins, an anchor itself; as columns of `free`, (L x R, F)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Drop(Assign):
    """Nothing is joined: eviction."""

    merged: Merged = Merged.NOTHING

    def join(self, stack: Stack, selection: Selection, count: int) -> list[Choice]:
        """Anchors keep their slots, and what else is free goes."""
        owner, anchors = stack.every_slot(), selection.anchors
        return stack.choices(owner.scatter_(1, selection.free, -1).scatter_(1, anchors, anchors))


@dataclass(frozen=True)
class NearestPosition(Assign):
    """Each joins the anchor that is nearest in the text, ties to the left (Elastic Cache, arXiv 2407.18121)."""

    def joined(self, stack: Stack, selection: Selection) -> Tensor:
        """By position."""
        position = stack.position.gather(1, selection.free)
        return selection.best.gather(1, nearest(position, position.gather(1, selection.best)))


@dataclass(frozen=True)
class SimilarKey(Assign):
    """Each joins the anchor with the most similar key, or the cluster that its key belongs to.

    Args:
        rounds: of k-means from the anchors, weighted by score; 0 for the largest cosine. Clusters are then stood for
            by the member nearest to their centre.
    """

    rounds: int = within(0, 0, 10)

    def joined(self, stack: Stack, selection: Selection) -> Tensor:
        """By key."""
        keys, every = keys_of(stack, selection.free, self.heads_apart)
        seeds = selection.best[::every]
        if self.rounds:
            weight = self.weight(stack).gather(1, selection.free)[::every]
            joined = clusters(keys, seeds, weight, self.rounds)
        else:
            joined = join_similar(keys, seeds)
        return joined.repeat_interleave(every, 0)

    def weight(self, stack: Stack) -> Tensor:
        """How much each slot moves its cluster's centre, (L x R, S)."""
        return stack.count * stack.score


@dataclass(frozen=True)
class Attended(SimilarKey):
    """Clusters of similar keys; in a group's mean a member weighs as much as it is looked at.

    What nobody looks at must not move what somebody does. Clusters go by the mean of all heads, means by each head's
    own attention. Of a picture that nobody has asked about all members weigh the same.

    Args:
        by: the attention.
        faint: of the mean of its group, what every member weighs anyway.
    """

    by: Statistic = field(default_factory=Attention)
    faint: float = within(0.1, 0.0, 1.0)

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset({self.by})

    def join(self, stack: Stack, selection: Selection, count: int) -> list[Choice]:
        """As clusters, with the share that each slot has in its group's sum."""
        owner = torch.cat([choice.owner for choice in super().join(stack, selection, count)])
        if stack.ends_in_picture:
            return stack.choices(owner)
        # What is dropped is a group of its own, and in nobody's sum.
        received, group = stack.per_head(self.by), torch.where(owner < 0, stack.every_slot(), owner)
        total = torch.zeros_like(received).scatter_add_(1, group, received)
        size = torch.zeros_like(received).scatter_add_(1, group, torch.ones_like(received))
        weight = received + self.faint * (total / size.clamp(min=1)).gather(1, group) + 1e-12
        share = weight / torch.zeros_like(weight).scatter_add_(1, group, weight).gather(1, group)
        of_layers = zip(owner.chunk(len(stack.layers)), share.chunk(len(stack.layers)), strict=True)
        return [Choice(slots, share=of_slots) for slots, of_slots in of_layers]

    def weight(self, stack: Stack) -> Tensor:
        """The attention."""
        return stack.statistic(self.by)
