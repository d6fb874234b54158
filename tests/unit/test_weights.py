"""Weights: what is missing, damaged or of another model is refused in a sentence, and never filled up with noise."""

import json

import pytest
import torch

from elastic.model import load
from tests.damaged import copy, original_names, with_settings, with_weights, without


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
    assert "\n" not in said and len(said) < 500, said
    return said


MISSING = {
    "projector": ("multi_modal_projector", "4 of its weights are missing"),
    "tower": ("vision_tower", "of its weights are missing, model.vision_tower"),
    "attention of one layer": ("layers.1.self_attn", "4 of its weights are missing, model.language_model.layers.1"),
    "words": ("embed_tokens", "2 of its weights are missing, lm_head.weight for one"),
}


@pytest.mark.parametrize("part", MISSING)
def test_weights_that_are_missing_are_refused_and_not_filled_with_noise(part, folder):
    of, said = MISSING[part]
    refused(without(folder, of), said, "fetch the whole checkpoint")


def test_the_head_is_missing_only_where_it_is_not_the_table_of_words(folder):
    assert load(folder, device="cpu").model.lm_head.weight.shape[0] == 2048, "it is tied, and not in the file"
    text = {"tie_word_embeddings": False}
    settings = with_settings(folder, **text)
    config = json.loads((settings / "config.json").read_text())["text_config"]
    refused(with_settings(folder, text_config=config | text), "1 of its weights are missing, lm_head.weight.")


def test_weights_of_another_shape_are_refused(folder):
    def cut(all_):
        return {name: w[:-8] if name.endswith("layers.1.mlp.up_proj.weight") else w for name, w in all_.items()}

    refused(with_weights(folder, cut), "layers.1.mlp.up_proj.weight", "632 x 64 and should be 640 x 64", "two models")


def test_the_layout_of_the_original_release_is_told_from_a_damaged_file(folder):
    said = refused(with_weights(folder, original_names), "layout of another program", "llava-hf")
    assert "mm_projector" in said or "model.embed_tokens" in said


def test_a_file_with_more_layers_than_its_settings_say_is_of_another_model(folder):
    config = json.loads((folder / "config.json").read_text())["text_config"]
    few = with_settings(folder, text_config=config | {"num_hidden_layers": 2})
    refused(few, "9 weights of the file belong to no part of the model", "layers.2.")


def test_what_a_file_holds_beside_the_model_is_not_taken_for_another_model(folder):
    """A head of the tower, say, which nobody asks, or what older files kept of positions."""
    old = {
        "language_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8),
        "vision_tower.vision_model.head.probe": torch.ones(1, 1, 8),
    }
    load(with_weights(folder, lambda all_: all_ | old), device="cpu")


def test_weights_that_are_no_numbers_are_named(folder):
    def broken(all_):
        return {
            n: torch.full_like(w, torch.nan) if n.endswith("layers.2.mlp.up_proj.weight") else w
            for n, w in all_.items()
        }

    refused(with_weights(folder, broken), "layers.2.mlp.up_proj.weight hold what is no number", "Copy the checkpoint")


def test_weights_of_zeros_are_refused(folder):
    refused(with_weights(folder, lambda all_: {n: w * 0 for n, w in all_.items()}), "Every token is equally likely")
