"""The lesson with its run, as one value of plain JSON: what the page's script and the exported file are fed with."""

from elastic.trace import Run
from viz import view
from viz.facts import facts
from viz.lesson import MOST_WORDS, ROOT, Ask, Box, Choose, Code, Lesson, Step
from viz.lesson_texts import SLOTS, Writer, count_words, plain

AROUND = 4  # lines of code shown before and after the one that counts


def lesson_value(lesson: Lesson, run: Run, names: list[str], results: list[dict], source: str = "") -> dict:
    """Everything the lesson's script needs: texts in pieces, states, the run's message with all sides, the small facts.

    `source` is the address under which this program's files can be read, if there is one.

    Raises:
        ValueError: if a text quotes what the run does not say, a step is too long, or a state does not exist.
    """
    found = facts(run, names, results)
    writer = Writer(found, {term.name for term in lesson.glossary})
    value = {
        "language": lesson.language,
        "title": lesson.title,
        "about": writer.cut(lesson.about, "about"),
        "words": {name: writer.known(text) for name, text in lesson.words.model_dump().items()},
        "glossary": [
            {"name": term.name, "term": term.term, "text": writer.cut(term.text, f"glossary {term.name}")}
            for term in lesson.glossary
        ],
        "steps": [_step(step, number, run, names, writer, source) for number, step in enumerate(lesson.steps, start=1)],
        "names": names,
        "paper": "https://arxiv.org/abs/2407.18121",
        "run": view.message(run, 0, 0, done=True),
    }
    used = {piece["to"] for pieces in _all_texts(value) for piece in pieces if isinstance(piece, dict)}
    unused = [term.name for term in lesson.glossary if term.name not in used]
    if unused:
        writer.problems.append(f"glossary: no text leads to {', '.join(unused)}")
    if writer.problems:
        raise ValueError("The lesson cannot be told:\n" + "\n".join(f"  {problem}" for problem in writer.problems))
    return value


def _all_texts(value: dict) -> list[list]:
    found = [term["text"] for term in value["glossary"]]
    for step in value["steps"]:
        found += [step["text"], step["ask"]["text"], step["box"]["text"] if step["box"] else []]
        found += [option["reply"] for option in step["ask"].get("options", [])] or [step["ask"]["reply"]]
    return found


def _step(step: Step, number: int, run: Run, names: list[str], writer: Writer, source: str) -> dict:
    place = f"step {number}"
    text, ask = writer.cut(step.text, place), _ask(step.ask, place, run, writer)
    words = count_words(plain(text)) + count_words(plain(ask["text"]))
    if words > MOST_WORDS:
        writer.problems.append(f"{place}: {words} words with what it asks, {MOST_WORDS} at most")
    _check(step, place, run, names, writer)
    return {
        "title": step.title,
        "text": text,
        "look": step.look.model_dump(),
        "then": step.then.model_dump(exclude_none=True),
        "ask": ask,
        "box": step.box and _box(step.box, place, writer),
        "figure": step.figure,
        "multiples": step.multiples and step.multiples.model_dump(),
        "switches": [switch.model_dump() for switch in step.switches],
        "code": excerpt(step.code, source),
        "sheet": {**step.sheet.model_dump(), "text": writer.cut(step.sheet.text, f"{place}, sheet")},
    }


def _ask(ask: Ask, place: str, run: Run, writer: Writer) -> dict:
    slots = SLOTS.get(ask.kind, ())
    value = ask.model_dump() | {"text": writer.cut(ask.text, place)}
    if isinstance(ask, Choose):
        value["options"] = [
            {**option.model_dump(), "reply": writer.cut(option.reply, f"{place}, a reply")} for option in ask.options
        ]
    else:
        for name in ("reply", "unasked"):
            if name in value:
                value[name] = writer.cut(value[name], f"{place}, the {name}", slots)
    if ask.kind == "reach" and ask.until != "given up" and ask.until > max(side.steps for side in run.sides):
        writer.problems.append(f"{place}: no answer has {ask.until} tokens")
    if ask.kind == "line":
        full = run.sides[0]
        tokens, total = len(full.pieces), int(full.prompt_bytes.sum())
        value |= {"tokens": tokens, "total": total, "perToken": total / tokens}
    return value


def _box(box: Box, place: str, writer: Writer) -> dict:
    bars = [{"text": bar.text, "value": writer.known(f"{{average.{bar.side}}}")} for bar in box.bars]
    unknown = [bar["text"] for bar in bars if "{" in bar["value"]]
    if unknown:
        writer.problems.append(f"{place}, box: no average is known for {', '.join(unknown)}")
    return {**box.model_dump(), "text": writer.cut(box.text, f"{place}, box"), "bars": bars}


def _check(step: Step, place: str, run: Run, names: list[str], writer: Writer) -> None:
    """Every state exists in this run."""
    sides = [step.look.side, step.sheet.side, *(switch.side for switch in step.switches)]
    sides += step.multiples.sides if step.multiples else []
    unknown = sorted({side for side in sides if side not in names})
    if unknown:
        writer.problems.append(f"{place}: no side is named {', '.join(unknown)}; there are {', '.join(names)}")
    layers = run.sides[0].layers
    if max(step.look.layer, step.then.layer or 0, step.sheet.layer) > layers:
        writer.problems.append(f"{place}: the run has {layers} layers")
    steps = max(side.steps for side in run.sides)
    if max(step.look.t, step.then.t or 0, step.sheet.t) > steps:
        writer.problems.append(f"{place}: the answer has {steps} tokens")


def excerpt(code: Code, source: str = "") -> dict:
    """The line of the program that `code` names, with those around it, as they stand today.

    Raises:
        ValueError: if no line of the file reads so.
    """
    lines = (ROOT / code.file).read_text(encoding="utf-8").splitlines()
    at = next((number for number, line in enumerate(lines) if code.line in line), None)
    if at is None:
        raise ValueError(f"{code.file} has no line that reads {code.line!r}: the lesson shows it.")
    first = max(0, at - AROUND)
    link = f"{source}/{code.file}#L{at + 1}" if source else ""
    return {
        "file": code.file,
        "number": at + 1,
        "first": first + 1,
        "lines": lines[first : at + AROUND + 1],
        "link": link,
    }
