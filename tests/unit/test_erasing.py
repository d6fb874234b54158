"""Erased tokens: as if nobody could look at them, against the library's eager attention with -inf in their columns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic.engine import compress, decode, extend, prefill
from elastic.policies import POLICIES
from elastic.record.recorder import RECORDED, Recorder
from elastic.statistics import Attention
from tests.unit.any_policy import policies
from tests.unit.test_matrix import KEEPS_ALL

STEPS = 12
ANSWER = [20 + 7 * number % 150 for number in range(STEPS)]  # no end of sequence among them
NEEDS = frozenset().union(RECORDED, *(policy().needs for policy in POLICIES.values()))


def some(prompt):
    """A quarter of the patches, here and there, the first token, and two words of the question."""
    patches = np.flatnonzero(prompt.place[:, 3] >= 0)
    words = range(prompt.ids.shape[1] - 9, prompt.ids.shape[1] - 7)
    return (0, *patches[::4].tolist(), *words)


@pytest.fixture(scope="module")
def erased(asked):
    return some(asked)


@pytest.fixture(scope="module")
def without(tiny, asked, erased):
    """The prompt, read without some of its tokens."""
    return prefill(tiny, asked.without(erased), NEEDS)


@torch.no_grad()
def oracle(eager, prompt, erased, behind=(), **asks):
    """The library's output for a prompt and tokens behind it, with -inf above the diagonal and below what is erased."""
    ids = torch.cat([prompt.ids, torch.tensor([list(behind)], dtype=torch.long)], 1)
    count = ids.shape[1]
    mask = torch.zeros(count, count)
    for token in erased:
        mask[token + 1 :, token] = -torch.inf
    mask = mask.masked_fill(torch.ones(count, count).triu(1).bool(), -torch.inf)
    given = {"attention_mask": mask[None, None], "position_ids": torch.arange(count)[None]}
    return eager(input_ids=ids, **prompt.inputs, **given, use_cache=False, **asks)


def test_what_is_erased_is_masked_for_all_that_is_read_behind_it(eager, asked, erased, without, start):
    logits = oracle(eager, asked, erased).logits[0, -1]
    assert torch.allclose(without.logits[0], logits, atol=2e-4)
    assert not torch.allclose(without.logits[0], start.logits[0], atol=0.05), "it makes a difference"


def test_the_answer_is_that_of_the_masked_full_cache_token_for_token(eager, asked, erased, without):
    state, written = compress(without, POLICIES["full"]()), []
    for step in decode(state, STEPS):
        logits = oracle(eager, asked, erased, written).logits[0, -1]
        assert step.token == int(logits.argmax())
        assert step.logprob == pytest.approx(float(logits.log_softmax(-1)[step.token]), abs=1e-3)
        written.append(step.token)


def test_what_is_known_of_the_attention_is_as_if_the_erased_had_never_looked(eager, asked, erased, without):
    maps = torch.stack(oracle(eager, asked, erased, output_attentions=True).attentions)[:, 0]  # (L, H, T, T)
    reads = torch.ones(asked.ids.shape[1]).bool()
    reads[list(erased)] = False
    expected = maps[:, :, reads].sum(2).mean(1)
    tables = without.cache.tables
    for layer in range(len(maps)):
        tokens = tables.source[layer, 0]
        assert tokens.tolist() == reads.nonzero()[:, 0].tolist()
        assert torch.allclose(tables.scores[Attention()][layer, 0], expected[layer, tokens], atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(policy=policies(least=0.02), chosen=st.data())
def test_no_method_keeps_or_merges_what_is_erased(policy, chosen, tiny, asked):
    last = asked.ids.shape[1] - 1
    erased = sorted(chosen.draw(st.sets(st.integers(0, last - 1), max_size=last // 2), "erased"))
    state = compress(prefill(tiny, asked.without(erased), policy.needs | RECORDED), policy)
    recorder = Recorder.of(state, "")
    for step in decode(state, STEPS, forced=ANSWER):
        recorder.add(step)
    trace = recorder.trace()
    trace.check()
    assert (trace.owner[..., erased] == -1).all() and np.isnan(trace.score[:, erased]).all()
    assert not np.isin(trace.owner, erased).any(), "nothing is merged into it"
    assert not trace.looked[..., erased].any() and not np.isin(trace.joined, erased).any()
    assert max(trace.prompt_slots) <= len(trace.pieces) - len(erased)


@pytest.mark.parametrize("name", POLICIES)
def test_a_method_that_keeps_everything_keeps_all_that_is_left(name, without, erased):
    state = compress(without, POLICIES[name](keep=1.0, **KEEPS_ALL.get(name, {})))
    assert set(state.cache.slots) == {without.seen - len(erased)}
    assert set(state.cache.tables.source[0].flatten().tolist()) == set(range(without.seen)) - set(erased)


def test_a_later_question_does_not_see_what_was_erased_before(eager, asked, erased, without, tiny):
    state = compress(without, POLICIES["full"]())
    written = [step.token for step in decode(state, 4, forced=[31, 45, 61, 77])]
    more = tiny.next_turn("Where is the dog?")
    extend(state, more)
    logits = oracle(eager, asked, erased, [*written, *more.ids[0].tolist()]).logits[0, -1]
    assert torch.allclose(state.logits[0], logits, atol=5e-4)


def test_a_question_that_a_compressed_cache_reads_may_lack_words_too(eager, tiny, picture, asked, erased):
    first, rest = (
        tiny.first_turn(picture, "Describe the image in detail.")
        .without(erased)
        .split(asked.ids.shape[1] - asked.asked)
    )
    state = compress(prefill(tiny, first, NEEDS), POLICIES["full"]())
    extend(state, rest)
    assert (state.cache.tables.owners()[..., list(erased)] == -1).all()
    assert torch.allclose(state.logits[0], oracle(eager, asked, erased).logits[0, -1], atol=5e-4)


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        (lambda prompt: [prompt.ids.shape[1]], "no such token"),
        (lambda prompt: [-1], "no such token"),
        (lambda prompt: [prompt.ids.shape[1] - 1], "begins the answer"),
        (lambda prompt: np.flatnonzero(prompt.place[:, 3] >= 0).tolist(), "Nothing would be left of a picture"),
    ],
)
def test_what_cannot_be_erased_is_said(asked, which, sentence):
    with pytest.raises(ValueError, match=sentence):
        asked.without(which(asked))
