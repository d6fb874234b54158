"""Elastic Cache plus: an exact core, and merged centres for the rest."""

from dataclasses import dataclass
from typing import ClassVar

from elastic.policies.base import Growth, option
from elastic.policies.method import Method, Recipe
from elastic.policies.parts import AlikeInTurn, Attended, Consensus, Core, Equal, Protect
from elastic.statistics import Attention, Peak, Queries

ASKING = Attention(rows=Queries.ASKING, per_head=True)


@dataclass(frozen=True)
class ElasticPlus(Recipe):
    """Elastic Cache (arXiv 2407.18121) with a core of tokens that stand for themselves alone; second edition.

    Kept: most of the budget, and no more than `most` slots, are a core: what the asking words look at sharply in some
    layer, the words beside it, the newest tokens and both ends of the prompt. Its keys and values stay exact, and
    nothing is merged into it. The rest of the budget are the centres of all other tokens, per head, by similar keys; a
    member weighs as much as it is looked at, and log(members) on a centre's logit keeps its members' share of
    attention. A few slots stay free for the first words of the answer; then at every token two slots that are much
    alike become one, wherever they are but at the ends of the prompt.

    Why each part is there was seen on SmolLM2-135M, on texts that are not those of the test, by a script that is not
    kept. Numbers and names are lost by averaging, so there is a core. Their digits are not what a question looks at,
    but stand beside it, so there is an echo. A head alone does not know what the question is about, but the sharpest
    looks of all layers together do. All asking words count, for what is asked may come first, and long courtesies
    behind it. The newest tokens and weighted means are for what follows a passage, the centres for that and for what
    pictures show. Tried in vain: each head's own attention beside the common core, a core as large as the looks are
    sharp, an echo that fades, frequency as a weight, centres by each head alone, more rounds (a little better, for more
    time), and the two most alike of all slots while decoding, which costs more time than small caches save.
    pocket-llava alone would do with less of a core: the mean of a group says well enough what a picture shows. So where
    there is a picture, twenty slots are centres before any more are core, which matters only where few are kept.

    Compressed before a question, a picture has no core: nothing points at a patch yet, and averages of alike patches
    serve any question that pocket-llava was asked. Its members weigh the same, and no slot is spared. Of a text the
    last words stand for what asks; numbers and names are then recalled less often than by keeping the newest words.

    The first edition is the combination `combine:score=after image;assign=similar key per head;rounds=1;
    count_bias=true;decoding=most alike;evicted=merged;protect_text=false`.
    """

    core: float = option(0.7, "Share of the budget for tokens that stand for themselves alone.", 0.0, 1.0)
    most: int = option(128, "Slots of the core at most.", 2, 4096)
    echo: int = option(
        15, "Words behind one that is looked at which count as it does; two thirds as many before it.", 0, 64
    )
    newest: float = option(0.3, "Share of the core for the newest tokens.", 0.0, 1.0)
    rounds: int = option(2, "Rounds of k-means on the keys of the others, from the most attended.", 0, 10)
    count_bias: bool = option(True, "Add log(tokens it stands for) to a slot's attention logit.")

    title: ClassVar[str] = "Elastic Cache plus"
    about: ClassVar[str] = (
        "What the question points at, and what stands beside it, stays exact; in every head, all other tokens with "
        "similar keys share a slot. While answering nothing is dropped."
    )
    paper: ClassVar[str] = "arXiv 2407.18121"
    unseen: ClassVar[str] = (
        "The heat is of all queries together, or of a word; the core goes by the sharpest looks of those after the "
        "picture, in any layer. Groups are by how alike keys are: not drawn."
    )

    @property
    def recipe(self) -> Method:
        """A core by consensus, clusters of similar keys for the rest; while decoding, what is much alike is merged."""
        return Method(
            keep=self.keep,
            score=Consensus(Peak(rows=Queries.ASKING, per_head=True), ahead=self.echo, back=(2 * self.echo + 1) // 3),
            budget=Equal(spare=8),
            select=Core(self.core, self.most, self.newest, centres=ASKING),
            merge=Attended(heads_apart=True, rounds=self.rounds, count_bias=self.count_bias, by=ASKING),
            decoding=AlikeInTurn(protect=Protect(), merge=True),
            growth=Growth.PROPORTIONAL,
        )
