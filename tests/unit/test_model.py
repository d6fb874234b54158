"""Loading: where weights go, and what is refused with what to do instead."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from elastic import model as loading
from elastic.engine import compress, decode, prefill
from elastic.model import Llava, load, together
from elastic.models import weights
from elastic.policies.elastic_plus import ElasticPlus

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")


@no_gpu
@pytest.mark.parametrize("wanted", [{"device": "cuda"}, {"four_bit": True}])
def test_a_gpu_that_is_not_there_is_asked_for_in_vain(wanted):
    with pytest.raises(ValueError, match=r"CUDA device.* was found\. Use --device cpu"):
        load(**wanted)


def test_what_is_no_checkpoint_is_named():
    for name in ("/no/such/folder", "./none", "../none"):
        with pytest.raises(ValueError, match=rf"There is no folder {Path(name)}\."):
            load(name, device="cpu")
    with pytest.raises(ValueError, match="Could not load 'no-such-organisation/no-such-model'"):
        load("no-such-organisation/no-such-model", device="cpu")


def test_an_adapter_is_told_from_a_model(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"holds an adapter.*merge_and_unload"):
        load(tmp_path, device="cpu")


def test_without_the_embedded_model_a_name_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "POCKET", tmp_path / "none")
    with pytest.raises(ValueError, match=r"no pocket-llava in .*none: .*Name a checkpoint, by folder or hub name"):
        load()


def test_packages_that_large_models_need_are_named_where_they_are_missing(monkeypatch):
    class TooLarge:
        def to(self, device):
            raise torch.cuda.OutOfMemoryError

    class Class:
        @staticmethod
        def from_pretrained(name, **options):
            return TooLarge(), {"missing_keys": set()}

    monkeypatch.setattr(weights, "find_spec", lambda package: None)
    monkeypatch.setattr(loading, "find_spec", lambda package: None)
    with pytest.raises(ValueError, match=r"does not fit.*pip install accelerate"):
        weights.open_weights(Class, "large", "cuda", {})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match=r"4-bit weights.*pip install accelerate bitsandbytes"):
        load(four_bit=True)


def test_what_takes_a_picture_refuses_a_later_turn(tiny, picture):
    first, later = tiny.first_turn(picture, "Where is the dog?"), tiny.next_turn("And the cat?")
    assert tiny.seen_image(first).size == picture.size
    with pytest.raises(ValueError, match="give the prompt of `first_turn`"):
        tiny.seen_image(later)
    with pytest.raises(ValueError, match="give prompts of `first_turn`"):
        together([first, replace(first, inputs={})])


def test_weights_spread_over_devices_answer_the_same(tiny, tiny_folder, tmp_path, picture):
    """Layers that wait on the disk until they are needed: what happens to a model that fits nowhere as a whole."""
    from accelerate import dispatch_model

    apart = load(tiny_folder, device="cpu").model
    places = {name: "cpu" for name, _ in apart.named_children()}
    places.pop("model")
    places |= {f"model.{name}": "cpu" for name, _ in apart.model.named_children()}
    places.pop("model.language_model")
    text = apart.model.language_model
    places |= {f"model.language_model.{name}": "cpu" for name, _ in text.named_children() if name != "layers"}
    places |= {f"model.language_model.layers.{n}": "disk" if n == 1 else "cpu" for n in range(len(text.layers))}
    spread = Llava(dispatch_model(apart, places, main_device="cpu", offload_dir=tmp_path), tiny.processor, "spread")
    assert next(text.layers[1].parameters()).device.type == "meta"
    assert spread.decoder is None, "the fast way would pass by the hooks that fetch the weights"
    policy = ElasticPlus(keep=0.3)
    prompt = tiny.first_turn(picture, "Describe the image in detail.")
    answers = []
    for llava in (tiny, spread):
        state = compress(prefill(llava, prompt, policy.needs), policy)
        answers.append([step.token for step in decode(state, 15)])
    assert answers[0] == answers[1]


@pytest.fixture
def old_files(tiny_folder, tmp_path):
    """A copy of the tiny checkpoint whose processor file has other entries; None takes one out."""

    def made(**entries):
        folder = shutil.copytree(tiny_folder, tmp_path / "old")
        file = folder / "processor_config.json"
        changed = json.loads(file.read_text()) | entries
        file.write_text(json.dumps({name: value for name, value in changed.items() if value is not None}))
        return folder

    return made


OLD = {"patch_size": None, "vision_feature_select_strategy": None, "num_additional_image_tokens": None}
WRONG = {"patch_size": 16, "vision_feature_select_strategy": "full", "num_additional_image_tokens": 0}


@pytest.mark.parametrize("entries", [{"patch_size": None}, OLD, WRONG], ids=["patch size gone", "all gone", "wrong"])
def test_how_many_tokens_a_picture_takes_is_known_from_the_model(tiny, old_files, picture, entries):
    old = load(old_files(**entries), device="cpu")
    found, expected = (llava.first_turn(picture, "Where is the dog?") for llava in (old, tiny))
    assert torch.equal(found.ids, expected.ids)
    assert torch.allclose(prefill(old, found).logits, prefill(tiny, expected).logits)


def test_a_checkpoint_that_does_not_say_how_to_ask_is_refused_when_it_is_loaded(old_files):
    folder = old_files()
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match=r"has no chat template.*chat_template\.jinja"):
        load(folder, device="cpu")


def test_pictures_of_another_size_are_refused_when_a_checkpoint_is_loaded(old_files, tiny_folder):
    images = json.loads((tiny_folder / "processor_config.json").read_text())["image_processor"]
    other = images | {"crop_size": {"height": 336, "width": 336}, "size": {"shortest_edge": 336}}
    with pytest.raises(ValueError, match=r"prepares pictures of 336 x 336 pixels.*reads 224 x 224"):
        load(old_files(image_processor=other), device="cpu")


def test_another_token_for_pictures_is_refused_when_a_checkpoint_is_loaded(old_files):
    folder = old_files()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"image_token_index": 7}))
    with pytest.raises(ValueError, match="another token for pictures"):
        load(folder, device="cpu")
