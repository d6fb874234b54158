"""ES modules as the one script that a page of Gradio or a file to be sent takes: imports followed, names shared."""

import re
from functools import cache
from pathlib import Path

IMPORT = re.compile(r"^import (?:\{([^}]*)\} from )?'([^']*)';\n", re.M)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|let|class)\b)", re.M)
NAME = re.compile(r"^(export )?(?:async )?(?:function\*?|const|let|class) ([\w$]+)", re.M)
# Whole lines of comments, and types wherever they stand, are for who reads the files. A string, and the comment behind
# a line's code, are found as well, and stay: in them a comment does not begin.
COMMENT = re.compile(
    r"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/)\n|/\*.*?\*/ ?"
    r"|(?P<stays>'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`|//[^\n]*)",
    re.M | re.S,
)
# Imports and exports of another form, and declarations some of whose names would not be seen.
ELSE = re.compile(
    r"^[ \t]*import\b[^\n]*|\bimport[.(][^\n]*|^export\b[^\n]*|^(?:var\b|(?:const|let) [{\[])[^\n]*"
    r"|^(?:const|let) [\w$]+(?: = [^;,\n'\"`({\[]*)?,[^\n]*",
    re.M,
)


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
    text = _without_comments(path)
    for names, source in IMPORT.findall(text):
        imported = (path.parent / source).resolve()
        _follow(imported, modules, (*importing, path))
        exported = {name for mark, name in NAME.findall(modules[imported]) if mark}
        for name in filter(None, map(str.strip, names.split(","))):
            if name not in exported:
                raise ValueError(f"{path} imports {name}, which {imported} does not export.")
    modules[path] = text


def _without_comments(path: Path) -> str:
    """A module's text, in which a line that begins with import or export is code."""

    def kept(found: re.Match[str]) -> str:
        stays = found["stays"] or ""
        if "\n" in stays:
            first = stays.partition("\n")[0]
            raise ValueError(f"{path}: cannot join {first!r}, a string over several lines. Use one per line.")
        return stays

    return COMMENT.sub(kept, path.read_text(encoding="utf-8"))


def _bare(path: Path, text: str) -> str:
    """A module's text without what only a module may have."""
    text = EXPORT.sub("", IMPORT.sub("", text))
    if other := ELSE.search(text):
        raise ValueError(
            f"{path}: cannot join '{other[0].strip()}', only import {{ a }} from './x.js' and export function, and one "
            "const, let, class or function at a time."
        )
    return re.sub(r"\n\n+", "\n", text).strip()
