"""A side of a conversation: what it has read and written, and its cache. What is done with it is `elastic.engine`."""

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from elastic.cache import ElasticCache
from elastic.model import Reader
from elastic.models.reading import View, words
from elastic.policies import LayerView, Policy
from elastic.record.reuse import Reuse
from elastic.record.shortened import Shortened
from elastic.rehearsal import Script
from elastic.statistics import Statistic


@dataclass
class State:
    """One side of a conversation, or B of them that read and write in step: every token so far, and its cache."""

    llava: Reader
    cache: ElasticCache
    ids: Tensor  # (B, seen)
    logits: Tensor  # (B, V) float32, for the next token
    looked: Tensor  # (L, seen) float32, the attention of the query that `logits` come from, mean over heads
    forgotten: Tensor | None = None  # (L, R) float32, the share that it gave to what was forgotten; None: no memory
    read: Tensor | None = None  # (L, seen) float32, share of key heads in which that query read each; None: all
    prefill_seconds: float = 0.0
    compress_seconds: float = 0.0
    chosen_from: list[LayerView] = field(default_factory=list)  # per layer, what the policy compressed; for the record
    chosen_by: dict[Statistic, Tensor] = field(default_factory=dict)  # of layers, what was known then; for the record
    views: tuple[View, ...] = ()  # every picture that the first sequence was shown, as the model saw it
    places: np.ndarray = field(default_factory=lambda: words(0))  # (up to seen, 4) of prompts, see `Reading.place`
    reuse: Reuse | None = None  # what of it was read elsewhere, see `elastic.linking`
    shortened: Shortened | None = None  # what a front left out of it; None: nothing
    script: Script = field(default_factory=Script)  # the prompts, to be read again where a policy has them rehearsed

    @property
    def seen(self) -> int:
        """Tokens that are in the cache or were."""
        return self.cache.seen

    @property
    def place(self) -> np.ndarray:
        """Each token's picture, view, row and column, (seen, 4) int32; all -1 for words."""
        return np.concatenate([self.places, words(self.seen - len(self.places))])

    @property
    def policy(self) -> Policy:
        """What the cache was compressed by."""
        return self.cache.policy


def now(llava: Reader) -> float:
    """Seconds, after the GPU has finished what it was given."""
    if llava.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
