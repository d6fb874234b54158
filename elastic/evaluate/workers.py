"""Chunks to where they are computed: this process, or several on this machine. A cluster: see `ray_cluster`."""

import os
from collections.abc import Generator, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from threading import Thread

import torch
from transformers.utils.logging import disable_progress_bar

from elastic.command_line import AUTO
from elastic.evaluate.lines import Record
from elastic.evaluate.run import Chunk, run_chunk
from elastic.model import Reader, load

Results = Generator[tuple[Chunk, list[Record]], None, None]  # chunks as they are finished, and what came of them


@dataclass(frozen=True)
class ModelSource:
    """What to load, wherever the work is done."""

    name: str | None
    device: str
    four_bit: bool
    dtype: str = AUTO


@cache
def loaded(model: ModelSource) -> Reader:
    """The model, loaded once per process.

    Raises:
        ValueError: as `elastic.model.load` does.
    """
    disable_progress_bar()  # it would be drawn over that of the run
    return load(model.name, model.device, model.four_bit, model.dtype)


def in_process(model: ModelSource, chunks: Iterable[Chunk]) -> Results:
    """Compute chunks here, one after the other."""
    for chunk in chunks:
        yield chunk, work(model, chunk)


def in_pool(model: ModelSource, chunks: Iterable[Chunk], workers: int) -> Results:
    """Compute chunks in processes of one thread each; they come as they are finished.

    Raises:
        ValueError: if a process died.
    """
    # A fresh interpreter for each worker: a forked torch may hang.
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        waiting = {pool.submit(work, model, chunk): chunk for chunk in chunks}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool as error:
            raise ValueError(
                "A worker process died, most likely for want of memory. What was finished is kept: run the same "
                "command again with fewer --workers."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """A worker ends with the program that began it, also where that was killed and could not say so."""
    torch.set_num_threads(1)
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()


def _end_with(program: BaseProcess | None) -> None:
    if program is not None:
        program.join()
        os._exit(1)


def work(model: ModelSource, chunk: Chunk) -> list[Record]:
    """What a worker does with a chunk."""
    return run_chunk(loaded(model), chunk)
