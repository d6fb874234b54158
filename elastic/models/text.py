"""Text models: what a question is about is a text before it, through the chat template of the checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from elastic.models.reader import MARK, SAID, Message, Reader
from elastic.models.reading import Reading

BETWEEN = "\n\n"  # a text and the question about it


@dataclass(frozen=True)
class TextModel(Reader):
    """A causal language model, its tokenizer and the name it was loaded by; the context of its questions is a text."""

    processor: PreTrainedTokenizerBase

    @classmethod
    def open_processor(cls, name: str) -> Any:
        """The tokenizer of a checkpoint, by name or folder."""
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """What turns words into tokens and back."""
        return self.processor

    @property
    def blank(self) -> str:
        """The shortest text."""
        return SAID

    def passage(self, text: str) -> Reading:
        """A plain text to go on from, without the chat template.

        Raises:
            ValueError: if there is no text.
        """
        if not text:
            raise ValueError("There is no text to go on from: give a passage of a word or more.")
        ids = self.tokenizer(self._spelled(text))["input_ids"]
        return Reading(torch.tensor([ids], device=self.device))

    def first_turn(self, context: str, question: str, question_first: bool = False) -> Reading:
        """The prompt of a conversation's first question: a text, then the question, or the other way round.

        Raises:
            ValueError: if the context is no text, or the tokenizer has no chat template, or one that changes what a
                person writes.
        """
        self._check_template()
        if not isinstance(context, str):
            raise ValueError(f"{self.name!r} reads text only: give a text for the question to be about, no picture.")
        context, question = self._spelled(context.strip()), self._spelled(question.strip())
        said = BETWEEN.join(filter(None, (question, context) if question_first else (context, question)))
        text = self._render([self._message("user", said)])
        # The template may have the same words before it: where a person's begin, a mark tells.
        begin = self._render([self._message("user", MARK)]).find(MARK)
        if begin < 0 or not text.startswith(said, begin):
            raise ValueError(
                f"The chat template of {self.name!r} changes what a person writes, so text and question cannot be told "
                "apart in it: use `passage`, or the template of the model's publisher."
            )
        # The text ends where it is written; nothing stands behind that end but what asks.
        end = begin + (len(said) if question_first else len(context))
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        asked = sum(start >= end for start, _ in encoded["offset_mapping"])
        return Reading(torch.tensor([encoded["input_ids"]], device=self.device), asked=asked)

    def next_turn(self, question: str, pictures: Sequence[Image.Image] = ()) -> Reading:
        """What follows an answer already in the cache: the end of that turn and the next question.

        Raises:
            ValueError: if the tokenizer has no chat template, or pictures come with it.
        """
        self._check_template()
        return super().next_turn(question, pictures)

    def _check_template(self) -> None:
        if not self.tokenizer.chat_template:
            raise ValueError(
                f"{self.name!r} has no chat template, so nothing says how a question is written for it: put the "
                "chat_template.jinja of its publisher beside the weights, or give it plain text by `passage`."
            )

    def _message(self, role: str, text: str, pictures: int = 0) -> Message:
        return {"role": role, "content": text}
