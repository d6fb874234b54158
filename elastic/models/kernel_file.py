"""Where a checkpoint has the kernels of a memory (see `elastic.cache.kernels`): in a folder of its own.

Beside the weights loaders would take the file for a part of these.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from elastic.cache.kernels import Kernels, give
from elastic.models.checkpoint import check_weights

KERNEL_FILE = Path("memory") / "less.safetensors"
WEIGHTS = "weights"  # what the file says of the weights that its kernels were trained for


def kernel_file(folder: Path) -> Path | None:
    """The file with the kernels of a checkpoint in a folder; None where it has none."""
    path = folder / KERNEL_FILE
    return path if path.exists() else None


def take_kernels(model: Any, folder: Path) -> None:
    """Give a model the kernels in its checkpoint's folder, where there are some.

    Raises:
        ValueError: if the file is damaged, or its kernels are for another model or other weights; one sentence.
    """
    path = kernel_file(folder)
    if path is None:
        return
    check_weights(path)
    text = model.get_decoder()
    with safe_open(path, "pt") as file:
        trained_for = (file.metadata() or {}).get(WEIGHTS)
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in sorted(file.keys())}
    device = next(text.parameters()).device
    try:
        kernels = Kernels.of({name: tensor.to(device) for name, tensor in tensors.items()}, text)
        if trained_for != stored_weights(folder):
            raise ValueError("they were trained for other weights")
    except ValueError as error:
        raise ValueError(
            f"{path} holds no kernels for this model ({error}): take the file away, and train others with "
            "python -m training.less."
        ) from error
    give(text, kernels)


def stored_weights(folder: Path) -> str:
    """Tells the weights in a checkpoint's files from others, by their names, shapes and first numbers."""
    digest = sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in sorted(file.keys()):
                part = file.get_slice(name)
                shape = part.get_shape()
                first = part[:1] if shape else file.get_tensor(name).reshape(1)
                digest.update(f"{name} {shape}".encode())
                digest.update(bytes(first.contiguous().view(torch.uint8).numpy()))
    return digest.hexdigest()[:16]
