"""Settings that no model has are refused before memory and time go into them; code of strangers never runs."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from elastic import model
from elastic.models.checkpoint import check_files
from tests.families import MAKERS

MANY = 10**9


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function that gives the folder of a family, made once."""
    found: dict[str, Path] = {}

    def folder(family):
        if family not in found:
            found[family] = tmp_path_factory.mktemp("family") / family
            MAKERS[family](found[family])
        return found[family]

    return folder


@pytest.fixture
def changed(made, tmp_path):
    """A function that gives a family's folder with one setting of one file changed, named by its place."""

    def folder(family, file, place, value):
        target = tmp_path / family
        shutil.copytree(made(family), target)
        settings = json.loads((target / file).read_text("utf-8"))
        inner = settings
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = value
        (target / file).write_text(json.dumps(settings), "utf-8")
        return target

    return folder


@pytest.fixture
def nothing_is_made(monkeypatch):
    """No weights are made, and no picture is prepared: whoever would, fails."""

    def fails(*args, **kwargs):
        raise AssertionError("it went on")

    monkeypatch.setattr(model, "open_weights", fails)
    monkeypatch.setattr("elastic.models.processor._check_size", fails)


def refusal(folder):
    with pytest.raises(ValueError) as error:
        model.load(str(folder), "cpu")
    said = str(error.value)
    assert said.endswith(".") and "\n" not in said
    return said


@pytest.mark.parametrize(
    ("family", "file", "place", "value", "says"),
    [
        ("smolvlm", "config.json", ("text_config", "num_hidden_layers"), MANY, "says num_hidden_layers 1,000,000,000"),
        ("qwen2-vl", "config.json", ("vision_config", "depth"), MANY, "says depth 1,000,000,000"),
        ("llava-1.5", "config.json", ("vision_config", "image_size"), 10**6, "says image_size 1,000,000"),
        ("llava-1.5", "config.json", ("vision_config", "image_size"), float("inf"), "image_size beyond any number"),
        ("llava-next", "config.json", ("image_grid_pinpoints",), [[10**6] * 2], "says image_grid_pinpoints 1,000,000"),
        ("smolvlm", "config.json", ("text_config",), None, "weights, and its files of"),
        ("smolvlm", "processor_config.json", ("image_processor", "size"), {"longest_edge": 10**6}, "1,000,000 pixels"),
        (
            "smolvlm",
            "processor_config.json",
            ("image_processor", "max_image_size"),
            {"longest_edge": 1},
            "36,864 tiles",
        ),
        (
            "qwen2-vl",
            "processor_config.json",
            ("image_processor", "size"),
            {"shortest_edge": 10**12, "longest_edge": 10**13},
            "1,000,000,000,000 pixels",
        ),
        ("internvl", "processor_config.json", ("image_processor", "max_patches"), 10**6, "1,000,000 tiles"),
        ("internvl", "processor_config.json", ("image_processor", "min_patches"), 10**6, "1,000,000 tiles"),
        (
            "llava-1.5",
            "processor_config.json",
            ("image_processor", "crop_size"),
            {"height": 10**6, "width": 10**6},
            "1,000,000 pixels",
        ),
    ],
)
def test_a_number_that_no_model_has_is_refused_by_its_name(changed, nothing_is_made, family, file, place, value, says):
    assert says in refusal(changed(family, file, place, value))


@pytest.mark.parametrize(
    ("family", "file"), [("smolvlm", "processor_config.json"), ("llava-1.5", "processor_config.json")]
)
def test_nobody_is_asked_whether_code_of_a_checkpoint_may_run(changed, monkeypatch, family, file):
    folder = changed(family, file, ("processor_class",), "Strange")
    settings = json.loads((folder / file).read_text("utf-8"))
    (folder / file).write_text(json.dumps(settings | {"auto_map": {"AutoProcessor": "strange.Strange"}}), "utf-8")
    (folder / "strange.py").write_text("raise AssertionError('it ran')\n", "utf-8")
    monkeypatch.setattr("builtins.input", lambda *said: "y")
    assert "code of strangers is not run here" in refusal(folder)


@pytest.mark.parametrize("family", ["smolvlm", "qwen2-vl", "internvl", "pixtral"])
def test_a_limit_of_tokens_gives_a_picture_no_more_than_it_has_without(made, picture, family):
    reader = model.load(str(made(family)), "cpu")
    own = reader.first_turn(picture.resize((900, 700)), "?")
    capped = reader.capped(16_384).first_turn(picture.resize((900, 700)), "?")
    assert torch.equal(own.ids, capped.ids)
    with pytest.raises(ValueError, match="tokens or more") as error:
        reader.capped(0)
    assert str(made(family).parent) not in str(error.value)


def test_a_kind_of_many_lines_is_told_in_one(changed):
    said = refusal(changed("smolvlm", "config.json", ("model_type",), "<b>x</b>\n" * 100))
    assert "is a <b>x</b> <b>x</b>" in said and len(said) < 600


def test_how_many_pictures_a_patch_of_a_film_spans_is_the_towers_to_say(changed):
    place = ("image_processor", "temporal_patch_size")
    assert model.load(str(changed("qwen2-vl", "processor_config.json", place, 10**6)), "cpu")


@pytest.mark.parametrize("listed", [[1], {"a": 1}, {"a": []}, "x"])
def test_an_index_that_lists_no_files_is_refused(made, tmp_path, listed):
    folder = tmp_path / "indexed"
    shutil.copytree(made("smolvlm"), folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}), "utf-8")
    with pytest.raises(ValueError, match="does not say which weights are in which file"):
        check_files(folder)


def test_brackets_without_end_and_paths_to_no_file_are_refused(made, tmp_path):
    folder = tmp_path / "odd"
    shutil.copytree(made("smolvlm"), folder)
    os.mkfifo(folder / "pipe.json")
    with pytest.raises(ValueError, match=r"pipe\.json cannot be read \(it is no file\)"):
        check_files(folder)
    (folder / "pipe.json").unlink()
    (folder / "more.safetensors").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"more\.safetensors cannot be read \(it is no file\)"):
        check_files(folder)
    (folder / "config.json").write_text("[" * 200_000, "utf-8")
    with pytest.raises(ValueError, match="too many brackets"):
        check_files(folder)
