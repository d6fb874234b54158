"""Methods that write numbers in fewer bits, against their rules written out in loops."""

import math
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from elastic.cache.coded import CodedLayer
from elastic.cache.codes import Codes, Floats, decode, encode
from elastic.cache.slots import SlotLayer
from elastic.engine import compress, extend, prefill
from elastic.engine import decode as answer
from elastic.policies import POLICIES, Method
from elastic.policies.base import WORD, Growth, LayerView
from elastic.policies.bits import Bits
from elastic.policies.fp8 import FP8
from elastic.policies.kivi import KIVI
from elastic.policies.kvzip import KVzip
from elastic.policies.method import RecipeInBits
from elastic.policies.parts import (
    BestPages,
    ByScore,
    Coded,
    Everything,
    NearestPosition,
    Oldest,
    Pyramid,
    Remembered,
    Top,
    Unscored,
    Voted,
)
from elastic.policies.snapkv import SnapKV

ANSWER = [20 + 7 * number % 150 for number in range(40)]


@pytest.fixture(scope="module")
def start(tiny, asked):
    return prefill(tiny, asked, KIVI().needs)


def rounded(group, bits):
    """What the codes of a list of numbers stand for, by the rule."""
    zero, most = min(group), max(group)
    step = np.float32((most - zero) / np.float32(2**bits - 1))
    steps = [0 if step == 0 else min(2**bits - 1, max(0, round(float((number - zero) / step)))) for number in group]
    return [np.float32(zero + code * step) for code in steps]


def keys_rounded(keys, bits, group):
    """Keys (n, D) of a head, n whole groups, rounded along tokens."""
    out = np.array(keys)
    for channel in range(out.shape[1]):
        for first in range(0, len(out), group):
            out[first : first + group, channel] = rounded(list(keys[first : first + group, channel]), bits)
    return out


def values_rounded(values, bits, group):
    """Values (n, D) of a head, rounded along channels."""
    out = np.array(values)
    for token in range(len(out)):
        for first in range(0, out.shape[1], group):
            out[token, first : first + group] = rounded(list(values[token, first : first + group]), bits)
    return out


def by_rule(keys, values, bits, group, newest, coded_keys, coded_values):
    """Keys and values (H, S, D) as KIVI holds them, with so many of each in codes."""
    keys, values = keys.clone(), values.clone()
    for head in range(len(keys)):
        old, others = keys[head, :coded_keys].numpy(), values[head, :coded_values].numpy()
        keys[head, :coded_keys] = torch.tensor(keys_rounded(old, bits, group))
        values[head, :coded_values] = torch.tensor(values_rounded(others, bits, math.gcd(group, values.shape[2])))
    return keys, values


@pytest.mark.parametrize("along_tokens", [True, False])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_codes_stand_for_what_the_rule_says_and_fill_their_bytes(bits, along_tokens):
    torch.manual_seed(bits)
    numbers = torch.randn(2, 3, 24, 16) * torch.logspace(-2, 2, 16)
    numbers[0, 0, :8, :8] = 0.7  # a group without a range
    codes = encode(numbers, bits, 8, along_tokens)
    assert codes.packed.dtype == torch.uint8 and codes.packed.shape == (2, 3, 24, 2 * bits)
    rule = keys_rounded if along_tokens else values_rounded
    expected = np.stack([[rule(head.numpy(), bits, 8) for head in one] for one in numbers])
    found = decode(codes, bits, 8, along_tokens)
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=1e-5)
    half = codes.step.repeat_interleave(8, 2 if along_tokens else 3) / 2
    assert ((found - numbers).abs() <= half * 1.001 + 1e-6).all(), "no number is further off than half a step"
    assert (found[0, 0, :8, :8] - 0.7).abs().max() < 1e-6


def test_of_a_model_of_16_bits_a_number_takes_what_the_paper_says():
    codes = Codes(2, 32, True, torch.zeros(1, 1, 0, 64, dtype=torch.bfloat16))
    codes.add(torch.randn(1, 1, 64, 64).bfloat16())
    assert codes.nbytes / (64 * 64) == 2 / 8 + 4 / 32, "0.375 bytes in place of 2"
    assert codes.read().dtype == torch.bfloat16
    # 8 bits of significand in zero and step: nearer than a step all the same.
    assert codes.tokens == 64 and sum(t.untyped_storage().nbytes() for t in codes.tensors) == codes.nbytes


@pytest.mark.parametrize("dim, group, expected", [(64, 33, 32), (64, 48, 32), (80, 32, 20), (16, 37, 16), (32, 32, 32)])
def test_a_group_along_channels_is_the_longest_that_divides_them(dim, group, expected):
    """A common divisor is no measure: of 33 and 64 it is 1, and a zero and a step for every number more than it."""
    codes = Codes(2, group, False, torch.zeros(1, 1, 0, dim))
    assert codes.group == expected
    codes.add(torch.randn(1, 1, 5, dim))
    assert codes.nbytes == 5 * (dim // 4 + 2 * 4 * (dim // expected))


@pytest.mark.parametrize("width", [3, 5, 6, 7])
def test_bits_that_do_not_fill_a_byte_are_refused(width):
    with pytest.raises(ValueError, match=f"2, 4 or 8 bits, got {width}"):
        Coded(width=width)


def test_codes_that_do_not_fill_bytes_are_refused():
    with pytest.raises(ValueError, match="6 numbers of 2 bits do not fill whole bytes: take more bits"):
        Codes(2, 8, True, torch.zeros(1, 1, 0, 6))


@pytest.mark.parametrize("options", [{}, {"bits": "4", "group": 16, "newest": 48}, {"bits": "8", "newest": 0}])
def test_older_keys_and_values_are_codes_and_what_is_written_becomes_codes_as_kivi_says(options, start):
    """Of the first layer, whose keys depend on tokens alone, and not on what a cache holds."""
    policy = KIVI(keep=0.6, **options)
    state, full = compress(start, policy), compress(start, POLICIES["full"]())
    bits, group = int(policy.bits), policy.group
    prompt, newest = state.seen, policy.newest // group * group
    steps, wholes = answer(state, len(ANSWER), forced=ANSWER), answer(full, len(ANSWER), forced=ANSWER)
    at_once, coded_values = max(newest, group), prompt - newest
    coded_keys = prompt - prompt % at_once
    seen_keys = set()
    for written in range(len(ANSWER)):
        layer = state.cache.layers[0]
        assert isinstance(layer, CodedLayer) and layer.used == prompt + written
        expected = by_rule(
            *(one[0] for one in full.cache.layers[0].stored()), bits, group, newest, coded_keys, coded_values
        )
        for held, rule in zip(layer.stored(), expected, strict=True):
            torch.testing.assert_close(held[0], rule, atol=1e-4, rtol=1e-4)
        seen_keys.add(coded_keys)
        next(steps), next(wholes)
        coded_values += 1
        if prompt + written + 1 - coded_keys == at_once:
            coded_keys += at_once
    assert len(seen_keys) > 1, "keys became codes while it was written"


@pytest.mark.parametrize("options", [{}, {"bits": "8", "group": 8}, {"group": 33}])
@pytest.mark.parametrize("keep", [0.5, 0.2, 0.1, 0.03])
def test_as_many_tokens_are_kept_as_fit_and_snapkv_chooses_them(keep, options, start):
    policy = KIVI(keep=keep, **options)
    state = compress(start, policy)
    layer, allowed = state.cache.layers[0], policy.limit(state.seen, state.seen)
    numbers = policy.recipe.numbers
    bits = numbers.bits(allowed, state.seen)

    def held_of(slots):
        """Bytes of a layer with so many slots, made of nothing."""
        whole = SlotLayer()
        batch, heads, _, dim = layer.keys.shape
        whole.write(torch.zeros(batch, heads, slots, dim), torch.zeros(batch, heads, slots, dim), None)
        return CodedLayer(whole, bits).bytes_of(slots)

    assert layer.bytes_of(layer.used) == held_of(layer.used) <= allowed * layer.slot_bytes
    assert layer.used == max(n for n in range(1, state.seen + 1) if held_of(n) <= allowed * layer.slot_bytes)
    if layer.used < state.seen:
        snapkv = compress(start, SnapKV(keep=(layer.used + 0.5) / state.seen))
        assert state.cache.bytes_allocated < snapkv.cache.bytes_allocated, "room for what comes, too, is one for codes"
        assert state.cache.tables.source[0, :, : layer.used].equal(snapkv.cache.tables.source[0, :, : layer.used])


def view_of(slots, dtype=torch.float32):
    """A layer of so many words, with four heads of 64 channels."""
    position, kind = torch.arange(slots)[None], torch.full((1, slots), WORD)
    keys = torch.zeros(4, slots, 64, dtype=dtype)
    return LayerView(position, kind, torch.ones(1, slots), torch.zeros(1, slots), slots - position, keys, keys)


def test_the_newest_take_no_more_than_half_of_it_and_keys_that_fill_no_group_are_whole_besides():
    numbers = Coded(newest=128)
    assert numbers.bits(100, 500) == Bits(2, 32, 32) and numbers.bits(60, 500) == Bits(2, 32, 0)
    assert numbers.bits(500, 500) is None, "where all may be kept as it is, nothing is rounded"
    # Of a slot the key is whole, 256 bytes, and the value 64 codes of a byte with a zero and a step of 4 bytes each.
    assert Coded(8, group=128, newest=0).count(26, view_of(268)) == 26 * 512 // (256 + 64 + 8) == 40


def test_fewer_tokens_fit_where_the_models_numbers_have_16_bits():
    """Each head's 53 whole slots: 4 bits and a zero and a step for 32 numbers are 6 of 32 bits, or 5 of 16."""
    wide, narrow = (Coded(4, newest=0).count(53, view_of(268, dtype)) for dtype in (torch.float32, torch.bfloat16))
    assert (wide, narrow) == (264, 164)


def test_what_was_rounded_once_is_not_rounded_again_in_a_later_turn():
    """The least and greatest number of a group stand for themselves, so its codes are the same again."""
    torch.manual_seed(3)
    layer = SlotLayer()
    layer.write(torch.randn(1, 2, 100, 16), torch.randn(1, 2, 100, 16), None)
    once = CodedLayer(layer, Bits(2, 32, 32))
    again = CodedLayer(once.whole(), Bits(2, 32, 32))
    for first, second in zip(once.stored(), again.stored(), strict=True):
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-5)


def test_a_copy_of_a_coded_cache_goes_on_by_itself(start):
    state = compress(start, KIVI(keep=0.3))
    before = [one.clone() for one in state.cache.layers[1].stored()]
    copied = deepcopy(state.cache)
    list(answer(state, 34, forced=ANSWER[:34]))
    assert all(a.equal(b) for a, b in zip(copied.layers[1].stored(), before, strict=True))


def test_a_second_question_reads_codes_and_all_is_coded_again(start, tiny):
    state = compress(start, KIVI(keep=0.6))
    list(answer(state, 5, forced=ANSWER[:5]))
    extend(state, tiny.next_turn("Where is the dog?"))
    state = compress(state, state.policy)
    layer = state.cache.layers[0]
    assert layer.used == state.seen and layer.key_codes.tokens == state.seen // 32 * 32
    assert sum(state.cache.bytes_held) < 0.3 * state.seen * 3 * layer.slot_bytes


def test_codes_go_behind_any_choice_but_not_with_what_frees_slots(start):
    merging = Method(
        keep=0.3,
        select=Voted(window=16, kernel=5),
        score=KIVI().recipe.score,
        merge=NearestPosition(),
        numbers=Coded(width=4),
    )
    state = compress(start, merging)
    assert isinstance(state.cache.layers[2], CodedLayer) and (state.cache.tables.owners() >= 0).all()
    for parts in ({"decoding": Oldest()}, {"heads": ByScore()}, {"growth": Growth.CONSTANT}):
        with pytest.raises(ValueError, match="Coded writes groups of slots together"):
            Method(keep=0.3, numbers=Coded(), **parts)
    with pytest.raises(ValueError, match="numbers must be of the kind Numbers"):
        Method(numbers=2)
    every = Method(keep=0.9, score=Unscored(), select=Everything(), numbers=Coded(width=8))
    assert compress(start, every).cache.layers[0].used == start.seen


def test_fp8_is_what_the_librarys_layer_holds(start):
    """The library's own layer, given the same keys and values: a prompt's first, then one by one."""
    from transformers.cache_utils import Fp8QuantizedLayer

    state, full = compress(start, FP8(keep=0.6)), compress(start, POLICIES["full"]())
    theirs = Fp8QuantizedLayer()
    prompt = full.cache.layers[0].stored()
    theirs.update(*prompt)
    steps, wholes = answer(state, 12, forced=ANSWER[:12]), answer(full, 12, forced=ANSWER[:12])
    for _ in range(12):
        next(steps), next(wholes)
        keys, values = (one[:, :, -1:] for one in full.cache.layers[0].stored())
        expected = theirs.update(keys, values)
        for held, rule in zip(state.cache.layers[0].stored(), expected, strict=True):
            torch.testing.assert_close(held, rule, atol=1e-5, rtol=1e-5)
    layer, (_, heads, seen, dim) = state.cache.layers[0], expected[0].shape
    assert layer.bytes_of(seen) == 2 * heads * seen * dim + 2 * 4, "a byte a number, and two scales"


def test_a_number_beyond_the_scale_is_the_largest_there_is_and_no_nan():
    floats = Floats(torch.zeros(1, 1, 0, 4))
    floats.add(torch.tensor([[[[0.5, -1.0, 0.25, 0.0]]]]))
    floats.add(torch.tensor([[[[7.0, -9.0, 0.5, 1.0]]]]))
    assert floats.read()[0, 0].tolist() == [[0.5, -1.0, 0.25, 0.0], [1.0, -1.0, 0.5, 1.0]]


IN_BITS = [name for name, policy in POLICIES.items() if issubclass(policy, RecipeInBits)]


def test_every_method_that_drops_nothing_while_decoding_can_be_stored_in_fewer_bits():
    """By what their parts say: heads that hold equally many, no eviction, every new token, all of a key, all read.

    But for KVzip, whose heads share their slots if it is asked to.
    """
    could = []
    for name, policy in POLICIES.items():
        parts = getattr(policy(), "recipe", None)
        if parts is not None and parts.numbers.is_plain and not (parts.evicts or parts.uneven_heads):
            could += [name] * (parts.growth == Growth.EVERY_NEW_TOKEN and parts.reads.is_plain)
    assert [name for name in could if name not in ("kvzip", "think")] == IN_BITS and len(IN_BITS) > 5


@pytest.mark.parametrize("bits", ["8", "4", "2"])
@pytest.mark.parametrize("name", IN_BITS)
def test_in_fewer_bits_more_tokens_are_held_in_no_more_bytes(name, bits, tiny, asked):
    whole, coded = POLICIES[name](keep=0.2), POLICIES[name](keep=0.2, bits=bits)
    read = prefill(tiny, asked, whole.needs | coded.needs)
    plain, state = compress(read, whole), compress(read, coded)
    allowed = whole.limit(read.seen, read.seen) * len(state.cache.layers) * state.cache.layers[0].slot_bytes
    # Where layers hold different numbers, groups end in each of them.
    ends = sum(32 * layer.slot_bytes for layer in state.cache.layers if len(set(state.cache.slots)) > 1)
    assert sum(state.cache.bytes_held) <= max(allowed + ends, sum(plain.cache.bytes_held))
    assert sum(state.cache.slots) > sum(plain.cache.slots)
    assert all(isinstance(layer, CodedLayer) for layer in state.cache.layers)
    list(answer(state, 5, forced=ANSWER[:5]))
    everything = compress(read, POLICIES[name](keep=1.0, bits=bits))
    assert not any(isinstance(layer, CodedLayer) for layer in everything.cache.layers), "nothing is rounded in vain"


@pytest.mark.parametrize("keep", [0.3, 0.1])
def test_snapkv_in_two_bits_is_kivi(keep, start):
    """One is the other: tokens, codes and all that is held."""
    mine, kivi = compress(start, SnapKV(keep=keep, bits="2")), compress(start, KIVI(keep=keep))
    assert mine.cache.tables.source.equal(kivi.cache.tables.source)
    for one, other in zip(mine.cache.layers, kivi.cache.layers, strict=True):
        assert all(a.equal(b) for a, b in zip(one.stored(), other.stored(), strict=True))
        assert one.bytes_of(one.used) == other.bytes_of(other.used)


def test_a_choice_that_bits_cannot_go_with_is_refused_where_it_is_made():
    with pytest.raises(TypeError, match="bits"):
        KVzip(bits="4")
    with pytest.raises(ValueError, match="bits must be one of whole, 8, 4, 2, got '3'"):
        SnapKV(bits="3")


@dataclass(frozen=True)
class PyramidUpsideDown(Pyramid):
    """The first layer holds fewest."""

    def counts(self, layers, limit, seen):
        return super().counts(layers[::-1], limit, seen)[::-1]


def test_in_a_later_turn_what_the_first_layer_has_left_limits_no_other(pocket, picture):
    method = Method(
        keep=0.1, score=KIVI().recipe.score, budget=PyramidUpsideDown(), select=Top(), numbers=Coded(width=2)
    )
    state = compress(prefill(pocket, pocket.first_turn(picture, "What is here?"), method.needs), method)
    first = state.cache.report().share
    extend(state, pocket.next_turn("How many?"))
    state = compress(state, method)
    assert state.cache.slots[0] < state.cache.slots[-1], "the first layer held fewest"
    assert state.cache.report().share > 0.9 * first and isinstance(state.cache.layers[-1], CodedLayer)


def test_an_index_and_a_memory_are_refused_together():
    with pytest.raises(ValueError, match="one or the other"):
        Method(keep=0.3, forgotten=Remembered(), reads=BestPages(share=0.5))
