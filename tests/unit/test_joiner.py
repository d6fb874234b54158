"""The joiner of ES modules: what is imported comes first, once, and nothing is hidden by something of the same name."""

import re

import pytest

from viz import view
from viz.joiner import IMPORT, joined

WEB = view.ASSETS / "web"


@pytest.fixture
def modules(tmp_path):
    """A function that writes modules, by name, and gives the path of the first."""

    def written(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.js").write_text(text, encoding="utf-8")
        return tmp_path / f"{next(iter(texts))}.js"

    return written


def test_imported_modules_come_first_and_once(modules):
    entry = modules(
        top="import { left } from './left.js';\nimport { right } from './right.js';\n\nleft(right);\n",
        left="import { base } from './base.js';\n\nexport function left(x) {\n  return base + x;\n}\n",
        right="import { base } from './base.js';\n\nexport const right = base;\n",
        base="// Base: a number.\n\nexport const base = 1; // one\n",
    )
    left = "function left(x) {\n  return base + x;\n}"
    assert joined(entry) == f"'use strict';\nconst base = 1; // one\n{left}\nconst right = base;\nleft(right);"


def test_types_and_comments_are_for_who_reads_the_files(modules):
    types = "/**\n * Doubles.\n * @param {number} x\n */\n"
    entry = modules(a=f"{types}function f(x) {{\n  // why\n  return 2 * (/** @type {{number}} */ (x));\n}}\n")
    assert joined(entry) == "'use strict';\nfunction f(x) {\n  return 2 * ((x));\n}"


def test_a_line_that_begins_with_a_type_keeps_its_code(modules):
    entry = modules(a="let a = 1;\n/** @type {any} */ (a).b = 2;\na = 3;\n/** @type {number} */\nlet c = 4;\n")
    assert joined(entry) == "'use strict';\nlet a = 1;\n(a).b = 2;\na = 3;\nlet c = 4;"


@pytest.mark.parametrize(
    "line",
    [
        "const a = '/**/' + '/** x */';",
        "f('src/**/x', 'it\\'s /** no comment */');",
        'f("// /**/");',
        "f(`/** ${x} */`);",
        "f(x); // it's /** the author's */ word",
        "f('// x');",
    ],
)
def test_what_looks_like_a_comment_in_a_string_or_behind_code_stays(modules, line):
    assert joined(modules(a=f"{line}\n/** @type {{number}} */\nlet b = 1;\n")) == f"'use strict';\n{line}\nlet b = 1;"


def test_what_a_comment_says_is_neither_an_import_nor_a_name(modules):
    entry = modules(
        a="/*\nimport { x } from './none.js';\nfunction b() {}\n*/\n/**/\nimport { b } from './b.js';\nb(/**/ 1);\n",
        b="export function* b() {}\n",
    )
    assert joined(entry) == "'use strict';\nfunction* b() {}\nb(1);"


def test_lines_may_end_as_on_windows(modules, tmp_path):
    entry = modules(a="", b="")
    entry.write_bytes(b"import { b } from './b.js';\r\n\r\n// why\r\nb();\r\n")
    (tmp_path / "b.js").write_bytes(b"export function b() {\r\n}\r\n")
    assert joined(entry) == "'use strict';\nfunction b() {\n}\nb();"


@pytest.mark.parametrize(
    "texts, wrong",
    [
        ({"a": "import './b.js';\nconst x = 1;\n", "b": "function x() {}\n"}, r"b\.js and .*a\.js both define x"),
        (
            {"a": "import { y } from './b.js';\n", "b": "const y = 1;\n"},
            r"imports y, which .*b\.js does not export",
        ),
        ({"a": "import './b.js';\n", "b": "import './a.js';\n"}, r"circle of imports: .*a\.js -> .*b\.js -> .*a\.js"),
        ({"a": "export default 1;\n"}, "cannot join 'export default 1;'"),
        ({"a": "import './b.js';\nfunction* x() {}\n", "b": "function x() {}\n"}, "both define x"),
        ({"a": "import './b.js';\nconst x$ = 1;\n", "b": "const x$ = 1;\n"}, r"both define x\$"),
        *(
            ({"a": f"{line}\n"}, f"cannot join '{re.escape(line.strip())}'")
            for line in (
                "var x = 1;",
                "let a, x;",
                "let a = 1, x = 1;",
                "const { x } = f();",
                "const [x] = f();",
                "  import './b.js';",
                "export { x } from './b.js';",
                "import './b.js'; f();",
                "import.meta.url;",
            )
        ),
        ({"a": "function f() {\n  return import('./b.js');\n}\n"}, r"cannot join 'import\('./b.js'\);'"),
        ({"a": "f(`\nimport { x } from './b.js';\n`);\n"}, "cannot join '`', a string over several lines"),
        ({"a": "import * as b from './b.js';\n", "b": "const x = 1;\n"}, r"cannot join 'import \* as b"),
    ],
)
def test_what_cannot_be_joined_is_said(modules, texts, wrong):
    with pytest.raises(ValueError, match=wrong):
        joined(modules(**texts))


ENTRIES = (
    "view/start",
    "lesson/start",
    "table/main",
    "report/main",
    "tab/main",
    "page/main",
    "pictures/main",
    "settings/main",
)


@pytest.mark.parametrize("entry", [f"{name}.js" for name in ENTRIES])
def test_what_the_program_serves_has_no_circle_and_no_name_twice(entry):
    assert joined(WEB / entry).startswith("'use strict';\n")  # an error says otherwise


FOLDERS = {"core": {"core"}, "tab": {"core", "tab"}, "view": {"core", "tab", "view"}}
FOLDERS |= {"lesson": {"core", "view", "lesson"}, "table": {"core", "tab", "table"}, "report": {"report"}}
FOLDERS |= {"page": {"core", "page"}, "pictures": {"core", "pictures"}, "settings": {"core", "settings"}}


def test_every_folder_has_its_place():
    assert {path.name for path in WEB.iterdir() if path.is_dir()} == set(FOLDERS)


@pytest.mark.parametrize("folder, known", FOLDERS.items())
def test_a_folder_knows_those_below_it_only(folder, known):
    for path in (WEB / folder).iterdir():
        for _, source in IMPORT.findall(path.read_text(encoding="utf-8")):
            imported = (path.parent / source).resolve().relative_to(WEB)
            is_frame = str(imported) == "frame.js"
            assert imported.parts[0] in known or (is_frame and folder != "core"), f"{path} imports {imported}"
