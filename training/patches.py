"""Teach patches to carry the words of what they show.

A patch that leaves the projector is compared with the *word embeddings* of what it shows: its object, category, row,
column, size or background colour, a digit of a number, or that the picture is no scene at all. The language model then
finds a patch by a word because both point the same way; without this, looking up by word does not appear in hours of
training on answers alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from scenes.scene import BACKGROUNDS, CATEGORIES, SIZES
from training.views import IGNORED, NAMES

WORDS: dict[str, tuple[str, ...]] = {
    "name": NAMES,
    "category": tuple(CATEGORIES),
    "row": ("top", "center", "bottom"),
    "column": ("left", "center", "right"),
    "size": tuple(SIZES),
    "color": tuple(BACKGROUNDS),
    "digit": tuple("0123456789"),
}
# What has no word: whether a patch is a thing's middle, which digit of its number it shows.
UNNAMED = {"middle": 2, "order": 5}


class PatchWords(nn.Module):
    """Scores patches against the embeddings of words, and what has no word with vectors of its own."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, width: int) -> None:
        super().__init__()

        def first(text: str) -> int:
            return tokenizer.encode(text, add_special_tokens=False)[0]

        # Digits stand side by side in an answer, every other word behind a space.
        self.words = {
            key: torch.tensor([first(word if word.isdigit() else f" {word}") for word in words])
            for key, words in WORDS.items()
        }
        self.sharpness = nn.ParameterDict({key: nn.Parameter(torch.tensor(1.0)) for key in WORDS})
        self.bias = nn.ParameterDict({key: nn.Parameter(torch.zeros(len(words))) for key, words in WORDS.items()})
        self.unnamed = nn.ModuleDict({key: nn.Linear(width, classes) for key, classes in UNNAMED.items()})

    def forward(self, features: Tensor, embedding: Tensor, targets: dict[str, Tensor]) -> tuple[Tensor, dict]:
        """Loss and accuracy per question, from projected patches (B, P, D) and word embeddings (V, D)."""
        losses, accuracy = [], {}
        for key, target in targets.items():
            if key in UNNAMED:
                scores = self.unnamed[key](features)
            else:
                scores = features @ embedding[self.words[key]].T * self.sharpness[key].exp() + self.bias[key]
            # Background patches outnumber the others; a thing's patches must not drown in them.
            counted = target > 0 if key in ("name", "middle") else target != IGNORED
            if counted.any():  # a batch without numbers says nothing about digits
                losses.append(functional.cross_entropy(scores.flatten(0, 1), target.flatten(), ignore_index=IGNORED))
                accuracy[key] = (scores.argmax(-1) == target)[counted].float().mean().item()
        return torch.stack(losses).sum(), accuracy


def project(model: LlavaForConditionalGeneration, pixels: Tensor) -> Tensor:
    """Pictures (B, 3, 224, 224) to projected patches (B, P, D), as the model's own forward makes them."""
    hidden = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-1]
    return model.model.multi_modal_projector(hidden[:, 1:])
