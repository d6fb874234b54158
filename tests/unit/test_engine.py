"""The engine against masking, against eager attention, and against itself. Whole answers: tests/program."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from elastic.cache import ElasticCache
from elastic.cache.views import layer_views
from elastic.engine import compress, decode, extend, prefill
from elastic.model import together
from elastic.policies import POLICIES, Choice, Eviction, Policy
from elastic.policies.base import PATCH
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from elastic.policies.parts.protect import LEAST_FREE
from elastic.statistics import Attention, Sparsity

QUESTION = "Describe the image in detail."
FREQUENCY = {Attention()}


def tokens_of(steps):
    return [step.token for step in steps]


def test_next_turn_continues_the_rendered_transcript(pocket):
    answer = "There are two dogs."
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "One?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        {"role": "user", "content": [{"type": "text", "text": "Two?"}]},
    ]
    text = pocket.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    whole = pocket.processor.tokenizer.encode(text, add_special_tokens=False)
    more = pocket.next_turn("Two?").ids[0].tolist()
    assert whole[-len(more) :] == more
    assert pocket.processor.tokenizer.decode(whole[: -len(more)]).endswith(answer)


@dataclass(frozen=True)
class DropEverySecond(Policy):
    """Drops every second patch at the prefill, and the fourth oldest slot after each decode step."""

    def compress(self, layers, seen):
        choices = []
        for layer in layers:
            owner = torch.arange(layer.slots)
            owner[20:200:2] = -1
            choices.append(Choice(owner[None]))
        return choices

    def evict(self, slots, seen, prompt):
        return Eviction(slots.position.argsort(-1)[..., 3])


def test_dropping_tokens_equals_masking_them_in_the_full_cache(tiny, eager, picture):
    prompt = tiny.first_turn(picture, QUESTION)
    state = compress(prefill(tiny, prompt, FREQUENCY), DropEverySecond())
    steps = list(decode(state, 12))
    assert not any(step.is_last for step in steps[:-1])
    total = prompt.ids.shape[1]
    # The oracle reads the same answer in one pass, and may not look at what was gone by then.
    ids = torch.cat([prompt.ids, torch.tensor([tokens_of(steps)])], dim=1)
    visible = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
    visible[total:, 20:200:2] = False
    for number, step in enumerate(steps):
        gone, into = step.evicted
        assert len(gone.unique()) == 1 and (into == -1).all()
        visible[total + number + 1 :, gone[0, 0]] = False
    bias = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    with torch.no_grad():
        logits = eager(input_ids=ids, **prompt.inputs, attention_mask=bias[None, None]).logits[0]
    oracle = logits[total - 1 : -1].log_softmax(-1).gather(1, ids[0, total:, None])[:, 0]
    ours = torch.tensor([step.logprob for step in steps])
    assert torch.allclose(ours, oracle, atol=1e-3)
    # The mask matters: without it the oracle says something else.
    with torch.no_grad():
        unmasked = eager(input_ids=ids, **prompt.inputs, attention_mask=torch.ones_like(ids)).logits[0]
    unmasked = unmasked[total - 1 : -1].log_softmax(-1).gather(1, ids[0, total:, None])[:, 0]
    assert (unmasked - oracle).abs().max() > 0.05


def test_policies_name_slots_in_the_order_of_their_tokens_whatever_the_storage(tiny, picture):
    prompt = tiny.first_turn(picture, QUESTION)
    state = compress(prefill(tiny, prompt, FREQUENCY), DropEverySecond())
    total = prompt.ids.shape[1]
    alive = [t for t in range(total) if not (20 <= t < 200 and t % 2 == 0)]
    for number, step in enumerate(decode(state, 30)):
        alive.append(total + number)
        assert (step.evicted[0] == alive[3]).all()
        del alive[3]


@pytest.mark.parametrize("keep", [0.5, 0.2, 0.1])
def test_a_budget_is_held_at_every_step_of_a_long_answer(tiny, picture, keep):
    prompt = tiny.first_turn(picture, QUESTION)
    total = prompt.ids.shape[1]
    state = compress(prefill(tiny, prompt, FREQUENCY), Elastic(keep=keep, protect_text=False))
    assert set(state.cache.prompt_slots.tolist()) == {int(keep * total)}
    steps = list(decode(state, 110))
    assert len(steps) > 100
    for number, step in enumerate(steps, start=1):
        # The token that ends an answer is stored nowhere.
        is_end = step.token == tiny.processor.tokenizer.eos_token_id
        assert set(step.slots) == {int(keep * (total + number - is_end) + 1e-9)}


def test_protected_words_set_a_floor_under_the_budget(tiny, picture):
    prompt = tiny.first_turn(picture, QUESTION)
    words = int((prompt.ids != tiny.model.config.image_token_id).sum())
    state = compress(prefill(tiny, prompt, FREQUENCY), Elastic(keep=0.01, protect_text=True))
    assert set(state.cache.prompt_slots.tolist()) == {words + LEAST_FREE}
    for step in decode(state, 50):
        assert set(step.slots) == {words + LEAST_FREE}
    for owner in state.cache.tables.owners():
        assert (owner[0][state.cache.tables.kinds[0] == PATCH] >= 0).any(), (
            "the picture must not vanish while the answer is written"
        )


def test_prompts_of_unequal_length_are_not_read_together(pocket, picture):
    prompts = [
        pocket.first_turn(picture, asked) for asked in ("Is there a dog?", "Is there a large dog in the picture?")
    ]
    with pytest.raises(ValueError, match="Group prompts by their length"):
        together(prompts)


def check_books(state):
    """Owners, slots and counts tell one story."""
    tables = state.cache.tables
    for index, (owner, layer) in enumerate(zip(tables.owners(), state.cache.layers, strict=True)):
        source, count = tables.source[index, 0, : layer.used].tolist(), tables.count[index, 0, : layer.used].tolist()
        hole = -1 if tables.hole is None else tables.hole[index, 0]
        held = [token for slot, token in enumerate(source) if slot != hole]
        alive = owner[0] >= 0
        assert torch.equal(owner[0][owner[0][alive]], owner[0][alive]), "an owner must own itself"
        assert sorted(held) == sorted(set(owner[0][alive].tolist()))
        stands_for = dict(zip(source, count, strict=True))
        for anchor in held:
            assert stands_for[anchor] == (owner[0] == anchor).sum()


@pytest.mark.parametrize("keep", [0.5, 0.15])
def test_every_owner_owns_itself_through_a_conversation(tiny, picture, keep):
    state = compress(prefill(tiny, tiny.first_turn(picture, QUESTION), FREQUENCY), Elastic(keep=keep))
    check_books(state)
    for question in ("Where is the dog?", "And the cat?", "How many are there?"):
        for _ in decode(state, 25):
            check_books(state)
        extend(state, tiny.next_turn(question))
        check_books(state)
        state = compress(state, state.policy)
        check_books(state)
        assert state.cache.tables.owners().shape[2] == state.seen


def test_merging_again_weights_by_the_tokens_a_slot_stands_for(tiny, picture):
    """Two compressions in a row leave the mean over all members, as one merge of the full cache into them would."""
    start = prefill(tiny, tiny.first_turn(picture, QUESTION), FREQUENCY)
    twice = compress(compress(start, Elastic(keep=0.6)), Elastic(keep=0.2))
    for index, layer in enumerate(twice.cache.layers):
        owner = twice.cache.tables.owners()[index, 0]
        values = start.cache.layers[index].stored()[1][0]
        for slot, anchor in enumerate(twice.cache.tables.source[index, 0, : layer.used].tolist()):
            mean = values[:, owner == anchor].double().mean(1)
            assert torch.allclose(layer.values[0, :, slot].double(), mean, atol=1e-4)


def test_observed_sums_equal_those_of_eager_attention(tiny, eager, picture):
    prompt = tiny.first_turn(picture, "Is there a dog? " * 12)
    state = prefill(tiny, prompt, FREQUENCY)
    with torch.no_grad():
        maps = eager(input_ids=prompt.ids, **prompt.inputs, output_attentions=True).attentions
    for score, attention in zip(state.cache.tables.scores[Attention()], maps, strict=True):
        assert torch.allclose(score[0], attention[0].mean(0).sum(0), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["tiny", "pocket"])  # with grouped queries, and without: two ways of summing up
def test_watching_does_not_change_the_logits(name, picture, request):
    tiny = request.getfixturevalue(name)
    prompt = tiny.first_turn(picture, QUESTION)
    inputs = {"input_ids": prompt.ids, **prompt.inputs, "logits_to_keep": 1}
    with torch.no_grad():
        cache = ElasticCache(
            Full(), tiny.model, needs={Attention(), Sparsity(), Attention(rows="last", n=16, per_head=True)}
        )
        watched = tiny.model(**inputs, past_key_values=cache).logits
        alone = tiny.model(**inputs).logits
    assert torch.equal(watched, alone) and cache.tables.scores[Attention()].sum() > 0


def test_a_second_turn_adds_to_the_scores_of_old_slots(tiny, picture):
    state = compress(prefill(tiny, tiny.first_turn(picture, QUESTION), FREQUENCY), Full())
    before = state.cache.tables.scores[Attention()][0, 0].clone()
    more = tiny.next_turn("Where?")
    extend(state, more)
    after = state.cache.tables.scores[Attention()][0, 0, : state.seen]
    # Every query hands out a total of one.
    assert float(after.sum() - before.sum()) == pytest.approx(more.ids.shape[1], abs=1e-3)
    assert (after[: len(before)] > before).all()


def test_a_policy_is_told_how_many_queries_could_see_each_token(tiny, picture):
    """Of the prompts alone: what the model wrote in between asked nothing that is summed up."""
    state = compress(prefill(tiny, tiny.first_turn(picture, QUESTION), FREQUENCY), Full())
    total = state.seen
    list(decode(state, 5))
    more = tiny.next_turn("Where?")
    written = state.seen - total
    extend(state, more)
    cache = state.cache
    (view,) = layer_views(Elastic(), cache.tables, cache.layers, cache.layer_statistics, cache.asked)[0]
    asked = more.ids.shape[1]
    assert view.asked == asked, "all of a later question asks"
    assert view.queries[0].tolist() == [
        *(total - token + asked for token in range(total)),
        *[asked] * written,
        *range(asked, 0, -1),
    ]


def test_bytes_are_those_of_the_tensors(tiny, picture):
    state = compress(prefill(tiny, tiny.first_turn(picture, QUESTION), FREQUENCY), Elastic(keep=0.4), reserve=30)
    config = tiny.model.config.text_config
    per_slot = 2 * config.num_key_value_heads * config.head_dim * 4
    step = next(decode(state, 5))
    assert step.bytes_held == [slots * per_slot for slots in step.slots]
    # Room for what 30 more tokens need at this budget, and one to write before one is evicted.
    room = int(0.4 * (state.seen - 1 + 30) + 1e-9) + 1
    assert step.bytes_allocated == room * per_slot * len(state.cache.prompt_slots)


def test_no_storage_is_allocated_while_decoding(tiny, picture):
    state = compress(prefill(tiny, tiny.first_turn(picture, QUESTION), FREQUENCY), Elastic(keep=0.4), reserve=50)
    addresses = {layer.keys.data_ptr() for layer in state.cache.layers}
    for _ in decode(state, 50):
        assert {layer.keys.data_ptr() for layer in state.cache.layers} == addresses


def test_closing_an_answer_leaves_its_state_usable(pocket, picture):
    state = compress(prefill(pocket, pocket.first_turn(picture, QUESTION), FREQUENCY), Elastic(keep=0.5))
    answer = decode(state, 50)
    seen = state.seen
    written = [next(answer) for _ in range(7)]
    answer.close()
    assert state.seen == seen + len(written)
    extend(state, pocket.next_turn("How many objects are there?"))
    assert list(decode(compress(state, state.policy), 10))


def test_sampling_is_reproducible_and_shared_between_sides(pocket, picture):
    start = prefill(pocket, pocket.first_turn(picture, QUESTION), FREQUENCY)

    def sample(policy, seed):
        return tokens_of(decode(compress(start, policy), 16, temperature=2.0, seed=seed))

    assert sample(Full(), 1) == sample(Full(), 1) == sample(Elastic(keep=1.0), 1)
    assert sample(Full(), 1) != sample(Full(), 2)


@pytest.mark.parametrize("name", ["full", "elastic", "elastic-plus", "elastic-released", "prefixkv", "streaming"])
def test_policies_that_promise_it_keep_the_first_and_the_last_prompt_token(name, tiny, picture):
    policy = POLICIES[name]()
    state = compress(prefill(tiny, tiny.first_turn(picture, QUESTION), policy.needs), policy)
    for source in state.cache.tables.source:
        assert all({0, state.seen - 1} <= set(row) for row in source.tolist())


@pytest.mark.parametrize("question", ["What is <image> here?", "</s> <s> <pad>", "\x00 \ufffc"])
def test_control_tokens_in_a_question_are_plain_text(tiny, picture, question):
    prompt = tiny.first_turn(picture, question)
    more = tiny.next_turn(question)
    image_id = tiny.model.config.image_token_id
    assert (prompt.ids == image_id).sum() == 256 and (prompt.ids == tiny.processor.tokenizer.bos_token_id).sum() == 1
    assert (more.ids == image_id).sum() == 0 and (more.ids == 2).sum() == 1
    state = compress(prefill(tiny, prompt, FREQUENCY), Elastic())
    extend(state, more)
    assert list(decode(compress(state, state.policy), 3))


@pytest.mark.parametrize("bad", [{"max_new_tokens": 0}, {"max_new_tokens": 5, "temperature": -1.0}])
def test_decode_refuses_what_makes_no_sense(tiny, picture, bad):
    state = compress(prefill(tiny, tiny.first_turn(picture, QUESTION), FREQUENCY), Full())
    with pytest.raises(ValueError, match=r"max_new_tokens >= 1"):
        next(decode(state, **bad))


def test_padded_prompts_are_refused(tiny, picture):
    prompt = tiny.first_turn(picture, QUESTION)
    mask = torch.ones_like(prompt.ids)
    mask[0, :3] = 0
    cache = ElasticCache(Full(), tiny.model)
    with pytest.raises(ValueError, match="padded"), torch.no_grad():
        tiny.model(input_ids=prompt.ids, **prompt.inputs, attention_mask=mask, past_key_values=cache)


def test_positions_stay_true_after_compression(tiny, picture):
    state = compress(prefill(tiny, tiny.first_turn(picture, QUESTION), FREQUENCY), Elastic(keep=0.2))
    total = state.seen
    list(decode(state, 3))
    source = state.cache.tables.source[0, 0, : state.cache.layers[0].used]
    assert source.max() in range(total, total + 3)
    assert np.isclose(state.cache.get_seq_length(), state.seen)
