"""How fast a run learns at each of its steps."""

import time

import torch
from torch import distributed


def schedule(
    optimizers: list[torch.optim.Optimizer], step: int, steps: int, decay: int, left: float = 1.0, warmup: int = 50
) -> None:
    """Set the learning rates of a step: up over `warmup`, level, down to zero over the last `decay`.

    Where time runs out first, `left` is the share of the fall that is still to come.
    """
    factor = min(1.0, (step + 1) / warmup, (steps - step) / max(1, decay), max(0.0, left))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor


def time_left(began: float, minutes: float, falling: float) -> float:
    """The time that a run still has, as a share of that in which the rate falls, itself a share of all its minutes.

    Of several processes the first one's clock counts, so that all of them learn alike and end together.
    """
    left = torch.tensor((minutes - (time.time() - began) / 60) / (minutes * max(falling, 1e-3)))
    if distributed.is_initialized():
        distributed.broadcast(left, 0)
    return left.item()
