"""What was found so far, in a file that only grows: one JSON line per answer, so that a killed run can go on."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

Record = dict[str, object]
Key = tuple[str, str, float]  # sample, policy's label, keep


class Records:
    """The lines of a file: the run's settings, what it ran on, answers, and errors in place of answers.

    Args:
        settings: what answers depend on. A file with others is of another run.
        fresh: begin anew, whatever is in the file.

    Raises:
        ValueError: if the file is of another run, or is no such file.
    """

    def __init__(self, path: Path, settings: Record, fresh: bool = False) -> None:
        self.path, self.found, self.about = path, [], []
        lines = [] if fresh or not path.exists() else self._whole_lines()
        if lines:
            self._compare(lines[0].get("settings"), settings)
            self.found = [line for line in lines if "policy" in line]
            self.about = [line["about"] for line in lines if "about" in line]
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"settings": settings}) + "\n")

    def _whole_lines(self) -> list[Record]:
        """All lines; one that a killed run did not finish is cut off the file."""
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise ValueError(
                f"{self.path} is damaged, or no file of an evaluation: give another --out, or --fresh to overwrite it."
            ) from error

    def _compare(self, before: Record | None, now: Record) -> None:
        if before is None:
            raise ValueError(
                f"{self.path} is no file of an evaluation: give another --out, or --fresh to overwrite it."
            )
        others = [name for name in now if before.get(name) != now[name]]
        if others:
            changed = ", ".join(f"{name} {before.get(name)!r} instead of {now[name]!r}" for name in others)
            raise ValueError(
                f"{self.path} is of another run ({changed}): give another --out, or --fresh to overwrite it."
            )

    def append(self, lines: Iterable[Record]) -> None:
        """Add answers, and what they were computed on where that is new; they are in the file when this returns."""
        new = []
        for line in lines:
            if "about" not in line:
                self.found.append(line)
            elif line["about"] in self.about:
                continue
            else:
                self.about.append(line["about"])
            new.append(json.dumps(line, allow_nan=False) + "\n")
        with self.path.open("a") as file:
            file.write("".join(new))

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


def _key(line: Record) -> Key:
    return line["sample"], line["policy"], line["keep"]


def _key_of_turn(line: Record) -> tuple:
    return *_key(line), line["skill"]
