"""Files of a run: a trace file to open again, and its steps as a table. What comes from outside is checked."""

import csv
import io
import json
import math
import zipfile
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from elastic.files import whole
from elastic.trace import Run, Trace

SCHEMA = 4
OLDEST = 3  # schema that can still be read
MAX_BYTES = 400_000_000  # of a file once unpacked: a small file can unpack to anything
COLUMNS = ["side", "policy", "keep", "step", "token", "piece", "logprob", "reference_logprob", "divergence", "seconds"]
COLUMNS += ["slots_mean", "bytes_held", "bytes_allocated", "limit_bytes", "evicted", "merged"]


def save_run(run: Run, file: str | Path | io.BytesIO) -> None:
    """Write a run as one zip: `run.json` with the plain parts and the schema, `arrays.npz`, `picture.jpg`.

    Raises:
        ValueError: if the file cannot be written; one that was there stays.
    """
    arrays, sides = {}, []
    for number, side in enumerate(run.sides):
        values = {f.name: getattr(side, f.name) for f in fields(Trace)}
        arrays |= {f"{number}.{name}": value for name, value in values.items() if isinstance(value, np.ndarray)}
        sides.append({name: value for name, value in values.items() if not isinstance(value, np.ndarray)})
    plain = {f.name: getattr(run, f.name) for f in fields(Run) if f.name not in ("sides", "picture")}
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    parts = {
        "run.json": json.dumps({"schema": SCHEMA, **plain, "sides": sides}, ensure_ascii=False).encode(),
        "arrays.npz": packed.getvalue(),
        "picture.jpg": run.picture,
    }
    with (
        nullcontext(file) if isinstance(file, io.BytesIO) else whole(Path(file)) as target,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, content in parts.items():
            archive.writestr(name, content)


def open_run(file: str | Path) -> Run:
    """Read a trace file.

    Raises:
        ValueError: if the file is no trace, is damaged, too large, or has another schema; one sentence for people.
    """
    name = Path(file).name
    try:
        with zipfile.ZipFile(file) as archive:
            _refuse_large(archive, name)
            plain = json.loads(archive.read("run.json"))
            schema = plain.pop("schema", None)
            if schema not in range(OLDEST, SCHEMA + 1):
                reads = f"this version reads {OLDEST} to {SCHEMA}"
                raise _Refused(f"{name} has trace schema {schema}, {reads}. Record it again.")
            packed, picture = io.BytesIO(archive.read("arrays.npz")), archive.read("picture.jpg")
        with zipfile.ZipFile(packed) as inner:
            _refuse_large(inner, name)
        with np.load(packed, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        if schema == 3:
            _complete(plain, arrays)
        return _build(plain, arrays, picture)
    except _Refused:
        raise
    except Exception as error:  # a file from outside can break in more ways than can be listed
        raise _Refused(
            f"{name} is not a trace file, or is damaged ({str(error)[:120] or type(error).__name__}). "
            "Open a file that was saved by this page."
        ) from error


class _Refused(ValueError):
    """A sentence that is ready for people."""


def _refuse_large(archive: zipfile.ZipFile, name: str) -> None:
    size = sum(part.file_size for part in archive.infolist())
    if size > MAX_BYTES:
        raise _Refused(f"{name} unpacks to {size / 1e6:,.0f} MB; at most {MAX_BYTES / 1e6:,.0f} MB are read.")


def _complete(plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Add what schema 3 did not have: then keys held every channel, and nothing was said of what is not shown."""
    for number, side in enumerate(plain["sides"]):
        shape = len(arrays[f"{number}.owner"]), plain["shape"]["kv_heads"], plain["shape"]["head_dim"]
        if math.prod(shape) > MAX_BYTES:
            raise ValueError("no model has that shape")
        arrays[f"{number}.channels"] = np.broadcast_to(True, shape)
        side["unseen"] = ""


def _build(plain: dict[str, Any], arrays: dict[str, np.ndarray], picture: bytes) -> Run:
    sides = []
    for number, given in enumerate(plain.pop("sides")):
        own = {key.split(".", 1)[1]: value for key, value in arrays.items() if key.startswith(f"{number}.")}
        side = Trace(**given | {"grid": tuple(map(int, given["grid"]))}, **own)
        _check_plain(side)
        side.check()
        sides.append(side)
    history = [[(str(question), str(answer)) for question, answer in past] for past in plain.pop("history")]
    if not 1 <= len(sides) == len(history) == len(plain["titles"]):
        raise ValueError("its sides are incomplete")
    if len({(side.grid, len(side.pieces)) for side in sides}) > 1:
        raise ValueError("its sides are of different prompts")
    texts = [*plain["titles"], plain["name"], *plain["about"].values(), *plain["link"].values()]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a text is not a text")
    return Run(sides=sides, picture=picture, history=history, **plain)


def _check_plain(side: Trace) -> None:
    texts = [side.model, side.policy, side.unseen, side.question, side.answer, side.finish]
    texts += [*side.pieces, *side.answer_pieces]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a text is not a text")
    if not all(isinstance(value, bool | int | float | str) for value in side.options.values()):
        raise ValueError("an option is neither a number nor a text")
    for f in fields(Trace):
        value = getattr(side, f.name)
        if isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
            raise ValueError(f"{f.name} holds no numbers")
    if not (math.isfinite(side.prefill_seconds) and math.isfinite(side.compress_seconds)):
        raise ValueError("a time is not a number")


def steps_csv(run: Run) -> str:
    """One row per side and answer token, as comma-separated values with a header.

    Tokens are written as JSON texts, quotes included: blanks show, and no spreadsheet takes one for a formula.
    `evicted` lists layer:token pairs, layers from 1, tokens from 0 at the beginning of the conversation; `merged` lists
    what another slot took in, as layer:token>token of that slot. Where heads decide for themselves, each has its own.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for letter, side in zip("ABCDEFGH", run.sides, strict=False):
        keep = side.options.get("keep", 1.0)
        for step in range(side.steps):
            evicted, merged = _given_up(side, step)
            numbers = [side.logprob[step], side.reference_logprob[step], side.divergence[step], side.seconds[step]]
            writer.writerow(
                [letter, side.policy, keep, step + 1, side.answer_ids[step], json.dumps(side.answer_pieces[step])]
                + ["" if math.isnan(value) else f"{value:.6g}" for value in numbers]
                + [f"{side.slots[step].mean():.6g}", side.bytes_held[step].sum(), side.bytes_allocated[step]]
                + [side.limit_bytes[step + 1], " ".join(evicted), " ".join(merged)]
            )
    return table.getvalue()


def _given_up(side: Trace, step: int) -> tuple[list[str], list[str]]:
    """What a step evicted, as layer:token, and what it merged, as layer:token>token; of all heads."""
    evicted, merged = [], []
    for layer, head in np.argwhere(side.dropped[step] >= 0):
        token, into = side.dropped[step, layer, head], side.joined[step, layer, head]
        if into < 0:
            evicted.append(f"{layer + 1}:{token}")
        else:
            merged.append(f"{layer + 1}:{token}>{into}")
    return evicted, merged
