"""Which model a cache is for: another one's queries mean nothing to its keys, whatever their shapes are."""

from hashlib import sha256
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

MOVING_FREQUENCIES = ("dynamic", "longrope")  # kinds of RoPE whose frequencies depend on the length
SAMPLE = 16  # numbers of each of a model's tensors that are looked at


class MadeFor:
    """The text decoder that a cache was made for, known by itself and, in another process, by its weights.

    Args:
        text: the decoder.
    """

    def __init__(self, text: nn.Module) -> None:
        self._text, self._fingerprint = ref(text), ""

    def is_same(self, text: nn.Module) -> bool:
        """Whether a decoder is the one, or has the same weights and positions."""
        if self._text is not None and self._text() is text:
            return True
        if self._known() != fingerprint(text):
            return False
        self._text = ref(text)
        return True

    def _known(self) -> str:
        text = None if self._text is None else self._text()
        return self._fingerprint if text is None else fingerprint(text)

    def __deepcopy__(self, memo: object) -> "MadeFor":
        return self

    def __getstate__(self) -> dict[str, Any]:
        if not self._known():
            raise ValueError("The model of this cache is gone, so nothing tells which one it is for: save it before.")
        return {"_text": None, "_fingerprint": self._known()}


def fingerprint(text: nn.Module) -> str:
    """A digest of a decoder's settings of positions and of some numbers of each of its weights."""
    rotary: Any = getattr(text, "rotary_emb", None)
    config = getattr(text, "config", None)
    digest = sha256(str(getattr(config, "sliding_window", None)).encode())
    is_steady = rotary is not None and getattr(rotary, "rope_type", "default") not in MOVING_FREQUENCIES
    steady = [rotary.inv_freq] if is_steady else []
    for tensor in (*steady, *text.parameters()):
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(_some_of(tensor))
    return digest.hexdigest()


def _some_of(tensor: Tensor) -> bytes:
    """Some numbers of a tensor, evenly spread; none where they lie somewhere else."""
    if tensor.device.type == "meta":
        return b""
    numbers = tensor.detach().reshape(-1)
    return bytes(numbers[:: max(1, len(numbers) // SAMPLE)].cpu().contiguous().view(torch.uint8).numpy())
