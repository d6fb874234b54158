"""The library's model within whatever wraps it: PEFT, torch.compile, DataParallel, a module of one's own."""

from collections.abc import Iterator

from torch import nn
from transformers import PreTrainedModel

REPLACING = ("PREFIX_TUNING", "CARTRIDGE")  # kinds of PEFT that come with a cache of their own


def library_model(model: nn.Module) -> PreTrainedModel:
    """The model of the library's that a module is, or wraps: whose forward is called, whoever calls it.

    Raises:
        ValueError: if there is none, or more than one, or a wrapper would put a cache of its own in ours' place.
    """
    found = list(_outermost(model))
    if len(found) != 1:
        how_many = "no model" if not found else f"{len(found)} models"
        raise ValueError(
            f"A {type(model).__name__} holds {how_many} of the transformers library, and a compressed cache is for "
            "one: give it that model."
        )
    return found[0]


def _outermost(module: nn.Module) -> Iterator[PreTrainedModel]:
    """The library's models in a module that are in no other of them."""
    if isinstance(module, PreTrainedModel):
        yield module
        return
    of_peft = getattr(module, "peft_config", None)
    kinds = [str(getattr(each, "peft_type", "")) for each in of_peft.values()] if isinstance(of_peft, dict) else []
    if any(kind.endswith(REPLACING) for kind in kinds):
        raise ValueError(
            "Prefix tuning puts a cache of its own in the place of the one it is given, which would stay empty: "
            "use LoRA, or the library's cache."
        )
    for child in module.children():
        yield from _outermost(child)
