"""How the heads of a layer share its slots: alike, or each as many as it is worth.

Where they hold different numbers a layer is as long as its fullest head, and the others are filled up (see
`elastic.cache.uneven`). Then nothing can be merged or evicted while decoding, and what is chosen from in a later turn
has slots without a token: every head is scored by itself, without these.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from elastic.policies.base import LayerView, within
from elastic.policies.parts.budget import share_out
from elastic.policies.parts.score import Score
from elastic.policies.parts.select import Ranked
from elastic.policies.parts.stack import Stack
from elastic.statistics import Attention, Queries, Statistic


@dataclass(frozen=True)
class Heads:
    """A way to share the slots of a layer, or of all layers, out to their heads."""

    @property
    def needs(self) -> frozenset[Statistic]:
        """Statistics that it goes by, besides the score."""
        return frozenset()

    @property
    def batches(self) -> bool:
        """Whether a layer holds as many slots in all whatever a prompt says."""
        return True

    def kept(self, layers: Sequence[LayerView], worth: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
        """Per layer which slots are kept, (H, S) bool, given what they are worth, (H, S), and each layer's budget.

        A budget is the mean of the layer's heads. Slots are worth infinity where they are kept whatever they score,
        and minus infinity where there is no token.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Alike(Heads):
    """As many in every head, as most methods have it; what is merged or evicted may differ all the same."""


@dataclass(frozen=True)
class ByScore(Heads):
    """The best slots of all heads together, in whichever head they are (Ada-KV, arXiv 2407.11550).

    Args:
        floor: of the budget, what every head is sure of; one slot at least.
        over_layers: whether all layers share, too, so that only the sum of their budgets counts.
    """

    floor: float = within(0.2, 0.0, 1.0)
    over_layers: bool = False

    @property
    def batches(self) -> bool:
        return not self.over_layers

    def kept(self, layers: Sequence[LayerView], worth: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
        """By rank among the slots of the layer, or of all of them."""
        if not self.over_layers:
            return [self._best(rows, len(rows) * count) for rows, count in zip(worth, counts, strict=True)]
        longest = max(rows.shape[1] for rows in worth)
        every = [F.pad(rows, (0, longest - rows.shape[1]), value=-torch.inf).to(worth[0].device) for rows in worth]
        total = sum(len(rows) * count for rows, count in zip(worth, counts, strict=True))
        kept = self._best(torch.cat(every), total).split([len(rows) for rows in worth])
        return [mask[:, : rows.shape[1]].to(rows.device) for mask, rows in zip(kept, worth, strict=True)]

    def _best(self, worth: Tensor, total: int) -> Tensor:
        """That many of the slots of all rows (R, S), and in each the best that it is sure of; ties to better ranks."""
        sure = max(1, int(self.floor * (total // len(worth)) + 1e-9))
        order = worth.argsort(dim=-1, descending=True, stable=True)
        ranked = worth.gather(1, order)
        ranked[:, :sure].masked_fill_(ranked[:, :sure] > -torch.inf, torch.inf)
        there = int((ranked > -torch.inf).sum())
        # First ranks first, so that heads take turns where all are worth the same.
        best = ranked.T.flatten().argsort(descending=True, stable=True)[: min(total, there)]
        taken = torch.zeros(worth.numel(), dtype=torch.bool, device=worth.device).index_fill_(0, best, True)
        return _at(order, taken.view(-1, len(worth)).T)


@dataclass(frozen=True)
class ByLooks(Heads):
    """A floor for every head, and the rest in proportion to how much a head looks at pictures (arXiv 2506.05344).

    Every head keeps what is kept whatever it scores, and of what is left of a budget the floor.

    Args:
        floor: of that, the share that all heads get equally.
        table: per layer and head how much it counts; None to find it in the prompt: the attention that the queries
            after the image give to patches.
    """

    floor: float = within(0.1, 0.0, 1.0)
    table: tuple[tuple[float, ...], ...] | None = None
    looks: Statistic = field(default_factory=lambda: Attention(rows=Queries.AFTER_IMAGE, per_head=True))

    @property
    def needs(self) -> frozenset[Statistic]:
        return frozenset() if self.table is not None else frozenset({self.looks})

    @property
    def batches(self) -> bool:
        return self.table is not None

    def kept(self, layers: Sequence[LayerView], worth: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
        """The best of each head, as many as it gets."""
        sizes = self.sizes(layers, worth, counts)
        found = []
        for rows, of_heads in zip(worth, sizes, strict=True):
            order = rows.argsort(dim=-1, descending=True, stable=True)
            rank = torch.arange(rows.shape[1], device=rows.device)
            found.append(_at(order, rank < torch.tensor(of_heads, device=rows.device)[:, None]))
        return found

    def sizes(self, layers: Sequence[LayerView], worth: Sequence[Tensor], counts: Sequence[int]) -> list[list[int]]:
        """Slots of every head, per layer; what a head cannot take goes to the others."""
        sure, most = [], []
        for rows, count in zip(worth, counts, strict=True):
            there, always = (rows > -torch.inf).sum(1), (rows == torch.inf).sum(1).clamp(max=count)
            floor = always + (self.floor * (count - always) + 1e-9).long()
            sure.append(floor.minimum(there).cpu())
            most.append(there.cpu())
        heads, every, all_there = [len(rows) for rows in worth], torch.cat(sure), torch.cat(most)
        left = sum(count * of for count, of in zip(counts, heads, strict=True)) - int(every.sum())
        more = share_out(left, self.shares(layers, heads), all_there - every, at_least=0)
        return [sizes.tolist() for sizes in (every + torch.tensor(more)).split(heads)]

    def shares(self, layers: Sequence[LayerView], heads: Sequence[int]) -> Tensor:
        """How much each head of all layers counts, (L x H,).

        Raises:
            ValueError: if a table is given for another model.
        """
        if self.table is None:
            # Where the method's score is of the same attention, that is what the view's score is.
            looked = [layer.statistics.get(self.looks, layer.score) * layer.is_image for layer in layers]
            each = zip(looked, heads, strict=True)
            return torch.cat([received.sum(1).double().cpu().expand(number) for received, number in each])
        if [len(of_layer) for of_layer in self.table] != [*heads]:
            raise ValueError(
                f"The table of heads is for {len(self.table)} layers, and this model has {len(heads)} with {heads[0]} "
                "heads each that have keys of their own: give a number for each."
            )
        return torch.tensor(self.table, dtype=torch.float64).flatten()


def worth_of(layers: Sequence[LayerView], score: Score, select: Ranked, counts: Sequence[int]) -> list[Tensor]:
    """What the slots of every head are worth, per layer (H, S); minus infinity where there is no token."""
    parts = [apart(layer) for layer in layers]
    scores, found = iter(score.of([one for of_layer in parts for one in of_layer])), []
    for layer, of_layer, count in zip(layers, parts, counts, strict=True):
        rows = [select.worth(Stack.of([one], [next(scores)], True), count) for one in of_layer]
        if len(rows) > 1:
            is_there = layer.position != layer.EMPTY
            of_tokens, rows = rows, [rows[0].new_full(is_there.shape, -torch.inf)]
            rows[0][is_there] = torch.cat(of_tokens, 1)[0]
        found += rows
    return found


def apart(layer: LayerView) -> list[LayerView]:
    """The layer, or, where its heads hold different numbers, each head as a layer of its own without empty slots."""
    is_there = layer.position != layer.EMPTY
    if is_there.all():
        return [layer]
    heads, found = len(is_there), []
    for head, held in enumerate(is_there):

        def own(table: Tensor, head: int = head, held: Tensor = held) -> Tensor:
            return (table if len(table) == 1 else table[head : head + 1])[:, held]

        statistics = {
            one: one.of_head(figure, head, heads) if one.is_of_layer else own(figure)
            for one, figure in layer.statistics.items()
        }
        names = ("position", "kind", "count", "score", "queries", "keys", "values")
        tables = {name: own(getattr(layer, name)) for name in names}
        found.append(replace(layer, **tables, statistics=statistics))  # type: ignore[arg-type]  # of tables alone
    return found


def _at(order: Tensor, by_rank: Tensor) -> Tensor:
    """What is said of ranks (R, S) said of slots, `order` (R, S) being the slot at each rank."""
    return torch.zeros_like(by_rank).scatter(1, order, by_rank)
