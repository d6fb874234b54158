"""Checkpoints as people find them: copies of a good one of which something is missing, other, or damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

Weights = dict[str, Tensor]


def copy(of: Path, folder: Path) -> Path:
    """A copy of a checkpoint."""
    return Path(shutil.copytree(of, folder))


def with_weights(folder: Path, change: Callable[[Weights], Weights]) -> Path:
    """The folder, its weights changed."""
    changed = change(load_file(folder / "model.safetensors"))
    save_file({name: one.contiguous() for name, one in changed.items()}, folder / "model.safetensors", {"format": "pt"})
    return folder


def without(folder: Path, *parts: str) -> Path:
    """The folder, less the weights whose names have one of these parts."""
    return with_weights(folder, lambda all_: {n: w for n, w in all_.items() if not any(part in n for part in parts)})


def with_settings(folder: Path, file: str = "config.json", **entries: Any) -> Path:
    """The folder with other entries in one of its files of settings; None takes one out."""
    found = json.loads((folder / file).read_text())
    found = {name: value for name, value in (found | entries).items() if value is not None}
    (folder / file).write_text(json.dumps(found))
    return folder


def original_names(weights: Weights) -> Weights:
    """Under the names of LLaVA's own release."""
    changed = {}
    for name, weight in weights.items():
        new = name.removeprefix("language_model.")
        for ours, theirs in (
            ("multi_modal_projector.linear_1", "model.mm_projector.0"),
            ("multi_modal_projector.linear_2", "model.mm_projector.2"),
            ("vision_tower.", "model.vision_tower.vision_tower."),
        ):
            new = new.replace(ours, theirs)
        changed[new] = weight
    return changed
