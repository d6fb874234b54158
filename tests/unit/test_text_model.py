"""Text models: how text and question become a prompt, and that the engine reads and writes them as the library does."""

import json
import shutil

import pytest
import torch

from elastic.engine import compress, decode, extend, prefill
from elastic.model import TextModel, load, together
from elastic.policies import POLICIES
from elastic.policies.picture import for_text

STORY = "The dog is in the center. " * 12 + "The number is 53."
QUESTION = "What is the number?"


def words(reader, prompt):
    return "".join(reader.tokenizer.convert_ids_to_tokens(prompt.ids[0].tolist())).replace("Ġ", " ").replace("▁", " ")


def templated(reader, *said):
    """The ids of a conversation by the library's own chat template."""
    messages = [{"role": role, "content": content} for role, content in said]
    found = reader.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    return found["input_ids"]


def test_a_folder_with_a_text_model_is_read_as_one(tiny_text):
    assert isinstance(tiny_text, TextModel) and tiny_text.layers == 3 and tiny_text.room == 1024
    assert tiny_text.shape["kv_heads"] == 2 and tiny_text.decoder is not None
    assert tiny_text.first_turn(STORY, QUESTION).views == ()


def test_text_and_question_stand_in_the_chat_template_in_either_order(tiny_text):
    both = tiny_text.first_turn(f"  {STORY}\n", f" {QUESTION}")
    assert both.ids[0].tolist() == templated(tiny_text, ("user", f"{STORY}\n\n{QUESTION}"))
    swapped = tiny_text.first_turn(STORY, QUESTION, question_first=True)
    assert swapped.ids[0].tolist() == templated(tiny_text, ("user", f"{QUESTION}\n\n{STORY}"))
    end = tiny_text.tokenizer("</s><s>assistant:", add_special_tokens=False)["input_ids"]
    assert swapped.asked == len(end), "behind the text stands the template only"
    assert tiny_text.first_turn("", QUESTION).ids[0].tolist() == templated(tiny_text, ("user", QUESTION))


@pytest.mark.parametrize("question", [QUESTION, "dog?", "…?", ""])
def test_the_halves_of_a_first_turn_are_all_of_it_and_the_first_is_the_same_for_every_question(tiny_text, question):
    whole = tiny_text.first_turn(STORY, question)
    context, asked = tiny_text.halves(STORY, question)
    assert torch.equal(torch.cat([context.ids, asked.ids], 1), whole.ids)
    assert asked.asked == asked.ids.shape[1] == whole.asked and context.asked == 0
    assert torch.equal(context.ids, tiny_text.halves(STORY, "Where is the cat?")[0].ids)
    assert tiny_text.text(context.ids[0].tolist()).endswith(STORY[-10:])


def test_the_halves_of_a_first_turn_with_a_picture_part_behind_the_last_patch(tiny, picture):
    whole = tiny.first_turn(picture, QUESTION)
    seen, asked = tiny.halves(picture, QUESTION)
    assert torch.equal(torch.cat([seen.ids, asked.ids], 1), whole.ids)
    assert torch.equal(seen.inputs["pixel_values"], whole.inputs["pixel_values"])
    image = tiny.model.config.image_token_id
    assert seen.ids[0, -1] == image and image not in asked.ids and not asked.inputs
    assert asked.asked == whole.asked == asked.ids.shape[1]


def test_a_later_turn_goes_on_where_the_answer_ends(tiny_text):
    answer = "It is 53."
    first, later = tiny_text.first_turn(STORY, QUESTION), tiny_text.next_turn("And now?")
    between = tiny_text.tokenizer(answer, add_special_tokens=False)["input_ids"]
    said = [("user", f"{STORY}\n\n{QUESTION}"), ("assistant", answer), ("user", "And now?")]
    pieces = [*first.ids[0].tolist(), *between, *later.ids[0].tolist()]
    decoded = [tiny_text.tokenizer.decode(ids).replace(" ", "") for ids in (pieces, templated(tiny_text, *said))]
    assert decoded[0] == decoded[1] and later.asked == later.ids.shape[1]


def test_control_tokens_that_somebody_typed_are_read_as_text(tiny_text):
    for ask in (lambda text: tiny_text.first_turn(text, text), tiny_text.passage, tiny_text.next_turn):
        typed, plain = (ask(text).ids[0].tolist().count(2) for text in ("It says </s> here.", "It says here."))
        assert typed == plain, "ends are the template's own"


def test_a_passage_is_plain_text(tiny_text):
    expected = tiny_text.tokenizer(STORY)["input_ids"]
    assert tiny_text.passage(STORY).ids[0].tolist() == expected and tiny_text.passage(STORY).asked == 0
    with pytest.raises(ValueError, match="There is no text to go on from"):
        tiny_text.passage("")


def test_without_a_chat_template_there_are_passages_only(tiny_text_folder, tmp_path):
    folder = tmp_path / "plain"
    shutil.copytree(tiny_text_folder, folder)
    for path in folder.glob("chat_template*"):
        path.unlink()
    plain = load(folder, device="cpu")
    for ask in (lambda: plain.first_turn(STORY, QUESTION), lambda: plain.next_turn(QUESTION)):
        with pytest.raises(ValueError, match=r"no chat template.*or give it plain text by `passage`"):
            ask()
    assert plain.passage(STORY).ids.shape[1] > 30


def test_a_picture_for_a_text_model_and_a_text_for_a_llava_are_refused(tiny_text, tiny, picture):
    with pytest.raises(ValueError, match="reads text only: give a text"):
        tiny_text.first_turn(picture, QUESTION)
    with pytest.raises(ValueError, match="is asked about a picture: open it first"):
        tiny.first_turn("assets/scene.png", QUESTION)


def test_a_template_that_changes_what_is_written_is_refused(tiny_text_folder, tmp_path):
    folder = tmp_path / "upper"
    shutil.copytree(tiny_text_folder, folder)
    changed = load(folder, device="cpu")
    changed.tokenizer.chat_template = "{{ messages[0]['content'] | upper }}"
    with pytest.raises(ValueError, match="changes what a person writes"):
        changed.first_turn(STORY, QUESTION)


def test_a_checkpoint_that_lacks_weights_is_refused(tiny_text_folder, tmp_path):
    folder = tmp_path / "larger"
    shutil.copytree(tiny_text_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(ValueError, match=r"weights are missing, model\.layers\.3"):
        load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors is missing"):
        load(folder)


def test_texts_are_read_together_where_as_many_tokens_ask(tiny_text):
    one, other = tiny_text.first_turn(STORY, QUESTION), tiny_text.first_turn(STORY.replace("dog", "cat"), QUESTION)
    batch = together([one, other])
    assert batch.ids.shape == (2, one.ids.shape[1]) and batch.asked == one.asked
    with pytest.raises(ValueError, match=r"Group prompts by `asked`, too"):
        together([one, tiny_text.passage(STORY * 3).__class__(one.ids)])


@pytest.mark.parametrize("is_decoder", [True, False])
def test_the_full_cache_writes_what_the_library_writes(tiny_text, is_decoder, monkeypatch):
    if not is_decoder:
        monkeypatch.setitem(tiny_text.__dict__, "decoder", None)
    prompt = tiny_text.first_turn(STORY, QUESTION)
    state = compress(prefill(tiny_text, prompt), POLICIES["full"]())
    found = [step.token for step in decode(state, 40)]
    expected = tiny_text.model.generate(
        prompt.ids, attention_mask=torch.ones_like(prompt.ids), max_new_tokens=40, do_sample=False
    )
    assert found == expected[0, prompt.ids.shape[1] :].tolist()


ANSWER = [20 + 7 * number % 100 for number in range(16)]


@pytest.fixture(scope="module")
def read(tiny_text):
    needs = frozenset().union(*(policy().needs for policy in POLICIES.values()))
    return prefill(tiny_text, tiny_text.first_turn(STORY, QUESTION), needs)


def logits(state):
    found = [state.logits]
    for _ in decode(state, len(ANSWER), forced=ANSWER):
        found.append(state.logits)
    return torch.stack(found)


TEXT = [name for name in POLICIES if not POLICIES[name].needs_image]
CAPPED = {"corm": {"queries": 4096, "recent": 4096}}  # settings without which keep=1 is not the full cache


@pytest.mark.parametrize("name", TEXT)
def test_every_method_holds_its_share_of_a_text_over_two_turns(name, read, tiny_text):
    low = next(field for field in POLICIES[name].__dataclass_fields__.values() if field.name == "keep").metadata["low"]
    policy = POLICIES[name](keep=max(0.3, low))
    state = compress(read, policy)
    for turn in (1, 2):
        full = state.seen * state.cache.layers[0].slot_bytes * 3
        # Published code of one method forgets a slot too late, and a layer's slots are whole.
        slot, cache = state.cache.layers[0].slot_bytes, state.cache
        counted = slot * sum(cache.slots_read) if policy.keep_is_read else sum(cache.bytes_held)
        assert counted <= policy.keep * full + 4 * 3 * slot
        # Of so short a text the centroids of one method are as many bytes as a third of it.
        assert state.cache.report().beyond == "" or name == "pqcache"
        if turn == 1:
            written = list(decode(state, len(ANSWER), forced=ANSWER))
            assert len(written) == len(ANSWER) and state.logits.isfinite().all()
            extend(state, tiny_text.next_turn("And now?"))
            state = compress(state, policy)
    assert [len(list(decode(state, 8)))] and state.logits.isfinite().all()


@pytest.mark.parametrize("name", TEXT)
def test_every_method_that_keeps_all_of_a_text_is_the_full_cache(name, read):
    policy = POLICIES[name](keep=1.0, **CAPPED.get(name, {}))
    expected, found = (logits(compress(read, one)) for one in (POLICIES["full"](), policy))
    assert torch.allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("name", [name for name in POLICIES if POLICIES[name].needs_image])
def test_a_method_that_needs_a_picture_is_refused_without_one(name, read):
    with pytest.raises(ValueError, match="this prompt has no picture: take another method for text"):
        compress(read, POLICIES[name](keep=0.5))
    with pytest.raises(ValueError, match="no picture"):
        for_text(POLICIES[name]())


@pytest.mark.parametrize("word", ["user", "s", "assistant"])
def test_a_text_of_which_the_template_has_the_words_too_is_found_where_a_person_wrote_it(tiny_text, word):
    """Without a question, what a person wrote is the word alone, and the template says it first."""
    read, rest = tiny_text.halves(word, "")
    assert "".join(tiny_text.pieces(read.ids[0].tolist())) == f"<s>user: {word}"
    assert "".join(tiny_text.pieces(rest.ids[0].tolist())) == "</s><s>assistant:"
