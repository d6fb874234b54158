"""PrefixKV: one share of the attention kept in every layer."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Growth, Positions, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Anchors, Drop, FixedPoint, Received, Threshold, TopAndEnds
from elastic.policies.parts.protect import protecting
from elastic.statistics import Attention


@dataclass(frozen=True)
class PrefixKV(Recipe):
    """PrefixKV (Wang et al., NeurIPS 2025, arXiv 2412.03409).

    Kept: per layer the tokens that received most attention, summed over all queries and averaged over heads, until
    they have a share p of all the layer's attention. The one p for all layers is found by binary search, so that the
    layers' sizes add up to the budget; the prompt's first token and its last one are among them. While decoding each
    layer holds its own share of the tokens seen, by deleting the slot `distance` before the end of its prompt, so that
    a long answer costs the prompt's last tokens first.

    Departs from the source's code in four ways. Sizes are found for each prompt, to the last slot; the code reads them
    from a table made beforehand, by a search that stops within five. A layer deletes as soon as it holds more than its
    share, so that the budget is held at every step; the code waits until that is a whole slot. In layers smaller than
    twice the distance the fixed point is their middle, in the code in those smaller than the distance: between, the
    first tokens would all go before the answer is a few words long. And new tokens stand at their true positions; the
    code hands on none, so that they stand behind as many tokens as the first layer holds, among keys that stay where
    they were, and most answers are lost: `positions` "cache length".

    Scores are sums of causal attention, which favours early tokens. The authors' scripts ask before the picture; asked
    after it, the question scores lowest and is lost. `protect_text` keeps the prompt's words and chooses patches only;
    where words alone exceed the budget, they are held all the same.
    """

    protect_text: bool = option(False, "Keep every word of the prompt; spend the budget on image patches.")
    distance: int = option(25, "Fixed point of elimination: slots before the end of the compressed prompt.", 1, 500)
    positions: Positions = option(Positions.TRUE, "Where new tokens stand for RoPE; the published code: cache length.")

    title: ClassVar[str] = "PrefixKV"
    about: ClassVar[str] = (
        "Every layer keeps its best-scored tokens until they have the same share of its attention: layers that spread "
        "it widely keep more tokens. While answering, a slot at a fixed place is deleted."
    )
    paper: ClassVar[str] = "arXiv 2412.03409"

    @property
    def recipe(self) -> Method:
        """One share of the attention sizes the layers, and each deletes at a fixed point of its own."""
        protect = protecting(text=True) if self.protect_text else None
        return Method(
            keep=self.keep,
            score=Received(Attention()),
            budget=Threshold(protect),
            select=Anchors(protect) if protect else TopAndEnds(),
            merge=Drop(),
            decoding=FixedPoint(distance=self.distance, protect=protect, own_share=True),
            growth=Growth.PROPORTIONAL,
            positions=self.positions,
        )
