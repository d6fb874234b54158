"""Which slots become anchors: the best, the first and the newest, or such as lie far apart."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from elastic.policies.base import PATCH, within
from elastic.policies.parts.groups import covering
from elastic.policies.parts.protect import Protect
from elastic.policies.parts.stack import Selection, Stack
from elastic.statistics import Attention, Statistic


@dataclass(frozen=True)
class Select:
    """A selection of the slots of a stack of layers.

    Args:
        heads_apart: whether heads choose for themselves, even where their scores are one.
    """

    heads_apart: bool = field(default=False, kw_only=True)

    together: ClassVar[int] = 8192  # slots of all layers up to which they are decided in one call

    @property
    def needs(self) -> frozenset[Statistic]:
        """Statistics that it goes by, besides the score."""
        return frozenset()

    def choose(self, stack: Stack, count: int) -> Selection:
        """That many anchors in every row."""
        raise NotImplementedError


@dataclass(frozen=True)
class Everything(Select):
    """Every slot."""

    def choose(self, stack: Stack, count: int) -> Selection:
        """All of them, whatever the budget: for methods that save elsewhere."""
        return Selection.among_all(stack, stack.every_slot())


@dataclass(frozen=True)
class Ranked(Select):
    """As many of the best as the budget says: what a slot is worth says all, so that heads can share their slots."""

    def choose(self, stack: Stack, count: int) -> Selection:
        """The same number in every row; ties go to the left."""
        return Selection.among_all(stack, strongest(self.worth(stack, count), count))

    def worth(self, stack: Stack, count: int) -> Tensor:
        """What slots are ranked by, (L x R, S); infinity for those that are kept whatever they score."""
        raise NotImplementedError


@dataclass(frozen=True)
class Top(Ranked):
    """The newest slots and the best of the others, as many as the budget in all; ties go to the left.

    Args:
        newest: share of the budget for the newest.
    """

    newest: float = within(0.0, 0.0, 1.0)

    def worth(self, stack: Stack, count: int) -> Tensor:
        """The score, once the newest are above all."""
        return stack.score.masked_fill(self.always(stack, count), torch.inf)

    def always(self, stack: Stack, count: int) -> Tensor:
        """Which slots are kept whatever they score, (L x R, S) bool."""
        return newest(stack.score, int(self.newest * count))


@dataclass(frozen=True)
class TopAndEnds(Top):
    """The first token, the last one of the prompt and the best of the others, as many as the budget in all."""

    def always(self, stack: Stack, count: int) -> Tensor:
        """Both ends of the prompt."""
        return Protect().in_prompt(stack)


@dataclass(frozen=True)
class TopAndSinks(Top):
    """The first tokens, on which attention rests, the newest, and the best of the others, as many as the budget in all.

    Args:
        sinks: how many of the first.
    """

    sinks: int = within(4, 0, 10_000)

    def always(self, stack: Stack, count: int) -> Tensor:
        """Both ends."""
        return (stack.position < self.sinks) | super().always(stack, count)


@dataclass(frozen=True)
class Voted(Ranked):
    """An observation window and what it votes for, with its surroundings (SnapKV, arXiv 2404.14469).

    Args:
        window: slots at the end, half of the budget at most.
        kernel: neighbouring slots over which votes are averaged; of an even number, one more.
    """

    window: int = within(16, 0, 10_000)
    kernel: int = within(5, 1, 1_000)

    def worth(self, stack: Stack, count: int) -> Tensor:
        """The window above all, and what is before it by averaged votes."""
        recent, wide = min(self.window, min(count, stack.slots) // 2), self.kernel // 2
        votes = stack.score[:, : stack.slots - recent]
        pooled = F.avg_pool1d(votes, 2 * wide + 1, stride=1, padding=wide)
        ranked = self.ranked(stack, pooled)
        return F.pad(ranked, (0, recent), value=torch.inf)

    def ranked(self, stack: Stack, votes: Tensor) -> Tensor:
        """What slots before the window are ranked by, (R, N), given their averaged votes (R, N): these alone."""
        return votes


@dataclass(frozen=True)
class Anchors(Select):
    """What is protected, and the best of the others. What is protected takes no members in.

    Args:
        protect: what is kept whatever it scores; None for nothing.
    """

    protect: Protect | None = None

    def choose(self, stack: Stack, count: int) -> Selection:
        """The best of what is free, as many as there is room for."""
        if self.protect is None:
            free, room = stack.every_slot(), count
        else:
            protected = self.protect.in_prompt(stack)
            # Heads may have lost different words while decoding: where fewer are left, the newest slots stay, too.
            number = int(protected.sum(-1).max())
            free = protected.to(torch.uint8).argsort(dim=-1, stable=True)[:, : stack.slots - number]
            room = int(self.protect.room(count, number)) - number
        return Selection(free, self.best(stack, free, max(0, min(free.shape[1], room))))

    def best(self, stack: Stack, free: Tensor, room: int) -> Tensor:
        """That many columns of the free slots (L x R, F), ascending: (L x R, room)."""
        return stack.score.gather(1, free).topk(room).indices.sort().values


@dataclass(frozen=True)
class SinksAndNewest(Anchors):
    """The first slots, on which attention rests, and the newest (StreamingLLM, arXiv 2309.17453).

    Args:
        sinks: how many of the first; one of those that are kept is always the newest.
    """

    sinks: int = within(4, 0, 10_000)

    def best(self, stack: Stack, free: Tensor, room: int) -> Tensor:
        """By place alone."""
        sinks = max(0, min(self.sinks, room - 1))
        column = torch.arange(free.shape[1], device=free.device)
        return column[(column < sinks) | (column >= len(column) - room + sinks)].repeat(len(free), 1)


@dataclass(frozen=True)
class Cover(Anchors):
    """Slots that lie far from one another in their keys, beginning with the best (k-centre, Gonzalez 1985).

    The keys of heads that choose together are joined.
    """

    def best(self, stack: Stack, free: Tensor, room: int) -> Tensor:
        """One after the other the farthest from all before."""
        if not room:
            return free[:, :0]
        keys, every = keys_of(stack, free, self.heads_apart)
        weight = (stack.count * stack.score).gather(1, free)[::every]
        return covering(keys, weight.argmax(-1), room).repeat_interleave(every, 0)


@dataclass(frozen=True)
class Core(Select):
    """A core of single tokens, which take nothing in, and the centres of groups of all others.

    The core has both ends of the prompt, its newest tokens, and the best of the others. Of a picture that nobody has
    asked about no patch is in it: which one will be asked for is not known, and the centres are fair to all.

    Args:
        share: of the budget, for the core.
        most: slots of the core. What a question points at does not grow with the budget.
        newest: share of the core for the newest tokens.
        fewest: centres at least where the prompt has a picture, however small the budget: averages tell what a picture
            shows, but not if there are only a few of them. Words are lost by averaging, so a text gets no more of them.
        centres: the attention, mean over heads, that makes centres of what is left.
    """

    share: float = within(0.7, 0.0, 1.0)
    most: int = within(128, 2, 100_000)
    newest: float = within(0.3, 0.0, 1.0)
    fewest: int = within(20, 0, 100_000)
    centres: Statistic = field(default_factory=Attention)

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset({self.centres})

    def choose(self, stack: Stack, count: int) -> Selection:
        """The core by score, and the rest of the budget by attention."""
        for_centres = self.fewest if bool((stack.kind == PATCH).any()) else 0
        size = min(count, stack.slots, max(2, min(self.most, round(self.share * count), count - for_centres)))
        always = Protect().in_prompt(stack) | newest(stack.score, int(self.newest * size))
        score = stack.score
        if stack.ends_in_picture:
            never = (stack.kind == PATCH) & ~Protect().in_prompt(stack)
            size = min(size, int((~never).sum(1).min()))
            score, always = score.masked_fill(never, -torch.inf), always & ~never
        in_core = torch.zeros_like(score, dtype=torch.bool)
        in_core.scatter_(1, strongest(score, size, always), True)
        free = in_core.to(torch.uint8).argsort(dim=-1, stable=True)[:, : stack.slots - size]
        attention = stack.statistic(self.centres).gather(1, free)
        return Selection(free, attention.topk(min(count - size, free.shape[1])).indices.sort().values)


def keys_of(stack: Stack, free: Tensor, per_head: bool) -> tuple[Tensor, int]:
    """Keys of the free slots (L x R, F) in float32, (rows, F, D'), and how many rows of the stack share one of theirs.

    Heads that decide together have one row of keys, joined; where their tokens or scores differ they cannot.
    """
    keys = stack.keys(per_head or stack.heads_differ)
    every = len(free) // len(keys)
    return keys.gather(1, free[::every, :, None].expand(-1, -1, keys.shape[2])).float(), every


def strongest(score: Tensor, count: int, always: Tensor | None = None) -> Tensor:
    """The slots in `always` (R, S) first and then the best by score (R, S), ties to the left: (R, count), ascending."""
    ranked = score if always is None else score.masked_fill(always, torch.inf)
    return ranked.argsort(dim=-1, descending=True, stable=True)[:, :count].sort().values


def newest(score: Tensor, count: int) -> Tensor:
    """The last `count` slots of a prompt, (R, S) bool."""
    return (torch.arange(score.shape[1], device=score.device) >= score.shape[1] - count).expand_as(score)
