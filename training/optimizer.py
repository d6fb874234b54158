"""Muon for matrices, AdamW for the rest, as one optimizer.

Our own Muon only because the one in torch orthogonalises in bfloat16, which is about fifty times slower than float32
on processors without bfloat16 arithmetic.
"""

from collections import defaultdict

import torch
from torch import Tensor, distributed, nn


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrix of each of (N, m, n), by Newton-Schulz iterations."""
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (2.0315 * gram @ gram - 4.7750 * gram) @ x
    return x if wide else x.mT


def shared_orthogonal(matrices: Tensor) -> Tensor:
    """`orthogonal`, of which every process that trains does a part."""
    if not distributed.is_initialized():
        return orthogonal(matrices)
    mine = slice(distributed.get_rank(), None, distributed.get_world_size())
    made = torch.zeros_like(matrices)
    if len(matrices[mine]):
        made[mine] = orthogonal(matrices[mine])
    distributed.all_reduce(made)
    return made


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised per matrix and scaled so that a learning rate means what it means to AdamW."""

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.02) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self) -> None:
        """Update every matrix that has a gradient; matrices of one shape go through Newton-Schulz together."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape[matrix.shape].append(matrix)
            for shape, matrices in by_shape.items():
                updates = []
                for matrix in matrices:
                    state = self.state[matrix]
                    velocity = state.setdefault("velocity", torch.zeros_like(matrix))
                    velocity.lerp_(matrix.grad, 1 - group["momentum"])
                    updates.append(matrix.grad.lerp(velocity, group["momentum"]))
                scale = 0.2 * max(shape) ** 0.5
                for matrix, update in zip(matrices, shared_orthogonal(torch.stack(updates)), strict=True):
                    matrix.mul_(1 - group["lr"] * group["decay"]).sub_(update, alpha=group["lr"] * scale)


def build_optimizers(modules: dict[nn.Module, float], lr: float) -> list[torch.optim.Optimizer]:
    """Optimizers over modules, each with a factor on the learning rate; every group remembers its own peak."""
    matrices, others = [], []
    for module, factor in modules.items():
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        # A table of embeddings has one row per word, no directions to make orthogonal.
        is_matrix = {name: p.ndim == 2 and "embed" not in name and "lm_head" not in name for name, p in named}
        matrices.append({"params": [p for name, p in named if is_matrix[name]], "lr": lr * factor})
        others.append({"params": [p for name, p in named if not is_matrix[name]], "lr": lr * factor})
    optimizers = [
        Muon([group for group in matrices if group["params"]], lr=lr),
        torch.optim.AdamW([group for group in others if group["params"]], lr=lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers
