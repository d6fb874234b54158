"""What is kept of a prompt's attention: values that say what is wanted, and the observer that computes them.

A method with a statistic of its own defines it in its own file: it derives from one of the classes in `base.py`.
"""

from elastic.statistics.base import OfAttention, OfQueries, Statistic, Tile
from elastic.statistics.layers import QueryEnergy, Sparsity
from elastic.statistics.observer import Observer
from elastic.statistics.tokens import Attention, Fading, Guided, Queries, SinceMajor

__all__ = [
    "Attention",
    "Fading",
    "Guided",
    "Observer",
    "OfAttention",
    "OfQueries",
    "Queries",
    "QueryEnergy",
    "SinceMajor",
    "Sparsity",
    "Statistic",
    "Tile",
]
