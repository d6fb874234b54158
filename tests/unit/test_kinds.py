"""What kind of model a checkpoint is, is known from its settings: refusals come before any weight is fetched."""

import pytest
import torch
from transformers import PretrainedConfig

from elastic import model as loading
from elastic.model import load
from elastic.models import families, weights
from elastic.models.checkpoint import Unfit
from tests.damaged import copy, with_settings


@pytest.fixture
def on_the_hub(monkeypatch):
    """Have a checkpoint on the hub by name, of which nothing but settings can be fetched."""

    def fetched(*args, **kwargs):
        raise AssertionError("more than config.json was fetched")

    def published(**settings):
        monkeypatch.setattr(PretrainedConfig, "get_config_dict", classmethod(lambda cls, name: (settings, {})))
        for module, name in ((loading, "AutoConfig"), (loading, "open_weights"), (weights, "open_weights")):
            monkeypatch.setattr(module, name, fetched)
        return "somebody/model"

    return published


def refused(name, *parts):
    with pytest.raises(ValueError) as error:
        load(name, device="cpu")
    said = str(error.value)
    assert all(part in said for part in (str(name), *parts)), said
    assert "\n" not in said and len(said) < 500, said


REASONS = {
    "gemma3": "tokens of a picture see each other in both directions",
    "gemma2": "window that slides",
    "paligemma": "the whole prompt sees itself in both directions",
    "qwen3_5": "linear attention, which holds a state and no keys",
    "mllama": "layers of their own",
    "blip-2": "learned queries stand for a picture",
    "qwen2_audio": "it listens",
    "mamba": "no attention",
    "llava_llama": "converted for transformers",
}


@pytest.mark.parametrize("kind", REASONS)
def test_a_kind_that_cannot_be_read_is_refused_with_the_true_reason_and_before_its_weights(kind, on_the_hub):
    refused(on_the_hub(model_type=kind), f"is a {kind} model", REASONS[kind])


SAID = {
    "an encoder with a decoder": ({"model_type": "t5", "is_encoder_decoder": True}, "an encoder reads what is asked"),
    "the same, inside": ({"model_type": "f2", "text_config": {"is_encoder_decoder": True}}, "an encoder reads"),
    "layers of other kinds": ({"model_type": "new", "layer_types": ["full_attention", "conv"]}, "convolutions"),
    "a text model of such": ({"model_type": "new", "text_config": {"layer_types": ["linear_attention"]}}, "linear"),
    "code of its own": ({"model_type": "internvl_chat", "auto_map": {"AutoModel": "x"}}, "ends in -hf"),
    "the original LLaVA": ({"model_type": "llava", "mm_vision_tower": "openai/clip"}, "llava-hf/llava-1.5-7b-hf"),
    "nothing that is known": ({"model_type": "brand_new"}, "which is not known here. Models that are read: "),
    "no kind at all": ({"a": 1}, "names no model_type"),
    "a number for a kind": ({"model_type": 3}, "names no model_type"),
}


@pytest.mark.parametrize("what", SAID)
def test_other_settings_are_refused_with_what_they_say(what, on_the_hub):
    settings, said = SAID[what]
    refused(on_the_hub(**settings), said)


PACKAGES = {"gptq": "optimum gptqmodel", "awq": "gptqmodel", "compressed-tensors": "compressed-tensors"}


@pytest.mark.parametrize("method", PACKAGES)
def test_packages_for_weights_in_few_bits_are_named_with_how_to_install_them(method, on_the_hub, monkeypatch):
    there = {"accelerate"}
    monkeypatch.setattr(families, "is_installed", lambda package: package in there)
    name = on_the_hub(model_type="llama", quantization_config={"quant_method": method})
    refused(name, f"quantized by {method}", f"pip install {PACKAGES[method]}")


@pytest.mark.parametrize("quantized", [True, False])
def test_weights_in_few_bits_are_put_on_the_gpu_while_they_are_read(quantized, tiny_folder, tmp_path, monkeypatch):
    given = []

    def opened(kind, name, device, options):
        given.append(options)
        raise Unfit("far enough")

    for name in ("is_available", "is_bf16_supported"):
        monkeypatch.setattr(torch.cuda, name, lambda *args, **kwargs: True)
    monkeypatch.setattr(loading, "open_weights", opened)
    folder = copy(tiny_folder, tmp_path / "copy")
    if quantized:
        with_settings(folder, quantization_config={"quant_method": "new"})
    with pytest.raises(Unfit, match="far enough"):
        load(folder, device="cuda")
    assert given[0].get("device_map") == ({"": 0} if quantized else None)


def test_modules_and_not_the_names_of_packages_are_looked_for():
    assert families.is_installed("torch") and not families.is_installed("no-such-package")
    assert not families.is_installed("optimum-quanto"), "its module is optimum.quanto, and there is no optimum here"


def test_a_structure_that_is_not_known_is_refused_before_weights_are_read(tiny_text_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "open_weights", lambda *args: pytest.fail("weights were read"))
    folder = with_settings(
        copy(tiny_text_folder, tmp_path / "copy"), model_type="qwen3", use_bidirectional_attention=True
    )
    with pytest.raises(ValueError, match="see those behind them"):
        load(folder, device="cpu")


def test_a_processor_that_cannot_serve_is_refused_before_weights_are_read(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "open_weights", lambda *args: pytest.fail("weights were read"))
    folder = copy(tiny_folder, tmp_path / "copy")
    (folder / "chat_template.jinja").unlink()
    refused(folder, "has no chat template")


@pytest.mark.parametrize("content", ['{"a": 1}', "[1, 2]", "3", '"llava"', "null"])
def test_settings_of_something_else_are_no_model(content, tiny_folder, tmp_path):
    folder = copy(tiny_folder, tmp_path / "copy")
    (folder / "config.json").write_text(content)
    refused(folder, "config.json")


def test_a_kind_with_a_reader_is_not_refused_as_well():
    assert not set(families.READERS) & set(families.REFUSED)
