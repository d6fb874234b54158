"""The documents that quote numbers: what a reader sees of each, and where in it numbers stand."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from benchmarks.claims.claim import in_one_line
from elastic.record.archive import open_run
from viz.facts import facts
from viz.lesson import read_lesson

LESSON, RUN = "assets/lessons/en.toml", "assets/lessons/run"
AVERAGES, RECALL = "benchmarks/results/lesson.json", "benchmarks/results/smollm2-recall.json"
# Which documents are read, and whether each number in them is looked at, or only what looks like a result.
EVERY = ("README.md", LESSON)
RESULTS = ("CONTRIBUTING.md", "SECURITY.md", "assets/*.html", "assets/*/*.html", "assets/traces/traces.json")
RESULTS += ("elastic/**/*.py", "page/**/*.py", "viz/**/*.py")

_COUNT = "(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_SHARE = rf"\b{_COUNT} (?:in|of|out of) (?:{_COUNT}|twenty|hundred)\b"
_UNIT = (
    r"(?:%|percent\b|points?\b|times\b|x\b(?! ?\d)|ms\b|milliseconds?\b|s\b|seconds?\b|minutes?\b|hours?\b|[KMG]i?B\b)"
)
_DIGITS = r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?"
# Shares in words, numbers with a unit, the first of "166 of 250".
RESULT = re.compile(rf"{_SHARE}|\b{_COUNT}(?= {_UNIT})|{_DIGITS}(?= ?{_UNIT})|{_DIGITS}(?= (?:of|in) \d)")
NUMBER = re.compile(
    rf"{_SHARE}|\b{_COUNT}(?= {_UNIT})|{_DIGITS}|\b(?:half|thirds?|quarters?|fifths?|tenths?|twice|thrice)\b"
)
# Code (of one string of a program, at most), where links lead, and names such as LLaVA-1.5-7B.
UNREAD = re.compile(r"`[^`·]*`|\]\([^)]*\)|\b[A-Za-z]\w*(?:-[\w.]+)+")
# In the lesson: what is seen, as said in `viz/lesson.py`; the rest of its file is places and names.
SEEN = ("title", "about", "text", "reply", "unasked", "note", "notes", "titles", "term")


@dataclass(frozen=True)
class Document:
    """What a reader sees of a file, in one line, and where in it there are numbers: (start, end) of each."""

    file: str
    text: str
    numbers: tuple[tuple[int, int], ...]


def documents(root: Path) -> list[Document]:
    """All documents of a checkout that quote numbers.

    Raises:
        ValueError: if one is missing or cannot be read.
    """
    found = [document(root, file) for file in EVERY]
    for pattern in RESULTS:
        found += [document(root, path.relative_to(root).as_posix()) for path in sorted(root.glob(pattern))]
    return found


def document(root: Path, file: str) -> Document:
    """One of them.

    Raises:
        ValueError: if it is missing or cannot be read.
    """
    if not (root / file).is_file():
        raise ValueError(f"{file} is not there. Say in benchmarks/claims/documents.py where its numbers are now.")
    text = (root / file).read_text(encoding="utf-8")
    if file == LESSON:
        return _lesson(root)
    read = {".md": _prose, ".py": _strings, ".html": _shown, ".json": _told}[Path(file).suffix]
    seen = in_one_line(" · ".join(read(text)))
    return Document(file, seen, _numbers(seen, [], NUMBER if file in EVERY else RESULT))


def _numbers(text: str, unread: list[tuple[int, int]], pattern: re.Pattern[str]) -> tuple[tuple[int, int], ...]:
    """Where numbers stand, but for code, where links lead, names, and what else is left out."""
    unread = [*unread, *(match.span() for match in UNREAD.finditer(text))]
    found = (match.span() for match in pattern.finditer(text))
    return tuple(span for span in found if not any(within(span, other) for other in unread))


def within(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one place in a text, (start, end), is a part of another."""
    return other[0] <= one[0] and one[1] <= other[1]


def _prose(text: str) -> list[str]:
    """Markdown without what stands before it, blocks of code, and the numbers of lists."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(r"^ *\d+\. ", "", text, flags=re.MULTILINE)]


def _strings(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


class _Shown(HTMLParser):
    """Collects the text of a page, without scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that opens."""
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        """A tag that closes."""
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if not self.hidden:
            self.pieces.append(data)


def _shown(text: str) -> list[str]:
    parser = _Shown()
    parser.feed(text)
    return parser.pieces


def _told(text: str) -> Iterator[str]:
    for run in json.loads(text):
        yield from (run["title"], run["about"])


def _lesson(root: Path) -> Document:
    """The lesson as it is told, its facts filled in. What comes from the recorded run is no number that was typed."""
    names = json.loads((root / f"{RUN}.json").read_text(encoding="utf-8"))["sides"]
    averages, recall = (_results(root / file) for file in (AVERAGES, RECALL))
    known = facts(open_run(root / f"{RUN}.zip"), names, averages.get("rows", []), recall)
    lesson = read_lesson(root / LESSON)
    bars = (bar for step in lesson.steps for box in step.boxes for bar in box.bars)
    pieces = [*_seen(lesson.model_dump()), *(f"{bar.text}: {{{bar.fact}}}" for bar in bars)]
    text, unread = "", []
    for number, piece in enumerate(re.split(r"\{([\w.]+)\}", in_one_line(" · ".join(pieces)))):
        filled = known.get(piece, f"{{{piece}}}") if number % 2 else piece
        if number % 2 and not piece.startswith(("average.", "recall.")):
            unread.append((len(text), len(text) + len(filled)))
        text += filled
    return Document(LESSON, text, _numbers(text, unread, NUMBER))


def _results(path: Path) -> dict[str, Any]:
    """What a file of results holds; empty where there is none, which the claims on it tell."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _seen(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _seen(inner, "text" if key == "words" else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _seen(inner, key)
    elif isinstance(value, str) and key in SEEN:
        yield value
