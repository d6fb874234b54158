"""ES modules as the one script that a page of Gradio or a file to be sent takes: imports followed, names shared."""

import re
from functools import cache
from pathlib import Path

IMPORT = re.compile(r"^import (?:\{([^}]*)\} from )?'([^']*)';\n", re.M)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|let|class)\b)", re.M)
NAME = re.compile(r"^(export )?(?:async )?(?:function|const|let|class) (\w+)", re.M)
# Whole lines of them, and types wherever they stand: they are for who reads the files.
COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*\*(?:(?!\*/).)*\*/)\n|/\*\*.*?\*/ ?", re.M | re.S)
ELSE = re.compile(r"^(?:import|export)\b[^\n]*", re.M)


@cache
def joined(entry: Path) -> str:
    """The module of a file and all that it imports, those first that others need, without imports and exports."""
    modules: dict[Path, str] = {}
    _follow(entry.resolve(), modules, ())
    owner: dict[str, Path] = {}
    for path, text in modules.items():
        for _, name in NAME.findall(text):
            if owner.setdefault(name, path) != path:
                raise ValueError(f"{owner[name]} and {path} both define {name}: joined, there can be one only.")
    return "\n".join(["'use strict';", *(_bare(path, text) for path, text in modules.items())])


def _follow(path: Path, modules: dict[Path, str], importing: tuple[Path, ...]) -> None:
    """Add a module after those that it imports."""
    if path in importing:
        raise ValueError(f"A circle of imports: {' -> '.join(map(str, (*importing, path)))}.")
    if path in modules:
        return
    text = path.read_text(encoding="utf-8")
    for names, source in IMPORT.findall(text):
        imported = (path.parent / source).resolve()
        _follow(imported, modules, (*importing, path))
        exported = {name for mark, name in NAME.findall(modules[imported]) if mark}
        for name in filter(None, map(str.strip, names.split(","))):
            if name not in exported:
                raise ValueError(f"{path} imports {name}, which {imported} does not export.")
    modules[path] = text


def _bare(path: Path, text: str) -> str:
    """A module's text without what only a module may have, and without comments."""
    text = EXPORT.sub("", IMPORT.sub("", COMMENT.sub("", text)))
    if other := ELSE.search(text):
        raise ValueError(f"{path}: cannot join '{other[0]}', only import {{ a }} from './x.js' and export function.")
    return re.sub(r"\n\n+", "\n", text).strip()
