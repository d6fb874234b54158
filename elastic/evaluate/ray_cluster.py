"""Chunks to the machines of a Ray cluster: a task each, on a GPU of its own where the cluster has any."""

import os
import socket
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from elastic.evaluate.data import Sample
from elastic.evaluate.lines import Record
from elastic.evaluate.run import Chunk
from elastic.evaluate.workers import ModelSource, Results, work

ROOT = Path(__file__).parents[2]
SHIPPED = ("elastic", "scenes", "assets")  # what a worker without the checkout needs
RETRIES = 3  # of a chunk whose worker was lost
PATIENCE = 10  # seconds until a cluster must answer
WAITING = 2  # chunks per processor that are on their way: a worker should find the next one there


def on_ray(model: ModelSource, chunks: Iterable[Chunk], address: str | None) -> Results:
    """Compute chunks on the cluster at an address; None is the one that Ray finds by itself, or a new one here.

    Raises:
        ValueError: if Ray is not installed, there is no cluster at the address, or a chunk's workers are lost again
            and again.
    """
    ray = _ray()
    was_there = ray.is_initialized()
    _join(ray, address)
    try:
        resources = ray.cluster_resources()
        gpus = 0 if model.device == "cpu" else int(resources.get("GPU", 0))
        # Processes that have used a GPU would end after each task: max_calls=0 keeps them, with the model they loaded.
        task = ray.remote(num_cpus=1, num_gpus=min(gpus, 1), max_calls=0, max_retries=RETRIES)(work)
        most = WAITING * max(1, gpus or int(resources.get("CPU", 1)))
        todo, waiting = iter(chunks), dict[Any, Chunk]()
        while True:
            for chunk in islice(todo, most - len(waiting)):
                waiting[task.remote(model, _with_pictures(chunk))] = chunk
            if not waiting:
                return
            done = ray.wait(list(waiting), num_returns=1)[0][0]
            yield waiting.pop(done), _result(ray, done)
    finally:
        if not was_there:
            ray.shutdown()


def _ray() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        import ray
    except ImportError as error:
        raise ValueError("--ray needs the package ray: pip install -r requirements-ray.txt") from error
    return ray


def _join(ray: ModuleType, address: str | None) -> None:
    """Connect to a cluster, and give its workers this code and the embedded model."""
    others = [f"/{path.name}" for path in ROOT.iterdir() if path.name not in SHIPPED]
    shipped = {"working_dir": str(ROOT), "excludes": [*others, "__pycache__", "/assets/traces"]}
    try:
        if address is not None and ":" in address:
            # Ray itself would knock for minutes.
            host, _, port = address.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), timeout=PATIENCE).close()
        ray.init(
            address,
            runtime_env=shipped,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            ignore_reinit_error=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"There is no Ray cluster to join at {address or 'this machine'} ({reason}). "
            "Start one with `ray start --head`, or leave the address out to have one started here."
        ) from error


def _with_pictures(chunk: Chunk) -> Chunk:
    """A chunk that carries its picture files: the worker's machine may not have them."""
    return replace(chunk, samples=tuple(map(_with_picture, chunk.samples)))


def _with_picture(sample: Sample) -> Sample:
    if isinstance(sample.picture, Path) and sample.picture.is_file():
        return replace(sample, picture=sample.picture.read_bytes())
    return sample


def _result(ray: ModuleType, done: object) -> list[Record]:
    try:
        lines: list[Record] = ray.get(done)
        return lines
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise ValueError(
            f"A chunk's worker was lost {1 + RETRIES} times, most likely for want of memory. What was finished is "
            "kept: run the same command again, with a smaller --batch."
        ) from error
