"""What a model is told when it rehearses, how long texts are repeated in chunks, and what is refused in a sentence."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from elastic import rehearsal
from elastic.cache import ElasticCache
from elastic.engine import compress, decode, extend, prefill
from elastic.model import together
from elastic.policies.full import Full
from elastic.policies.kvzip import KVzip
from elastic.session import Comparison, run
from elastic.statistics import Rehearsed
from tests.small_text import books, text_model, tokens, write

STORY = "The dog sleeps. A cat sits on a chair and looks at the red ball. " * 3


def read(llava, prompt):
    return prefill(llava, prompt, KVzip().needs)


@pytest.fixture
def told(monkeypatch):
    """What models are given to read while they rehearse, as text, picture by picture."""
    found, own = [], rehearsal.Reader.read

    def note(llava, prompt, cache, forward):
        # One mark for a picture, however many tokens it has.
        text = "".join(llava.pieces([token for token in prompt.ids[0].tolist() if token != image_of(llava)]))
        found.append(("[picture]" if prompt.has_pictures else "") + text)
        return own(llava, prompt, cache, forward)

    monkeypatch.setattr(rehearsal.Reader, "read", note)
    return found


def image_of(llava):
    return getattr(llava.model.config, "image_token_id", None)


def test_pictures_words_and_answers_are_repeated_in_their_order(tiny, asked, told):
    state = read(tiny, asked)
    list(decode(state, 2, forced=[20, 30]))
    extend(state, tiny.next_turn("Where is the dog?"))
    told.clear()
    compress(state, KVzip())
    said = tiny.pieces([20, 30])
    assert told == [
        "</s>USER: Repeat the previous context exactly. ASSISTANT:",
        "[picture]\nDescribe the image in detail. ASSISTANT:",
        "".join(said) + "</s>USER: Where is the dog? ASSISTANT:",
    ]


def test_behind_an_answer_its_turn_is_ended_first_and_a_turn_that_is_open_goes_on(tiny, picture, told):
    context, question = tiny.halves(picture, "What?")
    state = read(tiny, context)
    told.clear()
    compress(state, KVzip())
    assert told == ["\nRepeat the previous context exactly. ASSISTANT:", "[picture]"]
    extend(state, question)
    list(decode(state, 2, forced=[20, 30]))
    told.clear()
    compress(state, KVzip())
    assert told[0] == "</s>USER: Repeat the previous context exactly. ASSISTANT:"
    assert told[1:] == ["[picture]", "\nWhat? ASSISTANT:" + "".join(tiny.pieces([20, 30]))]


def test_a_text_without_a_template_is_gone_on_with_in_plain_words(tiny_text, told):
    state = read(tiny_text, tiny_text.passage("The dog sleeps."))
    told.clear()
    compress(state, KVzip())
    assert told[0].strip() == "Repeat the previous context exactly." and "user" not in told[0]
    assert told[1].strip() == "The dog sleeps.", "and not the mark of a text's beginning"


@pytest.fixture(scope="module")
def eager_text(tiny_text_folder):
    return AutoModelForCausalLM.from_pretrained(tiny_text_folder, attn_implementation="eager").eval()


def test_chunks_of_a_long_text_look_at_themselves_and_at_the_first_tokens(tiny_text, eager_text, monkeypatch):
    """The library reads all of it and then each chunk; weights are those of a softmax over what takes part."""
    monkeypatch.setattr(rehearsal, "CHUNK", 40)
    prompt = tiny_text.first_turn(STORY * 2, "Where is the ball?")
    state, total = read(tiny_text, prompt), prompt.ids.shape[1]
    opening = tiny_text.opening(prompt.ids[0].tolist())
    assert tiny_text.text(prompt.ids[0, :opening].tolist()) == "user:" and total > 140
    expected = np.zeros((3, 2, total))
    for number, begin in enumerate(range(opening, total, 40)):
        what = "Repeat the previous context exactly."
        if number:
            led = tiny_text.text(prompt.ids[0, begin - 8 : begin].tolist())
            what = f"Repeat the part of the previous context exactly, starting with {led}"
        end = min(begin + 40, total)
        again = torch.cat([tiny_text.next_turn(what).ids, prompt.ids[:, begin:end]], 1)
        with torch.no_grad():
            output = eager_text(torch.cat([prompt.ids, again], 1), use_cache=False, output_attentions=True)
        looks = torch.stack(output.attentions)[:, 0, :, total:].double().numpy()
        takes_part = np.ones(looks.shape[-1], bool)
        takes_part[4:total] = False
        takes_part[(begin if number else 0) : end] = True
        looks = looks * takes_part
        looks /= looks.sum(-1, keepdims=True)
        expected = np.maximum(expected, looks[..., :total].max(2).reshape(3, 2, 2, total).max(2))
    found = compress(state, KVzip(keep=1.0)).cache.tables.scores[Rehearsed()].numpy()
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_batch_of_long_texts_is_refused(tiny_text, monkeypatch):
    monkeypatch.setattr(rehearsal, "CHUNK", 40)
    prompts = together([tiny_text.first_turn(STORY, what) for what in ("Where is the dog?", "Where is the cat?")])
    with pytest.raises(ValueError, match="in parts, each led by words of its own: read them one at a time"):
        compress(read(tiny_text, prompts), KVzip())


def test_sequences_of_a_batch_rehearse_as_each_alone(tiny_text):
    prompts = [tiny_text.first_turn(STORY, what) for what in ("Where is the dog?", "Where is the cat?")]
    for policy in (KVzip(keep=1.0), KVzip(keep=1.0, norms=True)):
        both = compress(read(tiny_text, together(prompts)), policy).cache.tables.scores[Rehearsed(policy.norms)]
        alone = [compress(read(tiny_text, of), policy).cache.tables.scores[Rehearsed(policy.norms)] for of in prompts]
        assert both.shape[1] == 4 and torch.allclose(both, torch.cat(alone, 1), atol=1e-4)


def test_what_cannot_be_repeated_within_the_models_room_is_refused(tiny_text):
    state = read(tiny_text, tiny_text.first_turn(STORY * 9, "Where?"))
    assert 512 < state.seen < 900, "of 1,024"
    before = books(state.cache)
    with pytest.raises(ValueError, match=rf"^{state.seen} tokens and their repetition, \d+ more, exceed the 1024"):
        compress(state, KVzip())
    assert books(state.cache) == before


def test_a_question_whose_conversation_cannot_be_repeated_is_refused_before_it_is_read(tiny, picture, monkeypatch):
    comparison = Comparison(tiny, picture, [Full(), KVzip(keep=0.4)])
    run(comparison, "What?", 3)
    seen, turns = [state.seen for state in comparison.states], comparison.turns
    monkeypatch.setattr(type(tiny), "room", max(seen) + 100)
    with pytest.raises(ValueError, match=r"to repeat them, exceed the \d+ .* choose a method that does not rehearse"):
        run(comparison, "Where?", 3)
    assert [state.seen for state in comparison.states] == seen
    monkeypatch.undo()
    run(comparison, "Where?", 3)
    assert len(comparison.turns) == 2 and comparison.turns[0] == turns[0]


def test_a_cache_that_generate_drives_says_that_it_cannot_rehearse():
    model = text_model()
    cache = ElasticCache(KVzip(), model)
    with pytest.raises(ValueError, match="KVzip has the model repeat all that it has read, which a cache cannot ask"):
        write(model, tokens(20), cache)
    assert cache.seen == 0 and cache.forward is None, "nothing was read"
    other = ElasticCache(Full(), model, needs=KVzip().needs)
    write(model, tokens(20), other)
    before = books(other)
    with pytest.raises(ValueError, match="KVzip has the model repeat"):
        other.compress(KVzip(), 8)
    assert books(other) == before


def test_a_rehearsal_does_not_hear_another_conversation_on_the_same_model(tiny_text):
    prompt = tiny_text.first_turn(STORY, "Where?")
    state = read(tiny_text, prompt)
    with rehearsal._listener(tiny_text, state.cache, Rehearsed(norms=True)) as listener:
        read(tiny_text, prompt)
        assert listener.given == {} == listener.strongest
    assert not any(layer.self_attn._forward_pre_hooks for layer in tiny_text.model.model.layers)


def test_what_is_kept_to_be_read_again_counts_as_memory_of_the_conversation(tiny, picture):
    comparison = Comparison(tiny, picture, [Full(), KVzip(keep=0.4)])
    run(comparison, "What?", 2)
    script = comparison.states[0].script
    encoded = script.prompts[0][1].encoded["image"].pooler_output
    assert script.nbytes >= sum(of.nbytes for of in encoded) + script.prompts[0][1].inputs["pixel_values"].nbytes
    assert comparison.nbytes > script.nbytes + sum(state.cache.bytes_allocated for state in comparison.states)
