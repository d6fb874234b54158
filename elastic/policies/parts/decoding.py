"""What is evicted while an answer is written, or merged into another slot."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from elastic.policies.base import Eviction, StepView, within
from elastic.policies.parts.groups import closest_outside, closest_pair, most_similar
from elastic.policies.parts.protect import Protect
from elastic.statistics import Attention, Statistic

RECENT = 2  # tokens of the answer that are not merged yet
SUM = Attention()


@dataclass(frozen=True)
class Room:
    """What a layer may hold, as the mean of all layers."""

    limit: int  # slots now
    prompt_limit: int  # slots when the cache was last compressed
    seen: int  # tokens so far
    prompt: int  # tokens then


@dataclass(frozen=True)
class Decoding:
    """A rule for what to evict after a decode step; the same for all layers that hold more than they may.

    Args:
        protect: what is never evicted; None for nothing.
        own_share: a layer holds its own share of the tokens seen, as large as it was after the prompt. Where layers
            hold different numbers, one limit for all would be the wrong one.
        merge: average what is evicted into the slot with the most similar key, in place of dropping it.
        live: whether the score goes on with the attention of every query.
    """

    protect: Protect | None = None
    own_share: bool = False
    merge: bool = False
    live: bool = field(default=False, kw_only=True)

    @property
    def statistic(self) -> Statistic | None:
        """What scores must be, where the method's own score is of no attention."""
        return None

    def evict(self, slots: StepView, room: Room) -> Eviction | None:
        """What to free."""
        raise NotImplementedError

    def protected(self, slots: StepView) -> Tensor:
        """Which slots are never evicted, (L, R, S) bool."""
        if self.protect is None:
            return torch.zeros_like(slots.position, dtype=torch.bool)
        return self.protect.in_answer(slots)

    def limit(self, slots: StepView, room: Room, number: Tensor | int) -> Tensor | int:
        """What layers may hold, of which a `number` (L, R, 1) of slots is protected."""
        limit: Tensor | int = room.limit
        if self.own_share:
            # Where what is protected took more than the budget, shares are of what was taken: it must not grow, too.
            layers = len(slots.prompt_slots)
            taken = max(room.prompt_limit * layers, int(slots.prompt_slots.sum()))
            limit = slots.prompt_slots * (room.limit * layers) // taken
        return limit if self.protect is None else self.protect.room(limit, number)

    def eviction(self, slots: StepView, slot: Tensor) -> Eviction:
        """Of slots (L, R), -1 for none, with those that take them in where they are merged."""
        if not self.merge:
            return Eviction(slot)
        (into,) = slots.each(
            (slot >= 0).any(1, keepdim=True),
            lambda keys, layer, used: (most_similar(keys, slot[layer], slots.position[layer, :, :used] > 0),),
        )
        return Eviction(slot, into)


@dataclass(frozen=True)
class EvictNothing(Decoding):
    """Every token that is written stays."""

    def evict(self, slots: StepView, room: Room) -> Eviction | None:
        """Nothing."""
        return None


@dataclass(frozen=True)
class AtPlace(Decoding):
    """Evict what stands at some place among the slots that are not protected, counted from the oldest token."""

    def evict(self, slots: StepView, room: Room) -> Eviction | None:
        """In layers over their limit the slot at that place."""
        protected = self.protected(slots)
        number = protected.sum(-1, keepdim=True)
        over = (slots.held > self.limit(slots, room, number))[..., 0]
        if not over.any():
            return None
        place = self.place(slots, room, number).expand(number.shape)
        return self.eviction(slots, torch.where(over, by_age(slots, protected).gather(-1, place)[..., 0], -1))

    def place(self, slots: StepView, room: Room, number: Tensor) -> Tensor:
        """Which of the slots that are not protected, (L, 1 or R, 1); a `number` (L, R, 1) of others is."""
        raise NotImplementedError


@dataclass(frozen=True)
class FixedPoint(AtPlace):
    """The slot that stands `distance` before the end of the compressed prompt, or at its middle if it is smaller.

    Args:
        distance: slots.
        moving: count from the end of the cache, as it moves, in place of the prompt's.
    """

    distance: int = within(25, 1, 10_000)
    moving: bool = False

    def place(self, slots: StepView, room: Room, number: Tensor) -> Tensor:
        """As the paper has it, relative to the end of the compressed prompt (Elastic Cache, arXiv 2407.18121)."""
        free = (slots.held - number).clamp(min=1)
        end = free if self.moving else slots.prompt_slots - number
        return (end - (end // 2).clamp(max=self.distance)).clamp(min=0).minimum(free - 1)


@dataclass(frozen=True)
class Oldest(AtPlace):
    """The oldest token.

    Args:
        sinks: so many older ones stay (StreamingLLM, arXiv 2309.17453).
    """

    sinks: int = within(0, 0, 10_000)

    def place(self, slots: StepView, room: Room, number: Tensor) -> Tensor:
        """Behind the sinks; one slot at least is for the newest token."""
        free = (slots.held - number).clamp(min=1)
        return torch.full_like(number, min(self.sinks, room.limit - 1)).minimum(free - 1)


@dataclass(frozen=True)
class LowestScore(Decoding):
    """The slot of lowest score that is not among the newest tokens, per head where scores are (H2O, arXiv 2306.14048).

    Args:
        newest: share of the limit for the newest tokens.
        by: the score, where the method's own is of no attention.
    """

    newest: float = within(0.5, 0.0, 1.0)
    live: bool = field(default=True, kw_only=True)  # else what was written scores nothing
    by: Statistic = SUM

    @property
    def statistic(self) -> Statistic:
        return self.by

    def evict(self, slots: StepView, room: Room) -> Eviction | None:
        """Per row the lowest of the older ones."""
        protected = self.protected(slots)
        number = protected.sum(-1, keepdim=True)
        limit = torch.as_tensor(self.limit(slots, room, number))
        over = slots.held > limit
        if not over.any():
            return None
        # The newest are never evicted, so they are the last tokens there were.
        recent = (self.newest * (limit - number).double()).long()
        older = ~protected & (slots.position < room.seen - recent)
        return self.eviction(slots, least(slots.score, older, over))


@dataclass(frozen=True)
class MostAlike(Decoding):
    """Of the two slots whose merging moves their keys least, the lighter one (Ward's criterion).

    It is merged into the other one, or dropped.
    """

    def evict(self, slots: StepView, room: Room) -> Eviction | None:
        """The tokens written last are left alone: they have not been looked at yet."""
        protected = self.protected(slots)
        over = (slots.held > self.limit(slots, room, protected.sum(-1, keepdim=True)))[..., 0]
        if not over.any():
            return None
        free = ~protected & (slots.position < slots.EMPTY)
        older = free & (slots.position < room.seen - RECENT)
        allowed = torch.where(older.sum(-1, keepdim=True) < 2, free, older)  # a tiny cache has no older pair
        over = over & (allowed.sum(-1) > 1).all(1, keepdim=True)  # nor has one of protected slots any
        return self.alike(slots, room, over, allowed) if over.any() else None

    def alike(self, slots: StepView, room: Room, over: Tensor, allowed: Tensor) -> Eviction:
        """Of slots that are allowed (L, R, S), in layers that are over (L, R or 1)."""
        slot, into = slots.each(
            over,
            lambda keys, layer, used: closest_pair(keys, slots.count[layer, :, :used].sqrt(), allowed[layer, :, :used]),
        )
        return Eviction(slot, into if self.merge else None)


@dataclass(frozen=True)
class AlikeInTurn(MostAlike):
    """A block of slots at a time: those of them that are most alike to one outside it, one at a token.

    There are as many pairs as slots squared, and to compare them all at every token costs more time than a smaller
    cache saves. Here a block is compared with all others, once for several tokens.

    Args:
        block: slots whose turn it is.
        tokens: for which one comparison is enough.
    """

    block: int = within(64, 1, 100_000)
    tokens: int = within(8, 1, 64)

    def alike(self, slots: StepView, room: Room, over: Tensor, allowed: Tensor) -> Eviction:
        """The best of the block, the closest first; the closest pair of all where nothing in the block may go."""
        # Layers that hold different numbers are over their limit at different tokens: no plan would suit them all.
        are_alike = bool(over.all() and (slots.held == slots.held[0]).all())
        ahead = self.tokens if are_alike else 1

        def joining(keys: Tensor, layer: int, used: int) -> tuple[Tensor, ...]:
            size = min(self.block, (used + 1) // 2)
            first = room.seen // self.tokens * size % used
            turn = slice(first, min(first + size, used))
            weight, of_layer = slots.count[layer, :, :used].sqrt(), allowed[layer, :, :used]
            found, into = closest_outside(keys, weight, of_layer, turn, ahead)
            return *found.unbind(1), *into.unbind(1)

        columns = slots.each(over, joining)
        wanted = over.any(1)
        pairs = [*zip(columns[:ahead], columns[ahead:], strict=True)]
        legal = next((n for n, (slot, _) in enumerate(pairs) if (slot[wanted] < 0).any()), len(pairs))
        if not legal:
            return super().alike(slots, room, over, allowed)
        first, *others = (Eviction(slot, into if self.merge else None) for slot, into in pairs[:legal])
        return replace(first, then=tuple(others))


def least(score: Tensor, allowed: Tensor, over: Tensor) -> Tensor:
    """The allowed slot (L, R, S) of lowest score in layers that are `over` (L, 1 or R, 1), -1 in others: (L, R)."""
    worst = score.expand(allowed.shape).masked_fill(~allowed, torch.inf).argmin(-1)
    return torch.where(over[..., 0], worst, -1)


def by_age(slots: StepView, barred: Tensor) -> Tensor:
    """Slots from the oldest token to the newest, (L, R, S), those that are `barred` (L, R, S) at the end."""
    return torch.where(barred, slots.EMPTY, slots.position).argsort(-1)
