"""Caches that may answer: compressed after their question was read, or before it.

*After* the question every method knows what will be asked. *Before* it, one compressed cache must serve any question:
the context is read and compressed, and each question is read into a copy of that cache. In a conversation a later
question is then read into what is left of all that was said before: the cache is compressed when an answer has been
read, before the next question is. Its words themselves are held whole until then, by every method alike.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from elastic.engine import State, compress, extend
from elastic.model import Reading
from elastic.policies import Policy


@dataclass(frozen=True)
class Ready:
    """B sequences whose cache was compressed and whose question was read."""

    state: State
    bytes_prompt: int  # of one of the sequences, when it was compressed
    dropped: Tensor  # (B, T) bool, which of the tokens compressed were dropped in every layer and head
    slots: float  # that hold a token then, on average over layers and heads
    bytes_question: int = 0  # what the words of a question added that were read only then

    @property
    def prompt(self) -> int:
        """Tokens that were compressed."""
        return self.dropped.shape[1]


Begin = Callable[[int], Ready]  # room for so many tokens -> a cache that may answer, another one at each call


def compressed(start: State, policy: Policy, reserve: int) -> Ready:
    """A cache of its own, compressed as the policy says, with room for what `reserve` more tokens need."""
    state = compress(start, policy, reserve)
    return Ready(state, bytes_held(state), dropped_everywhere(state), slots_held(state))


@torch.inference_mode()
def asked(ready: Ready, question: Reading) -> Ready:
    """A copy of a compressed cache that has read a question; what it is a copy of stays as it is."""
    state = replace(ready.state, cache=copy.deepcopy(ready.state.cache))
    seconds = state.compress_seconds
    extend(state, question)
    state.compress_seconds = seconds
    return replace(ready, state=state, bytes_question=bytes_held(state) - ready.bytes_prompt)


def bytes_held(state: State) -> int:
    """Keys and values in use of one of the sequences."""
    return sum(state.cache.bytes_held) // len(state.ids)


def slots_held(state: State) -> float:
    """Slots that hold a token, on average over layers and heads."""
    return sum(state.cache.slots) / len(state.cache.slots)


def dropped_everywhere(state: State) -> Tensor:
    """Which tokens no layer and no head holds any more, not even merged into another one: (B, seen) bool.

    Where a front left tokens out, which one of a batch only knows, they count.
    """
    owner, batch = state.cache.tables.owners(), len(state.ids)
    if state.shortened is not None:
        owner = torch.from_numpy(state.shortened.up_to(state.seen).owners(owner.numpy()))
    layers, rows, seen = owner.shape
    return (owner.view(layers, batch, rows // batch, seen) == -1).all(2).all(0)
