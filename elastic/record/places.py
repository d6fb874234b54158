"""Where a prompt's tokens stand in what the model saw: views, their cells, and a place for every token. Numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ViewFrame:
    """Where a view lies, a picture that the model saw, whole or a tile: its cells, its box, and whose it is.

    `box` is left, top, right and bottom in the original picture, 0 to 1, beyond that where padding was seen.
    """

    rows: int
    columns: int
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    picture: int = 0  # number of the original, from 0


def count_of(views: Sequence[ViewFrame]) -> int:
    """How many cells those views have."""
    return sum(view.rows * view.columns for view in views)


def cells_of(views: Sequence[ViewFrame]) -> np.ndarray:
    """The places of all cells of those views in reading order, (P, 4) int32: picture, view, row, column."""
    places = [np.zeros((0, 4), np.int32)]
    for number, view in enumerate(views):
        row, column = np.divmod(np.arange(view.rows * view.columns), view.columns)
        places.append(np.stack([np.full_like(row, view.picture), np.full_like(row, number), row, column], 1))
    return np.concatenate(places).astype(np.int32)


def placed(is_cell: np.ndarray, views: Sequence[ViewFrame]) -> np.ndarray:
    """The places (T, 4) of tokens of which those marked (T,) are the cells of views, in order, and the others words.

    Raises:
        ValueError: if there are other numbers of either.
    """
    # Counted first: what a file says of its views may stand for more cells than memory holds.
    if is_cell.sum() != (cells := count_of(views)):
        raise ValueError(f"Trace: {is_cell.sum()} image tokens for {cells} cells of its views.")
    place = np.full((len(is_cell), 4), -1, np.int32)
    place[is_cell] = cells_of(views)
    return place
