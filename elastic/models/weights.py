"""A checkpoint's weights in memory: all of them, and on the device that they fit on."""

from importlib.util import find_spec
from typing import Any, cast

import torch
from transformers import PreTrainedModel


def open_weights(kind: Any, name: str, device: str, options: dict[str, object]) -> PreTrainedModel:
    """The model of a checkpoint, by one of the library's classes that find the right one, on a device.

    `options` are those of the class. With a `device_map` among them the model stays where that puts it.

    Raises:
        ValueError: if some of its weights are missing, or do not fit and nothing is installed that spreads them.
    """
    # Asked what it found, the library returns a pair, which its types leave out.
    loaded = kind.from_pretrained(name, output_loading_info=True, **options)
    model, found = cast(tuple[PreTrainedModel, dict[str, set[str]]], loaded)
    if missing := sorted(found["missing_keys"]):
        raise ValueError(f"{len(missing)} of its weights are missing, {missing[0]} for one")
    if "device_map" in options:
        return model
    try:
        model.to(device)  # type: ignore[arg-type]  # the library's decorator takes the device for `self`
        return model
    except torch.cuda.OutOfMemoryError:
        if find_spec("accelerate") is None:
            raise ValueError("it does not fit on the GPU; spreading it needs: pip install accelerate") from None
        del model, loaded
        torch.cuda.empty_cache()
        return cast(PreTrainedModel, kind.from_pretrained(name, device_map="auto", **options))
