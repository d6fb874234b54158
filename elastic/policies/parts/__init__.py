"""What methods are put together from: a score, a budget, a selection, an assignment, and a rule while decoding.

By the field of `Method` that takes them, with what each goes by in its docstring:

    score     Received (attention), KeyNorm, Noise, Unscored
    budget    Equal, Pyramid, BySparsity, Threshold
    select    Top, TopAndEnds, Voted, Anchors, SinksAndNewest, Cover, Everything
    merge     Drop, NearestPosition, SimilarKey
    decoding  EvictNothing, Oldest, FixedPoint, LowestScore, MostAlike

Parts are values and pure functions of views. A method that needs another one defines it in its own file: it derives
from `Score`, `Budget`, `Select`, `Assign` or `Decoding`. `Protect` says which slots a selection or a rule spares.
"""

from elastic.policies.parts.assign import Assign, Drop, NearestPosition, SimilarKey
from elastic.policies.parts.budget import Budget, BySparsity, Equal, Pyramid, Threshold
from elastic.policies.parts.decoding import (
    Decoding,
    EvictNothing,
    FixedPoint,
    LowestScore,
    MostAlike,
    Oldest,
    Room,
)
from elastic.policies.parts.protect import Protect
from elastic.policies.parts.score import KeyNorm, Noise, Received, Score, Unscored
from elastic.policies.parts.select import Anchors, Cover, Everything, Select, SinksAndNewest, Top, TopAndEnds, Voted
from elastic.policies.parts.stack import Selection, Stack

__all__ = [
    "Anchors",
    "Assign",
    "Budget",
    "BySparsity",
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
