"""What a model reads at once: tokens, and what the library's forward takes besides, and the pictures as it sees them.

A picture goes through a vision tower whole or in tiles. Each is a `View`, and `place` says of every token which cell of
which view it stands for, so that nobody who draws or measures has to know the family.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from elastic.cache.positions import behind

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
    behind picture or text, those of the template included; 0 where that is not known.

    `views` and `place` are of the first sequence. `place` (T, 4) int32 is each token's picture, view (its number in
    `views`), row and column: all -1 for words; a token of a view without a cell, such as the end of a row, has the
    view, the row it ends or -1, and column -1.
    """

    ids: Tensor
    inputs: Mapping[str, Tensor] = field(default_factory=lambda: NO_INPUTS)
    encoded: dict[str, BaseModelOutputWithPooling] | None = None
    positions: Tensor | None = None
    asked: int = 0
    views: tuple[View, ...] = ()
    place: np.ndarray = field(default_factory=lambda: words(0))

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
            replace(self, ids=self.ids[:, :at], inputs=first, positions=cut, asked=0, place=self.place[:at]),
            Reading(self.ids[:, at:], rest, positions=after, asked=asking, place=self.place[at:]),
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


def words(tokens: int) -> np.ndarray:
    """The places of so many words: none."""
    return np.full((tokens, 4), -1, np.int32)


def cells(view: int, of: View) -> np.ndarray:
    """The places of a view's tokens, row by row, (rows x columns, 4) int32; `view` is its number."""
    row, column = np.divmod(np.arange(of.rows * of.columns, dtype=np.int32), np.int32(of.columns))
    return np.stack([np.full_like(row, of.picture), np.full_like(row, view), row, column], 1)


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
    ids = torch.cat([prompt.ids for prompt in prompts])
    asked = {prompt.asked for prompt in prompts}
    with_pictures = [prompt for prompt in prompts if prompt.has_pictures]
    if not with_pictures:
        if len(asked) > 1:
            raise ValueError(
                f"Prompts that ask with {min(asked)} to {max(asked)} tokens cannot be read together: what a method "
                "counts as the question is the same for all. Group prompts by `asked`, too."
            )
        return Reading(ids, asked=max(asked))
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
