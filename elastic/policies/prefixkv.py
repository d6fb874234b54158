"""PrefixKV: one share of the attention kept in every layer."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Growth, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Drop, FixedPoint, Protect, Received, Threshold, TopAndEnds
from elastic.statistics import Attention


@dataclass(frozen=True)
class PrefixKV(Recipe):
    """PrefixKV (Wang et al., NeurIPS 2025, arXiv 2412.03409).

    Kept: per layer the tokens that received most attention, summed over all queries and averaged over heads, until
    they have a share p of all the layer's attention. The one p for all layers is found by binary search, so that the
    layers' sizes add up to the budget. While decoding each layer holds its own share of the tokens seen, by deleting
    the slot `distance` before the end of its prompt.

    Departs from the source, which reads the sizes from a table made beforehand: here they are found for each prompt.
    First and last token of the prompt are always kept. In layers smaller than twice the distance the fixed point is
    their middle.
    """

    distance: int = option(25, "Fixed point of elimination: slots before the end of the compressed prompt.", 1, 500)

    title: ClassVar[str] = "PrefixKV"
    about: ClassVar[str] = (
        "Every layer keeps its best-scored tokens until they have the same share of its attention: layers that spread "
        "it widely keep more tokens. While answering, a slot at a fixed place is deleted."
    )
    paper: ClassVar[str] = "arXiv 2412.03409"

    @property
    def recipe(self) -> Method:
        """One share of the attention sizes the layers, and each deletes at a fixed point of its own."""
        return Method(
            keep=self.keep,
            score=Received(Attention()),
            budget=Threshold(),
            select=TopAndEnds(),
            merge=Drop(),
            decoding=FixedPoint(distance=self.distance, protect=Protect(), own_share=True),
            growth=Growth.PROPORTIONAL,
        )
