"""What a rehearsal looks at, against the library's own attention over all that was read and its repetition."""

import numpy as np
import pytest
import torch

from elastic import engine
from elastic.engine import compress, decode, extend, prefill
from elastic.policies import LayerView
from elastic.policies.kvzip import KVzip
from elastic.policies.snapkv import SnapKV
from elastic.rehearsal import _outside
from elastic.statistics import Attention, Rehearsed
from tests.small_text import books
from tests.unit.plain_model import PlainModel, held_tokens

LAYERS, HEADS, GROUP, DIM = range(3), range(2), 2, 16
CLOSED = "</s>USER: Repeat the previous context exactly. ASSISTANT:"


@pytest.fixture(scope="module")
def read(tiny, asked):
    return prefill(tiny, asked, {Attention(), *KVzip().needs, *SnapKV().needs})


def heard(state, norms=False):
    """The table of a rehearsal that a compressed state went by, before compression: of a cache of everything."""
    policy = KVzip(keep=1.0, norms=norms)
    return compress(state, policy).cache.tables.scores[Rehearsed(norms)]


def said(llava, prompt, told):
    """The ids of a prompt, of what asks for its repetition, and of that, from behind the template's opening."""
    opening = len(llava.tokenizer("USER: ", add_special_tokens=False)["input_ids"]) + 1
    told = llava.tokenizer(told, add_special_tokens=False)["input_ids"]
    return torch.cat([prompt.ids, torch.tensor([told]), prompt.ids[:, opening:]], 1)


@torch.no_grad()
def maps_of(eager, prompt, ids, erased=()):
    """The weights (L, H, T', T') of the library's attention over tokens (1, T') with a picture in them twice."""
    count = ids.shape[1]
    mask = torch.zeros(count, count).masked_fill(torch.ones(count, count).triu(1).bool(), -torch.inf)
    for token in erased:
        mask[token + 1 :, token] = -torch.inf
    given = {"attention_mask": mask[None, None], "position_ids": torch.arange(count)[None]}
    pixels = torch.cat([prompt.inputs["pixel_values"]] * 2)
    output = eager(input_ids=ids, pixel_values=pixels, **given, use_cache=False, output_attentions=True)
    return torch.stack(output.attentions)[:, 0].double().numpy()


def strongest(maps, held):
    """Of maps (L, H, T', T') the largest weight of the queries behind the first `held`, per head with a key."""
    looks = maps[:, :, held:, :held].max(2)
    return looks.reshape(len(LAYERS), len(HEADS), GROUP, held).max(2)


def test_a_token_scores_the_strongest_look_of_the_repetition_in_the_heads_that_share_its_key(read, tiny, eager, asked):
    ids = said(tiny, asked, CLOSED)
    expected = strongest(maps_of(eager, asked, ids), read.seen)
    assert heard(read).numpy() == pytest.approx(expected, abs=1e-4)
    # It is not what the first reading looked at.
    first = maps_of(eager, asked, ids)[:, :, : read.seen, : read.seen].max(2).reshape(3, 2, 2, -1).max(2)
    assert np.abs(first - expected).max() > 0.2


def test_before_its_question_the_users_turn_is_still_open(tiny, eager, picture):
    context, _ = tiny.halves(picture, "What?")
    state = prefill(tiny, context, KVzip().needs)
    ids = said(tiny, context, "\nRepeat the previous context exactly. ASSISTANT:")
    assert heard(state).numpy() == pytest.approx(strongest(maps_of(eager, context, ids), state.seen), abs=1e-4)


def test_what_is_erased_is_neither_repeated_nor_looked_at(tiny, eager, asked):
    erased = (0, 20, 21, 50, 110, asked.ids.shape[1] - 4)
    state = prefill(tiny, asked.without(erased), KVzip().needs)
    ids = said(tiny, asked, CLOSED)
    again = [ids.shape[1] - asked.ids.shape[1] + token for token in erased if token]
    maps, total = maps_of(eager, asked, ids, (*erased, *again)), asked.ids.shape[1]
    left = [token for token in range(total) if token not in erased]
    asks = [token for token in range(total, ids.shape[1]) if token not in again]
    looks = maps[:, :, asks][:, :, :, left].max(2).reshape(3, 2, 2, -1).max(2)
    assert heard(state).numpy() == pytest.approx(looks, abs=1e-4)


def features(eager, prompt):
    """What the library's language model is given for a prompt's tokens, (T, hidden)."""
    given = {}
    hook = eager.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: given.update(kwargs), with_kwargs=True
    )
    with torch.no_grad():
        eager(input_ids=prompt.ids, **prompt.inputs)
    hook.remove()
    return given["inputs_embeds"][0]


@pytest.mark.parametrize("shared", ["nothing", "all layers"])
def test_a_later_rehearsal_repeats_everything_and_judges_what_is_held(shared, read, tiny, eager, asked):
    """Heads hold tokens of their own by then, which the library cannot mask: the plain model repeats word by word."""
    state, plain = compress(read, KVzip(keep=0.3, shared=shared)), PlainModel(eager, asked)
    held = held_tokens(state.cache)
    for step in decode(state, 4, forced=[20, 30, 40, 50]):
        plain.step(step.token, held)
        held = held_tokens(state.cache)
    more = tiny.next_turn("Where is the dog?")
    extend(state, more)
    for number, token in enumerate(more.ids[0].tolist(), plain.seen):
        plain.step(token, held)
        held = [[[*tokens, number] for tokens in heads] for heads in held]
    assert held == held_tokens(state.cache)
    embedded, opening = features(eager, asked), 4
    repeated = [(token, None) for token in tiny.tokenizer(CLOSED, add_special_tokens=False)["input_ids"]]
    repeated += [(int(asked.ids[0, n]), embedded[n]) for n in range(opening, asked.ids.shape[1])]
    repeated += [(token, None) for token in [20, 30, 40, 50, *more.ids[0].tolist()]]
    slots = [[list(tokens) for tokens in heads] for heads in held]
    expected = [[np.zeros(len(tokens)) for tokens in heads] for heads in held]
    assert (len({len(looks) for heads in expected for looks in heads}) > 1) == (shared != "nothing")
    for token, features_of in repeated:
        number = plain.seen
        rows = plain.step(token, held, hidden=features_of)
        held = [[[*tokens, number] for tokens in heads] for heads in held]
        for layer in LAYERS:
            for head in range(4):
                looks = rows[layer, head, slots[layer][head // GROUP]]
                expected[layer][head // GROUP] = np.maximum(expected[layer][head // GROUP], looks)
    found = compress(state, KVzip(keep=1.0, shared=shared)).cache.tables.scores[Rehearsed()]
    for layer in LAYERS:
        for head in HEADS:
            looks = expected[layer][head]
            assert found[layer, head, : len(looks)].numpy() == pytest.approx(looks, abs=1e-4)


def test_with_norms_a_look_counts_as_much_as_it_adds_to_what_the_layer_was_given(read, tiny, eager, asked):
    ids = said(tiny, asked, CLOSED)
    made, hooks = {}, []
    for layer, block in enumerate(eager.model.language_model.layers):
        for name in ("v_proj", "input_layernorm"):
            module = block.self_attn.v_proj if name == "v_proj" else block.input_layernorm

            def note(module, inputs, output, key=(name, layer)):
                made[key] = output[0].double().numpy()

            hooks.append(module.register_forward_hook(note))
    maps = maps_of(eager, asked, ids)
    for hook in hooks:
        hook.remove()
    total, expected = read.seen, np.zeros((3, 2, read.seen))
    for layer, block in enumerate(eager.model.language_model.layers):
        matrix = block.self_attn.o_proj.weight.detach().double().numpy()
        values = made["v_proj", layer].reshape(len(made["v_proj", layer]), 2, DIM)
        for head in range(4):
            columns = matrix[:, head * DIM : (head + 1) * DIM]
            brought = np.array([np.linalg.norm(columns @ values[token, head // GROUP]) for token in range(total)])
            for query in range(total, ids.shape[1]):
                looks = (
                    maps[layer, head, query, :total] * brought / np.linalg.norm(made["input_layernorm", layer][query])
                )
                expected[layer, head // GROUP] = np.maximum(expected[layer, head // GROUP], looks)
    assert heard(read, norms=True).numpy() == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert np.abs(expected / expected.max() - heard(read).numpy()).max() > 0.2


def test_the_strongest_and_the_first_tokens_are_kept_in_every_head(read):
    score, policy = heard(read), KVzip(keep=0.2, sinks=3)
    held = held_tokens(compress(read, policy).cache)
    for layer in LAYERS:
        for head in HEADS:
            others = sorted(range(3, read.seen), key=lambda token: -score[layer, head, token])
            assert set(held[layer][head]) == {0, 1, 2, *others[: int(0.2 * read.seen) - 3]}


@pytest.mark.parametrize(("shared", "together"), [("layer", [[0], [1], [2]]), ("all layers", [[0, 1, 2]])])
def test_heads_that_share_slots_keep_the_best_of_all_of_them(shared, together, read):
    score, total = heard(read), read.seen
    state = compress(read, KVzip(keep=0.2, shared=shared))
    held = held_tokens(state.cache)
    for layers in together:
        every = {
            (layer, head, token): score[layer, head, token]
            for layer in layers
            for head in HEADS
            for token in range(total)
        }
        best = sorted(every, key=lambda slot: (slot[2] >= 4, -every[slot]))[: 2 * len(layers) * int(0.2 * total)]
        assert {(layer, head, token) for layer in layers for head in HEADS for token in held[layer][head]} == {*best}
    slot = 2 * DIM * 4
    assert sum(state.cache.bytes_held) == 6 * int(0.2 * total) * slot < state.cache.bytes_allocated


def test_words_of_a_repetition_that_lie_where_a_head_was_filled_up_are_not_hidden_from_a_chunk(read):
    cache = compress(read, KVzip(keep=0.2, shared="layer")).cache
    for layer, hidden in enumerate(_outside(cache, 50, 80)):
        source = cache.tables.source[layer, :, : cache.layers[layer].used]
        assert (source == LayerView.EMPTY).any() and not hidden[0][source == LayerView.EMPTY].any()
        assert hidden[0][(source >= 4) & (source < 50)].all() and not hidden[0][(source >= 50) & (source < 80)].any()


def test_a_rehearsal_leaves_nothing_behind_but_its_choice(read):
    before, scores = books(read.cache), {one: table.clone() for one, table in read.cache.tables.scores.items()}
    state = compress(read, KVzip(keep=0.4))
    assert books(read.cache) == before and read.cache.tables.scores.keys() == scores.keys()
    assert all(torch.equal(read.cache.tables.scores[one], table) for one, table in scores.items())
    assert state.seen == read.seen and state.cache.offset == read.cache.offset
    assert torch.equal(state.logits, read.logits) and state.prefill_seconds == read.prefill_seconds
    # What other methods go by is that of the reading, whoever rehearsed meanwhile.
    assert books(compress(read, SnapKV(keep=0.4)).cache) == books(
        compress(prefill(read.llava, read.script.prompts[0][1], SnapKV().needs), SnapKV(keep=0.4)).cache
    )


def test_what_a_rehearsal_costs_is_part_of_compressing(read, monkeypatch):
    clock, own = [0.0], engine.rehearse

    def rehearsed(*given):
        clock[0] += 9
        own(*given)

    monkeypatch.setattr(engine, "now", lambda llava: clock[0])
    monkeypatch.setattr(engine, "rehearse", rehearsed)
    assert compress(read, KVzip()).compress_seconds == 9
