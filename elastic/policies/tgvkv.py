"""TGV-KV: text first, then what the text is guided to."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from elastic.policies.base import PATCH, Choice, LayerView, Policy
from elastic.policies.selection import share_out, strongest

AFTER_IMAGE = "after image"


@dataclass(frozen=True)
class TGVKV(Policy):
    """TGV-KV, text-guided vision (ICML 2026, arXiv 2606.03075).

    Kept: all text, then the patches that the words after the image attend to, each word counting as much as the words
    after it attend to it on average. Layers share the budget by the attention that text pays to the picture in them.
    While decoding every token is kept.

    Departs from the source, whose code could not be had, in two ways. Where text alone exceeds a layer's budget, the
    newest text is kept, so that all methods hold the same number of bytes. And no layer gets less than the text takes,
    where the budget allows it.
    """

    title: ClassVar[str] = "TGV-KV"
    about: ClassVar[str] = (
        "Keeps all text, then the patches the question is guided to: each word votes, with as much weight as later "
        "words give it. Layers that look at the picture more get more room."
    )
    paper: ClassVar[str] = "arXiv 2606.03075"
    unseen: ClassVar[str] = (
        "The heat sums up the attention of all queries; here the words after the picture vote, some more than others."
    )
    score: ClassVar[str] = "guided by text"
    growth: ClassVar[str] = "every new token"
    batches: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({score, AFTER_IMAGE})

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Text, then patches, as many as the layer's attention to the picture allows."""
        is_text = [layer.kind != PATCH for layer in layers]
        gaze = torch.stack([self._gaze(layer) for layer in layers])
        mean = self.limit(seen, seen)
        words = max(int(text.sum()) for text in is_text)
        most = torch.tensor([layer.slots for layer in layers])
        counts = share_out(mean * len(layers), gaze, most, at_least=max(1, min(mean, words)))
        # Text above every patch, newer text above older.
        ranked = [
            torch.where(text, layer.score.sum() + 1 + layer.position, layer.score)
            for text, layer in zip(is_text, layers, strict=True)
        ]
        return [strongest(score, count) for score, count in zip(ranked, counts, strict=True)]

    @staticmethod
    def _gaze(layer: LayerView) -> torch.Tensor:
        """Attention that text pays to the picture."""
        return (layer.statistics[AFTER_IMAGE] * (layer.kind == PATCH)).sum().cpu()
