"""Data sets in files: MM-Vet, LLaVA-Description and LLaVA-Bench, recognised by what is in them."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

from elastic.evaluate.data import DESCRIBE, Sample, Turn


def read_file(path: Path, images: Path, limit: int | None = None) -> tuple[list[Sample], list[str]]:
    """The samples of a file, `limit` records of it at most, and one sentence for each record that cannot be used.

    Raises:
        ValueError: if the file cannot be read, or is of no known format.
    """
    records, parse = _records(path)
    samples: dict[str, Sample] = {}
    problems = []
    for index, (name, record) in enumerate(records[:limit]):
        try:
            if not isinstance(record, dict):
                raise ValueError("it is no JSON object.")
            _refuse_half(name, record)
            sample = parse(name, record, images)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"Record {index} ({_shown(name)}) of {path.name}: {_reason(error)}")
            continue
        unique = sample.name
        while unique in samples:  # also where another record has the name that would tell them apart
            unique = f"{unique} ({index})"
        samples[unique] = replace(sample, name=unique, about=str(sample.picture))
    return list(samples.values()), problems


Foreign = dict[str, Any]  # a record as somebody wrote it: nothing is known of it yet
Parser = Callable[[str, Foreign, Path], Sample]


def _records(path: Path) -> tuple[list[tuple[str, object]], Parser]:
    """The records of a file with their names, and what reads them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Give a JSON or JSON lines file, or `scenes`.") from error
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # also of numbers and lists without end
        # Not `splitlines`, which parts at signs that may stand within a text.
        found = [_line(line) for line in text.split("\n") if line.strip()]
    if isinstance(found, dict) and not _has(found, "image", "text"):
        records = list(found.items())
    else:
        rows = found if isinstance(found, list) else [found]
        records = [(str(_first(row, "question_id", "id", default=n)), row) for n, row in enumerate(rows)]
    for parse, needed in ((_mm_vet, "imagename"), (_llava, "conversations"), (_bench, "text")):
        if any(_has(record, needed) for _, record in records):
            return records, parse
    raise ValueError(
        f"{path} is none of the formats known here: MM-Vet (imagename, question), LLaVA (image, conversations) or "
        "JSON lines (image, text)."
    )


def _line(text: str) -> object:
    """One line of a JSON lines file; a damaged one is reported when its turn comes."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _refuse_half(*values: object) -> None:
    """Raise ValueError for half a character, which no terminal and no file could be written with."""
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("it holds half a character.") from error


def _reason(error: Exception) -> str:
    """What is wrong with a record: in our words where the language's own say nothing to who wrote it."""
    if isinstance(error, KeyError):
        return f"it has no {error}."
    return str(error) if isinstance(error, ValueError) else "it has a part of another kind than this format wants."


def _shown(name: str) -> str:
    return name.encode(errors="replace").decode()


def _mm_vet(name: str, record: Foreign, images: Path) -> Sample:
    """`answer` may offer <OR> alternatives and ask for several things with <AND>: no text to match to the letter."""
    answer = record.get("answer")
    if answer is not None:
        answer = " and ".join(part.strip() for part in _text(answer).split("<OR>")[0].split("<AND>"))
    wanted = record.get("capability") or "question"
    skill = ", ".join(map(_text, [wanted] if isinstance(wanted, str) else wanted))
    turn = Turn(_text(record["question"]), answer or None, skill)
    return Sample(name, _image(images, record["imagename"]), (turn,), is_exact=False)


def _llava(name: str, record: Foreign, images: Path) -> Sample:
    messages = record["conversations"]
    if len(messages) < 1 or any(part["from"] != ("human", "gpt")[n % 2] for n, part in enumerate(messages)):
        raise ValueError("its conversation is not one of `human` and `gpt` in turn, `human` first.")
    texts = [_text(part["value"]).replace("<image>", "").strip() for part in messages]
    pairs = list(zip(texts[::2], [*texts[1::2], None], strict=False))
    skills = [DESCRIBE] if len(pairs) == 1 else [f"turn {number}" for number in range(1, len(pairs) + 1)]
    turns = (Turn(question, answer or None, skill) for (question, answer), skill in zip(pairs, skills, strict=True))
    return Sample(name, _image(images, record["image"]), tuple(turns), is_exact=False)


def _bench(name: str, record: Foreign, images: Path) -> Sample:
    answer = _first(record, "answer", "gpt_answer", default=None)
    turn = Turn(
        _text(record["text"]), None if answer is None else _text(answer), _text(record.get("category") or "question")
    )
    return Sample(name, _image(images, record["image"]), (turn,), is_exact="answer" in record)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a text is expected where it has {value!r:.40}.")
    return value


def _image(folder: Path, name: object) -> Path:
    """The file of a picture that a record names, which must lie in the folder of pictures."""
    path = Path(os.path.normpath(folder.absolute() / _text(name)))
    if not path.is_relative_to(os.path.normpath(folder.absolute())):
        raise ValueError(f"its picture {name!r} lies outside the folder of pictures, {folder}.")
    try:
        is_there = path.is_file()
    except OSError as error:
        raise ValueError(f"its picture {name!r:.60} cannot be looked for ({error.strerror}).") from error
    if not is_there:
        raise ValueError(f"its picture {name!r} is not in {folder}.")
    return path


def _has(record: object, *names: str) -> TypeGuard[Foreign]:
    return isinstance(record, dict) and all(name in record for name in names)


def _first(record: object, *names: str, default: object) -> object:
    """The first of some entries that a record has."""
    return next((record[name] for name in names if _has(record, name)), default)
