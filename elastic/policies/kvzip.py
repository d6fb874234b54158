"""KVzip: what the model needs to repeat all that it has read."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import Alike, ByScore, Drop, Received, TopAndSinks
from elastic.statistics import Rehearsed


class Shared(StrEnum):
    """Who shares the slots: heads hold equally many, or the best of a layer are kept, or the best of all layers."""

    NOTHING = "nothing"
    LAYER = "layer"
    ALL = "all layers"


SHARING = {Shared.LAYER: ByScore(floor=0), Shared.ALL: ByScore(floor=0, over_layers=True)}


@dataclass(frozen=True)
class KVzip(Recipe):
    """KVzip (Kim et al., NeurIPS 2025, arXiv 2505.23416).

    Kept: in every head the first `sinks` tokens, and those that the model looks at most sharply while it repeats all
    that it has read: the largest weight that any token of the repetition, or of the words that ask for it, gives a
    token in any query head that shares its key. No question is needed. With `norms` (KVzip+) a look counts as much as
    it adds to what the layer was given: times the length of the value behind the output projection, over the length of
    the layer's input. While decoding every token is kept.

    A second reading on a copy of the cache: it takes longer than all that was read so far, in each turn anew, and
    memory for that copy. Texts of more than 2,048 tokens are repeated in chunks of that many, each of which looks at
    its own tokens, at the first four and at what is being repeated.

    Departs from the source where heads hold equally many, as they do unless slots are `shared`: in the source all heads
    share them (`all layers`). A picture is repeated by what the vision tower made of it, which is ours, as the source
    is about text. Where it compresses after the question, the question is repeated, too, behind an answer of no words.
    In a further turn all that was said is repeated, and what is held still is judged by it. What the chat template says
    first is judged like all else. A cache that the library's `generate` drives cannot rehearse and is refused.
    """

    sinks: int = option(4, "Tokens at the beginning that are always kept.", 0, 64)
    norms: bool = option(False, "Let a look count as much as it adds: by the length of values (KVzip+).")
    shared: Shared = option(
        Shared.NOTHING, "Who shares slots: no heads, those of each layer, or all, as the paper has it."
    )

    title: ClassVar[str] = "KVzip"
    about: ClassVar[str] = (
        "The model repeats picture and words to itself, and every head keeps what it looked at for that. "
        "It needs no question, but time to read all a second time, in each turn. While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2505.23416"
    unseen: ClassVar[str] = (
        "It goes by the sharpest looks while all is repeated, which no picture shows: the heat is attention as it was "
        "when picture and words were read, or a word was written. Where heads share slots, numbers of slots are means."
    )

    @property
    def recipe(self) -> Method:
        """A rehearsal chooses."""
        return Method(
            keep=self.keep,
            score=Received(Rehearsed(self.norms)),
            heads=SHARING.get(self.shared, Alike()),
            select=TopAndSinks(sinks=self.sinks),
            merge=Drop(),
        )
