"""Does anything pile up? `python -m benchmarks.soak --minutes 10 --out soak.json`.

Starts `python app.py`, lets programs call `/compare` (every fourth call is refused), visitors hold conversations of
four turns and others vanish in between, and notes memory, open files, threads and temporary files over time. In the
end 16 and then 40 callers ask at once, and each answer is compared with that of a caller who is alone.
"""

import json
import os
import platform
import statistics
import threading
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import psutil

from benchmarks.callers import PICTURE, WAYS, Caller, PageVisitor, health, in_threads, program, vanish
from elastic import __version__
from elastic.command_line import Options, whole_number

CALLS, CONVERSATIONS, TURNS, TOKENS = 2000, 500, 4, 3
WORKERS = 3  # at once: two of programs, one of visitors
CROWDS = (16, 40)  # callers at once in the end
EVERY = 25  # calls until somebody vanishes
QUESTIONS = ("How many objects are there?", "What is in the center?", "Where is the owl?", "What is here?")
SCENES = sorted(PICTURE.parent.glob("scene-*.png"))[:4]
GOALS = {"rss_last_over_second_tenth": 1.03, "files_grown": 0, "threads_grown": 0, "temporary_files_grown": 0}


class Watch:
    """Notes what a process holds, every so often, in a thread of its own."""

    def __init__(self, url: str, process: psutil.Process, seconds: float) -> None:
        self.url, self.process, self.seconds = url, process, seconds
        self.notes: list[dict[str, float]] = []
        self.began, self._stop = time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(self.seconds):
            self.notes.append(self.look())

    def look(self) -> dict[str, float]:
        """What it holds now."""
        folder = next(Path(os.environ.get("TMPDIR", "/tmp")).glob(f"elastic-page-{self.process.pid}-*"), None)
        files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()] if folder else []
        return {
            "seconds": round(time.monotonic() - self.began, 1),
            "rss": self.process.memory_info().rss,
            "files": self.process.num_fds(),
            "threads": self.process.num_threads(),
            "temporary_files": len(files),
            "temporary_bytes": sum(files),
        }

    def stop(self) -> None:
        """Note nothing more."""
        self._stop.set()
        self._thread.join()


class Work:
    """So many calls and conversations, shared by workers until all are done or time is up."""

    def __init__(self, url: str, calls: int, conversations: int, until: float) -> None:
        self.url, self.until, self.lock = url, until, threading.Lock()
        self.left = {"calls": calls, "conversations": conversations}
        self.done = {"calls": 0, "refused": 0, "conversations": 0, "turns": 0, "vanished": 0, "wrong": 0}

    def take(self, kind: str) -> int | None:
        """The number of the next piece of work of a kind, None where there is no more or no more time."""
        with self.lock:
            if not self.left[kind] or time.monotonic() > self.until:
                return None
            self.left[kind] -= 1
            return self.left[kind]

    def note(self, **done: int) -> None:
        """Count what was done."""
        with self.lock:
            for name, count in done.items():
                self.done[name] += count

    def programs(self) -> None:
        """Call, one call after the other, each as a program of its own."""
        while (number := self.take("calls")) is not None:
            caller = Caller(self.url)
            question = "" if number % 4 == 0 else QUESTIONS[number % len(QUESTIONS)]
            fine, _ = caller.compare(question, TOKENS, SCENES[number % len(SCENES)])
            caller.close()
            self.note(calls=1, refused=not fine, wrong=fine is not bool(question))
            if number % EVERY == 0:
                vanish(self.url, WAYS[number // EVERY % len(WAYS)])
                self.note(vanished=1)

    def visitors(self) -> None:
        """Hold conversations, one after the other."""
        while self.take("conversations") is not None:
            visitor = PageVisitor(self.url)
            for question in QUESTIONS[:TURNS]:
                last = visitor.ask(question, TOKENS)[-1]
                self.note(turns=1, wrong=not last.get("success", False))
            visitor.close()
            self.note(conversations=1)


def soak(calls: int, conversations: int, minutes: float, crowds: Sequence[int]) -> tuple[dict, list[dict]]:
    """Counts and figures, and the notes over time; `crowds` are how many callers ask at once in the end."""
    with program() as (url, process):
        expected = alone(url, min(max(crowds), len(QUESTIONS) * len(SCENES)))  # by then what is made once is made
        work = Work(url, calls, conversations, time.monotonic() + 60 * minutes)
        watch = Watch(url, process, max(0.5, min(3.0, 0.2 * minutes)))
        workers = [work.programs] * (WORKERS - 1) + [work.visitors]
        in_threads(len(workers), lambda number: workers[number]())
        time.sleep(1)
        watch.stop()
        figures = work.done | {"seconds": watch.notes[-1]["seconds"]} | compared(watch.notes)
        for count in crowds:
            figures[f"wrong_of_{count}_at_once"] = at_once(url, count, expected)
        figures["healthy"] = health(url)[0] == 200
    return figures, watch.notes


def compared(notes: list[dict[str, float]]) -> dict[str, float]:
    """The last tenth of the notes against the second."""
    tenth = max(1, len(notes) // 10)
    second, last = notes[tenth : 2 * tenth], notes[-tenth:]

    def median(part: list[dict], name: str) -> float:
        return statistics.median(note[name] for note in part)

    grown = {f"{name}_grown": median(last, name) - median(second, name) for name in ("files", "threads")}
    return {
        "rss_second_tenth_mb": median(second, "rss") / 1e6,
        "rss_last_tenth_mb": median(last, "rss") / 1e6,
        "rss_last_over_second_tenth": median(last, "rss") / median(second, "rss"),
        **grown,
        "temporary_files_grown": median(last, "temporary_files") - median(second, "temporary_files"),
    }


def alone(url: str, count: int) -> list[object]:
    """What the first so many questions are answered to somebody who is alone."""
    return [asked(url, number) for number in range(count)]


def asked(url: str, number: int) -> object:
    """Both answers to one of the questions."""
    caller = Caller(url)
    fine, answer = caller.compare(QUESTIONS[number % len(QUESTIONS)], 16, SCENES[number % len(SCENES)])
    caller.close()
    return answer[:2] if fine else None


def at_once(url: str, count: int, expected: list[object]) -> int:
    """How many of so many callers were answered otherwise than they are alone."""
    found = in_threads(count, lambda number: asked(url, number))
    return sum(answer is None or answer != expected[number % len(expected)] for number, answer in enumerate(found))


def main() -> None:
    """Print the table and write the JSON."""
    parser = Options(__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="at most; what was done by then is told")
    parser.add_argument("--calls", type=whole_number(0), default=CALLS, help="of programs")
    parser.add_argument("--conversations", type=whole_number(0), default=CONVERSATIONS, help=f"of {TURNS} turns each")
    parser.add_argument(
        "--quick", action="store_true", help="a minute at most, with a twentieth of the work and smaller crowds"
    )
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    part, minutes, crowds = (20, min(1, args.minutes), (4, 8)) if args.quick else (1, args.minutes, CROWDS)
    figures, notes = soak(args.calls // part, args.conversations // part, minutes, crowds)
    for name, value in figures.items():
        goal = GOALS.get(name)
        verdict = "" if goal is None else f"<= {goal:g}  {'reached' if value <= goal else 'MISSED'}"
        print(f"{name:<32}{float(value):12.3f}  {verdict}")
    if args.out:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        machine |= {"elastic": __version__, "date": str(date.today())}
        args.out.write_text(json.dumps({"machine": machine, "figures": figures, "notes": notes}, indent=1) + "\n")


if __name__ == "__main__":
    main()
