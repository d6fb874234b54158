"""What was found so far, in a file that only grows: one JSON line per answer, so that a killed run can go on.

A line that cannot be used costs what it says and nothing else: `problems` names it, `set_aside` keeps it elsewhere.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from elastic.evaluate.lines import CHECK, LONGEST, Record, check_of, parsed, read_lines
from elastic.evaluate.methods import budget_of
from elastic.files import append, whole, write

Key = tuple[str, str, float]  # sample, policy's label, budget
ELSE = "give another --out, or --fresh to overwrite it."


@dataclass(frozen=True)
class _LeftOut:
    """A line that cannot be used: its number, why, and where in the file it begins and ends."""

    number: int
    why: str
    begin: int
    end: int


class Records:
    """The lines of a file: the run's settings, what it ran on, answers, and errors in place of answers.

    Nothing is written before there is something to add.

    Args:
        settings: what answers depend on. A file with others is of another run.
        fresh: begin anew, whatever is in the file.

    Raises:
        ValueError: if the file is of another run, is no such file, or cannot be read.
    """

    def __init__(self, path: Path, settings: Record, fresh: bool = False) -> None:
        self.path, self.settings = path, settings
        self.found: list[Record] = []
        self.about: list[dict[str, str]] = []
        self._left_out: list[_LeftOut] = []
        self._has_checks = False  # some line so far has one that is right
        self._end = 0  # bytes of the file that stay; 0: it is yet to be begun
        self._is_open = False  # the last line is whole, but for its end
        try:
            if not fresh and path.exists() and path.stat().st_size:
                self._read()
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error.strerror}): {ELSE}") from error

    def _read(self) -> None:
        is_known = False  # what run the file is of
        begin = 0
        with self.path.open("rb") as file:
            for number, (line, end) in enumerate(read_lines(file), start=1):
                is_ended = line.endswith(b"\n")
                try:
                    record = parsed(line)
                    has_check = self._checked(record)
                    if number == 1 and "settings" in record:
                        self._compare(record["settings"])
                        self.settings, is_known = record["settings"], True
                    else:
                        self._take(record, is_known or has_check)
                except _FileRefused:
                    raise
                except ValueError as error:
                    self._left_out.append(_LeftOut(number, str(error), begin, end))
                    if not is_ended:
                        break  # the next line takes its place
                self._end, self._is_open, begin = end, not is_ended, end
        if not is_known and not self.found:
            raise ValueError(f"{self.path} is no file of an evaluation: {ELSE}")

    def _compare(self, before: Record) -> None:
        if others := changed(before, self.settings):
            raise _FileRefused(f"{self.path} is of another run ({others}): {ELSE}")

    def _checked(self, record: Record) -> bool:
        """Take the checksum off a line; whether it has one. Only a file from before there were any begins without."""
        check = record.pop(CHECK, None)
        if check is None and self._has_checks:
            raise ValueError("has no checksum, unlike lines before it: it was changed, or is of another run")
        if check not in (None, check_of(record.get("settings", self.settings), record)):
            raise ValueError("was changed, or is of another run")
        self._has_checks = check is not None
        return self._has_checks

    def _take(self, record: Record, is_known: bool) -> None:
        """Note what a line says, if it is known to be of this run: from its checksum, or from the first line."""
        if not is_known:
            raise ValueError("does not say what run it is of, and nor does the first line")
        if "settings" in record:
            if others := changed(record["settings"], self.settings):
                raise ValueError(f"is of another run ({others})")
        elif "about" in record:
            self.about += [record["about"]] * (record["about"] not in self.about)
        else:
            self.found.append(record)

    @property
    def problems(self) -> list[str]:
        """One sentence for each line that is left out, or for some of them in a row."""
        sentences = []
        numbered = enumerate(self._left_out)
        for (_, why), group in groupby(numbered, lambda one: (one[1].number - one[0], one[1].why)):
            numbers = [line.number for _, line in group]
            which = f"Line {numbers[0]}" if len(numbers) == 1 else f"Each of lines {numbers[0]} to {numbers[-1]}"
            sentences.append(f"{which} of {self.path.name} {why}: left out, and computed again where it is asked for.")
        return sentences

    def set_aside(self, path: Path) -> None:
        """Move the lines that are left out to the end of another file, as they are, so that they are told of once.

        Raises:
            ValueError: if one of the files cannot be written; then no line is lost.
        """
        if not self._left_out:
            return
        with whole(path) as aside, self.path.open("rb") as source:
            if path.exists():
                with path.open("rb") as before:
                    shutil.copyfileobj(before, aside)
            for line in self._left_out:
                source.seek(line.begin)
                for at in range(line.begin, line.end, LONGEST):  # a line may be longer than memory
                    part = source.read(min(LONGEST, line.end - at))
                    aside.write(part)
                aside.write(b"" if part.endswith(b"\n") else b"\n")
        self._left_out = []
        self._write_all()

    def append(self, lines: Iterable[Record]) -> None:
        """Add answers, and what they were computed on where that is new; they are in the file when this returns.

        Raises:
            ValueError: if they cannot be written; what was in the file stays.
        """
        new = []
        for line in lines:
            if "about" not in line:
                self.found.append(line)
            elif line["about"] in self.about:
                continue
            else:
                self.about.append(line["about"])
            new.append(line)
        is_there = self._end and self.path.exists() and self.path.stat().st_size >= self._end
        if not is_there:  # begun only now, or somebody has taken it away
            self._write_all()
            return
        self._end = append(self.path, self._end, b"\n" * self._is_open + self._lines(new))
        self._is_open = False

    def _write_all(self) -> None:
        content = self._lines([{"settings": self.settings}, *({"about": about} for about in self.about), *self.found])
        write(self.path, content)
        self._end, self._is_open = len(content), False

    def _lines(self, records: Iterable[Record]) -> bytes:
        return "".join(map(self._line, records)).encode()

    def _line(self, record: Record) -> str:
        return json.dumps(record | {CHECK: check_of(self.settings, record)}, allow_nan=False) + "\n"

    def answers(self) -> list[Record]:
        """All answers, the latest where there are several to the same question."""
        return list({_key_of_turn(line): line for line in self.found if "error" not in line}.values())

    def errors(self) -> list[Record]:
        """What went wrong and was not made up for since."""
        done = self.done()
        failed = {_key(line): line for line in self.found if "error" in line}
        return [line for key, line in failed.items() if not done[key]]

    def done(self) -> Counter[Key]:
        """For each sample and method, how many of its turns are answered."""
        return Counter(_key(line) for line in self.answers())


class _FileRefused(ValueError):
    """About the file as a whole, not a line of it."""


def changed(before: Record, now: Record) -> str:
    """In which settings a run differs; empty where it is the same."""
    others = [name for name in now if before.get(name) != now[name]]
    return ", ".join(f"{name} {before.get(name, 'not said')!r} instead of {now[name]!r}" for name in others)


def _key(line: Record) -> Key:
    return line["sample"], line["policy"], budget_of(line)


def _key_of_turn(line: Record) -> tuple[str, str, float, str]:
    return *_key(line), line["skill"]
