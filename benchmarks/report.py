"""What the benchmarks say: rows with medians and quartiles, a table, goals, JSON, and what machine it was."""

import argparse
import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import torch
import transformers

from benchmarks.measure import Timing
from benchmarks.models import precision, wanted_dtype
from elastic import __version__, files
from elastic.command_line import DTYPE, DTYPES, Options, whole_number
from elastic.files import one_sentence, out_file
from elastic.models.precision import check_dtype


@dataclass(frozen=True)
class TableRow:
    """One contender in one case; None where a figure does not apply or could not be had."""

    case: str
    contender: str
    median_s: float | None = None
    low_s: float | None = None  # the lower and the upper quartile
    high_s: float | None = None
    tokens_per_s: float | None = None
    peak_extra_bytes: int | None = None
    limit_fraction: float | None = None  # of the speed that memory bandwidth would allow


def row(
    case: str,
    contender: str,
    runs: Sequence[Timing],
    scale: float = 1,
    tokens: int | None = None,
    extra_bytes: int | None = None,
    limit_s: float | None = None,
) -> TableRow:
    """The row of some runs, none of them if memory ran out.

    Args:
        scale: what the seconds of a run are multiplied by.
        tokens: written or read in the scaled time.
        limit_s: the least the scaled time could be.
    """
    if not runs:
        return TableRow(case, contender, peak_extra_bytes=extra_bytes)
    seconds = [scale * run.seconds for run in runs]
    median = statistics.median(seconds)
    low, _, high = statistics.quantiles(seconds * (1 + (len(seconds) == 1)), n=4, method="inclusive")
    return TableRow(
        case=case,
        contender=contender,
        median_s=median,
        low_s=low,
        high_s=high,
        tokens_per_s=None if tokens is None else tokens / median,
        peak_extra_bytes=extra_bytes,
        limit_fraction=None if limit_s is None else limit_s / median,
    )


def ratio(rows: Iterable[TableRow], case: str, above: str, below: str) -> float | None:
    """Median of one contender over that of another, in one case; None where either has none."""
    medians = {one.contender: one.median_s for one in rows if one.case == case}
    top, bottom = medians.get(above), medians.get(below)
    return None if top is None or bottom is None else top / bottom


def goal(text: str, value: float | None, bound: float, at_least: bool = False) -> None:
    """Print what was to be reached and whether it was; nothing if it was not measured."""
    if value is None:
        return
    reached = value >= bound if at_least else value <= bound
    kind = "at least" if at_least else "at most"
    print(f"{'reached' if reached else 'MISSED':<8}{text}: {value:.3g}, goal {kind} {bound:g}")


def cell(value: float | None, scale: float = 1, digits: int = 3) -> str:
    """A figure for the table, a dash where there is none."""
    if value is None:
        return "-"
    value = value * scale
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:#.{digits}g}"


def spread(one: TableRow, scale: float) -> list[str]:
    """Median and both quartiles, for the table."""
    return [
        cell(one.median_s, scale),
        "-" if one.low_s is None else f"{cell(one.low_s, scale)}-{cell(one.high_s, scale)}",
    ]


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a table of cases, contenders and figures: `header` names the columns behind that of the cases."""
    widths = [max(map(len, column)) for column in zip(header, *(line[1:] for line in lines), strict=True)]

    def show(name: str, *figures: str) -> None:
        aligned = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        print("  ".join([f"  {name:<{widths[0]}}", *aligned]))

    show(*header)
    case = None
    for line in lines:
        if line[0] != case:
            case = line[0]
            print(case)
        show(*line[1:])
    print()


def machine(device: str) -> dict[str, object]:
    """What it ran on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "processor": next(named, platform.processor() or platform.machine()),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "dtype": str(precision(device)).removeprefix("torch."),
        "elastic": __version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "date": str(date.today()),
        "load_before": round(os.getloadavg()[0], 2),  # other programs that wanted a core, last minute
    }


def write(path: Path | None, about: dict[str, object], rows: Sequence[TableRow]) -> None:
    """Write the JSON where a path is given."""
    if path is not None:
        found = {"machine": about, "rows": [asdict(one) for one in rows]}
        with one_sentence():
            files.write(path, json.dumps(found, indent=2) + "\n")


def parser(about: str | None) -> Options:
    """The options that all benchmarks have."""
    options = Options(about)
    options.add_argument("--quick", action="store_true", help="smaller and fewer cases: under 40 seconds on two cores")
    options.add_argument("--out", type=out_file, help="JSON file to write")
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to run (default: %(default)s)")
    options.add_argument(
        "--dtype", choices=DTYPES, default=wanted_dtype(), help="of the weights; default: what suits the device"
    )
    options.add_argument("--rounds", type=whole_number(1), help="runs of each contender (default: 5; quick: 3)")
    return options


def arguments(options: Options, given: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for, on a device that exists."""
    args = options.parse_args(given)
    if args.device == "cuda" and not torch.cuda.is_available():
        options.error("no CUDA device was found")
    try:
        check_dtype(args.dtype, args.device)
    except ValueError as error:
        options.error(str(error))
    os.environ[DTYPE] = args.dtype
    if args.rounds is None:
        args.rounds = 3 if args.quick else 5
    return args
