"""Files of a run: a trace file to open again, and its steps as a table. What comes from outside is checked."""

import csv
import hashlib
import io
import json
import math
import zipfile
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from pydantic_core import from_json

from elastic.files import whole
from elastic.picture import is_small_jpeg
from elastic.record.bounded_zip import array_header, open_zip, read_array, read_part, sizes
from elastic.record.foreign import read_file
from elastic.record.plain import MOST_TOKENS, PlainRun, Versioned
from elastic.record.trace import ARRAYS, Run, Trace, shape_of

SCHEMA = 5
OLDEST = 3  # schema that can still be read
MAX_BYTES = 100_000_000  # of a file once unpacked: a small file can unpack to anything
MAX_RATIO = 100  # of unpacked to packed bytes; files that were saved here have 2 to 30
MAX_FILE = 50_000_000
MOST_CHANNELS = 20_000_000  # of all layers and sides: a model of 80 layers with keys of 8 x 128 numbers has 80,000
MOST_DROPPED = 2_000_000  # steps x layers x heads, of which each is told to the browser
MAX_PLAIN, MAX_PICTURE = 2_000_000, 100_000
PARTS = ("run.json", "arrays.npz", "picture.jpg")
CHECKSUM = "checksum"  # of the parts; a file without it was edited, or is not of this program
COLUMNS = ["side", "policy", "keep", "step", "token", "piece", "logprob", "reference_logprob", "divergence", "seconds"]
COLUMNS += ["slots_mean", "bytes_held", "bytes_allocated", "limit_bytes", "evicted", "merged", "asked_after"]


def save_run(run: Run, file: str | Path | io.BytesIO) -> None:
    """Write a run as one zip: `run.json` with the plain parts and the schema, `arrays.npz`, `picture.jpg`.

    Raises:
        ValueError: if the file cannot be written; one that was there stays.
    """
    arrays: dict[str, np.ndarray] = {}
    sides = []
    for number, side in enumerate(run.sides):
        values = {f.name: getattr(side, f.name) for f in fields(Trace)}
        arrays |= {f"{number}.{name}": value for name, value in values.items() if isinstance(value, np.ndarray)}
        sides.append({name: value for name, value in values.items() if not isinstance(value, np.ndarray)})
    plain = {f.name: getattr(run, f.name) for f in fields(Run) if f.name not in ("sides", "picture")}
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    parts = {
        "run.json": json.dumps({"schema": SCHEMA, **plain, "sides": sides}, ensure_ascii=False).encode(),
        "arrays.npz": packed.getvalue(),
        "picture.jpg": run.picture,
    }
    with (
        nullcontext(file) if isinstance(file, io.BytesIO) else whole(Path(file)) as target,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, content in (parts | {CHECKSUM: checksum(parts)}).items():
            archive.writestr(name, content)


def checksum(parts: dict[str, bytes]) -> bytes:
    """Of a trace file's parts: it tells a file that was changed from one that was not, but not who wrote it."""
    digests = [hashlib.sha256(parts[name]).hexdigest() for name in PARTS]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest().encode()


def open_run(file: str | Path | io.BytesIO) -> Run:
    """Read a trace file.

    Raises:
        ValueError: if the file is no trace, is damaged, too large, or has another schema; one sentence for people.
    """
    return read_run(file)[0]


def read_run(file: str | Path | io.BytesIO, name: str = "This file") -> tuple[Run, bool]:
    """Read a trace file; the second value is whether it is as it was when it was saved. `name` is for sentences.

    Raises:
        ValueError: as `open_run`.
    """
    if isinstance(file, io.BytesIO):
        content = file.getvalue()
    else:
        content, name = read_file(file, MAX_FILE), Path(file).name[:60]
    try:
        parts = _parts(content, name)
        values = _plain_values(parts["run.json"])
        schema = Versioned.model_validate(values).number
        if schema not in range(OLDEST, SCHEMA + 1):
            reads = f"this version reads {OLDEST} to {SCHEMA}"
            raise _TraceRefused(f"{name} has trace schema {str(schema)[:20]}, {reads}. Record it again.")
        if not set(PARTS) <= set(parts):
            raise ValueError("parts are missing")
        plain = PlainRun.model_validate(values)
        arrays = _arrays(parts["arrays.npz"], plain, name)
        if parts["picture.jpg"] and not is_small_jpeg(parts["picture.jpg"]):
            raise ValueError("its picture is no JPEG")
        return _build(plain, arrays, parts["picture.jpg"]), parts.get(CHECKSUM) == checksum(parts)
    except _TraceRefused:
        raise
    except Exception as error:  # a file from outside can break in more ways than can be listed
        raise _TraceRefused(
            f"{name} is not a trace file, or is damaged ({_reason(error)}). Open a file that was saved by this page."
        ) from error


class _TraceRefused(ValueError):
    """A sentence that is ready for people."""


def _plain_values(content: bytes) -> Any:
    """The plain part as values, once: errors of a type hold what they were given, all of it."""
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError("its plain part is no JSON") from error


def _reason(error: Exception) -> str:
    """What is wrong in a few words of ours: those of libraries are for programmers."""
    if isinstance(error, ValidationError):
        place = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
        return f"what it says of {str(place[-1])[:40] if place else 'itself'} is missing or impossible"
    return str(error)[:120] if type(error) is ValueError else "its parts do not fit together"


def _parts(content: bytes, name: str) -> dict[str, bytes]:
    """The parts of a trace file, of which each has a size that it may have."""
    most = {"run.json": MAX_PLAIN, "arrays.npz": MAX_FILE, "picture.jpg": MAX_PICTURE, CHECKSUM: 100}
    with open_zip(content, set(most)) as archive:
        found = sizes(archive)
        if "run.json" not in found:
            raise ValueError("parts are missing")
        _refuse_large(sum(found.values()), len(content), name)
        for part, size in found.items():
            if size > most[part]:
                raise _TraceRefused(f"{name} unpacks to {size:,} bytes of {part}; at most {most[part]:,} are read.")
        return {part: read_part(archive, part) for part in found}


def _refuse_large(unpacked: int, packed: int, name: str) -> None:
    most = min(MAX_BYTES, 1_000_000 + MAX_RATIO * packed)
    if unpacked > most:
        raise _TraceRefused(f"{name} unpacks to {unpacked / 1e6:,.1f} MB; at most {most / 1e6:,.1f} MB are read.")


def _arrays(content: bytes, plain: PlainRun, name: str) -> list[dict[str, np.ndarray]]:
    """Every side's arrays; that their sizes are right, and bearable, is known before any of them is unpacked."""
    # Schema 3 had no channels: keys held them all.
    wanted = [array for array in ARRAYS if plain.number > 3 or array != "channels"]
    parts = {f"{side}.{array}.npy": (side, array) for side in range(len(plain.sides)) for array in wanted}
    with open_zip(content, set(parts)) as archive:
        found = sizes(archive)
        if set(found) != set(parts):
            raise ValueError("arrays are missing")
        _refuse_large(sum(found.values()), len(content), name)
        for side in range(len(plain.sides)):
            _check_headers({array: array_header(archive, f"{side}.{array}.npy")[:2] for array in wanted})
        sides: list[dict[str, np.ndarray]] = [{} for _ in plain.sides]
        for part, (side, array) in parts.items():
            sides[side][array] = read_array(archive, part)
    if plain.number == 3:
        shape = plain.shape.kv_heads, plain.shape.head_dim
        # Nothing of it is in the file, yet whoever looks at it walks through all of it.
        if sum(len(arrays["owner"]) for arrays in sides) * math.prod(shape) > MOST_CHANNELS:
            raise ValueError("no model has that shape")
        for arrays in sides:
            arrays["channels"] = np.broadcast_to(True, (len(arrays["owner"]), *shape))
    return sides


def _check_headers(headers: dict[str, tuple[tuple[int, ...], np.dtype]]) -> None:
    """Raise ValueError unless shapes and types are those of one trace, of a size that some model has."""
    if len(headers["owner"][0]) != 3 or len(headers["answer_ids"][0]) != 1:
        raise ValueError("an array has another shape")
    sizes = dict(zip("LHTN", (*headers["owner"][0], *headers["answer_ids"][0]), strict=True))
    if not (1 <= sizes["L"] <= 512 and 1 <= sizes["H"] <= 512 and 1 <= sizes["T"] <= MOST_TOKENS - sizes["N"]):
        raise ValueError("no model has that shape")
    if sizes["N"] * sizes["L"] * sizes["H"] > MOST_DROPPED:
        raise ValueError("its answer is longer than a view can show")
    for name, (shape, dtype) in headers.items():
        letters, expected = ARRAYS[name]
        if dtype != expected or len(shape) != letters.count(",") + 1:
            raise ValueError(f"{name} has another type")
        if shape != (shape_of(letters, sizes) or shape):
            raise ValueError(f"{name} has another shape")


def _build(plain: PlainRun, arrays: list[dict[str, np.ndarray]], picture: bytes) -> Run:
    sides = []
    for given, own in zip(plain.sides, arrays, strict=True):
        # Of any type: that each field has its own was checked, of the plain ones by `PlainRun`, of arrays by `ARRAYS`.
        values: dict[str, Any] = given.model_dump() | {"grid": tuple(given.grid)} | own
        sides.append(Trace(**values))
    for side in sides:
        side.check()
    if not 1 <= len(sides) == len(plain.history) == len(plain.titles):
        raise ValueError("its sides are incomplete")
    _check_together(sides, plain.history)
    rest = plain.model_dump(exclude={"number", "sides"})
    rest["history"] = [[(question, answer) for question, answer in past] for past in plain.history]
    return Run(sides=sides, picture=picture, **rest)


def _check_together(sides: list[Trace], history: list[list[list[str]]]) -> None:
    """Raise ValueError unless the sides are of one question about one picture, and of the same prompt at first.

    Later each side has read answers of its own, so that even the number of its tokens is another.
    """
    of_all = {(side.question, side.asked_after, side.grid, side.layers, side.patches.tobytes()) for side in sides}
    asked = {tuple(question for question, _ in past) for past in history}
    prompts = {tuple(side.pieces) for side in sides} if not any(history) else ()
    if max(len(of_all), len(asked), len(prompts)) > 1:
        raise ValueError("its sides are of different prompts")


def steps_csv(run: Run) -> str:
    """One row per side and answer token, as comma-separated values with a header.

    Tokens are written as JSON texts, quotes included: blanks show, and no spreadsheet takes one for a formula.
    `evicted` lists layer:token pairs, layers from 1, tokens from 0 at the beginning of the conversation; `merged` lists
    what another slot took in, as layer:token>token of that slot. Where heads decide for themselves, each has its own.
    `asked_after` counts the question's tokens that were read when the cache was compressed already, 0 in most runs.
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
                [
                    letter,
                    no_formula(side.policy),
                    keep,
                    step + 1,
                    side.answer_ids[step],
                    json.dumps(side.answer_pieces[step]),
                ]
                + ["" if math.isnan(value) else f"{value:.6g}" for value in numbers]
                + [f"{side.slots[step].mean():.6g}", side.bytes_held[step].sum(), side.bytes_allocated[step]]
                + [side.limit_bytes[step + 1], " ".join(evicted), " ".join(merged), side.asked_after]
            )
    return table.getvalue()


def no_formula(value: object) -> object:
    """A value that no spreadsheet takes for a formula."""
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula else value


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
