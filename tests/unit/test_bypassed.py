"""A model that somebody watches, steers or changes after it was loaded: the fast step follows, or is not taken."""

import pytest
import torch
from torch import nn
from transformers.models.llama.modeling_llama import LlamaMLP

from elastic.engine import prefill, step
from elastic.models.decoder import Decoder
from elastic.models.reading import Reading
from elastic.models.text import TextModel
from tests.small_text import text_model, tokens


def hooked(module):
    module.register_forward_hook(lambda module, given, output: output * 1.5)


def listened_to(module):
    module.register_forward_pre_hook(lambda module, given: (given[0] * 0.5, *given[1:]))


def turned_about(model):
    inner, right = model.model.layers[1], model.model.layers[1].forward
    inner.forward = lambda *args, **kwargs: -right(*args, **kwargs)


def other_weights(model):
    model.model.layers[1].self_attn.k_proj.weight.data = -model.model.layers[1].self_attn.k_proj.weight.data


def other_module(model):
    model.model.layers[0].self_attn.o_proj = nn.Linear(64, 64)


def other_head(model):
    torch.manual_seed(4)
    model.lm_head = nn.Linear(64, 97, bias=False)


def sharper(model):
    model.model.layers[2].self_attn.scaling *= 3


def swapped(model):
    layers = model.model.layers
    layers[0], layers[2] = layers[2], layers[0]


CHANGES = {
    "a hook on a layer": lambda model: hooked(model.model.layers[1]),
    "a hook on a projection": lambda model: hooked(model.model.layers[1].self_attn.q_proj),
    "a hook on a norm": lambda model: hooked(model.model.layers[1].input_layernorm),
    "a hook before a network": lambda model: listened_to(model.model.layers[1].mlp),
    "a hook on the head": lambda model: hooked(model.lm_head),
    "another forward": turned_about,
    "other weights": other_weights,
    "another module": other_module,
    "another head": other_head,
    "a sharper attention": sharper,
    "layers in another order": swapped,
}


@pytest.fixture
def reader():
    found = TextModel(text_model(), None, "small")
    assert found.decoder is not None
    return found


def logits_of(reader, change_at=None, change=None):
    """Logits of the engine behind a prompt and each of five tokens after it; a change may come before any of them."""
    if change_at == 0:
        change(reader.model)
    state = prefill(reader, Reading(tokens(12)))
    found = [state.logits]
    for number, token in enumerate(tokens(5, seed=2)[0], 1):
        if change_at == number:
            change(reader.model)
        step(state, token[None, None])
        found.append(state.logits)
    return torch.cat(found)


def librarys(change_at=None, change=None):
    """The same by the library's forward, with its own cache."""
    model, cache, found = text_model(), None, []
    for number, ids in enumerate([tokens(12), *tokens(5, seed=2).split(1, 1)]):
        if change_at == number:
            change(model)
        with torch.no_grad():
            output = model(ids, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        found.append(output.logits[:, -1])
    return torch.cat(found)


# Of layers in another order what was read before means nothing.
@pytest.mark.parametrize(
    ("change", "at"),
    [(change, at) for change in CHANGES for at in (0, 3) if (change, at) != ("layers in another order", 3)],
)
def test_what_is_changed_in_a_model_is_followed_from_there_on(change, at, reader):
    found = logits_of(reader, at, CHANGES[change])
    expected = librarys(at, CHANGES[change])
    assert (expected - librarys()).abs().max() > 0.1, "the change matters"
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_a_hook_that_is_taken_off_makes_the_step_fast_again(reader):
    handle = reader.model.model.layers[0].register_forward_hook(lambda module, given, output: None)
    logits_of(reader)
    assert reader.decoder is None
    handle.remove()
    logits_of(reader)
    assert reader.decoder is not None and reader.decoder.is_current


def test_code_that_somebody_put_into_a_class_of_the_librarys_is_not_passed_by(monkeypatch):
    assert Decoder.fits(text_model())
    right = LlamaMLP.forward
    monkeypatch.setattr(LlamaMLP, "forward", lambda self, x: right(self, x) * 2)
    assert not Decoder.fits(text_model())
