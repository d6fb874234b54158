"""What is kept of a prompt's attention: values that say what is wanted, and the observer that computes them.

A method with a statistic of its own defines it in its own file: it derives from `OfTokens` where
it is a number for every token, and from `OfAttention`, `OfQueries` or `OfPlainQueries` (those before RoPE) where it is
one of the layer.
"""

from elastic.statistics.base import OfAttention, OfPlainQueries, OfQueries, Statistic, Tile
from elastic.statistics.layers import ExpectedQuery, QueryEnergy, Sparsity
from elastic.statistics.observer import Observer
from elastic.statistics.rehearsed import Rehearsed
from elastic.statistics.tokens import Attention, Fading, Guided, OfTokens, Peak, Queries, SinceMajor

__all__ = [
    "Attention",
    "ExpectedQuery",
    "Fading",
    "Guided",
    "Observer",
    "OfAttention",
    "OfPlainQueries",
    "OfQueries",
    "OfTokens",
    "Peak",
    "Queries",
    "QueryEnergy",
    "Rehearsed",
    "SinceMajor",
    "Sparsity",
    "Statistic",
    "Tile",
]
