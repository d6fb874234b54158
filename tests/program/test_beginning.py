"""What the program needs before it can serve: where something is missing it says so in a sentence and ends with 2."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

import app
from elastic.model import POCKET, load
from elastic.models.checkpoint import check_files
from page.model import Model, as_written
from page.serving import BROKEN, or_one_sentence
from tests.damaged import copy, original_names, with_settings, with_weights, without

ROOT = POCKET.parent.parent.parent


def ended(*options, **environment):
    """How the program ended and what it said."""
    surroundings = os.environ | {"HF_HUB_OFFLINE": "1"} | environment
    command = [sys.executable, "app.py", *options]
    ran = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=300)
    return ran.returncode, ran.stderr.strip()


def is_one_sentence(code, said, *words):
    assert code == 2 and len(said.splitlines()) == 1 and "Traceback" not in said, said
    assert all(word in said for word in words), said


@pytest.fixture
def begun(monkeypatch, capsys):
    """How the program begins in this process, whose signals stay as they are: its exit code and what it said."""
    monkeypatch.setattr(app, "Ending", lambda: None)

    def begin(*options):
        monkeypatch.setattr(sys, "argv", ["app.py", *options])
        try:
            code = or_one_sentence(app.run)
        except SystemExit as ended:
            code = ended.code
        return code, capsys.readouterr().err.strip()

    return begin


def test_a_port_that_is_in_use_is_named(begun, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        is_one_sentence(*ended("--port", port, "--recorded"), port, "in use", "--port")
        monkeypatch.setenv("GRADIO_SERVER_PORT", port)
        is_one_sentence(*begun("--recorded"), port, "in use")


def test_a_folder_for_temporary_files_that_cannot_be_used_is_named(tmp_path):
    is_one_sentence(*ended("--recorded", TMPDIR=str(tmp_path / "missing")), str(tmp_path / "missing"), "TMPDIR")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--port", "0"), "'0' is no port"),
        (("--memory", "much"), "'much'"),
        (("--deadline", "0"), "deadline"),
        (("--deadline", "nan"), "'nan' is no time"),
        (("--deadline", "soon"), "'soon' is no time"),
        (("--host", "no.such"), "no.such"),
    ],
)
def test_an_option_that_means_nothing_gets_a_sentence(options, word, begun):
    is_one_sentence(*begun("--recorded", "--port", "58231", *options), word)


def broken(folder, how):
    """A copy of pocket-llava of which one file is broken; the file."""
    shutil.copytree(POCKET, folder)
    weights, config = folder / "model.safetensors", folder / "config.json"
    whole = weights.read_bytes()
    if how == "missing weights":
        weights.unlink()
    elif how == "cut weights":
        weights.write_bytes(whole[: len(whole) // 2])
    elif how == "empty weights":
        weights.write_bytes(b"")
    elif how == "weights of noise":
        weights.write_bytes(b"\xff" * 1000)
    elif how == "pointer":
        weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    elif how == "missing part":
        weights.unlink()
        listed = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(listed))
        return folder / "model-00001-of-00002.safetensors"
    elif how == "missing settings":
        config.unlink()
        return config
    else:
        file = folder / {"cut settings": "config.json", "cut tokenizer": "tokenizer.json"}[how]
        file.write_text(file.read_text()[:50])
        return file
    return weights


HOW = ("missing weights", "cut weights", "empty weights", "weights of noise", "pointer", "missing part")
HOW += ("missing settings", "cut settings", "cut tokenizer")


@pytest.mark.parametrize("how", HOW)
def test_a_checkpoint_with_a_broken_file_is_refused_by_the_name_of_the_file(tmp_path, how):
    file = broken(tmp_path / "copy", how)
    for look in (check_files, load):
        with pytest.raises(ValueError, match=str(file)):
            look(tmp_path / "copy")


def test_a_whole_checkpoint_is_not_refused():
    check_files(POCKET)


def test_weights_that_lack_some_are_not_filled_up_with_noise(tmp_path):
    from safetensors.numpy import load_file, save_file

    shutil.copytree(POCKET, tmp_path / "copy")
    weights = load_file(POCKET / "model.safetensors")
    name = next(name for name in weights if "q_proj" in name)
    del weights[name]
    save_file(weights, tmp_path / "copy" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="1 of its weights are missing"):
        load(tmp_path / "copy", "cpu")


def test_the_program_ends_with_a_sentence_where_weights_are_damaged_or_a_model_does_not_exist(tmp_path, begun):
    file = broken(tmp_path / "copy", "cut weights")
    is_one_sentence(*ended("--model", str(tmp_path / "copy"), "--port", "58231"), str(file), "damaged")
    is_one_sentence(*begun("--model", str(tmp_path / "none"), "--port", "58231"), str(tmp_path / "none"))


DAMAGED = {
    "no projector": (lambda folder: without(folder, "multi_modal_projector"), "4 of its weights are missing"),
    "no attention": (lambda folder: without(folder, "layers.1.self_attn"), "self_attn"),
    "original names": (lambda folder: with_weights(folder, original_names), "layout of another program"),
    "no numbers": (lambda folder: with_weights(folder, nan_in_the_norm), "hold what is no number"),
    "another kind": (lambda folder: with_settings(folder, model_type="gemma3"), "see each other in both directions"),
    "no kind": (lambda folder: with_settings(folder, model_type=None), "names no model_type"),
    "no template": (lambda folder: (folder / "chat_template.jinja").unlink(), "has no chat template"),
}


def nan_in_the_norm(weights):
    return {name: one * float("nan") if name.endswith("model.norm.weight") else one for name, one in weights.items()}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_checkpoint_that_does_not_hold_what_it_says_is_never_live(what, tiny_folder, tmp_path):
    damage, said = DAMAGED[what]
    folder = copy(tiny_folder, tmp_path / "copy")
    damage(folder)
    model = Model(str(folder), "cpu")
    assert model.ready.wait(60) and model.state == "failed" and model.llava is None
    assert (
        as_written(said) in model.status()
        and "could not be loaded" in model.status()
        and "\U0001f7e2" not in model.status()
    )
    assert said in model.line.closed, "whoever asks is told so, too"


def test_the_program_ends_with_the_sentence_where_a_checkpoint_shows_what_it_is_only_when_it_is_loaded(
    tiny_folder, tmp_path
):
    folder = without(copy(tiny_folder, tmp_path / "copy"), "multi_modal_projector")
    code, said = ended("--model", str(folder), "--port", "58231")
    assert code == BROKEN and said.splitlines()[-1].startswith(f"'{folder}' cannot be used: 4 of its weights")
    assert "Traceback" not in said and "LOAD REPORT" not in said, "the sentence stands for the library's table"


def test_a_text_model_is_refused_for_a_page_about_pictures(begun, tiny_text_folder):
    words = ("text model", "page asks about pictures", "name one that sees them", "python -m elastic.evaluate --model")
    is_one_sentence(*begun("--model", "smollm2"), "smollm2", *words)
    is_one_sentence(*begun("--model", str(tiny_text_folder)), str(tiny_text_folder), *words)


def test_a_text_model_that_shows_as_one_only_when_it_is_loaded_is_refused_by_the_page(tiny_text_folder):
    """As one from the hub does, of which no file is there before."""
    model = Model(str(tiny_text_folder), "cpu")
    assert model.ready.wait(60) and model.state == "failed" and model.llava is None
    assert "is a text model, and the page asks about pictures" in model.status()


def test_visitors_read_the_name_of_a_model_that_did_not_load_and_not_where_it_lies(tiny_folder, tmp_path):
    folder = copy(tiny_folder, tmp_path / "copy")
    without(folder, "multi_modal_projector")
    model = Model(f"{folder}/", "cpu")
    assert model.ready.wait(60) and str(folder) in model.error, "whoever started it reads all of it"
    for said in (model.status(), model.line.closed):
        assert "copy" in said and str(tmp_path) not in said.replace("\\", "")
