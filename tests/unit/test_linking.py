"""Chunks that were read elsewhere are linked: compared with the model written out, and with reading everything."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from elastic import engine
from elastic.engine import ALL, Stretch, compress, decode, extend, link, prefill
from elastic.model import Reading, together
from elastic.policies import POLICIES
from elastic.record.recorder import RECORDED, Recorder
from elastic.statistics import Attention
from elastic.statistics.tokens import Queries
from scenes.scene import random_scene, render
from tests.unit.linked_model import LinkedModel
from tests.unit.test_matrix import of

QUESTION = "Which animal is left of the tree?"
NEEDS = RECORDED.union(*(policy().needs for policy in POLICIES.values()))
KS = (0, 1, 4, 16)


def parts_of(llava, picture, question=QUESTION):
    """A prompt with its question before the picture: words, the picture, words."""
    prompt = llava.first_turn(picture, question, question_first=True)
    patches = np.flatnonzero(prompt.place[:, 1] >= 0)
    middle, behind = prompt.from_token(patches[0]).split(len(patches))
    return prompt, Reading(prompt.ids[:, : patches[0]]), middle, behind


@pytest.fixture(scope="module")
def parts(tiny, picture):
    return parts_of(tiny, picture)


@pytest.fixture(scope="module")
def alone(tiny, parts):
    """The picture, read with nothing before it."""
    return prefill(tiny, parts[2])


@pytest.fixture(scope="module")
def whole(tiny, parts):
    """Everything, read where it stands."""
    return prefill(tiny, parts[0], NEEDS)


def anew(before, chunk, behind, k):
    """The numbers of the tokens that are read anew."""
    return [*range(before + min(k, chunk)), *range(before + chunk, before + chunk + behind)]


def same_slots(state, oracle, atol=2e-4):
    return all(
        torch.allclose(ours[0].double(), theirs, atol=atol)
        for number, layer in enumerate(state.cache.layers)
        for ours, theirs in zip(layer.stored(), oracle.stored(number), strict=True)
    )


@pytest.mark.parametrize("k", KS)
def test_what_is_linked_is_what_the_model_written_out_makes_of_it(tiny, eager, parts, alone, k):
    _, before, middle, behind = parts
    first, count, last = (part.ids.shape[1] for part in (before, middle, behind))
    numbers = anew(first, count, last, k)
    given = [(part, 0, part.ids.shape[1]) for part in (before, middle, behind)]
    oracle = LinkedModel(eager, given, numbers)
    state = engine.link(tiny, [before, alone, behind], k, NEEDS)
    assert torch.allclose(state.logits[0], oracle.logits, atol=5e-4)
    assert same_slots(state, oracle)
    assert torch.allclose(state.looked, torch.tensor(oracle.maps[:, :, -1]).mean(1).float(), atol=1e-4)
    received = torch.tensor(oracle.maps.sum(2).mean(1)).float()
    assert torch.allclose(state.cache.tables.scores[Attention()][:, 0], received, atol=1e-3)
    asking = torch.tensor(oracle.maps[:, :, -last:].sum(2).mean(1)).float()
    of_words = state.cache.tables.scores[Attention(rows=Queries.AFTER_IMAGE)][:, 0]
    assert torch.allclose(of_words, asking, atol=1e-3), "the words behind the picture are all there"
    assert state.reuse.tokens == sorted(set(range(first + count + last)) - set(numbers))
    assert (state.reuse.begins, state.reuse.k) == ([first], k)


def test_reading_less_anew_makes_a_difference_that_the_tests_would_see(tiny, parts, alone, whole):
    _, before, _, behind = parts
    state = link(tiny, [before, alone, behind], 0)
    assert not torch.allclose(state.logits, whole.logits, atol=0.05)


def test_a_piece_out_of_the_midst_of_another_text_is_turned_to_its_new_place(tiny, eager, picture, parts):
    """The picture was read behind another question, and stands at another number than before."""
    _, before, middle, behind = parts
    other, lead, *_ = parts_of(tiny, picture, "How many things are there, and what is the biggest of all of them?")
    start, count = lead.ids.shape[1], middle.ids.shape[1]
    first, last = before.ids.shape[1], behind.ids.shape[1]
    assert start != first
    given = [(before, 0, first), (other, start, start + count), (behind, 0, last)]
    oracle = LinkedModel(eager, given, anew(first, count, last, 4))
    state = link(tiny, [before, Stretch(prefill(tiny, other), start, start + count), behind], 4)
    assert torch.allclose(state.logits[0], oracle.logits, atol=5e-4)
    assert same_slots(state, oracle)


def test_reading_everything_anew_is_reading_it(tiny, parts, alone, whole):
    _, before, _, behind = parts
    state = link(tiny, [before, alone, behind], ALL, NEEDS)
    assert torch.allclose(state.logits, whole.logits, atol=1e-4) and not state.reuse.tokens
    for ours, full in zip(state.cache.layers, whole.cache.layers, strict=True):
        assert all(torch.allclose(*pair, atol=1e-4) for pair in zip(ours.stored(), full.stored(), strict=True))
    ours, full = (list(decode(compress(one, POLICIES["full"]()), 16)) for one in (state, whole))
    assert [step.token for step in ours] == [step.token for step in full]
    assert np.allclose([step.logprob for step in ours], [step.logprob for step in full], atol=1e-3)
    assert np.array_equal(state.place, whole.place) and len(state.views) == len(whole.views) == 1


@pytest.mark.parametrize("name", POLICIES)
def test_every_method_chooses_of_what_was_all_read_anew_what_it_chooses_of_a_full_reading(
    tiny, parts, alone, whole, name
):
    _, before, _, behind = parts
    policy = of(name, 0.4)
    state = link(tiny, [before, alone, behind], ALL, NEEDS)
    ours, full = (compress(one, policy) for one in (state, whole))
    assert ours.cache.slots == full.cache.slots
    alike = (ours.cache.tables.owners() == full.cache.tables.owners()).float().mean()
    assert alike > 0.995, "but for ties that rounding decides"


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("k", [0, 4])
def test_every_method_can_compress_a_linked_state_and_answer_from_it(tiny, parts, alone, name, k):
    _, before, _, behind = parts
    policy = of(name, 0.4)
    state = compress(link(tiny, [before, alone, behind], k, policy.needs | RECORDED), policy)
    recorder = Recorder.of(state, QUESTION)
    for step in decode(state, 4, forced=[31, 45, 61, 77]):
        recorder.add(step)
    trace = recorder.trace("limit")
    trace.check()
    patches = trace.patches
    assert np.flatnonzero(trace.reused).tolist() == patches[k:].tolist()
    assert max(state.cache.slots) <= len(trace.pieces) + 4
    read = ~trace.reused
    assert trace.visible.tolist() == [int(read[token:].sum()) for token in range(len(trace.pieces))]


def test_sums_over_queries_are_weighed_by_those_that_were_read_anew(tiny, parts, alone):
    """Frequencies are sums over the number of queries that could see a token; taken-over tokens did not ask."""
    _, before, _, behind = parts
    state = link(tiny, [before, alone, behind], 4, NEEDS)
    seen = []

    class Looking(type(POLICIES["h2o"]())):
        def compress(self, layers, seen_tokens):
            seen.extend(layers)
            return super().compress(layers, seen_tokens)

    compress(state, Looking(keep=0.5))
    read = ~state.cache.tables.reused
    assert seen[0].queries[0].tolist() == [int(read[token:].sum()) for token in range(len(read))]


def test_the_beginning_of_a_text_is_taken_over_whole_and_changes_nothing(tiny, parts, whole):
    """It stands where it was read, behind nothing: no token of it need be read anew."""
    prompt, _, _, behind = parts
    begun = prefill(tiny, prompt.split(prompt.ids.shape[1] - behind.ids.shape[1])[0])
    state = link(tiny, [begun, behind], 0)
    assert torch.allclose(state.logits, whole.logits, atol=1e-4)
    assert len(state.reuse.tokens) == begun.seen and state.reuse.begins == []


def test_without_words_behind_it_the_last_token_alone_is_read_anew(tiny, eager, parts, alone):
    _, before, middle, _ = parts
    first, count = before.ids.shape[1], middle.ids.shape[1]
    numbers = [*range(first), first + count - 1]
    oracle = LinkedModel(eager, [(before, 0, first), (middle, 0, count)], numbers)
    state = link(tiny, [before, alone], 0)
    assert torch.allclose(state.logits[0], oracle.logits, atol=5e-4) and same_slots(state, oracle)


def test_words_are_read_behind_a_linked_state_as_if_they_had_been_linked_with_it(tiny, parts, alone):
    _, before, _, behind = parts
    more = tiny.next_turn("Where is the dog?")
    at_once = link(tiny, [before, alone, behind, more], 4)
    later = link(tiny, [before, alone, behind], 4)
    extend(later, more)
    assert torch.allclose(later.logits, at_once.logits, atol=2e-4)


def test_a_later_turn_goes_on_behind_what_was_linked_and_answered(tiny, parts, alone):
    """Also once it was compressed: the full cache keeps everything, and so does one that compresses to all of it."""
    _, before, _, behind = parts
    written, found = [31, 45, 61, 77], []
    for name in ("full", "snapkv"):
        policy = POLICIES[name](keep=1.0)
        state = compress(link(tiny, [before, alone, behind], 4, policy.needs), policy)
        list(decode(state, 4, forced=written))
        extend(state, tiny.next_turn("Where is the dog?"))
        found.append([step.token for step in decode(compress(state, policy), 6)])
    ids = Reading(torch.tensor([written]))
    linked = link(tiny, [before, alone, behind, ids, tiny.next_turn("Where is the dog?")], 4)
    assert found[0] == found[1] == [step.token for step in decode(linked, 6)]


def test_a_linked_state_is_a_chunk_itself(tiny, parts, alone, whole):
    _, before, _, behind = parts
    once = link(tiny, [before, alone, behind], ALL)
    again = link(tiny, [once, tiny.next_turn("And now?")], 0)
    extend(whole_again := replace(whole, cache=whole.cache.fork()), tiny.next_turn("And now?"))
    assert torch.allclose(again.logits, whole_again.logits, atol=2e-4)


def test_sequences_that_are_linked_together_are_linked_each(tiny):
    pictures = [render(random_scene(seed))[0] for seed in ("one", "two")]
    found = [parts_of(tiny, picture) for picture in pictures]
    before, middle, behind = (together([of_one[part] for of_one in found]) for part in (1, 2, 3))
    state = link(tiny, [before, prefill(tiny, middle), behind], 4, NEEDS)
    for number, (_, one_before, one_middle, one_behind) in enumerate(found):
        one = link(tiny, [one_before, prefill(tiny, one_middle), one_behind], 4, NEEDS)
        assert torch.allclose(state.logits[number], one.logits[0], atol=2e-4)
        scores = state.cache.tables.scores[Attention()].unflatten(1, (2, -1))[:, number]
        assert torch.allclose(scores, one.cache.tables.scores[Attention()], atol=1e-3)


def test_texts_are_linked_likewise(tiny_text):
    """Two texts that were each read alone, and a question behind them."""
    first, second = (tiny_text.passage(text) for text in ("The dog runs to the tree. " * 5, "A cat sleeps in it. " * 5))
    question = Reading(tiny_text.next_turn("Who sleeps?").ids)
    states = [prefill(tiny_text, one) for one in (first, second)]
    full = prefill(tiny_text, Reading(torch.cat([first.ids, second.ids, question.ids], 1)))
    everything = link(tiny_text, [*states, question], ALL)
    assert torch.allclose(everything.logits, full.logits, atol=2e-4)
    some = link(tiny_text, [*states, question], 4)
    begin = first.ids.shape[1]
    assert some.reuse.begins == [begin]
    assert some.reuse.tokens == [*range(begin), *range(begin + 4, begin + second.ids.shape[1])]
    assert not torch.allclose(some.logits, full.logits, atol=1e-3)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda before, alone, behind: [before, behind], "nothing to take over"),
        (lambda before, alone, behind: [before, Stretch(alone, 4, 2), behind], "There are no tokens 4 to 2"),
        (lambda before, alone, behind: [before, Stretch(alone, 0, 9999), behind], "There are no tokens 0 to 9999"),
        (lambda before, alone, behind: [before, Stretch(alone, 0, 9), behind], "A picture goes on behind"),
        (lambda before, alone, behind: [before, Stretch(alone, 9), behind], "A picture begins before"),
        (lambda before, alone, behind: [before, compress(alone, POLICIES["knorm"](keep=0.5)), behind], "full cache"),
        (lambda before, alone, behind: [before, alone, behind.without([1])], "Tokens were erased"),
        (lambda before, alone, behind: [together([before, before]), alone, behind], "1 to 2 sequences"),
    ],
)
def test_what_cannot_be_linked_is_said(tiny, parts, alone, wrong, sentence):
    _, before, _, behind = parts
    with pytest.raises(ValueError, match=sentence):
        link(tiny, wrong(before, alone, behind), 4)


def test_words_that_are_no_prompt_yet_are_refused_with_what_a_chunk_is(tiny, alone):
    with pytest.raises(
        ValueError, match="A str cannot be linked: each chunk is a state, a Stretch of one, or a prompt"
    ):
        link(tiny, ["Look at this.", alone], 4)


def test_fewer_than_no_tokens_are_refused(tiny, parts, alone):
    with pytest.raises(ValueError, match="The first -1 tokens"):
        link(tiny, [parts[1], alone, parts[3]], -1)


def test_what_another_model_has_read_is_refused(tiny, tiny_text, parts):
    with pytest.raises(ValueError, match="another model"):
        link(tiny, [parts[1], prefill(tiny_text, tiny_text.passage("A dog.")), parts[3]], 4)
