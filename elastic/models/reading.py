"""What a model reads at once: tokens, and what the library's forward takes besides, and the pictures as it sees them.

A picture goes through a vision tower whole or in tiles. Each is a `View`, and `place` says of every token which cell of
which view it stands for, so that nobody who draws or measures has to know the family.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from elastic.cache.positions import behind
from elastic.record.shortened import Shortened

Box = tuple[float, float, float, float]  # left, top, right, bottom
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
PIXELS = "pixel_values"  # what a vision tower reads, under the library's name
NO_INPUTS: Mapping[str, Tensor] = MappingProxyType({})


@dataclass(frozen=True)
class View:
    """One picture as the model saw it, whole or a tile of it, and how many of its tokens stand in a column and a row.

    `pixels` (h, w, 3) uint8 are what those tokens cover, `box` where that is in the original picture, each side 0 to 1
    or, where the model sees padding as well, beyond; and `picture` the number of the original, from 0.
    """

    pixels: np.ndarray
    rows: int
    columns: int
    box: Box = WHOLE
    picture: int = 0

    def cell(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column of the cell that shows a point of the original, each 0 to 1; None where none does."""
        left, top, right, bottom = self.box
        row, column = floor((y - top) / (bottom - top) * self.rows), floor((x - left) / (right - left) * self.columns)
        return (row, column) if 0 <= row < self.rows and 0 <= column < self.columns else None


@dataclass(frozen=True)
class Reading:
    """What the model reads: ids (B, T), and what its forward takes besides.

    `inputs` are the library's own, by name and untouched; `encoded` is what the vision tower made of the pictures, once
    it has run. `positions` (3, B, T) are the library's own, counted from the first of these tokens, of models whose
    tokens have three; None where they are 0, 1, 2 and so on. `asked` says how many tokens at the end ask: the words
    behind picture or text, those of the template included; 0 where that is not known. `erased` are the numbers of
    those that nobody looks at, see `without`.

    `views` and `place` are of the first sequence. `place` (T, 4) int32 is each token's picture, view (its number in
    `views`), row and column: all -1 for words; a token of a view without a cell, such as the end of a row, has the
    view, the row it ends or -1, and column -1. `shortened` says what a front left out, see `elastic.shortening`; such a
    prompt is read as it is, and neither cut nor joined.
    """

    ids: Tensor
    inputs: Mapping[str, Tensor] = field(default_factory=lambda: NO_INPUTS)
    encoded: dict[str, BaseModelOutputWithPooling] | None = None
    positions: Tensor | None = None
    asked: int = 0
    views: tuple[View, ...] = ()
    place: np.ndarray = field(default_factory=lambda: words(0))
    erased: tuple[int, ...] = ()
    shortened: Shortened | None = None

    def __post_init__(self) -> None:
        if not len(self.place):  # nothing said: words
            object.__setattr__(self, "place", words(self.ids.shape[1]))

    @property
    def offset(self) -> int:
        """What is added to a token's number to get its position behind these tokens.

        Raises:
            ValueError: if that differs between sequences.
        """
        return 0 if self.positions is None else behind(self.positions) - self.ids.shape[1]

    @property
    def has_pictures(self) -> bool:
        """Whether pictures come with it."""
        return PIXELS in self.inputs

    def without(self, tokens: Sequence[int]) -> "Reading":
        """The same prompt, read as `erase` says."""
        return erase((self,), tokens)[0]

    def split(self, at: int) -> tuple["Reading", "Reading"]:
        """The first `at` tokens, with all pictures, and the others, which ask.

        Raises:
            ValueError: if pictures stand behind `at`.
        """
        if (self.place[at:, 1] >= 0).any():
            raise ValueError(f"A picture goes on behind token {at}: split a prompt behind its pictures.")
        first, rest = dict(self.inputs), {}
        for name, value in self.inputs.items():
            if value.shape == self.ids.shape:  # a number for every token
                first[name], rest[name] = value[:, :at], value[:, at:]
        cut, after = None, None
        if self.positions is not None:
            cut = self.positions[..., :at]
            after = self.positions[..., at:] - behind(cut)
        asking = self.ids.shape[1] - at
        return (
            replace(
                self,
                ids=self.ids[:, :at],
                inputs=first,
                positions=cut,
                asked=0,
                erased=tuple(token for token in self.erased if token < at),
                place=self.place[:at],
            ),
            Reading(
                self.ids[:, at:],
                rest,
                positions=after,
                asked=asking,
                erased=tuple(token - at for token in self.erased if token >= at),
                place=self.place[at:],
            ),
        )

    def from_token(self, at: int) -> "Reading":
        """The same without its first `at` tokens, behind which all its pictures stand.

        Raises:
            ValueError: if a picture stands before.
        """
        if not at:
            return self
        if (self.place[:at, 1] >= 0).any():
            raise ValueError(f"A picture begins before token {at}: leave only words out.")
        inputs = {n: value[:, at:] if value.shape == self.ids.shape else value for n, value in self.inputs.items()}
        positions = self.positions
        if positions is not None:
            positions = positions[..., at:] - behind(positions[..., :at])
        return replace(
            self,
            ids=self.ids[:, at:],
            inputs=inputs,
            positions=positions,
            erased=tuple(token - at for token in self.erased if token >= at),
            place=self.place[at:],
        )

    @property
    def nbytes(self) -> int:
        """Bytes of what comes with it, and of what the vision tower made of it."""
        made = (tensor for of_kind in (self.encoded or {}).values() for tensor in _tensors(of_kind.to_tuple()))
        return sum(tensor.nbytes for tensor in (*self.inputs.values(), *made))

    def led_by(self, ids: Tensor) -> "Reading":
        """The same with words (B, n) before it."""
        more = ids.shape[1]
        inputs = dict(self.inputs)
        for name, value in self.inputs.items():
            if value.shape == self.ids.shape:
                inputs[name] = torch.cat([value.new_zeros(ids.shape), value], 1)
        positions = self.positions
        if positions is not None:
            new = torch.arange(more, device=positions.device)
            positions = torch.cat([new.expand(*positions.shape[:2], -1), positions + more], -1)
        return replace(
            self,
            ids=torch.cat([ids, self.ids], 1),
            inputs=inputs,
            positions=positions,
            place=np.concatenate([words(more), self.place]),
            erased=tuple(token + more for token in self.erased),
        )

    def followed_by(self, ids: Tensor) -> "Reading":
        """The same with words (B, n) behind it, which ask, too."""
        more = ids.shape[1]
        inputs = dict(self.inputs)
        for name, value in self.inputs.items():
            if value.shape == self.ids.shape:
                inputs[name] = torch.cat([value, value.new_zeros(ids.shape)], 1)
        positions = self.positions
        if positions is not None:
            new = torch.arange(more, device=positions.device) + behind(positions)
            positions = torch.cat([positions, new.expand(*positions.shape[:2], -1)], -1)
        place = np.concatenate([self.place, words(more)])
        joined = torch.cat([self.ids, ids], 1)
        return replace(self, ids=joined, inputs=inputs, positions=positions, asked=self.asked + more, place=place)


def _tensors(nested: Any) -> Iterator[Tensor]:
    """All tensors in tuples of tuples."""
    if isinstance(nested, Tensor):
        yield nested
    elif isinstance(nested, tuple | list):
        for each in nested:
            yield from _tensors(each)


def words(tokens: int) -> np.ndarray:
    """The places of so many words: none."""
    return np.full((tokens, 4), -1, np.int32)


def cells(view: int, of: View) -> np.ndarray:
    """The places of a view's tokens, row by row, (rows x columns, 4) int32; `view` is its number."""
    row, column = np.divmod(np.arange(of.rows * of.columns, dtype=np.int32), np.int32(of.columns))
    return np.stack([np.full_like(row, of.picture), np.full_like(row, view), row, column], 1)


def erase(prompts: Sequence[Reading], tokens: Sequence[int]) -> tuple[Reading, ...]:
    """The parts of a prompt, of which nobody ever looks at some tokens, by their numbers in the whole.

    In every layer and head their keys and values are hidden from the queries of all tokens behind them, those of the
    answer included, and no cache holds them; everything else stays where it stands. So this is a mask of attention.
    What a vision tower told a patch of its neighbours is not undone: it has seen the whole picture.

    Raises:
        ValueError: if there is no such token; if it is the last one, with which the answer begins; or if nothing would
            be left of a picture.
    """
    place = np.concatenate([prompt.place for prompt in prompts])
    left = np.ones(len(place), bool)
    if any(not 0 <= token < len(left) for token in tokens):
        raise ValueError(f"There is no such token: a prompt of {len(left)} has numbers from 0 to {len(left) - 1}.")
    left[list(tokens)] = False
    if not left[-1]:
        raise ValueError("The last token of the prompt begins the answer and cannot be erased. Leave it there.")
    is_cell = place[:, 3] >= 0
    if len(set(place[is_cell, 0])) > len(set(place[is_cell & left, 0])):
        raise ValueError("Nothing would be left of a picture. Leave some of its patches there.")
    parts = np.split(left, np.cumsum([len(prompt.place) for prompt in prompts])[:-1])
    pairs = zip(prompts, parts, strict=True)
    return tuple(replace(prompt, erased=tuple(np.flatnonzero(~part).tolist())) for prompt, part in pairs)


def together(prompts: Sequence[Reading]) -> Reading:
    """Several first prompts as one batch, B x (1, T) -> (B, T).

    Raises:
        ValueError: if they are not equally long, only some come with a picture, where none does they do not ask with
            equally many tokens, or what comes with them cannot be joined.
    """
    lengths = {prompt.ids.shape[1] for prompt in prompts}
    if len(lengths) > 1:
        raise ValueError(
            f"Prompts of {min(lengths)} to {max(lengths)} tokens cannot be read together: padding could not be told "
            "from tokens once slots are merged. Group prompts by their length."
        )
    if len(prompts) == 1:
        return prompts[0]
    if len({prompt.erased for prompt in prompts}) > 1:
        raise ValueError("Prompts of which other tokens are erased cannot be read together: read them one at a time.")
    ids = torch.cat([prompt.ids for prompt in prompts])
    asked = {prompt.asked for prompt in prompts}
    with_pictures = [prompt for prompt in prompts if prompt.has_pictures]
    if not with_pictures:
        if len(asked) > 1:
            raise ValueError(
                f"Prompts that ask with {min(asked)} to {max(asked)} tokens cannot be read together: what a method "
                "counts as the question is the same for all. Group prompts by `asked`, too."
            )
        return Reading(ids, asked=max(asked), erased=prompts[0].erased)
    if len(with_pictures) < len(prompts):
        raise ValueError(
            "Prompts with and without a picture cannot be read together: give prompts of `first_turn`, which have one."
        )
    # Behind a picture all that follows it asks, so that nobody goes by this number where there is one.
    joined = replace(prompts[0], ids=ids, inputs=_joined(prompts), encoded=None, asked=min(asked))
    if joined.positions is None:
        return joined
    positions = torch.cat([prompt.positions for prompt in prompts if prompt.positions is not None], 1)
    behind(positions)  # refuses what cannot go on together
    return replace(joined, positions=positions)


def _joined(prompts: Sequence[Reading]) -> dict[str, Tensor]:
    """What comes with each prompt, one behind the other."""
    found = {}
    for name, value in prompts[0].inputs.items():
        if len({prompt.inputs[name].shape[1:] for prompt in prompts}) > 1:
            raise ValueError(
                f"Pictures of these prompts have other shapes ({name}), so they cannot be read together: "
                "read them one at a time."
            )
        found[name] = torch.cat([prompt.inputs[name] for prompt in prompts]) if value.ndim else value
    return found
