"""The lessons that come with the page; `python -m page.lesson --out lesson.html` writes one of them as a file.

No torch.
"""

import json
import os
from functools import cache
from pathlib import Path

from elastic.command_line import Options
from elastic.files import one_sentence, out_file, write
from elastic.record.archive import open_run
from elastic.record.trace import Run
from viz.lesson import read_lesson
from viz.lesson_page import lesson_html
from viz.lesson_value import lesson_value

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "assets" / "lessons"
# Of python -m elastic.evaluate, quoted by the texts: questions about pictures, and recall of a text model.
RESULTS, RECALL = (ROOT / "benchmarks" / "results" / name for name in ("lesson.json", "smollm2-recall.json"))
FIRST = "en"


def codes(folder: Path = FOLDER) -> list[str]:
    """The languages there is a file of, English first."""
    return sorted((path.stem for path in folder.glob("*.toml")), key=lambda code: (code != FIRST, code))


@cache
def lesson_run() -> tuple[Run, tuple[str, ...]]:
    """The run the lesson is told with, and the names of its sides."""
    names = json.loads((FOLDER / "run.json").read_text(encoding="utf-8"))["sides"]
    return open_run(FOLDER / "run.zip"), tuple(names)


def lesson(code: str = FIRST, folder: Path = FOLDER) -> dict:
    """The lesson in a language; in English where there is no such file.

    Raises:
        ValueError: if its file, or that of another language, is wrong; a line for each fault.
    """
    # An address may name anything: what is kept is of languages that exist.
    return _lesson(code if code in codes(folder) else FIRST, folder)


@cache
def _lesson(code: str, folder: Path) -> dict:
    run, names = lesson_run()
    results, recall = (json.loads(path.read_text(encoding="utf-8")) for path in (RESULTS, RECALL))
    # A Space shows its files to everybody; elsewhere the page shows the lines only.
    space = os.environ.get("SPACE_ID", "")
    source = f"https://huggingface.co/spaces/{space}/blob/main" if space else ""
    value = lesson_value(read_lesson(folder / f"{code}.toml"), run, list(names), results["rows"], recall, source)
    languages = [(each, read_lesson(folder / f"{each}.toml").language) for each in codes(folder)]
    return value | {"code": code, "languages": languages}


@cache
def _file(code: str, folder: Path) -> str:
    # A file holds one language: there is nothing to choose.
    return lesson_html(_lesson(code, folder) | {"languages": []}, lesson_run()[0], code)


def lesson_file(code: str = FIRST, folder: Path = FOLDER) -> str:
    """The lesson as one HTML file."""
    return _file(lesson(code, folder)["code"], folder)


def main() -> None:
    """Write the lesson as one HTML file."""
    parser = Options(__doc__)
    parser.add_argument("--out", type=out_file, default="lesson.html", help="HTML file to write")
    parser.add_argument("--language", choices=codes(), default=FIRST)
    args = parser.parse_args()
    content = lesson_file(args.language).encode()
    with one_sentence():
        write(args.out, content)
    print(f"{args.out}: {len(content) / 2**20:.1f} MiB, opens in any browser without a network.")


if __name__ == "__main__":
    main()
