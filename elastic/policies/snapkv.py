"""SnapKV: what the end of the prompt looks at."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F

from elastic.policies.base import Choice, LayerView, Policy, option
from elastic.policies.selection import newest, strongest


@dataclass(frozen=True)
class SnapKV(Policy):
    """SnapKV (Li et al., NeurIPS 2024, arXiv 2404.14469).

    Kept: in every head the last `window` tokens of the prompt and the others that these attend to most; scores are
    averaged over neighbouring tokens, so that what is kept has its surroundings. While decoding every token is kept.

    Departs from the source at small budgets: the window takes no more than half of what may be held. With a window
    larger than the budget the method keeps nothing else, and fails.
    """

    window: int = option(16, "Queries at the end of the prompt that vote; they are kept themselves.", 1, 128)
    kernel: int = option(5, "Neighbouring tokens over which votes are averaged; of an even number, one more.", 1, 31)

    title: ClassVar[str] = "SnapKV"
    about: ClassVar[str] = (
        "The last tokens of the question vote: every head keeps what they look at, and its surroundings. "
        "While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2404.14469"
    unseen: ClassVar[str] = (
        "The heat sums up the attention of all queries; here the last words of the prompt vote, head by head."
    )
    growth: ClassVar[str] = "every new token"

    @property
    def statistic(self) -> str:
        """Attention of the queries that vote."""
        return f"last {self.window}, per head"

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """The same number in every layer."""
        return [self.choose(layer, self.limit(seen, seen)) for layer in layers]

    def choose(self, layer: LayerView, count: int) -> Choice:
        """The window and the best of a layer, per head."""
        recent = min(self.window, count // 2)
        wide = self.kernel // 2
        votes = layer.score[:, : layer.slots - recent]
        pooled = F.avg_pool1d(votes, 2 * wide + 1, stride=1, padding=wide)
        return strongest(F.pad(pooled, (0, recent)), count, newest(layer.score, recent))
