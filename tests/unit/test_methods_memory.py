"""LESS, against its rule written out in loops: slots as H2O has them, and beside them a memory of what was dropped."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch

from elastic.cache import ElasticCache
from elastic.cache.beside import attend_beside
from elastic.cache.kernels import NAMES, Kernels, kernels_of
from elastic.cache.remembering import RememberingLayer
from elastic.cache.slots import SlotLayer
from elastic.engine import compress, decode, extend, prefill
from elastic.model import load
from elastic.models.checkpoint import digest
from elastic.models.graph import StaticStep
from elastic.policies import POLICIES, Method
from elastic.policies.h2o import H2O
from elastic.policies.kivi import KIVI
from elastic.policies.less import LESS
from elastic.policies.parts import ByScore, Coded, NearestPosition, Oldest, Remembered, SimilarKey
from tests.drawn_kernels import drawn, write
from tests.unit.plain_model import PlainModel, grouped, held_tokens

ANSWER = [20 + 7 * number % 150 for number in range(14)]
MEMORY = 5  # slots that it takes of the tiny model's: 8 x 17 numbers, of 32 in a slot


def gelu(numbers):
    return np.array([x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in numbers])


class ByRule:
    """Features of single queries and keys, and what a query finds in a memory of some tokens."""

    def __init__(self, kernels):
        self.layers = [{name: getattr(layer, name).double().numpy() for name in NAMES} for layer in kernels.layers]

    def phi(self, layer, head, query):
        of = self.layers[layer]
        return np.abs(gelu(gelu(query @ of["query_in"][head]) @ of["query_out"][head]))

    def psi(self, layer, head, key):
        of = self.layers[layer]
        w = np.abs(of["key_scale"][head]) * gelu(gelu(key @ of["key_in"][head]) @ of["key_out"][head])
        return np.abs(w + (w @ of["key_mix"][head]) * of["key_second"][head])

    def found(self, layer, head, kv, query, tokens):
        """Logit and value, the memory being of pairs of a key and a value."""
        if not tokens:
            return -math.inf, np.zeros(len(query))
        phi, mass, value = self.phi(layer, head, query), 0.0, 0.0
        for key, own in tokens:
            product = float(phi @ self.psi(layer, kv, key))
            mass, value = mass + product, value + product * own
        return math.log(mass), value / mass


@pytest.fixture(scope="module")
def rule(tiny):
    return ByRule(kernels_of(tiny.model.get_decoder()))


def remembering(plain, rule, held):
    """What a plain model's step finds beside `held[layer][kv head]`: all other tokens before it, in a memory."""

    def memory(layer, head, kv, query):
        gone = [token for token in range(plain.seen - 1) if token not in held[layer][kv]]
        keys = plain.turned(plain.keys[layer][kv, gone], gone).numpy()
        values = plain.values[layer][kv, gone].numpy()
        return rule.found(layer, head, kv, query.numpy(), list(zip(keys, values, strict=True)))

    return memory


def test_attention_is_over_slots_and_all_that_was_dropped_at_every_step_of_two_turns(start, asked, eager, tiny, rule):
    """What H2O would drop too, of which nothing is lost altogether."""
    plain, policy = PlainModel(eager, asked), LESS(keep=0.3)
    state = compress(start, policy)
    ours, expected, shares = [], [], []

    def read(token, held):
        rows = plain.step(token, held, memory=remembering(plain, rule, held))
        assert state.looked.numpy() == pytest.approx(rows.mean(1), abs=1e-4)
        forgotten = 1 - grouped(rows[:, :, None], 2).sum(-1)[..., 0]
        assert state.forgotten.numpy() == pytest.approx(forgotten, abs=1e-4)
        shares.append(forgotten)

    def answer(tokens):
        held = held_tokens(state.cache)
        for step in decode(state, len(tokens), forced=tokens):
            ours.append(step.logprob)
            expected.append(plain.logprob(step.token))
            read(step.token, held)
            held = held_tokens(state.cache)

    answer(ANSWER)
    question = tiny.next_turn("Where is the dog?")
    held = held_tokens(state.cache)
    extend(state, question)  # many queries at once, nothing being dropped meanwhile
    for token in question.ids[0].tolist():
        plain.step(token, held, memory=remembering(plain, rule, held))
        held = [[[*tokens, plain.seen - 1] for tokens in layer] for layer in held]
    assert torch.allclose(state.logits[0], plain.logits, atol=1e-3)
    state = compress(state, policy)
    answer(ANSWER[:6])
    assert ours == pytest.approx(expected, abs=1e-3)
    assert 0.05 < np.mean(shares) < 0.95, "it matters what the memory says"


def test_slots_are_those_of_h2o_with_as_many_fewer_as_the_memory_takes(start):
    state = compress(start, LESS(keep=0.3))
    limit = int(0.3 * start.seen)
    slots = H2O(keep=(limit - MEMORY + 0.5) / start.seen)
    other = compress(start, slots)
    assert state.cache.slots == other.cache.slots == [limit - MEMORY] * 3
    assert torch.equal(state.cache.tables.owners(), other.cache.tables.owners())
    layer = state.cache.layers[0]
    memory = 2 * 8 * 17 * 4  # two heads, 8 features, their sum and one for each of 16 channels, 4 bytes
    assert layer.mass.nbytes + layer.sums.nbytes == memory
    assert state.cache.bytes_held == [(limit - MEMORY) * layer.slot_bytes + memory] * 3
    assert limit * layer.slot_bytes - layer.slot_bytes < state.cache.bytes_held[0] <= limit * layer.slot_bytes
    assert state.cache.report().beyond == "" and state.cache.bytes_allocated > sum(state.cache.bytes_held)
    # While answering the weakest among slots goes, as if there were no memory.
    sizes = {tuple(step.slots) for step in decode(state, 6, forced=ANSWER[:6])}
    assert sizes == {(limit - MEMORY,) * 3}


@pytest.mark.parametrize(("keep", "remembers"), [(1.0, False), (0.05, True), (0.03, False)])
def test_where_all_is_kept_or_a_memory_would_be_most_of_it_there_is_none(keep, remembers, start):
    state = compress(start, LESS(keep=keep))
    assert [isinstance(layer, RememberingLayer) for layer in state.cache.layers] == [remembers] * 3
    assert ("LESS has no memory here" in str(state.cache.report())) == (keep == 0.03)
    other = compress(start, H2O(keep=keep))
    same = torch.equal(state.cache.tables.owners(), other.cache.tables.owners())
    assert same != remembers
    steps = [step.forgotten for step in decode(state, 3, forced=ANSWER[:3])]
    assert steps[0] is None, "the query of the first token found everything"
    assert [shares is not None for shares in steps[1:]] == [remembers] * 2


def test_an_empty_memory_gets_nothing(start, tiny):
    layer = SlotLayer()
    layer.write(torch.randn(2, 2, 7, 16), torch.randn(2, 2, 7, 16), None)
    empty = RememberingLayer(layer, kernels_of(tiny.model.get_decoder()).layers[0])
    logits, values = empty.extra(torch.randn(2, 4, 3, 16))
    assert (logits == -torch.inf).all() and not values.any()
    query = torch.randn(2, 4, 3, 16)
    found = attend_beside(query, *empty.stored(), 0.25, None, empty.extra(query))
    assert not found.share.any() and found.output.isfinite().all()


@pytest.mark.parametrize("bias", [False, True])
def test_many_queries_are_attended_as_each_alone(bias, monkeypatch):
    """In pieces or at once; and as one softmax over slots and what is beside them."""
    torch.manual_seed(4)
    query, key, value = torch.randn(2, 4, 11, 8), torch.randn(2, 2, 20, 8), torch.randn(2, 2, 20, 8)
    extra = torch.randn(2, 4, 11, 1), torch.randn(2, 4, 11, 8)
    table = torch.randn(4, 20) if bias else None
    whole = attend_beside(query, key, value, 0.3, table, extra)
    monkeypatch.setattr("elastic.cache.beside.TOGETHER", 4)
    for one, other in zip(whole, attend_beside(query, key, value, 0.3, table, extra), strict=True):
        torch.testing.assert_close(one, other)
    for batch, head, number in [(0, 0, 0), (1, 3, 4), (1, 2, 10)]:
        seen, kv = 20 - 11 + number + 1, head // 2
        logits = 0.3 * key[batch, kv, :seen] @ query[batch, head, number]
        logits = logits + (table[2 * batch + kv, :seen] if bias else 0)
        weights = torch.cat([logits, extra[0][batch, head, number]]).softmax(0)
        expected = weights[:-1] @ value[batch, kv, :seen] + weights[-1] * extra[1][batch, head, number]
        torch.testing.assert_close(whole.output[batch, number, head], expected)
        torch.testing.assert_close(whole.share[batch, head, number], weights[-1])
        torch.testing.assert_close(whole.lse[batch, head, number], logits.logsumexp(0))
    torch.testing.assert_close(whole.weights.sum(-1), torch.ones(2, 4))


def test_a_copy_of_a_cache_goes_on_with_a_memory_of_its_own(start):
    state = compress(start, LESS(keep=0.3))
    list(decode(state, 4, forced=ANSWER[:4]))
    copied, forked = deepcopy(state.cache), state.cache.fork()
    before = state.cache.layers[1].mass.clone()
    list(decode(state, 4, forced=ANSWER[4:8]))
    assert not torch.equal(state.cache.layers[1].mass, before)
    assert torch.equal(copied.layers[1].mass, before) and torch.equal(forked.layers[1].mass, before)
    assert copied.layers[1].kernels is state.cache.layers[1].kernels, "which are the model's"


def test_a_captured_step_is_not_taken_and_gives_the_same(start, tiny):
    states = [compress(start, LESS(keep=0.3)) for _ in range(2)]
    assert not StaticStep.fits(states[0].cache)
    for token in ANSWER[:5]:
        found = []
        for state, static in zip(states, (False, True), strict=True):
            ids = torch.tensor([[token]])
            forward = state.cache.enter(ids)
            found.append(tiny.decoder.step(ids, state.cache, forward, static=static))
            state.cache.observe(forward)
            state.cache.evict()
        assert torch.equal(*found)


def test_the_librarys_generate_writes_what_the_engine_writes_with_a_memory(tiny, asked):
    policy = LESS(keep=0.3)
    state = compress(prefill(tiny, asked, policy.needs), policy)
    expected = [step.token for step in decode(state, 10)]
    cache = ElasticCache(policy, tiny.model)
    written = tiny.model.generate(asked.ids, **asked.inputs, past_key_values=cache, max_new_tokens=10, do_sample=False)
    assert written[0, asked.ids.shape[1] :].tolist() == expected
    assert isinstance(cache.layers[0], RememberingLayer)


def test_a_method_that_remembers_nothing_does_not_go_on_with_a_memory(start):
    state = compress(start, LESS(keep=0.3))
    for policy in (POLICIES["full"](), H2O(keep=0.2), KIVI(keep=0.2)):
        with pytest.raises(ValueError, match=f"memory of what was dropped, which {policy.title} cannot go on with"):
            compress(state, policy)
    other = compress(compress(start, H2O(keep=0.5)), LESS(keep=0.3))
    assert isinstance(other.cache.layers[0], RememberingLayer)


def test_parts_that_cannot_remember_are_refused():
    for parts in ({"merge": NearestPosition()}, {"heads": ByScore()}, {"numbers": Coded()}):
        with pytest.raises(ValueError, match="Remembered takes in what is dropped, of all heads alike"):
            Method(keep=0.3, forgotten=Remembered(), **parts)
    with pytest.raises(ValueError, match="Remembered takes in what is dropped"):
        Method(keep=0.3, forgotten=Remembered(), decoding=Oldest(merge=True), merge=SimilarKey())
    with pytest.raises(ValueError, match="forgotten must be of the kind Forgotten"):
        Method(forgotten=8)
    with pytest.raises(ValueError, match="rank of Remembered must be a whole number between 1 and 64"):
        Method(forgotten=Remembered(rank=0))


@pytest.mark.parametrize("growth", ["proportional", "constant", "every new token"])
def test_any_choice_that_drops_can_remember_within_its_budget(growth, start):
    policy = Method(keep=0.3, forgotten=Remembered(), decoding=Oldest(), growth=growth)
    state = compress(start, policy)
    for step in decode(state, 12, forced=ANSWER[:12]):
        limit = policy.limit(state.seen, state.cache.prompt)
        assert all(held <= limit * state.cache.layers[0].slot_bytes for held in step.bytes_held)
    assert step.forgotten.shape == (3, 1), "heads that choose together count as their mean"


# ---- kernels


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy of the checkpoint, which has no kernels."""
    import shutil

    return shutil.copytree(tiny_folder, tmp_path / "copy")


def test_a_checkpoints_kernels_are_read_with_it_and_are_none_of_its_weights(folder, tiny):
    before = digest(folder)
    tensors = drawn(tiny.model.get_decoder(), seed=3)
    write(folder, {name: tensor.half() for name, tensor in tensors.items()})
    loaded = load(folder, device="cpu")
    found = kernels_of(loaded.model.get_decoder())
    torch.testing.assert_close(found.layers[2].key_mix, tensors["key_mix"][2].half().float())
    assert digest(folder) == before, "answers of an evaluation go on"
    assert {name for name, _ in loaded.model.named_parameters()} == {name for name, _ in tiny.model.named_parameters()}
    assert kernels_of(deepcopy(loaded.model).get_decoder()) is found


def test_without_kernels_the_method_is_refused_before_anything_is_read(folder, picture):
    from elastic.session import Comparison

    plain = load(folder, device="cpu")
    says = "LESS remembers what it drops by kernels that are trained for a model, and there are none for this one"
    with pytest.raises(ValueError, match=f"{says}: take another method, or train some with python -m training.less"):
        ElasticCache(LESS(), plain.model)
    state = prefill(plain, plain.first_turn(picture, "What?"), LESS().needs)
    with pytest.raises(ValueError, match=says):
        compress(state, LESS())
    comparison = Comparison(plain, picture, [POLICIES["full"](), LESS()])
    with pytest.raises(ValueError, match=says):
        next(comparison.ask("What?", 2))
    assert not comparison.states and compress(state, H2O()).cache.seen


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("key_mix"), "key_mix is missing"),
        (lambda t: t.update(more=torch.ones(1)), "more is no part of kernels"),
        (lambda t: t.update(query_in=t["query_in"][:, :2].clone()), "query_in is 3 x 2 x 16 x 12, and should be 3 x 4"),
        (lambda t: t.update(key_out=t["key_out"][..., :4].clone()), "key_out is 3 x 2 x 12 x 4, and should be .* x 8"),
        (lambda t: t["key_scale"].fill_(math.nan), "key_scale holds what is no number"),
        (lambda t: t.update(key_scale=t["key_scale"].long()), "key_scale holds what is no number"),
    ],
)
def test_kernels_of_another_model_are_refused_when_it_is_loaded(change, says, folder, tiny):
    tensors = drawn(tiny.model.get_decoder())
    change(tensors)
    path = write(folder, tensors)
    with pytest.raises(ValueError, match=rf"{path.name} holds no kernels for this model \({says}.*take the file away"):
        load(folder, device="cpu")


def test_kernels_of_other_weights_or_a_damaged_file_are_refused(folder, tiny):
    path = write(folder, drawn(tiny.model.get_decoder()), weights="others")
    with pytest.raises(ValueError, match="they were trained for other weights"):
        load(folder, device="cpu")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"less\.safetensors is damaged or cannot be read"):
        load(folder, device="cpu")


def test_kernels_with_another_number_of_features_are_refused(tiny):
    text = tiny.model.get_decoder()
    fewer = {name: tensor.clone() for name, tensor in drawn(text).items()}
    for name in ("query_out", "key_out", "key_scale", "key_second"):
        fewer[name] = fewer[name][..., :4].clone()
    fewer["key_mix"] = fewer["key_mix"][..., :4, :4].clone()
    from elastic.cache.kernels import check_kernels

    with pytest.raises(ValueError, match="remembers by 8 features, and this model's kernels have 4"):
        check_kernels(LESS(), Kernels.of(fewer, text))
