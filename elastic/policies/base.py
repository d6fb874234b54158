"""What a policy sees, and what it decides. A policy cannot see the model, the cache or another policy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, ClassVar

import torch
from torch import Tensor

from elastic.policies.bits import Bits
from elastic.policies.index import Index
from elastic.policies.ranges import WORDS, is_of_kind, share_of
from elastic.statistics import Attention, Statistic

NOTHING = torch.empty(0)  # keys and values of a view that is made for its scores
WRITTEN, WORD, PATCH = 0, 1, 2  # kinds of tokens: the model's own, the prompt's words, the picture's patches


@dataclass(frozen=True)
class Slots:
    """The slots of one layer (R, S) or of all layers (L, R, S), R being 1 or the heads that hold different tokens."""

    position: Tensor  # token number, from 0 at the beginning of the conversation
    kind: Tensor  # WRITTEN, WORD or PATCH
    count: Tensor  # tokens the slot stands for
    score: Tensor  # what the policy's `statistic` says of it; an anchor's own

    EMPTY: ClassVar[int] = 2**40  # the position of no token

    @property
    def slots(self) -> int:
        return self.position.shape[-1]

    @property
    def is_image(self) -> Tensor:
        return self.kind == PATCH

    @property
    def is_word(self) -> Tensor:
        """The words the model was given: the template and the questions."""
        return self.kind == WORD


@dataclass(frozen=True)
class LayerView(Slots):
    """One layer of one sequence after a prompt, in the order of positions; every table (R, S) on the model's device.

    Heads may hold different numbers, see `Policy.uneven_heads`: behind their last one `position` is EMPTY.
    """

    queries: Tensor  # (R, S) prompt tokens that could see the slot's
    keys: Tensor = NOTHING  # (H, S, D), as stored, after RoPE
    values: Tensor = NOTHING  # (H, S, D)
    statistics: Mapping[Statistic, Tensor] = field(default_factory=dict)  # others, of tokens (R, S) or the layer
    asked: int = 0  # tokens at the end that ask
    number: int = 0  # of the layer, from 0


@dataclass(frozen=True)
class StepView(Slots):
    """All layers after a decode step, (L, R, S), slots in the order they are stored in.

    Layers may hold different numbers: beyond `held` (L, 1, 1), `position` is EMPTY and `kind` is WRITTEN.
    """

    held: Tensor
    prompt_slots: Tensor  # (L, 1, 1) slots that were left of the prompt
    last_prompt: int  # position of the prompt's last token
    keys: Callable[[], list[Tensor]] = list  # per layer (B, H, S, D), as stored
    last_patch: int = -1  # position of the picture's last patch, whether it is held or not; -1 without one

    def each(self, layers: Tensor, rule: Callable[[Tensor, int, int], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """What a rule says of the keys (R, S, D') in some layers (L, 1) bool, as (L, R) tensors; -1 in the others.

        The rule is called with the keys, the layer's number and S. Heads that decide together have their keys joined.
        """
        rows, found = self.position.shape[1], []
        for number, (keys, wanted) in enumerate(zip(self.keys(), layers[:, 0].tolist(), strict=True)):
            if wanted:
                joined = keys.transpose(1, 2).flatten(2) if rows == len(keys) else keys.flatten(0, 1)
                found.append([answer.cpu() for answer in rule(joined, number, joined.shape[1])])
        nothing = [torch.full((rows,), -1)] * len(found[0])
        answers = iter(found)
        return tuple(
            torch.stack(column)
            for column in zip(*(next(answers) if wanted else nothing for wanted in layers[:, 0].tolist()), strict=True)
        )


@dataclass(frozen=True)
class Eviction:
    """Slots to free, (L, R) with -1 for none, and the slots that take them in, where they are not dropped.

    `then` goes at the next tokens, where more is held than may be: a costly rule need not be asked at every token.
    """

    slot: Tensor
    into: Tensor | None = None
    then: tuple["Eviction", ...] = ()

    def __iter__(self) -> Iterator["Eviction"]:
        """This one, and then what is to follow."""
        yield self
        yield from self.then


@dataclass(frozen=True)
class Choice:
    """What becomes of the slots of a layer."""

    owner: Tensor  # (R, S) slot each slot goes to, its own for an anchor, -1 for dropped
    # (R, M) members and anchors, where a slot may enter several means, or its own twice; `owner` is then for show only.
    pairs: tuple[Tensor, Tensor] | None = None
    share: Tensor | None = None  # (R, S), or (R, M) of members: how much goes into the group's sum; None for its mean
    channels: Tensor | None = None  # (H, D') channels that keys keep, but for the last `whole` slots; None for all
    whole: int = 0
    bits: Bits | None = None  # how what is kept is stored; None for numbers as the model made them
    memory: int = 0  # features of a key in a memory that takes in what is dropped, now and later; 0 for none
    index: Index | None = None  # how a token finds the slots that it reads; None where it reads all

    @property
    def kept(self) -> int:
        """Slots that stay, in the row where they are most."""
        own = torch.arange(self.owner.shape[1], device=self.owner.device)
        return int((self.owner == own).sum(1).max())

    @staticmethod
    def joined(of_sequences: Sequence["Choice"]) -> "Choice":
        """What becomes of the slots of all sequences of a batch: their rows one below the other."""

        def below(tables: list[Tensor | None]) -> Tensor | None:
            known = [table for table in tables if table is not None]
            return torch.cat(known) if known else None

        pairs = [one.pairs for one in of_sequences if one.pairs is not None]
        return replace(
            of_sequences[0],
            owner=torch.cat([one.owner for one in of_sequences]),
            pairs=(torch.cat([members for members, _ in pairs]), torch.cat([to for _, to in pairs])) if pairs else None,
            share=below([one.share for one in of_sequences]),
            channels=below([one.channels for one in of_sequences]),
        )


class Merged(StrEnum):
    """What becomes one in a group of slots; of what does not, the anchor's own stays."""

    KEYS_AND_VALUES = "keys and values"
    KEYS = "keys"
    VALUES = "values"
    NOTHING = "none"


class Growth(StrEnum):
    """What may be held while decoding: a share of all tokens, as much as after the prompt, or that and all new ones."""

    PROPORTIONAL = "proportional"
    CONSTANT = "constant"
    EVERY_NEW_TOKEN = "every new token"


class Positions(StrEnum):
    """Where tokens stand for RoPE after compression: where they are in the text, or, re-rotated, side by side.

    With `CACHE_LENGTH` new tokens stand behind as many tokens as there are slots, and the others where they were.
    """

    TRUE = "true"
    CACHE_LENGTH = "cache length"
    RE_ROTATED = "re-rotated"


def option(
    default: Any, about: str, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    """A hyper-parameter: its default, one sentence about it, and its legal range or choices, an enum's are its own."""
    if isinstance(default, StrEnum):
        choices = tuple(each.value for each in type(default))
    return field(default=default, metadata={"about": about, "low": low, "high": high, "choices": choices})


def within(default: Any, low: float, high: float) -> Any:
    """A number of a part: its default and its legal range, which `check_numbers` sees to."""
    return field(default=default, metadata={"low": low, "high": high})


@dataclass(frozen=True)
class Policy:
    """A method: what to keep after a prefill, and what to evict while decoding.

    The fields are its hyper-parameters; the page's controls and the command line's options are made from them. Most
    methods are put together from parts, see `method.py`; any other object of this interface will do as well.
    """

    keep: float = option(0.5, "Share of the tokens seen that may hold a slot.", 0.01, 1.0)

    title: ClassVar[str]
    about: ClassVar[str]  # two lines for the page
    paper: ClassVar[str] = ""
    unseen: ClassVar[str] = ""  # what the page's pictures do not show of it

    needs_image: ClassVar[bool] = False  # it means nothing for a prompt without a picture
    merged = Merged.NOTHING
    align = False  # turn members' keys to their anchor's position before they are averaged
    count_bias = False  # add log(tokens a slot stands for) to the logits of attention
    positions = Positions.TRUE
    growth = Growth.PROPORTIONAL
    live = False  # the score goes on while decoding, see `collect`
    batches = True  # a layer's slots do not depend on the prompt, so that sequences of a batch hold equally many
    memory = 0  # features of a key in a memory of what is dropped, for which a model must have kernels; 0 for none
    uneven_heads = False  # heads of a layer may hold different numbers, and it can choose among what these hold
    keep_is_read = False  # `keep` is the share of the slots that a token of an answer reads: all of them are held

    def __post_init__(self) -> None:
        for option_field in fields(self):
            name, about, value = option_field.name, option_field.metadata, getattr(self, option_field.name)
            if not about:
                raise ValueError(f"{type(self).__name__}.{name} says nothing of its values: give it as option(...).")
            low, high, choices = about["low"], about["high"], about["choices"]
            within = "" if low is None else f" between {low:g} and {high:g}"
            kind: Any = type(option_field.default)
            if not is_of_kind(value, kind):
                raise ValueError(f"{name} must be {WORDS.get(kind, 'a word')}{within}, got {value!r}.")
            if low is not None and not low <= value <= high:
                raise ValueError(f"{name} must be{within}, got {value:g}.")
            if choices and value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")
            object.__setattr__(self, name, kind(value))  # a slider writes whole numbers as 4.0, a link words

    @property
    def statistic(self) -> Statistic:
        """What `score` in its views is."""
        return Attention()

    @property
    def needs(self) -> frozenset[Statistic]:
        """The statistics that must be collected while a prompt is read."""
        return frozenset({self.statistic})

    @property
    def evicts(self) -> bool:
        """Whether it evicts anything while decoding."""
        return type(self).evict is not Policy.evict

    def limit(self, seen: int, prompt: int) -> int:
        """Slots a layer may hold, or that a token may read of it, as the mean of all layers, after that many tokens.

        `prompt` of them had been seen when the cache was last compressed. Keeping everything is the full cache, however
        a budget grows.
        """
        growth = Growth.PROPORTIONAL if self.keep_is_read else self.growth
        fixed = seen if growth == Growth.PROPORTIONAL or self.keep == 1 else prompt
        return share_of(self.keep, fixed) + (seen - fixed if growth == Growth.EVERY_NEW_TOKEN else 0)

    def room(self, seen: int, more: int) -> int:
        """Slots that `more` tokens will need behind so many that were seen when the cache was compressed."""
        return more if self.keep_is_read else self.limit(seen + more, seen) - self.limit(seen, seen)

    def check_batch(self, sequences: int) -> None:
        """See that sequences can be held together.

        Raises:
            ValueError: if there are several, and each would need as many slots as its prompt asks for.
        """
        if sequences > 1 and not self.batches:
            raise ValueError(f"{self.title} holds as much of each prompt as the prompt asks for: read one at a time.")

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """After a prefill, per layer, what becomes of every slot."""
        return [Choice(torch.arange(layer.slots, device=layer.position.device)[None]) for layer in layers]

    def collect(self, score: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """Of a `live` policy the score (L, R, S) after one more query, whose attention was `received` (L, R, S).

        `held` (L, 1, 1) says how many slots there are; beyond them nothing is received.
        """
        return self.statistic.after_step(score, received, held)

    def evict(self, slots: StepView, seen: int, prompt: int) -> Eviction | None:
        """After a decode step what to free, or None; asked where a layer holds more than the limit, or always if live.

        No more than one slot per layer and head; heads of a layer must all evict one, or none of them.
        """
        return None
