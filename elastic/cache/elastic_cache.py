"""A compressed KV cache: slots, the tables about them, and the policy that decides.

`ElasticCache(policy, model)` is a cache for `model.generate`: it takes part in every forward of the model, compresses
after every prompt and evicts after every token, as its policy says. The engine does each of these steps by name.
Nothing here knows what a policy's rule is.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from functools import partial

import torch
from torch import Tensor, nn

from elastic.cache.asking import ERASED, kinds_of
from elastic.cache.bias import Bias
from elastic.cache.forward import Forward, by_layer, check_sight, freed_slots
from elastic.cache.history import History
from elastic.cache.hooks import DrivenCache, prepare
from elastic.cache.identity import MadeFor
from elastic.cache.inner import library_model
from elastic.cache.kernels import check_kernels, kernels_of
from elastic.cache.merging import absorb, forget, merge_layers
from elastic.cache.pieces import Pieces, observer_of
from elastic.cache.positions import axes_of, axis_of_channels, behind, check_axes, check_steady, rope_of, steady_until
from elastic.cache.report import INCOMPLETE, UNFINISHED
from elastic.cache.slots import SlotLayer
from elastic.cache.tables import Tables
from elastic.cache.views import attended_scores, for_the_record, layer_views, step_view
from elastic.policies.base import Choice, Eviction, LayerView, Policy, Positions
from elastic.policies.picture import fitting
from elastic.statistics import Observer, Statistic


class ElasticCache(DrivenCache):
    """Keys and values of B sequences in slots, compressed as a policy says.

    Args:
        policy: what to keep and what to evict.
        model: one whose text model is among `elastic.cache.hooks.FAMILIES`, or whatever wraps one: PEFT,
            `torch.compile`, a module of one's own. It is prepared for compressed caches.
        needs: statistics to collect beyond what the policy needs, see `elastic.statistics`.
        reserve: tokens of an answer to make room for when compressing; beyond them, storage grows by doubling.

    Raises:
        ValueError: if the attention is not known here, there is not one such model, or it lacks what the policy needs.
    """

    def __init__(self, policy: Policy, model: nn.Module, needs: Iterable[Statistic] = (), reserve: int = 256) -> None:
        inner = library_model(model)
        text = prepare(inner)
        self.axes = axes_of(text)
        check_axes(policy, self.axes)
        self.kernels = kernels_of(text)
        check_kernels(policy, self.kernels)
        super().__init__(layers=[SlotLayer() for _ in range(text.config.num_hidden_layers)])
        self.chosen, self.needs = policy, frozenset(needs) | policy.needs
        self.reserve = reserve
        self.made_for = MadeFor(text)
        self.inverse_frequency, self.channel_axis = text.rotary_emb.inv_freq, axis_of_channels(text)
        self.image_id = getattr(inner.config, "image_token_id", None)
        self.steady_until, self.window = steady_until(text), getattr(text.config, "sliding_window", None)
        self.records_attention = False  # whether each forward keeps its last query's attention, for the record
        self.reset()

    def reset(self) -> None:
        """Forget every token, as if none had been read; the policy stays."""
        self.policy = self.chosen  # as applied: a prompt without a picture may need another one
        self.layers = [SlotLayer() for _ in self.layers]
        self.tables = Tables(len(self.layers), 1)
        self.prompt = self.asked = 0  # tokens seen when last compressed, and those of the last prompt that ask
        self.prompt_slots = torch.zeros(len(self.layers), dtype=torch.long)  # what each layer then held
        self.layer_statistics: dict[Statistic, Tensor] = {}  # of the last prompt, each (L, B, ...)
        self.bias: Bias | None = None
        self.planned: list[Eviction] = []  # what goes at the next tokens, where the policy has said so already
        self.offset = 0  # of a token's position from its number: a picture's tokens may stand side by side
        self.pieces, self.history = None, History()
        self.forward = None

    # Around a forward of the model.

    def enter(
        self,
        ids: Tensor,
        is_prompt: bool = False,
        asked: int = 0,
        positions: Tensor | None = None,
        erased: Sequence[int] = (),
    ) -> Forward:
        """Enter tokens (B, n) into the tables before the model reads them; of a prompt the last that are `asked`.

        `positions` (3, B, n) are the library's own; without them, tokens stand one behind the other. Those `erased`, by
        their numbers here, keep their positions and get no slot.

        Raises:
            ValueError: if there is no token, the last forward failed midway, the number of sequences changes, a sliding
                window ends, RoPE's frequencies would change, or other tokens come than were expected.
        """
        batch, new = ids.shape
        self._check(batch, new)
        goes_on = self.pieces is not None and self.pieces.take(ids)
        is_prompt = is_prompt or self.pieces is not None  # also where its last piece is a single token
        self.ready()
        if self.seen == 0:
            self.tables = Tables(len(self.layers), batch)
        if (new > 1 or is_prompt) and not goes_on:
            # Tokens that see each other must stand at the end, behind no hole; and what pieces sum up is by slot.
            self.sort_slots()
        self.history.add(ids)
        kinds, first = kinds_of(ids, self.image_id, is_prompt, erased), self._first_position()
        if positions is None:
            positions = torch.arange(first, first + new, device=ids.device)[None]
        else:
            # Behind all so far: a picture that comes in pieces may end with short rows.
            self.offset = max(behind(positions), self.seen + self.offset) - self.seen - new
        freed = freed_slots(self.tables, self.layers)
        slots = self.tables.enter(kinds)
        if self.bias is not None:
            self.bias.reserve(self.tables.capacity)
            self.bias.enter(slots)
        turns = self.tables.turns() if self.policy.positions == Positions.RE_ROTATED else None
        self.forward = Forward(
            layers=self.layers,
            kinds=kinds,
            positions=positions,
            slots=slots,
            freed=freed,
            bias=by_layer(None if self.bias is None else self.bias.table, self.tables, self.layers),
            turns=by_layer(turns, self.tables, self.layers),
            inverse_frequency=self.inverse_frequency,
            observer=self._observer(positions, asked) if is_prompt else None,
            is_whole=self.pieces is None or self.pieces.is_whole,
            keeps_attention=self.records_attention or self.policy.live,
        )
        if self.forward.is_whole:
            self.pieces = None
        return self.forward

    def expect(self, ids: Tensor, asked: int = 0) -> None:
        """Be told of a prompt (B, T) that will come in pieces, of which the last tokens are `asked`.

        They are one prompt: it is compressed when the last piece has come, as if all had come at once.

        Raises:
            ValueError: as `enter` does, and if another prompt is still to come.
        """
        self._check(self.batch if self.seen else len(ids), ids.shape[1])
        if self.pieces is not None:
            raise ValueError(f"{INCOMPLETE} read them first, or begin with reset().")
        self.pieces = Pieces(ids, asked)

    def _first_position(self) -> int:
        """Where the next token stands."""
        by_length = self.policy.positions == Positions.CACHE_LENGTH
        return self.offset + (int(self.tables.held()[0]) if by_length else self.seen)

    def _observer(self, positions: Tensor, asked: int) -> Observer:
        kinds, new, device = self.tables.kinds, positions.shape[-1], positions.device
        if self.pieces is not None:
            observer = self.pieces.observer(self.needs, kinds[:, :-new], self.image_id, device)
        else:
            observer = observer_of(self.needs, kinds, new, asked, device)
        if observer.goes_by_rope:
            observer.place(rope_of(positions, self.inverse_frequency, self.channel_axis, kinds[0] != ERASED))
        return observer

    def _check(self, batch: int, new: int) -> None:
        if self.forward is not None:
            raise ValueError(f"{UNFINISHED} begin with reset(), or with a new one.")
        if self.seen and self.batch != batch:
            raise ValueError(f"This cache holds {self.batch} sequences, not {batch}: begin a new one.")
        if not new:
            raise ValueError("There is no token to read: the prompt is empty, or all of it is in the cache already.")
        check_steady(self.steady_until, self.seen + self.offset + new)
        check_sight(self.window, self.seen + new)

    def observe(self, forward: Forward) -> None:
        """After a forward: keep a prompt's statistics, or let a live policy's scores go on."""
        if forward.observer is None:
            scores = attended_scores(self.policy, self.tables, forward)
            if scores is not None:
                self.tables.scores[self.policy.statistic] = scores
        elif forward.is_whole:
            self._keep(forward.observer)
        self.forward = None

    def _keep(self, observer: Observer) -> None:
        """A prompt's statistics: those of tokens in the tables, those of layers here."""
        self.asked = int(observer.asking.sum(1).min())
        for one, received in observer.received.items():
            figures = [received[index].flatten(0, 1).cpu() for index in sorted(received)]
            self.tables.add(one, figures, partial(one.carried_on, queries=observer.after_image.shape[1]))
        found = observer.of_layer.items()
        self.layer_statistics = {one: torch.stack([*map(Tensor.cpu, of.values())]) for one, of in found}

    def leave(self, forward: Forward) -> None:
        """After a forward that `generate` or a person drove: observe, then compress a prompt or evict for a token."""
        self.observe(forward)
        try:
            if forward.observer is None:
                self.evict()
            elif forward.is_whole:
                self.compress(self.chosen, self.reserve)
        except BaseException:
            self.forward = forward  # half done, as after a forward that failed
            raise

    # What the policy decides.

    def sort_slots(self) -> None:
        """Put the slots in the order of their tokens and close holes; before slots are compared, merged or joined."""
        self.planned = []  # by numbers of slots, which change
        if not self.seen:
            return
        self.ready()
        order, held = self.tables.order()
        in_order = (order.diff(dim=-1) == 1) | (torch.arange(1, order.shape[2]) >= self.tables.filled[..., None])
        if self.tables.hole is None and in_order.all():
            return
        for index, (layer, slots) in enumerate(zip(self.layers, held.tolist(), strict=True)):
            layer.sort(order[index, :, :slots])
        self.tables.sort(order, held)
        if self.bias is not None:
            self.bias.reserve(order.shape[2])
            self.bias.sort(order)

    def compress(self, policy: Policy, reserve: int) -> list[LayerView]:
        """Let a policy choose what to keep of every layer, with room for what `reserve` more tokens need.

        Returns what it chose from, per layer, of the first sequence and without keys: for the record.

        Raises:
            ValueError: if the heads or sequences of a layer would hold different numbers of slots, and may not; if the
                policy means nothing without a picture and there is none; if pieces of the prompt are missing; or if the
                model has no kernels that the policy needs.
        """
        policy.check_batch(self.batch)
        check_axes(policy, self.axes)
        check_kernels(policy, self.kernels)
        if self.pieces is not None and self.pieces.has_begun:
            raise ValueError(f"{INCOMPLETE} read them first, or begin with reset().")
        self.chosen, policy = policy, fitting(policy, self.tables.kinds)
        self.sort_slots()
        self.layers = [layer.whole() for layer in self.layers]
        self.policy, self.prompt = policy, self.seen
        views = layer_views(policy, self.tables, self.layers, self.layer_statistics, self.asked)
        choices = [policy.compress(list(of_one), self.seen) for of_one in zip(*views, strict=True)]
        chosen_from = for_the_record(self.tables, [of_layer[0] for of_layer in views])
        joined = [Choice.joined(of_layer) for of_layer in zip(*choices, strict=True)]
        self.tables.merge(merge_layers(self.layers, self.tables, policy, joined, self.inverse_frequency, self.kernels))
        more = policy.room(self.seen, reserve)
        for layer in self.layers:
            # A policy that holds a share of what is seen needs that share of the room, and a slot to write before.
            layer.resize(layer.used + more + 1)
        self.prompt_slots = torch.tensor(self.slots)
        is_biased = self.tables.padding is not None or (policy.count_bias and bool((self.tables.count > 1).any()))
        self.bias = Bias(self.tables, policy.count_bias, self.layers[0].device) if is_biased else None
        return chosen_from

    def evict(self) -> tuple[Tensor, Tensor] | None:
        """Free the slots that the policy evicts after a token, or None.

        Returns the tokens that lost their slots, and those whose slots took them in, (L, R) each, -1 for none.
        """
        for layer in self.layers:
            layer.settle()
        if not self.policy.evicts:
            return None
        self.ready()
        tables = self.tables
        may_be_full = self.policy.live or self.policy.memory > 0  # which takes a part of the limit
        if not may_be_full and int(tables.held().max()) <= self.policy.limit(self.seen, self.prompt):
            return None
        if not self.planned:
            view = step_view(self.policy, tables, self.layers, self.prompt, self.prompt_slots)
            self.planned = list(self.policy.evict(view, self.seen, self.prompt) or ())
        if not self.planned:
            return None
        eviction = self.planned.pop(0)
        slot = eviction.slot.expand(-1, tables.rows)
        if eviction.into is None:
            forget(self.layers, slot)
            return tables.free(slot)
        into = eviction.into.expand(-1, tables.rows)
        count = absorb(self.layers, tables, slot, into)
        if self.policy.count_bias:
            self.bias = self.bias or Bias(tables, True, self.layers[0].device)
            self.bias.reserve(tables.capacity)
            self.bias.absorb(into, count, slot >= 0)
        return tables.free(slot, into)

    def fork(self) -> "ElasticCache":
        """The same contents with tables of its own, sharing keys and values until it compresses; sorts the slots."""
        self.sort_slots()
        fork = object.__new__(type(self))
        fork.__dict__ |= self.__dict__
        fork.tables, fork.history = self.tables.copy(), self.history.copy()
        fork.bias = None if self.bias is None else self.bias.copy()
        fork.layers = [copy(layer) for layer in self.layers]
        return fork
