"""A method is a combination of parts: this file puts them together.

    Method(keep=0.2, score=Received(Attention(per_head=True)), select=Top(newest=0.5))

is a policy like any other: for `elastic.engine`, and for `ElasticCache` in the library's own `generate`.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from operator import attrgetter

import torch
from torch import Tensor

from elastic.policies.base import Choice, Eviction, Growth, LayerView, Policy, Positions, StepView, option
from elastic.policies.parts.assign import Assign, Drop
from elastic.policies.parts.budget import Budget, Equal
from elastic.policies.parts.decoding import Decoding, EvictNothing, Room
from elastic.policies.parts.forgotten import Forgotten
from elastic.policies.parts.heads import Alike, Heads, worth_of
from elastic.policies.parts.numbers import Coded, Numbers
from elastic.policies.parts.reads import Reads
from elastic.policies.parts.score import Received, Score
from elastic.policies.parts.select import Ranked, Select, Top
from elastic.policies.parts.stack import Stack
from elastic.policies.ranges import check_numbers
from elastic.statistics import Attention, Statistic

PARTS: dict[str, type] = {
    "score": Score,
    "budget": Budget,
    "heads": Heads,
    "select": Select,
    "merge": Assign,
    "decoding": Decoding,
    "numbers": Numbers,
    "forgotten": Forgotten,
    "reads": Reads,
}


@dataclass(frozen=True)
class Method(Policy):
    """A policy that does what its parts say.

    Args:
        keep: share of the tokens seen that may hold a slot.
        score: what makes a slot worth keeping.
        budget: how layers share the slots.
        heads: how the heads of a layer share them.
        numbers: how those of what is kept are stored.
        forgotten: what becomes of what is dropped.
        reads: which of what is kept a token of an answer reads.
        select: which slots become anchors.
        merge: which anchor the others join, and what of them is averaged; or that they are dropped.
        decoding: what is evicted while an answer is written.
        growth: what may be held while decoding; by default a share of all tokens where `decoding` evicts, and every new
            token where it does not.
        positions: where tokens stand after compression.

    Raises:
        ValueError: if a part is none of its kind, has a number out of its range, or goes by what is no statistic of
            tokens; or if heads share slots, numbers are stored in fewer bits, what is dropped is remembered, or a part
            is read, and the other parts cannot follow.
    """

    keep: float = 0.5
    score: Score = field(default_factory=lambda: Received(Attention()))
    budget: Budget = field(default_factory=Equal)
    select: Select = field(default_factory=Top)
    merge: Assign = field(default_factory=Drop)
    decoding: Decoding = field(default_factory=EvictNothing)
    heads: Heads = field(default_factory=Alike, kw_only=True)
    numbers: Numbers = field(default_factory=Numbers, kw_only=True)
    forgotten: Forgotten = field(default_factory=Forgotten, kw_only=True)
    reads: Reads = field(default_factory=Reads, kw_only=True)
    growth: Growth | None = None  # type: ignore[assignment]  # None is replaced below
    positions: Positions = Positions.TRUE

    title = "A method of one's own"
    about = "What its parts say."

    def __post_init__(self) -> None:
        if not isinstance(self.keep, int | float) or not 0 < self.keep <= 1:
            raise ValueError(f"keep must be above 0 and at most 1, got {self.keep!r}.")
        evicts = not isinstance(self.decoding, EvictNothing)
        growth = self.growth or (Growth.PROPORTIONAL if evicts else Growth.EVERY_NEW_TOKEN)
        object.__setattr__(self, "growth", Growth(growth))
        object.__setattr__(self, "positions", Positions(self.positions))
        for name, kind in PARTS.items():
            part = getattr(self, name)
            if not isinstance(part, kind):
                raise ValueError(f"{name} must be of the kind {kind.__name__} in elastic.policies.parts, got {part!r}.")
            check_numbers(part)
        for one in (self.score.statistic, self.decoding.statistic):
            if one is not None:
                _check_statistic(one)
        can_follow = isinstance(self.select, Ranked) and isinstance(self.merge, Drop) and not evicts
        if self.uneven_heads and not (can_follow and self.growth == Growth.EVERY_NEW_TOKEN):
            raise ValueError(
                f"{type(self.heads).__name__} gives heads different numbers of slots: select by rank (Top, TopAndEnds, "
                "TopAndSinks or Voted), Drop() the others, and keep every new token."
            )
        if not self.numbers.is_plain and (self.uneven_heads or evicts or self.growth != Growth.EVERY_NEW_TOKEN):
            raise ValueError(
                f"{type(self.numbers).__name__} writes groups of slots together, so none can be evicted or be missing: "
                "give heads equally many (Alike), EvictNothing() while decoding, and keep every new token."
            )
        drops = isinstance(self.merge, Drop) and not self.decoding.merge
        if self.memory and (self.uneven_heads or not self.numbers.is_plain or not drops):
            raise ValueError(
                f"{type(self.forgotten).__name__} takes in what is dropped, of all heads alike: Drop() all else, "
                "merge nothing while decoding, give heads equally many (Alike), and store Numbers() as they are."
            )
        if not self.reads.is_plain:
            self._check_reads(evicts)

    def _check_reads(self, evicts: bool) -> None:
        """See that an index stays right: no slot is freed, missing, turned or written in another way."""
        if self.uneven_heads or evicts or self.growth != Growth.EVERY_NEW_TOKEN:
            raise ValueError(
                f"{type(self.reads).__name__} looks slots up in an index to which new ones are only added: give heads "
                "equally many (Alike), EvictNothing() while decoding, and keep every new token."
            )
        if self.memory:
            raise ValueError(
                f"{type(self.reads).__name__} has layers with an index, {type(self.forgotten).__name__} layers with a "
                "memory: one or the other."
            )
        if not self.numbers.is_plain or self.positions == Positions.RE_ROTATED:
            raise ValueError(
                f"{type(self.reads).__name__} looks keys up as they are stored: store Numbers() as they are, and leave "
                f'them where they stand (positions="{Positions.TRUE}").'
            )

    @property
    def statistic(self) -> Statistic:
        """What the score is made of; where it is of no attention, what the rule while decoding goes by."""
        return self.score.statistic or self.decoding.statistic or Attention()

    @property
    def needs(self) -> frozenset[Statistic]:
        goes_by = self.score.statistic or self.decoding.statistic
        others = self.score.needs | self.budget.needs | self.heads.needs | self.select.needs | self.merge.needs
        return others | (frozenset() if goes_by is None else {goes_by})

    @property
    def evicts(self) -> bool:
        return not isinstance(self.decoding, EvictNothing)

    merged = property(attrgetter("merge.merged"))
    align = property(attrgetter("merge.align"))
    count_bias = property(attrgetter("merge.count_bias"))
    live = property(attrgetter("decoding.live"))
    memory = property(attrgetter("forgotten.features"))

    @property
    def batches(self) -> bool:  # type: ignore[override]  # a field of policies is read only here
        return self.budget.batches and self.heads.batches

    @property
    def uneven_heads(self) -> bool:  # type: ignore[override]  # likewise
        return not isinstance(self.heads, Alike)

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Score all layers, share the budget, and decide layers that are alike in one call."""
        if isinstance(self.select, Ranked) and self.uneven_heads:
            return self._shared(layers, self.select, seen)
        scores, limit = self.score.of(layers), self.limit(seen, seen)
        beside_memory = self.forgotten.count(limit, seen, layers[0].keys)
        longest = max(layers, key=attrgetter("slots"))  # in a later turn layers may hold different numbers
        counts = self.budget.counts(layers, self.numbers.count(beside_memory, longest), seen)
        choices: list[Choice] = []
        # Heads that evict by scores of their own will hold tokens of their own, even if they begin with the same.
        heads_apart = self.select.heads_apart or self.merge.heads_apart
        for (count, slots, _), group in groupby(zip(counts, layers, scores, strict=True), _shape):
            _, alike, scored = zip(*group, strict=True)
            at_once = len(alike) if len(alike) * slots <= self.select.together else 1
            for first in range(0, len(alike), at_once):
                part = slice(first, first + at_once)
                stack = Stack.of(alike[part], scored[part], heads_apart or (self.evicts and len(alike[0].score) > 1))
                choices += self.merge.join(stack, self.select.choose(stack, count), count)
        bits, memory = self.numbers.bits(limit, longest.slots), self.forgotten.memory(limit, seen, layers[0].keys)
        if bits is not None or memory:
            choices = [replace(choice, bits=bits, memory=memory) for choice in choices]
        return choices if self.reads.is_plain else self._indexed(choices)

    def _indexed(self, choices: list[Choice]) -> list[Choice]:
        """The choices, each with the index by which a token will find what it reads of its layer."""
        indices = (self.reads.index(number, len(choices), choice.kept) for number, choice in enumerate(choices))
        return [replace(choice, index=index) for choice, index in zip(choices, indices, strict=True)]

    def _shared(self, layers: list[LayerView], select: Ranked, seen: int) -> list[Choice]:
        """What heads keep that share their slots; the others are dropped."""
        counts = self.budget.counts(layers, self.limit(seen, seen), seen)
        kept = self.heads.kept(layers, worth_of(layers, self.score, select, counts), counts)
        return [Choice(torch.arange(mask.shape[1], device=mask.device).where(mask, -1)) for mask in kept]

    def evict(self, slots: StepView, seen: int, prompt: int) -> Eviction | None:
        """What the rule while decoding says."""
        limit, prompt_limit = self.limit(seen, prompt), self.limit(prompt, prompt)
        if self.memory:  # it takes as much as it did when the cache was compressed
            taken = prompt_limit - self.forgotten.count(prompt_limit, prompt, slots.keys()[0])
            limit, prompt_limit = limit - taken, prompt_limit - taken
        return self.decoding.evict(slots, Room(limit, prompt_limit, seen, prompt))


def _check_statistic(one: Statistic) -> None:
    """See that slots can be scored by a statistic, which a table is found by."""
    if not isinstance(one, Statistic) or one.is_of_layer:
        raise ValueError(f"{one!r} is no statistic of tokens: give one of elastic.statistics, such as Attention().")
    try:
        hash(one)
    except TypeError as error:
        raise ValueError(
            f"{type(one).__name__} cannot be a key ({error}): make it a frozen dataclass of numbers, words and tuples."
        ) from error


def _shape(decided: tuple[int, LayerView, Tensor]) -> tuple[int, int, torch.device]:
    """What layers must have in common to be decided in one call: their budget, their slots, their device."""
    count, layer, _ = decided
    return count, layer.slots, layer.position.device


@dataclass(frozen=True)
class Recipe(Policy):
    """A method by name: its fields are its hyper-parameters, and its `recipe` the parts that follow from them."""

    @property
    def recipe(self) -> Method:
        """The method, at the same `keep`."""
        raise NotImplementedError

    @cached_property
    def _method(self) -> Method:
        return self.recipe  # put together once: the cache asks at every token

    # What the cache asks of a policy, its parts answer.
    statistic = property(attrgetter("_method.statistic"))
    needs = property(attrgetter("_method.needs"))
    merged = property(attrgetter("_method.merged"))
    align = property(attrgetter("_method.align"))
    count_bias = property(attrgetter("_method.count_bias"))
    positions = property(attrgetter("_method.positions"))
    growth = property(attrgetter("_method.growth"))
    live = property(attrgetter("_method.live"))
    batches = property(attrgetter("_method.batches"))
    memory = property(attrgetter("_method.memory"))
    uneven_heads = property(attrgetter("_method.uneven_heads"))
    evicts = property(attrgetter("_method.evicts"))

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """As its parts say."""
        return self._method.compress(layers, seen)

    def collect(self, score: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """As its statistic says."""
        return self._method.collect(score, received, held)

    def evict(self, slots: StepView, seen: int, prompt: int) -> Eviction | None:
        """As its parts say."""
        return self._method.evict(slots, seen, prompt)


WHOLE = "whole"


@dataclass(frozen=True)
class RecipeInBits(Recipe):
    """A method that drops nothing while decoding: what it keeps may be stored in fewer bits besides.

    A budget is one of bytes. In fewer bits a slot takes fewer of them, so that more slots are kept: the two ways to
    save, fewer tokens and fewer bits, are compared at the same bytes.
    """

    bits: str = option(
        WHOLE, "Bits of a number that is kept: fewer leave room for more tokens.", choices=(WHOLE, "8", "4", "2")
    )

    @cached_property
    def _method(self) -> Method:
        return self.recipe if self.bits == WHOLE else replace(self.recipe, numbers=Coded(int(self.bits)))
