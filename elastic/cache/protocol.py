"""What the library and people ask of any cache, and how one of slots answers: right, or with a sentence.

What a layer is asked is in `elastic.cache.slots`. All that the library's `Cache` has and that is not here is right as
it is; `tests/unit/test_cache_protocol.py` goes through it name by name.
"""

from abc import ABC, abstractmethod
from typing import Any, NoReturn

from torch import Tensor
from transformers.cache_utils import Cache

from elastic.cache.forward import Forward
from elastic.cache.history import History
from elastic.cache.indexed import IndexedLayer
from elastic.cache.pieces import Pieces
from elastic.cache.remembering import RememberingLayer
from elastic.cache.report import INCOMPLETE, NOTHING_READ, UNFINISHED, CacheReport, full_bytes
from elastic.cache.slots import SlotLayer
from elastic.cache.tables import Tables
from elastic.policies.base import PATCH, Policy
from elastic.policies.picture import WORDS_NOT_PROTECTED


class CacheProtocol(Cache, ABC):
    """A cache of slots, as the library sees it."""

    layers: list[SlotLayer]  # type: ignore[assignment]  # the library's may be of any kind
    tables: Tables
    chosen: Policy  # as it was given
    policy: Policy  # as it is applied: a prompt without a picture may need another one
    window: int | None  # tokens that a sliding window spans
    forward: Forward | None = None  # the one under way
    history: History  # the tokens it has read
    prompt: int  # tokens seen when it was last compressed
    pieces: Pieces | None = None  # a prompt that is still to come, or the rest of one

    @abstractmethod
    def expect(self, ids: Tensor) -> None:
        """Be told of a prompt (B, T) that will come in pieces."""

    def is_within_a_picture(self) -> bool:
        """Whether a prompt in pieces has come as far as a patch."""
        has_begun = self.pieces is not None and self.pieces.has_begun
        return has_begun and bool((self.tables.kinds[:, -1] == PATCH).all())

    def expect_nothing(self) -> None:
        """Forget a prompt of which no piece has come."""
        if self.pieces is not None and not self.pieces.has_begun:
            self.pieces = None

    @property
    def seen(self) -> int:
        """Tokens that have passed through the model."""
        return self.tables.seen - (0 if self.forward is None else self.forward.kinds.shape[1])

    @property
    def batch(self) -> int:
        """Sequences."""
        return len(self.tables.kinds)

    @property
    def slots(self) -> list[float]:
        """Slots in use, per layer: the mean of its heads, where these hold different numbers."""
        if self.tables.padding is None:
            return self.tables.held().tolist()
        return self.tables.filled.double().mean(1).tolist()

    @property
    def bytes_held(self) -> list[int]:
        """Bytes of the keys and values in use, and of what is kept beside them to find those to read, per layer."""
        return [layer.bytes_of(slots) for slots, layer in zip(self.slots, self.layers, strict=True)]

    @property
    def reads_part(self) -> bool:
        """Whether a token of an answer reads a part of what some layer holds."""
        return any(isinstance(layer, IndexedLayer) for layer in self.layers)

    @property
    def slots_read(self) -> list[float]:
        """Slots that a token reads, the newest one written, per layer: the mean of its heads."""
        return [layer.slots_read(slots) for slots, layer in zip(self.slots, self.layers, strict=True)]

    @property
    def bytes_read(self) -> list[int]:
        """Bytes that a token reads, the newest one written, per layer: keys, values, and the index it finds them by."""
        return [layer.bytes_read(slots) for slots, layer in zip(self.slots, self.layers, strict=True)]

    @property
    def bytes_allocated(self) -> int:
        """Bytes of the tensors that exist, room for coming tokens and for heads that hold more included."""
        return sum(t.untyped_storage().nbytes() for layer in self.layers for t in layer.tensors)

    def report(self) -> CacheReport:
        """What it holds, beside what was asked for."""
        held, full = sum(self.bytes_held), full_bytes(self.layers, self.seen)
        return CacheReport(
            method=self.policy.title,
            asked=self.policy.keep,
            tokens=self.seen,
            slots=self.slots,
            bytes_held=held,
            bytes_full=full,
            bytes_allocated=self.bytes_allocated,
            note=self._note(),
            is_uneven=self.tables.padding is not None,
            bytes_read=sum(self.bytes_read) if self.policy.keep_is_read else None,
        )

    def _note(self) -> str:
        """A sentence where the cache is not what it seems to be."""
        if self.forward is not None:
            return f"{UNFINISHED} begin with reset()."
        if self.pieces is not None and self.pieces.has_begun:
            return f"{INCOMPLETE} read them first, or begin with reset()."
        if not self.seen:
            return NOTHING_READ
        has_memory = any(isinstance(layer, RememberingLayer) for layer in self.layers)
        if self.policy.memory and self.policy.keep < 1 and self.prompt and not has_memory:
            return f"{self.policy.title} has no memory here: it would take more than half of what may be held."
        return "" if self.policy == self.chosen else WORDS_NOT_PROTECTED

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens seen, and not slots held: the library counts positions by it."""
        return self.seen

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """Slots that so many queries of a layer see, theirs included, and where they begin."""
        entered = 0 if self.forward is None else self.forward.kinds.shape[1]
        return int(self.tables.held()[layer_idx]) - entered + query_length, 0

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """Tokens that can be read: as many as a window spans, where there is one, or any number, -1."""
        return -1 if self.window is None else self.window

    @property
    def batch_size(self) -> int:
        """Sequences, -1 before the first forward."""
        return self.batch if self.seen else -1

    def prefetch(self, layer_idx: int, only_non_sliding: bool = True) -> None:
        """Bring a layer back that was offloaded. Every forward does so with all of them."""
        self.layers[layer_idx].prefetch()

    def activate_past_recording(self) -> NoReturn:
        """Refused: whoever wants the past recorded will ask for tokens back.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "Assisted decoding takes tokens back that its model did not want, which a compressed cache cannot: "
            "generate without an assistant and without prompt_lookup_num_tokens."
        )

    def __copy__(self) -> NoReturn:
        raise ValueError("copy.copy would give two caches the same slots: use copy.deepcopy.")

    def __iter__(self) -> NoReturn:
        raise TypeError(
            "A compressed cache cannot be taken apart into keys and values, as nothing would say of which tokens they "
            "are: look at layers[i].stored() and report(), or hand it on as a whole."
        )

    def __getitem__(self, index: Any) -> NoReturn:
        self.__iter__()
