"""Quest: everything is held, and a word reads the pages that may matter to it."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import BestPages, Drop, Everything, Unscored


@dataclass(frozen=True)
class Quest(Recipe):
    """Quest (Tang et al., ICML 2024, arXiv 2406.10774).

    Kept: every token, and beside the keys, for every `page` of them and every head, the least and the greatest number
    of each channel. While decoding every token is kept, joins the newest page at once, and reads a part: of each page
    the bounds give the largest logit that a key within them can have, the sum over channels of the larger of query
    times least and query times greatest; the pages with the largest are read whole. The newest page is always read,
    as in the authors' kernels (in their evaluation code it competes). A prompt, and what is asked later, reads all.

    Departs from the source in the budget: `keep` is a share of what all layers hold at that moment, and not a number of
    tokens. So the first two layers, which read everything, count for it, and do so only while they take no more than
    half of it; a page is no longer than half of what may be read of a layer; and there is no least number of pages (in
    the evaluation code three). Where query heads share a key they read the same pages, by the largest of their bounds;
    the authors' evaluation repeats keys, and each head chooses for itself. In a further turn all pages are made anew.
    Attention masks what is not read, it does not gather what is: so the answers are Quest's, and the time is not.
    """

    keep: float = option(0.5, "Share of the tokens that a word reads; all of them are held, and an index.", 0.01, 1.0)
    page: int = option(16, "Neighbouring tokens that are read together, or not at all.", 1, 64)
    whole_layers: int = option(2, "First layers that read everything, while that is no more than half of it.", 0, 16)

    title: ClassVar[str] = "Quest"
    about: ClassVar[str] = (
        "Drops nothing: each word reads the pages of neighbouring tokens whose keys could match it best, and passes "
        "over the others. It saves reading, not memory; and no time here, where what is not read is only masked."
    )
    paper: ClassVar[str] = "arXiv 2406.10774"
    unseen: ClassVar[str] = (
        "Nothing is ever gone: what is hatched was not read for this word, and may be for the next. Heads read "
        "different pages; shown is their mean. No time is saved here."
    )
    keep_is_read = True

    @property
    def recipe(self) -> Method:
        """Everything is held, pages are read."""
        return Method(
            keep=1.0,
            score=Unscored(),
            select=Everything(),
            merge=Drop(),
            reads=BestPages(share=self.keep, page=self.page, whole=self.whole_layers),
        )
