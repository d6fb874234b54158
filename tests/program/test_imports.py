"""What programs do without: where no model is needed, nothing of it is imported."""

import subprocess
import sys

import pytest

from page.lesson import lesson_file
from tests.serving import ROOT


def loaded_of(names, code):
    """Which of those modules are there after some code has run in a process of its own."""
    code = f"import sys; {code}; print(*(name for name in {names} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    return ran.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    "code, names",
    [
        ("import elastic.record.trace, elastic.record.archive", ("torch", "transformers", "gradio")),
        ("import page.decoding", ("torch", "transformers", "gradio")),
        ("import app; app.build_page(None)", ("torch", "transformers", "elastic.policies")),
    ],
    ids=["traces", "the decoder of pictures", "the page of recorded runs"],
)
def test_what_needs_no_model_imports_none(code, names):
    assert loaded_of(names, code) == []


def test_the_lesson_is_written_without_torch(tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "page.lesson", "--out", str(tmp_path / "x.html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "viz.lesson_page" in modules and not {"torch", "transformers", "gradio"} & modules
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == lesson_file() and "x.html" in done.stdout
