"""What a step of our own passes by: the library's modules, whose weights it calls without calling them.

Whoever watches or steers a model puts hooks on its modules, replaces one, or gives it other weights. A step that passes
them by would know nothing of it, so it is taken only while they are as they were found.
"""

from inspect import unwrap
from typing import Any

from torch import nn


class Bypassed:
    """The layers of a model's text decoder and what stands around them, as they were when this was made.

    Args:
        model: a model of the library's, with a head of words.
    """

    def __init__(self, model: Any) -> None:
        self.model, self.text = model, model.get_decoder()
        inside = [module for layer in self.text.layers for module in layer.modules()]
        # A graph on a GPU has these recorded, too.
        around = [model.model, self.text, *self._ends()]
        # The dictionaries themselves: they change with their modules, and are looked through at every token.
        self.hooks = [hooks for one in around + inside for hooks in (one._forward_pre_hooks, one._forward_hooks)]
        self.attributes = [vars(module) for module in around + inside]
        self.children = [module._modules for module in inside]
        self.weights = [module._parameters for module in [*self._ends(), *inside]]
        self.found = self._state()

    def are_called_plainly(self) -> bool:
        """Whether calling them would do no more than their classes say."""
        # accelerate puts a forward of its own everywhere, which on one device does nothing.
        return not any(self.hooks) and not any("forward" in one and "_hf_hook" not in one for one in self.attributes)

    def are_unchanged(self) -> bool:
        """Whether they are the same, with the same weights at the same place, and nobody listens to them."""
        return self.are_called_plainly() and self._state() == self.found

    def _ends(self) -> list[nn.Module]:
        return [self.text.embed_tokens, self.text.rotary_emb, self.text.norm, self.model.lm_head]

    def _state(self) -> tuple[list[Any], ...]:
        layers = [*self._ends(), *self.text.layers]
        children = [child for one in self.children for child in one.values()]
        weights = [weight.data_ptr() for one in self.weights for weight in one.values() if weight is not None]
        return layers, children, weights


def is_as_published(kind: type[nn.Module]) -> bool:
    """Whether a class computes by the code of its own file: none that somebody has put in its place."""
    return bool(unwrap(kind.forward).__module__ == kind.__module__)
