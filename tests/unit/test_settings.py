"""Settings that contradict the weights, each other or all sense get one sentence, and never a traceback."""

import json

import pytest

from elastic.model import load
from tests.damaged import copy, with_settings
from tests.families import MAKERS


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "llava"
    MAKERS["bakllava"](folder)
    return folder


def part(name, **entries):
    """A change of one of the config's parts."""

    def change(folder):
        settings = json.loads((folder / "config.json").read_text())
        with_settings(folder, **{name: settings[name] | entries})

    return change


def text(**entries):
    return part("text_config", **entries)


def pictures(**entries):
    def change(folder):
        images = json.loads((folder / "processor_config.json").read_text())["image_processor"]
        with_settings(folder, "processor_config.json", image_processor=images | entries)

    return change


SAID = {
    "other heads": (text(num_attention_heads=2), "have another shape than its config.json says"),
    "other keys": (text(num_key_value_heads=1), "k_proj.weight for one, which is 32 x 64 and should be 16 x 64"),
    "no layers": (text(num_hidden_layers=0), "belong to no part of the model"),
    "words for a number": (text(num_hidden_layers="many"), "expected int, got str"),
    "another width": (text(hidden_size=72), "have another shape than its config.json says"),
    "fewer words": (text(vocab_size=100), "Could not load"),
    "an unknown text model": (text(model_type="nothing"), "Unrecognized model type for subconfig: nothing"),
    "a text model with capped logits": (text(model_type="gemma2"), "its logits of attention are capped"),
    "a text model without RoPE": (text(model_type="gpt2"), "its positions do not come from one RoPE"),
    "a window smaller than a picture": (text(sliding_window=8), "sees 8 tokens at a time (a sliding window)"),
    "room for few tokens": (text(max_position_embeddings=16), "reads 16 tokens at most"),
    "fewer layers of the tower": (part("vision_config", num_hidden_layers=2), "belong to no part of the model"),
    "more layers of the tower": (part("vision_config", num_hidden_layers=5), "of its weights are missing"),
    "another tower": (part("vision_config", model_type="siglip_vision_model"), "of its weights are missing"),
    "patches of nothing": (part("vision_config", patch_size=0), "Could not load"),
    "a type that is none": (lambda folder: with_settings(folder, dtype="float3"), "float3"),
    "another image token": (
        lambda folder: with_settings(folder, image_token_index=10**6),
        "another token for pictures",
    ),
    "pictures divided by zero": (pictures(image_std=[0, 0, 0]), "makes of a picture what is no number"),
    "pictures not resized": (pictures(do_resize=False, do_center_crop=False), "take "),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "Could not load"),
    "no processor": (lambda folder: (folder / "processor_config.json").unlink(), "Could not load"),
}


@pytest.mark.parametrize("what", SAID)
def test_a_checkpoint_with_such_settings_is_refused_in_one_sentence(what, good, tmp_path):
    change, said = SAID[what]
    folder = copy(good, tmp_path / "copy")
    change(folder)
    with pytest.raises(ValueError) as error:
        load(folder, device="cpu")
    found = str(error.value)
    assert said in found and str(folder) in found and "\n" not in found and len(found) < 700, found


ROPES = [
    {"rope_type": "linear", "factor": 4.0},
    {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 512},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    | {"original_max_position_embeddings": 512},
    {"rope_type": "longrope", "factor": 2.0, "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
    | {"original_max_position_embeddings": 512},
]


@pytest.mark.parametrize("rope", ROPES, ids=[rope["rope_type"] for rope in ROPES])
def test_settings_that_change_how_positions_turn_are_read_as_the_library_reads_them(rope, good, tmp_path):
    folder = copy(good, tmp_path / "copy")
    text(rope_parameters=rope | {"rope_theta": 1e4})(folder)
    load(folder, device="cpu")
    (folder / "generation_config.json").unlink()
    load(folder, device="cpu")
