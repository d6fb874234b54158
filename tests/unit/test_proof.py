"""Before a model is called live it has read what the library reads, token by token and number by number."""

import json

import pytest
import torch

from elastic import model as loading
from elastic.cache import ElasticCache
from elastic.engine import compress, decode, prefill
from elastic.model import Llava, TextModel, load
from elastic.models import proof
from elastic.models.decoder import Decoder
from elastic.models.qwen_vl import Qwen2VL
from elastic.models.reading import PIXELS
from elastic.policies.full import Full
from tests import families
from tests.damaged import copy, with_settings, with_weights


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return copy(tiny_folder, tmp_path / "copy")


@pytest.fixture
def text_folder(tiny_text_folder, tmp_path):
    return copy(tiny_text_folder, tmp_path / "text")


def refused(folder, *parts):
    """What is said when the folder is loaded: one line that names it, with all these parts."""
    with pytest.raises(ValueError) as error:
        load(folder, device="cpu")
    said = str(error.value)
    assert all(part in said for part in (str(folder), *parts)), said
    assert "\n" not in said and len(said) < 600, said
    return said


def changed(monkeypatch, change):
    """Every first turn about a picture as `change` makes it of the right one."""
    right = Llava.first_turn
    monkeypatch.setattr(Llava, "first_turn", lambda *args, **kwargs: change(right(*args, **kwargs)))


def test_a_prompt_of_other_tokens_than_the_librarys_is_refused(folder, monkeypatch):
    def twice(reading):  # the first token, which some templates write and some tokenizers add
        more = reading.ids[:, :1]
        place = reading.place[[0, *range(len(reading.place))]]
        return type(reading)(torch.cat([more, reading.ids], 1), reading.inputs, views=reading.views, place=place)

    changed(monkeypatch, twice)
    refused(folder, "differs at token 1: '<s>' in place of", "cannot be read")


def test_other_pixels_than_the_librarys_are_refused(folder, monkeypatch):
    def darker(reading):
        inputs = {PIXELS: reading.inputs[PIXELS] * 0.9}
        return type(reading)(reading.ids, inputs, views=reading.views, place=reading.place)

    changed(monkeypatch, darker)
    refused(folder, "(pixel_values) is not what the library's own processor makes of it")


@pytest.mark.parametrize("kind", ["picture", "text"])
def test_other_positions_than_the_librarys_are_refused(kind, folder, text_folder, monkeypatch):
    right = ElasticCache.enter

    def late(cache, ids, *args, **kwargs):
        forward = right(cache, ids, *args, **kwargs)
        forward.positions[:, -1] += 5
        return forward

    monkeypatch.setattr(ElasticCache, "enter", late)
    refused(folder if kind == "picture" else text_folder, "is read otherwise here than by the library: behind a prompt")


def test_positions_of_three_axes_that_are_taken_for_one_are_refused(tmp_path, monkeypatch):
    """As when only the name of a family was added: wrong, and no error anywhere."""
    families.MAKERS["qwen2-vl"](tmp_path / "model")
    load(tmp_path / "model", device="cpu")
    monkeypatch.setattr(Qwen2VL, "_positions", lambda reader, reading: None)
    refused(tmp_path / "model", "is read otherwise here than by the library: behind a prompt")


def test_a_step_that_writes_otherwise_than_the_library_is_refused(folder, monkeypatch):
    right = Decoder.run
    monkeypatch.setattr(Decoder, "run", lambda *args: right(*args).roll(1, -1))
    refused(folder, "behind a token behind it, logits differ")


@pytest.mark.parametrize("number", ["a lost layer", "a wrong last layer"])
def test_what_is_proven_with_few_layers_is_proven_with_all_of_them_on_words(number, folder, monkeypatch):
    """As for a large model on a CPU: the picture through the first layer alone."""
    monkeypatch.setattr(proof, "BUDGET", 1)
    monkeypatch.setattr(proof, "FEWEST", 1)
    reader = load(folder, device="cpu")
    text = reader.model.get_decoder()
    assert len(text.layers) == text.config.num_hidden_layers == reader.layers == 3
    assert len(reader.decoder.blocks) == 3 and "get_image_features" not in vars(reader.model.model)
    last = "layers.2.mlp.up_proj.weight"
    if number == "a lost layer":
        broken = with_weights(
            folder, lambda all_: {n: w * torch.nan if n.endswith(last) else w for n, w in all_.items()}
        )
        refused(broken, f"{last} hold what is no number")
    else:
        right = Decoder.run

        def run(decoder, *args):
            return right(decoder, *args) * (1 if len(decoder.blocks) == 1 else 2)

        monkeypatch.setattr(Decoder, "run", run)
        refused(folder, "behind a token behind it, logits differ")


def test_a_large_models_last_layers_read_words_and_not_the_picture(folder, monkeypatch):
    monkeypatch.setattr(proof, "BUDGET", 1)
    monkeypatch.setattr(proof, "FEWEST", 2)
    right, read = loading.prove, {1: [], 2: []}

    def watched(reader):
        for number, tokens in read.items():
            layer = reader.model.get_decoder().layers[number]
            layer.register_forward_pre_hook(lambda _, args, tokens=tokens: tokens.append(args[0].shape[1]))
        right(reader)

    monkeypatch.setattr(loading, "prove", watched)
    load(folder, device="cpu")
    assert max(read[1]) > 256 and 1 < max(read[2]) < 60


def test_a_proof_sends_its_picture_through_the_tower_once(folder, monkeypatch):
    began = []
    right = loading.prove

    def watched(reader):
        hook = reader.model.model.vision_tower.register_forward_hook(lambda *args: began.append(1))
        right(reader)
        hook.remove()

    monkeypatch.setattr(loading, "prove", watched)
    load(folder, device="cpu")
    assert began == [1]


def test_the_proof_leaves_weights_that_can_be_trained_and_a_model_that_answers_as_the_library(folder, picture):
    reader = load(folder, device="cpu")
    assert not any(weight.is_inference() for weight in reader.model.parameters())
    prompt = reader.first_turn(picture, "Where is the dog?")
    found = [step.token for step in decode(compress(prefill(reader, prompt), Full()), 10)]
    written = reader.model.generate(
        input_ids=prompt.ids,
        **prompt.inputs,
        attention_mask=torch.ones_like(prompt.ids),
        max_new_tokens=10,
        do_sample=False,
    )
    assert found == written[0, prompt.ids.shape[1] :].tolist()


def test_how_a_checkpoint_wants_to_be_sampled_is_no_matter_of_its_proof(folder):
    wishes = {"do_sample": True, "temperature": 0.6, "repetition_penalty": 1.3, "num_beams": 4, "suppress_tokens": [3]}
    with_settings(folder, "generation_config.json", **wishes, max_length=20, cache_implementation="static")
    reader = load(folder, device="cpu")
    assert reader.model.generation_config.num_beams == 4, "it is left to the checkpoint"


def test_image_tokens_that_are_not_as_many_as_the_tower_gives_are_refused(folder, monkeypatch):
    monkeypatch.setattr(loading, "fit_processor", lambda *args: None)  # which would mend it
    refused(with_settings(folder, "processor_config.json", patch_size=28), "image tokens", "64")


def test_settings_that_contradict_each_other_are_told_in_a_sentence(folder):
    refused(
        with_settings(folder, vision_feature_layer=7), "cannot read a prompt", "from where the weights were published"
    )


@pytest.mark.parametrize("begins", [True, False], ids=["template with bos", "template without"])
def test_a_prompt_begins_once_and_later_turns_not_again(begins, folder, picture):
    path = folder / "chat_template.jinja"
    path.write_text(("{{ bos_token }}" if begins else "") + path.read_text())
    reader = load(folder, device="cpu")
    bos = reader.tokenizer.bos_token_id
    assert reader.first_turn(picture, "Where?").ids[0].tolist().count(bos) == 1
    assert bos not in reader.next_turn("And now?").ids[0].tolist()


def test_an_answer_ends_where_the_template_ends_a_turn_whatever_the_checkpoint_names(tmp_path):
    families.llava_interleave(tmp_path / "model")
    words = json.loads((tmp_path / "model" / "tokenizer.json").read_text())["added_tokens"]
    ids = {token["content"]: token["id"] for token in words}
    with_settings(tmp_path / "model", "generation_config.json", eos_token_id=ids["<|endoftext|>"])
    reader = load(tmp_path / "model", device="cpu")
    assert reader.end_ids == {ids["<|endoftext|>"], ids["<|im_end|>"]}


def test_a_template_without_an_end_of_turn_adds_none(folder):
    path = folder / "chat_template.jinja"
    path.write_text(path.read_text().replace(" + '</s>'", ""))
    with_settings(folder, "generation_config.json", eos_token_id=3)
    assert load(folder, device="cpu").end_ids == {3}


def test_a_template_that_forgets_answers_is_refused(folder):
    path = folder / "chat_template.jinja"
    path.write_text("{% set messages = messages[-1:] %}" + path.read_text())
    refused(folder, "leaves out what was answered")


def test_a_template_that_fails_is_told_in_a_sentence(folder):
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] ")
    refused(folder, "cannot be asked about a picture", "chat template from where the weights were published")


def test_a_text_model_without_a_template_is_proven_on_a_passage(text_folder):
    for path in text_folder.glob("chat_template*"):
        path.unlink()
    assert isinstance(load(text_folder, device="cpu"), TextModel)
    weights = {"model.layers.1.self_attn.k_proj.weight"}
    broken = with_weights(text_folder, lambda all_: {n: w * torch.inf if n in weights else w for n, w in all_.items()})
    refused(broken, "layers.1.self_attn.k_proj.weight hold what is no number")
