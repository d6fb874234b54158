"""What the kernels of LESS learn from: that it is what a cache of this program would forget, and would make of it."""

import random

import pytest
import torch

from elastic.cache.beside import attend_beside
from elastic.cache.kernels import NAMES, kernels_of
from elastic.cache.remembering import RememberingLayer
from elastic.cache.slots import SlotLayer
from elastic.engine import compress, prefill, step
from elastic.policies.h2o import H2O
from tests.unit.plain_model import held_tokens
from training.forgotten import record, talk
from training.less import as_kept, attended, train_layer

KEEP, MEMORY = 0.2, 5


@pytest.fixture(scope="module")
def recorded(tiny):
    return record(tiny, 3, KEEP, MEMORY)


def test_what_is_forgotten_is_what_h2o_would_have_dropped_by_then(tiny, recorded):
    """In the first layer, whose keys are the same whatever a cache holds."""
    prompt, begin = talk(tiny, "train less 3", random.Random("train less 3"))
    start, rest = prompt.split(begin)
    policy = H2O(keep=(int(KEEP * begin) - MEMORY + 0.5) / begin)
    state = compress(prefill(tiny, start, policy.needs), policy)
    written = rest.ids[0].tolist()
    assert len(recorded) == 3 and recorded[0].dropped.shape == (2, len(written), begin + len(written))
    held = held_tokens(state.cache)[0]
    for number in range(40):
        for head, tokens in enumerate(held):
            left = ~recorded[0].dropped[head, number, : begin + number + 1]
            assert left.nonzero()[:, 0].tolist() == sorted([*tokens, begin + number])
        step(state, torch.tensor([written[number : number + 1]]))
        held = held_tokens(state.cache)[0]


def test_what_is_learnt_to_be_right_is_what_a_cache_makes_of_slots_and_memory(tiny, recorded):
    text = tiny.model.get_decoder()
    for layer, one in enumerate(recorded):
        kernels, project = kernels_of(text).layers[layer], text.layers[layer].self_attn.o_proj
        found = attended(kernels, one, project)
        for number in (0, 17, len(found) - 1):
            tokens = one.key.shape[1] - len(found) + number + 1
            dropped = one.dropped[:, number, :tokens]
            key, value = one.key[None, :, :tokens], one.value[None, :, :tokens]
            slots = SlotLayer()
            count = int((~dropped[0]).sum())
            slots.write(*(x[0][~dropped].view(1, 2, count, -1) for x in (key, value)), None)
            remembering = RememberingLayer(slots, kernels)
            remembering._take_in(key, value, dropped[None])
            query = one.query[None, :, number : number + 1]
            made = attend_beside(query, *remembering.stored(), 16**-0.5, None, remembering.extra(query))
            expected = project(made.output.flatten(2))[0, 0]
            torch.testing.assert_close(found[number], expected, atol=1e-4, rtol=1e-4)


def test_a_layer_learns_and_keeps_what_does_best_on_what_it_has_not_seen(tiny, recorded, monkeypatch):
    project = tiny.model.get_decoder().layers[0].self_attn.o_proj
    layer = [record(tiny, number, KEEP, MEMORY)[0] for number in range(4)] + [recorded[0]]
    for rate in (1e-3, 1e4):  # the other one makes it worse and worse
        monkeypatch.setattr("training.less.RATE", rate)
        torch.manual_seed(0)
        kernels, fit = train_layer(layer, project, 8, 8, 6, 3)
        assert set(kernels) == set(NAMES) and all(tensor.dtype == torch.float16 for tensor in kernels.values())
        assert fit.more < fit.sparse and (fit.after < fit.before if rate < 1 else fit.after == fit.before)
        error = (attended(as_kept(kernels), layer[-1], project) - layer[-1].target).square().mean().detach()
        assert float(error) == pytest.approx(fit.after, rel=1e-4), "of the weights as they are kept"
