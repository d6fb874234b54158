"""The architecture, kept: who may import whom, and how large a file may grow."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("elastic", "viz", "page", "scenes", "training", "benchmarks", "examples")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ABOVE = ("assets", "benchmarks", "page", "scenes", "training", "viz")  # rooms that `elastic` does without
MOST_LINES = 300


def none(faults):
    """No file has a fault; else all faults are listed, a line each."""
    faults = [f"{path.relative_to(ROOT)}: {fault}" for path, fault in faults]
    assert not faults, "\n".join([f"faults: {len(faults)}", *faults])


@cache
def imports(path):
    """Modules a file imports, at the top or inside functions, by `from . import` and by `import_module` too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # One dot is the file's own package, each further one the package around that.
            around = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            name = ".".join([*around, *filter(None, [node.module])])
            found |= {name, *(f"{name}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
    return found


def uses(path, *modules):
    return {name for name in imports(path) if any(name == m or name.startswith(m + ".") for m in modules)}


def forbidden(path):
    """What a file imports and may not."""
    package = path.relative_to(ROOT).parts[0]
    found = uses(path, "app", "tests")
    if package == "elastic":
        found |= uses(path, "gradio", "plotly", *ABOVE)
        # `elastic.evaluate` is a program above the science. Its data and its report are registered, not imported.
        if path.parent.name != "evaluate":
            found |= uses(path, "elastic.evaluate")
    if package == "scenes":
        found |= uses(path, "elastic", *ABOVE) - uses(path, "scenes")
    if package == "page":
        found |= uses(path, "benchmarks", "examples", "training")
    if package == "viz":
        found |= uses(path, "torch", "transformers", "gradio", "page", "scenes", "training", "benchmarks")
        found |= (
            uses(path, "elastic")
            - {"elastic", "elastic.record"}
            - uses(path, "elastic.record.trace", "elastic.record.messages")
        )
    if path.parent.name == "policies" and path.stem not in ("__init__", "base"):
        # A method knows its parts and no other method.
        shared = ("policies.base", "policies.method", "policies.parts", "policies.ranges", "elastic.statistics")
        found |= {name for name in uses(path, "elastic") if not any(module in name for module in shared)}
        found |= uses(path, "transformers")
    if path.parent.name in ("parts", "statistics"):
        known = (
            ("elastic.policies.base", "elastic.policies.bits", "elastic.policies.index", "elastic.policies.parts")
            if path.parent.name == "parts"
            else ()
        )
        found |= uses(path, "transformers")
        found |= uses(path, "elastic") - {"elastic"} - uses(path, "elastic.statistics", *known)
    if path.stem == "trace":
        found |= uses(path, "torch", "transformers", "PIL")
    return found


def test_imports_go_one_way():
    none((path, f"may not import {name}") for path in FILES for name in sorted(forbidden(path)))


WAYS = [
    "import page.asking",
    "from page import asking",
    "def later():\n    from page.asking import pair",
    "import importlib\nimportlib.import_module('page.asking')",
    "from importlib import import_module\nimport_module('page.asking')",
    "__import__('page.asking')",
]


@pytest.mark.parametrize(
    ("folder", "text", "name"),
    [
        *(("elastic", way, "page.asking") for way in WAYS),
        ("elastic", "from . import merge", "elastic.merge"),
        ("elastic/policies", "from ..merge import merge", "elastic.merge"),
        ("elastic/policies", "from .base import Policy", "elastic.policies.base"),
    ],
)
def test_no_way_to_import_is_overlooked(folder, text, name, tmp_path, monkeypatch):
    """All these tests go by what `imports` finds."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / folder / "some.py"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert name in imports(path)


def module(path):
    """The name a file is imported by."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_imports_go_in_a_circle():
    """Also not those for types alone: who has to know whom cannot be read from a circle."""
    names = {module(path): path for path in FILES}
    uses_of = {name: {used for used in imports(path) if used in names} - {name} for name, path in names.items()}
    # What a package's own file gives on is found where it comes from: `elastic.policies` lists every method.
    lists = {"elastic.policies"}
    try:
        tuple(TopologicalSorter({name: used - lists for name, used in uses_of.items()}).static_order())
    except CycleError as error:
        raise AssertionError("imports go in a circle: " + " <- ".join(error.args[1])) from None


def test_no_file_outgrows_three_hundred_lines():
    lengths = {path: len(path.read_text().splitlines()) for path in [*FILES, ROOT / "app.py"]}
    none((path, f"{count} lines") for path, count in lengths.items() if count > MOST_LINES)


def test_a_class_name_means_one_thing():
    """Across all rooms: whoever reads or searches for a name finds one class of ours."""
    found = {}
    for path in [*FILES, ROOT / "app.py"]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(path)
    none(
        (path, f"{name} is the name of {len(paths)} classes")
        for name, paths in found.items()
        if len(paths) > 1
        for path in paths
    )


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
INHERITED = {"forward", "get_mask_sizes", "get_seq_length", "get_max_length"}
INHERITED |= {"preprocess", "postprocess", "get_block_name"}


def public_functions(tree):
    """Functions of a module and methods of its classes that do not override somebody else's."""
    scopes = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    for node in (node for scope in scopes for node in scope.body if isinstance(node, FUNCTIONS)):
        is_property = any("property" in getattr(decorator, "id", "") for decorator in node.decorator_list)
        if not node.name.startswith("_") and node.name not in INHERITED and not is_property:
            yield node


def unsaid(path):
    """What the public functions of a file do not say of themselves."""
    for function in public_functions(ast.parse(path.read_text())):
        if not ast.get_docstring(function):
            yield f"{function.name} has no docstring"
        arguments = [*function.args.args, *function.args.kwonlyargs]
        untyped = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        if untyped:
            yield f"{function.name} does not say of what type {', '.join(untyped)} is"
        if function.returns is None:
            yield f"{function.name} does not say what it returns"


def test_public_functions_say_what_they_do():
    none((path, fault) for path in [*FILES, ROOT / "app.py"] for fault in unsaid(path))
