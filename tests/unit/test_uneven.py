"""Heads of a layer that hold different numbers of tokens: what is held, what is attended, and what is refused."""

import io
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic.cache import ElasticCache
from elastic.engine import compress, decode, extend, prefill
from elastic.model import together
from elastic.policies import POLICIES, Choice, LayerView, Policy
from elastic.policies.base import Growth, Merged, Positions
from elastic.record.archive import open_run, save_run
from elastic.record.messages import of_run
from elastic.record.recorder import RECORDED, Recorder
from elastic.statistics import Attention, Queries, Sparsity
from scenes.scene import random_scene, render
from tests.unit.plain_model import PlainModel, grouped, held_tokens
from tests.view_traces import run_of

ANSWER = [20 + 7 * number % 150 for number in range(12)]
LAYERS, HEADS = 3, 2
EMPTY = LayerView.EMPTY
SHOWN = frozenset({Attention(per_head=True), Attention(rows=Queries.AFTER_IMAGE, per_head=True), Sparsity()})


@dataclass(frozen=True)
class Told(Policy):
    """Keeps, of the tokens that a head still holds, those named for it; what is not kept goes, or joins another."""

    title = "Told"
    growth = Growth.EVERY_NEW_TOKEN
    uneven_heads = True

    def of(self, kept, joins=None):
        """With tokens for each layer and head (`kept`), and the anchors that others join."""
        told = replace(self)
        object.__setattr__(told, "kept", kept)
        object.__setattr__(told, "joins", joins)
        return told

    @property
    def needs(self):
        return SHOWN

    def compress(self, layers, seen):
        return [Choice(self.owner(layer)) for layer in layers]

    def owner(self, layer):
        owner = torch.full((HEADS, layer.slots), -1)
        for head in range(HEADS):
            position = layer.position[head if len(layer.position) > 1 else 0].tolist()
            slots = [slot for slot, token in enumerate(position) if token in self.kept[layer.number][head]]
            owner[head, slots] = torch.tensor(slots, dtype=torch.long)
            if self.joins is not None:
                for slot, token in enumerate(position):
                    if token < layer.EMPTY:
                        owner[head, slot] = min(slots, key=lambda anchor, slot=slot: (abs(anchor - slot), anchor))
        return owner


@dataclass(frozen=True)
class Joining(Told):
    """The same, and what is not kept joins the nearest, counted in attention."""

    merged = Merged.KEYS_AND_VALUES
    count_bias = True


@dataclass(frozen=True)
class SideBySide(Told):
    """The same, with what is kept standing side by side."""

    positions = Positions.RE_ROTATED


@pytest.fixture(scope="module")
def read(tiny, asked):
    return prefill(tiny, asked, SHOWN)


def some(seed, seen, most=0.5):
    """Tokens for every layer and head, between one and half of them, more or fewer in each."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, max(2, int(most * seen)), (LAYERS, HEADS))
    return [[{*rng.choice(seen, size, replace=False).tolist()} for size in of_layer] for of_layer in sizes]


def check_books(state, held):
    """What the tables, the bytes, the attention's bias and the storage say, against the tokens that heads hold."""
    cache, tables = state.cache, state.cache.tables
    assert sets(held_tokens(cache)) == held
    sizes = np.array([[len(tokens) for tokens in heads] for heads in held])
    assert tables.filled.tolist() == sizes.tolist() and tables.used.tolist() == sizes.max(1).tolist()
    assert cache.slots == sizes.mean(1).tolist()
    of_head = 2 * 16 * 4  # a key and a value of 16 numbers in float32
    assert cache.bytes_held == (sizes.sum(1) * of_head).tolist()
    assert cache.bytes_allocated >= sizes.max(1).sum() * HEADS * of_head
    for layer, most in enumerate(sizes.max(1)):
        keys, values = (tensor[0] for tensor in cache.layers[layer].stored())
        assert keys.shape[1] == values.shape[1] == most
        for head, tokens in enumerate(held[layer]):
            source = tables.source[layer, head, :most].tolist()
            empty = [slot for slot, token in enumerate(source) if token == EMPTY]
            assert sorted({*source} - {EMPTY}) == sorted(tokens) and len(empty) == most - len(tokens)
            assert not keys[head, empty].any() and not values[head, empty].any()
            assert not tables.count[layer, head, empty].any() and (tables.count[layer, head, :most] > 0).sum() == len(
                tokens
            )
            if cache.bias is not None:
                bias = cache.bias.table[layer, head, :most]
                assert torch.isneginf(bias[empty]).all() and torch.isneginf(bias).sum() == len(empty)


def sets(held):
    return [[set(tokens) for tokens in heads] for heads in held]


@pytest.mark.parametrize("kind", [Told, SideBySide])
@pytest.mark.parametrize("seed", [1, 2])
def test_heads_of_different_lengths_equal_masking_per_head_through_two_turns(kind, seed, read, asked, eager, tiny):
    """Many queries at once in the second turn, a second compression, and the answer after it."""
    plain, sides = PlainModel(eager, asked), {"side_by_side": kind is SideBySide}
    told = kind().of(some(seed, read.seen))
    state, held = compress(read, told), sets(told.kept)
    check_books(state, held)

    def went_on(steps):
        for step in decode(state, steps, forced=ANSWER[:steps]):
            assert step.logprob == pytest.approx(plain.logprob(step.token), abs=1e-3)
            rows = plain.step(step.token, held, **sides)
            assert state.looked.numpy() == pytest.approx(rows.mean(1), abs=1e-4)
            for heads in held:
                for tokens in heads:
                    tokens.add(plain.seen - 1)
            check_books(state, held)

    went_on(6)
    question = tiny.next_turn("Where is the dog?")
    extend(state, question)
    for token in question.ids[0].tolist():
        plain.step(token, held, **sides)
        for heads in held:
            for tokens in heads:
                tokens.add(plain.seen - 1)
    check_books(state, held)
    assert torch.allclose(state.logits[0], plain.logits, atol=2e-3)
    fewer = some(seed + 10, state.seen, 0.9)
    told = kind().of(fewer)
    state = compress(state, told)
    held = [
        [tokens & kept for tokens, kept in zip(of_layer, named, strict=True)]
        for of_layer, named in zip(held, fewer, strict=True)
    ]
    check_books(state, held)
    went_on(5)


def test_merged_heads_of_different_lengths_are_the_means_of_their_groups_and_count_in_attention(read, asked, eager):
    """Against numpy: the means, log(count) in the logits, and nothing of what fills a head up."""
    told = Joining().of(some(5, read.seen), joins=True)
    state = compress(read, told)
    whole = [[tensor[0].double().numpy() for tensor in layer.stored()] for layer in read.cache.layers]
    owners = state.cache.tables.owners().numpy()
    for layer in range(LAYERS):
        keys, values = (tensor[0].double().numpy() for tensor in state.cache.layers[layer].stored())
        for head in range(HEADS):
            for slot, anchor in enumerate(sorted(told.kept[layer][head])):
                members = owners[layer, head] == anchor
                assert keys[head, slot] == pytest.approx(whole[layer][0][head, members].mean(0), abs=1e-4)
                assert values[head, slot] == pytest.approx(whole[layer][1][head, members].mean(0), abs=1e-4)
                assert float(state.cache.bias.table[layer, head, slot]) == pytest.approx(np.log(members.sum()))
    for step in decode(state, 4, forced=ANSWER[:4]):
        assert np.isfinite(step.logprob)
        assert state.looked.sum(1).tolist() == pytest.approx([1] * LAYERS, abs=1e-4)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(0, 5), more=st.booleans())
def test_any_numbers_in_any_heads_are_held_and_counted_as_they_are(read, tiny, seed, steps, more):
    told = Told().of(some(seed, read.seen, 0.9))
    state, held = compress(read, told), sets(told.kept)
    check_books(state, held)
    for _ in decode(state, steps, forced=ANSWER[:steps]) if steps else ():
        pass
    for heads in held:
        for tokens in heads:
            tokens |= {*range(read.seen, state.seen)}
    check_books(state, held)
    if more:
        again = compress(state, Told().of(some(seed + 1, state.seen, 0.9)))
        named = again.policy.kept
        check_books(again, [[a & b for a, b in zip(*pair, strict=True)] for pair in zip(held, named, strict=True)])


def test_two_conversations_at_once_are_each_as_alone_though_their_heads_differ(tiny, asked, read):
    """The longest head of either fills up the others."""
    ada = POLICIES["adakv"](keep=0.3)
    other = tiny.first_turn(render(random_scene("another"))[0], "Describe the image in detail.")
    both = compress(prefill(tiny, together([asked, other]), ada.needs), ada)
    alone = [compress(prefill(tiny, one, ada.needs), ada) for one in (asked, other)]
    filled = both.cache.tables.filled
    assert torch.equal(filled, torch.cat([one.cache.tables.filled for one in alone], 1))
    assert len(set(filled.flatten().tolist())) > 2
    forced = [ANSWER, ANSWER[::-1]]
    steps = list(decode(both, 8, forced=forced))
    for number, one in enumerate(alone):
        expected = [step.logprob for step in decode(one, 8, forced=forced[number])]
        assert [step.logprobs[number] for step in steps] == pytest.approx(expected, abs=1e-3)


def test_a_later_turns_statistics_are_of_the_tokens_that_each_head_holds(read, asked, eager, tiny):
    """What each head's tokens receive from the second question, and the share of its faint weights."""
    plain, told = PlainModel(eager, asked), Told().of(some(8, read.seen))
    state, held = compress(read, told), sets(told.kept)
    before = state.cache.tables.scores[Attention(per_head=True)].clone(), state.cache.tables.source.clone()
    question = tiny.next_turn("Where is the dog?")
    extend(state, question)
    received = np.zeros((LAYERS, HEADS, plain.seen + question.ids.shape[1]))
    faint, visible = np.zeros(LAYERS), np.zeros(LAYERS)
    for token in question.ids[0].tolist():
        rows = plain.step(token, held)
        for layer in range(LAYERS):
            for query_head, row in enumerate(rows[layer]):
                seen = [*held[layer][query_head // 2], plain.seen - 1]
                visible[layer] += len(seen)
                faint[layer] += (row[seen] < 0.01 * row.max()).sum()
        received[:, :, : plain.seen] += grouped(rows[:, :, None], HEADS)[:, :, 0]
        for heads in held:
            for tokens in heads:
                tokens.add(plain.seen - 1)
    new, source = state.cache.tables.scores[Attention(per_head=True)], state.cache.tables.source
    for layer in range(LAYERS):
        for head in range(HEADS):
            at = {int(t): float(s) for t, s in zip(before[1][layer, head], before[0][layer, head], strict=True)}
            for slot, token in enumerate(source[layer, head].tolist()):
                if token < state.seen:
                    expected = at.get(token, 0.0) + received[layer, head, token]
                    assert float(new[layer, head, slot]) == pytest.approx(expected, abs=1e-3)
    assert state.cache.layer_statistics[Sparsity()][:, 0].tolist() == pytest.approx(list(faint / visible), abs=1e-3)


def test_a_step_over_storage_that_stays_in_place_treats_what_fills_heads_up_as_absent(read, tiny):
    told, logits = Told().of(some(3, read.seen)), []
    for static in (False, True):
        state = compress(read, told)
        with torch.inference_mode():
            for token in ANSWER[:4]:
                ids = torch.tensor([[token]])
                forward = state.cache.enter(ids)
                found = tiny.decoder.step(ids, state.cache, forward, static=static)
                state.cache.observe(forward)
        logits.append(found.clone())
    assert torch.allclose(*logits, atol=1e-4)


def test_what_was_erased_holds_no_slot_in_any_head_in_either_turn(tiny, asked):
    policy, gone = POLICIES["adakv"](keep=0.3), {5, 40, 41, 42, 200}
    state = compress(prefill(tiny, replace(asked, erased=tuple(sorted(gone))), policy.needs), policy)
    for _ in range(2):
        held = sets(held_tokens(state.cache))
        check_books(state, held)
        assert not any(tokens & gone for heads in held for tokens in heads)
        assert (state.cache.tables.owners()[:, :, sorted(gone)] == -1).all()
        assert {len(tokens) for heads in held for tokens in heads} > {len(held[0][0])}
        gone = gone | {state.seen + 3}
        extend(state, replace(tiny.next_turn("Where is the dog?"), erased=(3,)))
        state = compress(state, policy)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"growth": Growth.PROPORTIONAL}, "unless every new token is kept .* and nothing is evicted"),
        ({"growth": Growth.CONSTANT}, "unless every new token is kept"),
        ({"positions": Positions.CACHE_LENGTH}, 'differs from head to head.* take positions="true"'),
        ({"evict": lambda self, slots, seen, prompt: None}, "nothing is evicted"),
    ],
)
def test_heads_of_different_lengths_are_refused_where_they_would_have_to_give_up_a_slot_each(how, says, read):
    kind = type("Other", (Told,), how)
    with pytest.raises(ValueError, match=rf"Other keeps \[.*\] slots for the heads.*{says}"):
        compress(read, kind().of(some(1, read.seen)))


@pytest.mark.parametrize("name", [name for name, policy in POLICIES.items() if not policy().uneven_heads])
def test_a_method_that_cannot_choose_among_heads_of_different_lengths_says_so(name, tiny, asked):
    policy = POLICIES[name]()
    state = compress(prefill(tiny, asked, SHOWN | policy.needs), Told().of(some(1, asked.ids.shape[1])))
    with pytest.raises(
        ValueError, match=rf"hold different numbers of tokens, among which {policy.title} cannot choose"
    ):
        compress(state, policy)


def test_the_librarys_generate_writes_what_the_engine_writes_with_heads_of_different_lengths(tiny, asked):
    policy = POLICIES["adakv"](keep=0.3)
    state = compress(prefill(tiny, asked, policy.needs), policy)
    cache = ElasticCache(policy, tiny.model)
    expected = [step.token for step in decode(state, 10)]
    written = tiny.model.generate(asked.ids, **asked.inputs, past_key_values=cache, max_new_tokens=10, do_sample=False)
    assert written[0, asked.ids.shape[1] :].tolist() == expected
    assert cache.tables.padding is not None
    says = str(cache.report())
    assert "slots, the mean of its heads, in each of 3 layers" in says
    assert f"({cache.bytes_allocated:,} with room for more and for heads that hold fewer than others)" in says
    assert sum(cache.bytes_held) < 0.35 * cache.report().bytes_full


def test_the_record_of_heads_of_different_lengths_has_their_mean_and_opens_as_it_was(tiny, picture):
    """After a second turn, whose scores are of the tokens that a head held."""
    policy = POLICIES["adakv"](keep=0.23)
    state = prefill(tiny, tiny.first_turn(picture, "What?"), policy.needs | RECORDED)
    state = compress(state, policy)
    for _ in decode(state, 3, forced=ANSWER[:3]):
        pass
    extend(state, tiny.next_turn("Where?"))
    state = compress(state, policy)
    recorder = Recorder.of(state, "Where?")
    for step in decode(state, 4, forced=ANSWER[:4]):
        recorder.add(step)
    trace = recorder.trace("limit")
    anchors = (trace.owner == np.arange(len(trace.pieces))).sum(2)
    assert trace.prompt_slots.tolist() == pytest.approx(anchors.mean(1).tolist())
    assert (anchors[:, 0] != anchors[:, 1]).any()
    assert trace.slots[-1].tolist() == pytest.approx((anchors.mean(1) + 4).tolist())
    assert trace.prompt_bytes.tolist() == (anchors.sum(1) * 2 * 16 * 4).tolist()
    assert (trace.bytes_held.sum(1) < trace.bytes_allocated).all()
    assert np.isfinite(trace.score).any(1).all() and np.isnan(trace.score).any()
    trace.check()
    run = run_of("run", (trace,))
    file = io.BytesIO()
    save_run(run, file)
    assert open_run(file).sides[0].slots.tolist() == trace.slots.tolist()
    (side,) = of_run(run, 0, 0, done=True).sides
    assert side.slots == [[pytest.approx(slots, abs=1e-3) for slots in step] for step in trace.slots.tolist()]
