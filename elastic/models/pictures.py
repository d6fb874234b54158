"""What every reader of pictures does: prompts through the library's processor, and what the model then saw."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor, PreTrainedTokenizerBase, ProcessorMixin

from elastic.models.checkpoint import Unfit
from elastic.models.reader import MARK, Message, Reader
from elastic.models.reading import PIXELS, Reading, View, cells, words

MOST_PICTURES = 8  # at once: beyond that prompts are longer than most models can read
NOT_READ = (
    "input_ids",
    "attention_mask",
)  # of what a processor gives: the ids by themselves, and no mask without padding
NARROWEST = 100  # times that one side of a picture may be the other; the library's processors fail beyond


@dataclass(frozen=True)
class PictureReader(Reader):
    """A model, its processor and the name it was loaded by; the context of its questions is a picture, or several."""

    processor: ProcessorMixin
    most: int | None = None  # tokens that a picture may have, where somebody has limited them

    @abstractmethod
    def _views(self, pictures: Sequence[Image.Image], ids: Tensor, inputs: Mapping[str, Tensor]) -> list[View]:
        """What the model sees of pictures, in the order of its tokens, from what the processor made of them."""

    def _place(self, ids: Tensor, views: Sequence[View]) -> np.ndarray:
        """Which cell of which view each token (T,) stands for, (T, 4): the image tokens are their cells, row by row.

        Raises:
            Unfit: if there are other numbers of tokens than the views have cells.
        """
        place, is_patch = words(len(ids)), (ids == self.image_id).cpu().numpy()
        every = [self._cells(number, views) for number in range(len(views))]
        tokens = sum(map(len, every))
        if tokens != is_patch.sum():
            raise Unfit(
                f"The prompt of {self.name!r} has {is_patch.sum()} image tokens, and its pictures have {tokens}: "
                "take the processor's files from where the weights were published."
            )
        if every:
            place[is_patch] = np.concatenate(every)
        return place

    def _cells(self, number: int, views: Sequence[View]) -> np.ndarray:
        """The places (n, 4) of the image tokens of one of the views, by its number."""
        return cells(number, views[number])

    @classmethod
    def open_processor(cls, name: str) -> Any:
        """The processor of a checkpoint, by name or folder."""
        return AutoProcessor.from_pretrained(name, trust_remote_code=False)

    def capped(self, most: int) -> Self:
        """The same reader, that makes at most so many tokens of a picture: fewer cost less than any cache can save.

        Raises:
            ValueError: if the family has no setting for that, or a picture cannot have as few.
        """
        images = deepcopy(self.processor.image_processor)
        self._cap(images, most)
        _ = self.decoder  # found here by both: a second one would hold the weights twice
        other, processor = copy(self), copy(self.processor)
        processor.image_processor = images
        object.__setattr__(other, "processor", processor)
        object.__setattr__(other, "most", most)
        return other

    def _cap(self, images: Any, most: int) -> None:
        """Set an image processor so that a picture has at most so many tokens, and never more than without."""
        raise ValueError(
            f"How many tokens a picture has is not for anybody to choose with {self.title!r}: leave the limit out."
        )

    def _check_cap(self, most: int, least: int) -> None:
        if most < least:
            raise ValueError(f"A picture has {least} tokens or more for {self.title!r}: allow at least as many.")

    @property
    def most_pictures(self) -> int:
        """Pictures that one conversation may be about: 1 where a model was never shown several."""
        return MOST_PICTURES

    @property
    def can_add_pictures(self) -> bool:
        """Whether pictures may come with a later question, see `next_turn`."""
        return self.most_pictures > 1

    @property
    def can_be_capped(self) -> bool:
        """Whether `capped` has something to set."""
        return type(self)._cap is not PictureReader._cap

    @property
    def blank(self) -> Image.Image:
        """A picture of nothing."""
        return Image.new("RGB", (64, 64))

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """What turns words into tokens and back."""
        return self.processor.tokenizer  # type: ignore[no-any-return]  # not in the library's types

    @property
    def image_id(self) -> int:
        """The token that stands for a cell of a picture."""
        return int(self.model.config.image_token_id)

    @property
    def image_token(self) -> str:
        """How the chat template writes the place of a picture."""
        return str(getattr(self.processor, "image_token", None) or self.tokenizer.decode([self.image_id]))

    def first_turn(
        self, context: Image.Image | Sequence[Image.Image], question: str, question_first: bool = False
    ) -> Reading:
        """The prompt of a conversation's first question: the pictures, then the question, or the other way round.

        Raises:
            ValueError: if the context is no picture, or no list of them.
        """
        pictures = [context] if isinstance(context, Image.Image) else context
        if isinstance(pictures, str) or not pictures or not all(isinstance(one, Image.Image) for one in pictures):
            raise ValueError(f"{self.title!r} is asked about a picture: open it first, as elastic.picture does.")
        question = self._spelled(question)
        message = self._message("user", question, pictures=len(pictures))
        text = self._render([message])
        if question_first:
            text = self._question_first(message, text)
        return self._read_in(text, pictures)

    def _question_first(self, message: Message, text: str) -> str:
        """The first turn, written as `text`, with the question before its pictures."""
        *shown, _ = message["content"]
        turned = self._render([message | {"content": message["content"][::-1]}])
        if turned != text:
            return turned
        # The template has one order for pictures and words, whatever theirs is.
        before, behind = self._around(len(shown))
        if behind.count(self.image_token) == len(shown):
            return text
        if before.count(self.image_token) != len(shown) or not (text.startswith(before) and text.endswith(behind)):
            raise Unfit(
                f"Where the chat template of {self.name!r} writes pictures cannot be told, so a question cannot be put "
                "before them: ask about them first."
            )
        question = text[len(before) : len(text) - len(behind)]
        begin = re.sub(rf"{re.escape(self.image_token)}\n?", "", before)
        pictures = f"{self.image_token}\n" * len(shown)
        return f"{begin}{question} {pictures}{behind.removeprefix(' ')}"

    def _around(self, pictures: int) -> tuple[str, str]:
        """What the chat template writes before a first question, about so many pictures, and behind it.

        Raises:
            Unfit: if it leaves the question out.
        """
        before, mark, behind = self._render([self._message("user", MARK, pictures)]).partition(MARK)
        if not mark:
            raise Unfit(
                f"The chat template of {self.name!r} leaves out what is asked: take the template of the model's "
                "publisher."
            )
        return before, behind

    def halves(self, context: Image.Image | Sequence[Image.Image], question: str) -> tuple[Reading, Reading]:
        """The first turn in two: all up to the end of its pictures, and the rest, with the question.

        Raises:
            ValueError: if the chat template writes pictures behind the question.
        """
        if self.image_token in self._around(1)[1]:
            raise Unfit(
                f"The chat template of {self.name!r} writes pictures behind the question, so that they cannot be "
                "compressed before it is read: compress after the question."
            )
        return super().halves(context, question)

    def next_turn(self, question: str, pictures: Sequence[Image.Image] = ()) -> Reading:
        """What follows an answer already in the cache: the end of that turn, then pictures and the next question."""
        if not pictures:
            return super().next_turn(question)
        return self._read_in(self._tail(question, len(pictures)), pictures, behind_mark=True)

    def _read_in(self, text: str, pictures: Sequence[Image.Image], behind_mark: bool = False) -> Reading:
        """Text and pictures as the processor makes them tokens and pixels, but for the mark at the beginning."""
        # As the library's apply_chat_template does it: a template that writes the first token itself gets no second.
        bos = self.tokenizer.bos_token
        adds = not behind_mark and not (bos is not None and text.startswith(bos))
        for width, height in (picture.size for picture in pictures):
            if max(width, height) > NARROWEST * min(width, height):
                raise ValueError(
                    f"A picture of {width} x {height} pixels is too narrow to be read: cut a part of it out, of which "
                    f"one side is at most {NARROWEST} times the other."
                )
        made = self.processor(text=text, images=[list(pictures)], add_special_tokens=adds, return_tensors="pt")
        ids, inputs = made["input_ids"], {name: value for name, value in made.items() if name not in NOT_READ}
        if behind_mark:
            skipped = self._mark_tokens(text)
            inputs = {n: value[:, skipped:] if value.shape == ids.shape else value for n, value in inputs.items()}
            ids = ids[:, skipped:]
        views = tuple(self._views(pictures, ids[0], inputs))
        place = self._place(ids[0], views)
        self._check_most(pictures, views)
        inputs = {name: self._on_device(value) for name, value in inputs.items()}
        asked = ids.shape[1] - 1 - int(np.flatnonzero(place[:, 1] >= 0)[-1])
        reading = Reading(ids.to(self.device), inputs, asked=asked, views=views, place=place)
        return replace(reading, positions=self._positions(reading))

    def _check_most(self, pictures: Sequence[Image.Image], views: Sequence[View]) -> None:
        """See that no picture has more tokens than are allowed: one row of a long narrow one may be too many."""
        for number, (width, height) in enumerate(picture.size for picture in pictures):
            tokens = sum(view.rows * view.columns for view in views if view.picture == number)
            if self.most is not None and tokens > self.most:
                raise ValueError(
                    f"A picture of {width} x {height} pixels has {tokens} tokens or more for {self.name!r}, and "
                    f"{self.most} are allowed: allow more, or cut a part of it out."
                )

    def _positions(self, reading: Reading) -> Tensor | None:
        """The library's own positions of a prompt's tokens (3, 1, T), where they are not 0, 1, 2 and so on."""
        return None

    def _on_device(self, value: Tensor) -> Tensor:
        return value.to(self.device, self.model.dtype if value.is_floating_point() else value.dtype)

    @torch.inference_mode()
    def encode_image(self, prompt: Reading) -> Reading:
        """The prompt with its pictures gone through the vision tower, which `prefill` would do otherwise."""
        if not prompt.has_pictures:
            return prompt
        encoded = self.model.model.get_image_features(**self._tower_inputs(prompt), return_dict=True)
        return replace(prompt, encoded={"image": encoded})

    def _tower_inputs(self, prompt: Reading) -> dict[str, Any]:
        """What the vision tower takes of what comes with a prompt."""
        return {name: value for name, value in prompt.inputs.items() if value.shape != prompt.ids.shape}

    def _images(self, prompt: Reading) -> dict[str, Any]:
        inputs: dict[str, Any] = dict(prompt.inputs)
        if prompt.encoded is not None:
            del inputs[PIXELS]
            inputs["mm_encoder_outputs"] = prompt.encoded
        return inputs

    @cached_property
    def _controls(self) -> frozenset[str]:
        return super()._controls | {self.image_token}

    def _message(self, role: str, text: str, pictures: int = 0) -> Message:
        return {"role": role, "content": [*[{"type": "image"}] * pictures, {"type": "text", "text": text}]}


def shown(pixels: Tensor, processor: Any) -> np.ndarray:
    """What normalised pixels (3, h, w) look like, (h, w, 3) uint8."""
    values = pixels.float().cpu().numpy().transpose(1, 2, 0)
    if getattr(processor, "do_normalize", True):
        values = values * np.array(processor.image_std) + np.array(processor.image_mean)
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def runs(marked: Tensor) -> list[tuple[int, int]]:
    """Where each unbroken run of marked tokens (T,) bool begins, and how long it is."""
    edges = np.flatnonzero(np.diff(marked.cpu().numpy().astype(np.int8), prepend=0, append=0))
    return [(int(start), int(end - start)) for start, end in edges.reshape(-1, 2)]
