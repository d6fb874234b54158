"""The lessons that come with the page; `python -m page.lesson --out lesson.html` writes one of them as a file.

No torch.
"""

import argparse
import json
import os
from functools import cache
from pathlib import Path

from elastic.archive import open_run
from elastic.trace import Run
from viz.lesson import read_lesson
from viz.lesson_page import lesson_html
from viz.lesson_value import lesson_value

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "assets" / "lessons"
RESULTS = ROOT / "benchmarks" / "results" / "lesson.json"  # of python -m elastic.evaluate, quoted by the texts


def languages(folder: Path = FOLDER) -> list[tuple[str, str]]:
    """Code and name of every language there is a file of, English first."""
    found = [(path.stem, read_lesson(path).language) for path in sorted(folder.glob("*.toml"))]
    return sorted(found, key=lambda language: language[0] != "en")


@cache
def lesson_run() -> tuple[Run, tuple[str, ...]]:
    """The run the lesson is told with, and the names of its sides."""
    names = json.loads((FOLDER / "run.json").read_text(encoding="utf-8"))["sides"]
    return open_run(FOLDER / "run.zip"), tuple(names)


@cache
def lesson(code: str = "en", folder: Path = FOLDER) -> dict:
    """The lesson in a language; in English where there is no such file.

    Raises:
        ValueError: if its file is wrong; a line for each fault.
    """
    known = languages(folder)
    code = code if code in dict(known) else "en"
    run, names = lesson_run()
    results = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    # A Space shows its files to everybody; elsewhere the page shows the lines only.
    space = os.environ.get("SPACE_ID", "")
    source = f"https://huggingface.co/spaces/{space}/blob/main" if space else ""
    value = lesson_value(read_lesson(folder / f"{code}.toml"), run, list(names), results, source)
    return value | {"code": code, "languages": known}


def lesson_file(code: str = "en") -> str:
    """The lesson as one HTML file."""
    return lesson_html(lesson(code), lesson_run()[0])


def main() -> None:
    """Write the lesson as one HTML file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("lesson.html"))
    parser.add_argument("--language", choices=[code for code, _ in languages()], default="en")
    args = parser.parse_args()
    args.out.write_text(lesson_file(args.language), encoding="utf-8")
    print(f"{args.out}: {args.out.stat().st_size / 2**20:.1f} MiB, opens in any browser without a network.")


if __name__ == "__main__":
    main()
