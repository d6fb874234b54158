"""What methods are put together from: a score, budgets, a selection, an assignment, and a rule while decoding.

By the field of `Method` that takes them, with what each goes by in its docstring:

    score     Received (attention), Consensus, KeyNorm, Noise, Unscored
    budget    Equal, Pyramid, BySparsity, Threshold
    heads     Alike, ByScore, ByLooks
    select    Top, TopAndEnds, TopAndSinks, Voted, Anchors, Core, SinksAndNewest, Cover, Everything
    merge     Drop, NearestPosition, SimilarKey, Attended
    decoding  EvictNothing, Oldest, FixedPoint, LowestScore, MostAlike, AlikeInTurn
    numbers   Numbers (as they are), Coded and Float8 (in fewer bits)
    forgotten Forgotten (gone), Remembered (what is dropped goes into a memory)
    reads     Reads (all), BestPages and BestByCodes (a part, found by an index)

Parts are values and pure functions of views. A method that needs another one defines it in its own file: it derives
from `Score`, `Budget`, `Heads`, `Select`, `Assign`, `Decoding`, `Numbers`, `Forgotten` or `Reads`. `Protect` says which
slots a selection or a rule spares.
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
from elastic.policies.parts.forgotten import Forgotten, Remembered
from elastic.policies.parts.heads import Alike, ByLooks, ByScore, Heads
from elastic.policies.parts.numbers import Coded, Float8, Numbers
from elastic.policies.parts.protect import Protect
from elastic.policies.parts.reads import BestByCodes, BestPages, Reads
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
    TopAndSinks,
    Voted,
)
from elastic.policies.parts.stack import Selection, Stack

__all__ = [
    "Alike",
    "AlikeInTurn",
    "Anchors",
    "Assign",
    "Attended",
    "BestByCodes",
    "BestPages",
    "Budget",
    "ByLooks",
    "ByScore",
    "BySparsity",
    "Coded",
    "Consensus",
    "Core",
    "Cover",
    "Decoding",
    "Drop",
    "Equal",
    "Everything",
    "EvictNothing",
    "FixedPoint",
    "Float8",
    "Forgotten",
    "Heads",
    "KeyNorm",
    "LowestScore",
    "MostAlike",
    "NearestPosition",
    "Noise",
    "Numbers",
    "Oldest",
    "Protect",
    "Pyramid",
    "Reads",
    "Received",
    "Remembered",
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
    "TopAndSinks",
    "Unscored",
    "Voted",
]
