"""`pip install .`: the package `elastic` alone, in an environment of its own, away from the project's folder."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import elastic
from tests.serving import ROOT

POCKET = ROOT / "assets" / "models" / "pocket-llava"
# What pip would have to fetch is taken from where the tests run; the page's packages are as good as not there.
ALONE = "import sys; sys.modules.update(dict.fromkeys(['gradio', 'plotly', 'page', 'viz', 'scenes', 'training']));"


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """What a program says in an environment where the wheel is installed."""
    folder = tmp_path_factory.mktemp("away")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    pip("install", "--no-deps", "--target", packages, wheel)

    def says(code):
        command = [folder / "venv" / "bin" / "python", "-c", ALONE + code]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.splitlines()

    return says


def test_the_wheel_holds_the_package_its_licence_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    about = f"elastic_kv_cache-{elastic.__version__}.dist-info"
    assert {Path(name).parts[0] for name in names} == {"elastic", about}
    of_checkout = {path for path in (ROOT / "elastic").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    expected = {str(path.relative_to(ROOT)) for path in of_checkout}
    assert {name for name in names if name.startswith("elastic/")} == expected
    assert {"elastic/py.typed", "elastic/models/known_passage.txt"} <= expected
    assert f"{about}/licenses/LICENSE" in names


def test_every_module_is_imported_without_the_page(installed):
    # `elastic.evaluate` is a program above the package.
    code = (
        "import importlib, pkgutil, elastic\n"
        "names = [each.name for each in pkgutil.walk_packages(elastic.__path__, 'elastic.')]\n"
        "names = [name for name in names if not name.startswith('elastic.evaluate')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(elastic.__file__, elastic.__version__, len(names))"
    )
    (line,) = installed(code)
    file, version, count = line.split()
    assert ROOT not in Path(file).parents and version == elastic.__version__ and int(count) > 30


def test_without_the_embedded_model_load_says_what_to_do_and_that_works(installed):
    code = (
        "from elastic import engine, model, picture\n"
        "try: model.load()\n"
        "except ValueError as error: print(error)\n"
        f"llava = model.load({str(POCKET)!r}, device='cpu')\n"
        f"shown = picture.open_picture({str(ROOT / 'assets' / 'scenes' / 'scene-2022.png')!r})\n"
        "state = engine.prefill(llava, llava.first_turn(shown, 'What is in the center?'))\n"
        "print(llava.text([step.token for step in engine.decode(state, 16)]))"
    )
    sentence, answer = installed(code)
    assert "no pocket-llava" in sentence and "not with the installed package" in sentence
    assert "folder or hub name" in sentence and "checkout" in sentence
    assert "owl" in answer
