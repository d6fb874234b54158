"""The lesson with its run, as one value: what the page's script and the exported file are fed with."""

import re

from elastic.record.messages import of_run
from elastic.record.trace import Run
from viz.facts import facts
from viz.lesson import MOST_WORDS, ROOT, Ask, Box, Choose, Code, Lesson, LessonStep, Multiples
from viz.lesson_texts import SLOTS, Writer, count_words, plain

AROUND = 4  # lines of code shown before and after the one that counts


def lesson_value(
    lesson: Lesson, run: Run, names: list[str], results: list[dict], recall: dict, source: str = ""
) -> dict:
    """Everything the lesson's script needs: texts in pieces, states, the run's message with all sides.

    `names` are those of the run's sides, `results` and `recall` as `viz.facts` takes them; `source` is the address
    under which this program's files can be read, if there is one.

    Raises:
        ValueError: if a text quotes what the run does not say, a step is too long, or a state does not exist; a line
            for each.
    """
    known = facts(run, names, results, recall)
    teller = Teller(run, names, Writer(known, {term.name for term in lesson.glossary}), source)
    value = {
        "language": lesson.language,
        "title": teller.writer.line(lesson.title, "title"),
        "about": teller.writer.cut(lesson.about, "about"),
        "words": teller.writer.words(lesson.words.model_dump()),
        "glossary": [
            {
                "name": term.name,
                "term": teller.writer.line(term.term, f"glossary {term.name}"),
                "text": teller.writer.cut(term.text, f"glossary {term.name}"),
            }
            for term in lesson.glossary
        ],
        "steps": [teller.step(step, number) for number, step in enumerate(lesson.steps, start=1)],
        "names": names,
        "paper": "https://arxiv.org/abs/2407.18121",
        "run": of_run(run, 0, 0, done=True),
    }
    problems = [*teller.writer.problems, *unreached(value)]
    if problems:
        raise ValueError("The lesson cannot be told:\n" + "\n".join(f"  {problem}" for problem in problems))
    return value


def unreached(value: dict) -> list[str]:
    """What is wrong with the glossary: terms that no step leads to, not even through another term, and doubles."""
    links = {term["name"]: terms_of(term["text"]) for term in value["glossary"]}
    reached = set().union(*(terms_of(step) for step in value["steps"]))
    while more := set().union(*(links.get(name, set()) for name in reached)) - reached:
        reached |= more
    lost = [name for name in links if name not in reached]
    problems = [f"glossary: no step leads to {', '.join(lost)}"] if lost else []
    return problems + (["glossary: two entries have one name"] if len(links) < len(value["glossary"]) else [])


def terms_of(value: object) -> set[str]:
    """The terms that the texts in a value link to, however deep."""
    if isinstance(value, dict):
        return {value["to"]} if value.get("kind") == "term" else set().union(*map(terms_of, value.values()))
    return set().union(*map(terms_of, value)) if isinstance(value, list) else set()


class Teller:
    """Steps as plain JSON, told with one run; what is wrong with them goes to the writer's problems."""

    def __init__(self, run: Run, names: list[str], writer: Writer, source: str) -> None:
        self.run, self.names, self.writer, self.source = run, names, writer, source

    def step(self, step: LessonStep, number: int) -> dict:
        """One step, its texts in pieces."""
        place, writer = f"step {number}", self.writer
        text, ask = writer.cut(step.text, place), self._ask(step.ask, place, step.look.side)
        words = count_words(plain(text)) + count_words(plain(ask["text"]))
        if words > MOST_WORDS:
            writer.problems.append(f"{place}: {words} words with what it asks, {MOST_WORDS} at most")
        self._check(step, place)
        return {
            "title": writer.line(step.title, place),
            "text": text,
            "look": step.look.model_dump(),
            "then": step.then.model_dump(exclude_none=True),
            "ask": ask,
            "boxes": [self._box(box, f"{place}, box {at}") for at, box in enumerate(step.boxes, start=1)],
            "figure": step.figure,
            "multiples": step.multiples and self._multiples(step.multiples, place),
            "switches": [self._lines(switch.model_dump(), place, "text", "note") for switch in step.switches],
            "code": self._excerpt(step.code, place),
            "sheet": {**step.sheet.model_dump(), "text": writer.cut(step.sheet.text, f"{place}, sheet")},
        }

    def _lines(self, value: dict, place: str, *names: str) -> dict:
        return value | {name: self.writer.line(value[name], place) for name in names}

    def _multiples(self, multiples: Multiples, place: str) -> dict:
        value = multiples.model_dump()
        return value | {name: [self.writer.line(text, place) for text in value[name]] for name in ("titles", "notes")}

    def _ask(self, ask: Ask, place: str, side: str) -> dict:
        value = ask.model_dump() | {"text": self.writer.cut(ask.text, place)}
        if isinstance(ask, Choose):
            value["options"] = [
                self._lines(option.model_dump(), place, "text")
                | {"reply": self.writer.cut(option.reply, f"{place}, a reply")}
                for option in ask.options
            ]
        for name in ("reply", "unasked"):
            if name in value:
                value[name] = self.writer.cut(value[name], f"{place}, the {name}", SLOTS.get(ask.kind, ()))
        if ask.kind == "reach" and side in self.names:
            self._check_reach(ask.until, place, side)
        if ask.kind == "line":
            full = self.run.sides[0]
            tokens, total = len(full.pieces), int(full.prompt_bytes.sum())
            value |= {"tokens": tokens, "total": total, "perToken": total / tokens}
        return value

    def _check_reach(self, until: int | str, place: str, name: str) -> None:
        side = self.run.sides[self.names.index(name)]
        if until == "given up" and not (side.dropped >= 0).any():
            self.writer.problems.append(f"{place}: {name} gives nothing up")
        elif until != "given up" and until > side.steps:
            self.writer.problems.append(f"{place}: the answer of {name} has {side.steps} tokens, not {until}")

    def _box(self, box: Box, place: str) -> dict:
        bars = [
            {"text": self.writer.line(bar.text, place), "value": self.writer.line(f"{{{bar.fact}}}", place)}
            for bar in box.bars
        ]
        self.writer.problems += [
            f"{place}: a bar shows a share, and {bar.fact} is {shown['value']!r}"
            for bar, shown in zip(box.bars, bars, strict=True)
            if shown["value"] and not re.fullmatch(r"\d+ %", shown["value"])
        ]
        title = self.writer.line(box.title, place)
        return {**box.model_dump(), "title": title, "text": self.writer.cut(box.text, place), "bars": bars}

    def _check(self, step: LessonStep, place: str) -> None:
        """Every state exists in this run."""
        sides = [step.look.side, step.sheet.side, *(switch.side for switch in step.switches)]
        sides += step.multiples.sides if step.multiples else []
        unknown = sorted({side for side in sides if side not in self.names})
        if unknown:
            known = ", ".join(self.names)
            self.writer.problems.append(f"{place}: no side is named {', '.join(unknown)}; there are {known}")
            return
        layers = self.run.sides[0].layers
        if max(step.look.layer, step.then.layer or 0, step.sheet.layer) > layers:
            self.writer.problems.append(f"{place}: the run has {layers} layers")
        for name, t in (
            (step.look.side, step.look.t),
            (step.look.side, step.then.t or 0),
            (step.sheet.side, step.sheet.t),
        ):
            steps = max(self.run.sides[0].steps, self.run.sides[self.names.index(name)].steps)
            if t > steps:
                self.writer.problems.append(f"{place}: the answers end after {steps} tokens, before t = {t}")

    def _excerpt(self, code: Code, place: str) -> dict:
        """The line of the program that `code` names, with those around it, as they stand today."""
        path = (ROOT / code.file).resolve()
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() and ROOT in path.parents else []
        at = next((number for number, line in enumerate(lines) if code.line in line), None)
        if at is None:
            self.writer.problems.append(f"{place}: no line of {code.file} reads {code.line!r}")
            return {}
        first = max(0, at - AROUND)
        return {
            "file": code.file,
            "number": at + 1,
            "first": first + 1,
            "lines": lines[first : at + AROUND + 1],
            "link": f"{self.source}/{code.file}#L{at + 1}" if self.source else "",
        }
