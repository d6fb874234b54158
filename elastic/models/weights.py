"""A checkpoint's weights in memory: all of them, as the settings say, and on the device that they fit on.

The library fills what a file lacks with random numbers and says so in a warning. Such a model answers with random
words, so that here it is no model.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, cast

import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils import logging

from elastic.models.checkpoint import Unfit

CONVERT = (
    "The file is in the layout of another program, such as the original release: name the checkpoint that was "
    "converted for transformers (of LLaVA those of llava-hf)."
)
BOTH = "Settings and weights are of two models: fetch both from where they were published."


def without_weights(kind: Any, config: PretrainedConfig) -> PreTrainedModel:
    """The model of some settings, by one of the library's classes that find the right one: all but its numbers."""
    with torch.device("meta"):
        return cast(PreTrainedModel, kind.from_config(config))


def open_weights(kind: Any, name: str, device: str, options: dict[str, object]) -> PreTrainedModel:
    """The model of a checkpoint, by one of the library's classes that find the right one, on a device.

    `options` are those of the class. With a `device_map` among them the model stays where that puts it.

    Raises:
        Unfit: if some of its weights are missing, have another shape or belong to another model, or do not fit and
            nothing is installed that spreads them.
    """
    model = _opened(kind, name, options)
    if "device_map" in options:
        return model
    try:
        model.to(device)  # type: ignore[arg-type]  # the library's decorator takes the device for `self`
        return model
    except torch.cuda.OutOfMemoryError:
        if find_spec("accelerate") is None:
            raise Unfit(f"{name!r} does not fit on the GPU; spreading it needs: pip install accelerate") from None
        del model
        torch.cuda.empty_cache()
        return _opened(kind, name, options | {"device_map": "auto"})


def _opened(kind: Any, name: str, options: dict[str, object]) -> PreTrainedModel:
    """The model where the library puts it, with what it found seen through."""
    # Asked what it found, the library returns a pair, which its types leave out. Shapes that do not match would be an
    # error of several lines: found with the rest they are told in a sentence.
    with _in_silence():
        loaded = kind.from_pretrained(
            name, output_loading_info=True, ignore_mismatched_sizes=True, trust_remote_code=False, **options
        )
    model, found = cast(tuple[PreTrainedModel, dict[str, Any]], loaded)
    _check_names(name, model, found["missing_keys"], found.get("unexpected_keys", ()))
    _check_shapes(name, found.get("mismatched_keys", ()))
    return model


@contextmanager
def _in_silence() -> Iterator[None]:
    """Without the library's own warnings: the table of what it found, which is told in a sentence."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _check_names(name: str, model: PreTrainedModel, missing: Iterable[str], unexpected: Iterable[str]) -> None:
    """See that every weight was there, and that none was left over which the model computes with.

    A head that shares the table of words is not missing: the library ties it.
    """
    absent, more = sorted(missing), sorted(unexpected)
    if absent and len(more) >= len(absent) / 2:
        raise Unfit(
            f"{name!r} cannot be used: {len(absent)} of its weights are missing, {_some(absent)}, and {len(more)} have "
            f"names that the library does not know, {_some(more)}. {CONVERT}"
        )
    if absent:
        raise Unfit(
            f"{name!r} cannot be used: {len(absent)} of its weights are missing, {_some(absent)}. It was saved in "
            "part, or its config.json is of another model: fetch the whole checkpoint from where it was published."
        )
    if not more or getattr(model, "hf_quantizer", None) is not None:
        return  # what goes with weights in few bits is for their package to know
    layers = [one for one in more if re.search(r"(?:^|\.)(?:layers?|blocks?)\.\d+\.", one)]
    if layers or len(more) > len(model.state_dict()):
        raise Unfit(
            f"{name!r} cannot be used: {len(more)} weights of the file belong to no part of the model that its "
            f"config.json describes, {_some(layers or more)}. {BOTH}"
        )


def _check_shapes(name: str, mismatched: Iterable[tuple[str, Any, Any]]) -> None:
    """See that weights have the shapes that the settings say."""
    found = sorted(mismatched)
    if found:
        first, stored, wanted = found[0]
        raise Unfit(
            f"{name!r} cannot be used: {len(found)} of its weights have another shape than its config.json says, "
            f"{first} for one, which is {_shape(stored)} and should be {_shape(wanted)}. {BOTH}"
        )


def _some(names: list[str]) -> str:
    return names[0] + (" for one" if len(names) > 1 else "")


def _shape(size: Iterable[int]) -> str:
    return " x ".join(map(str, size)) or "a single number"
