"""What methods are put together from: a score, a budget, a selection, an assignment, and a rule while decoding.

By the field of `Method` that takes them, with what each goes by in its docstring:

    score     Received (attention), Consensus, KeyNorm, Noise, Unscored
    budget    Equal, Pyramid, BySparsity, Threshold
    select    Top, TopAndEnds, Voted, Anchors, Core, SinksAndNewest, Cover, Everything
    merge     Drop, NearestPosition, SimilarKey, Attended
    decoding  EvictNothing, Oldest, FixedPoint, LowestScore, MostAlike, AlikeInTurn

Parts are values and pure functions of views. A method that needs another one defines it in its own file: it derives
from `Score`, `Budget`, `Select`, `Assign` or `Decoding`. `Protect` says which slots a selection or a rule spares.
"""

from elastic.policies.parts.assign import Assign, Attended, Drop, NearestPosition, SimilarKey
from elastic.policies.parts.budget import Budget, BySparsity, Equal, Pyramid, Threshold
from elastic.policies.parts.decoding import (
    AlikeInTurn,
    Decoding,
    EvictNothing,
    FixedPoint,
    LowestScore,
    MostAlike,
    Oldest,
    Room,
)
from elastic.policies.parts.protect import Protect
from elastic.policies.parts.score import Consensus, KeyNorm, Noise, Received, Score, Unscored
from elastic.policies.parts.select import (
    Anchors,
    Core,
    Cover,
    Everything,
    Select,
    SinksAndNewest,
    Top,
    TopAndEnds,
    Voted,
)
from elastic.policies.parts.stack import Selection, Stack

__all__ = [
    "AlikeInTurn",
    "Anchors",
    "Assign",
    "Attended",
    "Budget",
    "BySparsity",
    "Consensus",
    "Core",
    "Cover",
    "Decoding",
    "Drop",
    "Equal",
    "Everything",
    "EvictNothing",
    "FixedPoint",
    "KeyNorm",
    "LowestScore",
    "MostAlike",
    "NearestPosition",
    "Noise",
    "Oldest",
    "Protect",
    "Pyramid",
    "Received",
    "Room",
    "Score",
    "Select",
    "Selection",
    "SimilarKey",
    "SinksAndNewest",
    "Stack",
    "Threshold",
    "Top",
    "TopAndEnds",
    "Unscored",
    "Voted",
]
