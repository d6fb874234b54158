"""In which numbers weights are held: as asked for, or as suits device, checkpoint and memory; and what is said."""

import logging
import re

import pytest
import torch

import app
from elastic.command_line import DTYPES
from elastic.evaluate.arguments import arguments
from elastic.evaluate.selection import identity
from elastic.model import load
from elastic.models import precision
from page.model import Model, as_written
from tests.damaged import copy, with_settings, with_weights

cpu = pytest.mark.skipif(torch.cuda.is_available(), reason="`auto` means the GPU here")


@pytest.fixture
def stored_half(tiny_folder, tmp_path):
    """The tiny checkpoint as it would be stored in bfloat16."""
    folder = with_weights(copy(tiny_folder, tmp_path / "half"), lambda all_: {n: w.bfloat16() for n, w in all_.items()})
    return with_settings(folder, dtype="bfloat16")


@pytest.mark.parametrize("has_instructions", [True, False])
def test_weights_stored_in_bfloat16_stay_so_on_a_processor_that_computes_it(has_instructions, stored_half, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: has_instructions)
    kind = torch.bfloat16 if has_instructions else torch.float32
    assert {weight.dtype for weight in load(stored_half, device="cpu").model.parameters()} == {kind}
    wanted = load(stored_half, device="cpu", dtype="float32")
    assert wanted.model.dtype == torch.float32, "whatever the processor can"


def test_weights_stored_in_float32_stay_so(tiny_folder, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    assert load(tiny_folder, device="cpu").model.dtype == torch.float32
    assert load(device="cpu").model.dtype == torch.float32, "pocket-llava too"


def test_what_does_not_fit_in_float32_is_held_in_bfloat16_and_told(tiny_folder, monkeypatch, caplog):
    reader = load(tiny_folder, device="cpu")
    whole = 4 * sum(weight.numel() for weight in reader.model.parameters())
    monkeypatch.setattr(precision, "free_bytes", lambda: whole)
    with caplog.at_level(logging.WARNING):
        small = load(tiny_folder, device="cpu")
    assert small.model.dtype == torch.bfloat16 and "weights are held in bfloat16" in caplog.text
    assert str(tiny_folder) in caplog.text and "may not fit either" not in caplog.text
    monkeypatch.setattr(precision, "free_bytes", lambda: whole // 4)
    load(tiny_folder, device="cpu")
    assert "may not fit either" in caplog.text
    assert load(tiny_folder, device="cpu", dtype="float32").model.dtype == torch.float32, "it is taken at its word"


def test_float16_on_a_cpu_and_what_is_no_type_are_refused(tiny_folder):
    with pytest.raises(ValueError, match=r"float16 is for GPUs.*Take bfloat16"):
        load(tiny_folder, device="cpu", dtype="float16")
    with pytest.raises(ValueError, match=r"'int8' is no type of numbers for weights\. Choose one of: auto, float32"):
        load(tiny_folder, device="cpu", dtype="int8")


@cpu
def test_programs_hand_on_the_type_that_is_asked_for(monkeypatch, capsys):
    for dtype in DTYPES:
        monkeypatch.setattr("sys.argv", ["app.py", "--dtype", dtype])
        assert app.parse().dtype == dtype == arguments(["--dtype", dtype]).dtype
    monkeypatch.setattr("sys.argv", ["app.py"])
    assert app.parse().dtype == arguments([]).dtype == "auto"
    monkeypatch.setenv("ELASTIC_DTYPE", "bfloat16")
    assert app.parse().dtype == "bfloat16"
    monkeypatch.setattr("sys.argv", ["app.py", "--dtype", "half"])
    with pytest.raises(SystemExit):
        app.parse()
    assert "'half' is no type of weights. Choose one of: auto, float32" in capsys.readouterr().err


def test_answers_in_another_type_are_of_another_run_and_older_files_go_on():
    assert identity(arguments([]))["wanted_dtype"] is None, "as in files that do not say"
    assert identity(arguments(["--dtype", "bfloat16"]))["wanted_dtype"] == "bfloat16"


def test_benchmarks_build_their_models_in_the_type_that_is_asked_for(monkeypatch):
    from benchmarks.models import precision as of_benchmarks
    from benchmarks.report import arguments as read
    from benchmarks.report import parser

    monkeypatch.setenv("ELASTIC_DTYPE", "auto")
    read(parser("x"), ["--dtype", "bfloat16"])
    assert of_benchmarks("cpu") == torch.bfloat16
    read(parser("x"), ["--dtype", "auto"])
    assert of_benchmarks("cpu") == torch.float32
    with pytest.raises(SystemExit):
        read(parser("x"), ["--dtype", "float16"])


def loaded(name, **options):
    model = Model(name, "cpu", **options)
    assert model.ready.wait(60)
    return model


def test_the_badge_says_type_numbers_device_and_bytes_of_the_weights(tiny_folder):
    model = loaded(str(tiny_folder), dtype="bfloat16")
    held = sum(weight.numel() for weight in model.llava.model.parameters()) * 2
    assert model.status().startswith("🟢 **Live** · ")
    assert f"llava, bfloat16 on CPU, {held / 1e6:.0f} MB of weights" in model.status()


NAMES = ["<img src=x onerror=alert(1)>", "**bold** `code` [link](http://x)", "a_b_c|$x$"]


@pytest.mark.parametrize("name", NAMES)
def test_the_badge_shows_names_and_reasons_as_they_are_written(name, tiny_folder, tmp_path):
    model = Model(str(tmp_path / name.replace("/", "-")), "cpu")
    assert "<img" not in model.status(), "while it is loaded"
    assert model.ready.wait(60) and model.state == "failed"
    for shown in (model.status(), as_written(name)):
        ours = shown.replace("⚠️ **", "").replace("could not be loaded.**", "")
        assert "<" not in ours and not re.search(r"(?<!\\)[*`\[\]_$|]", ours), shown


def test_text_in_markdown_reads_as_it_was_written():
    assert as_written("a*b_c <i>&\n\nd") == r"a\*b\_c &lt;i&gt;&amp; d"
    assert as_written("model.safetensors is missing: 4 x 4") == "model.safetensors is missing: 4 x 4"


class Skeleton:
    """A model without weights, as far as its type is concerned."""

    def __init__(self, stored, **settings):
        self.config = type("Config", (), {"dtype": stored, **settings})()

    def parameters(self):
        return [torch.empty(1000, 1000, device="meta")]


@pytest.mark.parametrize("newer", [True, False])
def test_a_gpu_has_the_type_of_16_bits_that_it_computes_in(newer, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: newer)
    best = torch.bfloat16 if newer else torch.float16
    for stored in (torch.float32, torch.float16, None):
        assert precision.dtype_for("auto", "cuda", Skeleton(stored), "model") == best
    assert precision.dtype_for("float32", "cuda", Skeleton(torch.float16), "model") == torch.float32
    precision.check_dtype("float16", "cuda")
    if newer:
        precision.check_dtype("bfloat16", "cuda")
    else:
        with pytest.raises(ValueError, match="This GPU does not compute in bfloat16: take float16"):
            precision.check_dtype("bfloat16", "cuda")


def test_weights_in_few_bits_are_computed_in_what_their_checkpoint_says():
    few = Skeleton(torch.float16, quantization_config={"quant_method": "awq"})
    assert precision.dtype_for("auto", "cuda", few, "model") == torch.float16
    assert precision.dtype_for("auto", "cpu", few, "model") == torch.bfloat16
    assert precision.dtype_for("float32", "cuda", few, "model") == torch.float32
