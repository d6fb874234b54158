"""Random: what luck keeps."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, RecipeInBits
from elastic.policies.parts import Drop, Noise, Top


@dataclass(frozen=True)
class Random(RecipeInBits):
    """Random eviction, the baseline any method must beat; from no paper.

    Kept: in every head tokens drawn at random, all with the same chance; the same `seed` draws the same tokens. While
    decoding every token is kept.
    """

    seed: int = option(0, "Seed of the draw.", 0, 1_000_000)

    title: ClassVar[str] = "Random"
    about: ClassVar[str] = "Every head keeps tokens drawn at random: what any method must beat."
    unseen: ClassVar[str] = "The heat has no part in what is kept."

    @property
    def recipe(self) -> Method:
        """Luck alone decides."""
        return Method(keep=self.keep, score=Noise(seed=self.seed), select=Top(), merge=Drop())
