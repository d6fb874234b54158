"""What the benchmarks measure with: runs that alternate, peak memory, memory bandwidth.

Contenders alternate within one run, so that a machine that slows down slows all of them. Peak memory comes from the
operating system (a fresh process for each figure, Linux only) or from the allocator of a GPU; it is never computed.
"""

import gc
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

STATUS, CLEAR, MEMORY = Path("/proc/self/status"), Path("/proc/self/clear_refs"), Path("/proc/meminfo")
LARGE_COPY = 2**30  # bytes; far beyond any cache


@dataclass(frozen=True)
class Timing:
    """One run of a contender."""

    seconds: float
    output: Any = None  # what the benchmark wants to know of it; small, for it is kept
    extra_bytes: int | None = None  # on a GPU: at the peak, above what was allocated before


def now(device: str) -> float:
    """Seconds, after the GPU has finished what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(device: str, function: Callable[..., object], *args: object) -> Timing:
    """How long one call takes."""
    began = now(device)
    function(*args)
    return Timing(now(device) - began)


def alternate(
    contenders: dict[str, Callable[[], Timing]], rounds: int, device: str, about: str, warm_up: bool = True
) -> dict[str, list[Timing]]:
    """Let every contender run once per round, every second round in reverse order; a warm-up round does not count.

    A contender that runs out of memory is left out from then on; it gets no runs, and a line says so.
    """
    runs: dict[str, list[Timing]] = {name: [] for name in contenders}
    left = list(contenders)
    first = -1 if warm_up else 0
    with _collecting_little(), tqdm(total=len(left) * (rounds - first), desc=about, leave=False) as bar:
        for number in range(first, rounds):
            for name in left[:: -1 if number % 2 else 1]:
                bar.set_postfix_str(name)
                run = _run(contenders[name], device)
                if run is None:
                    tqdm.write(f"{about}: {name}: out of memory")
                    left.remove(name)
                    runs[name] = []
                elif number >= 0:
                    runs[name].append(run)
                bar.update()
    return runs


@contextmanager
def _collecting_little() -> Iterator[None]:
    """Caches refer to themselves and so wait for the collector; what was there before them it need not go through."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _run(contender: Callable[[], Timing], device: str) -> Timing | None:
    """One run with its peak memory on a GPU; None where memory ran out."""
    _tidy(device)
    before = 0
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    try:
        run = contender()
    except (MemoryError, RuntimeError) as error:
        # A CPU that refuses says so in a plain RuntimeError.
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        return None
    return replace(run, extra_bytes=torch.cuda.max_memory_allocated() - before) if device == "cuda" else run


def _tidy(device: str) -> None:
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def peaks_in_children(prepare: Callable[..., Callable[[], object]], tasks: Iterable[tuple]) -> list[int | None]:
    """Peak memory on the CPU of `prepare(*task)()`, above what the process held before, for each task.

    Each runs in a process of its own: memory that an earlier run freed would hide what a later one takes. `prepare`
    builds what is needed and returns what is measured. The processes are forked from one that has imported the library
    and done nothing else. None where a process was killed for its memory, and wherever there is no /proc.
    """
    tasks = list(tasks)
    if not CLEAR.exists():
        return [None] * len(tasks)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.models"])
    peaks = []
    for task in tqdm(tasks, desc="peak memory", leave=False):
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as one:
            try:
                peaks.append(one.submit(_peak, prepare, task).result())
            except BrokenProcessPool:
                peaks.append(None)
    return peaks


def _peak(prepare: Callable[..., Callable[[], object]], task: tuple) -> int:
    run = prepare(*task)
    gc.collect()
    before = _kilobytes(STATUS, "VmRSS")
    CLEAR.write_text("5")  # the peak so far is forgotten
    run()
    return 1024 * (_kilobytes(STATUS, "VmHWM") - before)


def free_bytes(device: str) -> float:
    """Bytes that can still be allocated; infinite where that cannot be told."""
    if device == "cuda":
        _tidy(device)
        return torch.cuda.mem_get_info()[0]
    return 1024 * _kilobytes(MEMORY, "MemAvailable") if MEMORY.exists() else float("inf")


def _kilobytes(file: Path, name: str) -> int:
    """A figure of /proc, which gives them in kilobytes."""
    return int(next(line for line in file.read_text().splitlines() if line.startswith(name)).split()[1])


def copy_bandwidth(device: str, touched: int, seconds: float = 1.0) -> float:
    """Bytes per second, read and written, of the fastest of the copies that fit into some time.

    Each touches that many bytes in all: what fits into a processor's cache is copied out of the cache, as a model that
    fits is read out of it.
    """
    source = torch.ones(max(1, min(touched, LARGE_COPY) // 2), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    until, fastest = now(device) + seconds, float("inf")
    while fastest == float("inf") or now(device) < until:
        fastest = min(fastest, timed(device, target.copy_, source).seconds)
    return 2 * len(source) / fastest
