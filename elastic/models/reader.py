"""What reads prompts: a model with what turns words, and pictures if it sees any, into tokens.

The engine, the evaluation and the benchmarks ask a `Reader`; what a family of models needs besides is in its own file.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from elastic import __version__
from elastic.cache import ElasticCache
from elastic.cache.forward import Forward
from elastic.cache.hooks import given_to_text, read
from elastic.fronts.base import PictureCells
from elastic.models.checkpoint import Unfit
from elastic.models.decoder import Decoder
from elastic.models.reading import Reading, View

Message = dict[str, Any]  # of a conversation: who says it, and its text or its parts
MARK = "\ufffc"  # stands for an answer while its surroundings are rendered; no tokenizer joins it with a neighbour
SAID = "."  # stands for what is not looked at: some templates refuse to write nothing, or leave it out


@dataclass(frozen=True)
class Reader(ABC):
    """A model, its processor (of a text model: its tokenizer) and the name it was loaded by.

    What its questions are about, their context, is a picture or a text.
    """

    model: PreTrainedModel
    processor: Any
    name: str

    @classmethod
    @abstractmethod
    def open_processor(cls, name: str) -> Any:
        """The processor of a checkpoint, by name or folder."""

    @property
    @abstractmethod
    def tokenizer(self) -> Any:
        """What turns words into tokens and back."""

    @property
    @abstractmethod
    def blank(self) -> Any:
        """A context that says nothing, for prompts whose words alone are wanted."""

    @abstractmethod
    def first_turn(self, context: Any, question: str, question_first: bool = False) -> Reading:
        """The prompt of a conversation's first question: the context, then the question, or the other way round."""

    @abstractmethod
    def _message(self, role: str, text: str, pictures: int = 0) -> Message:
        """What somebody says, as the chat template wants it; with places for so many pictures before it."""

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.model.device

    @property
    def text_config(self) -> Any:
        """The settings of the text model."""
        return self.model.config.get_text_config()

    @property
    def layers(self) -> int:
        """Layers of the text model."""
        return int(self.text_config.num_hidden_layers)

    @property
    def room(self) -> int:
        """Tokens that a whole conversation may have."""
        return int(self.text_config.max_position_embeddings)

    @property
    def title(self) -> str:
        """A short name for people."""
        return Path(self.name).name

    @cached_property
    def decoder(self) -> Decoder | None:
        """The text model for one token at a time, where it can be run without the library's forward."""
        return Decoder(self.model) if Decoder.fits(self.model) else None

    def encode_image(self, prompt: Reading) -> Reading:
        """The prompt with its picture gone through the vision tower, which `prefill` would do otherwise."""
        return prompt

    def picture_cells(self, prompt: Reading) -> list[PictureCells]:
        """What the vision tower makes of the cells of each picture, all sequences' behind each other.

        Raises:
            ValueError: if the model's tower is none that can be looked into so.
        """
        raise ValueError(
            f"{self.title} has another vision tower than LLaVA, or none, and what leaves picture tokens out looks into "
            "that one: compress its cache instead."
        )

    def read(self, prompt: Reading, cache: ElasticCache, forward: Forward) -> Tensor:
        """Logits (B, V) in float32 after a prompt that was entered into the cache as `forward`."""
        if self.decoder is None or not self.decoder.is_current:
            self.__dict__.pop("decoder")  # the model was changed since: found anew
        return read(self.model, cache, forward, prompt.ids, **self._images(prompt))

    def _images(self, prompt: Reading) -> dict[str, Any]:
        """What the model's forward is given besides tokens."""
        return {}

    def embedded(self, prompt: Reading) -> Tensor:
        """What the text model is given of a prompt (B, T), pictures included: (B, T, d)."""
        return given_to_text(self.model, prompt.ids, **self._images(prompt))

    def step(self, ids: Tensor, cache: ElasticCache, forward: Forward) -> Tensor:
        """Logits (B, V) in float32 after one more token (B, 1) per sequence, entered into the cache as `forward`."""
        if self.decoder is not None and self.decoder.is_current:
            return self.decoder.step(ids, cache, forward)
        return read(self.model, cache, forward, ids)

    @cached_property
    def shape(self) -> dict[str, int]:
        """What a decode step's memory traffic follows from: the language model's shape and the bytes of its weights."""
        text, model = self.text_config, cast(Any, self.model)
        language, head = model.get_decoder(), model.lm_head
        # Of the embedding table a step reads one row; of the output layer, which may be the same tensor, everything.
        read = sum(p.nbytes for p in language.parameters()) - language.embed_tokens.weight.nbytes + head.weight.nbytes
        return {
            "layers": text.num_hidden_layers,
            "heads": text.num_attention_heads,
            "kv_heads": text.num_key_value_heads,
            "head_dim": getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
            "element_bytes": head.weight.element_size(),
            "weight_bytes": read,
        }

    @cached_property
    def about(self) -> dict[str, str]:
        """What a measurement was made with."""
        where = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        dtype = str(self.model.dtype).removeprefix("torch.")
        versions = {"elastic": __version__, "torch": torch.__version__, "transformers": transformers.__version__}
        return {"device": where, "dtype": dtype} | versions

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """Tokens that end an answer: those that the checkpoint names, and what its chat template ends a turn with."""
        settings = getattr(self.model, "generation_config", None)
        ids = None if settings is None else settings.eos_token_id
        ids = ids if ids is not None else self.tokenizer.eos_token_id
        return frozenset([*(ids if isinstance(ids, list) else [ids]), *self._closing()])

    def _closing(self) -> list[int]:
        """The control token that the chat template writes behind an answer, which a checkpoint may not name."""
        if not getattr(self.processor, "chat_template", None):
            return []
        behind = self._tail(SAID)[len(MARK) :].lstrip()
        closing = max((token for token in self._controls if behind.startswith(token)), key=len, default=None)
        return [] if closing in (None, self.tokenizer.bos_token) else [self.tokenizer.convert_tokens_to_ids(closing)]

    def halves(self, context: Any, question: str) -> tuple[Reading, Reading]:
        """The first turn in two: all up to the end of its context, and the rest, with the question.

        The tokens of both, joined, are those of `first_turn`: a cache may be compressed in between.
        """
        whole = self.first_turn(context, question)
        return whole.split(whole.ids.shape[1] - whole.asked)

    def next_turn(self, question: str, pictures: Sequence[Image.Image] = ()) -> Reading:
        """What follows an answer already in the cache: the end of that turn and the next question.

        Raises:
            ValueError: if pictures come with it and the model reads none.
        """
        if pictures:
            raise ValueError(f"{self.name!r} reads text only: ask without pictures.")
        tail = self._tail(question)
        ids = self.tokenizer(tail, add_special_tokens=False)["input_ids"][self._mark_tokens(tail) :]
        return Reading(torch.tensor([ids], device=self.device), asked=len(ids))

    def opening(self, ids: Sequence[int]) -> int | None:
        """How many tokens at the beginning of a conversation its template says, before anybody else says a thing.

        None of a text that does not begin as the template does.
        """
        if not getattr(self.processor, "chat_template", None):
            return None
        text = self._render([self._message("user", MARK)])
        template = self.tokenizer(text[: text.find(MARK)], add_special_tokens=False)["input_ids"]
        bos = self.tokenizer.bos_token_id
        begin = int(ids[0] == bos and template[:1] != [bos])
        pairs = zip(ids[begin:], template, strict=False)
        alike = next((number for number, (one, other) in enumerate(pairs) if one != other), len(template))
        # The last one may be joined with what is said.
        return begin + alike if alike and alike >= len(template) - 1 else None

    def _tail(self, question: str, pictures: int = 0) -> str:
        """What is said from an answer on, which a mark stands for, up to where the next one begins."""
        said = [("user", SAID, 1), ("assistant", MARK, 0), ("user", self._spelled(question), pictures)]
        text = self._render([self._message(*of_one) for of_one in said])
        if MARK not in text:
            raise Unfit(
                f"The chat template of {self.name!r} leaves out what was answered, so a conversation cannot go on: "
                "take the template of the model's publisher."
            )
        return text[text.index(MARK) :]

    def _mark_tokens(self, tail: str) -> int:
        """Tokens that the mark at the beginning of a text takes."""
        found = self.tokenizer(tail, add_special_tokens=False, return_offsets_mapping=True)
        return sum(start == 0 for start, _ in found["offset_mapping"])

    def seen_image(self, prompt: Reading) -> Image.Image:
        """The first picture as the model sees it: the whole, or put together of the tiles that show it in more detail.

        Raises:
            ValueError: if the prompt comes without one.
        """
        if not prompt.views:
            raise ValueError("A later turn has no picture of its own: give the prompt of `first_turn`.")
        return stitched([view for view in prompt.views if view.picture == prompt.views[0].picture])

    @cached_property
    def _controls(self) -> frozenset[str]:
        """Tokens that steer the model rather than being read; in a question they are somebody's typing."""
        added = self.tokenizer.added_tokens_decoder.values()
        return frozenset([*self.tokenizer.all_special_tokens, *(str(token) for token in added if token.special)])

    def _spelled(self, text: str) -> str:
        """The text with control tokens that somebody typed, such as `<image>`, broken up into plain text."""
        for token in sorted(self._controls):
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def _render(self, messages: list[Message]) -> str:
        """A conversation as the text that the model was trained on, up to where its answer begins."""
        return str(self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def pieces(self, ids: list[int]) -> list[str]:
        """What each token reads as on its own; bytes that are no whole character show as the replacement mark."""
        return [self.tokenizer.decode([i]) for i in ids]

    def text(self, ids: list[int]) -> str:
        """An answer's tokens as text."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()


def stitched(views: Sequence[View]) -> Image.Image:
    """One picture's views as one picture: the tiles where they lie, or the whole where there are none."""
    tiles = [view for view in views if (view.box[2] - view.box[0]) * (view.box[3] - view.box[1]) < 1]
    if len(views) == 1 or not tiles:
        return Image.fromarray(views[0].pixels)
    left, top, right, bottom = (of(view.box[side] for view in tiles) for side, of in enumerate((min, min, max, max)))
    first = tiles[0]
    wide = first.pixels.shape[1] / (first.box[2] - first.box[0])
    high = first.pixels.shape[0] / (first.box[3] - first.box[1])
    canvas = np.zeros((round((bottom - top) * high), round((right - left) * wide), 3), np.uint8)
    picture = Image.fromarray(canvas)
    for view in tiles:
        picture.paste(
            Image.fromarray(view.pixels), (round((view.box[0] - left) * wide), round((view.box[1] - top) * high))
        )
    return picture
