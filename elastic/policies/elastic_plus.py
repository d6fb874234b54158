"""Elastic Cache with the merging that loses least."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.elastic import ASSIGN, DECODE, SCORES, Elastic


@dataclass(frozen=True)
class ElasticPlus(Elastic):
    """Elastic Cache (arXiv 2407.18121) with every choice made by what it loses on development scenes.

    Kept: per layer and head, clusters of tokens with similar keys; the first token and the last one of the prompt alone
    stand for themselves. While decoding, whenever the cache exceeds `keep` x tokens seen, the two slots whose merging
    moves their keys least become one.

    The choices, each in the order of what it brings (`benchmarks/RESULTS.md` has the table): a merged slot's logit
    gets log(count), so that it keeps its members' share of attention; tokens are grouped by their keys, per head,
    because a query tells tokens apart by nothing else, and each head asks something else of a picture; three rounds of
    k-means, weighted by attention, move the groups to where the keys are; anchors are chosen by the queries after the
    image, which are free of the causal bias; nothing is dropped while decoding. Keys are not turned before averaging:
    the mean of keys as they stand gives every later query the mean of its logits, exactly.
    """

    protect_text: bool = option(False, "Keep every word of the prompt; spend the budget on image patches.")
    score: str = option("after image", "The attention that makes an anchor: which queries count.", choices=SCORES)
    assign: str = option("similar key per head", "The anchor that every other token joins.", choices=ASSIGN)
    rounds: int = option(3, "Rounds of k-means on the keys, from the anchors; for similar keys only.", 0, 10)
    count_bias: bool = option(True, "Add log(tokens it stands for) to a slot's attention logit.")
    decode_rule: str = option("most alike", "The slot to give up while decoding.", choices=DECODE)
    evicted: str = option("merged", "What becomes of it.", choices=("dropped", "merged"))

    title: ClassVar[str] = "Elastic Cache plus"
    about: ClassVar[str] = (
        "In every head, tokens with similar keys share a slot, which keeps its members' share of attention. "
        "While answering, the two most similar slots become one; nothing is dropped."
    )
