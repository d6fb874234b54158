"""PQCache: everything is held, and a word reads what short codes of the keys promise."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import BestByCodes, Drop, Everything, Unscored


@dataclass(frozen=True)
class PQCache(Recipe):
    """PQCache (Zhang et al., SIGMOD 2025, arXiv 2407.12820).

    Kept: every token, and beside the keys a product quantisation of them. Keys of all but the first `sinks` tokens are
    cut into two halves of their channels, and of each half, in every head, k-means finds 2 to the power of `code_bits`
    centroids: a token's codes are the numbers of the nearest ones. While decoding every token is kept and reads the
    first `sinks`, the newest, and as many others: those with the largest approximate logits, a table of the query's
    products with the centroids looked up by codes; of heads that share a key, their softmaxes are added up. A token's
    code is that of the nearest centroids as they are, which are never found anew. A prompt, and what is asked later,
    reads all; where no more keys than centroids are held, every token does.

    Departs from the source in the budget: `keep` is a share of all that is held at that moment, the first tokens and
    the newest one included, of which the first take no more than a third; the authors' numbers of newest and of other
    tokens, which share a tenth of the prompt, stay as they are while an answer grows. K-means takes `rounds` rounds
    from a random start that is always the same (the authors take as many as fit behind reading the prompt), and a
    centroid of no key stays where it is. A code fills a byte. In a further turn all codes are made anew. Keys and
    values stay where the model is, in place of the processor's memory and a cache of blocks; and attention masks what
    is not read, it does not gather what is: so the answers are PQCache's, and the time is not.
    """

    keep: float = option(0.5, "Share of the tokens that a word reads; all of them are held, and an index.", 0.01, 1.0)
    sinks: int = option(32, "First tokens that are always read, as long as that is no more than a third.", 0, 256)
    code_bits: int = option(6, "Bits of a code, of which a key has two: 2 to the power of it centroids.", 2, 8)
    rounds: int = option(10, "Rounds of k-means that find the centroids after the prompt.", 1, 50)

    title: ClassVar[str] = "PQCache"
    about: ClassVar[str] = (
        "Drops nothing: each word reads the first and the newest tokens, and those whose keys, by short codes, match "
        "it best. It saves reading, not memory; and no time here, where what is not read is only masked."
    )
    paper: ClassVar[str] = "arXiv 2407.12820"
    unseen: ClassVar[str] = (
        "Nothing is ever gone: what is hatched was not read for this word, and may be for the next. Heads read "
        "different tokens; shown is their mean. No time is saved here."
    )
    keep_is_read = True

    @property
    def recipe(self) -> Method:
        """Everything is held, what codes promise is read."""
        return Method(
            keep=1.0,
            score=Unscored(),
            select=Everything(),
            merge=Drop(),
            reads=BestByCodes(share=self.keep, sinks=self.sinks, bits=self.code_bits, rounds=self.rounds),
        )
