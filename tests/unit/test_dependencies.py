"""What the package asks for is what it imports, at versions that are tested: pyproject.toml beside requirements.txt."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LISTS = {
    "build": PROJECT["build-system"]["requires"],
    "core": PROJECT["project"]["dependencies"],
    **PROJECT["project"]["optional-dependencies"],
}
MODULES = {"PIL": "pillow", "pydantic_core": "pydantic"}  # modules whose package has another name
OPTIONAL = {"ray"}  # asked for by a command line, which says how to install it


def pinned():
    """The versions that requirements.txt names, by package: one where it is pinned, both ends of a range."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(one.name): [part.version for part in one.specifier] for one in found}


@pytest.mark.parametrize("name", LISTS)
def test_every_range_holds_the_version_that_is_tested(name):
    for requirement in map(Requirement, LISTS[name]):
        versions = pinned()[canonicalize_name(requirement.name)]
        assert versions and all(requirement.specifier.contains(version) for version in versions), str(requirement)


def imported(folder, left_out=()):
    """Packages of others that the files of a folder import."""
    found = set()
    for path in folder.rglob("*.py"):
        if not any(path.is_relative_to(one) for one in left_out):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) else []
                found |= {name.split(".")[0] for name in names}
    others = {name for name in found if name not in sys.stdlib_module_names and not (ROOT / name).is_dir()}
    return {canonicalize_name(MODULES.get(name, name)) for name in others}


def asked_for(*lists):
    return {canonicalize_name(Requirement(line).name) for name in lists for line in LISTS[name]}


def test_the_package_asks_for_all_that_it_imports():
    evaluate = ROOT / "elastic" / "evaluate"
    core = imported(ROOT / "elastic", [evaluate])
    assert {"torch", "transformers", "pydantic", "pillow"} <= core <= asked_for("core")
    assert imported(evaluate) - OPTIONAL <= asked_for("core", "evaluate")


def test_the_package_asks_for_nothing_that_it_does_not_import():
    by_name = {"jinja2"}  # transformers imports it, for the templates of chats
    assert asked_for("core") - by_name <= imported(ROOT / "elastic", [ROOT / "elastic" / "evaluate"])
    assert asked_for("evaluate") <= imported(ROOT / "elastic" / "evaluate")


def test_a_checkout_with_all_extras_has_what_the_page_and_the_pictures_import():
    # Gradio brings these, and their versions with it.
    of_gradio = {"starlette", "python-multipart", "httpx", "uvicorn", "markupsafe", "gradio-client"}
    page = imported(ROOT / "page") | imported(ROOT / "viz") | imported(ROOT / "scenes")
    assert page - of_gradio <= asked_for("core", "page")
