"""What slots do to attention, against attention over the tokens they stand for."""

import copy

import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from elastic.cache import ElasticCache
from elastic.cache.attention import one_query_attention
from elastic.cache.rotary import turn
from elastic.cache.views import attention_on_tokens
from elastic.engine import compress, decode, extend, prefill
from elastic.policies import Choice, Eviction, Policy
from elastic.policies.combine import Combine
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.full import Full
from elastic.policies.h2o import H2O
from elastic.policies.pyramidkv import PyramidKV
from elastic.policies.think import ThinK
from elastic.statistics import Attention
from tests.driving import entered

QUESTION = "Describe the image in detail."


def owner_policy(owner, **how):
    """A policy that groups the slots of every layer as told."""

    class Told(Policy):
        def compress(self, layers, seen):
            return [Choice(owner) for _ in layers]

    for name, value in ({"merged": "keys and values"} | how).items():
        setattr(Told, name, value)
    return Told()


def small_model(kv_heads=2, layers=1):
    torch.manual_seed(4)
    shape = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": layers, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=40, num_key_value_heads=kv_heads, initializer_range=0.3, **shape)
    return LlamaForCausalLM(config).eval()


def filled(model, keys, values):
    """A cache that holds given keys and values (1, H, T, D) in its one layer."""
    cache = ElasticCache(Full(), model)
    entered(cache, keys, values, is_prompt=True)
    cache.observe(cache.forward)
    cache.tables.scores[Attention()] = torch.ones(1, 1, keys.shape[2])
    return cache


def attention(query, keys, values, bias=None):
    return one_query_attention(query, keys, values, 0.25, bias)[0]


@pytest.mark.parametrize("rows", [1, 2])
def test_with_the_count_bias_a_slot_of_equal_tokens_is_as_good_as_the_tokens(rows):
    """Ten copies of a token, merged, must receive ten times its attention: exact, by the definition of softmax."""
    torch.manual_seed(0)
    few_keys, few_values = torch.randn(2, 1, 2, 5, 16).unbind(0)
    copies = torch.tensor([0, 1, 1, 2, 2, 2, 2, 3, 4, 4])
    keys, values, query = few_keys[:, :, copies], few_values[:, :, copies], torch.randn(1, 4, 1, 16)
    owner = torch.tensor([[0, 1, 1, 3, 3, 3, 3, 7, 8, 8]]).expand(rows, -1)
    expected = attention(query, keys, values)
    cache = filled(small_model(), keys, values)
    cache.compress(owner_policy(owner, count_bias=True), 4)
    merged = attention(query, *cache.layers[0].stored(), cache.bias.table[0, :, :5])
    assert torch.allclose(merged, expected, atol=1e-6)
    without = attention(query, *cache.layers[0].stored())
    assert (without - expected).abs().max() > 0.01


def test_the_count_bias_holds_in_every_forward_of_a_conversation(tiny, picture):
    """Eliminating nothing, and merging only tokens that are equal, must change no answer, in any turn."""

    class Doubled(Policy):
        merged, count_bias = "keys and values", True

        def compress(self, layers, seen):
            owner = torch.arange(layers[0].slots)
            if seen == layers[0].slots:  # the first turn: the second half of the patches becomes copies of the first
                owner[130:200] = owner[60:130]
            return [Choice(owner[None]) for _ in layers]

    first, more = tiny.first_turn(picture, QUESTION), tiny.next_turn("And where is the dog?")
    start = prefill(tiny, first, {Attention()})
    with torch.inference_mode():
        for tensor in (tensor for layer in start.cache.layers for tensor in layer.stored()):
            tensor[:, :, 130:200] = tensor[:, :, 60:130]
    states = [compress(start, policy) for policy in (Full(), Doubled())]
    for turn_number in range(2):
        full, merged = (list(decode(state, 30)) for state in states)
        assert [step.token for step in full] == [step.token for step in merged]
        assert [step.logprob for step in full] == pytest.approx([step.logprob for step in merged], abs=1e-4)
        assert merged[-1].slots[0] == full[-1].slots[0] - 70
        if turn_number == 0:
            for number, state in enumerate(states):
                extend(state, more)
                states[number] = compress(state, state.policy)


def test_aligned_keys_are_averaged_as_if_all_stood_at_the_anchor():
    torch.manual_seed(1)
    model = small_model()
    plain, values = torch.randn(2, 1, 2, 6, 16).unbind(0)  # keys before RoPE
    inverse = model.model.rotary_emb.inv_freq
    keys = turn(plain, torch.arange(6).expand(2, -1), inverse)
    cache = filled(model, keys, values)
    cache.compress(owner_policy(torch.tensor([[0, 2, 2, 2, 4, 4]]), align=True), 4)
    expected = turn(plain[:, :, 1:4].mean(2, keepdim=True), torch.tensor([[2]]).expand(2, -1), inverse)
    assert torch.allclose(cache.layers[0].stored()[0][:, :, 1:2], expected, atol=1e-5)


def test_turning_is_what_the_model_does_with_positions():
    model = small_model()
    x = torch.randn(1, 2, 7, 16)
    cos, sin = model.model.rotary_emb(x, torch.arange(100, 107)[None])
    half = torch.cat([-x[..., 8:], x[..., :8]], -1)
    expected = x * cos[:, None] + half * sin[:, None]
    at_zero = turn(x, torch.arange(100, 107).expand(2, -1), model.model.rotary_emb.inv_freq)
    assert torch.allclose(at_zero, expected, atol=1e-4)


def test_re_rotated_keys_stand_side_by_side_whatever_was_evicted():
    """StreamingLLM: a query sees the held tokens at distances 0, 1, 2, ..., however far apart they once were."""
    torch.manual_seed(2)
    model = small_model()
    inverse = model.model.rotary_emb.inv_freq
    plain, values = torch.randn(2, 1, 2, 12, 16).unbind(0)

    class Streaming(Policy):
        positions = "re-rotated"

        def compress(self, layers, seen):
            owner = torch.arange(layers[0].slots)
            owner[2:7] = -1
            return [Choice(owner[None])]

        def evict(self, slots, seen, prompt):
            return Eviction(slots.position.argsort(-1)[..., 2])

    def at(tokens, positions):
        return turn(plain[:, :, tokens], torch.tensor(positions).expand(2, -1), inverse)

    cache = filled(model, at(range(10), list(range(10))), values[:, :, :10])
    cache.compress(Streaming(keep=0.1), 4)
    cache.evict()
    held = [0, 1, 8, 9]
    for token in (10, 11):
        position = cache.seen
        keys, _ = entered(cache, at([token], [position]), values[:, :, token : token + 1])
        assert int(cache.forward.positions) == position
        held.append(token)
        order = cache.tables.source[0, 0, : len(held)].argsort()
        query = torch.randn(1, 2, 1, 16)
        logits = turn(query, torch.tensor([[position]]).expand(2, -1), inverse) @ keys[:, :, order].mT
        ranks = list(range(len(held)))
        expected = turn(query, torch.tensor([[ranks[-1]]]).expand(2, -1), inverse) @ at(held, ranks).mT
        assert torch.allclose(logits, expected, atol=1e-4)
        cache.observe(cache.forward)
        cache.evict()
        del held[2]


def test_cache_length_positions_count_the_slots_that_are_left(tiny, picture):
    prompt = tiny.first_turn(picture, QUESTION)
    state = compress(prefill(tiny, prompt, {Attention()}), Combine(keep=0.5, positions="cache length"))
    held = state.cache.slots[0]
    assert int(state.cache.enter(torch.zeros(1, 1, dtype=torch.long)).positions) == held


@pytest.mark.parametrize("merged", ["keys", "values"])
def test_merging_one_of_them_leaves_the_other_alone(merged):
    torch.manual_seed(3)
    before = dict(zip(("keys", "values"), torch.randn(2, 1, 2, 6, 16).unbind(0), strict=True))
    cache = filled(small_model(), *before.values())
    cache.compress(owner_policy(torch.tensor([[0, 1, 1, 1, 4, 4]]), merged=merged), 4)
    after = dict(zip(("keys", "values"), cache.layers[0].stored(), strict=True))
    (other,) = {"keys", "values"} - {merged}
    assert torch.equal(after[other], before[other][:, :, [0, 1, 4]])
    assert torch.allclose(after[merged][:, :, 1], before[merged][:, :, 1:4].mean(2))


@pytest.mark.parametrize("rows", [1, 2])
def test_an_evicted_slot_can_be_merged_into_another_by_the_tokens_both_stand_for(rows):
    torch.manual_seed(5)
    keys, values = torch.randn(2, 1, 2, 6, 16).unbind(0)

    class Absorb(Policy):
        count_bias = True

        def compress(self, layers, seen):
            return [Choice(torch.arange(6).expand(rows, -1).clone())]

        def evict(self, slots, seen, prompt):
            return Eviction(torch.full((1, rows), 4), torch.full((1, rows), 2))

    cache = filled(small_model(), keys, values)
    cache.compress(Absorb(), 4)
    cache.tables.count[:, :, 2] = 3.0
    gone, joined = cache.evict()
    assert (gone == 4).all() and (joined == 2).all()
    assert (cache.tables.count[:, :, 2] == 4).all() and torch.allclose(
        cache.bias.table[:, :, 2].exp(), torch.tensor(4.0)
    )
    expected = (3 * values[:, :, 2] + values[:, :, 4]) / 4
    assert torch.allclose(cache.layers[0].stored()[1][:, :, 2], expected, atol=1e-6)
    assert (cache.tables.owners()[0, :, 4] == 2).all()


def test_the_count_bias_goes_with_its_slots_when_they_are_put_in_order():
    """A new token has taken the first slot; the next question finds the slots in the order of their tokens."""
    keys, values = torch.randn(2, 1, 2, 7, 16).unbind(0)

    class First(Policy):
        merge, count_bias = "keys and values", True

        def compress(self, layers, seen):
            return [Choice(torch.tensor([[0, 1, 1, 1, 4, 4]]))]

        def evict(self, slots, seen, prompt):
            return Eviction(torch.tensor([[0]]))

    cache = filled(small_model(), keys[:, :, :6], values[:, :, :6])
    cache.compress(First(keep=0.1), 4)
    cache.evict()
    entered(cache, keys[:, :, 6:], values[:, :, 6:])
    cache.observe(cache.forward)
    cache.sort_slots()
    assert cache.tables.source[0, 0, :3].tolist() == [1, 4, 6]
    assert torch.allclose(cache.bias.table[0, 0, :3].exp(), torch.tensor([3.0, 2.0, 1.0]))


def test_heads_may_free_different_slots():
    torch.manual_seed(6)
    keys, values = torch.randn(2, 1, 2, 5, 16).unbind(0)

    class PerHead(Policy):
        def compress(self, layers, seen):
            return [Choice(torch.arange(5).expand(2, -1).clone())]

        def evict(self, slots, seen, prompt):
            return Eviction(torch.tensor([[1, 3]]))

    cache = filled(small_model(), keys, values)
    cache.compress(PerHead(), 4)
    assert cache.evict()[0].tolist() == [[1, 3]]
    new_key, new_value = torch.randn(2, 1, 2, 1, 16).unbind(0)
    held_keys, _ = entered(cache, new_key, new_value)
    cache.observe(cache.forward)
    assert torch.equal(held_keys[0, 0, 1], new_key[0, 0, 0]) and torch.equal(held_keys[0, 1, 3], new_key[0, 1, 0])
    assert torch.equal(held_keys[0, 0, 3], keys[0, 0, 3])
    assert cache.tables.source[0].tolist() == [[0, 5, 2, 3, 4], [0, 1, 2, 5, 4]]


def test_storage_grows_by_doubling_when_a_conversation_outgrows_it(tiny, picture):
    state = compress(prefill(tiny, tiny.first_turn(picture, QUESTION)), Full(), reserve=2)
    addresses = [state.cache.layers[0].keys.data_ptr() for _ in decode(state, 40)]
    assert len(set(addresses)) == 2


@pytest.mark.parametrize("name", ["tiny", "pocket"])
def test_the_decoder_computes_what_the_librarys_forward_computes(name, picture, request):
    """Per-head groups, count bias and eviction: the same logits on the fast way and through the model's forward."""
    llava = request.getfixturevalue(name)
    policy = Combine(keep=0.3, assign="similar key per head", rounds=1, count_bias=True)
    start = prefill(llava, llava.first_turn(picture, QUESTION), policy.needs)
    fast, slow = compress(start, policy), compress(start, policy)
    with torch.inference_mode():
        for token in (5, 9, 30, 31, 32):
            ids = torch.tensor([[token]])
            logits = llava.decoder.step(ids, fast.cache, fast.cache.enter(ids))
            fast.cache.observe(fast.cache.forward)
            expected = llava.model(input_ids=ids, past_key_values=slow.cache, use_cache=True).logits[:, -1]
            assert torch.allclose(logits, expected, atol=1e-3)
            fast.cache.evict()  # the hooks have evicted on the other side


def stepped(decoder, ids, state, static):
    """Logits of one token and what it looked at; evicts."""
    forward = state.cache.enter(ids)
    logits = decoder.step(ids, state.cache, forward, static)
    state.cache.observe(forward)
    state.cache.evict()
    return logits.clone(), attention_on_tokens(state.cache.tables, forward)


UNLIKE = [Full(), Elastic(keep=0.4), ElasticPlus(keep=0.2), H2O(keep=0.2), PyramidKV(keep=0.3), ThinK(keep=0.6)]


@pytest.mark.parametrize("policy", UNLIKE, ids=lambda policy: policy.title)
def test_the_static_step_computes_what_the_plain_step_computes(policy, tiny, picture):
    """What a GPU replays: fixed addresses, a fixed span, and -inf where no token is; 40 tokens across a new span."""
    start = prefill(tiny, tiny.first_turn(picture, QUESTION), policy.needs)
    plain, static = compress(start, policy, 8), compress(start, policy, 8)
    with torch.inference_mode():
        for token in range(20, 60):
            ids = torch.tensor([[token]])
            logits, looked = zip(*(stepped(tiny.decoder, ids, of, of is static) for of in (plain, static)), strict=True)
            assert torch.allclose(*logits, atol=1e-3) and torch.allclose(*looked, atol=1e-4)
    assert plain.cache.slots == static.cache.slots and static.cache.tables.source.equal(plain.cache.tables.source)
    extend(plain, tiny.next_turn("Where?")), extend(static, tiny.next_turn("Where?"))
    assert torch.allclose(plain.logits, static.logits, atol=1e-3)


def test_room_that_nothing_was_written_to_does_not_reach_the_answer(tiny, picture):
    """Memory that was used before may hold anything, also what is no number."""
    rubbish = [torch.full((200_000,), torch.nan) for _ in range(40)]
    start = prefill(tiny, tiny.first_turn(picture, QUESTION), {Attention()})
    del rubbish
    state = compress(start, Elastic(keep=0.4), 200)
    for layer in state.cache.layers:
        for stored in (layer.keys, layer.values):
            assert (stored[:, :, layer.used :] == 0).all()


def test_the_static_step_is_built_once_as_long_as_nothing_moves(tiny, picture):
    start = prefill(tiny, tiny.first_turn(picture, QUESTION), {Attention()})
    state = compress(start, Elastic(keep=0.4), 40)
    built = set()
    with torch.inference_mode():
        for token in range(20, 50):
            stepped(tiny.decoder, torch.tensor([[token]]), state, True)
            built.add(tiny.decoder.static[state.cache])
    assert len(built) == 1


def test_the_decoder_leaves_the_models_weights_as_they_were(tiny, picture):
    """Joined matrices: the library's own layers become views of them, with the same numbers and no copy."""
    state = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    assert tiny.decoder is not None
    for name, tensor in tiny.model.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    attention_layer = tiny.model.get_decoder().layers[0].self_attn
    start = attention_layer.q_proj.weight.untyped_storage().data_ptr()
    assert attention_layer.k_proj.weight.untyped_storage().data_ptr() == start


def test_unequal_numbers_of_slots_in_a_layers_heads_are_refused():
    keys, values = torch.randn(2, 1, 2, 4, 16).unbind(0)
    cache = filled(small_model(), keys, values)
    with pytest.raises(ValueError, match=r"keeps \[4, 3\] slots"):
        cache.compress(owner_policy(torch.tensor([[0, 1, 2, 3], [0, 1, 2, 2]])), 4)


def test_a_twin_does_not_touch_its_original(tiny, picture):
    start = prefill(tiny, tiny.first_turn(picture, QUESTION), {Attention()})
    before = [copy.deepcopy(layer.stored()) for layer in start.cache.layers]
    source = start.cache.tables.source.clone()
    for _ in decode(compress(start, Elastic(keep=0.3)), 20):
        pass
    for _ in decode(compress(start, Full()), 20):
        pass
    for layer, (keys, values) in zip(start.cache.layers, before, strict=True):
        assert torch.equal(layer.stored()[0], keys) and torch.equal(layer.stored()[1], values)
    assert torch.equal(start.cache.tables.source, source)


def test_similar_keys_are_found_by_their_direction():
    """Each dropped token joins the anchor whose key has the largest cosine with its own."""
    torch.manual_seed(7)
    keys, values = torch.randn(2, 1, 2, 30, 16).unbind(0)
    cache = filled(small_model(), keys, values)
    score = torch.rand(30)
    cache.tables.scores[Attention()] = score.view(1, 1, 30)
    policy = Combine(keep=0.3, protect_text=False, assign="similar key per head", merge="keys and values")
    cache.compress(policy, 4)
    anchors = [0, 29, *(score[1:29].topk(7).indices + 1).tolist()]
    for head, owner in enumerate(cache.tables.owners()[0].tolist()):
        for token in range(1, 29):
            of = {a: F.cosine_similarity(keys[0, head, token], keys[0, head, a], 0).item() for a in anchors[2:]}
            assert owner[token] == (token if token in anchors else max(of, key=of.get))
