"""A compressed KV cache: slots, the books about them, and the policy that decides.

`ElasticCache(policy, model)` is a cache for `model.generate`: it watches the model read, compresses after every prompt
and gives slots up after every token, as its policy says. The engine asks for the same by hand. Nothing here knows what
a policy's rule is.
"""

from collections.abc import Iterable
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import PreTrainedModel

from elastic.bias import Bias
from elastic.channels import ThinLayer
from elastic.hooks import WatchingCache, watch
from elastic.merge import anchors
from elastic.policies.base import PATCH, WORD, WRITTEN, Choice, LayerView, Policy
from elastic.slots import SlotLayer
from elastic.statistics import Observer, carried_on
from elastic.tables import Tables, wide
from elastic.views import collect, for_the_record, layer_views, step_view

if TYPE_CHECKING:
    from elastic.graph import StaticStep


class ElasticCache(WatchingCache):
    """Keys and values of B sequences in slots, compressed as a policy says.

    Args:
        policy: what to keep and what to give up.
        model: a LLaVA, or a text model of the Llama, Mistral or Qwen2 family; its attention is set to watch.
        needs: names of statistics to collect beyond what the policy needs, see `elastic.statistics`.
        automatic: compress and evict after each forward of the model; the engine does both itself.
        reserve: tokens of an answer to make room for when compressing; beyond them, storage grows by doubling.

    Raises:
        ValueError: if the model's attention is not known here.
    """

    def __init__(
        self,
        policy: Policy,
        model: PreTrainedModel,
        needs: Iterable[str] = (),
        automatic: bool = True,
        reserve: int = 256,
    ) -> None:
        text = watch(model)
        super().__init__(layers=[SlotLayer(self) for _ in range(text.config.num_hidden_layers)])
        self.policy, self.needs = policy, frozenset(needs) | policy.needs
        self.automatic, self.reserve = automatic, reserve
        self.inverse_frequency = text.rotary_emb.inv_freq
        self.image_id = getattr(model.config, "image_token_id", None)
        self.window = getattr(text.config, "sliding_window", None)
        self.looking = False  # keep `looked`
        self.reset()

    def reset(self) -> None:
        """Forget every token, as if none had been read; the policy stays."""
        self.layers = [SlotLayer(self) for _ in self.layers]
        self.tables = Tables(len(self.layers), 1)
        self.prompt = self.coming = 0  # tokens seen when last compressed; tokens the model is reading now
        self.prompt_slots = torch.zeros(len(self.layers), dtype=torch.long)
        self.received: list[LayerView] = []  # per layer, what the policy chose from; the first sequence
        self.of_layer: dict[str, Tensor] = {}  # statistics of the last prompt that are not of tokens, each (L, B, ...)
        self.bias: Bias | None = None
        self.slot = torch.empty(0, dtype=torch.long)  # (L, R) where the newest token went
        self.static: StaticStep | None = None  # a decode step over this cache's storage
        self.observer: Observer | None = None  # while a prompt is read
        self.looked: dict[int, Tensor] = {}  # per layer, the last query's attention on the slots, (B, H, S)

    @property
    def seen(self) -> int:
        """Tokens that have passed through the model."""
        return self.tables.seen - self.coming

    @property
    def batch(self) -> int:
        """Sequences."""
        return len(self.tables.kinds)

    # Around a forward of the model.

    def begin(self, ids: Tensor, is_prompt: bool) -> Tensor:
        """Enter tokens (B, n) into the books before the model reads them; returns the positions they take, (1, n).

        Raises:
            ValueError: if there is no token, the last forward failed midway, the number of sequences changes or is too
                much for the policy, or a sliding window ends.
        """
        batch, new = ids.shape
        self._check(batch, new)
        self.leave_inference_mode()
        if self.seen == 0:
            self.tables = Tables(len(self.layers), batch)
        kinds = torch.full((batch, new), WORD if is_prompt else WRITTEN, dtype=torch.uint8)
        if self.image_id is not None and is_prompt:
            kinds[(ids == self.image_id).cpu()] = PATCH
        if new > 1:
            # Several tokens see each other by their order, so they must stand at the end, behind no hole.
            self.settle()
        if is_prompt:
            later = (kinds == PATCH).flip(1).cumsum(1).flip(1)
            self.observer = Observer(self.needs, (later == 0).to(ids.device))
        first = int(self.tables.held()[0]) if self.policy.positions == "cache length" else self.seen
        self._direct(kinds)
        return torch.arange(first, first + new, device=ids.device)[None]

    def _check(self, batch: int, new: int) -> None:
        if self.coming:
            raise ValueError("The last forward did not finish, so this cache is half written: begin a new one.")
        if self.seen and self.batch != batch:
            raise ValueError(f"This cache holds {self.batch} sequences, not {batch}: begin a new one.")
        if not new:
            raise ValueError("There is no token to read: the prompt is empty, or all of it is in the cache already.")
        if self.automatic:
            self.policy.check_batch(batch)
        if self.window is not None and self.seen + new > self.window:
            raise ValueError(
                f"The model sees {self.window} tokens at a time (a sliding window), and this would be token "
                f"{self.seen + new}: ask something shorter. Windows that slide are not supported."
            )

    def _direct(self, kinds: Tensor) -> None:
        """Note coming tokens of those kinds and tell each layer where they go and what is to be added or turned."""
        fills = None if self.tables.hole is None else self.tables.hole.tolist()
        slot = self.tables.enter(kinds)
        self.slot, self.coming = slot[..., -1], kinds.shape[1]
        if self.bias is not None:
            self.bias.reserve(self.tables.capacity)
            self.bias.enter(slot)
        turns = self.tables.turns() if self.policy.positions == "re-rotated" else None
        for index, layer in enumerate(self.layers):
            used = int(self.tables.used[index]) if turns is not None or self.bias is not None else 0
            layer.where = None
            if fills is not None and fills[index][0] >= 0:
                row = fills[index]
                alike = all(one == row[0] for one in row)
                layer.where = row[0] if alike else layer.spread(slot[index, :, 0])
            layer.bias = None if self.bias is None else self.bias.of(index, used, layer.device)
            layer.turns = None if turns is None else turns[index, :, :used].to(layer.device)

    def end(self) -> None:
        """After the model has read them: keep the statistics, and compress or evict where that is automatic."""
        coming, self.coming = self.coming, 0
        try:
            self._take_in(self.observer)
        except BaseException:
            self.coming = coming  # half done, as after a forward that failed
            raise

    def _take_in(self, observer: Observer | None) -> None:
        if observer is None:
            collect(self)
            if self.automatic:
                self.evict()
            return
        self.observer = None
        for name, received in observer.received.items():
            figures = [received[index].flatten(0, 1).cpu() for index in sorted(received)]
            self.tables.add(name, figures, partial(carried_on, name, queries=observer.after_image.shape[1]))
        self.of_layer = {name: torch.stack([*map(Tensor.cpu, of.values())]) for name, of in observer.of_layer.items()}
        if self.automatic:
            self.compress(self.policy, self.reserve)

    # What the policy decides.

    def settle(self) -> None:
        """Put the slots in the order of their tokens and close holes; before slots are compared, merged or joined."""
        if not self.seen:
            return
        self.leave_inference_mode()
        order, held = self.tables.order()
        in_order = (order.diff(dim=-1) == 1) | (torch.arange(1, order.shape[2]) >= held[:, None, None])
        if self.tables.hole is None and in_order.all():
            return
        for index, (layer, slots) in enumerate(zip(self.layers, held.tolist(), strict=True)):
            layer.sort(order[index, :, :slots])
        self.tables.sort(order, held)
        if self.bias is not None:
            self.bias.reserve(order.shape[2])
            self.bias.sort(order)

    def compress(self, policy: Policy, reserve: int) -> None:
        """Let a policy choose what to keep of every layer, with room for what `reserve` more tokens need.

        Raises:
            ValueError: if the policy keeps different numbers of slots for the heads or sequences of a layer, or may.
        """
        policy.check_batch(self.batch)
        self.settle()
        self.layers = [layer.whole() for layer in self.layers]
        self.policy, self.prompt = policy, self.seen
        views = layer_views(self, policy)
        choices = [policy.compress(list(of_one), self.seen) for of_one in zip(*views, strict=True)]
        self.received = for_the_record(self, [of_layer[0] for of_layer in views])
        owners = self._merge([Choice.joined(of_layer) for of_layer in zip(*choices, strict=True)])
        self.tables.merge([owner.cpu() for owner in owners])
        more = policy.limit(self.seen + reserve, self.prompt) - policy.limit(self.seen, self.prompt)
        for layer in self.layers:
            # A policy that holds a share of what is seen needs that share of the room, and a slot to write before.
            layer.resize(layer.used + more + 1)
        self.prompt_slots = self.tables.used.clone()
        merged = policy.count_bias and bool((self.tables.count > 1).any())
        self.bias = Bias(self.tables, True, self.layers[0].device) if merged else None

    def _merge(self, choices: list[Choice]) -> list[Tensor]:
        """Merge every layer as chosen; returns the owners of its slots, (R, S)."""
        policy = self.policy
        for index, (layer, choice) in enumerate(zip(self.layers, choices, strict=True)):
            kept = anchors(choice.owner).sum(1)
            if (kept != kept[0]).any():
                raise ValueError(
                    f"{type(policy).__name__} keeps {kept.tolist()} slots for the heads or sequences of layer "
                    f"{index + 1}: they must be equally many."
                )
            if choice.channels is not None:
                self.layers[index] = ThinLayer(layer, choice.channels, layer.used - choice.whole)
            if int(kept[0]) == layer.used:
                continue
            turns = None
            tables = self.tables.count, self.tables.source
            count, source = (table[index, :, : layer.used].to(choice.owner.device) for table in tables)
            if policy.align and choice.pairs is None:
                rows = max(len(choice.owner), len(source))
                owner, source = wide(choice.owner[None], rows)[0], wide(source[None], rows)[0]
                turns = torch.where(owner >= 0, source.gather(1, owner.clamp(min=0)) - source, 0)
            layer.compress(choice, count if policy.merge != "none" else None, turns, policy.merge)
        return [choice.owner for choice in choices]

    def evict(self) -> tuple[Tensor, Tensor] | None:
        """Free the slots the policy gives up, or None.

        Returns the tokens they were of and those that took them in, (L, R) each, -1 for none.
        """
        if type(self.policy).evict is Policy.evict:
            return None
        self.leave_inference_mode()
        tables = self.tables
        if not self.policy.live and int(tables.held().max()) <= self.policy.limit(self.seen, self.prompt):
            return None
        eviction = self.policy.evict(step_view(self), self.seen, self.prompt)
        if eviction is None:
            return None
        slot, into = (None if of is None else of.expand(-1, tables.rows) for of in (eviction.slot, eviction.into))
        if into is not None:
            self._absorb(slot, into)
        return tables.free(slot, into)

    def _absorb(self, slot: Tensor, into: Tensor) -> None:
        """Average slots (L, R), -1 for none, into others, as many tokens as each stands for."""
        count = self.tables.count
        gone, stays = (count.gather(2, at.clamp(min=0)[..., None])[..., 0] for at in (slot, into))
        for layer, *of_layer in zip(self.layers, slot, into, gone / (gone + stays), strict=True):
            if of_layer[0][0] >= 0:
                layer.absorb(*of_layer)
        if self.policy.count_bias:
            if self.bias is None:
                self.bias = Bias(self.tables, True, self.layers[0].device)
            self.bias.reserve(self.tables.capacity)
            self.bias.absorb(into, gone + stays, slot >= 0)

    # What it holds.

    def twin(self) -> "ElasticCache":
        """The same contents with books of its own, sharing keys and values until it compresses; both are settled."""
        self.settle()
        twin = object.__new__(type(self))
        twin.__dict__ |= self.__dict__
        twin.static = None  # and `bias` is made anew by the compression that follows
        twin.tables, twin.looked = self.tables.copy(), {}
        twin.layers = [copy(layer) for layer in self.layers]
        for layer in twin.layers:
            layer.cache = twin
        return twin

    @property
    def slots(self) -> list[int]:
        """Slots in use, per layer."""
        return self.tables.held().tolist()

    @property
    def bytes_held(self) -> list[int]:
        """Bytes of the keys and values in use, per layer."""
        return [layer.bytes_of(slots) for slots, layer in zip(self.slots, self.layers, strict=True)]

    @property
    def bytes_allocated(self) -> int:
        """Bytes of the tensors that exist, room for coming tokens included."""
        return sum(t.untyped_storage().nbytes() for layer in self.layers for t in layer.tensors)

    @property
    def watching(self) -> bool:
        """Whether the weights of decode steps are kept: somebody looks, or the policy's score lives on them."""
        return self.looking or self.policy.live
