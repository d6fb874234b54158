"""How many tokens a picture takes is known from the model, whatever the files of a processor leave out or say."""

import json

import pytest
import torch
from PIL import Image

from elastic.model import load
from tests.damaged import copy, with_settings
from tests.families import MAKERS

FILE = "processor_config.json"
PICTURE = Image.linear_gradient("L").convert("RGB").resize((150, 90))
FACTS = {
    "llava-1.5": ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens"),
    "llava-interleave-qwen": ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens"),
    "vipllava": ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens"),
    "llava-next": ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens"),
    "llava-onevision": ("num_image_tokens", "vision_feature_select_strategy", "vision_aspect_ratio"),
    "smolvlm": ("image_seq_len",),
    "smolvlm2": ("image_seq_len",),
    "internvl": ("image_seq_length",),
    "pixtral": ("patch_size",),
}


@pytest.fixture(scope="module", params=FACTS)
def family(request, tmp_path_factory):
    """A checkpoint, what its processor knows of its model, and the tokens and inputs of a prompt of its."""
    folder = tmp_path_factory.mktemp(request.param)
    MAKERS[request.param](folder)
    return folder, FACTS[request.param], load(folder, device="cpu").first_turn(PICTURE, "What is it?")


@pytest.mark.parametrize("how", ["left out", "said wrongly"])
def test_what_an_old_processor_file_leaves_out_or_says_wrongly_comes_from_the_model(how, family, tmp_path):
    folder, facts, expected = family
    said = json.loads((folder / FILE).read_text())
    assert any(fact in said for fact in facts), "else there is nothing to leave out"
    wrong = {"vision_feature_select_strategy": "full", "vision_aspect_ratio": "anyres_max_1"}
    entries = {fact: None if how == "left out" else wrong.get(fact, 7) for fact in facts}
    found = load(with_settings(copy(folder, tmp_path / "copy"), FILE, **entries), device="cpu")
    prompt = found.first_turn(PICTURE, "What is it?")
    assert torch.equal(prompt.ids, expected.ids)
    assert all(torch.equal(value, expected.inputs[name]) for name, value in prompt.inputs.items())


@pytest.mark.parametrize("entry", [{"patch_size": 16}, {"merge_size": 4}])
def test_an_image_processor_that_cuts_into_other_patches_than_the_tower_reads_is_set_right(entry, tmp_path):
    MAKERS["qwen2-vl"](tmp_path / "model")
    expected = load(tmp_path / "model", device="cpu").first_turn(PICTURE, "What is it?")
    images = json.loads((tmp_path / "model" / FILE).read_text())["image_processor"]
    folder = with_settings(tmp_path / "model", FILE, image_processor=images | entry)
    assert torch.equal(load(folder, device="cpu").first_turn(PICTURE, "What is it?").ids, expected.ids)


@pytest.mark.parametrize(("name", "side"), [("llava-next", 56), ("llava-onevision", 60)])
@pytest.mark.parametrize("how", ["left out", "others"])
def test_an_image_processor_cuts_tiles_in_the_shapes_that_the_model_puts_together(how, name, side, tmp_path):
    """Others were an accident for pictures of some shapes, and not for the one that a model is proven with."""
    MAKERS[name](tmp_path / "model")
    expected = load(tmp_path / "model", device="cpu").first_turn(PICTURE, "What is it?")
    images = json.loads((tmp_path / "model" / FILE).read_text())["image_processor"]
    images.pop("image_grid_pinpoints")
    other = {} if how == "left out" else {"image_grid_pinpoints": [[2 * side, 2 * side]]}
    folder = with_settings(tmp_path / "model", FILE, image_processor=images | other)
    found = load(folder, device="cpu").first_turn(PICTURE, "What is it?")
    assert torch.equal(found.ids, expected.ids)
    assert all(torch.equal(value, expected.inputs[name]) for name, value in found.inputs.items())


@pytest.mark.parametrize("name", ["llava-next", "internvl"])
def test_tiles_of_another_size_than_the_tower_reads_are_refused(name, tmp_path):
    MAKERS[name](tmp_path / "model")
    images = json.loads((tmp_path / "model" / FILE).read_text())["image_processor"]
    side = {"height": 70, "width": 70}
    other = images | {"size": side if "height" in images["size"] else {"shortest_edge": 70}, "crop_size": side}
    with_settings(tmp_path / "model", FILE, image_processor=other)
    with pytest.raises(ValueError, match=r"prepares pictures of 70 x 70 pixels"):
        load(tmp_path / "model", device="cpu")


def test_how_many_tokens_a_tile_has_is_known_from_the_tower_where_the_settings_say_nothing_of_it(tmp_path):
    """The library gives such a setting the number of another tower, and reads by what the tower makes."""
    MAKERS["internvl"](tmp_path / "model")
    expected = load(tmp_path / "model", device="cpu").first_turn(PICTURE, "What is it?")
    found = load(with_settings(tmp_path / "model", image_seq_length=None), device="cpu")
    assert torch.equal(found.first_turn(PICTURE, "What is it?").ids, expected.ids)


@pytest.mark.parametrize("size", [(2000, 25), (25, 2000), (97, 1), (640, 480)])
def test_a_picture_that_cannot_have_as_few_tokens_as_are_allowed_is_refused(size, tmp_path):
    MAKERS["qwen2-vl"](tmp_path / "model")
    reader, picture = load(tmp_path / "model", device="cpu"), PICTURE.resize(size)
    capped, of_each = reader.capped(16), []
    for one in (reader, capped):
        try:
            of_each.append(int((one.first_turn(picture, "What?").place[:, 3] >= 0).sum()))
        except ValueError as error:
            assert "tokens or more" in str(error) and "16 are allowed" in str(error) and one is capped
    assert of_each[0] > 16 and (len(of_each) == 1) == (max(size) > 16 * min(size))
    assert of_each[1:] == [] or of_each[1] <= 16
