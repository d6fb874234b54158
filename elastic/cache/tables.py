"""The tables about slots: which token each one is, and what was merged into it. No keys, no values, no policy."""

from collections import defaultdict
from collections.abc import Callable
from copy import copy

import torch
from torch import Tensor

from elastic.cache.asking import ERASED
from elastic.merge import anchors, filled_up
from elastic.policies.base import PATCH, WRITTEN, LayerView
from elastic.statistics import Statistic

EMPTY = LayerView.EMPTY
FILL = {"source": EMPTY, "count": 0.0, "kind": WRITTEN}


class Tables:
    """Per slot its anchor's token `source`, the `count` of tokens it stands for and their `kind`, each (L, R, C).

    R rows are the B sequences, or B x H once heads hold different tokens; C is the capacity, of which a layer uses the
    first `used` (L,). Where its heads hold different numbers, that is the most that one holds, and the others have
    `padding`: slots with no token, which attention is kept from by a bias of -inf. `scores` holds, by their statistics,
    the attention that prompts gave to a slot's anchor, each (L, B or B x H, C). Everything lies on the CPU; what is
    decided there costs a GPU no time.
    """

    def __init__(self, layers: int, batch: int) -> None:
        self.seen = 0  # tokens so far
        self.kinds = torch.zeros(batch, 0, dtype=torch.uint8)  # (B, seen)
        self.last_patch = -1  # its position, in the first sequence; -1 where there is none
        self.source = torch.empty(layers, batch, 0, dtype=torch.long)
        self.count = torch.empty(layers, batch, 0)
        self.kind = torch.empty(layers, batch, 0, dtype=torch.uint8)
        self.scores: dict[Statistic, Tensor] = {}
        self.used = torch.zeros(layers, dtype=torch.long)
        self.padding: Tensor | None = None  # (L, R) how many of the used slots hold none; None where all rows are full
        self.hole: Tensor | None = None  # (L, R) freed slots, -1 for none, where the next token goes
        # Which of the first tokens were read elsewhere, (t,): their queries are among no statistics.
        self.reused = torch.zeros(0, dtype=torch.bool)
        self._owner = torch.empty(layers, batch, 0, dtype=torch.long)  # of the tokens seen when it was last written
        self._evicted: list[tuple[Tensor, Tensor]] = []  # since then: (L, R) tokens, -1 for none, and who owns them now

    @property
    def rows(self) -> int:
        return self.source.shape[1]

    @property
    def batch(self) -> int:
        return len(self.kinds)

    @property
    def capacity(self) -> int:
        return self.source.shape[2]

    def copy(self) -> "Tables":
        """The same contents in storage of their own."""
        fork = copy(self)
        for name in ("source", "count", "kind", "used"):
            setattr(fork, name, getattr(self, name).clone())
        fork.scores = {name: table.clone() for name, table in self.scores.items()}
        fork._evicted = list(self._evicted)
        return fork

    def is_used(self) -> Tensor:
        """Which entries hold a token, (L, 1 or R, C); a freed slot counts until it is overwritten."""
        is_used = (torch.arange(self.capacity) < self.used[:, None])[:, None]
        return is_used if self.padding is None else is_used & (self.source != EMPTY)

    def held(self) -> Tensor:
        """Slots that hold a token now, (L,), in the fullest row."""
        return self.used if self.hole is None else self.used - (self.hole[:, 0] >= 0).long()

    @property
    def filled(self) -> Tensor:
        """Slots of each row that hold a token now, (L, R)."""
        held = self.held()[:, None].expand(-1, self.rows)
        return held if self.padding is None else held - self.padding

    def enter(self, kinds: Tensor) -> Tensor:
        """Note coming tokens of those kinds (B, n); returns the slots they go to, (L, R, n).

        Those that are erased go to none: they are dropped as they come.
        """
        new, kept = kinds.shape[1], (kinds[0] != ERASED).nonzero()[:, 0]
        behind = self.used[:, None, None] + torch.arange(len(kept))
        slot = behind.expand(-1, self.rows, -1)
        if self.hole is not None:
            slot = torch.where(self.hole[..., None] >= 0, self.hole[..., None], slot)
        self._reserve(int(slot.max()) + 1)
        self.source.scatter_(2, slot, (self.seen + kept).expand(slot.shape))
        self.count.scatter_(2, slot, 1.0)
        self.kind.scatter_(2, slot, kinds[:, kept].repeat_interleave(self.rows // len(kinds), 0).expand(slot.shape))
        for table in self.scores.values():
            table.scatter_(2, wide(slot, table.shape[1]), 0.0)
        self.used = self.held() + len(kept)
        self.hole = None
        if new > 1 or int(kinds[0, 0]) == PATCH:  # no token of an answer is one
            patches = (kinds[0] == PATCH).nonzero()
            self.last_patch = self.seen + int(patches[-1]) if len(patches) else self.last_patch
        self.kinds = torch.cat([self.kinds, kinds], 1)
        self.seen += new
        return slot

    def _reserve(self, slots: int) -> None:
        """Room for that many slots, doubling."""
        if self.capacity >= slots:
            return
        more = (max(slots, 2 * self.capacity) if self.seen else slots) - self.capacity
        for name, fill in FILL.items():
            table = getattr(self, name)
            setattr(self, name, torch.cat([table, table.new_full((*table.shape[:2], more), fill)], 2))
        for statistic, table in self.scores.items():
            self.scores[statistic] = torch.cat([table, table.new_zeros(*table.shape[:2], more)], 2)

    def add(self, statistic: Statistic, received: list[Tensor], carried_on: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Note what a prompt makes of a score, per layer (R', used), `carried_on` from what the score was."""
        rows = len(received[0])
        old = self.scores.get(statistic, torch.zeros(len(received), 1, self.capacity))
        new = torch.zeros(len(received), max(rows, old.shape[1]), self.capacity)
        for table, figures in zip(new, received, strict=True):
            table[:, : figures.shape[1]] = wide(figures[None], len(table))[0]
        self.scores[statistic] = carried_on(wide(old, new.shape[1]), new)

    def order(self) -> tuple[Tensor, Tensor]:
        """Slots by token, (L, R, C), those that hold one first, and how many a layer uses, (L,)."""
        source = torch.where(self.is_used(), self.source, EMPTY)
        if self.hole is not None:
            at = self.hole.clamp(min=0)[..., None]
            source.scatter_(2, at, torch.where(self.hole[..., None] >= 0, EMPTY, source.gather(2, at)))
        # Stable: slots without a token that a layer uses come before those that it does not.
        return source.argsort(dim=-1, stable=True), self.held()

    def turns(self) -> Tensor | None:
        """By how much keys must turn, (L, R, C), so that the tokens stand side by side up to the newest; None for 0."""
        is_used = self.is_used()
        rank = torch.where(is_used, self.source, EMPTY).argsort(-1).argsort(-1)
        turns = torch.where(is_used, self.seen - is_used.sum(-1, keepdim=True) + rank - self.source, 0)
        return turns if turns.any() else None

    def sort(self, order: Tensor, held: Tensor) -> None:
        """Put the slots into an order, as `order` gives it; beyond `held` (L,) there is nothing."""
        for name in FILL:
            setattr(self, name, getattr(self, name).gather(2, order))
        for statistic, table in self.scores.items():
            rows = max(table.shape[1], self.rows)
            self.scores[statistic] = wide(table, rows).gather(2, wide(order, rows))
        self.used, self.hole = held, None

    def free(self, slot: Tensor, into: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Free slots (L, R), -1 for none; `into` (L, R) are slots that took them in.

        Returns their tokens and the tokens these went to, (L, R) each, -1 for none.

        Raises:
            ValueError: if a slot is free already.
        """
        if self.hole is not None:
            raise ValueError("A slot is already free: write a token before evicting the next one.")
        self.hole = slot
        token = torch.where(slot >= 0, self.source.gather(2, slot.clamp(min=0)[..., None])[..., 0], -1)
        owner = torch.full_like(token, -1)
        if into is not None:
            at, freed = into.clamp(min=0)[..., None], slot.clamp(min=0)[..., None]
            owner = torch.where(slot >= 0, self.source.gather(2, at)[..., 0], -1)
            more = torch.where(slot[..., None] >= 0, self.count.gather(2, freed), 0.0)
            self.count.scatter_add_(2, at, more)
        self._evicted.append((token, owner))
        return token, owner

    def merge(self, chosen: list[Tensor]) -> None:
        """Keep the anchors of `chosen`, per layer (R', S) the owner of every slot; the slots must be in order."""
        rows = max(self.rows, *(len(owner) for owner in chosen))
        tables: dict[str | Statistic, Tensor] = {name: wide(getattr(self, name), rows) for name in FILL}
        scores = {statistic: wide(table, max(rows, table.shape[1])) for statistic, table in self.scores.items()}
        owners, filled = wide(self.owners(), rows), self.used.new_zeros(len(self.used), rows)
        for layers in _alike(chosen):
            owner = torch.stack([wide(chosen[layer][None], rows)[0] for layer in layers])
            slots = owner.shape[2]
            kept = anchors(owner)
            filled[layers] = sizes = kept.sum(-1)
            owners[layers] = _follow(owners[layers], tables["source"][layers, :, :slots], owner)
            for name, table in (tables | scores).items():
                here = table[layers, :, :slots]
                if name == "count":
                    here = torch.zeros_like(here).scatter_add_(2, owner.clamp(min=0), here * (owner >= 0))
                fill, each = FILL[name] if isinstance(name, str) else 0.0, here.shape[1]
                held = filled_up(here[wide(kept, each)], wide(sizes, each).flatten(), fill)
                table[layers] = fill
                table[layers, :, : held.shape[1]] = held.view(*here.shape[:2], -1)
        self.used = filled.amax(1)
        missing, capacity = self.used[:, None] - filled, int(filled.max())
        self.padding = missing if missing.any() else None
        for name in FILL:
            setattr(self, name, tables[name][..., :capacity].clone())
        self.scores = {statistic: table[..., :capacity].clone() for statistic, table in scores.items()}
        self._owner, self._evicted = owners, []

    def owners(self) -> Tensor:
        """Owner of every token seen, (L, R, seen): the anchor it is held with, -1 for dropped."""
        layers, rows, known = self._owner.shape
        new = torch.where(self.kinds[0, known:] == ERASED, -1, torch.arange(known, self.seen))
        owner = torch.cat([self._owner, new.expand(layers, rows, -1)], 2)
        for token, new in self._evicted:
            # A slot takes everything that was merged into it along.
            leaves = (owner == token[..., None]) & (token[..., None] >= 0)
            owner = torch.where(leaves, new[..., None], owner)
        return owner


def wide(table: Tensor, rows: int) -> Tensor:
    """A table (L, R, ...) with `rows` rows, those of a sequence repeated for its heads; a copy."""
    return table.repeat_interleave(rows // table.shape[1], 1)


def _alike(chosen: list[Tensor]) -> list[list[int]]:
    """Layers in groups of those that use equally many slots before and after, which can be handled together."""
    groups = defaultdict(list)
    for layer, owner in enumerate(chosen):
        groups[owner.shape[1], int(anchors(owner).sum(1).max())].append(layer)
    return list(groups.values())


def _follow(owner: Tensor, position: Tensor, chosen: Tensor) -> Tensor:
    """Owners of all tokens (L, R, seen) once their slots, at `position`, have new owners `chosen` (L, R, S)."""
    moved = torch.where(chosen >= 0, position.gather(2, chosen.clamp(min=0)), -1)
    # Where a token's slot goes, the token goes; -1, dropped before, stays -1 through an extra last column.
    target = owner.new_full((*owner.shape[:2], owner.shape[2] + 1), -1)
    target.scatter_(2, position.clamp(max=owner.shape[2]), moved)  # where there is no token, none goes anywhere
    return target.gather(2, torch.where(owner >= 0, owner, owner.shape[2]))
